// Opens an environment, imports a file, reads a record, compares: node main.js LOCATION FILE

import koffi from 'koffi';

const ABI = 1;
const library = koffi.load(process.env.KEYFERRY_LIBRARY ?? 'libkeyferry.so.1');
const Credentials = koffi.struct('kf_credentials', {
  size: 'size_t',
  token: 'const char *',
  refresh_token: 'const char *',
  master_key: 'const char *',
  master_password: 'const char *',
  timeout_seconds: 'uint64_t',
});
koffi.proto('int32_t kf_write(void *context, const void *data, size_t len)');

const statusName = library.func('const char *kf_status_name(int32_t status)');
const lastError = library.func('const char *kf_last_error()');
const abiVersion = library.func('uint32_t kf_abi_version()');

/** Declares a function of keyferry.h that throws what went wrong. */
function declare(signature) {
  const call = library.func(signature);
  return (...given) => {
    const status = call(...given);
    if (status !== 0) throw new Error(`${statusName(status)}: ${lastError()}`);
  };
}
const open = declare(
  'int32_t kf_environment_open(const char *location, const kf_credentials *credentials, _Out_ uint64_t *environment)',
);
const close = declare('int32_t kf_environment_close(uint64_t environment)');
const records = declare(
  'int32_t kf_environment_records(uint64_t environment, const char *path, const char *options, kf_write *write, void *context)',
);
const importFile = declare(
  'int32_t kf_import(uint64_t job, const char *file, uint64_t environment, const char *path, const char *options, void *report)',
);
const verify = declare(
  'int32_t kf_verify(uint64_t job, uint64_t a, const char *a_path, uint64_t b, const char *b_path, const char *options, void *report)',
);

const [location, file] = process.argv.slice(2);
try {
  if (abiVersion() !== ABI) throw new Error('libkeyferry has another ABI');
  const out = [0];
  open(location, { size: koffi.sizeof(Credentials), master_password: process.env.KEYFERRY_MASTER_PASSWORD }, out);
  const environment = out[0];

  // Every record is encrypted here, sent, read back, decrypted and compared.
  importFile(0, file, environment, null, null, null);
  console.log('imported');

  const show = (context, line, length) => {
    process.stdout.write(koffi.decode(line, 'char', Number(length)));
    return 0;
  };
  records(environment, 'Infra/Databases', '{"query": "primary"}', show, null);

  verify(0, environment, null, 0, file, null, null);
  console.log('verified: equal');
  close(environment);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
