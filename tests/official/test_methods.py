"""Every public method of the official client against `keyferry serve`: over plain HTTP and over TLS, with and
without client-side encryption, the access token expired in between. `docs/compatibility.md` is this file's table."""

import base64
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Server
from covers import covers
from passwork_client import PassworkClient
from passwork_client.constants import LinkExpirationTime, LinkType
from passwork_client.crypto import decrypt_aes, encrypt_aes, generate_user_rsa_keys, get_hash, get_master_key, rsa_encrypt
from passwork_client.exceptions import PassworkError, PassworkResponseError
from passwork_client.utils import get_encryption_key

CUSTOMS = [{"name": "port", "type": "text", "value": "5432"}, {"name": "key", "type": "password", "value": "k-1"}]


@dataclass
class World:
    """A server, its client, and a vault with one item that has everything."""

    server: Server
    client: PassworkClient
    vault: str
    item: str
    file: Path

    @property
    def encrypted(self) -> bool:
        return self.client.is_encrypt

    def record_key(self, item: dict) -> str:
        if not self.encrypted:
            return ""
        return get_encryption_key(item["vaultMasterKeyEncrypted"], item["keyEncrypted"], self.client.user_private_key)


@pytest.fixture(params=["http-on", "http-off", "https-on", "https-off"])
def world(request: pytest.FixtureRequest, serve, tmp_path: Path) -> World:
    scheme, encryption = request.param.split("-")
    server = serve(encryption, *(["--tls"] if scheme == "https" else []))
    client = server.client()
    vault = client.create_vault("Vault")
    file = tmp_path / "file.bin"
    file.write_bytes(bytes(range(256)))
    item = client.create_item(
        {
            "vaultId": vault,
            "name": "db",
            "login": "postgres",
            "password": "пароль 🙂",
            "url": "https://db.example",
            "description": "first",
            "tags": ["prod", "db"],
            "color": 3,
            "customs": [dict(custom) for custom in CUSTOMS],
            "attachments": [{"path": str(file), "name": "file.bin"}],
        }
    )
    return World(server, client, vault, item, file)


def second_user(world: World) -> tuple[PassworkClient, str]:
    """A user whose keys are made as the format has it, signed in with a password."""
    new = {"username": "bob", "password": "a login password"}
    master_key = None
    if world.encrypted:
        made = get_master_key(world.client.get_user_master_key_new_options(), "a master password")
        master_key = made["hashedString"]
        new |= {"masterKeyHash": get_hash(master_key), "masterKeyOptions": made["masterKeyOptions"]}
        new |= {"keys": generate_user_rsa_keys(master_key)}
    user = world.client.call("POST", "/api/v1/users", new)["id"]
    client = world.server.bare_client()
    login = {"username": "bob", "password": "a login password", "hostname": "test"}
    tokens = client.call("POST", "/api/v1/users/login", login)
    client.set_tokens(tokens["accessToken"], tokens["refreshToken"])
    client.set_master_key(master_key)
    return client, user


@covers("create_item", "get_item", "decrypt_item", "decrypt_item_customs", "encrypt_item", "encrypt_item_customs", "encrypt_item_attachments")
def test_an_item_comes_back_as_it_was_created(world: World):
    item = world.client.get_item(world.item)
    assert (item["password"], item["login"], item["tags"], item["color"]) == ("пароль 🙂", "postgres", ["prod", "db"], 3)
    assert [[one[key] for key in ("name", "type", "value")] for one in item["customs"]] == [list(one.values()) for one in CUSTOMS]
    if world.encrypted:
        raw = world.client.call("GET", f"/api/v1/items/{world.item}")
        assert "пароль" not in str(raw) and "k-1" not in str(raw)


@covers("update_item", "delete_item")
def test_an_item_is_updated_and_deleted(world: World):
    world.client.update_item(world.item, {"vaultId": world.vault, "password": "new", "login": "root", "tags": []})
    item = world.client.get_item(world.item)
    assert (item["password"], item["login"], item["tags"], item["url"]) == ("new", "root", [], "https://db.example")
    bin_item = world.client.delete_item(world.item)
    assert world.client.search_items(query="db") == []
    world.client.call("POST", f"/api/v1/bin-items/{bin_item}/restore", {})
    assert world.client.get_item(world.item)["password"] == "new"


