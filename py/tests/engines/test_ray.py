"""Ray Data: what goes in comes back, what must not go through is refused, and nothing is left on disks."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import ray
import ray.data
from planted import KEY, MARKER, REFS, holders, plain_rows

import keyferry.ray
from keyferry import KeyRef, crypto
from keyferry.errors import KeyferryError, UsageError

ONE = KeyRef.env("PLANTED_KEY")


@pytest.fixture(scope="module", autouse=True)
def session(scratch):
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100 << 20,
        _temp_dir=str(scratch / "ray"),
        # What a worker says reaches the driver, where the test can see it.
        log_to_driver=True,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def table(count: int = 300) -> pa.Table:
    return pa.Table.from_pylist(plain_rows(count))


def by_id(ds) -> list[dict]:
    return sorted(pa.Table.from_pandas(ds.to_pandas(), preserve_index=False).to_pylist(), key=lambda row: row["id"])


@pytest.mark.parametrize("blocks", ["arrow", "pandas", "items"])
def test_rows_come_back_under_their_own_keys(blocks):
    rows = plain_rows()
    make = {
        "arrow": lambda: ray.data.from_arrow([table().slice(0, 100), table().slice(100)]),
        "pandas": lambda: ray.data.from_pandas(pd.DataFrame(rows)),
        "items": lambda: ray.data.from_items(rows),
    }
    sealed = keyferry.ray.seal(make[blocks](), REFS, key_column="vault", keep=["id"]).materialize()
    assert "password" not in sealed.columns() and MARKER not in str(sealed.take_all())
    opened = keyferry.ray.open(sealed, REFS, key_column="vault", allow_unencrypted_spill=True)
    for row, expected in zip(by_id(opened), rows, strict=True):
        for name in ["vault", "name", "password", "tags", "customs"]:
            assert list(row[name]) == expected[name] if name in ("tags", "customs") else row[name] == expected[name], name


def test_the_module_opens_what_ray_sealed():
    sealed = keyferry.ray.seal(ray.data.from_arrow(table().drop_columns(["vault"])), ONE, keep=["id"])
    opened = pa.table(crypto.decrypt_records(pa.concat_tables(ray.get(sealed.to_arrow_refs())), KEY))
    assert opened["password"].to_pylist() == [row["password"] for row in plain_rows()]


def test_blocks_without_rows():
    sealed = keyferry.ray.seal(ray.data.from_arrow(table(20)).filter(lambda row: False), REFS, key_column="vault", keep=["id"])
    assert sealed.count() == 0
    some = ray.data.from_arrow([table(20), table(20).slice(0, 0)]).filter(lambda row: row["id"] > 15)
    assert keyferry.ray.seal(some, REFS, key_column="vault", keep=["id"]).count() == 5


def test_columns_are_asked_for_before_any_worker():
    ds = ray.data.from_arrow(table(20))
    unread = KeyRef.env("NOT_SET_ANYWHERE")
    for wrong, said in [
        (lambda: keyferry.ray.seal(ds, unread, keep=["vault"]), "id"),
        (lambda: keyferry.ray.seal(ray.data.from_arrow(table(2).rename_columns({"password": "Password"})), unread, keep=["id", "vault"]), "Password"),
        (lambda: keyferry.ray.seal(ds, KEY), "KeyRef"),
        (lambda: keyferry.ray.open(ds, unread), "allow_unencrypted_spill"),
        (lambda: keyferry.ray.open(ds, unread, allow_unencrypted_spill=True, errors="return"), "errors is"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            wrong()
        assert KEY not in str(caught.value)
    with pytest.raises(TypeError, match="not pickled"):
        keyferry.ray.seal(ds, KeyRef.from_bytes(KEY.encode()), keep=["id", "vault"])


def test_rows_that_cannot_be_opened():
    sealed = pa.concat_tables(ray.get(keyferry.ray.seal(ray.data.from_arrow(table(40)), REFS, key_column="vault", keep=["id"]).to_arrow_refs()))
    vaults = sealed["vault"].to_pylist()
    vaults[20] = "HR" if vaults[20] == "Infra" else "Infra"
    wrong = ray.data.from_arrow(sealed.set_column(sealed.column_names.index("vault"), "vault", pa.array(vaults)))
    allow = {"key_column": "vault", "allow_unencrypted_spill": True}
    opened = by_id(keyferry.ray.open(wrong, REFS, errors="column", **allow))
    assert [row["error"] is not None for row in opened] == [n == 20 for n in range(40)]
    with pytest.raises(Exception, match="row 20") as caught:
        keyferry.ray.open(wrong, REFS, **allow).materialize()
    assert isinstance(caught.value, KeyferryError) or "DecryptError" in str(caught.value)


def test_nothing_is_left_in_the_clear(scratch, capfd):
    folder = scratch / "ray"
    # The positive control: what Ray spills in the clear is found by this search.
    clear = [ray.put(f"{MARKER} {n} ".encode() + b"x" * (20 << 20)) for n in range(10)]
    assert holders(folder, MARKER), "nothing was spilled: this test proves nothing"
    del clear
    for file in holders(folder, MARKER):
        # Ray takes them away by itself as well, at the same time.
        Path(file).unlink(missing_ok=True)
    capfd.readouterr()
    # Each worker makes its own rows, so that no block of plain ones is ever an object of Ray's.
    def rows_of(batch):
        return pa.Table.from_pylist(plain_rows(2_000))

    made = ray.data.range(8, override_num_blocks=8).map_batches(rows_of, batch_size=None, batch_format="pyarrow")
    sealed = keyferry.ray.seal(made, REFS, key_column="vault", keep=["id"]).materialize()
    assert sealed.count() >= 16_000 - 2_000
    big = [ray.put(b"y" * (20 << 20)) for _ in range(10)]
    del big
    wrong = sealed.map_batches(lambda batch: batch.set_column(batch.column_names.index("vault"), "vault", pa.array(["HR"] * len(batch))), batch_format="pyarrow")
    with pytest.raises(Exception, match="rows") as caught:
        keyferry.ray.open(wrong, REFS, key_column="vault", allow_unencrypted_spill=True).materialize()
    said = capfd.readouterr()
    for text in [str(caught.value), said.out, said.err]:
        assert MARKER not in text and KEY not in text
    logs = [file for file in holders(folder, MARKER, KEY) if "/logs/" in file or "spill" in file]
    assert not logs, logs
