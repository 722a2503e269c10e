// Runs a WebAssembly program of the pure crates: node run.mjs PROGRAM.wasm
//
// The program prints nothing and ends in a trap where a vector does not open. It runs twice: as it is, and with one
// letter of an expected plaintext changed, which must be noticed.
import { readFileSync } from "node:fs";

const run = async (bytes) => {
  const { instance } = await WebAssembly.instantiate(bytes, {});
  return instance.exports.main(0, 0);
};

const program = readFileSync(process.argv[2]);
if ((await run(program)) !== 0) throw new Error("the vectors do not hold");

const changed = Buffer.from(program);
const at = changed.indexOf('"plaintext": "a"');
if (at < 0) throw new Error("the program holds no vector to change");
changed[at + '"plaintext": "'.length] = "b".charCodeAt(0);
let noticed = false;
try {
  noticed = (await run(changed)) !== 0;
} catch (error) {
  noticed = error instanceof WebAssembly.RuntimeError;
}
if (!noticed) throw new Error("a wrong vector went unnoticed");
console.log("wasm: the vectors hold, and a wrong one is noticed");
