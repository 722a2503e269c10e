"""What the data engines share: tasks that seal and open tables of Arrow. They are pickled with references to keys."""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Iterable, Literal, Sequence

from . import _native
from ._arrow import aligned
from .errors import UsageError
from .keys import Keys, KeySet

Errors = Literal["raise", "column"]


def need(module: str, extra: str) -> ModuleType:
    """An engine's module, or an error that says how to come by it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            name = error.name or module
            raise ModuleNotFoundError(f"{module} needs {name}: pip install 'keyferry[{extra}]'", name=error.name) from None
        raise ModuleNotFoundError(
            f"keyferry.{extra} needs {module}, which is not installed: pip install 'keyferry[{extra}]'", name=error.name
        ) from None


def pyarrow() -> Any:
    return importlib.import_module("pyarrow")


def names(of: Iterable[str], what: str) -> list[str]:
    """A list of columns. A text alone would be taken for its letters."""
    if isinstance(of, str):
        raise UsageError(f"{what} is a list of columns: [{of!r}]")
    return list(of)


@dataclass(frozen=True)
class Seal:
    """Plain records to items."""

    keys: KeySet
    key_column: str | None
    keep: tuple[str, ...]

    @classmethod
    def of(cls, keys: Keys, key_column: str | None, keep: Iterable[str]) -> Seal:
        return cls(KeySet.of(keys, key_column), key_column, tuple(names(keep, "keep")))

    def schema(self, schema: Any) -> Any:
        """The columns that come of these; refuses them now, and not when the engine is far."""
        return pyarrow().schema(_native.sealed_schema(schema, self.key_column, list(self.keep)))

    def __call__(self, table: Any, at: str = "", first: int = 0) -> Any:
        made = _native.seal_table(
            aligned(table), self.keys.ring(), self.key_column, 1, list(self.keep), at=at, first=first
        )
        return pyarrow().table(made)

    def passes(self, name: str) -> bool:
        """Whether a column goes through as it is."""
        return name in self.keep or name == self.key_column

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("keyferry.Seal", self.keys.__dask_tokenize__(), self.key_column, self.keep)


@dataclass(frozen=True)
class Open:
    """Items to plain records."""

    keys: KeySet
    key_column: str | None
    keep: tuple[str, ...] | None
    errors: Errors
    columns: tuple[str, ...] | None

    @classmethod
    def of(
        cls, keys: Keys, key_column: str | None, keep: Iterable[str] | None, errors: Errors, columns: Sequence[str] | None
    ) -> Open:
        if errors not in ("raise", "column"):
            raise UsageError('errors is "raise" or "column"')
        kept = None if keep is None else tuple(names(keep, "keep"))
        wanted = None if columns is None else tuple(names(columns, "columns"))
        return cls(KeySet.of(keys, key_column), key_column, kept, errors, wanted)

    def _kept(self) -> list[str] | None:
        return None if self.keep is None else list(self.keep)

    def _wanted(self) -> list[str] | None:
        return None if self.columns is None else list(self.columns)

    def schema(self, schema: Any) -> Any:
        made = _native.opened_schema(schema, self.key_column, self.errors, self._kept(), self._wanted())
        return pyarrow().schema(made)

    def __call__(self, table: Any, at: str = "", first: int = 0) -> Any:
        made = _native.open_table(
            aligned(table), self.keys.ring(), self.key_column, 1, self.errors, self._kept(), self._wanted(), at=at, first=first
        )
        return pyarrow().table(made)

    def passes(self, name: str) -> bool:
        """Whether a column goes through as it is."""
        if self.keep is None:
            return name not in SEALED
        return name in self.keep or name == self.key_column

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("keyferry.Open", self.keys.__dask_tokenize__(), self.key_column, self.keep, self.errors, self.columns)


PLAIN = frozenset(_native.record_columns())
SEALED = frozenset(_native.item_columns())


def check_spill(allowed: bool, why: str) -> None:
    """What is opened may lie on disks afterwards; whoever accepts that says so by name."""
    if not allowed:
        raise UsageError(
            f"what is opened here may reach disks in the clear: {why}; allow_unencrypted_spill=True says that they may hold it"
        )
