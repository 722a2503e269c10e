"""The binary called `passwork-cli` against the official one, on the same environment: what both print, how both end,
what a child of `exec` sees, and what `update` leaves. Each case is a line of a table; `docs/passwork-cli.md` lists what
differs.

The official command's answers are kept in `answers.json`, by `make record-official`: ours is compared with them. A tenth
of the cases, another one each day, runs the official command too, so that they stay its answers: `KEYFERRY_OFFICIAL=all`
runs all, and `KEYFERRY_OFFICIAL=3` the tenth of that number.
"""

import argparse
import base64
import copy
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from urllib.request import Request, urlopen

import answers
import pytest
from cli.commands import COMMAND_STRATEGIES
from conftest import BINARY, Server, credentials, servers
from passwork_client.crypto import encrypt_aes, generate_key
from passwork_client.exceptions import PassworkResponseError

OFFICIAL = Path(sys.executable).parent / "passwork-cli"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
# Longer than any answer takes, so that nothing hangs.
PATIENCE = 60
# What the fields of one-time codes say, by the name of the field: computed here too, since no code can be kept.
CODES = {"otp": ("sha1", 6, 30), "otp-url": ("sha256", 8, 60), "otp-512": ("sha512", 7, 30), "otp-long": ("sha1", 12, 30), "otp-none": ("sha1", 0, 30)}


@dataclass
class Case:
    """Both are run with these words, in which `{item}` and its like are ids."""

    words: list[str]
    # Standard error: how much of it is the same. "all", a beginning, or "some" for texts of our own.
    errors: str = "all"
    # Variables beside the credentials; `None` takes one away.
    env: dict = field(default_factory=dict)
    # Another exit code than 0; `None` where it is the shell's affair.
    code: int | None = 0
    # Standard output: "all", "code" for a one-time code, "shape" for what holds new ids, "some" for texts of our own.
    out: str = "all"
    # Only with client-side encryption on, or off.
    only: str | None = None
    stdin: str = ""

    @property
    def name(self) -> str:
        """In the file of answers: much as one would type it."""
        env = [f"-u {name}" if value is None else f"{name}={value}" for name, value in self.env.items()]
        words = [word if len(word.split()) == 1 else f"'{word}'" for word in self.words]
        return " ".join([*env, *words, *(["<<<", self.stdin] if self.stdin else [])])

    @property
    def changes(self) -> bool:
        return any(word.startswith("{copy") or word.startswith("v1/items/{copy") or word == "{bare}" for word in self.words)


def case(*words: str, **options: object) -> Case:
    return Case(list(words), **options)


ID = ("--password-id", "{item}")
ENV = "env -0 | sort -z | tr '\\0' '\\n'"
DENIED = "Error getting password command: Message: ["
# Bare bytes of an argument that is no text.
ODD = b"\xff\xfe it's".decode("utf-8", "surrogateescape")

