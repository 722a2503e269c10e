"""What records take on PostgreSQL: bytes in an environment's database and in a journal's, and seconds.

    python on_postgres.py KEYFERRY [RECORDS]

A PostgreSQL server of this bench's own holds both databases; with synchronous_commit and fsync on. RECORDS (50,000), each with
four custom fields, are imported by `--workers 1` over HTTP to `keyferry serve --store postgres://…`, through a journal in the other
database, read back and compared. The same import into an environment in a folder, with a journal in a file, is the ratio. Prints
Markdown. Needs PostgreSQL (`make setup`); run by root, PostgreSQL runs as its own user.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale import csv, run

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "api"))
import postgres


def tell(address: str, sql: str) -> str:
    words = ["psql", "-qAt", address, "-c", sql]
    return subprocess.run(words, env={**os.environ, "PGPASSWORD": postgres.PASSWORD}, check=True, capture_output=True, text=True).stdout


def imported(keyferry: str, home: Path, env: dict[str, str], store: str, flag: list[str]) -> tuple[float, int]:
    """The seconds of an import into a new environment, and how many records are there."""
    made, *_ = run([keyferry, "--json", "env", "init", store, "--user", "admin"], env, home)
    words = [keyferry, "--json", "serve", *flag, "--listen", "127.0.0.1:0", "--log", "off"]
    served = subprocess.Popen(words, env=env, cwd=home, stdout=subprocess.PIPE)
    try:
        url = json.loads(served.stdout.readline())["url"]
        signed_in = env | {"KEYFERRY_TOKEN": made["access_token"]}
        start = time.perf_counter()
        report, *_ = run([keyferry, "--json", "-q", "import", "rows.csv", url, "--workers", "1"], signed_in, home)
        took = time.perf_counter() - start
        assert report["verified"] == report["created"] == report["read"], report
        return took, report["created"]
    finally:
        served.terminate()
        served.wait()


def main() -> None:
    keyferry = str(Path(sys.argv[1]).resolve())
    records = int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    with tempfile.TemporaryDirectory() as folder, postgres.database(is_durable=True) as first:
        home = Path(folder)
        csv(home / "rows.csv", records)
        at = first.rsplit("/", 1)[0]
        for name in ("store", "journal"):
            tell(first, f"CREATE DATABASE {name} ENCODING 'UTF8'")
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches", "KEYFERRY_KEYRING": "off"}
        in_files, _ = imported(keyferry, home, env, "embedded:files", ["files"])
        named = {"KEYFERRY_STORE_PASSWORD": postgres.PASSWORD, "KEYFERRY_JOURNAL": f"{at}/journal", "KEYFERRY_JOURNAL_PASSWORD": postgres.PASSWORD}
        size = lambda name: int(tell(first, f"SELECT pg_database_size('{name}')"))
        before = {name: size(name) for name in ("store", "journal")}
        on_server, made = imported(keyferry, home, env | named, f"{at}/store", ["--store", f"{at}/store"])
        assert made == records
        sizes = {}
        for name, empty in before.items():
            tell(f"{at}/{name}", "VACUUM")
            sizes[name] = (size(name) - empty) / records
        largest = tell(
            f"{at}/store",
            "SELECT relname || ' ' || pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " ORDER BY pg_total_relation_size(oid) DESC LIMIT 4",
        )
        file = sum(path.stat().st_size for path in (home / "files").iterdir() if path.is_file()) / records
    print(f"| {records:,} records, one worker, read back and compared | in files | in PostgreSQL | ratio |\n|---|---|---|---|")
    print(f"| records a second | {records / in_files:,.0f} | {records / on_server:,.0f} | {in_files / on_server:.2f} × |")
    print(f"| environment, bytes a record | {file:,.0f} | {sizes['store']:,.0f} | {sizes['store'] / file:.2f} × |")
    print(f"| journal, bytes a record | | {sizes['journal']:,.0f} | |")
    for line in largest.splitlines():
        name, size = line.split()
        print(f"| of these `{name}` with its indexes | | {int(size) / records:,.0f} | |")


if __name__ == "__main__":
    main()
