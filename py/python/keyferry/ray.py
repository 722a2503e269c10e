"""Ray Data: datasets sealed and opened where their blocks are.

>>> import keyferry.ray                                                                  # doctest: +SKIP
>>> keyferry.ray.seal(ds, keyferry.KeyRef.env("INFRA_KEY"), keep=["id"])                  # doctest: +SKIP

Needs ``pip install 'keyferry[ray]'``.
"""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ._engines import Errors, Open, Seal, check_spill, need
from .keys import Keys

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["open", "seal"]

need("ray.data", "ray")


def seal(
    ds: Dataset, keys: Keys, *, key_column: str | None = None, keep: Iterable[str] = (), **options: Any
) -> Dataset:
    """Plain records into items, block by block. Columns are those of :func:`keyferry.crypto.encrypt_records`.

    Args:
        ds: a dataset of records.
        keys: a :class:`~keyferry.KeyRef`, or a mapping of ids to them.
        key_column: the column whose cells name each row's key; it goes through as it is.
        keep: other columns that go through as they are; one that no record has is refused otherwise.
        options: those of ``Dataset.map_batches``, such as ``batch_size`` and ``num_cpus``.
    """
    return _mapped(ds, Seal.of(keys, key_column, keep), options)


def open(
    ds: Dataset,
    keys: Keys,
    *,
    key_column: str | None = None,
    keep: Iterable[str] | None = None,
    errors: Errors = "raise",
    columns: Sequence[str] | None = None,
    allow_unencrypted_spill: bool = False,
    **options: Any,
) -> Dataset:
    """Items into plain records, block by block.

    Args:
        ds: a dataset of items.
        keys, key_column: as in :func:`seal`.
        keep: the columns that go through as they are. Default: whatever no item has.
        errors: with ``"column"`` a row that cannot be opened says why in a column ``error``, and the others are there.
        columns: which columns of records are made. What is not asked for is not decrypted.
        allow_unencrypted_spill: Ray keeps blocks in shared memory and spills them to disks as they are; this says that the
            disks of these machines may hold the records in the clear.
        options: those of ``Dataset.map_batches``.
    """
    work = Open.of(keys, key_column, keep, errors, columns)
    check_spill(allow_unencrypted_spill, "Ray spills blocks to disks as they are, and cannot encrypt them")
    return _mapped(ds, work, options)


def _mapped(ds: Dataset, work: Seal | Open, options: dict[str, Any]) -> Dataset:
    work.keys.must_travel()
    known = ds.schema(fetch_if_missing=False)
    if known is not None and hasattr(known.base_schema, "pandas_metadata"):
        # What is wrong with the columns is said here, and not by a worker.
        work.schema(known.base_schema)

    def each(block: Any) -> Any:
        # A block that everything was filtered from has no columns at all.
        return work(block, at=_task()) if block.num_columns else block

    given = {"batch_size": None, "zero_copy_batch": True, **options}
    return ds.map_batches(each, batch_format="pyarrow", **given)


def _task() -> str:
    """Which part of a dataset this is, for an error that names rows."""
    import ray

    return f"task {ray.get_runtime_context().get_task_id()}, "
