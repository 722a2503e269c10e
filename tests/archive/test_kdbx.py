"""KDBX files that keyferry writes, opened by pykeepass; and files that pykeepass writes, read by keyferry."""

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from pykeepass import PyKeePass, create_database
from pykeepass.exceptions import CredentialsError

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))
PASSPHRASE = "correct horse, battery 🙂"
RECORDS = [
    {
        "vault": "Company", "path": ["Servers", "DMZ / West"], "name": "web & <proxy>", "login": "svc", "password": "a&b<c>\"d'e]]>f é",
        "url": "https://proxy.example", "description": "line 1\nline 2\ttab", "tags": ["prod", "dmz"],
        "customs": [
            {"name": "URL 2", "type": "text", "value": "https://two.example"},
            {"name": "API key", "type": "password", "value": "k&y"},
            {"name": "TOTP", "type": "totp", "value": "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ"},
            {"name": "Shown", "type": "text", "value": ""},
        ],
        "attachments": [{"name": "blob.bin", "data": base64.b64encode(bytes(range(256)) * 5000).decode()}, {"name": "none", "data": ""}],
    },
    {"vault": "Company", "path": [], "name": "", "login": "u", "password": "p"},
    {"vault": "Company", "path": ["Servers"], "name": "twin", "password": "same"},
    {"vault": "Company", "path": ["Servers"], "name": "twin", "password": "same"},
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


def as_read(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("with_key_file", [False, True])
@pytest.mark.parametrize("with_passphrase", [False, True])
def test_what_keyferry_writes_opens_elsewhere_with_all_that_is_in_it(with_key_file, with_passphrase, tmp_path: Path):
    if not with_key_file and not with_passphrase:
        refused = keyferry(tmp_path, "migrate", write(tmp_path, RECORDS), "out.kdbx", check=False)
        assert refused.returncode == 5 and "KEYFERRY_FILE_PASSPHRASE" in refused.stderr
        assert not (tmp_path / "out.kdbx").exists()
        return
    (key := tmp_path / "any.key").write_bytes(b"any file is a key file")
    words = ["--key-file", key] if with_key_file else []
    env = {"KEYFERRY_FILE_PASSPHRASE": PASSPHRASE} if with_passphrase else {}
    # Nothing has to be allowed: it is encrypted.
    keyferry(tmp_path, "migrate", write(tmp_path, RECORDS), "out.kdbx", *words, **env)
    database = PyKeePass(tmp_path / "out.kdbx", password=PASSPHRASE if with_passphrase else None, keyfile=str(key) if with_key_file else None)
    assert (database.version, database.kdf_algorithm, database.encryption_algorithm) == ((4, 0), "argon2id", "chacha20")
    assert database.root_group.name == "Company"
    assert [group.path for group in database.groups if group.name == "Empty"] == [["Empty"]]
    [web] = database.find_entries(title="web & <proxy>")
    assert web.group.path == ["Servers", "DMZ / West"]
    for wanted, found in [("login", web.username), ("password", web.password), ("url", web.url), ("description", web.notes), ("tags", web.tags)]:
        assert found == RECORDS[0][wanted]
    assert web.otp == RECORDS[0]["customs"][2]["value"]
    assert web.custom_properties | {"otp": None} == {"KP2A_URL": "https://two.example", "API key": "k&y", "Shown": None, "otp": None}
    assert web.is_custom_property_protected("API key") and not web.is_custom_property_protected("KP2A_URL")
    assert [(one.filename, one.data) for one in web.attachments] == [("blob.bin", bytes(range(256)) * 5000), ("none", b"")]
    assert sorted(entry.password for entry in database.entries) == sorted(record["password"] for record in RECORDS if "name" in record)
    with pytest.raises(CredentialsError):
        PyKeePass(tmp_path / "out.kdbx", password="another")
    # What another program has saved anew is still read, with all that is in it.
    database.save()
    keyferry(tmp_path, "verify", "records.jsonl", "out.kdbx", *words, **env)


def test_what_keyferry_reads_of_another_program_is_what_that_wrote(tmp_path: Path):
    database = create_database(tmp_path / "in.kdbx", password=PASSPHRASE)
    group = database.add_group(database.root_group, "Ключи")
    entry = database.add_entry(group, "first", "me", "s3cret", notes="n", tags=["a", "b"])
    entry.set_custom_property("Hidden", "h", protect=True)
    entry.set_custom_property("Alpha", "a")
    entry.add_attachment(database.add_binary(b"\x00\x01" * 40_000), "two.bin")
    entry.save_history()
    entry.password = "now"
    database.trash_entry(database.add_entry(group, "gone", "", "x"))
    database.save()
    env = {"KEYFERRY_FILE_PASSPHRASE": PASSPHRASE}
    keyferry(tmp_path, "migrate", "in.kdbx", "out.jsonl", "--allow-plaintext", **env)
    [record] = [line for line in as_read(tmp_path / "out.jsonl") if "folder" not in line]
    assert (record["path"], record["name"], record["password"], record["tags"]) == (["Ключи"], "first", "now", ["a", "b"])
    assert [(one["name"], one["type"], one["value"]) for one in record["customs"]] == [("Hidden", "password", "h"), ("Alpha", "text", "a")]
    assert base64.b64decode(record["attachments"][0]["data"]) == b"\x00\x01" * 40_000
