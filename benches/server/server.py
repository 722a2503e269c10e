"""The embedded environment under load, and how its lists and searches grow.

    python server.py KEYFERRY [SMALL LARGE]
    python server.py KEYFERRY --against OTHER
    python server.py KEYFERRY --store postgres://USER@HOST/DATABASE

Load: `wrk` over loopback against a real `keyferry serve`, single items and batches of 25 creates, with 1, 8 and 64
connections. Scale: one folder, one search by name and one by tag, each with the same 500 hits among 10,000 records
and among 1,000,000, asked in turns. Prints Markdown. Needs `wrk`.

Against another program, such as that of an earlier version: the same requests to both in turns, over one connection each,
until the last byte of the answer is there. What a client then makes of the bytes is not the server's. Needs nothing.

On PostgreSQL: batches of 25 creates by one client and by eight, in a vault for each and all in one, over one server and over two of
one database. Needs an empty database; its password is told as `serve` is told it.
"""

import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HITS = 500
SECONDS = 5
TURNS = 200
LUA = """
local file = assert(io.open("{body}", "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
"""
LATENCY = """
done = function(summary, latency, requests)
  io.write(string.format("figures %d %d %d %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.timeout))
end
"""


class Environment:
    """A served environment, and calls to it."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def call(self, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, self.headers())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "X-Response-Format": "raw",
            "Content-Type": "application/json",
        }


@contextmanager
def served(keyferry: str, home: Path, name: str, records: int):
    """An environment of so many records without client-side encryption, on a port of its own."""
    # An earlier program does not open a journal that a later one has written.
    env = {"HOME": str(home), "KEYFERRY_JOURNAL": str(home / f"{name}.journal")}

    def run(*words: object) -> dict:
        done = subprocess.run([keyferry, "--json", "-q", *map(str, words)], env=env, cwd=home, check=True, capture_output=True)
        return json.loads(done.stdout)

    with (home / f"{name}.csv").open("w") as file:
        file.write("vault,folder,name,login,password,tags\n")
        for i in range(records):
            where, tag = ("needles", "needle") if i < HITS else (f"folder {i % 200}", f"tag {i % 50}")
            file.write(f"Team,{where},{tag} {i},u{i}@example.com,pw-{i},{tag}\n")
    made = run("env", "init", f"embedded:{name}", "--user", "admin", "--client-encryption", "off")
    run("import", f"{name}.csv", f"embedded:{name}", "--verify", "none")
    server = subprocess.Popen(
        [keyferry, "--json", "serve", name, "--listen", "127.0.0.1:0", "--log", "off"],
        env=env, cwd=home, stdout=subprocess.PIPE,
    )
    try:
        yield Environment(json.loads(server.stdout.readline())["url"], made["access_token"])
    finally:
        server.terminate()
        server.wait()


def wrk(environment: Environment, path: str, connections: int, home: Path, body: dict | None = None) -> tuple[int, float, float]:
    """Requests a second, p50 and p99 in milliseconds."""
    script = home / "wrk.lua"
    text = LATENCY
    if body is not None:
        (home / "body.json").write_text(json.dumps(body))
        text += LUA.format(body=home / "body.json")
    script.write_text(text)
    headers = [word for name, value in environment.headers().items() for word in ("-H", f"{name}: {value}")]
    threads = min(connections, 2)
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{SECONDS}s", *headers, "-s", script, f"{environment.url}/api/v1{path}"],
        capture_output=True, text=True, check=True,
    )
    rate, p50, p99, errors = map(int, re.search(r"figures (\d+) (\d+) (\d+) (\d+)", done.stdout).groups())
    assert errors == 0, done.stdout
    return rate, p50 / 1000, p99 / 1000


def load(environment: Environment, home: Path) -> None:
    vault = environment.call("/vaults")["items"][0]["id"]
    item = environment.call(f"/items/search?query=needle&vaultIds[]={vault}&limit=1")["items"][0]["id"]
    create = {"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "n", "passwordEncrypted": "cHc="}}
    batch = {"requests": [create] * 25}
    assert all(one["statusCode"] == 200 for one in environment.call("/batch", batch)["responses"])
    print("| request | connections | requests a second | records a second | p50, ms | p99, ms |")
    print("|---|---|---|---|---|---|")
    for name, path, body, records in (("one item", f"/items/{item}", None, 1), ("a batch of 25 creates", "/batch", batch, 25)):
        for connections in (1, 8, 64):
            rate, p50, p99 = wrk(environment, path, connections, home, body)
            print(f"| {name} | {connections} | {rate:,} | {rate * records:,} | {p50:.2f} | {p99:.2f} |")


def scale(small: Environment, large: Environment, sizes: tuple[int, int]) -> None:
    print(f"| {HITS} hits | among {sizes[0]:,}, ms | among {sizes[1]:,}, ms | ratio | target |")
    print("|---|---|---|---|---|")

    def paths(environment: Environment) -> dict[str, str]:
        vault = environment.call("/vaults")["items"][0]["id"]
        folders = environment.call(f"/folders?vaultId={vault}")["items"]
        folder = next(folder["id"] for folder in folders if folder["name"] == "needles")
        return {
            "list a folder": f"/items?vaultId={vault}&folderId={folder}",
            "search by name": f"/items/search?query=needle&vaultIds[]={vault}",
            "search by tag": f"/items/search?tags[]=needle&vaultIds[]={vault}",
        }

    both = [(environment, paths(environment)) for environment in (small, large)]
    for name in both[0][1]:
        times: list[list[float]] = [[], []]
        for turn in range(41):
            for which, (environment, path) in enumerate(both):
                start = time.perf_counter()
                answer = environment.call(path[name])
                # The first turn warms up.
                if turn:
                    times[which].append((time.perf_counter() - start) * 1000)
                assert len(answer["items"]) == HITS
        one, other = (statistics.median(series) for series in times)
        print(f"| {name} | {one:.2f} | {other:.2f} | {other / one:.2f} × | 1.5 × |")


def against(new: Environment, old: Environment) -> None:
    def calls(environment: Environment) -> dict[str, tuple[str, str, bytes | None]]:
        vault = environment.call("/vaults")["items"][0]["id"]
        folders = environment.call(f"/folders?vaultId={vault}")["items"]
        folder = next(folder["id"] for folder in folders if folder["name"] == "needles")
        item = environment.call(f"/items/search?query=needle&vaultIds[]={vault}&limit=1")["items"][0]["id"]
        create = {"method": "POST", "relativeUrl": "/api/v1/items", "body": {"vaultId": vault, "name": "n", "passwordEncrypted": "cHc="}}
        return {
            "list a folder": ("GET", f"/items?vaultId={vault}&folderId={folder}", None),
            "search by name": ("GET", f"/items/search?query=needle&vaultIds[]={vault}", None),
            "search by tag": ("GET", f"/items/search?tags[]=needle&vaultIds[]={vault}", None),
            "one item": ("GET", f"/items/{item}", None),
            "a batch of 25 creates": ("POST", "/batch", json.dumps({"requests": [create] * 25}).encode()),
        }

    both = [(one, calls(one), http.client.HTTPConnection(one.url.removeprefix("http://"))) for one in (new, old)]
    print(f"| {HITS} hits where many | this, ms | the other, ms | the other's time / this one's |")
    print("|---|---|---|---|")
    for name in both[0][1]:
        times: list[list[float]] = [[], []]
        for turn in range(TURNS + 1):
            for which, (environment, paths, connection) in enumerate(both):
                method, path, body = paths[name]
                start = time.perf_counter()
                connection.request(method, f"/api/v1{path}", body, environment.headers())
                answer = connection.getresponse()
                content = answer.read()
                if turn:
                    times[which].append((time.perf_counter() - start) * 1000)
                assert answer.status == 200 and json.loads(content)
        this, other = (statistics.median(series) for series in times)
        print(f"| {name} | {this:.2f} | {other:.2f} | {other / this:.2f} × |")


@contextmanager
def on_database(keyferry: str, home: Path, store: str, servers: int):
    """So many servers of one new environment in a database."""
    env = {"HOME": str(home)} | {name: value for name, value in os.environ.items() if name.startswith(("KEYFERRY_STORE", "PG"))}
    init = [keyferry, "--json", "-q", "env", "init", store, "--user", "admin", "--client-encryption", "off"]
    made = json.loads(subprocess.run(init, env=env, cwd=home, check=True, capture_output=True).stdout)
    serve = [keyferry, "--json", "serve", "--store", store, "--listen", "127.0.0.1:0", "--log", "off"]
    running = [subprocess.Popen(serve, env=env, cwd=home, stdout=subprocess.PIPE) for _ in range(servers)]
    try:
        yield [Environment(json.loads(server.stdout.readline())["url"], made["access_token"]) for server in running]
    finally:
        for server in running:
            server.terminate()
            server.wait()


def creates(environments: list[Environment], clients: int, one_vault: bool) -> float:
    """Records a second."""
    vaults = [environments[0].call("/vaults", {"name": f"v{number}"})["id"] for number in range(1 if one_vault else clients)]
    ends, made = time.perf_counter() + SECONDS, [0] * clients

    def client(number: int) -> None:
        environment, vault = environments[number % len(environments)], vaults[number % len(vaults)]
        item = {"vaultId": vault, "name": "record", "login": "user@example.com", "tags": ["a", "b"], "passwordEncrypted": "cHc=" * 50}
        connection = http.client.HTTPConnection(environment.url.removeprefix("http://"))
        while time.perf_counter() < ends:
            key = f"{vault}-{number}-{made[number]}"
            requests = [
                {"method": "POST", "relativeUrl": "/api/v1/items", "headers": {"Idempotency-Key": f"{key}-{part}"}, "body": item}
                for part in range(25)
            ]
            connection.request("POST", "/api/v1/batch", json.dumps({"requests": requests}), environment.headers())
            answers = json.load(connection.getresponse())["responses"]
            assert all(answer["statusCode"] == 200 for answer in answers), answers
            made[number] += 25

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(made) / (time.perf_counter() - start)


def side_by_side(keyferry: str, home: Path, store: str) -> None:
    print("| clients | vaults | servers | records a second | to one client |")
    print("|---|---|---|---|---|")
    with on_database(keyferry, home, store, 2) as environments:
        creates(environments, 1, one_vault=True)  # warms up
        first = None
        for clients, servers, one_vault in ((1, 1, True), (8, 1, True), (8, 1, False), (8, 2, False)):
            rate = creates(environments[:servers], clients, one_vault)
            first = first or rate
            print(f"| {clients} | {1 if one_vault else clients} | {servers} | {rate:,.0f} | {rate / first:.2f} × |")


def main() -> None:
    keyferry = str(Path(sys.argv[1]).resolve())
    if sys.argv[2:3] == ["--store"]:
        with tempfile.TemporaryDirectory() as folder:
            side_by_side(keyferry, Path(folder), sys.argv[3])
        return
    if sys.argv[2:3] == ["--against"]:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            with served(keyferry, home, "this", 10_000) as new, served(str(Path(sys.argv[3]).resolve()), home, "other", 10_000) as old:
                against(new, old)
        return
    sizes = tuple(int(size) for size in sys.argv[2:4]) or (10_000, 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with served(keyferry, home, "small", sizes[0]) as small, served(keyferry, home, "large", sizes[1]) as large:
            scale(small, large, sizes)
            print()
            load(small, home)


if __name__ == "__main__":
    main()
