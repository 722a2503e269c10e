"""What records take on PostgreSQL: bytes in an environment's database and in a journal's, and seconds.

    python postgres.py KEYFERRY [RECORDS]

A PostgreSQL server of this bench's own holds both databases; with synchronous_commit and fsync on. RECORDS (50,000), each with
four custom fields, are imported by `--workers 1` over HTTP to `keyferry serve --store postgres://…`, through a journal in the other
database, read back and compared. The same import into an environment in a folder, with a journal in a file, is the ratio. Prints
Markdown. Needs PostgreSQL (`make setup`); run by root, PostgreSQL runs as its own user.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from scale import csv, run

PASSWORD = "a password for benches"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]


def as_server(*words: object) -> list[str]:
    """PostgreSQL does not run as root."""
    words = [str(word) for word in words]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words] if os.getuid() == 0 else words


@contextmanager
def postgres(folder: Path):
    """A server; its port."""
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    if os.getuid() == 0:
        folder.chmod(0o755)
        shutil.chown(password, "postgres")
        data.mkdir(mode=0o700)
        shutil.chown(data, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(as_server(PROGRAMS / "initdb", "-D", data, *words), check=True, stdout=subprocess.DEVNULL)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    control = as_server(PROGRAMS / "pg_ctl", "-D", data, "-w", "-l", data / "log")
    subprocess.run([*control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=True, stdout=subprocess.DEVNULL)


def tell(port: int, sql: str, database: str = "postgres") -> str:
    words = [str(PROGRAMS / "psql"), "-qAt", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", database, "-c", sql]
    return subprocess.run(words, env={"PGPASSWORD": PASSWORD}, check=True, capture_output=True, text=True).stdout


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
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as server, postgres(Path(server)) as port:
        home = Path(folder)
        csv(home / "rows.csv", records)
        for name in ("store", "journal"):
            tell(port, f"CREATE DATABASE {name} ENCODING 'UTF8'")
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches", "KEYFERRY_KEYRING": "off"}
        in_files, _ = imported(keyferry, home, env, "embedded:files", ["files"])
        at = f"postgres://postgres@127.0.0.1:{port}"
        named = {"KEYFERRY_STORE_PASSWORD": PASSWORD, "KEYFERRY_JOURNAL": f"{at}/journal", "KEYFERRY_JOURNAL_PASSWORD": PASSWORD}
        before = int(tell(port, "SELECT pg_database_size('store')")), int(tell(port, "SELECT pg_database_size('journal')"))
        on_server, made = imported(keyferry, home, env | named, f"{at}/store", ["--store", f"{at}/store"])
        assert made == records
        sizes = {}
        for name, empty in zip(("store", "journal"), before):
            tell(port, "VACUUM", name)
            sizes[name] = (int(tell(port, f"SELECT pg_database_size('{name}')")) - empty) / records
        largest = tell(
            port,
            "SELECT relname || ' ' || pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " ORDER BY pg_total_relation_size(oid) DESC LIMIT 4",
            "store",
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
