"""A server that lies, against the Python module, the C library and the official SDK on native code: the same table as
`hostile_table.rs` has for the command line. It tells the truth once, and lies from then on; what it then says is refused,
and nothing is written. `pytest -s` prints lies × commands × faces with their number."""

import base64
import ctypes
import http.server
import json
import threading
import urllib.error
import urllib.request

import pytest
from passwork_client import PassworkClient

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


def other_derivation(answer, _):
    replace(answer, "masterKeyOptions", "pbkdf:sha256:300000:64:another-salt-of-the-server")


def weak_derivation(answer, _):
    replace(answer, "masterKeyOptions", "pbkdf:sha256:1000:64:another-salt-of-the-server")


def no_derivation(answer, _):
    replace(answer, "masterKeyOptions", None)


LIES = [
    no_user_keys,
    no_vault_keys,
    nothing_has_keys,
    own_vault_key,
    other_vaults,
    other_derivation,
    weak_derivation,
    no_derivation,
]


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
                # The SDK asks for answers in base64 and takes them plain as well; a lie is about what is in them.
                headers = {name: self.headers[name] for name in names if self.headers[name]}
                headers["x-response-format"] = "raw"
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


def python(work):
    """A command of the Python module; the word of the error's kind, and its message."""

    def run(proxy, server, files):
        try:
            env = keyferry.connect(
                proxy.url,
                token=server["access_token"],
                refresh_token=server["refresh_token"],
                master_password=server["master_password"],
            )
            work(env, files)
        except errors.KeyferryError as error:
            return error.kind, str(error)
        return "ok", ""

    return run


def in_c(work):
    """The same of the C library; `work` gives the status of its call."""

    def run(proxy, server, files):
        library = ctypes.CDLL(str(LIBRARY))
        library.kf_last_error.restype = library.kf_status_name.restype = ctypes.c_char_p
        texts = [server[name].encode() for name in ("access_token", "refresh_token", "master_password")]
        credentials = Credentials(ctypes.sizeof(Credentials), texts[0], texts[1], None, texts[2], 0)
        environment, job = ctypes.c_uint64(), ctypes.c_uint64()
        opened = [proxy.url.encode(), ctypes.byref(credentials), ctypes.byref(environment)]
        status = library.kf_environment_open(*opened)
        if status == 0:
            library.kf_job_open(ctypes.byref(job))
            status = work(library, job, environment, files)
            library.kf_job_close(job)
        said = library.kf_last_error().decode() if status else ""
        library.kf_environment_close(environment)
        return library.kf_status_name(status).decode(), said

    return run


def options(files, **more):
    return json.dumps({"journal": str(files["journal"]), **more}).encode()


def kf_import(library, job, environment, files):
    how = options(files, on_conflict="update")
    return library.kf_import(job, str(files["now"]).encode(), environment, None, how, None)


def kf_migrate(library, job, environment, files):
    nowhere, how = ctypes.c_uint64(0), options(files, on_conflict="update")
    return library.kf_migrate(job, nowhere, str(files["now"]).encode(), environment, None, how, None)


def kf_export(library, job, environment, files):
    how = options(files, allow_plaintext=True)
    return library.kf_export(job, environment, None, str(files["out"]).encode(), how, None)


def kf_verify(library, job, environment, files):
    nowhere = ctypes.c_uint64(0)
    file = str(files["before"]).encode()
    return library.kf_verify(job, environment, None, nowhere, file, options(files), None)


def kf_environment_records(library, job, environment, files):
    write = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(lambda *_: 0)
    return library.kf_environment_records(environment, None, None, write, None)


def writing(files):
    return {"on_conflict": "update", "journal": files["journal"]}


FACES = {
    "Python": {
        "import_file": python(lambda env, f: keyferry.import_file(f["now"], env, **writing(f))),
        "migrate": python(lambda env, f: keyferry.migrate(f["now"], env, **writing(f))),
        "sync": python(lambda env, f: keyferry.sync(f["now"], env, journal=f["journal"])),
        "records": python(lambda env, f: list(env.records())),
        "export_file": python(lambda env, f: keyferry.export_file(env, f["out"], allow_plaintext=True)),
        "verify": python(lambda env, f: keyferry.verify(env, f["before"])),
        "audit": python(lambda env, f: keyferry.audit(env)),
    },
    "C": {work.__name__: in_c(work) for work in (kf_import, kf_migrate, kf_export, kf_verify, kf_environment_records)},
}


