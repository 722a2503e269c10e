"""The server never sees a secret: planted ones are searched for in every byte it keeps or writes.

Only passwords, custom fields and attachments are secret; names, logins, notes and tags are not. The search itself is
tried on every form it claims to know, and on a server without encryption, where it must find everything.
"""

import base64
import json
import secrets
from pathlib import Path

import pytest
from conftest import Server, keyferry


def in_base64(raw: bytes) -> list[bytes]:
    """What of the base64 stays the same whatever stands around, at each of the three offsets."""
    found = []
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw)
        # Characters that also hold bits of a neighbour are left out at both ends.
        found.append(text[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6])
    return found


def forms(secret: str) -> set[bytes]:
    """The secret as it could lie on a disk: raw, hexadecimal, UTF-16, base64, and base64 of base64."""
    raw = secret.encode()
    once = in_base64(raw)
    twice = [text for inner in once for text in in_base64(inner)]
    hexadecimal = raw.hex().encode()
    utf16 = [secret.encode("utf-16-le"), secret.encode("utf-16-be")]
    return {raw, hexadecimal, hexadecimal.upper(), *utf16, *once, *twice}


def holds(content: bytes, secret: str) -> bool:
    return any(form in content for form in forms(secret))


def kept(server: Server) -> bytes:
    """Every byte of the server's folder, the write-ahead log among them, and of its standard error."""
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    endings = {path.name.rpartition(".")[2] for path in files if path.stat().st_size}
    assert {"db", "db-wal"} <= endings, files
    return b"\0".join(path.read_bytes() for path in [*files, server.log])


def plant(server: Server, tmp_path: Path) -> list[str]:
    """Imports a record with a secret in each place that is secret; answers the secrets."""
    planted = [f"planted-{secrets.token_hex(12)}" for _ in range(5)]
    password, text, custom, totp, content = planted
    record = {
        "vault": "V",
        "path": ["f"],
        "name": "plain name",
        "password": password,
        "customs": [
            {"name": "t", "type": "text", "value": text},
            {"name": "c", "type": "password", "value": custom},
            {"name": "o", "type": "totp", "value": totp},
        ],
        "attachments": [{"name": "a", "data": base64.b64encode(content.encode()).decode()}],
    }
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(record) + "\n")
    keyferry("import", source, server.url, env=server.env)
    return planted


def test_no_planted_secret_is_in_any_byte_that_the_server_keeps(serve, tmp_path: Path) -> None:
    server = serve("on")
    planted = plant(server, tmp_path)
    content = kept(server)
    assert b"plain name" in content
    assert [secret for secret in planted if holds(content, secret)] == []
    # What unlocks and signs in is kept as digests only, if at all.
    keys = ("password", "master_password", "master_key", "access_token", "refresh_token")
    assert [key for key in keys if holds(content, server.ready[key])] == []


def test_the_search_does_find_what_is_not_encrypted(serve, tmp_path: Path) -> None:
    server = serve("off")
    planted = plant(server, tmp_path)
    content = kept(server)
    assert [secret for secret in planted if holds(content, secret)] == planted


@pytest.mark.parametrize("before", range(9))
@pytest.mark.parametrize(
    "hide",
    [
        bytes,
        lambda raw: raw.hex().encode(),
        lambda raw: raw.decode().encode("utf-16-le"),
        base64.b64encode,
        lambda raw: base64.b64encode(base64.b64encode(raw)),
    ],
    ids=["raw", "hex", "utf-16", "base64", "base64 twice"],
)
def test_the_search_finds_every_form_at_every_offset(before: int, hide) -> None:
    secret = "planted-" + "a1" * 12
    assert holds(hide(b"x" * before + secret.encode() + b"yz"), secret)
    assert not holds(hide(b"x" * before + secret[1:].encode() + b"yz"), secret)
