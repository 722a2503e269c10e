"""References to keys: what is pickled, what is refused, where a key is read and what is said when it is not there."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import keyferry
from keyferry import KeyRef, _native, crypto, keys
from keyferry._engines import Open, Seal
from keyferry.errors import KeyferryError, UsageError

KEY = crypto.generate_key()
OTHER = crypto.generate_key()


@pytest.fixture(autouse=True)
def fresh():
    keys.forget_rings()
    yield
    keys.forget_rings()


def sealed_with(ref: KeyRef) -> str:
    """A password sealed under what a reference names."""
    table = Seal.of(ref, None, [])(pa.table({"name": ["a"], "password": ["hidden"]}))
    return pa.table(crypto.decrypt_records(table, KEY))["password"][0].as_py()


def test_each_kind_of_reference_is_read_where_it_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    (tmp_path / "key").write_text(KEY + "\n")
    refs = [
        KeyRef.env("PLANTED_KEY"),
        KeyRef.file("key"),
        KeyRef.command("cat", str(tmp_path / "key")),
        KeyRef.parse("env:PLANTED_KEY"),
        KeyRef.parse(f"file:{tmp_path / 'key'}"),
        KeyRef.parse(f"command:cat '{tmp_path / 'key'}'"),
        KeyRef.from_bytes(KEY.encode()),
    ]
    for ref in refs:
        assert sealed_with(ref) == "hidden", ref
        assert KEY not in repr(ref)


def test_the_keyring_is_asked(monkeypatch):
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    with pytest.raises(KeyferryError, match="keyring") as caught:
        sealed_with(KeyRef.keyring("keyferry-test", "planted account"))
    assert "file or a variable" in str(caught.value)


def test_a_reference_travels_and_a_key_does_not(monkeypatch):
    for ref in [KeyRef.env("PLANTED_KEY"), KeyRef.file("/a"), KeyRef.keyring("s", "a"), KeyRef.command("p", "x"), KeyRef.environment("embedded:a"), KeyRef.unencrypted()]:
        again = pickle.loads(pickle.dumps(ref))
        assert again == ref and hash(again) == hash(ref)
        assert copy.deepcopy(ref) is ref
    monkeypatch.setenv("PLANTED_KEY", KEY)
    work = Seal.of({"a": KeyRef.env("PLANTED_KEY")}, "vault", [])
    work.keys.ring()
    assert KEY.encode() not in pickle.dumps(work)
    given = KeyRef.from_bytes(KEY.encode())
    for holder in [given, [given], Seal.of(given, None, []), Open.of({"a": given}, "vault", None, "raise", None)]:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="not pickled") as caught:
                pickle.dumps(holder, protocol)
            assert KEY not in str(caught.value)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Seal.of(given, None, []).keys.ring())
    assert copy.copy(given) is given and KEY not in repr([given, work, work.keys.ring()])


def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated():
    for wrong in [
        lambda: KeyRef.env(KEY),
        lambda: KeyRef.env("a b"),
        lambda: KeyRef.parse(KEY),
        lambda: KeyRef.parse("keyring:no-account"),
        lambda: KeyRef.from_bytes(KEY),  # type: ignore[arg-type]
        lambda: Seal.of(KEY, None, []),  # type: ignore[arg-type]
        lambda: Seal.of(KEY.encode(), None, []),  # type: ignore[arg-type]
        lambda: Seal.of({"a": KEY}, "vault", []),  # type: ignore[dict-item]
    ]:
        with pytest.raises(UsageError) as caught:
            wrong()
        assert KEY not in str(caught.value)
    with pytest.raises(TypeError, match="makes a reference"):
        KeyRef()


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for ref, said in [
        (KeyRef.env("NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE is not set"),
        (KeyRef.file("nowhere"), "nowhere"),
        (KeyRef.file("empty"), "empty is empty"),
        (KeyRef.file("large"), "too large"),
        (KeyRef.file("bytes"), "no text"),
        (KeyRef.command("no-such-program-anywhere"), "cannot be run"),
        (KeyRef.command("sh", "-c", "echo hidden; exit 3"), "ended with code 3"),
    ]:
        with pytest.raises(KeyferryError, match=said) as caught:
            sealed_with(ref)
        assert "hidden" not in str(caught.value)
        with pytest.raises(KeyferryError, match=f"key infra: .*{said}"):
            Seal.of({"infra": ref}, "vault", [])(pa.table({"vault": ["infra"], "name": ["a"]}))


def test_one_key_or_a_column_of_them(monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    one = KeyRef.env("PLANTED_KEY")
    for given, column, said in [
        (one, "vault", "one key is given"),
        ({"a": one}, None, "several keys"),
        ({}, "vault", "no key"),
        ({"": one}, "vault", "id of a key"),
        (KeyRef.environment("embedded:a"), None, "key for each vault"),
        ({"a": KeyRef.environment("embedded:a")}, "vault", "give it alone"),
    ]:
        with pytest.raises(UsageError, match=said):
            Seal.of(given, column, [])


def two_keys() -> dict[str, KeyRef]:
    return {"a": KeyRef.from_bytes(KEY.encode()), "b": KeyRef.from_bytes(OTHER.encode()), "plain": KeyRef.unencrypted()}


def test_each_row_under_its_own_key():
    rows = 10_000
    table = pa.table(
        {
            "vault": pa.array([["a", "b", "plain"][n % 3] for n in range(rows)]).dictionary_encode(),
            "name": [f"n{n}" for n in range(rows)],
            "password": [f"hidden-{n}" for n in range(rows)],
        }
    )
    sealed = Seal.of(two_keys(), "vault", [])(table)
    assert sealed["vault"].type == table["vault"].type
    for key, name in [(KEY, "a"), (OTHER, "b"), (None, "plain")]:
        own = sealed.filter(pc.equal(sealed["vault"].cast(pa.string()), name))
        opened = pa.table(crypto.decrypt_records(own, key))
        assert opened["password"].to_pylist() == [f"hidden-{n}" for n in range(rows) if ["a", "b", "plain"][n % 3] == name]
    back = Open.of(two_keys(), "vault", None, "raise", None)(sealed)
    assert back["password"].to_pylist() == table["password"].to_pylist()


def test_a_row_without_its_key_is_named_and_never_left_in_the_clear():
    table = pa.table({"vault": ["a", None, "nobody", "b", KEY], "name": list("vwxyz"), "password": ["hidden"] * 5})
    with pytest.raises(UsageError, match="part 3, rows 1, 2, 4") as caught:
        Seal.of(two_keys(), "vault", [])(table, at="part 3, ")
    assert KEY not in str(caught.value) and "hidden" not in str(caught.value)
    good = Seal.of(two_keys(), "vault", [])(table.slice(0, 1))
    for cell, said in [(None, "names no key"), ("nobody", "not given"), ("b", "")]:
        wrong = good.set_column(good.column_names.index("vault"), "vault", pa.array([cell], pa.string()))
        both = pa.concat_tables([good, wrong, good])
        with pytest.raises(KeyferryError, match="row 1"):
            Open.of(two_keys(), "vault", None, "raise", None)(both)
        opened = Open.of(two_keys(), "vault", None, "column", None)(both)
        assert opened["password"].to_pylist() == ["hidden", None, "hidden"]
        assert said in opened["error"][1].as_py() and opened["error"].null_count == 2


def test_a_key_column_is_no_column_of_records():
    for name in ["password", "name", "keyEncrypted", "error"]:
        with pytest.raises(UsageError, match=name):
            Seal.of(two_keys(), name, []).schema(pa.schema({"name": pa.string(), name: pa.string()}))
    with pytest.raises(UsageError, match="no such column"):
        Seal.of(two_keys(), "vault", []).schema(pa.schema([("name", pa.string())]))
    with pytest.raises(UsageError, match="holds Float64"):
        Seal.of(two_keys(), "vault", []).schema(pa.schema([("name", pa.string()), ("vault", pa.float64())]))


def test_the_schema_is_known_before_any_row_and_any_key():
    unread = KeyRef.env("NOT_SET_ANYWHERE")
    plain = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("name", pa.string()), ("password", pa.string())])
    sealed = Seal.of(unread, None, ["id", "at"]).schema(plain)
    assert sealed.field("at").type == pa.timestamp("us", "UTC") and "passwordEncrypted" in sealed.names and "attachments" not in sealed.names
    opened = Open.of(unread, None, None, "column", None).schema(sealed)
    assert {"id", "at", "password", "error"} <= set(opened.names) and "keyEncrypted" not in opened.names
    assert Open.of(unread, None, [], "raise", ["name"]).schema(sealed.remove(1).remove(0)).names == ["name"]
    for field in [("password", pa.int64()), ("password", pa.binary()), ("tags", pa.string()), ("customs", pa.list_(pa.string())), ("favorite", pa.string())]:
        with pytest.raises(UsageError, match=f"column {field[0]} holds"):
            Seal.of(unread, None, []).schema(pa.schema([("name", pa.string()), field]))
    with pytest.raises(UsageError, match="Password"):
        Seal.of(unread, None, []).schema(pa.schema([("name", pa.string()), ("Password", pa.string())]))
    with pytest.raises(UsageError, match="no record has"):
        Open.of(unread, None, None, "raise", ["paswword"]).schema(sealed)


def test_what_is_not_asked_for_is_not_decrypted():
    table = pa.table({"name": ["a"], "password": ["hidden"], "customs": [[{"name": "pin", "type": "password", "value": "7"}]]})
    given = KeyRef.from_bytes(KEY.encode())
    sealed = Seal.of(given, None, [])(table)
    broken = sealed.set_column(sealed.column_names.index("passwordEncrypted"), "passwordEncrypted", pa.array(["damaged"]))
    opened = Open.of(given, None, None, "raise", ["name", "customs"])(broken)
    assert opened.column_names == ["name", "customs"] and opened["customs"][0].as_py()[0]["value"] == "7"
    with pytest.raises(KeyferryError, match="row 0"):
        Open.of(given, None, None, "raise", ["password"])(broken)


def test_files_are_cells_too():
    kind = pa.list_(pa.struct([("name", pa.string()), ("data", pa.large_binary())]))
    data = [bytes(range(256)) * 4_000, b"", "ü".encode()]
    table = pa.table(
        {"name": ["a", "b", "c"], "attachments": pa.array([[{"name": f"f{n}", "data": one} for n, one in enumerate(data)], [], None], kind)}
    )
    given = KeyRef.from_bytes(KEY.encode())
    sealed = Seal.of(given, None, [])(table)
    assert b"\x00\x01\x02\x03" not in str(sealed["attachments"].to_pylist()).encode()
    opened = Open.of(given, None, None, "raise", None)(sealed)
    assert [[one["data"] for one in row] for row in opened["attachments"].to_pylist()] == [data, [], []]
    # The same items as those of dictionaries, so that either opens the other's.
    items = [{name: value for name, value in row.items() if value is not None} for row in sealed.to_pylist()]
    assert crypto.decrypt_records(items, KEY)[0]["attachments"][0]["data"] == data[0]
    without = sealed.set_column(sealed.column_names.index("keyEncrypted"), "keyEncrypted", pa.array([""] * 3))
    with pytest.raises(KeyferryError, match="record key"):
        Open.of(given, None, None, "raise", ["attachments"])(without)


def test_the_vault_keys_of_an_environment(embedded, people):
    place = embedded("a")
    keyferry.import_file(people, place)
    table = pa.table({"vault": ["Infra"], "name": ["a"], "password": ["hidden"]})
    ref = KeyRef.environment(place)
    sealed = Seal.of(ref, "vault", [])(table)
    assert Open.of(ref, "vault", None, "raise", None)(sealed)["password"].to_pylist() == ["hidden"]
    with pytest.raises(UsageError, match="not given"):
        Seal.of(ref, "vault", [])(table.set_column(0, "vault", pa.array(["Nowhere"])))


def _child(work: Seal, out) -> None:
    table = pa.table({"name": ["a"] * 5_000, "password": ["hidden"] * 5_000})
    sealed = work(table)
    # On every core, too, whose threads the parent alone has.
    opened = pa.table(crypto.decrypt_records(sealed, os.environ["PLANTED_KEY"]))
    out.put(opened["password"].to_pylist() == ["hidden"] * 5_000)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_process_reads_its_own_keys(method, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    work = Seal.of(KeyRef.env("PLANTED_KEY"), None, [])
    crypto.encrypt_records(pa.table({"name": ["a"] * 5_000, "password": ["hidden"] * 5_000}), KEY)
    work(pa.table({"name": ["a"]}))
    context = multiprocessing.get_context(method)
    out = context.Queue()
    child = context.Process(target=_child, args=(work, out))
    child.start()
    try:
        assert out.get(timeout=60)
    finally:
        child.join(10)
        child.kill()


def test_an_environment_in_a_forked_process_is_refused_instead_of_waiting_for_ever(embedded, people):
    place = embedded("a")
    keyferry.import_file(people, place)
    code = f"""
