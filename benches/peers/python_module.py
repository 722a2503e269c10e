"""The Python module against the official client and against the Rust bench, in one run, as ratios.

Run it with `make bench-peers`: it needs the module and the official client in one environment, and takes the `native`
bench and the `keyferry` binary as arguments. The `get_item` loop goes through a real server; the rest leaves the network out.
"""

import json
import subprocess
import sys
import time

import official
import pyarrow as pa
from passwork_client import PassworkClient

import keyferry
from keyferry import crypto

COUNT = 1_000
ROUNDS = 12


def record(number: int) -> dict:
    return {
        "name": f"server-{number}",
        "login": "postgres",
        "password": f"correct horse battery {number}",
        "url": "https://db.example:5432",
        "customs": [
            {"name": "API key", "type": "password", "value": f"k-{number:032}"},
            {"name": "port", "type": "text", "value": "5432"},
            {"name": "otp", "type": "totp", "value": "otpauth://totp/Lab:ops?secret=GEZDGNBVGY3TQOJQ"},
        ],
    }


def each(work) -> float:
    """Seconds a record."""
    return official.seconds(work, least=1.5) / COUNT


def loop(binary: str) -> tuple[float, float]:
    """Seconds a `get_item` of the official client against a server, plain and accelerated."""
    server = subprocess.Popen(
        [binary, "--json", "serve", "--dev", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    try:
        ready = json.loads(server.stdout.readline())
        client = PassworkClient(ready["url"])
        client.set_tokens(ready["access_token"], ready["refresh_token"])
        client.set_master_key(ready["master_key"])
        vault = client.create_vault("bench")
        item = client.create_item({**record(1), "vaultId": vault})

        def read() -> None:
            assert client.get_item(item)["password"] == record(1)["password"]

        plain = official.seconds(read)
        with keyferry.passwork.accelerate():
            return plain, official.seconds(read)
    finally:
        server.terminate()
        server.wait()


def importing(turns: int = 40) -> float:
    """What `import keyferry` adds to an interpreter that starts, in seconds: the least of many turns, each in a process."""
    least = {"pass": float("inf"), "import keyferry": float("inf")}
    for _ in range(turns):
        for program in least:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            least[program] = min(least[program], time.perf_counter() - start)
    return least["import keyferry"] - least["pass"]


def main() -> None:
    native, binary = sys.argv[1:]
    rust = json.loads(subprocess.run([native], check=True, capture_output=True, text=True).stdout)
    theirs = official.measure()
    key = crypto.generate_key()
    plain = [record(number) for number in range(COUNT)]
    items = crypto.encrypt_records(plain, key)
    opened = crypto.decrypt_records(items, key)
    assert [one["password"] for one in opened] == [one["password"] for one in plain]
    table, sealed = pa.Table.from_pylist(plain), pa.Table.from_pylist(items)
    dicts = {
        "encrypt": each(lambda: crypto.encrypt_records(plain, key, threads=1)),
        "decrypt": each(lambda: crypto.decrypt_records(items, key, threads=1)),
    }
    arrow = {
        "encrypt": each(lambda: crypto.encrypt_records(table, key, threads=1)),
        "decrypt": each(lambda: crypto.decrypt_records(sealed, key, threads=1)),
    }
    print("| one record, one core | official client | dictionaries | ratio | Arrow | over Rust: dictionaries, Arrow |")
    print("|---|---|---|---|---|---|")
    for work, their_work in (("encrypt", "encrypt"), ("decrypt", "decrypt_as_shipped")):
        base = rust[f"{work}_one"]
        print(
            f"| {work} | {theirs[their_work] * 1e6:,.0f} µs | {dicts[work] * 1e6:.1f} µs | {theirs[their_work] / dicts[work]:,.0f} × "
            f"| {arrow[work] * 1e6:.1f} µs | {100 * (dicts[work] / base - 1):+.0f} %, {100 * (arrow[work] / base - 1):+.0f} % |"
        )
    before, after = loop(binary)
    print()
    print(f"get_item through a server: {before * 1e3:.1f} ms, accelerated {after * 1e3:.2f} ms, {before / after:.0f} × (target 10 ×)")
    print(f"import keyferry: {importing() * 1e3:.1f} ms (target 15 ms)")


main()
