"""docs/archive-format.md against keyferry: a reader made from the page alone reads what keyferry writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))
VECTORS = ROOT / "tests" / "vectors"
READER = Path(__file__).with_name("read.py")
PASSPHRASE = {"KEYFERRY_ARCHIVE_PASSPHRASE": "correct horse, battery 🙂"}


def read(file: Path, *arguments: object, env: dict) -> subprocess.CompletedProcess:
    words = [sys.executable, READER, file, *arguments]
    return subprocess.run(words, env={"PATH": os.environ["PATH"]} | env, capture_output=True, text=True, check=False)


def records(text: str) -> list:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def private_key(tmp_path: Path) -> Path:
    """The key whose public half the vector is sealed for."""
    pem = tmp_path / "private.pem"
    pem.write_text(json.loads((VECTORS / "rsa.json").read_text())[0]["private_pem"])
    return pem


def test_the_vector_opens_with_the_passphrase_and_with_the_private_key(private_key: Path):
    expected = records((VECTORS / "archive" / "records.jsonl").read_text())
    assert len(expected) == 4
    for run in [
        read(VECTORS / "archive" / "both.kfa", env=PASSPHRASE),
        read(VECTORS / "archive" / "both.kfa", "--key", private_key, env={}),
    ]:
        assert records(run.stdout) == expected, run.stderr


def test_what_keyferry_seals_today_opens_as_well(tmp_path: Path):
    env = PASSPHRASE | {"HOME": str(tmp_path)}
    today = tmp_path / "today.kfa"
    source = VECTORS / "archive" / "records.jsonl"
    subprocess.run([BINARY, "archive", "create", source, today], env=env, check=True, capture_output=True)
    assert records(read(today, env=PASSPHRASE).stdout) == records(source.read_text())


@pytest.mark.parametrize("place", [8, 12, 60, 100, 300, 2_000, -40, -1])
def test_a_changed_byte_is_noticed(place: int, tmp_path: Path):
    data = bytearray((VECTORS / "archive" / "both.kfa").read_bytes())
    data[place] ^= 1
    (changed := tmp_path / "changed.kfa").write_bytes(data)
    assert read(changed, env=PASSPHRASE).returncode != 0


def test_a_missing_end_is_noticed(tmp_path: Path):
    data = (VECTORS / "archive" / "both.kfa").read_bytes()
    header = 10
    for _ in range(data[9]):
        header += 3 + int.from_bytes(data[header + 1 : header + 3], "big")
    header += 64
    # The second cut takes the last chunk away whole: what is left is authentic, but says it is not the last.
    for cut in [len(data) - 1, header + 65_536 + 16]:
        assert cut < len(data)
        (short := tmp_path / "short.kfa").write_bytes(data[:cut])
        assert read(short, env=PASSPHRASE).returncode != 0
