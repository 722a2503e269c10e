"""What keyferry writes for Bitwarden, opened by other means: key derivation, HMAC and AES of other libraries."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import zipfile
from pathlib import Path

import argon2
import pytest

# Comes with pykeepass.
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import unpad

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))
PASSWORD = "correct horse ключ"
TOTP = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ"
RECORDS = [
    {
        "vault": "Company",
        "path": ["Servers", "DMZ"],
        "name": 'web "1" ёлка',
        "login": "root",
        "password": "p|w,\n'x\"",
        "url": "https://one.example",
        "description": "first\nsecond",
        "favorite": True,
        "customs": [
            {"name": "URL 2", "type": "text", "value": "https://two.example"},
            {"name": "TOTP", "type": "totp", "value": TOTP},
            {"name": "API key", "type": "password", "value": "k&y"},
            {"name": "API key", "type": "text", "value": "shown"},
            {"name": "", "type": "text", "value": ""},
        ],
    },
    {"vault": "Company", "path": [], "name": "note", "description": "only"},
    {"vault": "Company", "path": ["Empty"], "folder": True},
]


def keyferry(home: Path, *words: object, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    variables = {"PATH": os.environ["PATH"], "HOME": str(home)} | env
    run = subprocess.run([BINARY, *words], env=variables, cwd=home, capture_output=True, text=True, check=False)
    assert run.returncode == 0 or not check, run.stderr
    return run


def write(home: Path, records: list) -> Path:
    (source := home / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return source


def expanded(master: bytes, purpose: bytes) -> bytes:
    """HKDF-Expand of RFC 5869, one block."""
    return hmac.digest(master, purpose + b"\x01", hashlib.sha256)


def master_key(file: dict, password: str) -> bytes:
    """The key that the password comes to, by the parameters of the file."""
    salt = file["salt"].encode()
    if file["kdfType"] == 0:
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, file["kdfIterations"])
    return argon2.low_level.hash_secret_raw(
        password.encode(),
        hashlib.sha256(salt).digest(),
        time_cost=file["kdfIterations"],
        memory_cost=file["kdfMemory"] * 1024,
        parallelism=file["kdfParallelism"],
        hash_len=32,
        type=argon2.Type.ID,
    )


def opened(file: dict, password: str) -> dict:
    """The export inside; an assertion fails where the password is another."""
    master = master_key(file, password)
    encryption, signing = expanded(master, b"enc"), expanded(master, b"mac")

    def text(sealed: str) -> bytes:
        kind, _, rest = sealed.partition(".")
        assert kind == "2"
        vector, content, tag = (base64.b64decode(part, validate=True) for part in rest.split("|"))
        assert hmac.compare_digest(tag, hmac.digest(signing, vector + content, hashlib.sha256))
        return unpad(AES.new(encryption, AES.MODE_CBC, vector).decrypt(content), 16)

    assert text(file["encKeyValidation_DO_NOT_EDIT"])
    return json.loads(text(file["data"]))


def test_a_protected_export_opens_elsewhere_with_all_that_is_in_it(tmp_path: Path):
    source = write(tmp_path, RECORDS)
    # Nothing has to be allowed: it is encrypted.
    keyferry(tmp_path, "migrate", source, "bitwarden-protected:out.json", KEYFERRY_FILE_PASSPHRASE=PASSWORD)
    raw = (tmp_path / "out.json").read_text()
    assert "p|w" not in raw and "ёлка" not in raw
    file = json.loads(raw)
    assert (file["encrypted"], file["passwordProtected"]) == (True, True)
    assert (file["kdfType"], file["kdfIterations"], file["kdfMemory"], file["kdfParallelism"]) == (1, 3, 64, 4)
    with pytest.raises(AssertionError):
        opened(file, "another")
    inside = opened(file, PASSWORD)
    assert inside["encrypted"] is False
    folders = {folder["id"]: folder["name"] for folder in inside["folders"]}
    assert sorted(folders.values()) == ["Company", "Company/Empty", "Company/Servers/DMZ"]
    [web] = [item for item in inside["items"] if item["type"] == 1]
    assert folders[web["folderId"]] == "Company/Servers/DMZ"
    wanted = RECORDS[0]
    assert (web["name"], web["notes"], web["favorite"]) == (wanted["name"], wanted["description"], True)
    login = web["login"]
    assert (login["username"], login["password"], login["totp"]) == (wanted["login"], wanted["password"], TOTP)
    assert [uri["uri"] for uri in login["uris"]] == ["https://one.example", "https://two.example"]
    assert [(field["name"], field["value"], field["type"]) for field in web["fields"]] == [
        ("API key", "k&y", 1),
        ("API key", "shown", 0),
        ("", "", 0),
    ]
    [note] = [item for item in inside["items"] if item["type"] == 2]
    assert (note["name"], note["notes"], note["secureNote"]) == ("note", "only", {"type": 0})


def test_a_protected_export_needs_a_password(tmp_path: Path):
    refused = keyferry(tmp_path, "migrate", write(tmp_path, RECORDS), "bitwarden-protected:out.json", check=False)
    assert refused.returncode == 5 and "KEYFERRY_FILE_PASSPHRASE" in refused.stderr
    assert not (tmp_path / "out.json").exists()


def test_what_is_in_the_clear_needs_leave_and_says_what_stays_behind(tmp_path: Path):
    record = RECORDS[0] | {"color": 3, "attachments": [{"name": "ca.pem", "data": base64.b64encode(b"PEM").decode()}]}
    source = write(tmp_path, [record])
    assert keyferry(tmp_path, "migrate", source, "bitwarden-json:out.json", check=False).returncode == 2
    run = keyferry(tmp_path, "--json", "migrate", source, "bitwarden-json:out.json", "--allow-plaintext")
    notes = json.loads(run.stdout)["notes"]
    assert "1 attachment, 1 color stay behind in bitwarden-json, which cannot hold them" in notes, notes
    keyferry(tmp_path, "migrate", source, "bitwarden-zip:out.zip", "--allow-plaintext")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        [item] = json.loads(archive.read("data.json"))["items"]
        assert archive.namelist() == ["data.json", f"attachments/{item['id']}/ca.pem"]
        assert archive.read(f"attachments/{item['id']}/ca.pem") == b"PEM"