@covers("get_items", "send_batch", "batch_request")
def test_many_items_come_in_batches(world: World):
    ids = [world.item]
    for number in range(26):
        ids.append(world.client.create_item({"vaultId": world.vault, "name": f"n{number}", "password": str(number)}))
    items = world.client.get_items(ids)
    assert [item["password"] for item in items[1:]] == [str(number) for number in range(26)]
    assert world.client.get_items([]) == []
    # What is not there is left out without a word: the official client drops every answer but 200.
    requests = [{"method": "GET", "relativeUrl": f"/api/v1/items/{id}"} for id in ("0" * 24, world.item)]
    assert len(world.client.batch_request(requests)) == 1


@covers("search_items", "search_and_decrypt")
def test_searches_join_their_conditions(world: World):
    other = world.client.create_vault("Other")
    folder = world.client.call("POST", "/api/v1/folders", {"vaultId": other, "name": "f"})["id"]
    inside = {"vaultId": other, "folderId": folder, "name": "Почта", "password": "x", "tags": ["prod"], "color": 1}
    inside = world.client.create_item(inside)
    found = lambda **conditions: [item["id"] for item in world.client.search_items(**conditions)]  # noqa: E731
    assert sorted(found(tags=["prod"])) == sorted([world.item, inside])
    assert found(tags=["prod", "db"]) == [world.item]
    assert found(query="почта") == found(folder_ids=[folder]) == found(color_codes=[1]) == [inside]
    assert found(vault_ids=[world.vault]) == [world.item]
    assert found(vault_ids=[world.vault], color_codes=[1]) == []
    assert [item["password"] for item in world.client.search_and_decrypt(query="почта")] == ["x"]
    assert world.client.search_and_decrypt(query="nothing") == []


