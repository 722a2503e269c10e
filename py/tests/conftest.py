"""Embedded environments and `keyferry serve`, made for one test each."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))
MASTER_PASSWORD = "planted master password"
os.environ["NO_PROXY"] = "127.0.0.1"


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """No test sees the developer's own environment, or leaves anything there."""
    for name in list(os.environ):
        if name.startswith(("KEYFERRY_", "PASSWORK_")) and name != "KEYFERRY_BIN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KEYFERRY_JOURNAL", str(tmp_path / "journal.db"))
    monkeypatch.setenv("KEYFERRY_MASTER_PASSWORD", MASTER_PASSWORD)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def embedded(tmp_path):
    """Makes an embedded environment; its location."""

    def make(name: str, encryption: str = "on") -> str:
        words = ["env", "init", f"embedded:{name}", "--user", "admin", "--client-encryption", encryption]
        subprocess.run([BINARY, *words], check=True, capture_output=True)
        return f"embedded:{name}"

    return make


@pytest.fixture
def served(embedded):
    """A running server: its `url`, `access_token`, `refresh_token` and `master_key`."""
    processes = []

    def serve(name: str = "served") -> dict:
        words = [BINARY, "--json", "serve", name, "--dev", "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(process)
        return json.loads(process.stdout.readline())

    yield serve
    for process in processes:
        process.terminate()
        process.wait()


CSV = "vault,folder,name,login,password,url,notes,pin\n" + "".join(
    f"Infra,Team {n % 3},name {n},user,hidden-word-{n},https://h{n},note,{n}\n" for n in range(60)
)


@pytest.fixture
def people(tmp_path):
    """A file of sixty records."""
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path
