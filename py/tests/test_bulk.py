"""Many records at once, as dictionaries and as Arrow."""

import passwork_client.crypto as theirs
import passwork_client.utils as their_utils
import duckdb
import pandas
import polars
import pyarrow as pa
import pytest

from keyferry import crypto
from keyferry.errors import DecryptError, UsageError

KEY = crypto.generate_key()


def record(n: int) -> dict:
    return {
        "name": f"name {n}",
        "login": "root",
        "password": None if n % 7 == 0 else f"hidden-{n} ü🙂",
        "url": "https://x",
        "description": "two\nlines",
        "tags": ["a", "b"] if n % 2 else [],
        "color": 3 if n % 2 else None,
        "favorite": n % 3 == 0,
        "customs": [{"name": "pin", "type": "password", "value": str(n)}] * (n % 3),
        "attachments": [{"name": "f.bin", "data": bytes(range(n % 256))}] if n % 5 == 0 else [],
    }


@pytest.mark.parametrize("vault_key", [KEY, None], ids=["encrypted", "unencrypted"])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_dictionaries_come_back(vault_key, threads):
    records = [record(n) for n in range(120)]
    items = crypto.encrypt_records(records, vault_key, threads=threads)
    assert "hidden-" not in str(items)
    assert crypto.decrypt_records(items, vault_key, threads=threads) == records


def test_the_official_client_opens_each():
    for item, plain in zip(crypto.encrypt_records([record(n) for n in range(20)], KEY), map(record, range(20))):
        key = theirs.decrypt_aes(item["keyEncrypted"], KEY)
        if plain["password"] is not None:
            assert theirs.decrypt_aes(item["passwordEncrypted"], key) == plain["password"]
        for custom, expected in zip(item["customs"], plain["customs"]):
            their_utils.decrypt_item_customs(custom, key)
            assert custom == expected


def test_one_bad_item_spoils_only_itself_when_asked():
    items = crypto.encrypt_records([record(n) for n in range(1, 5)], KEY)
    items[2]["passwordEncrypted"] = "damaged"
    with pytest.raises(DecryptError, match="name 3"):
        crypto.decrypt_records(items, KEY)
    opened = crypto.decrypt_records(items, KEY, errors="return")
    assert isinstance(opened[2], DecryptError) and opened[3]["password"] == "hidden-4 ü🙂"
    with pytest.raises(ValueError):
        crypto.decrypt_records(items, KEY, errors="ignore")


def test_wrong_shapes_are_told_without_values():
    for bad in [{"password": 5}, {"customs": [{"value": 7}]}, {"tags": "hidden-text"}, {"customs": "hidden"}]:
        with pytest.raises(TypeError) as caught:
            crypto.encrypt_records([bad], KEY)
        assert "hidden" not in str(caught.value)
    with pytest.raises(TypeError):
        crypto.encrypt_records(["text"], KEY)
    with pytest.raises(ValueError):
        crypto.encrypt_records([], KEY, threads=0)
    assert crypto.encrypt_records([], KEY) == []
    with pytest.raises(UsageError):
        crypto.encrypt_records(pa.table({"other": [1]}), KEY)


def plain_table() -> pa.Table:
    rows = [{**record(n), "id": n} for n in range(1, 80)]
    for row in rows:
        del row["attachments"]
    return pa.Table.from_pylist(rows)