GET = [
    case("get", *ID),
    case("get", "--shortcut-id", "{shortcut}"),
    case("get", "--password-id", "{shortcut}"),
    case("get", "--shortcut-id", "{item}", code=1),
    case("get", "--password-id", "  {item}\t"),
    case("get", "--password-id", "   ", code=1),
    case("get", "--shortcut-id", " ", code=1),
    case("get", "--password-id", "", code=1),
    case("get", "--password-id", "", "--shortcut-id", "{shortcut}"),
    case("get", "--password-id", "0" * 24, "--password-id", "{item}"),
    case("get", "--password-id", "0" * 24, code=1),
    case("get", "--password-id", "no id", code=1),
    case("get", "--password-id", "ü?x=%41|", code=1),
    case("get", "--password-id", "50%", code=1),
    case("get", code=1),
    case("get", "--password-id", "{empty}", code=1),
    case("get", "--password-id", "{bare}", code=1),
    case("get", "--password-id", "{deleted}"),
    case("get", "--password-id", "{foreign}", code=1),
    case("get", "--password-id", "{odd}"),
    # Fields
    *(case("get", *ID, "--field", name) for name in ("login", "url", "description", "name", "password", "tags", "customs", "attachments")),
    *(case("get", *ID, "--field", name) for name in ("folderId", "color", "isFavorite", "isDeleted", "fieldsOrder", "keyEncrypted", "vaultId", "id")),
    *(case("get", *ID, "--field", name) for name in ("API_KEY", "note", "otp", "no such", "twice", "")),
    *(case("get", "--password-id", "{odd}", "--field", name) for name in ("name", "customs", "tags", "description", "password", "")),
    *(case("get", "--password-id", "{bare}", "--field", name) for name in ("password", "login", "customs", "tags")),
    case("get", "--password-id", "{empty}", "--field", "password"),
    case("get", "--shortcut-id", "{shortcut}", "--field", "vaultId"),
    # One-time codes
    *(case("get", *ID, "--totp-code", name, out="code") for name in ("otp", "otp-url", "otp-long", "otp-none", "otp-512")),
    *(case("get", *ID, "--totp-code", name, code=1) for name in ("otp-low", "otp-space", "otp-md5", "otp-hotp", "otp-x", "otp-empty", "otp-digits")),
    *(case("get", *ID, "--totp-code", name, code=1) for name in ("no such", "tags", "password", "otp-cut", "otp-zero")),
    case("get", *ID, "--totp-code", "", "--field", "login"),
    case("get", *ID, "--totp-code", "otp", "--field", "login", out="code"),
    # Flags, as argparse reads them
    case("get", "--password={item}", code=0),
    case("get", "--passw", "{item}"),
    case("get", "--short={shortcut}", "--fie", "login"),
    case("get", "unknown", *ID, "-x", "--what=1", "--", "y"),
    case("-x", "get", *ID),
    case("get", *ID, "--field", "-x y"),
    case("get", *ID, "--field", "-5"),
    case("get", *ID, "--field", "-x", errors="some", code=2),
    case("get", *ID, "--field", errors="some", code=2),
    case("get", *ID, "--field", "--", "login", errors="some", code=2),
    case("get", "--", *ID, code=1),
    case("get", *ID, "--t", "x", errors="some", code=2),
    case("get", *ID, "--no-ssl-verify=1", errors="some", code=2),
    case("get", *ID, "--ssl-verify"),
    case("get", "--ssl-verify", *ID),
    case("get", *ID, "--no-ssl-verify"),
    case("get", *ID, "--no-ssl-verify", "--ssl-verify"),
    case("get", *ID, "--no-ssl"),
    case("get", "--help", out="some"),
    case("get", "-h", *ID, out="some"),
    case("get", *ID, "--hel", out="some"),
    case("get", *ID, "-hx", errors="some", code=2),
    case("get", *ID, "--help=1", errors="some", code=2),
    case("--help", out="some"),
    case("--he", out="some"),
    case("-hh", out="some"),
    case("--help=1", errors="some", code=2),
    case(out="some", code=1),
    case("-x", out="some", code=1),
    case("--", out="some", code=1),
    case("--", "get", *ID, errors="some", code=2),
    case("nothing", errors="some", code=2),
    case("Get", *ID, errors="some", code=2),
    case("--host", "{url}", "get", *ID, errors="some", code=2),
    # Credentials
    case("get", *ID, "--host", "{url}/", env={"PASSWORK_HOST": None}),
    case("get", *ID, "--host", "{url}", "--token", "{token}", "--refresh-token", "x", env={"PASSWORK_HOST": None, "PASSWORK_TOKEN": None}),
    case("get", *ID, "--master-key", "{master_key}", env={"PASSWORK_MASTER_KEY": None}),
    case("get", *ID, env={"PASSWORK_HOST": None}, code=1),
    case("get", *ID, env={"PASSWORK_TOKEN": None}, code=1),
    case("get", *ID, env={"PASSWORK_HOST": ""}, code=1),
    case("get", *ID, env={"PASSWORK_TOKEN": ""}, code=1),
    case("get", *ID, env={"PASSWORK_REFRESH_TOKEN": None}),
    case("get", *ID, "--host", "", code=1),
    case("get", *ID, "--host", "/", code=1),
    case("get", *ID, "--token", "", code=1),
    case("get", *ID, "--token", "wrong", code=1),
    case("get", *ID, "--token", "{old_token}", code=1),
    case("get", *ID, "--token", "a\nb", errors="", code=1),
    case("get", *ID, "--master-key", "", code=1, only="on"),
    case("get", *ID, "--master-key", "", code=0, only="off"),
    case("get", *ID, "--master-key", "wrong", errors="", code=1),
    case("get", "--password-id", "{empty}", "--field", "name", "--master-key", "", only="on", code=1),
    case("get", "--password-id", "{bare}", "--field", "name", "--master-key", "", only="on"),
    case("get", *ID, "--host", "{host}", code=1),
    case("get", *ID, "--host", "nowhere", code=1),
    case("get", *ID, "--host", "ftp://nowhere", code=1),
    case("get", *ID, "--host", "http://", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{closed}", errors="", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/html", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/empty", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/list", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/errors", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/field", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/bare", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/expired", code=1),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/redirect"),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/temporary"),
    case("get", *ID, "--host", "http://127.0.0.1:{strange}/busy", code=1),
]

