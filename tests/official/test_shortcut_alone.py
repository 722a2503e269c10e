"""A user whose only way to an item is a shortcut, with the official client and its command: they read, search, download and
change it as any other item, by the shortcut's id and by the item's own, and see nothing else of its vault."""

import base64
from pathlib import Path

import pytest
from passwork_client import PassworkClient
from passwork_client.crypto import rsa_encrypt
from passwork_client.exceptions import PassworkResponseError
from test_commands import run
from test_methods import CUSTOMS, World, second_user, world  # noqa: F401


@pytest.fixture
def seen(world: World) -> tuple[World, PassworkClient, str, str]:  # noqa: F811
    """The world, the other user's client, the vault that both are in, and the shortcut there."""
    bob, bob_id = second_user(world)
    shared = world.client.create_vault("Shared")
    copy = None
    if world.encrypted:
        key = world.client.get_vault_password(world.client.get_vault(shared))
        copy = base64.b64encode(rsa_encrypt(key, world.client.get_user_public_key(bob_id))).decode()
    grant = {"userId": bob_id, "role": "edit", "masterKeyEncrypted": copy}
    world.client.call("POST", f"/api/v1/vaults/{shared}/users", grant)
    folder = world.client.call("POST", "/api/v1/folders", {"vaultId": shared, "name": "f"})["id"]
    return world, bob, shared, world.client.create_shortcut(world.item, shared, folder)


def test_the_client_reads_finds_downloads_and_changes_it(seen, tmp_path: Path):
    world, bob, shared, shortcut = seen  # noqa: F811
    with pytest.raises(PassworkResponseError):
        bob.get_vault(world.vault)
    one = bob.get_shortcut(shortcut)
    by_search = bob.search_and_decrypt_shortcut(query="db", vault_ids=[shared])
    in_batch = bob.get_shortcut_items([shortcut])
    assert (len(by_search), len(in_batch)) == (1, 1)
    for found in (one, *by_search, *in_batch):
        assert (found["id"], found["shortcut"]["id"]) == (world.item, shortcut)
        assert [step["name"] for step in found["path"]] == ["Shared", "f"]
        assert found["password"]["password"] == "пароль 🙂"
    # By the item's own id too, alone and in a batch.
    for item in (bob.get_item(world.item), bob.get_item(shortcut), *bob.get_items([world.item])):
        assert (item["password"], item["vaultId"]) == ("пароль 🙂", shared)
        assert [custom["value"] for custom in item["customs"]] == [custom["value"] for custom in CUSTOMS]
    bob.download_shortcut_attachment(one, str(tmp_path / "out"))
    assert (tmp_path / "out" / "file.bin").read_bytes() == world.file.read_bytes()
    # What is found by items' searches is what stands in one's own vaults.
    assert bob.search_items(query="db") == []
    for number, id in enumerate((world.item, shortcut)):
        bob.update_item(id, {"vaultId": shared, "password": f"changed {number}", "login": "root"})
        for client, asked in ((world.client, world.item), (bob, world.item), (bob, shortcut)):
            assert client.get_item(asked)["password"] == f"changed {number}"
    snapshots = bob.call("GET", f"/api/v1/items/{world.item}/snapshots")["items"]
    assert bob.get_snapshot(world.item, snapshots[-1]["id"])["password"] == "пароль 🙂"
    # Neither the item nor its place is theirs.
    with pytest.raises(PassworkResponseError):
        bob.delete_item(world.item)
    world.client.call("DELETE", f"/api/v1/shortcuts/{shortcut}")
    for ask in (bob.get_item, bob.get_shortcut):
        with pytest.raises(PassworkResponseError):
            ask(world.item)


def test_the_command_gets_runs_and_updates_with_it(seen):
    world, bob, shared, shortcut = seen  # noqa: F811
    env = {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", "PASSWORK_HOST": world.server.url}
    env |= {"PASSWORK_TOKEN": bob.access_token, "PASSWORK_REFRESH_TOKEN": bob.refresh_token}
    if world.encrypted:
        env["PASSWORK_MASTER_KEY"] = bob.master_key
    for which in (["--shortcut-id", shortcut], ["--password-id", world.item], ["--password-id", shortcut]):
        assert run(world.server, "get", *which, env=env) == "пароль 🙂\n"
        assert run(world.server, "exec", *which, "--cmd", 'printf %s "$db"', env=env) == "пароль 🙂"
        assert run(world.server, "get", *which, "--field", "key", env=env) == "k-1\n"
    assert run(world.server, "exec", "--vault-id", shared, "--cmd", 'printf %s "$db"', env=env) == "пароль 🙂"
    run(world.server, "update", "--shortcut-id", shortcut, "--password", "p 2", "--custom-key", "k-2", env=env)
    item = world.client.get_item(world.item)
    assert (item["password"], [custom["value"] for custom in item["customs"]]) == ("p 2", ["5432", "k-2"])
    run(world.server, "update", "--password-id", world.item, "--login", "root", env=env)
    assert world.client.get_item(world.item)["login"] == "root"
    run(world.server, "exec", "--vault-id", world.vault, "--cmd", "true", env=env, code=1)
