"""Real servers for the official Passwork client: `keyferry serve`, with and without encryption."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from passwork_client import PassworkClient

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))


def credentials(ready: dict, prefix: str = "KEYFERRY") -> dict:
    """The variables that let the command line into a server."""
    found = {f"{prefix}_TOKEN": ready["access_token"], f"{prefix}_REFRESH_TOKEN": ready["refresh_token"]}
    if ready["master_key"]:
        found[f"{prefix}_MASTER_KEY"] = ready["master_key"]
    return found


def keyferry(*arguments: object, env: dict, code: int = 0) -> str:
    """Runs the command line to its end and insists on its exit code."""
    base = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    run = subprocess.run([BINARY, *map(str, arguments)], env=base | env, capture_output=True, text=True, check=False)
    assert run.returncode == code, f"{arguments}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@dataclass
class Server:
    """A running server, and everything one needs to use it."""

    process: subprocess.Popen
    folder: Path
    log: Path
    ready: dict

    @property
    def url(self) -> str:
        return self.ready["url"]

    @property
    def env(self) -> dict:
        return credentials(self.ready)

    def client(self) -> PassworkClient:
        """The official client, signed in and unlocked."""
        client = PassworkClient(self.url)
        client.set_tokens(self.ready["access_token"], self.ready["refresh_token"])
        if self.ready["master_key"]:
            client.set_master_key(self.ready["master_key"])
        return client


@pytest.fixture
def serve(tmp_path: Path):
    """Starts servers; ends those it started, and no others."""
    started: list[Server] = []

    def start(encryption: str) -> Server:
        place = tmp_path / f"server-{len(started)}"
        place.mkdir()
        log = place / "log"
        command = [BINARY, "serve", place / "data", "--dev", "--json", "--listen", "127.0.0.1:0"]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*command, "--client-encryption", encryption], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        line = process.stdout.readline()
        assert line, f"the server did not start: {log.read_text()}"
        server = Server(process, place / "data", log, json.loads(line))
        started.append(server)
        return server

    yield start
    for server in started:
        server.process.terminate()
        server.process.wait(timeout=30)


@pytest.fixture(params=["on", "off"])
def server(request: pytest.FixtureRequest, serve) -> Server:
    """One server, once with client-side encryption and once without."""
    return serve(request.param)
