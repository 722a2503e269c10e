"""What keyferry writes the official client reads, and the reverse, in both encryption modes.

Compared is everything both can tell: place, name, login, password, url, description, tags, color, favorite, custom
fields, and the bytes of attachments as the official client saves them. Records are compared as a multiset.
"""

import base64
import json
from pathlib import Path

import pytest
from conftest import Server, credentials, keyferry
from passwork_client import PassworkClient
from passwork_client.exceptions import PassworkResponseError

# The official client needs seconds to encrypt more.
LARGE = bytes(range(256)) * 128

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
        "favorite": True,
        "customs": [
            {"name": "API key", "type": "password", "value": "k-123"},
            {"name": "Порт", "type": "text", "value": "5432"},
            {"name": "otp", "type": "totp", "value": "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ"},
            {"name": "", "type": "text", "value": ""},
        ],
        "attachments": [
            {"name": "ca.pem", "data": "LS0tLS1CRUdJTg=="},
            {"name": "empty", "data": ""},
            {"name": "ключ 🙂.bin", "data": base64.b64encode(LARGE).decode()},
        ],
    },
    {"vault": "Infra", "path": [], "name": "empty password", "login": "root", "password": ""},
    {"vault": "Infra", "path": ["Databases"], "name": "no password", "customs": [], "tags": ["сеть"]},
    {"vault": "HR", "path": [], "name": "", "password": " "},
    {"vault": "HR", "path": [], "name": "twin", "login": "u", "password": "same"},
    {"vault": "HR", "path": [], "name": "twin", "login": "u", "password": "same"},
]


