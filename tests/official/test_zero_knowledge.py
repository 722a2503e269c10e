"""The server never sees a secret: planted ones are searched for in every byte it keeps or writes.

Only passwords, custom fields and attachments are secret; names, logins, notes and tags are not.
"""

import base64
import json
import secrets
from pathlib import Path

from conftest import Server, keyferry


def forms(secret: str) -> set[bytes]:
    """The secret as it could lie on a disk: raw, hexadecimal, UTF-16, base64 at its three offsets."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be")}
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
        # Characters that also hold neighbouring bytes are left out at both ends.
        found.add(text[(offset * 8 + 5) // 6 : -1])
    return found


def found_in(server: Server, planted: list[str]) -> list[str]:
    files = [path for path in server.folder.rglob("*") if path.is_file()] + [server.log]
    assert any(path.suffix == ".db" for path in files), files
    content = b"".join(path.read_bytes() for path in files)
    return [secret for secret in planted if any(form in content for form in forms(secret))]


def plant(server: Server, tmp_path: Path) -> list[str]:
    planted = [f"planted-{secrets.token_hex(12)}" for _ in range(3)]
    password, custom, content = planted
    record = {
        "vault": "V",
        "path": ["f"],
        "name": "n",
        "password": password,
        "customs": [{"name": "c", "type": "password", "value": custom}],
        "attachments": [{"name": "a", "data": base64.b64encode(content.encode()).decode()}],
    }
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(record) + "\n")
    keyferry("import", source, server.url, env=server.env)
    return planted


def test_no_planted_secret_is_in_any_byte_that_the_server_keeps(serve, tmp_path: Path) -> None:
    server = serve("on")
    planted = plant(server, tmp_path)
    assert found_in(server, planted) == []
    # The tokens are stored as digests only.
    assert found_in(server, [server.ready["access_token"], server.ready["refresh_token"]]) == []


def test_the_search_does_find_what_is_not_encrypted(serve, tmp_path: Path) -> None:
    server = serve("off")
    password, custom, content = plant(server, tmp_path)
    # An attachment is base64 twice there, so the search is for its inner base64.
    inner = base64.b64encode(content.encode()).decode()
    assert found_in(server, [password, custom, inner]) == [password, custom, inner]