import os, warnings, keyferry
warnings.simplefilter("ignore")
assert len(list(keyferry.connect({place!r}).records())) == 60
child = os.fork()
if child == 0:
    try:
        list(keyferry.connect({place!r}).records())
    except keyferry.errors.UsageError as error:
        os._exit(0 if "spawn" in str(error) else 2)
    os._exit(1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_ring_is_read_once_a_process(tmp_path, monkeypatch):
    counter = tmp_path / "count"
    ref = KeyRef.command("sh", "-c", f"echo x >> {counter}; printf %s '{KEY}'")
    work = Seal.of(ref, None, [])
    for _ in range(3):
        work(pa.table({"name": ["a"]}))
    assert counter.read_text() == "x\n"
    keys.forget_rings()
    work(pa.table({"name": ["a"]}))
    assert counter.read_text() == "x\nx\n"
    assert isinstance(work.keys.ring(), _native.Ring)


@pytest.mark.parametrize("engine", ["spark", "ray", "dask"])
def test_an_engine_that_is_missing_is_named(engine, tmp_path):
    code = f"""
import sys
sys.modules[{ {'spark': 'pyspark', 'ray': 'ray', 'dask': 'dask'}[engine]!r}] = None
import keyferry
try:
    import keyferry.{engine}
except ModuleNotFoundError as error:
    assert "pip install 'keyferry[{engine}]'" in str(error), error
else:
    raise SystemExit("it was imported")
assert not any(name.split(".")[0] in ("pyspark", "ray", "dask", "pandas", "pyarrow") for name, module in sys.modules.items() if module)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