EXEC = [
    *(case("exec", *which, "--cmd", ENV) for which in (
        ID,
        ("--password-id", "{item}, {odd},,{item}"),
        ("--password-id", "{odd},{item},"),
        ("--password-id", " {odd} ,"),
        ("--password-id", "{empty}"),
        ("--password-id", "{bare}"),
        ("--password-id", "{bare},{empty}"),
        ("--password-id", "{item}," + "0" * 24),
        ("--password-id", "{item},{foreign}"),
        ("--password-id", "{shortcut}"),
        ("--password-id", "{same},{item}"),
        ("--password-id", "{item},{same}"),
        ("--shortcut-id", "{shortcut}"),
        ("--shortcut-id", "{shortcut},{shortcut},{shortcut2}"),
        ("--shortcut-id", "{shortcut2},{shortcut}"),
        ("--shortcut-id", "{shortcut}," + "0" * 24),
        ("--password-id", "{item}", "--shortcut-id", "{shortcut}", "--tags", "x"),
        ("--vault-id", "{vault}"),
        ("--vault-id", "{vault},{other}"),
        ("--vault-id", "{other}"),
        ("--folder-id", "{folder}"),
        ("--folder-id", "{folder}", "--vault-id", "{vault}", "--tags", "prod"),
        ("--folder-id", " {folder} , ", "--tags", "prod, db"),
        ("--tags", "prod"),
        ("--tags", "prod", "--vault-id", " "),
    )),
    *(case("exec", *which, "--cmd", "echo ran", code=1) for which in (
        ("--password-id", "0" * 24),
        ("--password-id", "0" * 24 + "," + "1" * 24),
        ("--password-id", "{foreign}"),
        ("--password-id", " "),
        ("--password-id", ","),
        ("--shortcut-id", ","),
        ("--shortcut-id", "{item}"),
        ("--password-id", ""),
        ("--password-id", "{nul}"),
        ("--password-id", "{unnamed}"),
        ("--password-id", "{item},{unnamed}"),
        ("--vault-id", ","),
        ("--vault-id", "{foreign_vault}"),
        ("--vault-id", "nonsense"),
        ("--tags", "no such"),
        ("--tags", ""),
        (),
    )),
    case("exec", *ID, "printenv", "db_main"),
    case("exec", "printf", "%s|", "a b", "it's", "", "$HOME", "*", "x;y", "ü", 'q"', *ID),
    case("exec", *ID, "printf", "%s", ODD),
    case("exec", "ls", "-d", "/", *ID),
    case("exec", *ID, "--", "true", code=None),
    case("exec", *ID, "sh", "-c", "echo out; echo err >&2; exit 3", code=3),
    case("exec", *ID, "--cmd", "true", "false", code=1),
    case("exec", *ID, "--cmd", "", "echo", "direct"),
    case("exec", *ID, code=1),
    case("exec", *ID, "--cmd", "", code=1),
    case("-x", "exec", *ID, code=None),
    case("exec", *ID, "df", "-h", out="some"),
    case("exec", *ID, "psql", "-hlocalhost", errors="some", code=2),
    case("exec", *ID, "tool", "--tok", "x", "--cm", "true", code=1),
    case("exec", *ID, "--cm=exit 7", code=7),
    case("exec", *ID, "--cmd", "no-such-program", code=127),
    case("exec", *ID, "--cmd", "/", code=126),
    case("exec", *ID, "--cmd", "kill -9 $$", code=247),
    case("exec", *ID, "--cmd", "kill -15 $$", code=241),
    case("exec", *ID, "sleep", "10", "-x", errors="some", code=1),
    case("exec", *ID, "--cmd", "cat; pwd", stdin="from outside"),
    case("exec", *ID, "--cmd", "echo $0 $PPID_IS_NOT_SET; trap | wc -l"),
    *(case("exec", *ID, "--cmd", ENV, env=env) for env in (
        {"LANG": "C"},
        {"LANG": "C.UTF-8"},
        {"LC_ALL": "C"},
        {"LC_ALL": ""},
        {"LC_CTYPE": "POSIX", "LANG": "C.UTF-8"},
        {"LC_CTYPE": "C.UTF-8"},
        {"PYTHONCOERCECLOCALE": "0"},
        {"db_main": "was there", "OTHER": "stays", "EMPTY": ""},
        {"PASSWORK_REFRESH_TOKEN": None},
    )),
    case("exec", "--ssl-verify", "printenv", "db_main", *ID, "x", "--no-ssl-verify", code=127),
    case("exec", "--no-ssl-verify", "printenv", "db_main", *ID),
    case("exec", "printenv", "db_main", *ID, "--ssl-verify"),
    case("exec", *ID, "--host", "{url}", "--token", "{token}", "--refresh-token", "r", "--master-key", "{master_key}", "--cmd", ENV),
    case("exec", "--help", out="some"),
]

COPY = ("--password-id", "{copy}")
LINK = ("--shortcut-id", "{copy_shortcut}")
UPDATE = [
    *(case("update", *COPY, *change) for change in (
        (),
        ("--name", "renamed"),
        ("--password", "p 2"),
        ("--password", ""),
        ("--password", "пароль 🙂"),
        ("--login", "admin"),
        ("--login", ""),
        ("--url", "https://x"),
        ("--description", "one\ntwo"),
        ("--tags", "a, b,,c "),
        ("--tags", " single "),
        ("--tags", ""),
        ("--tags", ","),
        ("--custom-API_KEY", "k-2"),
        ("--custom-API_KEY=k=2",),
        ("--custom-API_KEY", ""),
        ("--custom-API_KEY=",),
        ("--custom-note", "lost: not of type password"),
        ("--custom-new", "v", "--custom-newer=w"),
        ("--custom-API_KEY", "1", "--custom-API_KEY", "2"),
        ("--custom-note", "1", "--custom-API_KEY", "2"),
        ("--custom-API_KEY", "1", "--custom-note", "2", "--custom-third", "3"),
        ("--custom-twice", "2"),
        ("--custom-a b", "c d"),
        ("--custom-=x",),
        ("--custom-*", "eaten"),
        ("--custom-", "eaten"),
        ("--custom-A", "--custom-B", "v"),
        ("--custom-A", "-5"),
        ("ignored", "--unknown", "--custom-A", "v"),
        ("--name", "all", "--password", "p", "--login", "l", "--url", "u", "--description", "d", "--tags", "t", "--custom-API_KEY", "k"),
        ("--password=p 3", "--nam=short"),
    )),
    *(case("update", *LINK, *change) for change in ((), ("--password", "p 2"), ("--custom-API_KEY", "k"), ("--name", "n"))),
    case("update", *COPY, "--name", ""),
    case("update", *COPY, "--custom-A", code=1),
    case("update", *COPY, "--pass", "x", errors="some", code=2),
    case("update", *COPY, "--password", "-x", errors="some", code=2),
    case("update", *COPY, "--password", "x", "--master-key", "", only="on", code=1),
    case("update", *COPY, "--login", "x", "--token", "wrong", code=1),
    case("update", *COPY, "--login", "y", "--host", "{url}", "--token", "{token}", "--refresh-token", "r", "--master-key", "{master_key}", "--ssl-verify"),
    case("update", *COPY, "--login", "z", "--no-ssl-verify"),
    case("update", "--password-id", "0" * 24, "--name", "x", code=1),
    case("update", "--password-id", " ", "--name", "x", code=1),
    case("update", "--shortcut-id", " ", "--name", "x", code=1),
    case("update", "--password-id", "{foreign}", "--name", "x", code=1),
    case("update", "--password-id", "{deleted}", "--name", "x", code=1),
    case("update", "--password-id", "{bare}", "--login", "x"),
    case("update", "--password-id", "{bare}", "--password", "x"),
    case("update", "--name", "x", code=1),
    case("update", "--help", out="some"),
]

