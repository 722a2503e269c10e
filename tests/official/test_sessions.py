"""One session file, written by keyferry and read by the official client, and the reverse."""

import json
import time
from pathlib import Path

from conftest import Server, keyferry

KEY = "a session key of our own"


def login(server: Server, place: Path, *more: str, **variables: str) -> dict:
    """Signs in with keyferry and keeps the session in a file."""
    env = {"KEYFERRY_PASSWORD": server.ready["password"], "KEYFERRY_SESSION_KEY": KEY} | variables
    if server.ready["master_password"]:
        env["KEYFERRY_MASTER_PASSWORD"] = server.ready["master_password"]
    words = ["--json", "login", server.url, "--user", "admin", "--session-file", place]
    return json.loads(keyferry(*words, *more, env=env))


def kept(place: Path, **variables: str) -> dict:
    """What a command needs to use the session of a file, and nothing else."""
    return {"KEYFERRY_SESSION_FILE": str(place), "KEYFERRY_SESSION_KEY": KEY} | variables


def test_the_official_client_loads_the_session_that_keyferry_keeps(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "session"
    login(server, place, "--keep-master-key")
    client = server.bare_client()
    assert client.load_session(str(place), KEY) == server.ready["master_key"]
    vault = client.create_vault("made by the official client")
    client.create_item({"vaultId": vault, "name": "n", "password": "opened"})
    value = keyferry("get", "--from", server.url, "made by the official client/n", env=kept(place))
    assert value == "opened\n"


def test_keyferry_uses_the_session_that_the_official_client_keeps(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "session"
    client = server.client()
    vault = client.create_vault("V")
    client.create_item({"vaultId": vault, "name": "n", "password": "opened"})
    key = client.save_session(str(place), save_master_key=True)
    env = kept(place, KEYFERRY_SESSION_KEY=key)
    assert keyferry("get", "--from", server.url, "V/n", env=env) == "opened\n"
    # It does not say where it belongs: a named environment takes only what is named for it.
    config = {"KEYFERRY_CONFIG": str(tmp_path / "config.toml")}
    keyferry("env", "add", "prod", server.url, env=config)
    keyferry("get", "prod:V/n", env=env | config, code=5)
    own = {"KEYFERRY_PROD_SESSION_FILE": str(place), "KEYFERRY_SESSION_KEY": key}
    assert keyferry("get", "prod:V/n", env=own | config) == "opened\n"


def test_both_renew_one_session_in_turn(serve, tmp_path: Path) -> None:
    server = serve("on", "--token-life", "1")
    place = tmp_path / "session"
    login(server, place, "--keep-master-key")
    time.sleep(1.5)
    keyferry("ls", server.url, env=kept(place))
    time.sleep(1.5)
    client = server.bare_client(auto_refresh=True)
    client.load_session(str(place), KEY)
    assert client.call("GET", "/api/v1/vaults")["items"] == []
    # The official client drops the master key and the location when it renews: the tokens are good all the same.
    time.sleep(1.5)
    keyferry("ls", server.url, env=kept(place))
    client = server.bare_client()
    assert client.load_session(str(place), KEY) is None
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_new_key_opens_the_file_for_the_official_client_too(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "session"
    shown = login(server, place, KEYFERRY_SESSION_KEY="")
    client = server.bare_client()
    client.load_session(str(place), shown["session_key"])
    assert client.access_token
    assert client.call("GET", "/api/v1/users/info")["username"] == shown["user"] == "admin"
