"""Requests made up from the OpenAPI document, good ones and bad ones: no 5xx, nothing that the document does not say.

Identifiers that are made up are never there: the document that the requests are made from names real ones too.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
from conftest import Server
from passwork_client import PassworkClient

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
]
MANY = 12
# Requests made up for each endpoint: few each time, many where somebody waits for them (`make torture`).
EXAMPLES = ("60", "10") if os.environ.get("TORTURE") else ("15", "5")
STORES = ("folder", "postgres") if os.environ.get("TORTURE") else ("folder",)


def populate(client: PassworkClient) -> dict[str, list[str]]:
    """Some of everything, by the name that its identifiers have in paths and bodies."""

    def post(path: str, body: dict) -> dict:
        return client.call("POST", f"/api/v1{path}", body)

    def made(path: str, body: dict) -> list[str]:
        return [post(path, body)["id"] for _ in range(MANY)]

    user = post("/users", {"username": "bob", "password": "a login password"})["id"]
    vaults = made("/vaults", {"name": "v"})
    vault = {"vaultId": vaults[0]}
    folders = made("/folders", vault | {"name": "f"})
    file = {"name": "a", "encryptedKey": "YWFh", "encryptedData": "", "hash": "00"}
    items = made("/items", vault | {"name": "n", "tags": ["t"], "passwordEncrypted": "cA==", "attachments": [file]})
    whole = [client.call("GET", f"/api/v1/items/{item}") for item in items]
    for item in items:
        client.call("PATCH", f"/api/v1/items/{item}", {"login": "l"})
    snapshots = [client.call("GET", f"/api/v1/items/{item}/snapshots")["items"][0]["id"] for item in items]
    binned = [client.call("DELETE", f"/api/v1/items/{item}")["binItemId"] for item in made("/items", vault | {"name": "b"})]
    links = [
        post("/links", {"itemId": item, "itemData": {}, "type": "reusable", "expirationTime": "1 hour"}) for item in items
    ]
    me = client.call("GET", "/api/v1/users/info")["id"]
    return {
        "users": [user, me],
        "vaults": vaults,
        "folders": folders,
        "items": items,
        "attachmentId": [item["attachments"][0]["id"] for item in whole],
        "snapshots": snapshots,
        "shortcuts": made("/shortcuts", vault | {"itemId": items[0]}),
        "links": [link["id"] for link in links],
        "token": [link["url"].rsplit("/", 1)[1] for link in links],
        "inbox-items": made("/inbox-items", {"itemId": items[0], "userId": me}),
        "bin-items": binned,
        "vault-types": [],
        "user-groups": made("/user-groups", {"name": "g"}),
        "user-roles": made("/user-roles", {"name": "r", "rights": ["user:block"]}),
    }


def name_real_ones(document: dict, there: dict[str, list[str]]) -> dict:
    """The document with identifiers of what is there, and one of what is not."""
    bodies = {
        "vaultId": "vaults",
        "folderId": "folders",
        "parentFolderId": "folders",
        "itemId": "items",
        "userId": "users",
        "groupId": "user-groups",
    }

    def values(name: str, group: str) -> dict | None:
        key = {"id": group, "snapshotId": "snapshots"}.get(name, bodies.get(name, name))
        ids = there.get(key)
        return {"enum": [*ids, "0" * 24]} if ids else None

    def rewrite(schema: object) -> None:
        if isinstance(schema, dict):
            for name, one in schema.get("properties", {}).items():
                if name in bodies and isinstance(one, dict):
                    schema["properties"][name] = values(name, "") | ({"default": None} if "default" in one else {})
            for one in schema.values():
                rewrite(one)
        elif isinstance(schema, list):
            for one in schema:
                rewrite(one)

    for path, methods in document["paths"].items():
        group = path.removeprefix("/api/v1/").split("/")[0]
        for call in methods.values():
            for parameter in call["parameters"]:
                if "$ref" not in parameter:  # the header that all writes take, described once
                    parameter["schema"] = values(parameter["name"], group) or parameter["schema"]
            rewrite(call.get("requestBody", {}))
    return document


def check(server: Server, folder: Path, document: dict, *more: str) -> None:
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    command = [SCHEMATHESIS, "run", file, "--url", server.url, "--checks", ",".join(CHECKS), "--seed", "7"]
    done = subprocess.run(
        [*command, "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", *more],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.fixture(params=STORES)
def server(request: pytest.FixtureRequest, serve) -> Iterator[Server]:
    """One whose clients do not encrypt: from a folder, and where somebody waits for it from PostgreSQL too."""
    if request.param == "folder":
        yield serve("off")
        return
    if not postgres.programs():
        pytest.skip("PostgreSQL is not installed; `make setup` installs it")
    with postgres.database() as address:
        yield serve("off", store=(address, postgres.PASSWORD))


@pytest.mark.parametrize(("wrapping", "examples"), list(zip(("raw", "wrapped"), EXAMPLES)))
def test_every_answer_is_as_the_document_says(server: Server, tmp_path: Path, wrapping: str, examples: str):
    with urllib.request.urlopen(f"{server.url}/api/openapi.json") as answer:
        document = name_real_ones(json.load(answer), populate(server.client()))
    headers = ["-H", f"Authorization: Bearer {server.ready['access_token']}"]
    if wrapping == "raw":
        headers += ["-H", "X-Response-Format: raw"]
    # Those that end the session are asked without one.
    check(server, tmp_path, document, *headers, "--exclude-tag", "sessions", "--max-examples", examples)
    check(server, tmp_path, document, "--include-tag", "sessions", "--max-examples", examples)
    log = server.log.read_text()
    assert "status=5" not in log and "panicked" not in log