CALL = ("api", "--method", "GET", "--endpoint")
ITEM = (*CALL, "v1/items/{item}")
SEARCH = (*CALL, "v1/items/search", "--params")
API = [
    case(*ITEM),
    case(*CALL, "/v1/items/{item}"),
    case(*CALL, "//v1/items/{item}", errors="", code=1),
    case(*CALL, "v1/items/{odd}"),
    case(*CALL, "v1/users/info"),
    case(*CALL, "v1/vaults/{vault}", "--params", ""),
    case(*CALL, "v1/items?vaultId={vault}", "--params", "{{}}"),
    case(*CALL, "v1/items?vaultId={vault}", "--params", '{{"folderId": "{folder}"}}'),
    case(*CALL, "v1/items?vaultId={vault}#x"),
    case(*CALL, "v1/items", "--params", '{{"vaultId": "{vault}"}}'),
    case(*CALL, "v1/items", "--params", "null", code=1),
    case(*CALL, "v1/items/x y|ü", code=1),
    case(*SEARCH, '{{"tags": ["prod", "db"]}}'),
    case(*SEARCH, '{{"tags": []}}'),
    case(*SEARCH, '{{"query": "db main", "colorCodes": [0, null], "vaultIds": null}}'),
    case(*SEARCH, '{{"query": true}}'),
    case(*SEARCH, '{{"query": 1.0, "limit": 5}}'),
    case(*SEARCH, '{{"tags": {{"prod": 1}}}}'),
    case(*SEARCH, "[1]", code=1),
    case(*SEARCH, "5", code=1),
    case(*SEARCH, "0", code=1),
    case(*SEARCH, '"x"', code=1),
    *(case(*SEARCH, text, code=1) for text in ("{{", "{{'a': 1}}", '{{"a": 1,}}', '{{"a" 1}}', "[1 2]", "nonsense", '"\\x"', '"\\u12"', '"a\nb"', "1 2", '{{"ü": tru}}')),
    *(case(*ITEM, "--field", name) for name in ("name", "tags", "tags[0]", "tags[7]", "tags[-1]", "customs", "none", "a.b", "customs.name", "color", "isFavorite", "", "name[0]")),
    case(*ITEM, "--field", "tags[x]", code=1),
    case(*ITEM, "--field", "tags[ 1 ]"),
    *(case(*SEARCH, '{{"tags": ["prod"]}}', "--field", name) for name in ("items", "items.name", "items[0]", "items.tags", "items[0].name")),
    case(*CALL, "v1/app/features", "--field", "name"),
    case(*CALL, "v1/items/" + "0" * 24, code=1),
    case(*CALL, "v1/nothing/here", code=1),
    case(*CALL, "v1/items/{foreign}", code=1),
    case("api", "--method", "POST", "--endpoint", "v1/folders", "--params", '{{"vaultId": "{other}", "name": "ü\\ud83d\\ude00 \\"f\\""}}', out="shape"),
    case("api", "--method", "POST", "--endpoint", "v1/folders", "--params", "[1]", errors="Error making API call: Message: [", code=1),
    case("api", "--method", "POST", "--endpoint", "v1/folders", code=1),
    case("api", "--method", "POST", "--endpoint", "v1/batch", "--params", '{{"requests": [{{"method": "GET", "relativeUrl": "/api/v1/items/{item}"}}]}}'),
    case("api", "--method", "PATCH", "--endpoint", "v1/items/{copy}", "--params", '{{"login": "patched"}}'),
    case("api", "--method", "PUT", "--endpoint", "v1/folders", code=1),
    case("api", "--method", "DELETE", "--endpoint", "v1/items/{copy}", out="shape"),
    case("api", "--method", "get", "--endpoint", "v1/users/info", errors="some", code=2),
    case("api", "--endpoint", "v1/users/info", errors="some", code=2),
    case("api", "--method", "GET", errors="some", code=2),
    case("api", "--meth=GET", "--end=v1/users/info", "ignored", "--x"),
    case(*CALL, "v1/users/info", "--host", "{url}", "--token", "{token}", "--refresh-token", "r", "--master-key", "{master_key}", "--ssl-verify"),
    case(*CALL, "v1/users/info", "--no-ssl-verify"),
    case(*CALL, "v1/users/info", "--token", "wrong", code=1),
    case(*CALL, "v1/numbers", "--host", "http://127.0.0.1:{strange}/numbers", "--master-key", ""),
    case("api", "--help", out="some"),
]

TLS = [
    case("get", *ID, code=1, errors=""),
    case("get", *ID, "--ssl-verify", code=1, errors=""),
    case("get", *ID, "--ssl-verify", "{certificate}"),
    case("get", *ID, "--ssl-verify={folder_of_authorities}"),
    case("get", *ID, "--ssl-verify", "/no/such/file", code=1),
    case("get", *ID, "--ssl-verify="),
    case("get", *ID, "--no-ssl-verify"),
    case("get", *ID, "--no-ssl-verify", "--ssl-verify", "{certificate}"),
    case("get", *ID, "--no-ssl-verify", "--ssl-verify", code=1, errors=""),
    case("get", *ID, env={"SSL_CERT_FILE": "{certificate}"}),
    case("exec", *ID, "--ssl-verify", "{certificate}", "--cmd", ENV),
    case("update", *COPY, "--ssl-verify", "{certificate}", "--password", "over TLS"),
    case(*ITEM, "--ssl-verify", "{certificate}"),
]


