"""``spark.read.format("keyferry")`` and ``df.write.format("keyferry")``: environments as a data source of Spark."""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Sequence
from urllib.parse import urlsplit

from pyspark.sql.datasource import (
    DataSource,
    DataSourceArrowWriter,
    DataSourceReader,
    InputPartition,
    WriterCommitMessage,
)

from . import _native
from ._arrow import aligned
from ._engines import Errors, check_spill, names, pyarrow
from .environments import Environment, Folder, connect, split_path
from .errors import DifferentError, MissingFileError, UsageError
from .jobs import Report, import_file
from .keys import KeyRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: What a reading shows unless columns are named: nothing of it has to be decrypted.
OPEN_COLUMNS = ["id", "vault", "path", "name", "login", "url", "description", "tags", "color", "favorite"]
SECRET_COLUMNS = ["password", "customs", "attachments"]

_SESSION = {"token": "token", "masterkey": "master_key", "masterpassword": "master_password"}
_READ = ["columns", "errors", "place", "recordsPerPartition"]
_WRITE = ["vault", "staging", "journal", "onConflict", "report"]
_BOTH = ["location", "path", "token", "masterKey", "masterPassword", "timeout", "allowUnencryptedSpill"]


@dataclass(frozen=True)
class _Session:
    """How a process signs in: a location, and references to secrets; else its ``KEYFERRY_…`` variables are read."""

    location: str
    named: tuple[tuple[str, str, tuple[str, ...]], ...]
    timeout: int

    def environment(self) -> Environment:
        """Opened once a process, and used by its tasks one after the other."""
        if not self.named:
            return connect(self.location, timeout=self.timeout)
        secrets: dict[str, Any] = {name: (kind, list(words)) for name, kind, words in self.named}
        return Environment(_native.Environment.open_by(self.location, timeout=self.timeout, **secrets))


class _Options:
    """The options of a reading or writing. None carries a secret: they stand in plans, in event logs and on Spark's pages."""

    def __init__(self, given: Any, known: Sequence[str]) -> None:
        names_of = {name.lower(): name for name in known}
        self._given = {str(name).lower(): str(value) for name, value in given.items()}
        for name in self._given:
            if name in names_of:
                continue
            if any(word in name for word in ("key", "pass", "secret", "token", "credential")):
                raise UsageError(
                    f"option {name}: no option carries a secret, since options are shown and logged; set KEYFERRY_MASTER_KEY and its "
                    "siblings where Spark's processes run, or name where it is: masterKey, masterPassword and token take env:NAME, "
                    "file:PATH, keyring:SERVICE/ACCOUNT or command:PROGRAM …"
                )
            raise UsageError(f"option {name} is not known; these are: {', '.join(sorted(known))}")
        self.session = self._session()

    def _session(self) -> _Session:
        location, path = self._given.get("location"), self._given.get("path")
        if location and path and location != path:
            raise UsageError("two locations are named, one as option location and one as path")
        location = location or path
        if not location:
            raise UsageError('option location says which environment is meant: "https://…" or "embedded:DIR"')
        if location.startswith(("https://", "http://")):
            if urlsplit(location).username is not None or urlsplit(location).password is not None:
                raise UsageError("the location holds a password, which would be shown and logged")
        elif location.startswith("embedded:"):
            if not os.path.isabs(location.removeprefix("embedded:")):
                raise UsageError(f"{location} is named from its root here: Spark's processes stand in other folders")
        else:
            raise UsageError('a location is "https://…" or "embedded:DIR" here: Spark reads files by itself')
        named = []
        for option, parameter in _SESSION.items():
            if option in self._given:
                ref = KeyRef.parse(self._given[option])
                named.append((parameter, ref._kind, ref._words))
        return _Session(location, tuple(named), self.number("timeout", 120))

    def text(self, name: str) -> str | None:
        return self._given.get(name.lower()) or None

    def number(self, name: str, default: int) -> int:
        value = self._given.get(name.lower())
        if value is None:
            return default
        if not value.isdecimal() or int(value) == 0:
            raise UsageError(f"option {name} is a whole number, 1 or more")
        return int(value)

    def flag(self, name: str) -> bool:
        value = self._given.get(name.lower(), "false").lower()
        if value not in ("true", "false"):
            raise UsageError(f"option {name} is true or false")
        return value == "true"


