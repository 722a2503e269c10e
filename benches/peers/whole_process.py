"""`get` and `exec`, whole processes, by keyferry and by the official command, against one server, as ratios.

    python whole_process.py KEYFERRY PASSWORK_CLI

One `keyferry serve` with client-side encryption; both sides are given the master key. They take turns, so that whatever
else the machine does meets them all. Prints Markdown.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

RECORDS = 500


@contextmanager
def served(keyferry: str, home: Path):
    """What a client must know of a server whose only folder has so many records, and an item of it."""
    env = {"HOME": str(home), "KEYFERRY_KEYRING": "off"}
    server = subprocess.Popen(
        [keyferry, "serve", "data", "--dev", "--json", "--listen", "127.0.0.1:0", "--log", "off"],
        env=env, cwd=home, stdout=subprocess.PIPE,
    )
    try:
        ready = json.loads(server.stdout.readline())
        with (home / "app.csv").open("w") as file:
            file.write("vault,folder,name,login,password\n")
            file.writelines(f"Team,app,APP_{i},u{i}@example.com,pw-{i}\n" for i in range(RECORDS))
        known = {"KEYFERRY_TOKEN": ready["access_token"], "KEYFERRY_MASTER_KEY": ready["master_key"]}
        subprocess.run([keyferry, "-q", "import", "app.csv", ready["url"]], env=env | known, cwd=home, check=True)
        search = urllib.request.Request(
            f"{ready['url']}/api/v1/items/search?query=APP_7&limit=1",
            headers={"Authorization": f"Bearer {ready['access_token']}", "X-Response-Format": "raw"},
        )
        with urllib.request.urlopen(search) as answer:
            yield ready, json.load(answer)["items"][0]
    finally:
        server.terminate()
        server.wait()


def measure(commands: list[list[str]], env: dict, turns: int) -> list[float]:
    """The median of each in seconds, after one turn that warms up."""
    taken: list[list[float]] = [[] for _ in commands]
    for turn in range(turns + 1):
        for times, command in zip(taken, commands, strict=True):
            start = time.perf_counter()
            subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if turn:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def main() -> None:
    keyferry, official = (str(Path(word).absolute()) for word in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder, served(keyferry, Path(folder)) as (ready, item):
        linked = Path(folder) / "passwork-cli"
        linked.symlink_to(keyferry)
        env = {
            "HOME": folder,
            "PATH": os.environ["PATH"],
            "KEYFERRY_KEYRING": "off",
            "PASSWORK_HOST": ready["url"],
            "PASSWORK_TOKEN": ready["access_token"],
            "PASSWORK_MASTER_KEY": ready["master_key"],
        }
        print("| | `passwork-cli` | keyferry in its place | ratio | `keyferry` | ratio | target |")
        print("|---|---|---|---|---|---|---|")
        # keyferry under its own name takes only variables that are asked for.
        work = {
            "`get --password-id`": (["get", "--password-id", item["id"]], [], [], 31, "20 ×"),
            f"`exec` of {RECORDS} records": (
                ["exec", "--folder-id", item["folderId"]], ["--prefix", "APP_"], ["true"], 3, "100 ×",
            ),
        }
        for name, (words, asked, child, turns, target) in work.items():
            own = [keyferry, *words, *asked, *(["--", *child] if child else [])]
            peers = [[program, *words, *child] for program in (official, str(linked))]
            theirs, in_place, ours = measure([*peers, own], env, turns)
            print(
                f"| {name} | {theirs * 1e3:,.0f} ms | {in_place * 1e3:.1f} ms | {theirs / in_place:.0f} × "
                f"| {ours * 1e3:.1f} ms | {theirs / ours:.0f} × | {target} |"
            )


if __name__ == "__main__":
    main()