def write_lines(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def seen(record: dict) -> str:
    """All that is compared, the same whoever tells it."""
    whole = {
        "vault": record["vault"],
        "path": record["path"],
        "name": record["name"],
        # Absent and empty are two things.
        "password": record.get("password"),
        "color": record.get("color") or 0,
        "favorite": bool(record.get("favorite")),
        "tags": record.get("tags") or [],
        "customs": [[field[key] for key in ("name", "type", "value")] for field in record.get("customs") or []],
        "attachments": sorted([file["name"], file["data"]] for file in record.get("attachments") or []),
    }
    for text in ("login", "url", "description"):
        whole[text] = record.get(text) or ""
    return json.dumps(whole, sort_keys=True, ensure_ascii=False)


def as_record(client: PassworkClient, item: dict, place: Path) -> dict:
    """An item that the official client decrypted, with its place and its files as it saved them."""
    path = client.call("GET", f"/api/v1/vaults/{item['vaultId']}")["name"], []
    if item["folderId"]:
        first, *steps = client.call("GET", f"/api/v1/folders/{item['folderId']}")["path"]
        path = first["name"], [step["name"] for step in steps]
    folder = place / item["id"]
    client.download_item_attachment(item, str(folder))
    files = [
        {"name": file["name"], "data": base64.b64encode((folder / file["name"]).read_bytes()).decode()}
        for file in item["attachments"]
    ]
    # An empty password without encryption is empty on the wire, and the official client leaves it there.
    password = item.get("password", item["passwordEncrypted"])
    told = {"vault": path[0], "path": path[1], "password": password, "favorite": item["isFavorite"]}
    return item | told | {"attachments": files}


def read_all(server: Server, tmp_path: Path) -> list[str]:
    """Every record, as the official client finds it by search, decrypts it one by one and in batches, and saves it."""
    client = server.client()
    ids = [item["id"] for item in client.search_items(query="")]
    items = client.get_items(ids)
    assert items == [client.get_item(id) for id in ids]
    return sorted(seen(as_record(client, item, tmp_path / server.folder.parent.name)) for item in items)


def export(server: Server, tmp_path: Path) -> dict[str, dict]:
    """Every record by its name, as keyferry exports it."""
    out = tmp_path / "out.jsonl"
    keyferry("export", server.url, out, "--allow-plaintext", env=server.env)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    records = [line for line in lines if not line.get("folder")]
    named = {record["name"]: record for record in records}
    assert len(named) == len(records)
    return named


def official_items(client: PassworkClient, tmp_path: Path) -> list[dict]:
    """A vault and its items, made by the official client; answers what was put in."""
    vault = client.create_vault("Сейф")
    top = client.call("POST", "/api/v1/folders", {"vaultId": vault, "name": "top/1"})["id"]
    inner = {"vaultId": vault, "name": "внутри", "parentFolderId": top}
    folder = client.call("POST", "/api/v1/folders", inner)["id"]
    customs = [
        {"name": "n", "type": "text", "value": "v"},
        {"name": "k", "type": "password", "value": "ключ 🙂"},
        {"name": "o", "type": "totp", "value": "GEZDGNBVGY3TQOJQ"},
        {"name": "", "type": "text", "value": ""},
        {"name": "n", "type": "password", "value": "the same name again"},
    ]
    files = {"large.bin": LARGE, "empty": b"", "заметка 🙂.txt": "текст".encode()}
    whole = {
        "name": "whole",
        "login": "админ",
        "password": "S3cret! пароль 🙂",
        "url": "https://x.example",
        "description": "first\n\tsecond",
        "tags": ["t", "тег, two"],
        "color": 5,
    }
    (tmp_path / "given").mkdir()
    for name, content in files.items():
        (tmp_path / "given" / name).write_bytes(content)
    attachments = [{"path": str(tmp_path / "given" / name), "name": name} for name in files]
    place = {"vaultId": vault, "folderId": folder}
    client.create_item(whole | place | {"customs": [dict(field) for field in customs], "attachments": attachments})
    others = [{"name": "least", "password": "x"}, {"name": "empty password", "password": ""}, {"name": "bare"}]
    for other in others:
        client.create_item(other | {"vaultId": vault})
    data = [{"name": name, "data": base64.b64encode(content).decode()} for name, content in files.items()]
    at_top = {"vault": "Сейф", "path": []}
    return [
        whole | {"vault": "Сейф", "path": ["top/1", "внутри"], "customs": customs, "attachments": data},
        *(other | at_top for other in others),
    ]


def test_the_official_client_reads_what_keyferry_wrote(server: Server, tmp_path: Path) -> None:
    keyferry("import", write_lines(tmp_path / "in.jsonl", RECORDS), server.url, env=server.env)
    assert read_all(server, tmp_path) == sorted(map(seen, RECORDS))


def test_keyferry_reads_what_the_official_client_wrote(server: Server, tmp_path: Path) -> None:
    made = official_items(server.client(), tmp_path)
    assert sorted(map(seen, export(server, tmp_path).values())) == sorted(map(seen, made))


def test_an_exported_file_is_for_its_owner_only(server: Server, tmp_path: Path) -> None:
    official_items(server.client(), tmp_path)
    keyferry("export", server.url, tmp_path / "no.jsonl", env=server.env, code=2)
    assert not (tmp_path / "no.jsonl").exists()
    export(server, tmp_path)
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600


def test_migrating_into_encryption_keeps_everything(serve, tmp_path: Path) -> None:
    plain, sealed = serve("off"), serve("on")
    made = official_items(plain.client(), tmp_path)
    keyferry("import", write_lines(tmp_path / "in.jsonl", RECORDS), plain.url, env=plain.env)
    both = credentials(plain.ready, "KEYFERRY_FROM") | credentials(sealed.ready, "KEYFERRY_TO")
    keyferry("migrate", plain.url, sealed.url, env=both)
    expected = sorted(map(seen, made + RECORDS))
    assert read_all(sealed, tmp_path) == expected
    assert read_all(plain, tmp_path) == expected


def test_the_largest_attachment_passes(serve, tmp_path: Path) -> None:
    # Written without encryption, where the official client is quick enough; read with it.
    plain, sealed = serve("off"), serve("on")
    client = plain.client()
    content = bytes(range(256)) * (5 << 12)
    file = tmp_path / "large"
    file.write_bytes(content)
    vault = client.create_vault("V")
    attachments = [{"path": str(file), "name": "large"}]
    client.create_item({"vaultId": vault, "name": "n", "password": "p", "attachments": attachments})
    both = credentials(plain.ready, "KEYFERRY_FROM") | credentials(sealed.ready, "KEYFERRY_TO")
    keyferry("migrate", plain.url, sealed.url, env=both)
    (item,) = sealed.client().search_and_decrypt(query="")
    sealed.client().download_item_attachment(item, str(tmp_path / "read"))
    assert (tmp_path / "read" / "large").read_bytes() == content


def test_an_update_by_the_official_client_is_seen(server: Server, tmp_path: Path) -> None:
    client = server.client()
    official_items(client, tmp_path)
    (item,) = client.search_items(query="least")
    client.update_item(item["id"], {"vaultId": item["vaultId"], "password": "changed", "tags": ["new"]})
    record = export(server, tmp_path)["least"]
    assert (record["password"], record["tags"]) == ("changed", ["new"])
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
