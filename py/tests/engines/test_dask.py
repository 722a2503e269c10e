"""Dask: what goes in comes back, what must not go through is refused, and nothing is left on disks."""

import logging

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pytest
from planted import KEY, MARKER, REFS, holders, plain_rows

import keyferry.dask
from keyferry import KeyRef, crypto
from keyferry.errors import DecryptError, KeyferryError, UsageError

ONE = KeyRef.env("PLANTED_KEY")
CUSTOM = pa.struct([("name", pa.string()), ("type", pa.string()), ("value", pa.string())])
LISTS = {"tags": pd.ArrowDtype(pa.list_(pa.string())), "customs": pd.ArrowDtype(pa.list_(CUSTOM))}


@pytest.fixture(params=["threads", "processes"])
def scheduler(request):
    with dask.config.set(scheduler=request.param):
        yield


def frame(count: int = 300) -> pd.DataFrame:
    made = pd.DataFrame(plain_rows(count)).set_index(pd.RangeIndex(1_000, 1_000 + count))
    for name in ["tags", "customs"]:
        made[name] = pd.Series(pa.array(made[name]), index=made.index, dtype=LISTS[name])
    return made


def by_id(made: pd.DataFrame) -> list[dict]:
    return pa.Table.from_pandas(made, preserve_index=False).to_pylist()


def test_rows_come_back_under_their_own_keys(scheduler):
    plain = dd.from_pandas(frame(), npartitions=5)
    sealed = keyferry.dask.seal(plain, REFS, key_column="vault", keep=["id"])
    assert "password" not in sealed.columns and sealed.dtypes["id"] == plain.dtypes["id"]
    stored = sealed.compute()
    assert MARKER not in stored.to_csv() and list(stored.index) == list(range(1_000, 1_300))
    opened = keyferry.dask.open(sealed, REFS, key_column="vault", allow_unencrypted_spill=True)
    made = opened.compute()
    assert list(made.dtypes) == list(opened._meta.dtypes)
    for row, expected in zip(by_id(made), plain_rows(), strict=True):
        for name, value in expected.items():
            assert row[name] == ("" if name == "login" and value is None else value), name


def test_the_module_opens_what_dask_sealed():
    sealed = keyferry.dask.seal(dd.from_pandas(frame().drop(columns=["id", "vault"]), npartitions=2), ONE).compute()
    opened = pa.table(crypto.decrypt_records(pa.Table.from_pandas(sealed, preserve_index=False), KEY))
    assert opened["password"].to_pylist() == [row["password"] for row in plain_rows()]


def test_partitions_without_rows_or_values():
    plain = dd.from_pandas(frame(20), npartitions=4)
    none = plain[plain["name"] == "nobody"]
    sealed = keyferry.dask.seal(none, REFS, key_column="vault", keep=["id"])
    assert len(sealed) == 0 and list(sealed.compute().dtypes) == list(sealed._meta.dtypes)
    # Columns that hold nothing in one partition and something in another.
    sparse = frame(20)
    sparse.loc[sparse.index[:10], ["password", "login", "color"]] = None
    sealed = keyferry.dask.seal(dd.from_pandas(sparse, npartitions=2), REFS, key_column="vault", keep=["id"])
    parts = [part.compute() for part in sealed.partitions]
    assert list(parts[0].dtypes) == list(parts[1].dtypes) == list(sealed._meta.dtypes)


def test_kept_columns_stay_as_they_are():
    plain = frame(30)
    plain["when"] = pd.Timestamp("2026-01-02 03:04:05.123456789", tz="Europe/Berlin")
    plain["kind"] = pd.Categorical(["a", "b", None] * 10)
    plain["whatever"] = [object() for _ in range(30)]
    plain["login"] = plain["login"].astype("category")
    with dask.config.set({"dataframe.convert-string": False}):
        ddf = dd.from_map(lambda part: plain.iloc[part * 15 : part * 15 + 15], [0, 1], meta=plain.iloc[:0])
        sealed = keyferry.dask.seal(ddf, REFS, key_column="vault", keep=["id", "when", "kind", "whatever"])
        made = sealed.compute(scheduler="threads")
    for name in ["when", "kind", "whatever"]:
        assert made[name].dtype == plain[name].dtype and list(made[name]) == list(plain[name]) or name == "kind"


