"""What other programs seal, opened by keyferry: age stores and SOPS' data keys by pyrage, Ansible Vault's own command, `gpg --symmetric`."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("KEYFERRY_BIN", ROOT / "target" / "debug" / "keyferry"))
PASSPHRASE = "correct horse, battery 🙂"


def keyferry(home: Path, *words: object, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    variables = {"PATH": os.environ["PATH"], "HOME": str(home)} | env
    run = subprocess.run([BINARY, *words], env=variables, cwd=home, capture_output=True, text=True, check=False)
    assert run.returncode == 0 or not check, run.stderr
    return run


def records(home: Path, source: object, *words: object, **env: str) -> list[dict]:
    """What keyferry reads of a file or folder."""
    keyferry(home, "migrate", source, "out.jsonl", "--allow-plaintext", *words, **env)
    lines = [json.loads(line) for line in (home / "out.jsonl").read_text().splitlines()]
    (home / "out.jsonl").unlink()
    return [line for line in lines if "folder" not in line]


def test_a_store_that_age_seals_opens_with_its_identity(tmp_path: Path):
    pyrage = pytest.importorskip("pyrage")
    identity, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    (store := tmp_path / "store").mkdir()
    (store / ".age-recipients").write_text(f"{identity.to_public()}\n")
    (store / "Web").mkdir()
    # For several recipients, and larger than one of age's chunks.
    recipients = [other.to_public(), identity.to_public()]
    (store / "Web" / "mail.age").write_bytes(pyrage.encrypt(b"s3cret\nuser: mia\nurl: https://mail.example/\n", recipients))
    (store / "long.age").write_bytes(pyrage.encrypt(b"first\n" + b"note \xc3\xa4\n" * 20_000, recipients))
    (tmp_path / "key.txt").write_text(f"# made for a test\n{identity}\n")
    by_name = {record["name"]: record for record in records(tmp_path, "store", "--key-file", "key.txt")}
    assert (by_name["mail"]["password"], by_name["mail"]["login"], by_name["mail"]["vault"]) == ("s3cret", "mia", "Web")
    assert by_name["long"]["password"] == "first" and by_name["long"]["description"].count("note ä") == 20_000
    (tmp_path / "key.txt").write_text(str(pyrage.x25519.Identity.generate()))
    refused = keyferry(tmp_path, "migrate", "store", "out.jsonl", "--allow-plaintext", "--key-file", "key.txt", check=False)
    assert refused.returncode != 0 and "s3cret" not in refused.stderr


def sealed_by_sops(tree: dict, key: bytes, enc: str) -> dict:
    """A tree as SOPS seals it, from its public description; the message of age is another program's."""
    aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")
    digest, modified = hashlib.sha512(), "2026-01-02T03:04:05Z"

    def seal(text: str, beside: str, kind: str = "str") -> str:
        nonce = os.urandom(32)
        body = aead.AESGCM(key).encrypt(nonce, text.encode(), beside.encode())
        parts = [base64.b64encode(part).decode() for part in (body[:-16], nonce, body[-16:])]
        return f"ENC[AES256_GCM,data:{parts[0]},iv:{parts[1]},tag:{parts[2]},type:{kind}]"

    def walk(value: object, path: list[str]) -> object:
        if isinstance(value, dict):
            return {name: walk(inner, [*path, name]) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, path) for inner in value]
        text, kind = (str(value), "int") if isinstance(value, int) else (value, "str")
        digest.update(text.encode())
        return seal(text, "".join(f"{name}:" for name in path), kind)

    sealed = walk(tree, [])
    mac = seal(digest.hexdigest().upper(), modified)
    return {**sealed, "sops": {"age": [{"recipient": "x", "enc": enc}], "lastmodified": modified, "mac": mac, "version": "3.9.0"}}


