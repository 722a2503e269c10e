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
    sealed = back(crypto.encrypt_records(there(table), vault_key))
    assert {"passwordEncrypted", "keyEncrypted", "id"} <= set(sealed.column_names) and "password" not in sealed.column_names
    opened = pa.table(crypto.decrypt_records(sealed, vault_key))
    for name in ["id", "name", "login", "password", "url", "description", "tags", "color", "favorite", "customs"]:
        assert opened[name].to_pylist() == table[name].to_pylist(), name


def test_tables_and_dictionaries_are_the_same_items():
    table = plain_table()
    items = pa.table(crypto.encrypt_records(table, KEY)).to_pylist()
    opened = crypto.decrypt_records([{**item, "id": ""} for item in items], KEY)
    assert [one["password"] for one in opened] == table["password"].to_pylist()


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
