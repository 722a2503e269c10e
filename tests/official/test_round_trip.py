"""What keyferry writes the official client reads, and the reverse, in both encryption modes."""

import base64
import json
from pathlib import Path

import pytest
from conftest import Server, credentials, keyferry
from passwork_client import PassworkClient
from passwork_client.exceptions import PassworkResponseError

RECORDS = [
    {
        "vault": "Infra",
        "path": ["Databases", "a/b"],
        "name": "pg-main",
        "login": "postgres",
        "password": 'p"w,\\ пароль 🙂',
        "url": "https://db.example:5432",
        "description": "first line\nsecond",
        "tags": ["prod", "db"],
        "color": 3,
        "customs": [
            {"name": "API key", "type": "password", "value": "k-123"},
            {"name": "Порт", "type": "text", "value": "5432"},
            {"name": "otp", "type": "totp", "value": "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ"},
            {"name": "", "type": "text", "value": ""},
        ],
        "attachments": [{"name": "ca.pem", "data": "LS0tLS1CRUdJTg=="}, {"name": "empty", "data": ""}],
    },
    {"vault": "Infra", "path": [], "name": "empty password", "login": "root", "password": ""},
    {"vault": "HR", "path": [], "name": "twin", "login": "u", "password": "same"},
    {"vault": "HR", "path": [], "name": "twin", "login": "u", "password": "same"},
]


def write_lines(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def seen(record: dict) -> tuple:
    """What is compared, the same whoever tells it."""
    customs = [(field["name"], field["type"], field["value"]) for field in record.get("customs") or []]
    return (
        record["name"],
        record.get("login") or "",
        record.get("password") or "",
        record.get("url") or "",
        record.get("description") or "",
        tuple(record.get("tags") or []),
        tuple(customs),
    )


def read_all(client: PassworkClient) -> list[dict]:
    """Every item, decrypted by the official client through its search and batch."""
    return client.search_and_decrypt(query="")


def test_the_official_client_reads_what_keyferry_wrote(server: Server, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", RECORDS)
    keyferry("import", source, server.url, env=server.env)
    client = server.client()
    items = read_all(client)
    assert sorted(map(seen, items)) == sorted(map(seen, RECORDS))
    (whole,) = [client.get_item(item["id"]) for item in items if item["name"] == "pg-main"]
    client.download_item_attachment(whole, str(tmp_path / "files"))
    assert (tmp_path / "files" / "ca.pem").read_bytes() == b"-----BEGIN"
    assert (tmp_path / "files" / "empty").read_bytes() == b""


def official_items(client: PassworkClient, tmp_path: Path) -> None:
    """A vault and its items, made by the official client."""
    vault = client.create_vault("Made elsewhere")
    file = tmp_path / "note.bin"
    file.write_bytes(bytes(range(256)) * 8)
    client.create_item(
        {
            "vaultId": vault,
            "name": "whole",
            "login": "админ",
            "password": "S3cret! пароль",
            "url": "https://x.example",
            "description": "text",
            "tags": ["t"],
            "customs": [
                {"name": "n", "type": "text", "value": "v"},
                {"name": "k", "type": "password", "value": "ключ"},
                {"name": "o", "type": "totp", "value": "GEZDGNBVGY3TQOJQ"},
            ],
            "attachments": [{"path": str(file), "name": "note.bin"}],
        }
    )
    client.create_item({"vaultId": vault, "name": "least", "password": "x"})
    client.create_item({"vaultId": vault, "name": "bare"})


def test_keyferry_reads_what_the_official_client_wrote(server: Server, tmp_path: Path) -> None:
    official_items(server.client(), tmp_path)
    out = tmp_path / "out.jsonl"
    keyferry("export", server.url, out, "--allow-plaintext", env=server.env)
    records = {record["name"]: record for record in map(json.loads, out.read_text().splitlines())}
    whole = records["whole"]
    assert whole["password"] == "S3cret! пароль"
    assert [field["value"] for field in whole["customs"]] == ["v", "ключ", "GEZDGNBVGY3TQOJQ"]
    (file,) = whole["attachments"]
    assert file["name"] == "note.bin"
    assert base64.b64decode(file["data"]) == bytes(range(256)) * 8
    assert records["least"]["password"] == "x"
    assert "password" not in records["bare"] or records["bare"]["password"] is None


def test_migrating_into_encryption_keeps_everything(serve, tmp_path: Path) -> None:
    plain, sealed = serve("off"), serve("on")
    official_items(plain.client(), tmp_path)
    keyferry("import", write_lines(tmp_path / "in.jsonl", RECORDS), plain.url, env=plain.env)
    both = credentials(plain.ready, "KEYFERRY_FROM") | credentials(sealed.ready, "KEYFERRY_TO")
    keyferry("migrate", plain.url, sealed.url, env=both)
    before, after = read_all(plain.client()), read_all(sealed.client())
    assert sorted(map(seen, before)) == sorted(map(seen, after))
    assert len(after) == len(RECORDS) + 3


def test_an_update_by_the_official_client_is_seen(server: Server, tmp_path: Path) -> None:
    client = server.client()
    official_items(client, tmp_path)
    (item,) = client.search_items(query="least")
    client.update_item(item["id"], {"vaultId": item["vaultId"], "password": "changed", "tags": ["new"]})
    out = tmp_path / "out.jsonl"
    keyferry("export", server.url, out, "--allow-plaintext", env=server.env)
    records = {record["name"]: record for record in map(json.loads, out.read_text().splitlines())}
    assert (records["least"]["password"], records["least"]["tags"]) == ("changed", ["new"])
    assert client.delete_item(item["id"])
    assert client.search_items(query="least") == []


def test_the_official_client_refreshes_its_tokens(server: Server) -> None:
    client = server.client()
    before = client.access_token
    client.update_tokens()
    assert client.access_token != before
    client.create_vault("after the refresh")
    with pytest.raises(PassworkResponseError):
        server.client().create_vault("with the old token")


def test_a_wrong_master_key_opens_nothing(serve) -> None:
    server = serve("on")
    env = server.env | {"KEYFERRY_MASTER_KEY": "not the key"}
    keyferry("ls", server.url, env=env, code=5)