class Strange(BaseHTTPRequestHandler):
    """Answers that no Passwork gives, and redirects to one that does."""

    target = ""

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        kind, rest = re.match(r"/(\w+)(/.*)", self.path).groups()
        whole = f"http://127.0.0.1:{self.server.server_port}/passed{rest}"
        match kind:
            case "redirect":
                self.answer(301, b"", Location=whole)
            case "temporary":
                self.answer(307, b"", Location=f"/passed{rest}")
            case "passed":
                self.pass_on(rest)
            case "html":
                self.answer(502, b"<html>Bad gateway</html>")
            case "empty":
                self.answer(200, b"")
            case "list":
                self.answer(400, b'[{"errors": 1}]')
            case "errors":
                self.answer(400, b'{"errors": [{"code": "a", "field": null, "message": "it\'s \\"wrong\\""}, {"code": "b", "field": "", "message": 5}]}')
            case "field":
                self.answer(422, b'{"errors": [{"code": "a", "field": "name", "message": "\\u00fc \\n"}]}')
            case "bare":
                self.answer(500, b'{"errors": [{"code": "a"}]}')
            case "expired":
                self.answer(401, b'{"errors": [{"code": "accessTokenExpired", "field": null, "message": "m"}]}')
            case "busy":
                self.answer(429, b'{"errors": [{"code": "tooManyRequests", "field": null, "message": "slow"}]}', **{"Retry-After": "30"})
            case "numbers":
                self.answer(200, b'{"a": 12345678901234567890123, "b": [1.0, 1e22, 1.5e-7, -0, -0.0, 1e400, 0.1, 100000000000000000.0], "a": 1, "c": "\\ud83d\\ude00\\u007f"}')

    def pass_on(self, rest: str) -> None:
        names = ("Authorization", "X-Master-Key-Hash")
        headers = {name: self.headers[name] for name in names if self.headers[name]}
        with urlopen(Request(self.target + rest, headers=headers)) as answer:
            self.answer(200, answer.read())

    def log_message(self, *_: object) -> None:
        pass


