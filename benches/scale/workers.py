"""Several workers on one job against a server that is 50 ms away.

    python workers.py KEYFERRY [RECORDS]

An embedded environment is served on this machine behind a relay that delivers every byte 50 ms late in the direction of the
server, each connection by itself, so that requests wait for the way and not for the machine. RECORDS (8,000) are imported into a
new environment by one worker and by four, in turns; the proof is left out, as it is one process's in both. Prints Markdown.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from scale import csv, run

DELAY = 0.05
TURNS = 3


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Delivers what comes, so much later; what follows does not wait for what goes before."""
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            at, data = await queue.get()
            if not data:
                writer.close()
                return
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            writer.write(data)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    try:
        while data := await reader.read(1 << 16):
            queue.put_nowait((time.monotonic() + delay, data))
    except ConnectionError:
        pass
    queue.put_nowait((0.0, b""))
    try:
        await delivering
    except ConnectionError:
        pass


async def relay(port: int, ready: threading.Event, found: list[int]) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, to_server[1], DELAY), pump(to_server[0], writer, 0.0))

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    found.append(server.sockets[0].getsockname()[1])
    ready.set()
    await server.serve_forever()


def imported(keyferry: str, home: Path, env: dict[str, str], workers: int, turn: int) -> float:
    """The seconds that one import takes."""
    place = f"env-{workers}-{turn}"
    made, *_ = run([keyferry, "--json", "env", "init", f"embedded:{place}", "--user", "admin"], env, home)
    command = [keyferry, "--json", "serve", place, "--listen", "127.0.0.1:0", "--log", "off"]
    served = subprocess.Popen(command, env=env, cwd=home, stdout=subprocess.PIPE)
    try:
        url = json.loads(served.stdout.readline())["url"]
        ready, found = threading.Event(), []
        port = int(url.rsplit(":", 1)[1])
        threading.Thread(target=lambda: asyncio.run(relay(port, ready, found)), daemon=True).start()
        ready.wait()
        signed_in = {**env, "KEYFERRY_TOKEN": made["access_token"]}
        sink = f"http://127.0.0.1:{found[0]}"
        words = ["import", "records.csv", sink, "--verify", "none", "--workers", str(workers)]
        start = time.perf_counter()
        report, *_ = run([keyferry, "--json", "-q", *words], signed_in, home)
        took = time.perf_counter() - start
        assert report["created"] == report["read"], report
        return took
    finally:
        served.terminate()
        served.wait()


def main() -> None:
    keyferry = str(Path(sys.argv[1]).resolve())
    records = int(sys.argv[2]) if len(sys.argv) > 2 else 8000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {"HOME": folder, "KEYFERRY_MASTER_PASSWORD": "a master password for benches", "KEYFERRY_KEYRING": "off"}
        csv(home / "records.csv", records)
        best = {1: float("inf"), 4: float("inf")}
        for turn in range(TURNS):
            for workers in best:
                best[workers] = min(best[workers], imported(keyferry, home, env, workers, turn))
    print(f"| {records:,} records, server {DELAY * 1e3:.0f} ms away | one worker, s | four workers, s | ratio |")
    print("|---|---|---|---|")
    print(f"| whole process, not read back | {best[1]:.1f} | {best[4]:.1f} | {best[1] / best[4]:.2f} × |")


if __name__ == "__main__":
    main()
