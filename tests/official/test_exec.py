"""`keyferry exec` under its own name, on records and shortcuts that the official client made, over HTTP."""

import pytest
from conftest import Server, keyferry


@pytest.fixture
def made(server: Server) -> tuple[Server, dict[str, str]]:
    client = server.client()
    vault, other = client.create_vault("Vault"), client.create_vault("Other")
    folder = client.call("POST", "/api/v1/folders", {"vaultId": vault, "name": "f"})["id"]
    customs = [{"name": "API key", "type": "password", "value": "k 1"}, {"name": "note", "type": "text", "value": "n'1"}]
    new = {"vaultId": vault, "folderId": folder, "name": "db-main", "login": "root", "password": "p 1", "tags": ["prod"], "customs": customs}
    item = client.create_item(new)
    return server, {"vault": vault, "other": other, "folder": folder, "item": item, "shortcut": client.create_shortcut(item, other)}


def variables(server: Server, *chosen: str) -> set[str]:
    """What the child sees beyond the variables that it always has."""
    allowed = ("--allow", "db_main,API_key,note")
    shown = keyferry("exec", "--host", server.url, *allowed, *chosen, "--", "env", "-0", env=server.env)
    return {variable for variable in shown.split("\0") if variable and not variable.startswith(("HOME=", "PATH="))}


def test_records_and_shortcuts_of_the_official_client_are_found_every_way(made):
    server, ids = made
    whole = {"db_main=p 1", "API_key=k 1", "note=n'1"}
    for chosen in (
        ["--password-id", ids["item"]],
        # Under its own name it calls the variable as the record, not PASSWORD.
        ["--shortcut-id", ids["shortcut"]],
        ["--vault-id", ids["vault"]],
        ["--vault-id", ids["other"]],
        ["--folder-id", ids["folder"]],
        # The item and the shortcut to it are one value, not two that collide.
        ["--tags", "prod"],
        ["--record", "Vault/f/db-main"],
        ["--record", ids["item"]],
        ["--folder", "Vault"],
        ["--folder", "Vault/f"],
        ["--folder", "Other"],
    ):
        assert variables(server, *chosen) == whole, chosen
    assert variables(server, "--env", f"A={ids['shortcut']}#API key", "--env", "B=Vault/f/db-main#login") == {"A=k 1", "B=root"}


def test_neither_token_is_handed_on(made):
    server, ids = made
    shown = keyferry("exec", "--from", server.url, "--env", f"A={ids['item']}", "--", "env", env=server.env)
    assert "A=p 1" in shown.splitlines()
    for secret in server.env.values():
        assert secret not in shown
