"""A server that lies, against the Python module and the C library: the same table as `hostile_table.rs` has for the
command line. It tells the truth once, and lies from then on; what it then says is refused, and nothing is written."""

import base64
import ctypes
import http.server
import json
import threading
import urllib.error
import urllib.request

import pytest

import keyferry
from conftest import BINARY
from keyferry import crypto, errors

SECRET = "planted-against-the-server"
LIBRARY = BINARY.with_name("libkeyferry.so")


def replace(answer, name, value):
    """Sets every member of this name that holds something."""
    if isinstance(answer, dict):
        for member, held in answer.items():
            if member == name and held is not None:
                answer[member] = value
            else:
                replace(held, name, value)
    elif isinstance(answer, list):
        for one in answer:
            replace(one, name, value)


def no_user_keys(answer, _):
    if "keys" in answer:
        answer["keys"] = None


def no_vault_keys(answer, _):
    replace(answer, "masterKeyEncrypted", None)
    replace(answer, "vaultMasterKeyEncrypted", None)


def nothing_has_keys(answer, own):
    no_user_keys(answer, own)
    no_vault_keys(answer, own)
    replace(answer, "keyEncrypted", None)


def own_vault_key(answer, own):
    for name, value in own.items():
        replace(answer, name, value)


def other_vaults(answer, own):
    for vault in answer.get("items", []) if isinstance(answer, dict) else []:
        if "masterKeyHash" in vault:
            vault["id"] = "f0f0" + vault["id"][4:]
    own_vault_key(answer, own)


LIES = [no_user_keys, no_vault_keys, nothing_has_keys, own_vault_key, other_vaults]


class Proxy:
    """Stands before a server: remembers what clients sent, and changes answers once `lie` is set."""

    def __init__(self, server: str, own: dict):
        self.lie, self.received, self.wrote = None, b"", False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.received += str(self.headers).encode() + body
                creates = self.path.endswith(("/items", "/vaults", "/folders")) or b'"method":"POST"' in body
                outer.wrote |= self.command == "PATCH" or (self.command == "POST" and creates)
                names = ("authorization", "x-response-format", "x-master-key-hash", "content-type")
                headers = {name: self.headers[name] for name in names if self.headers[name]}
                asked = urllib.request.Request(server + self.path, body or None, headers, method=self.command)
                try:
                    with urllib.request.urlopen(asked) as answer:
                        status, text = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, text = error.code, error.read()
                if outer.lie is not None and status == 200:
                    changed = json.loads(text)
                    outer.lie(changed, own)
                    text = json.dumps(changed).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def holds(self, secret: str) -> bool:
        encoded = (base64.b64encode(b"x" * shift + secret.encode()) for shift in range(3))
        return secret.encode() in self.received or any(word[4:-4] in self.received for word in encoded)


class Credentials(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("token", ctypes.c_char_p),
        ("refresh_token", ctypes.c_char_p),
        ("master_key", ctypes.c_char_p),
        ("master_password", ctypes.c_char_p),
        ("timeout_seconds", ctypes.c_uint64),
    ]


def by_python(proxy, server, file, journal):
    """Imports; the word of the error's kind, and its message."""
    try:
        env = keyferry.connect(
            proxy.url,
            token=server["access_token"],
            refresh_token=server["refresh_token"],
            master_password=server["master_password"],
        )
        keyferry.import_file(file, env, on_conflict="update", journal=journal)
    except errors.KeyferryError as error:
        return error.kind, str(error)
    return "ok", ""


def by_c(proxy, server, file, journal):
    library = ctypes.CDLL(str(LIBRARY))
    library.kf_last_error.restype = library.kf_status_name.restype = ctypes.c_char_p
    texts = [server[name].encode() for name in ("access_token", "refresh_token", "master_password")]
    credentials = Credentials(ctypes.sizeof(Credentials), texts[0], texts[1], None, texts[2], 0)
    environment, job = ctypes.c_uint64(), ctypes.c_uint64()
    status = library.kf_environment_open(proxy.url.encode(), ctypes.byref(credentials), ctypes.byref(environment))
    if status == 0:
        library.kf_job_open(ctypes.byref(job))
        options = json.dumps({"on_conflict": "update", "journal": str(journal)}).encode()
        status = library.kf_import(job, str(file).encode(), environment, None, options, None)
        library.kf_job_close(job)
    said = library.kf_last_error().decode() if status else ""
    library.kf_environment_close(environment)
    return library.kf_status_name(status).decode(), said


@pytest.mark.parametrize("face", [by_python, by_c])
def test_no_lie_is_believed(face, served, tmp_path):
    server = served()
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    before.write_text(json.dumps({"vault": "V", "name": "old", "login": "u", "password": "before"}))
    after.write_text(json.dumps({"vault": "V", "name": "old", "login": "u", "password": SECRET}))
    asked = urllib.request.Request(
        server["url"] + "/api/v1/users/keys",
        headers={"authorization": f"Bearer {server['access_token']}", "x-response-format": "raw"},
    )
    with urllib.request.urlopen(asked) as answer:
        public = json.loads(answer.read())["keys"]["public"]
    vault_key, record_key = crypto.generate_key(), crypto.generate_key()
    own = {
        "masterKeyEncrypted": base64.b64encode(crypto.rsa_encrypt(vault_key, public)).decode(),
        "vaultMasterKeyEncrypted": base64.b64encode(crypto.rsa_encrypt(vault_key, public)).decode(),
        "masterKeyHash": "",
        "keyEncrypted": crypto.encrypt_aes(record_key, vault_key),
    }
    proxy = Proxy(server["url"], own)
    journal = tmp_path / "job.db"
    assert face(proxy, server, before, journal) == ("ok", ""), "the truth"
    for lie in LIES:
        proxy.received, proxy.wrote, proxy.lie = b"", False, lie
        kind, said = face(proxy, server, after, journal)
        story = f"{lie.__name__}: {kind}: {said}"
        assert kind == "not-allowed", story
        assert not proxy.holds(SECRET), story
        assert not proxy.wrote, story
        assert SECRET not in said, story
        proxy.lie = None
    assert face(proxy, server, after, journal) == ("ok", ""), "the truth is still believed"
