"""What it costs that the log and the snapshots lie in parts by month on PostgreSQL.

    python months.py

A PostgreSQL server of this bench's own, and three databases with the same 200,000 entries and snapshots: as the tables were before
(version 13), in four months' parts, and in those of five years. pgbench asks each of them what the server asks, for some seconds from
one connection, through prepared statements. Prints Markdown. Needs PostgreSQL (`make setup`).
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import postgres

SECONDS = 4
SHAPES = {"one table": 0, "4 months": 4, "60 months": 60}
#: Seconds of a month here, from the first one on.
FROM, LONG = 1_000_000, 10_000

QUESTIONS = {
    "25 entries are written": "INSERT INTO activity (seq, at, action, object, vault_id, hash) SELECT nextval('activity_seq_seq'), "
    f"{FROM}, 'item.create', md5(i::text), 'v', sha256(i::text::bytea) FROM generate_series(1, 25) i;",
    "50 entries after a number": "\\set i random(1, 199000)\nSELECT * FROM activity WHERE seq > :i ORDER BY seq LIMIT 50;",
    "an item's snapshots": "\\set i random(1, 20000)\nSELECT id, created_at, user_id FROM snapshots WHERE item_id = md5((:i)::text) ORDER BY seq DESC;",
    "a snapshot by its id": "\\set i random(1, 199000)\nSELECT item_id FROM snapshots WHERE id = md5((:i)::text || 's');",
    "an item goes with its snapshots": "\\set i random(1, 20000)\nDELETE FROM items WHERE id = md5((:i)::text);",
}


def parted(months: int) -> str:
    made = (ROOT / "server/migrations/postgres/0014_months.sql").read_text()
    for table in ("activity", "snapshots"):
        made += f"ALTER TABLE {table} ATTACH PARTITION {table}_before FOR VALUES FROM (MINVALUE) TO ({FROM});"
        for begins in range(FROM, FROM + months * LONG, LONG):
            made += f"CREATE TABLE {table}_{begins} PARTITION OF {table} FOR VALUES FROM ({begins}) TO ({begins + LONG});"
    return made


def filled(months: int) -> str:
    at = f"{FROM} + (i % {max(months, 1)}) * {LONG} + 1"
    return f"""
        INSERT INTO vaults (id, name, encrypted) VALUES ('v', 'v', 0);
        INSERT INTO items (id, vault_id, name, tags, color, customs, created_at, updated_at)
          SELECT md5(i::text), 'v', 'n', '[]', 0, '[]', 1, 1 FROM generate_series(1, 20000) i;
        INSERT INTO snapshots (id, item_id, name, tags, color, customs, attachments, created_at)
          SELECT md5(i::text || 's'), md5((1 + i % 20000)::text), 'n', '[]', 0, '[]', '[]', {at} FROM generate_series(1, 200000) i;
        INSERT INTO activity (seq, at, action, object, vault_id, hash)
          SELECT nextval('activity_seq_seq'), {at}, 'item.create', md5(i::text), 'v', sha256(i::text::bytea) FROM generate_series(1, 200000) i;
        VACUUM ANALYZE;"""


def main() -> None:
    env = {**os.environ, "PGPASSWORD": postgres.PASSWORD}
    before = [next((ROOT / "server/migrations/postgres").glob(f"{number:04}_*.sql")).read_text() for number in range(10, 14)]
    with postgres.database() as first, tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "question.sql"
        tell = lambda address, sql: subprocess.run(["psql", "-qAt", "-v", "ON_ERROR_STOP=1", address], input=sql, env=env, check=True, stdout=subprocess.DEVNULL, text=True)
        addresses = {}
        for number, (shape, months) in enumerate(SHAPES.items()):
            tell(first, f"CREATE DATABASE months{number} ENCODING 'UTF8'")
            addresses[shape] = f"{first.rsplit('/', 1)[0]}/months{number}"
            tell(addresses[shape], "".join(before) + (parted(months) if months else "") + filled(months))
        print("| ms, one connection | " + " | ".join(SHAPES) + " |")
        print("|---|" + "---|" * len(SHAPES))
        for what, sql in QUESTIONS.items():
            script.write_text(sql)
            cells = []
            for address in addresses.values():
                words = ["pgbench", "-n", "-M", "prepared", "-f", str(script), "-T", str(SECONDS), address]
                told = subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout
                cells.append(re.search(r"latency average = ([0-9.]+) ms", told)[1][:4])
            print(f"| {what} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
