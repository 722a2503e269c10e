"""Real servers for clients written by others: `keyferry serve`, with and without encryption."""

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from passwork_client import PassworkClient

if os.environ.get("KEYFERRY_ACCELERATE"):
    # The same tests once more, with the official client on native code.
    import keyferry

    assert keyferry.passwork.accelerate().active

ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))
# Nothing of the developer's own environment reaches what is tested, and no proxy stands before a local server.
BASE = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "KEYFERRY_KEYRING": "off"}
os.environ["NO_PROXY"] = "127.0.0.1"


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home for each test: the journal remembers servers by their address, and a later server may get an earlier one's port."""
    monkeypatch.setitem(BASE, "HOME", str(tmp_path))


def credentials(ready: dict, prefix: str = "KEYFERRY") -> dict:
    """The variables that let the command line into a server."""
    found = {f"{prefix}_TOKEN": ready["access_token"], f"{prefix}_REFRESH_TOKEN": ready["refresh_token"]}
    if ready["master_key"]:
        found[f"{prefix}_MASTER_KEY"] = ready["master_key"]
    return found


def keyferry(*arguments: object, env: dict, code: int = 0) -> str:
    """Runs the command line to its end and insists on its exit code."""
    run = subprocess.run([BINARY, *map(str, arguments)], env=BASE | env, capture_output=True, text=True, check=False)
    assert run.returncode == code, f"{arguments}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@dataclass
class Server:
    """A running server, and everything one needs to use it."""

    folder: Path
    log: Path
    ready: dict
    # The server's own, where it speaks TLS.
    certificate: Path | None = None

    @property
    def url(self) -> str:
        return self.ready["url"]

    @property
    def env(self) -> dict:
        return credentials(self.ready)

    def bare_client(self, **options: object) -> PassworkClient:
        """The official client, not signed in."""
        return PassworkClient(self.url, verify_ssl=str(self.certificate) if self.certificate else True, **options)

    def client(self, **options: object) -> PassworkClient:
        """The official client, signed in and unlocked."""
        client = self.bare_client(**options)
        client.set_tokens(self.ready["access_token"], self.ready["refresh_token"])
        if self.ready["master_key"]:
            client.set_master_key(self.ready["master_key"])
        return client


@contextmanager
def servers(folder: Path):
    """Starts servers; ends those it started, and no others."""
    started: list[subprocess.Popen] = []

    def start(encryption: str, *flags: str, store: tuple[str, str] | None = None) -> Server:
        """In a folder of its own; or in an empty database, by its address and its password."""
        place = folder / f"server-{len(started)}"
        place.mkdir()
        log = place / "log"
        ready, env = {}, BASE
        what = [place / "data", "--dev", "--client-encryption", encryption]
        if store:
            address, password = store
            env = BASE | {"KEYFERRY_STORE_PASSWORD": password}
            words = ["--json", "env", "init", address, "--user", "admin", "--client-encryption", encryption]
            ready = json.loads(keyferry(*words, env=env))
            what = ["--store", address]
        command = [BINARY, "serve", *what, "--json", "--listen", "127.0.0.1:0", *flags]
        with log.open("wb") as errors:
            process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
        started.append(process)
        line = process.stdout.readline()
        assert line, f"the server did not start: {log.read_text()}"
        certificate = place / "data" / "tls.crt" if "--tls" in flags else None
        return Server(place / "data", log, ready | json.loads(line), certificate)

    yield start
    for process in started:
        with process:
            process.terminate()


@pytest.fixture
def serve(tmp_path: Path):
    """Starts servers for one test."""
    with servers(tmp_path) as start:
        yield start


@pytest.fixture(params=["on", "off"])
def server(request: pytest.FixtureRequest, serve) -> Server:
    """One server, once with client-side encryption and once without."""
    return serve(request.param)