class KeyferryDataSource(DataSource):
    """Environments as tables. :func:`register` makes it known to a session, as ``keyferry``."""

    #: Whether the session that it is registered with encrypts what it writes to disks; this says so of one that is not known.
    encrypts_spills = False

    @classmethod
    def name(cls) -> str:
        return "keyferry"

    def _columns(self, options: _Options) -> tuple[list[str], Errors]:
        """What is read; refuses what cannot be."""
        text = options.text("columns")
        columns = OPEN_COLUMNS if text is None else [name.strip() for name in text.split(",")]
        if columns == ["*"]:
            columns = OPEN_COLUMNS + SECRET_COLUMNS
        word = options.text("errors") or "raise"
        if word not in ("raise", "column"):
            raise UsageError('option errors is "raise" or "column"')
        errors: Errors = "column" if word == "column" else "raise"
        _native.rows_schema(columns, errors)
        if any(name in SECRET_COLUMNS for name in columns):
            allowed = options.flag("allowUnencryptedSpill") or self.encrypts_spills
            check_spill(
                allowed,
                f"{SPILLS}, or keyferry.spark.register(spark) was not called; as an option that is allowUnencryptedSpill",
            )
        return columns, errors

    def schema(self) -> Any:
        from pyspark.sql.pandas.types import from_arrow_schema

        columns, errors = self._columns(_Options(self.options, _READ + _BOTH))
        made = _native.rows_schema(columns, errors)
        return from_arrow_schema(pyarrow().schema(made))

    def reader(self, schema: Any) -> DataSourceReader:
        options = _Options(self.options, _READ + _BOTH)
        columns, errors = self._columns(options)
        own = {field.name: field.dataType for field in self.schema()}
        asked = [field.name for field in schema.fields]
        if any(own.get(field.name) != field.dataType for field in schema.fields):
            raise UsageError("the schema is computed here: leave schema(…) out, and choose by option columns")
        wanted = [name for name in asked if name != "error"]
        return _Reader(options, wanted or columns, errors if "error" in asked else "raise")

    def writer(self, schema: Any, overwrite: bool) -> DataSourceArrowWriter:
        from pyspark.sql.pandas.types import to_arrow_schema

        options = _Options(self.options, _WRITE + _BOTH)
        if overwrite:
            raise UsageError('records are added, and what is there is kept: mode("append")')
        vault = options.text("vault")
        _native.check_rows(to_arrow_schema(schema), vault is not None)
        conflict = options.text("onConflict") or "fail"
        if conflict not in ("skip", "update", "duplicate", "fail"):
            raise UsageError("option onConflict is skip, update, duplicate or fail")
        staging = Path(options.text("staging") or tempfile.gettempdir()).absolute()
        return _Writer(options, vault, staging / f"keyferry-{uuid.uuid4().hex}", conflict)


# --- reading -------------------------------------------------------------------------------------------------------


class _Places(InputPartition):
    """Some places of one vault."""

    def __init__(self, places: list[list[str]], encrypted: bool) -> None:
        self.places = places
        self.encrypted = encrypted


