"""Two binaries at the same work, in turns: an import of a table into an embedded environment, and a migration into another.

    python against.py OLD NEW [RECORDS]

Both read back and compare everything. Prints Markdown: seconds and CPU of each, the best of two runs, and the ratios.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale import csv


def timed(binary: str, home: Path, *words: str) -> tuple[float, float]:
    """Seconds on the clock and of CPU."""
    env = {**os.environ, "HOME": str(home), "KEYFERRY_MASTER_PASSWORD": "a long sentence for benches"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([binary, *words], env=env, cwd=home, check=True, capture_output=True)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def both(binary: str, source: Path) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("a", "b"):
            timed(binary, home, "env", "init", f"embedded:{name}", "--user", "bench")
        return [
            timed(binary, home, "import", str(source), "embedded:a"),
            timed(binary, home, "migrate", "embedded:a", "embedded:b"),
        ]


def main() -> None:
    old, new = (str(Path(word).resolve()) for word in sys.argv[1:3])
    records = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "people.csv"
        csv(source, records)
        runs = [(both(old, source), both(new, source)) for _ in range(2)]
    print("| work | before, s | now, s | as fast | CPU before, s | CPU now, s | of the CPU |\n|---|---|---|---|---|---|---|")
    for index, what in enumerate([f"import {records:,} records", f"migrate {records:,} records"]):
        (s0, c0), (s1, c1) = (min(run[side][index] for run in runs) for side in (0, 1))
        print(f"| {what} | {s0:.1f} | {s1:.1f} | {s0 / s1:.1f} × | {c0:.1f} | {c1:.1f} | {c1 / c0:.2f} |")


main()
