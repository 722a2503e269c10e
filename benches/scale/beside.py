"""A small import into a new vault: beside nothing, and beside many other records.

    python beside.py KEYFERRY [OTHERS]

The environment with OTHERS records (200,000) is made once and copied; then imports of 100 records, each into a vault of its
own, take turns in it and in an empty one, embedded, read back and compared. Prints Markdown; ends with 1 where the minimum
beside the others is more than twice that beside none.
"""

import sys
import tempfile
import time
from pathlib import Path

from scale import csv, run

RECORDS = 100
TURNS = 7


def small(path: Path, vault: str) -> None:
    with path.open("w") as file:
        file.write("vault,folder,name,login,password\n")
        file.writelines(f"{vault},app,account-{i},u{i},pw-{i}-Xq7\n" for i in range(RECORDS))


def main() -> None:
    keyferry = str(Path(sys.argv[1]).resolve())
    others = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches"}
        csv(home / "others.csv", others)
        for place in ("empty", "full"):
            run([keyferry, "--json", "env", "init", f"embedded:{place}", "--user", "admin"], env, home)
        run([keyferry, "--json", "-q", "import", "others.csv", "embedded:full", "--verify", "none"], env, home)
        best = {"empty": float("inf"), "full": float("inf")}
        for turn in range(TURNS):
            small(home / "new.csv", f"New {turn}")
            for place in best:
                sink = f"embedded:{place}"
                start = time.perf_counter()
                report, *_ = run([keyferry, "--json", "-q", "import", "new.csv", sink], env, home)
                best[place] = min(best[place], time.perf_counter() - start)
                assert report["verified"] == report["created"] == RECORDS
    ratio = best["full"] / best["empty"]
    print(f"| import of {RECORDS} records into a new vault, whole process | beside none, ms | beside {others:,}, ms | ratio | target |")
    print("|---|---|---|---|---|")
    print(f"| embedded | {best['empty'] * 1e3:.0f} | {best['full'] * 1e3:.0f} | {ratio:.2f} × | 2 × |")
    sys.exit(ratio > 2)


if __name__ == "__main__":
    main()
