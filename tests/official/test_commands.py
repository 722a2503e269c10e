"""Every mode and flag of the official `passwork-cli` against `keyferry serve`, over plain HTTP and TLS."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Server, credentials
from covers import COMMANDS, covers_command

CLI = Path(sys.executable).parent / "passwork-cli"


@pytest.fixture(params=["http-on", "http-off", "https-on", "https-off"])
def made(request: pytest.FixtureRequest, serve, tmp_path: Path):
    """A server with an item and a shortcut to it, made by the official client."""
    scheme, encryption = request.param.split("-")
    server = serve(encryption, *(["--tls"] if scheme == "https" else []))
    client = server.client()
    vault, other = client.create_vault("Vault"), client.create_vault("Other")
    customs = [
        {"name": "API_KEY", "type": "password", "value": "k-1"},
        {"name": "note", "type": "text", "value": "n-1"},
        {"name": "otp", "type": "totp", "value": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
    ]
    new = {"vaultId": vault, "name": "db-main", "login": "root", "password": "p 1", "tags": ["prod"], "customs": customs}
    folder = client.call("POST", "/api/v1/folders", {"vaultId": vault, "name": "f"})["id"]
    item = client.create_item(new | {"folderId": folder})
    shortcut = client.create_shortcut(item, other)
    return server, {"vault": vault, "other": other, "folder": folder, "item": item, "shortcut": shortcut}


def run(server: Server, *arguments: str, code: int = 0, env: dict | None = None, trust: bool = True) -> str:
    """Runs the official command line; credentials come by environment unless `env` says otherwise."""
    base = {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1"}
    env = base | ({"PASSWORK_HOST": server.url} | credentials(server.ready, "PASSWORK") if env is None else env)
    command, *rest = arguments
    verify = ["--ssl-verify", str(server.certificate)] if server.certificate and trust else []
    done = subprocess.run([CLI, command, *verify, *rest], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@covers_command("get", "--host", "--token", "--refresh-token", "--master-key", "--ssl-verify", "--no-ssl-verify", "--password-id", "--shortcut-id", "--field", "--totp-code")
def test_get(made):
    server, ids = made
    for which in (["--password-id", ids["item"]], ["--shortcut-id", ids["shortcut"]]):
        assert run(server, "get", *which) == "p 1\n"
        assert run(server, "get", *which, "--field", "login") == "root\n"
        assert run(server, "get", *which, "--field", "note") == "n-1\n"
        assert len(run(server, "get", *which, "--totp-code", "otp").strip()) == 6
    flags = ["--host", server.url, "--token", server.ready["access_token"], "--refresh-token", server.ready["refresh_token"]]
    if server.ready["master_key"]:
        flags += ["--master-key", server.ready["master_key"]]
    assert run(server, "get", *flags, "--password-id", ids["item"], env={}) == "p 1\n"
    if server.certificate:
        run(server, "get", *flags, "--password-id", ids["item"], env={}, code=1, trust=False)
        # The deprecated flag does nothing in 0.2.0 but for clients that give no --ssl-verify at all.
        assert run(server, "get", *flags, "--password-id", ids["item"], "--no-ssl-verify", env={}, trust=False) == "p 1\n"
    run(server, "get", "--password-id", "0" * 24, code=1)


@covers_command("exec", "--password-id", "--shortcut-id", "--vault-id", "--folder-id", "--tags", "--cmd")
def test_exec(made):
    server, ids = made
    for which, name in (
        (["--password-id", ids["item"]], "db_main"),
        (["--password-id", f"{ids['item']},{ids['item']}"], "db_main"),
        # A shortcut is answered as the item that it leads to, so the variable has the item's name.
        (["--shortcut-id", ids["shortcut"]], "db_main"),
        (["--shortcut-id", f"{ids['shortcut']},{ids['shortcut']}"], "db_main"),
        (["--vault-id", ids["vault"]], "db_main"),
        (["--vault-id", f"{ids['vault']},{ids['other']}"], "db_main"),
        (["--vault-id", ids["other"]], "db_main"),
        (["--folder-id", ids["folder"]], "db_main"),
        (["--tags", "prod"], "db_main"),
    ):
        seen = f'printf "%s|%s|%s" "${name}" "$API_KEY" "$note"'
        assert run(server, "exec", *which, "--cmd", seen) == "p 1|k-1|n-1", which
    assert run(server, "exec", "--password-id", ids["item"], "printenv", "db_main") == "p 1\n"
    run(server, "exec", "--password-id", ids["item"], "--cmd", "exit 7", code=7)
    run(server, "exec", "--tags", "nothing", "--cmd", "true", code=1)


@covers_command("update", "--password-id", "--shortcut-id", "--name", "--password", "--login", "--url", "--description", "--tags", "--custom-*")
def test_update(made):
    server, ids = made
    client = server.client()
    changes = ["--name", "renamed", "--password", "p 2", "--login", "admin", "--url", "https://x", "--description", "d"]
    run(server, "update", "--password-id", ids["item"], *changes, "--tags", "a,b", "--custom-API_KEY", "k-2", "--custom-new=v")
    item = client.get_item(ids["item"])
    assert [item[key] for key in ("name", "password", "login", "url", "description")] == ["renamed", "p 2", "admin", "https://x", "d"]
    assert item["tags"] == ["a", "b"]
    assert {custom["name"]: custom["value"] for custom in item["customs"]}.items() >= {"API_KEY": "k-2", "new": "v"}.items()
    run(server, "update", "--shortcut-id", ids["shortcut"], "--password", "p 3")
    assert client.get_item(ids["item"])["password"] == "p 3"


@covers_command("api", "--method", "--endpoint", "--params", "--field")
def test_api(made):
    server, ids = made
    item = json.loads(run(server, "api", "--method", "GET", "--endpoint", f"v1/items/{ids['item']}"))
    assert item["name"] == "db-main"
    assert json.loads(run(server, "api", "--method", "GET", "--endpoint", f"/v1/items/{ids['item']}", "--field", "login")) == "root"
    search = ["--endpoint", "v1/items/search", "--params", '{"tags": ["prod"]}', "--field", "items[0]"]
    assert json.loads(run(server, "api", "--method", "GET", *search))["id"] == ids["item"]
    made_one = run(server, "api", "--method", "POST", "--endpoint", "v1/folders", "--params", json.dumps({"vaultId": ids["vault"], "name": "g"}))
    folder = json.loads(made_one)["id"]
    run(server, "api", "--method", "PATCH", "--endpoint", f"v1/items/{ids['item']}", "--params", '{"login": "patched"}')
    run(server, "api", "--method", "DELETE", "--endpoint", f"v1/folders/{folder}")
    run(server, "api", "--method", "PUT", "--endpoint", "v1/folders", code=1)
    # As the guide has it: the call that buys new tokens, with an empty body.
    tokens = json.loads(run(server, "api", "--method", "POST", "--endpoint", "v1/sessions/refresh"))
    assert tokens["accessToken"] and tokens["refreshToken"]


def test_every_command_and_flag_is_covered_and_listed():
    base = ["--host", "--token", "--refresh-token", "--master-key", "--ssl-verify", "--no-ssl-verify"]
    for command in ("get", "exec", "update", "api"):
        usage = subprocess.run([CLI, command, "--help"], capture_output=True, text=True, check=True).stdout
        flags = set(re.findall(r"^  (--[a-z*-]+)", usage, re.MULTILINE))
        # What every command takes is read in one place, and tested once.
        own = flags - set(base) if command != "get" else flags
        assert own <= {name.split(" ", 1)[1] for name in COMMANDS if name.startswith(command + " ")}, command
    page = (Path(__file__).resolve().parents[2] / "docs" / "compatibility.md").read_text()
    for name, test in COMMANDS.items():
        assert f"| `{name}` | `{test}` |" in page, f"docs/compatibility.md lacks {name} and its test {test}"