def test_a_data_key_of_sops_that_another_program_sealed(tmp_path: Path):
    pyrage = pytest.importorskip("pyrage")
    identity, key = pyrage.x25519.Identity.generate(), os.urandom(32)
    enc = pyrage.encrypt(key, [identity.to_public()], armored=True).decode()
    tree = {"db": {"username": "root", "password": "p:w", "port": 5432, "hosts": ["a", "b"]}}
    (tmp_path / "db.json").write_text(json.dumps(sealed_by_sops(tree, key, enc)))
    [record] = records(tmp_path, "db.json", KEYFERRY_FILE_PASSPHRASE=str(identity))
    assert (record["name"], record["login"], record["password"]) == ("db", "root", "p:w")
    assert {one["name"]: one["value"] for one in record["customs"]} == {"port": "5432", "hosts": '["a","b"]'}
    # Named outright as a tree it is refused: ciphertexts are no values.
    refused = keyferry(tmp_path, "migrate", "kv-json:db.json", "out.jsonl", "--allow-plaintext", check=False)
    assert refused.returncode != 0 and "sealed" in refused.stderr, refused.stderr


def test_what_ansible_s_own_command_sealed(tmp_path: Path):
    command = Path(sys.executable).with_name("ansible-vault")
    if not command.exists():
        pytest.skip("ansible-core wants a newer Python")
    (tmp_path / "password").write_text(PASSPHRASE)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}

    def seal(*words: str, text: str | None = None) -> str:
        run = subprocess.run([command, *words], env=env, cwd=tmp_path, input=text, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    (tmp_path / "whole.yml").write_text("db:\n  username: root\n  password: 'p: w ä'\n")
    seal("encrypt", "--vault-password-file", "password", "whole.yml")
    inline = seal("encrypt_string", "--vault-id", "prod@password", "--stdin-name", "password", text="in line")
    (tmp_path / "vars.yml").write_text("app:\n  username: mia\n" + "".join(f"  {line}\n" for line in inline.splitlines()))
    for file, name, login, password in [("whole.yml", "db", "root", "p: w ä"), ("vars.yml", "app", "mia", "in line")]:
        assert (tmp_path / file).read_text().count("$ANSIBLE_VAULT;1.") == 1
        [record] = records(tmp_path, file, KEYFERRY_FILE_PASSPHRASE=PASSPHRASE)
        assert (record["name"], record["login"], record["password"]) == (name, login, password)
    wrong = keyferry(tmp_path, "migrate", "whole.yml", "out.jsonl", "--allow-plaintext", check=False, KEYFERRY_FILE_PASSPHRASE="another")
    assert wrong.returncode == 5, wrong.stderr


@pytest.mark.parametrize("how", [
    [], ["--armor"], ["--cipher-algo", "AES128", "--compress-algo", "zlib"], ["--compress-algo", "none", "--s2k-digest-algo", "SHA512"],
    ["--s2k-mode", "1", "--cipher-algo", "AES192"],
])
def test_what_gpg_seals_with_a_passphrase(how: list[str], tmp_path: Path):
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed (make setup installs it)")
    (home := tmp_path / "gnupg").mkdir(mode=0o700)
    table = "name,url,username,password,note\n" + "".join(f"n{row},https://{row}.example,u,p{row},\n" for row in range(5_000))
    run = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", PASSPHRASE, *how, "-o", tmp_path / "chrome.csv.gpg", "--symmetric"]
    subprocess.run(run, input=table.encode(), check=True, capture_output=True)
    found = records(tmp_path, "chrome.csv.gpg", KEYFERRY_FILE_PASSPHRASE=PASSPHRASE)
    assert len(found) == 5_000 and found[-1]["password"] == "p4999"
    wrong = keyferry(tmp_path, "migrate", "chrome.csv.gpg", "out.jsonl", "--allow-plaintext", check=False, KEYFERRY_FILE_PASSPHRASE="another")
    assert wrong.returncode == 5 and "wrong" in wrong.stderr, wrong.stderr