class World:
    """A server with items made by the official client, and both command lines beside it."""

    def __init__(self, mode: str, server: Server, folder: Path):
        self.mode, self.server, self.folder = mode, server, folder
        # What the official command answers, where it is recorded anew.
        self.answers: dict[str, dict] = {}
        self.untouched: dict | None = None
        self.ours = folder / "passwork-cli"
        self.ours.symlink_to(BINARY.resolve())
        self.client = client = server.client()
        ids = self.ids = {"vault": client.create_vault("Vault"), "other": client.create_vault("Other"), "aside": client.create_vault("Aside")}
        ids["folder"] = client.call("POST", "/api/v1/folders", {"vaultId": ids["vault"], "name": "f"})["id"]
        otp = f"otpauth://totp/x?secret={SECRET}"
        totps = {
            "otp": SECRET,
            "otp-url": f"{otp}&algorithm=SHA256&digits=8&period=60&issuer=a+b#x",
            "otp-512": f"{otp}&algorithm=SHA512&digits=7",
            "otp-long": f"{otp}&digits=12",
            "otp-none": f"{otp}&digits=0",
            "otp-low": SECRET.lower(),
            "otp-space": "GEZD GNBV",
            "otp-cut": "GEZDGN",
            "otp-zero": f"{otp}&period=0",
            "otp-md5": f"{otp}&algorithm=MD5",
            "otp-digits": f"{otp}&digits=six",
            "otp-hotp": otp.replace("totp", "hotp"),
            "otp-x": f"x{otp}",
            "otp-empty": "otpauth://totp/x?issuer=a",
        }
        self.full = {
            "name": "db-main",
            "login": "root",
            "password": "p 1",
            "url": "https://db.example",
            "description": "one\ntwo",
            "tags": ["prod", "db"],
            "customs": [
                {"name": "API_KEY", "type": "password", "value": "k-1"},
                {"name": "note", "type": "text", "value": "n-1"},
                {"name": "twice", "type": "password", "value": "first"},
                {"name": "twice", "type": "password", "value": "second"},
                *({"name": name, "type": "totp", "value": value} for name, value in totps.items()),
            ],
        }
        odd = {
            "name": "1st nämé 🙂",
            "password": 'it\'s "q"\\ \t\n пароль 🙂\u200b\xa0',
            "description": "\x07",
            "tags": ["it's", 'a"b', "ü"],
            "customs": [
                {"name": "", "type": "totp", "value": ""},
                {"name": "_under score", "type": "text", "value": "multi\nline"},
                {"name": "API-KEY", "type": "password", "value": ""},
                {"name": "1", "type": "other", "value": "unseen"},
                {"name": "ключ", "type": "text", "value": "'"},
            ],
        }
        ids["item"] = self.new(self.full, folderId=ids["folder"])
        ids["odd"] = self.new(odd, folderId=ids["folder"])
        ids["same"] = self.new({"name": "db main", "password": "another", "customs": [{"name": "note", "type": "text", "value": "n-2"}]})
        ids["empty"] = self.new({"name": "empty", "password": ""})
        # Not where a search for a vault finds it.
        ids["nul"] = self.new({"name": "nul", "password": "a\0b"}, vaultId=ids["aside"])
        ids["unnamed"] = self.new({"name": "x", "password": "p", "customs": [{"name": "", "type": "text", "value": "v"}]}, vaultId=ids["aside"])
        ids["bare"] = self.bare("vault")
        ids["deleted"] = self.new(self.full, vaultId=ids["aside"])
        client.delete_item(ids["deleted"])
        ids["shortcut"] = client.create_shortcut(ids["item"], ids["other"])
        ids["shortcut2"] = client.create_shortcut(ids["odd"], ids["other"])
        self.strangers()
        # A pair of tokens that has been replaced.
        ids["old_token"] = server.ready["access_token"]
        client.update_tokens()
        server.ready |= {"access_token": client.access_token, "refresh_token": client.refresh_token}
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            ids["closed"] = str(closed.getsockname()[1])
        handler = type("Handler", (Strange,), {"target": server.url})
        self.strange = HTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.strange.serve_forever, daemon=True).start()
        ids |= {"strange": str(self.strange.server_port), "url": server.url, "host": server.url.split("//")[1]}
        ids |= {"token": client.access_token, "master_key": server.ready["master_key"] or ""}
        if server.certificate:
            hashed = folder / "authorities"
            hashed.mkdir()
            ids |= {"certificate": str(server.certificate), "folder_of_authorities": str(hashed)}
            name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", server.certificate], capture_output=True, text=True, check=True)
            (hashed / f"{name.stdout.strip()}.0").symlink_to(server.certificate)
        self.values, self.times = self.volatile()

    def volatile(self) -> tuple[dict[str, str], dict[str, str]]:
        """What no two worlds have in common, by its name: ids, tokens, ciphertext, addresses, folders; and times."""
        values = {f"{{{key}}}": value for key, value in self.ids.items() if key not in ("closed", "strange")}
        values |= {f"127.0.0.1:{{{key}}}": f"127.0.0.1:{self.ids[key]}" for key in ("closed", "strange")}
        values |= {"{refresh_token}": self.client.refresh_token, "{cwd}": str(self.folder)}
        values["{user}"] = self.client.call("GET", "/api/v1/users/info")["id"]
        times = {}
        paths = {key: f"/api/v1/vaults/{self.ids[key]}" for key in ("vault", "other", "aside")}
        paths |= {key: f"/api/v1/items/{self.ids[key]}" for key in ("item", "odd", "same", "empty", "nul", "unnamed", "bare", "shortcut")}
        for key, path in paths.items():
            found = self.client.call("GET", path)
            times |= {f"{{{key}.{name}}}": str(found[name]) for name in ("createdAt", "updatedAt") if name in found}
            if not self.server.ready["master_key"]:
                continue
            secret = {name: value for name, value in found.items() if name.endswith(("Encrypted", "Hash")) or name == "salt"}
            for number, custom in enumerate(found.get("customs", [])):
                secret |= {f"customs[{number}].{name}": value for name, value in custom.items()}
            values |= {f"{{{key}.{name}}}": value for name, value in secret.items() if value}
        return values, times

    def new(self, item: dict, **place: str) -> str:
        # The official client encrypts in place.
        return self.client.create_item(copy.deepcopy({"vaultId": self.ids["vault"]} | item | place))

    def bare(self, vault: str) -> str:
        """An item without a password and without custom fields, but with a key where there are keys."""
        draft = {"vaultId": self.ids[vault], "name": "bare"}
        if self.client.is_encrypt:
            password = self.client.get_vault_password(self.client.get_vault(self.ids[vault]))
            draft["keyEncrypted"] = encrypt_aes(generate_key(), password)
        return self.client.call("POST", "/api/v1/items", draft)["id"]

    def strangers(self) -> None:
        """Another user's vault."""
        self.client.call("POST", "/api/v1/users", {"username": "other", "password": "other's password"})
        other = self.server.bare_client()
        session = other.call("POST", "/api/v1/users/login", {"username": "other", "password": "other's password"})
        other.set_tokens(session["accessToken"], None)
        self.ids["foreign_vault"] = other.create_vault("Foreign")
        self.ids["foreign"] = other.create_item({"vaultId": self.ids["foreign_vault"], "name": "f", "password": "p"})

    @contextmanager
    def copy(self):
        """An item that one of the two may change, a shortcut to it, and a bare one; no search finds them afterwards."""
        ids = self.ids | {"copy": self.new(self.full, vaultId=self.ids["aside"]), "bare": self.bare("aside")}
        ids["copy_shortcut"] = self.client.create_shortcut(ids["copy"], ids["other"])
        yield ids
        self.client.call("DELETE", f"/api/v1/shortcuts/{ids['copy_shortcut']}")
        for key in ("copy", "bare"):
            # The case may have been to delete it.
            with suppress(PassworkResponseError):
                self.client.delete_item(ids[key])

    def run(self, program: Path, one: Case, ids: dict) -> subprocess.CompletedProcess:
        env = {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", "PASSWORK_HOST": self.server.url}
        env |= credentials(self.server.ready, "PASSWORK") | one.env
        env = {name: value.format_map(ids) for name, value in env.items() if value is not None}
        words = [word.format_map(ids) for word in one.words]
        return subprocess.run([program, *words], cwd=self.folder, env=env, input=one.stdin.encode(), capture_output=True, timeout=PATIENCE, check=False)

    def compare(self, one: Case) -> None:
        """Runs ours, and on its day the official one, and compares what they say and do with what is recorded."""
        if answers.RECORDING:
            self.record(one)
        known = self.answers.get(one.name) or answers.recorded()["answers"].get(self.mode, {}).get(one.name)
        assert known, f"no answer is recorded to {self.mode}: {one.name}; `make record-official` asks the official command"
        self.agrees(self.ours, one, known)
        chosen = answers.tenth()
        if not answers.RECORDING and answers.is_live(f"{self.mode} {one.name}", chosen):
            stale = f"the official command, run with KEYFERRY_OFFICIAL={chosen}, differs from what is recorded: {answers.recorded()['made_by']}"
            self.agrees(OFFICIAL, one, known, stale)

    def agrees(self, program: Path, one: Case, known: dict, otherwise: str = "ours differs") -> None:
        """Asserts that the program says and does what is known."""
        with self.copy() if one.changes else nullcontext(self.ids) as ids:
            done, answer = self.asked(program, one, ids)
            names = self.names(ids)
            expected = {name: value for name, value in known.items() if name != "state"}
            expected |= {name: names.fill("".join(known[name])) for name in ("stdout", "stderr") if known[name] is not True}
            told = f"{otherwise}\n{self.mode}: {one.name}\nexpected: {expected}\n     got: {done}"
            assert one.code in (None, known["code"]), told
            assert answer == expected, told
            if one.changes:
                untouched = self.untouched or answers.recorded()["untouched"][self.mode]
                state = answers.through(names.fill, answers.patched(untouched, known["state"]))
                assert self.state(ids) == state, told

    def record(self, one: Case) -> None:
        """Keeps what the official command answers, by names in the place of what is this world's own."""
        with self.copy() if one.changes else nullcontext(self.ids) as ids:
            names = self.names(ids)
            before = answers.through(names.hide, self.state(ids)) if one.changes else None
            _, answer = self.asked(OFFICIAL, one, ids)
            known = dict(answer)
            for name in ("stdout", "stderr"):
                if answer[name] is not True:
                    known[name] = names.hide(answer[name]).splitlines(keepends=True)
                    assert names.fill("".join(known[name])) == answer[name]
            if one.changes:
                after = answers.through(names.hide, self.state(ids))
                known["state"] = answers.difference(before, after)
                assert answers.patched(before, known["state"]) == after
                assert self.untouched in (None, before), "one world, two beginnings"
                self.untouched = before
        self.answers[one.name] = known

    def names(self, ids: dict) -> answers.Names:
        return answers.Names(self.values | {f"{{{key}}}": ids[key] for key in ("copy", "copy_shortcut", "bare") if key in ids}, self.times)

    def asked(self, program: Path, one: Case, ids: dict) -> tuple[subprocess.CompletedProcess, dict]:
        """What was printed, and what of it is compared."""
        begin = time.time()
        done = self.run(program, one, ids)
        stdout, stderr = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
        match one.out:
            case "shape":
                stdout = shape(stdout)
            case "code":
                stdout = self.without_code(one, stdout, begin)
            case "some":
                assert stdout, done
                stdout = True
            case other:
                assert other == "all"
        if one.errors == "some":
            assert stderr, done
            stderr = True
        elif one.errors != "all":
            stderr = begins(stderr, one.errors)
        return done, {"code": done.returncode, "stdout": stdout, "stderr": stderr}

    def without_code(self, one: Case, text: str, begin: float) -> str:
        """With a name for a one-time code that was right at some moment since; any other stays."""
        algorithm, digits, period = CODES[one.words[one.words.index("--totp-code") + 1]]
        right = answers.codes(base64.b32decode(SECRET), algorithm, digits, period, begin, time.time())
        return f"{{code of {len(right[0])} digits}}\n" if text.removesuffix("\n") in right and text.endswith("\n") else text

    def state(self, ids: dict) -> dict:
        """What the official client finds of the items that were changed."""
        found = {}
        for key in ("copy", "copy_shortcut", "bare"):
            try:
                item = self.client.get_item(ids[key])
            except PassworkResponseError as error:
                found[key] = error.message
                continue
            item["hasPassword"] = item.pop("passwordEncrypted") is not None
            for name in ("id", "keyEncrypted"):
                item.pop(name)
            found[key] = item
        return found


def shape(text: str) -> str:
    return re.sub(r'"[0-9a-f]{24}"', '"id"', text)


def begins(text: str, beginning: str) -> str:
    """The beginning that a case names, or else the words up to the first colon."""
    return text[: len(beginning)] if beginning else text.split(":")[0]


def named(value: object) -> str:
    return ascii(" ".join(value.words)).strip("'") if isinstance(value, Case) else str(value)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory):
    """One world for each mode, made when the first test asks for it."""
    with servers(tmp_path_factory.mktemp("servers")) as start:

        made: dict[str, World] = {}

        def world(mode: str) -> World:
            if mode not in made:
                server = start("on", "--tls") if mode == "tls" else start(mode)
                made[mode] = World(mode, server, tmp_path_factory.mktemp(mode))
            return made[mode]

        yield world
        if answers.RECORDING:
            untouched = {mode: one.untouched for mode, one in made.items() if one.untouched}
            answers.write({mode: one.answers for mode, one in made.items()}, untouched, case_names())