def own_keys(server):
    """What a server can make of its own for a user whose public key it knows."""
    asked = urllib.request.Request(
        server["url"] + "/api/v1/users/keys",
        headers={"authorization": f"Bearer {server['access_token']}", "x-response-format": "raw"},
    )
    with urllib.request.urlopen(asked) as answer:
        public = json.loads(answer.read())["keys"]["public"]
    vault_key, record_key = crypto.generate_key(), crypto.generate_key()
    wrapped = base64.b64encode(crypto.rsa_encrypt(vault_key, public)).decode()
    return {
        "masterKeyEncrypted": wrapped,
        "vaultMasterKeyEncrypted": wrapped,
        "masterKeyHash": "",
        "keyEncrypted": crypto.encrypt_aes(record_key, vault_key),
        "passwordEncrypted": crypto.encrypt_aes("what it likes", record_key),
        "customs": [],
    }


def test_no_lie_is_believed(served, tmp_path):
    server = served()
    files = {name: tmp_path / f"{name}.jsonl" for name in ("before", "after", "out")}
    one = {"vault": "V", "name": "old", "login": "u"}
    files["before"].write_text(json.dumps({**one, "password": "before"}))
    files["after"].write_text(json.dumps({**one, "password": SECRET}))
    files["journal"] = tmp_path / "job.db"
    proxy = Proxy(server["url"], own_keys(server))
    table = []
    for face, commands in FACES.items():
        for name, command in commands.items():
            files["now"] = files["before"]
            assert command(proxy, server, files) == ("ok", ""), f"{face} {name}: the truth"
    for lie in LIES:
        for face, commands in FACES.items():
            for name, command in commands.items():
                files["now"] = files["after"]
                files["out"].unlink(missing_ok=True)
                proxy.received, proxy.wrote, proxy.lie = b"", False, lie
                kind, said = command(proxy, server, files)
                proxy.lie = None
                story = f"{lie.__name__}: {face} {name}: {kind}: {said}"
                assert kind == "not-allowed", story
                assert not proxy.holds(SECRET), story
                assert not proxy.wrote, story
                assert SECRET not in said, story
                assert not files["out"].exists(), story
                table.append(f"{lie.__name__:20} {face:8} {name:24} {kind}")
    number = sum(len(commands) for commands in FACES.values())
    print("", *table, f"{len(LIES)} lies × {number} commands of {len(FACES)} faces: {len(table)} tried", sep="\n")
    files["now"] = files["after"]
    for face in FACES.values():
        assert next(iter(face.values()))(proxy, server, files) == ("ok", ""), "the truth is still believed"


SDK_LIES = [no_vault_keys, own_vault_key]


def test_the_official_sdk_on_native_code_believes_no_other_key(served, tmp_path, monkeypatch):
    """It knows no vaults by itself; what was seen before is compared on its way to its server."""
    monkeypatch.setenv("KEYFERRY_JOURNAL", str(tmp_path / "journal.db"))
    server = served()
    proxy = Proxy(server["url"], own_keys(server))

    def sdk():
        client = PassworkClient(proxy.url)
        client.set_tokens(server["access_token"], server["refresh_token"])
        client.set_master_key(server["master_key"])
        return client

    def secret_for(vault):
        return {"vaultId": vault, "name": "m", "password": SECRET}

    commands = {
        "get_item": lambda client, vault, item: client.get_item(item),
        "get_items": lambda client, vault, item: client.get_items([item]),
        "search_and_decrypt": lambda client, vault, item: client.search_and_decrypt("n"),
        "update_item": lambda client, vault, item: client.update_item(item, secret_for(vault)),
        "create_item": lambda client, vault, item: client.create_item(secret_for(vault)),
    }
    with keyferry.passwork.accelerate():
        vault = sdk().create_vault("V")
        item = sdk().create_item({"vaultId": vault, "name": "n", "password": "before"})
        assert sdk().get_item(item)["password"] == "before"
        for lie in SDK_LIES:
            for name, command in commands.items():
                client = sdk()
                proxy.received, proxy.wrote, proxy.lie = b"", False, lie
                with pytest.raises(errors.PermissionDeniedError) as refused:
                    command(client, vault, item)
                proxy.lie = None
                story = f"{lie.__name__}: {name}: {refused.value}"
                assert not proxy.holds(SECRET) and not proxy.wrote, story
        # Without a master key the SDK would send it as base64.
        plain = PassworkClient(proxy.url)
        plain.set_tokens(server["access_token"], server["refresh_token"])
        proxy.received = b""
        with pytest.raises(errors.PermissionDeniedError, match="no master key was set"):
            plain.create_item(secret_for(vault))
        assert not proxy.holds(SECRET)
        assert sdk().get_item(item)["password"] == "before", "the truth is still believed"
    # Unaccelerated it is the official client's own affair.
    proxy.lie = own_vault_key
    assert sdk().get_item(item)["password"] == "what it likes"


