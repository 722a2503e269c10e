"""Several workers on one job, and a server that takes its time.

    python workers.py KEYFERRY SLOW_SERVER [RECORDS [MILLISECONDS...]]

RECORDS (60,000) are imported into one folder of a new environment by one worker and by four, from a server beside them (SLOW_SERVER, of this
repository's benches) that answers each request so many milliseconds later than it could (50, 250 and 1000). The proof is left out,
as it is one process's in both. Prints Markdown: the seconds of the whole process, and how many processors all of it kept busy,
server included, which says whether it waited for the server or for this machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale import run

DELAYS = (50, 250, 1000)
WORKERS = (1, 4)


def csv(path: Path, rows: int) -> None:
    """Into one place: vaults and folders are made by one process, one after the other, before there is work for others."""
    with path.open("w") as file:
        file.write("vault,folder,name,login,password,url,notes,k1,k2,k3,k4\n")
        for i in range(rows):
            file.write(f"Team,Service,account-{i},u{i}@example.com,pw-{i}-Xq7,https://s{i}.example.com,note {i},a{i},b{i},c{i},d{i}\n")


def cpu(usage: object) -> float:
    return usage.ru_utime + usage.ru_stime


def imported(words: list[str], home: Path, env: dict[str, str], delay: int, workers: int) -> tuple[float, float]:
    """The seconds that one import takes, and the processors that it keeps busy."""
    keyferry, slow_server = words
    place = f"env-{delay}-{workers}"
    made, *_ = run([keyferry, "--json", "env", "init", f"embedded:{place}", "--user", "admin"], env, home)
    served = subprocess.Popen([slow_server, place, str(delay)], cwd=home, stdout=subprocess.PIPE)
    sink = served.stdout.readline().decode().strip()
    signed_in = {**env, "KEYFERRY_TOKEN": made["access_token"]}
    command = [keyferry, "--json", "-q", "import", "rows.csv", sink, "--verify", "none", "--workers", str(workers)]
    try:
        start = time.perf_counter()
        # With what its workers took: it waits for them.
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen(command, env=signed_in, cwd=home, stdout=out)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            took = time.perf_counter() - start
            out.seek(0)
            report = json.load(out)
        assert child.returncode == 0 and report["created"] == report["read"], report
    finally:
        served.terminate()
        _, status, served_by = os.wait4(served.pid, 0)
        served.returncode = status
    return took, (cpu(used) + cpu(served_by)) / took


def main() -> None:
    words = [str(Path(word).resolve()) for word in sys.argv[1:3]]
    records, *delays = [int(number) for number in sys.argv[3:]] or [60_000]
    print(f"| {records:,} records, each request takes | one worker, s | busy | four workers, s | busy | ratio |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches", "KEYFERRY_KEYRING": "off"}
        csv(home / "rows.csv", records)
        for delay in delays or DELAYS:
            one, four = (imported(words, home, env, delay, workers) for workers in WORKERS)
            cells = " | ".join(f"{seconds:.1f} | {busy:.2f}" for seconds, busy in (one, four))
            print(f"| {delay} ms | {cells} | {one[0] / four[0]:.2f} × |", flush=True)


if __name__ == "__main__":
    main()