# Of the module, so that the tests stay in the order of their modes.
@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, worlds) -> World:
    return worlds(request.param)


@pytest.fixture(scope="module")
def secure(worlds) -> World:
    return worlds("tls")


def in_both_modes(cases: list[Case]):
    """Each case with client-side encryption on and off; what never gets as far as a server only once."""
    for mode in ("on", "off"):
        for one in cases:
            usage = one.code == 2 or one.out == "some"
            if one.only in (None, mode) and not (usage and mode == "on"):
                yield pytest.param(mode, one, id=f"{mode}-{named(one)}")


def case_names() -> dict[str, set[str]]:
    """The names of all cases by mode, as in the file of answers."""
    names = {"on": set(), "off": set(), "tls": {one.name for one in TLS}}
    for mode, one in (param.values for param in in_both_modes([*GET, *EXEC, *UPDATE, *API])):
        names[mode].add(one.name)
    return names


@pytest.mark.parametrize(("world", "one"), list(in_both_modes(GET)), indirect=["world"])
def test_get_does_what_the_official_one_does(world: World, one: Case) -> None:
    world.compare(one)


@pytest.mark.parametrize(("world", "one"), list(in_both_modes(EXEC)), indirect=["world"])
def test_exec_does_what_the_official_one_does(world: World, one: Case) -> None:
    world.compare(one)


