"""Dask DataFrames: sealed and opened partition by partition.

>>> import keyferry.dask                                                                  # doctest: +SKIP
>>> keyferry.dask.seal(ddf, keyferry.KeyRef.env("INFRA_KEY"), keep=["id"])                # doctest: +SKIP

Needs ``pip install 'keyferry[dask]'``.
"""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ._engines import PLAIN, SEALED, Errors, Open, Seal, check_spill, need, pyarrow
from .errors import UsageError
from .keys import Keys

if TYPE_CHECKING:
    from dask.dataframe import DataFrame

__all__ = ["open", "seal"]

need("dask.dataframe", "dask")


def seal(ddf: DataFrame, keys: Keys, *, key_column: str | None = None, keep: Iterable[str] = ()) -> DataFrame:
    """Plain records into items, partition by partition. Columns are those of :func:`keyferry.crypto.encrypt_records`; what is
    made has Arrow's types, what goes through keeps its own, and the index stays.

    Args:
        ddf: a DataFrame of records.
        keys: a :class:`~keyferry.KeyRef`, or a mapping of ids to them.
        key_column: the column whose cells name each row's key; it goes through as it is.
        keep: other columns that go through as they are, and the index where it has a name.
    """
    return _mapped(ddf, Seal.of(keys, key_column, keep))


def open(
    ddf: DataFrame,
    keys: Keys,
    *,
    key_column: str | None = None,
    keep: Iterable[str] | None = None,
    errors: Errors = "raise",
    columns: Sequence[str] | None = None,
    allow_unencrypted_spill: bool = False,
) -> DataFrame:
    """Items into plain records, partition by partition.

    Args:
        ddf: a DataFrame of items.
        keys, key_column: as in :func:`seal`.
        keep: the columns that go through as they are. Default: whatever no item has.
        errors: with ``"column"`` a row that cannot be opened says why in a column ``error``, and the others are there.
        columns: which columns of records are made. What is not asked for is not decrypted.
        allow_unencrypted_spill: Dask spills partitions and shuffles them over disks as they are; this says that the disks of
            these machines may hold the records in the clear.
    """
    work = Open.of(keys, key_column, keep, errors, columns)
    check_spill(allow_unencrypted_spill, "Dask spills and shuffles partitions over disks as they are, and cannot encrypt them")
    return _mapped(ddf, work)


def _mapped(ddf: DataFrame, work: Seal | Open) -> DataFrame:
    frame = ddf._meta
    _check_index(frame, work)
    _check_lists(frame, work)
    # What an index is called is no column: it goes through with its frame.
    if work.keep is not None:
        work = replace(work, keep=tuple(name for name in work.keep if name not in frame.index.names))
    # Its types alone say whether this can be done: no worker is needed for that.
    schema = work.schema(_arrow(frame, work).schema)
    meta = _frame(frame, schema.empty_table(), work)
    made: DataFrame = ddf.map_partitions(_partition, work, meta=meta)  # type: ignore[no-untyped-call, unused-ignore]
    return made


def _check_index(frame: Any, work: Seal | Open) -> None:
    """An index goes through as it is, so it is asked for as a column is."""
    named = [name for name in frame.index.names if name is not None]
    for name in named:
        if name in PLAIN or name in SEALED:
            raise UsageError(f"the index is the column {name}, and would go through in the clear: reset_index() first")
        asked = work.passes(str(name)) if isinstance(work, Open) else name in work.keep
        if not asked:
            raise UsageError(f"the index {name} would go through in the clear: name it in keep, or reset_index() first")
    if not named and isinstance(work, Seal) and frame.index.dtype.kind not in "iuM":
        raise UsageError("the index has no name and holds texts, which would go through in the clear: reset_index(drop=True) first")


def _check_lists(frame: Any, work: Seal | Open) -> None:
    """Dask makes texts of lists, which nobody could read again, unless it is told not to."""
    pandas = importlib.import_module("pandas")
    for name in ("tags", "customs", "attachments"):
        if name in frame.columns and not work.passes(name) and isinstance(frame[name].dtype, pandas.StringDtype):
            raise UsageError(
                f"column {name} holds texts instead of lists: Dask makes texts of lists unless columns have Arrow's types "
                '(pandas.ArrowDtype) or dask.config.set({"dataframe.convert-string": False})'
            )


def _partition(frame: Any, work: Seal | Open, partition_info: dict[str, Any] | None = None) -> Any:
    at = "" if not partition_info else f"partition {partition_info['number']}, "
    return _frame(frame, work(_arrow(frame, work), at=at), work)


def _arrow(frame: Any, work: Seal | Open) -> Any:
    """The columns that the work reads as Arrow, those that go through as nulls: they stay as they are in the frame."""
    pa = pyarrow()
    columns = {}
    for at, name in enumerate(frame.columns):
        if not isinstance(name, str):
            raise UsageError("the name of a column is no text")
        if name in columns:
            raise UsageError(f"the table has two columns {name}: only one would be read")
        if work.passes(name) and name != work.key_column:
            columns[name] = pa.nulls(len(frame))
            continue
        series = frame.iloc[:, at]
        try:
            array = pa.array(series, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            # Arrow's own words would repeat the cell.
            raise UsageError(f"column {name} holds {series.dtype} of mixed types ({type(error).__name__})") from None
        columns[name] = array
    return pa.table(columns)


def _frame(frame: Any, made: Any, work: Seal | Open) -> Any:
    """What was made beside what goes through, under the frame's own index."""
    pandas = importlib.import_module("pandas")
    kept = [name for name in frame.columns if work.passes(name)]
    out = frame[kept].copy(deep=False)
    fresh = made.select([name for name in made.column_names if name not in kept]).to_pandas(types_mapper=pandas.ArrowDtype)
    fresh.index = frame.index
    for name in fresh.columns:
        out[name] = fresh[name]
    return out
