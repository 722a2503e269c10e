"""What a server refuses: a vault that may only be read, a session that has ended."""

import json
from pathlib import Path

from conftest import keyferry
from passwork_client import PassworkClient

ROW = json.dumps({"vault": "Shared", "path": [], "name": "n", "login": "u", "password": "hidden-secret"}) + "\n"


def test_a_vault_that_may_only_be_read_stays_as_it_is(serve, tmp_path: Path) -> None:
    server = serve("off")
    owner = server.client()
    vault = owner.create_vault("Shared")
    reader = owner.call("POST", "/api/v1/users", {"username": "reader", "password": "reader's password"})
    owner.call("POST", f"/api/v1/vaults/{vault}/users", {"userId": reader["id"], "role": "read"})
    guest = PassworkClient(server.url)
    session = guest.call("POST", "/api/v1/users/login", {"username": "reader", "password": "reader's password"})
    source = tmp_path / "in.jsonl"
    source.write_text(ROW)
    env = {"KEYFERRY_TOKEN": session["accessToken"]}
    keyferry("import", source, server.url, env=env, code=5)
    assert owner.search_items(query="") == []


def test_an_ended_session_is_said_to_have_ended(serve, tmp_path: Path) -> None:
    server = serve("on")
    server.client().call("POST", "/api/v1/sessions/logout")
    source = tmp_path / "in.jsonl"
    source.write_text(ROW)
    keyferry("import", source, server.url, env=server.env, code=5)


def test_a_refresh_token_alone_is_enough(serve, tmp_path: Path) -> None:
    server = serve("on")
    source = tmp_path / "in.jsonl"
    source.write_text(ROW)
    env = {name: value for name, value in server.env.items() if name != "KEYFERRY_TOKEN"}
    keyferry("import", source, server.url, env=env)
