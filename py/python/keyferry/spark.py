"""Spark: DataFrames sealed and opened where their partitions are, and environments as a data source.

>>> import keyferry.spark                                                                # doctest: +SKIP
>>> keyferry.spark.seal(df, keyferry.KeyRef.env("INFRA_KEY"), keep=["id"])                # doctest: +SKIP

Needs ``pip install 'keyferry[spark]'``.
"""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Sequence

from ._engines import Errors, Open, Seal, check_spill, need, pyarrow
from .keys import Keys

need("pyspark.sql.datasource", "spark")
need("pyarrow", "spark")

from ._spark_source import SPILLS, KeyferryDataSource, encrypts_spills, read, register  # noqa: E402

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["KeyferryDataSource", "open", "read", "register", "seal"]


def seal(df: DataFrame, keys: Keys, *, key_column: str | None = None, keep: Iterable[str] = ()) -> DataFrame:
    """Plain records into items, partition by partition. Columns are those of :func:`keyferry.crypto.encrypt_records`.

    Args:
        df: a DataFrame of records.
        keys: a :class:`~keyferry.KeyRef`, or a mapping of ids to them.
        key_column: the column whose cells name each row's key; it goes through as it is, so nothing is shuffled by key.
        keep: other columns that go through as they are; one that no record has is refused otherwise.
    """
    return _mapped(df, Seal.of(keys, key_column, keep))


def open(
    df: DataFrame,
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
        df: a DataFrame of items.
        keys, key_column: as in :func:`seal`.
        keep: the columns that go through as they are. Default: whatever no item has.
        errors: with ``"column"`` a row that cannot be opened says why in a column ``error``, and the others are there.
        columns: which columns of records are made. What is not asked for is not decrypted.
        allow_unencrypted_spill: what follows may shuffle, spill or cache what was opened; without
            ``spark.io.encryption.enabled`` that stands on disks in the clear, which this permits.
    """
    work = Open.of(keys, key_column, keep, errors, columns)
    check_spill(allow_unencrypted_spill or encrypts_spills(df.sparkSession), SPILLS)
    return _mapped(df, work)


def _mapped(df: DataFrame, work: Seal | Open) -> DataFrame:
    work.keys.must_travel()
    return df.mapInArrow(_Task(work), _schema(df, work))


def _schema(df: DataFrame, work: Seal | Open) -> StructType:
    """Computed from the DataFrame's own, columns that go through as they are there."""
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
    from pyspark.sql.types import StructField, StructType

    pa = pyarrow()
    arrow = []
    for field in df.schema.fields:
        if work.passes(field.name) and field.name != work.key_column:
            # Whatever it is, it is not looked into.
            arrow.append(pa.field(field.name, pa.null()))
        else:
            arrow.append(to_arrow_schema(StructType([field])).field(0))
    made = work.schema(pa.schema(arrow))
    own = {field.name: field for field in df.schema.fields if work.passes(field.name)}
    fields: list[StructField] = []
    for field in made:
        fields.append(own[field.name] if field.name in own else from_arrow_schema(pa.schema([field])).fields[0])
    return StructType(fields)


@dataclass(frozen=True)
class _Task:
    """One partition's work, as Spark pickles it."""

    work: Seal | Open

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        at = "" if context is None else f"partition {context.partitionId()}, "
        first = 0
        for batch in batches:
            yield from self.work(batch, at=at, first=first).to_batches()
            first += batch.num_rows