@covers("download_item_attachment", "prepare_attachments_data", "get_item_attachment")
def test_an_attachment_comes_back(world: World, tmp_path: Path):
    item = world.client.get_item(world.item)
    world.client.download_item_attachment(item, str(tmp_path / "out"))
    assert (tmp_path / "out" / "file.bin").read_bytes() == world.file.read_bytes()
    attachment = world.client.get_item_attachment(world.item, item["attachments"][0]["id"])
    text = "".join(map(chr, world.file.read_bytes()))
    assert attachment["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert world.client.prepare_attachments_data(item["attachments"], world.item) == [attachment]


@covers("create_vault", "get_vault", "get_vault_password", "use_key_encryption")
def test_a_vault_has_a_key_or_none(world: World):
    vault = world.client.get_vault(world.vault)
    password = world.client.get_vault_password(vault)
    assert vault["name"] == "Vault"
    assert world.client.use_key_encryption(vault) == world.encrypted
    assert (len(password) == 100) == world.encrypted
    if world.encrypted:
        assert get_hash(password + vault["salt"]) == vault["masterKeyHash"]


@covers("get_vault_types", "find_vault_type", "filter_vault_types", "get_vault_type_admins_keys", "get_features", "find_feature")
def test_a_vault_may_need_a_type(world: World):
    # Two are always there, and ask for nothing.
    standard = [world.client.find_vault_type(code=code)["id"] for code in ("company", "privateShared")]
    assert world.client.find_vault_type(code="board") is None
    assert world.client.find_feature("vaultType") is None
    bob, bob_id = second_user(world)
    kind = {"name": "Board", "code": "board", "administrators": [bob_id]}
    kind = world.client.call("POST", "/api/v1/vault-types", kind)["id"]
    # The client asks for the features once.
    again = world.server.client()
    assert again.find_feature("vaultType") == {"name": "vaultType"}
    assert {"name": "vaultType"} in again.get_features()
    assert [one["id"] for one in again.get_vault_types()["items"]] == [kind, *standard]
    for by in ({"code": "board"}, {"name": "Board"}, {"id": kind}):
        assert again.find_vault_type(**by)["id"] == kind
    assert again.filter_vault_types("code", "none") is None
    with pytest.raises(PassworkError):
        again.create_vault("untyped")
    assert set(again.get_vault_type_admins_keys(kind, "key")) == ({bob_id} if world.encrypted else set())
    vault = again.create_vault("typed", kind)
    item = again.create_item({"vaultId": vault, "name": "n", "password": "for administrators"})
    assert bob.get_item(item)["password"] == "for administrators"


@covers("create_shortcut", "get_shortcut", "download_shortcut_attachment", "search_shortcut", "search_and_decrypt_shortcut", "get_shortcut_items")
def test_a_shortcut_leads_to_its_item(world: World, tmp_path: Path):
    other = world.client.create_vault("Other")
    folder = world.client.call("POST", "/api/v1/folders", {"vaultId": other, "name": "f"})["id"]
    id = world.client.create_shortcut(world.item, other, folder)
    shortcut = world.client.get_shortcut(id)
    inner = shortcut["shortcut"]
    assert (shortcut["id"], inner["id"], inner["itemId"]) == (world.item, id, world.item)
    assert (inner["vaultId"], inner["folderId"]) == (other, folder)
    assert [step["name"] for step in shortcut["path"]] == ["Other", "f"]
    assert shortcut["password"]["password"] == "пароль 🙂"
    world.client.download_shortcut_attachment(shortcut, str(tmp_path / "out"))
    assert (tmp_path / "out" / "file.bin").read_bytes() == world.file.read_bytes()
    assert [one["shortcut"]["id"] for one in world.client.search_shortcut(tags=["prod"], vault_ids=[other])] == [id]
    assert world.client.search_shortcut(vault_ids=[world.vault]) == []
    for found in (world.client.search_and_decrypt_shortcut(query="db"), world.client.get_shortcut_items([id])):
        assert [one["password"]["password"] for one in found] == ["пароль 🙂"]
    # An update by the shortcut's id: the owner still decrypts.
    world.client.update_item(id, {"vaultId": other, "password": "by shortcut"})
    assert world.client.get_item(world.item)["password"] == "by shortcut"


@covers("create_link")
def test_a_link_shows_the_item_to_whoever_has_its_code(world: World):
    item = world.client.get_item(world.item)
    shortcut = world.client.create_shortcut(world.item, world.client.create_vault("Other"))
    kinds = [
        (LinkType.SingleUse, LinkExpirationTime.Hour, {"item_id": world.item}),
        (LinkType.Reusable, LinkExpirationTime.Unlimited, {"shortcut_id": shortcut}),
    ]
    for kind, expires, what in kinds:
        url = world.client.create_link(kind, expires, **what)
        assert url.startswith(world.server.url + "/link/")
        address, _, code = url.partition("#code=")
        assert bool(code) == world.encrypted
        token = address.rsplit("/", 1)[1]
        stranger = world.server.bare_client()
        opened = lambda: stranger.call("POST", f"/api/v1/links/{token}/open", {"keyHash": get_hash(code)} if code else {})  # noqa: B023, E731
        data = opened()["itemData"]
        reveal = lambda text: decrypt_aes(text, code) if code else base64.b64decode(text).decode()  # noqa: B023, E731
        assert (data["name"], reveal(data["passwordEncrypted"])) == ("db", "пароль 🙂")
        assert [reveal(custom["value"]) for custom in data["customs"]] == ["5432", "k-1"]
        if kind == LinkType.SingleUse:
            with pytest.raises(PassworkResponseError, match="no such link"):
                opened()
        else:
            opened()
    assert item["attachments"]


@covers("get_inbox_item", "download_inbox_attachment")
def test_an_item_is_sent_to_another_user(world: World, tmp_path: Path):
    bob, bob_id = second_user(world)
    key = None
    if world.encrypted:
        record_key = world.record_key(world.client.get_item(world.item))
        key = base64.b64encode(rsa_encrypt(record_key, world.client.get_user_public_key(bob_id))).decode()
    new = {"itemId": world.item, "userId": bob_id, "keyEncrypted": key}
    sent = world.client.call("POST", "/api/v1/inbox-items", new)["id"]
    item = bob.get_inbox_item(sent)
    if world.encrypted:
        assert item["password"] == "пароль 🙂"
    else:
        # The official client does not decode an inbox item without encryption.
        assert base64.b64decode(item["passwordEncrypted"]).decode() == "пароль 🙂"
    bob.download_inbox_attachment(item, str(tmp_path / "out"))
    assert (tmp_path / "out" / "file.bin").read_bytes() == world.file.read_bytes()
    with pytest.raises(PassworkResponseError):
        bob.get_item(world.item)


@covers("get_snapshot", "get_snapshot_attachment", "download_snapshot_attachments")
def test_a_snapshot_is_what_the_item_was(world: World, tmp_path: Path):
    world.client.update_item(world.item, {"vaultId": world.vault, "password": "new"})
    snapshots = world.client.call("GET", f"/api/v1/items/{world.item}/snapshots")["items"]
    snapshot = world.client.get_snapshot(world.item, snapshots[0]["id"])
    assert snapshot["password"] == "пароль 🙂"
    assert [custom["value"] for custom in snapshot["customs"]] == ["5432", "k-1"]
    world.client.download_snapshot_attachments(snapshot, str(tmp_path / "out"))
    assert (tmp_path / "out" / "file.bin").read_bytes() == world.file.read_bytes()
    attachment = world.client.get_snapshot_attachment(snapshot["id"], snapshot["attachments"][0]["id"])
    assert attachment["name"] == "file.bin"


@covers("create_user", "get_user_master_key_new_options", "get_user_public_key")
def test_a_user_is_created(world: World):
    made = world.client.create_user({"username": "carol", "email": "carol@example.com", "fullName": "Carol"})
    carol = world.server.bare_client()
    login = {"username": "carol", "password": made["password"], "hostname": "test"}
    tokens = carol.call("POST", "/api/v1/users/login", login)
    carol.set_tokens(tokens["accessToken"], tokens["refreshToken"])
    assert carol.call("GET", "/api/v1/users/info")["fullName"] == "Carol"
    assert world.client.get_user_master_key_new_options()["iterations"] == 300_000
    if world.encrypted:
        assert "BEGIN PUBLIC KEY" in world.client.get_user_public_key(made["user_id"])
        # The official client wraps the private key under the master password rather than the master key, and so
        # cannot unlock the user that it made.
        with pytest.raises(Exception):  # noqa: B017
            carol.set_master_password(made["master_password"])


@covers("set_master_password", "set_master_key")
def test_the_master_password_unlocks(world: World):
    if not world.encrypted:
        world.client.set_master_password(None)
        assert not world.client.is_encrypt
        return
    again = world.server.bare_client()
    again.set_tokens(world.server.ready["access_token"], None)
    again.set_master_password(world.server.ready["master_password"])
    assert again.get_item(world.item)["password"] == "пароль 🙂"
    with pytest.raises(PassworkResponseError, match="master key"):
        again.set_master_key("not the key")


@covers("save_session", "load_session")
def test_a_session_is_kept_in_a_file(world: World, tmp_path: Path):
    file = str(tmp_path / "session")
    key = world.client.save_session(file, save_master_key=True)
    again = world.server.bare_client()
    again.load_session(file, key)
    assert again.get_item(world.item)["password"] == "пароль 🙂"


@covers("call", "set_tokens", "update_tokens", "update_access_token", "update_refresh_token", "request_update_token")
def test_tokens_are_refreshed_in_all_three_ways(world: World):
    client = world.client
    who = client.call("GET", "/api/v1/users/info")["username"]

    def ended(token: str) -> None:
        other = world.server.bare_client()
        other.set_tokens(token, None)
        with pytest.raises(PassworkResponseError, match="401|No session"):
            other.call("GET", "/api/v1/users/info")

    for update in (client.update_access_token, client.update_tokens):
        before = client.access_token
        update()
        assert client.access_token != before and client.call("GET", "/api/v1/users/info")["username"] == who
        ended(before)
    before = client.refresh_token
    client.update_refresh_token()
    assert client.refresh_token != before
    # The answer may have been lost: for half a minute the used token gets another, and a thief's would end them all.
    again = client.request_update_token("/v1/sessions/refresh-refresh-token", {"refreshToken": before})
    assert again["refreshToken"] not in (before, client.refresh_token)
    client.update_tokens()
    with pytest.raises(PassworkError):
        client.request_update_token("/v1/sessions/refresh-refresh-token", {"refreshToken": "made up"})


@pytest.mark.parametrize("encryption", ["on", "off"])
def test_an_expired_token_is_refreshed_in_between(serve, encryption: str):
    server = serve(encryption, "--token-life", "1")
    client = server.client(auto_refresh=True)
    vault = client.create_vault("Vault")
    item = client.create_item({"vaultId": vault, "name": "n", "password": "p"})
    # The first pair was there before the server; this one lives for a second.
    client.update_tokens()
    first = client.access_token
    time.sleep(2.1)
    strict = server.bare_client()
    strict.set_tokens(first, None)
    with pytest.raises(PassworkError, match="expired"):
        strict.call("GET", "/api/v1/users/info")
    assert client.get_item(item)["password"] == "p"
    assert client.access_token != first


def test_every_public_method_is_covered_and_listed():
    from covers import METHODS

    public = {name for name in dir(PassworkClient) if not name.startswith("_") and callable(getattr(PassworkClient, name))}
    assert public == set(METHODS)
    page = (Path(__file__).resolve().parents[2] / "docs" / "compatibility.md").read_text()
    for method, test in METHODS.items():
        assert f"| `{method}` | `{test}` |" in page, f"docs/compatibility.md lacks {method} and its test {test}"