def test_columns_and_indexes_are_asked_for_before_any_worker():
    plain = dd.from_pandas(frame(20), npartitions=2)
    unread = KeyRef.env("NOT_SET_ANYWHERE")
    for wrong, said in [
        (lambda: keyferry.dask.seal(plain, unread, keep=["vault"]), "id"),
        (lambda: keyferry.dask.seal(plain.rename(columns={"password": "Password"}), unread, keep=["id", "vault"]), "Password"),
        (lambda: keyferry.dask.seal(plain.assign(password=1), unread, keep=["id", "vault"]), "column password holds"),
        (lambda: keyferry.dask.seal(plain, REFS, key_column="nothing", keep=["id", "vault"]), "no such column"),
        (lambda: keyferry.dask.seal(plain.set_index("name"), unread, keep=["id", "vault"]), "the index is the column name"),
        (lambda: keyferry.dask.seal(plain.set_index("id"), unread, keep=["vault"]), "the index id"),
        (lambda: keyferry.dask.seal(plain.assign(tags="a"), unread, keep=["id", "vault"]), "convert-string"),
        (lambda: keyferry.dask.seal(plain, KEY), "KeyRef"),
        (lambda: keyferry.dask.seal(plain, unread, keep="vault"), "list of columns"),
        (lambda: keyferry.dask.open(plain, unread), "allow_unencrypted_spill"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            wrong()
        assert KEY not in str(caught.value)
    kept = keyferry.dask.seal(plain.set_index("id"), REFS, key_column="vault", keep=["id"]).compute()
    assert kept.index.name == "id"


def test_cells_of_mixed_types_are_not_repeated():
    with dask.config.set({"dataframe.convert-string": False}):
        bad = pd.DataFrame({"name": ["a", "b"], "password": pd.Series([f"{MARKER}-1", 7], dtype=object)})
        sealed = keyferry.dask.seal(dd.from_pandas(bad, npartitions=1), ONE)
        with pytest.raises(UsageError, match="column password") as caught:
            sealed.compute(scheduler="sync")
    assert MARKER not in str(caught.value)


def test_rows_that_cannot_be_opened():
    plain = dd.from_pandas(frame(40), npartitions=2)
    stored = keyferry.dask.seal(plain, REFS, key_column="vault", keep=["id"]).compute()
    stored["vault"] = ["Infra" if n == 20 else vault for n, vault in enumerate(stored["vault"])]
    again = dd.from_pandas(stored, npartitions=2)
    allow = {"key_column": "vault", "allow_unencrypted_spill": True}
    with pytest.raises(DecryptError, match="partition 1, row 0") as caught:
        keyferry.dask.open(again, REFS, **allow).compute(scheduler="sync")
    assert "name " not in str(caught.value)
    opened = keyferry.dask.open(again, REFS, errors="column", **allow).compute()
    assert opened["error"].notna().sum() == 1 and "row 0" in opened["error"].iloc[20]
    assert opened["password"].notna().sum() == sum(row["password"] is not None for n, row in enumerate(plain_rows(40)) if n != 20)
    only = keyferry.dask.open(again, REFS, columns=["name"], keep=["id"], **allow)
    assert list(only.columns) == ["id", "vault", "name"]


def test_a_key_that_is_at_hand_stays_in_its_process():
    given = KeyRef.from_bytes(KEY.encode())
    plain = dd.from_pandas(frame(20).drop(columns=["vault"]), npartitions=2)
    sealed = keyferry.dask.seal(plain, given, keep=["id"])
    assert len(sealed.compute(scheduler="threads")) == 20
    with pytest.raises(Exception, match="not pickled") as caught:
        sealed.compute(scheduler="processes")
    assert KEY not in str(caught.value)


def test_a_cluster_leaves_nothing_in_the_clear(scratch, caplog, capfd):
    from distributed import Client, LocalCluster

    folder = scratch / "dask"
    caplog.set_level(logging.DEBUG)
    memory = {"spill": False, "target": 0.0005, "pause": False, "terminate": False}
    settings = {f"distributed.worker.memory.{name}": value for name, value in memory.items()}
    with dask.config.set({"temporary-directory": str(folder), **settings}):
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit="4GB", local_directory=str(folder)
        )
        with cluster, Client(cluster) as client:
            # The positive control: what is shuffled in the clear does reach the disk, and this search finds it.
            plain = dd.from_map(lambda part: frame(4_000), range(4), meta=frame(1).iloc[:0])
            clear = plain.shuffle("id", npartitions=8, shuffle_method="tasks").persist()
            clear.map_partitions(len).compute()
            found = holders(folder, MARKER)
            client.cancel(clear)
            del clear
            assert found, "nothing was spilled: this test proves nothing"
            client.restart()
            for file in folder.rglob("*"):
                if file.is_file() and MARKER.encode() in file.read_bytes():
                    file.unlink()
            assert not holders(folder, MARKER)
            sealed = keyferry.dask.seal(plain, REFS, key_column="vault", keep=["id"]).shuffle("id", npartitions=8, shuffle_method="tasks").persist()
            assert sealed.map_partitions(len).compute().sum() == 16_000
            assert not holders(folder, MARKER, KEY)
            # Wrong in one row: the error names it, in the exception, on the workers' output and in their logs.
            opened = keyferry.dask.open(sealed.assign(vault="HR"), REFS, key_column="vault", allow_unencrypted_spill=True)
            with pytest.raises(KeyferryError, match="partition .*rows") as caught:
                opened.compute()
            logs = str(client.get_worker_logs()) + str(client.get_events())
            said = capfd.readouterr()
            for text in [str(caught.value), logs, caplog.text, said.out, said.err]:
                assert MARKER not in text and KEY not in text
            assert "rows" in logs, "the workers' logs do not have the error: this test proves nothing"