@pytest.mark.parametrize(("world", "one"), list(in_both_modes(UPDATE)), indirect=["world"])
def test_update_does_what_the_official_one_does(world: World, one: Case) -> None:
    world.compare(one)


@pytest.mark.parametrize(("world", "one"), list(in_both_modes(API)), indirect=["world"])
def test_api_does_what_the_official_one_does(world: World, one: Case) -> None:
    world.compare(one)


@pytest.mark.parametrize("one", TLS, ids=named)
def test_certificates_are_verified_as_the_official_one_does(secure: World, one: Case) -> None:
    secure.compare(one)


def official_flags() -> dict[str, set[str]]:
    """The flags of the official parser, asked of itself."""
    commands = argparse.ArgumentParser().add_subparsers()
    for strategy in COMMAND_STRATEGIES.values():
        strategy.add_command(commands)
    return {name: set(parser._option_string_actions) for name, parser in commands.choices.items()}


def test_every_flag_of_the_official_one_has_a_case() -> None:
    cases = {"get": GET, "exec": EXEC, "update": UPDATE, "api": API}
    flags = official_flags()
    assert set(flags) == set(cases)
    for command, known in flags.items():
        used = {word.split("=")[0] for one in cases[command] if command in one.words and not one.code for word in one.words}
        assert known - used <= {"-h"}, command


@pytest.mark.parametrize("world", ["off"], indirect=True)
def test_every_flag_of_the_official_one_is_in_our_help(world: World) -> None:
    for command, known in official_flags().items():
        help_text = world.run(world.ours, case(command, "--help"), world.ids).stdout.decode()
        assert known <= set(re.findall(r"--?[a-z*-]+", help_text)), command


@pytest.mark.parametrize("world", ["off"], indirect=True)
def test_a_reader_that_goes_away_is_met_as_the_official_one_meets_it(world: World) -> None:
    ended = []
    for program in (OFFICIAL, world.ours):
        env = {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", "PASSWORK_HOST": world.server.url} | credentials(world.server.ready, "PASSWORK")
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            done = subprocess.run([program, "get", "--password-id", world.ids["item"]], env=env, stdout=pipe, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False)
        ended.append(done.returncode)
    assert set(ended) == {120}


# The others look at the file, which is written when the last of the module has run.
kept = pytest.mark.skipif(answers.RECORDING, reason="the answers are being recorded")


@kept
def test_the_answers_are_of_the_installed_version_and_of_these_cases() -> None:
    known = answers.recorded()
    assert known["made_by"]["passwork-python"] == version("passwork-python"), "`make record-official` asks the new one"
    assert {mode: set(found) for mode, found in known["answers"].items()} == case_names()
    # No two cases share an answer.
    assert sum(map(len, case_names().values())) == len(TLS) + len(list(in_both_modes([*GET, *EXEC, *UPDATE, *API])))


def test_ten_days_run_the_official_command_on_every_case() -> None:
    names = [f"{mode} {name}" for mode, found in case_names().items() for name in found]
    days = [{name for name in names if answers.is_live(name, str(day))} for day in range(10)]
    assert sorted(name for day in days for name in day) == sorted(names)
    assert max(map(len, days)) < len(names) / 5


@kept
def test_nothing_of_the_machine_that_recorded_is_in_the_answers() -> None:
    text = answers.FILE.read_text("utf-8")
    # The roles of users have the same identifiers everywhere.
    assert set(re.findall(r"\b[0-9a-f]{24}\b", text)) <= {"0" * 24, "1" * 24, "0" * 23 + "a", "0" * 23 + "b"}
    assert not re.search(r"127\.0\.0\.1:\d|/(tmp|root|home|Users)\b|\b1[789]\d{8}\b", text)
    # Ciphertext and keys; what is not encrypted is base64 of texts above.
    encrypted = json.dumps([answers.recorded()["answers"][mode] for mode in ("on", "tls")])
    assert not re.search(r"\b(?!0x)[0-9A-Za-z+/]{40,}", encrypted)
    addresses = {"http://", "http://127.0.0.1:{closed}", "http://127.0.0.1:{strange}", "https://", "https://db.example", "https://nowhere", "https://x", "ftp://nowhere"}
    assert set(re.findall(r"\b(?:https?|ftp)://[\w.:{}]*", text)) <= addresses


@kept
@pytest.mark.parametrize("world", ["on"], indirect=True)
def test_a_comparison_can_fail(world: World) -> None:
    for one in (case("get", *ID), case("exec", *ID, "--cmd", ENV), case("update", *COPY, "--password", "p 2"), case("get", "--password-id", "no id", code=1)):
        known = answers.recorded()["answers"]["on"][one.name]
        world.agrees(world.ours, one, known)
        flipped = [known | {"code": 9}, known | {"stdout": [*known["stdout"], "\n"]}, known | {"stderr": [*known["stderr"], "x"]}]
        flipped += [known | {name: [known[name][0].replace("e", "E", 1), *known[name][1:]]} for name in ("stdout", "stderr") if "e" in "".join(known[name][:1])]
        if one.changes:
            flipped += [known | {"state": {}}, known | {"state": known["state"] | {"bare": {"name": "another"}}}]
        for wrong in flipped:
            with pytest.raises(AssertionError, match="ours differs|assert 9"):
                world.agrees(world.ours, one, wrong)
    # An id in the place of another.
    one = case("get", *ID, "--field", "id")
    with pytest.raises(AssertionError, match="ours differs"):
        world.agrees(world.ours, one, {"code": 0, "stdout": ["{odd}\n"], "stderr": []})
    for text in ("1234567\n", "\n", ""):
        assert world.without_code(case("get", *ID, "--totp-code", "otp", out="code"), text, time.time()) == text