FORMS = {
    "pyarrow": (lambda table: table, pa.table),
    "batch": (lambda table: table.combine_chunks().to_batches()[0], pa.table),
    "polars": (polars.from_arrow, lambda back: polars.from_arrow(pa.table(back)).to_arrow()),
    "pandas": (
        lambda table: pandas.DataFrame.from_arrow(table) if hasattr(pandas.DataFrame, "from_arrow") else table.to_pandas(),
        pa.table,
    ),
    "duckdb": (duckdb.from_arrow, lambda back: duckdb.from_arrow(pa.table(back)).to_arrow_table()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vault_key", [KEY, None], ids=["encrypted", "unencrypted"])
def test_tables_come_back(form, vault_key):
    there, back = FORMS[form]
    table = plain_table()
    sealed = back(crypto.encrypt_records(there(table), vault_key, keep=["id"]))
    assert {"passwordEncrypted", "keyEncrypted", "id"} <= set(sealed.column_names) and "password" not in sealed.column_names
    opened = pa.table(crypto.decrypt_records(sealed, vault_key))
    for name in ["id", "name", "login", "password", "url", "description", "tags", "color", "favorite", "customs"]:
        assert opened[name].to_pylist() == table[name].to_pylist(), name


def test_tables_and_dictionaries_are_the_same_items():
    table = plain_table()
    items = pa.table(crypto.encrypt_records(table, KEY, keep=["id"])).to_pylist()
    opened = crypto.decrypt_records([{**item, "id": ""} for item in items], KEY)
    assert [one["password"] for one in opened] == table["password"].to_pylist()


@pytest.mark.parametrize("name", ["Password", "password ", "pass", "attachment", "passwordEncrypted", "note"])
def test_nothing_goes_through_in_the_clear_unasked(name):
    table = pa.table({"name": ["a"], name: ["hidden"]})
    with pytest.raises(UsageError, match=f"{name.strip()}.*rename or drop") as caught:
        crypto.encrypt_records(table, KEY)
    assert "hidden" not in str(caught.value)
    with pytest.raises(UsageError, match=name):
        crypto.encrypt_records([{"name": "a", name: "hidden"}], KEY)


def test_what_is_kept_is_named():
    table = pa.table({"row": [7], "name": ["a"], "password": ["hidden"]})
    sealed = pa.table(crypto.encrypt_records(table, KEY, keep=["row"]))
    assert sealed["row"].to_pylist() == [7] and "hidden" not in str(sealed.to_pylist())
    assert pa.table(crypto.decrypt_records(sealed, KEY))["row"].to_pylist() == [7]
    assert "row" in pa.table(crypto.decrypt_records(sealed, KEY, keep=["row"])).column_names
    with pytest.raises(UsageError, match="row"):
        crypto.decrypt_records(sealed, KEY, keep=[])
    for keep in [["password"], ["passwordEncrypted"], ["nothing"]]:
        with pytest.raises(UsageError, match=keep[0]):
            crypto.encrypt_records(table, KEY, keep=[*keep, "row"])
    assert crypto.encrypt_records([{"name": "a", "row": 7}], KEY, keep=["row"])[0]["row"] == 7
    with pytest.raises(UsageError, match="password"):
        crypto.encrypt_records([{"password": "hidden"}], KEY, keep=["password"])


@pytest.mark.parametrize("direction", [crypto.encrypt_records, crypto.decrypt_records])
def test_an_empty_key_is_a_variable_that_was_not_set(direction):
    for given in [pa.table({"name": ["a"]}), [{"name": "a"}]]:
        with pytest.raises(UsageError, match="empty"):
            direction(given, "")


def test_cells_are_taken_as_they_are_or_refused():
    refused = [
        {"password": [1234]},
        {"password": [12.0]},
        {"password": [b"hidden"]},
        {"favorite": ["hidden"]},
        {"color": ["hidden"]},
        {"color": [1.5]},
        {"color": pa.array([2**63], pa.uint64())},
        {"tags": ["hidden"]},
        {"tags": [[1]]},
        {"attachments": ["hidden"]},
        {"attachments": [[{"name": "f", "data": "hidden"}]]},
        {"customs": [["hidden"]]},
        {"customs": [[{"name": "pin", "type": "password", "secret": "hidden"}]]},
        {"customs": [[{"name": "pin", "value": 7}]]},
    ]
    for columns in refused:
        with pytest.raises(UsageError, match=f"column {next(iter(columns))} holds") as caught:
            crypto.encrypt_records(pa.table({"name": ["a"], **columns}), KEY)
        assert "hidden" not in str(caught.value) and "1234" not in str(caught.value)
    twice = pa.table([["one"], ["two"]], names=["password", "password"])
    with pytest.raises(UsageError, match="two columns password"):
        crypto.encrypt_records(twice, KEY)
    with pytest.raises(UsageError, match="password already"):
        crypto.decrypt_records(pa.table({"name": ["a"], "password": ["hidden"]}), KEY)


def test_members_of_custom_fields_go_by_their_names():
    kind = pa.list_(pa.struct([("value", pa.string()), ("name", pa.dictionary(pa.int8(), pa.string()))]))
    table = pa.table({"name": ["a"], "customs": pa.array([[{"value": "hidden", "name": "pin"}]], kind)})
    sealed = pa.table(crypto.encrypt_records(table, KEY))
    assert "hidden" not in str(sealed.to_pylist())
    opened = pa.table(crypto.decrypt_records(sealed, KEY))
    assert opened["customs"].to_pylist() == [[{"name": "pin", "type": "text", "value": "hidden"}]]


def test_a_table_without_rows_has_its_columns():
    for empty in [pa.table({"name": pa.array([], pa.string())}), pa.Table.from_batches([], pa.schema([("name", pa.string())]))]:
        sealed = pa.table(crypto.encrypt_records(empty, KEY))
        assert sealed.num_rows == 0 and "passwordEncrypted" in sealed.column_names
        assert "password" in pa.table(crypto.decrypt_records(sealed, KEY)).column_names
    with pytest.raises(UsageError, match="Password"):
        crypto.encrypt_records(pa.Table.from_batches([], pa.schema([("Password", pa.string())])), KEY)


def test_errors_name_rows_and_no_records():
    rows = 9_000  # more than are worked on at once
    table = pa.table({"name": [f"name-{n}" for n in range(rows)], "password": ["hidden"] * rows})
    sealed = pa.table(crypto.encrypt_records(table, KEY)).to_pydict()
    sealed["passwordEncrypted"][8_000] = "damaged"
    with pytest.raises(DecryptError, match="row 8000") as caught:
        crypto.decrypt_records(pa.table(sealed), KEY)
    assert "name-" not in str(caught.value)
    opened = pa.table(crypto.decrypt_records(pa.table(sealed), KEY, errors="column"))
    assert opened["password"].null_count == 1 and opened["password"][7_999].as_py() == "hidden"
    assert "row 8000" in opened["error"][8_000].as_py() and opened["error"].null_count == rows - 1
    with pytest.raises(UsageError):
        crypto.decrypt_records(pa.table(sealed), KEY, errors="return")
    with pytest.raises(UsageError):
        crypto.decrypt_records([], KEY, errors="column")


def test_buffers_may_lie_anywhere():
    table = pa.table({"name": ["a", "bc"], "password": ["hidden", None], "tags": [["x"], []]})

    def moved(array: pa.Array) -> pa.Array:
        """The same array, each of its buffers one byte away from where numbers may be read."""
        buffers = [one and pa.py_buffer(b"." + one.to_pybytes()).slice(1) for one in array.buffers()]
        if pa.types.is_list(array.type):
            own = buffers[:2]
            return pa.Array.from_buffers(array.type, len(array), own, children=[moved(array.values)])
        return pa.Array.from_buffers(array.type, len(array), buffers)

    columns = [moved(column.chunk(0)) for column in table.columns]
    odd = pa.table(columns, table.column_names)
    assert any(one.address % 8 for column in columns for one in column.buffers() if one)
    for given in [odd, odd.to_batches()[0], odd.to_pandas(types_mapper=pandas.ArrowDtype)]:
        opened = pa.table(crypto.decrypt_records(crypto.encrypt_records(given, KEY), KEY))
        assert opened.select(table.column_names).to_pydict() == table.to_pydict()


def test_memory_stays_flat():
    import resource

    records = [record(n) for n in range(1, 4)]

    def calls(count: int) -> int:
        for _ in range(count):
            items = crypto.encrypt_records(records, KEY)
            crypto.decrypt_records(items, KEY)
            crypto.decrypt_aes(crypto.encrypt_aes("text", KEY), KEY)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = calls(2_000)
    assert calls(10_000) - before < 4_096, "kilobytes"
