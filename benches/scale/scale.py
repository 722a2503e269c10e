"""A million records against a hundred thousand: the client's memory, and time per record.

    python scale.py KEYFERRY [SMALL LARGE]

Each import runs twice: over HTTP to `keyferry serve`, where the client is measured alone, and into
an embedded environment, where client and server are one process. Every import is read back and
compared. Prints Markdown.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def csv(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("vault,folder,name,login,password,url,notes,k1,k2,k3,k4\n")
        for i in range(rows):
            file.write(
                f"Team {i % 8},Service {i % 40},account-{i},u{i}@example.com,pw-{i}-Xq7,"
                f"https://s{i}.example.com,note {i},a{i},b{i},c{i},d{i}\n"
            )


def run(words: list[str], env: dict[str, str], cwd: Path) -> tuple[dict, float, float]:
    """The command's JSON, its seconds, and its peak of memory in MiB."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(words, env=env, cwd=cwd, stdout=out, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, errors.decode()
        out.seek(0)
        return json.load(out), time.monotonic() - start, usage.ru_maxrss / 1024


def main() -> None:
    keyferry = str(Path(sys.argv[1]).resolve())
    sizes = [int(size) for size in sys.argv[2:]] or [100_000, 1_000_000]
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches"}
        for size in sizes:
            csv(home / "rows.csv", size)
            for way in ("over HTTP", "embedded"):
                place = f"{way.split()[0]}-{size}"
                made, *_ = run(
                    [keyferry, "--json", "env", "init", f"embedded:{place}", "--user", "admin"], env, home
                )
                sink, server, credentials = f"embedded:{place}", None, {}
                if way == "over HTTP":
                    server = subprocess.Popen(
                        [keyferry, "--json", "serve", place, "--listen", "127.0.0.1:0"],
                        env=env, cwd=home, stdout=subprocess.PIPE,
                    )
                    sink = json.loads(server.stdout.readline())["url"]
                    credentials = {
                        "KEYFERRY_TOKEN": made["access_token"],
                        "KEYFERRY_REFRESH_TOKEN": made["refresh_token"],
                    }
                report, seconds, peak = run(
                    [keyferry, "--json", "-q", "import", "rows.csv", sink], env | credentials, home
                )
                assert report["verified"] == report["created"] == size
                figures[way, size] = (seconds, peak)
                if server:
                    server.terminate()
                    server.wait()
    print("| import, read back and compared | records | records a second | µs a record | peak, MiB |")
    print("|---|---|---|---|---|")
    for (way, size), (seconds, peak) in figures.items():
        print(f"| {way} | {size:,} | {size / seconds:,.0f} | {seconds / size * 1e6:.0f} | {peak:.0f} |")
    print()
    small, large = sizes[0], sizes[-1]
    for way in ("over HTTP", "embedded"):
        (few_s, few_m), (many_s, many_m) = figures[way, small], figures[way, large]
        print(
            f"{way}: {large:,} against {small:,}: memory {many_m / few_m:.2f} ×, "
            f"time a record {many_s / large / (few_s / small):.2f} ×"
        )


if __name__ == "__main__":
    main()
