"""Files of a hundred thousand records and of a million: the memory that writing and reading them takes.

    python files.py KEYFERRY [SMALL LARGE]

A table becomes a file of each format, and that file JSON lines again, which must be as many. Prints Markdown; ends with 1
where Passwork's JSON takes more than 150 MiB.
"""

import sys
import tempfile
from pathlib import Path

from scale import csv, run

FORMATS = ("jsonl", "passwork-json")
MOST = 150


def main() -> None:
    keyferry = str(Path(sys.argv[1]).resolve())
    sizes = [int(size) for size in sys.argv[2:]] or [100_000, 1_000_000]
    print("| file | records | MiB | written: µs a record | peak, MiB | read: µs a record | peak, MiB |")
    print("|---|---|---|---|---|---|---|")
    too_much = False
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {"HOME": folder, "TMPDIR": folder}
        for size in sizes:
            csv(home / "rows.csv", size)
            for form in FORMATS:
                figures = []
                for source, sink in (("csv:rows.csv", f"{form}:file"), (f"{form}:file", "jsonl:again")):
                    words = [keyferry, "--json", "-q", "migrate", source, sink, "--allow-plaintext"]
                    report, seconds, peak = run(words, env, home)
                    assert report["created"] == size, report
                    figures.append((seconds / size * 1e6, peak))
                (written, writing), (read, reading) = figures
                length = (home / "file").stat().st_size / (1 << 20)
                print(
                    f"| `{form}` | {size:,} | {length:.0f} | {written:.1f} | {writing:.0f} | {read:.1f} | {reading:.0f} |"
                )
                too_much |= form == "passwork-json" and max(writing, reading) > MOST
    sys.exit(too_much)


if __name__ == "__main__":
    main()