class _Reader(DataSourceReader):
    def __init__(self, options: _Options, columns: list[str], errors: Errors) -> None:
        self.session = options.session
        self.columns = columns
        self.errors: Errors = errors
        self.inside = split_path(options.text("place") or "")
        self.most = options.number("recordsPerPartition", 20_000)

    def partitions(self) -> Sequence[InputPartition]:
        """Places of a vault together, until they have so many records. By names alone: this needs no key."""
        made: list[InputPartition] = []
        found = False
        for vault in self.session.environment().vaults():
            places, records = [], 0
            for path, folder in _walk(vault, []):
                if path[: len(self.inside)] != self.inside:
                    continue
                found = True
                if not folder.records or path in places:
                    continue
                places.append(path)
                records += len(folder.records)
                if records >= self.most:
                    made.append(_Places(places, vault.encrypted))
                    places, records = [], 0
            if places:
                made.append(_Places(places, vault.encrypted))
        if self.inside and not found:
            raise UsageError(f"there is no place {' / '.join(self.inside)}")
        # Spark would make one partition of none, and ask for its records.
        return made or [_Places([], True)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        assert isinstance(partition, _Places)
        if not partition.places:
            return
        environment = self.session.environment()
        rows = environment._native.rows(partition.places, self.columns, self.errors, partition.encrypted)
        for table in rows:
            yield from pyarrow().table(table).to_batches()


def _walk(folder: Folder, above: list[str]) -> Iterator[tuple[list[str], Folder]]:
    path = [*above, folder.name]
    yield path, folder
    for inner in folder.folders:
        yield from _walk(inner, path)


# --- writing -------------------------------------------------------------------------------------------------------


@dataclass
class _Written(WriterCommitMessage):
    """What one attempt of one task left: the name of its archive, which only the environment's user opens."""

    name: str
    records: int


class _Writer(DataSourceArrowWriter):
    """Tasks seal their rows for the environment's user, in archives in a folder that all machines share. Spark names the attempts
    that count, and their archives are brought in as one job: what another attempt wrote is never looked at."""

    def __init__(self, options: _Options, vault: str | None, folder: Path, conflict: str) -> None:
        self.session, self.vault, self.folder, self.conflict = options.session, vault, folder, conflict
        self.journal, self.report = options.text("journal"), options.text("report")
        # Public: what is sealed with it opens by the private key alone, which no task needs.
        self.public_key = options.session.environment()._native.public_key()
        # Made once: a task that comes after its job has failed finds no folder, and leaves nothing.
        folder.mkdir(mode=0o700, parents=True)

    def write(self, iterator: Iterator[Any]) -> WriterCommitMessage:
        from pyspark import TaskContext

        context = TaskContext.get()
        part = context.partitionId() if context is not None else 0
        attempt = context.taskAttemptId() if context is not None else 0
        if not self.folder.is_dir():
            raise MissingFileError(f"{self.folder} is not there: option staging names a folder that all machines share")
        name = f"part-{part:06}-{attempt}-{uuid.uuid4().hex[:8]}.kfa"
        pack = _native.Pack(self.folder / name, self.public_key, self.vault, f"partition {part}, ")
        for batch in iterator:
            pack.add(aligned(batch))
        return _Written(name, pack.finish())

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        written = [message for message in messages if isinstance(message, _Written) and message.records]
        if not written:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        chosen = self.folder / "committed"
        chosen.mkdir(mode=0o700, exist_ok=True)
        for message in written:
            try:
                (self.folder / message.name).rename(chosen / message.name)
            except FileNotFoundError:
                raise MissingFileError(
                    f"a task left {message.name} in {self.folder}, and it is not there: option staging names a folder that all "
                    "machines share"
                ) from None
        options: dict[str, Any] = {"on_conflict": self.conflict}
        if self.journal:
            options["journal"] = self.journal
        if self.report:
            options["report"] = self.report
        report = import_file(chosen, self.session.environment(), **options)
        shutil.rmtree(self.folder, ignore_errors=True)
        _check(report, sum(message.records for message in written), self.conflict)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _check(report: Report, records: int, conflict: str) -> None:
    """A job that left something out is an error of Spark's job too."""
    left = [f"{len(what)} {word}" for what, word in ((report.rejected, "rejected"), (report.different, "different")) if what]
    if conflict != "skip" and report.skipped:
        left.append(f"{len(report.skipped)} skipped")
    if report.read != records:
        left.append(f"{records} rows were written and {report.read} were read")
    if left:
        why = f": {report.rejected[0].why}" if report.rejected else ""
        raise DifferentError(f"not all of {records} records are in the environment: {', '.join(left)}{why} (job {report.job})")


SPILLS = (
    "a shuffle, a sort or a cache writes it there, and spark.io.encryption.enabled is not set (it is read when Spark starts)"
)


def encrypts_spills(session: Any) -> bool:
    """Whether what Spark writes to local disks is encrypted: as the context was started, whatever a session says since."""
    try:
        conf = session.sparkContext.getConf()
    except Exception:  # Spark Connect has no context here, and answers with what the server was started with.
        conf = session.conf
    return str(conf.get("spark.io.encryption.enabled", "false")).lower() == "true"


# --- sessions ------------------------------------------------------------------------------------------------------


def register(spark: SparkSession) -> None:
    """Makes the format ``keyferry`` known to a session."""
    source = type(KeyferryDataSource.__name__, (KeyferryDataSource,), {"encrypts_spills": encrypts_spills(spark)})
    spark.dataSource.register(source)


def read(
    spark: SparkSession,
    location: str,
    *,
    columns: Sequence[str] | None = None,
    place: str | Sequence[str] = "",
    allow_unencrypted_spill: bool = False,
    **options: Any,
) -> DataFrame:
    """An environment's records: ``spark.read.format("keyferry")`` with these options.

    Args:
        spark: a session.
        location: ``"https://…"`` or ``"embedded:DIR"``. Spark's processes sign in as :func:`keyferry.connect` does.
        columns: what is read. Default: everything but ``password``, ``customs`` and ``attachments``; what is not named here is
            not decrypted.
        place: only within this vault and folder.
        allow_unencrypted_spill: as in :func:`keyferry.spark.open`, for columns that are secret.
        options: others of the data source.
    """
    register(spark)
    if location.startswith("embedded:"):
        location = "embedded:" + os.path.abspath(location.removeprefix("embedded:"))
    reader = spark.read.format("keyferry").option("location", location)
    if columns is not None:
        reader = reader.option("columns", ",".join(names(columns, "columns")))
    if place:
        reader = reader.option("place", place if isinstance(place, str) else _typed(place))
    if allow_unencrypted_spill:
        reader = reader.option("allowUnencryptedSpill", True)
    return reader.options(**options).load()


def _typed(place: Sequence[str]) -> str:
    """A path as people type it."""
    return "/".join("".join(f"\\{c}" if c in "\\/#:" else c for c in name) for name in place)