def test_the_sdk_wraps_a_new_vaults_key_for_its_user_alone(served, tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFERRY_JOURNAL", str(tmp_path / "journal.db"))
    server = served()
    stranger = keyferry.crypto.generate_rsa_keys()["public"]

    def other_public_key(answer, _):
        if "keys" in answer:
            answer["keys"]["public"] = stranger

    proxy = Proxy(server["url"], {})
    client = PassworkClient(proxy.url)
    client.set_tokens(server["access_token"], server["refresh_token"])
    with keyferry.passwork.accelerate():
        proxy.lie = other_public_key
        client.set_master_key(server["master_key"])
        proxy.wrote = False
        with pytest.raises(errors.DecryptError):
            client.create_vault("V")
        assert not proxy.wrote


def test_fields_in_the_clear_are_refused_as_a_password_is(served, tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFERRY_JOURNAL", str(tmp_path / "journal.db"))
    server = served()
    proxy = Proxy(server["url"], {})

    def in_the_clear(answer, _):
        for response in answer.get("responses", []) + [{"body": answer}]:
            item = response["body"]
            if isinstance(item, dict) and item.get("customs"):
                item["keyEncrypted"] = item["passwordEncrypted"] = None
                item["customs"] = [{"name": "cGlu", "type": "dGV4dA==", "value": "d2hhdCBpdCBsaWtlcw=="}]

    client = PassworkClient(proxy.url)
    client.set_tokens(server["access_token"], server["refresh_token"])
    client.set_master_key(server["master_key"])
    with keyferry.passwork.accelerate():
        vault = client.create_vault("V")
        custom = {"name": "pin", "type": "text", "value": "1234"}
        item = client.create_item({"vaultId": vault, "name": "n", "password": "p", "customs": [custom]})
        assert client.get_item(item)["customs"][0]["value"] == "1234"
        proxy.lie = in_the_clear
        with pytest.raises(errors.PermissionDeniedError):
            client.get_item(item)


def test_marks_are_required_by_a_variable(served, tmp_path, monkeypatch):
    server = served()
    proxy = Proxy(server["url"], {})
    files = {"journal": tmp_path / "job.db", "now": tmp_path / "one.jsonl", "out": tmp_path / "out.jsonl"}
    pin = {"name": "pin", "type": "password", "value": "1234"}
    files["now"].write_text(json.dumps({"vault": "V", "name": "one", "password": "p", "customs": [pin]}))
    monkeypatch.setenv("KEYFERRY_MARKS", "write")
    assert FACES["Python"]["import_file"](proxy, server, files) == ("ok", "")
    monkeypatch.setenv("KEYFERRY_MARKS", "require")

    def exchanged(answer, _):
        for response in answer.get("responses", []) + [{"body": answer}]:
            body = response["body"]
            if isinstance(body, dict) and body.get("customs"):
                value = body["customs"][0]["value"]
                body["customs"][0]["value"], body["passwordEncrypted"] = body["passwordEncrypted"], value

    for face, name in (("Python", "records"), ("C", "kf_environment_records")):
        run = FACES[face][name]
        assert run(proxy, server, files) == ("ok", ""), "the truth"
        proxy.lie = exchanged
        kind, said = run(proxy, server, files)
        proxy.lie = None
        assert kind in ("not-allowed", "decrypt") and "mark" in said, f"{face}: {kind}: {said}"
    monkeypatch.setenv("KEYFERRY_MARKS", "sometimes")
    assert FACES["Python"]["records"](proxy, server, files)[0] == "usage"
