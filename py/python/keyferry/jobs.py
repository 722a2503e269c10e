"""Jobs: records moved and compared. Every transfer into an environment is read back, and stands in a journal."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Iterator, Literal, Mapping, Sequence, Union

from . import _native, errors
from ._native import Record, Stop
from .environments import Environment, Place, connect, name_list, split_path, unix_seconds, variable

Location = Union[str, "os.PathLike[str]", Environment, Place]
"""An environment, a place in one, or a file: ``"people.csv"``, ``"jsonl:dump"``, ``"backup.kfa"``, ``"embedded:DIR"``."""

Progress = Callable[[str, int, Union[int, None]], object]
"""Called with the step (``reading``, ``writing``, ``verifying``), the records done, and their number where it is known. An
exception that it raises stops the job cleanly and comes out of the call."""

Conflict = Literal["skip", "update", "duplicate", "fail"]
Verification = Literal["full", "sample", "none"]
Structure = Literal["below", "keep", "flatten"]


@dataclass(frozen=True)
class Rejected:
    """A record that could not be taken: where it stands, its path and name, and the reason."""

    at: str
    record: str
    why: str


@dataclass(frozen=True)
class Difference:
    """A record that is not equal on both sides: ``missing``, ``only there``, or the names of the fields that differ."""

    record: str
    what: list[str]


@dataclass(frozen=True)
class Report:
    """What a job did, in counts and names. It holds no value of any record."""

    read: int
    created: int
    updated: int
    unchanged: int
    verified: int
    seconds: float
    folders_created: int = 0
    #: Records that only the second of two compared locations holds.
    only_there: int = 0
    #: What became of a file's values, by ``read``, ``carried``, ``resolved`` and ``told``; ``None`` where no file was read.
    values: dict[str, int] | None = None
    #: The job's number in the journal, where it wrote into an environment.
    job: int | None = None
    #: One digest of all that was found equal: :func:`verify` gives the same on another day. ``None`` where the sink's user has
    #: no keys, and after a sample.
    digest: str | None = None
    #: Records that a sync moved to the bin, and what was changed in the sink since the last one.
    removed: int = 0
    drifted: list[Difference] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    different: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Nothing was left out, and nothing differs."""
        return not (self.skipped or self.rejected or self.different or self.drifted)

    @classmethod
    def _from_json(cls, text: str) -> Report:
        members = json.loads(text)
        return cls(
            rejected=[Rejected(**one) for one in members["rejected"]],
            different=[Difference(**one) for one in members["different"]],
            drifted=[Difference(**one) for one in members["drifted"]],
            **{
                name: members[name]
                for name in (
                    "read", "created", "updated", "unchanged", "verified", "seconds", "folders_created", "only_there", "values", "skipped",
                    "notes", "job", "digest", "removed",
                )
            },
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What a transfer would do, in counts and names."""

    read: int
    create: int
    update: int
    unchanged: int
    remove: int
    conflicts: list[Difference]
    rejected: list[Rejected]
    drifted: list[Difference]
    #: Vault by vault: its name, whether it is ``new``, counts, and the ``new_folders``.
    vaults: list[dict[str, Any]]
    notes: list[str]
    estimated_seconds: float
    #: The job by whose speed that is; ``None``: guessed from what reading took now.
    estimated_by: int | None
    #: What the plan depends on: another digest, another plan.
    digest: str

    @classmethod
    def _from_json(cls, text: str) -> Plan:
        members = json.loads(text)
        lists: dict[str, Any] = {
            "conflicts": [Difference(**one) for one in members["conflicts"]],
            "drifted": [Difference(**one) for one in members["drifted"]],
            "rejected": [Rejected(**one) for one in members["rejected"]],
        }
        plain = ("read", "create", "update", "unchanged", "remove", "vaults", "notes", "estimated_seconds", "estimated_by", "digest")
        return cls(**lists, **{name: members[name] for name in plain})


@dataclass(frozen=True)
class Undone:
    """What was taken back, in counts and names."""

    removed: int
    restored: int
    brought_back: int
    not_brought_back: int
    spared: list[str]
    gone: int
    #: What the environment said that it took back, and shows as it was before.
    still_there: list[str]
    places_removed: int
    #: Rights, groups and shortcuts that the job had given, now taken back.
    rights_removed: int
    notes: list[str]
    seconds: float


def default_journal() -> Path:
    """The journal of the command line, so that ``keyferry jobs`` and ``keyferry undo`` know these jobs too."""
    return Path(_journal_place(None))


def _journal_place(journal: str | os.PathLike[str] | None) -> str:
    """A file, or a database's address, which is no path: its slashes stay as they are."""
    return os.fspath(journal or os.environ.get("KEYFERRY_JOURNAL") or _native.default_journal())


Source = Union[Location, Sequence[Union[str, "os.PathLike[str]"]]]
"""A location, a server of secrets (``"vault://HOST:8200/secret"``), or several files and folders that are read as one."""


def _place(location: Source) -> tuple[Any, Any] | str | list[str]:
    """What the native side takes: an environment with a path, a file, or several."""
    if isinstance(location, Environment):
        return location._native, []
    if isinstance(location, Place):
        return location.environment._native, location.path
    if not isinstance(location, (str, os.PathLike)):
        return [os.fspath(path) for path in location]
    text = os.fspath(location)
    if text.startswith("embedded:"):
        # As on the command line: two slashes end the folder, and a place in the environment follows.
        folder, _, inside = text.partition("//")
        return connect(folder)._native, split_path(inside) if inside else []
    if text.startswith(("https://", "http://")):
        return connect(text)._native, []
    return text


def _word(location: Source) -> str:
    """As one would type it."""
    if isinstance(location, Environment):
        return location.location
    if isinstance(location, Place):
        return location.environment.location
    if not isinstance(location, (str, os.PathLike)):
        return " ".join(os.fspath(path) for path in location)
    return os.fspath(location)


def _words(kind: str, source: Source, sink: Source) -> list[str]:
    """What ``keyferry jobs`` shows, and where ``keyferry undo`` finds the sink. Options, filters and places are objects
    here, so words alone would move something else: ``keyferry resume`` leaves such a job to its program."""
    return ["program", kind, _word(source), _word(sink)]


def _kind(source: Source, sink: Location) -> str:
    """What the command line calls it: records of a file are imported, or exported to one."""
    from_file, to_file = not isinstance(_place(source), tuple), not isinstance(_place(sink), tuple)
    if from_file == to_file:
        return "migrate"
    return "import" if from_file else "export"


_PLAIN = {
    "allow_empty", "allow_plaintext", "allow_unencrypted_target", "archive_passphrase", "exact", "gpg", "include_trash",
    "match_codes", "no_password", "on_conflict", "query", "rewrap", "structure", "trust_administrators", "verify",
}  # fmt: skip


def _options(
    *,
    vaults: Sequence[str] | None = None,
    folder: str | Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    changed_since: datetime | int | None = None,
    exclude: Sequence[str] | None = None,
    file_passphrase: str | None = None,
    map: Mapping[str, str] | None = None,
    key_file: str | os.PathLike[str] | None = None,
    rejects: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    **plain: Any,
) -> dict[str, Any]:
    """Options as the native side takes them. One that nobody knows is an error: what a misspelt ``exclude`` names would go along."""
    if unknown := plain.keys() - _PLAIN:
        raise TypeError(f"unexpected keyword arguments: {', '.join(sorted(unknown))}")
    excluded = name_list("exclude", exclude)
    return {
        **plain,
        "vaults": name_list("vaults", vaults),
        "folder": None if folder is None else split_path(folder),
        "tags": name_list("tags", tags),
        "changed_since": unix_seconds(changed_since),
        "exclude": None if excluded is None else [split_path(path) for path in excluded],
        "map": None if map is None else list(map.items()),
        "file_passphrase": file_passphrase or variable("FILE_PASSPHRASE"),
        "key_file": None if key_file is None else Path(key_file),
        "rejects": None if rejects is None else Path(rejects),
        "report": None if report is None else Path(report),
        "started": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def migrate(
    source: Source,
    sink: Location,
    *,
    on_conflict: Conflict = "fail",
    verify: Verification = "full",
    rewrap: bool = False,
    allow_plaintext: bool = False,
    allow_unencrypted_target: bool = False,
    trust_administrators: bool = False,
    allow_empty: bool = False,
    no_password: bool = False,
    vaults: Sequence[str] | None = None,
    folder: str | Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    query: str | None = None,
    changed_since: datetime | int | None = None,
    exclude: Sequence[str] | None = None,
    map: Mapping[str, str] | None = None,
    structure: Structure | None = None,
    rejects: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    archive_passphrase: str | None = None,
    file_passphrase: str | None = None,
    key_file: str | os.PathLike[str] | None = None,
    include_trash: bool = False,
    match_codes: bool = False,
    gpg: bool = False,
    journal: str | os.PathLike[str] | None = None,
    resume: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Report:
    """Moves every record of ``source`` into ``sink``, then reads back and compares.

    Args:
        on_conflict: what to do where a record's place and name are taken by other content.
        verify: read back every record, 400 at random, or none.
        rewrap: between two encrypted environments: keep ciphertext, wrap only the record keys anew.
        allow_plaintext: a file in the clear may be written (CSV, JSON); archives (``.kfa``) need no permission.
        allow_unencrypted_target: the sink's server may read what was encrypted before.
        trust_administrators: the keys of new vaults may be wrapped for administrators whose keys were never seen here.
        allow_empty: a source without records, or a filter that matches none, is no mistake.
        no_password: that no column of a CSV is a secret is no mistake.
        vaults, folder, tags, query, changed_since: which records of the source count.
        exclude: not these vaults, folders (with all below them) or records: ``["Old*", "Infra/tmp"]``.
        map: CSV columns to fields, such as ``{"Secret": "password"}``.
        structure: where the source's vaults and folders stand in the sink: ``"below"`` the place that it names (the default),
            ``"keep"`` (what stands in the one place goes into the other), ``"flatten"`` (no folders).
        rejects: a file that lists what could not be taken.
        report: a file for a page about the job: ``.html``, ``.md`` or ``.json``; names and counts, no secrets.
        archive_passphrase: what an archive is sealed with or opened by, besides the user's own key.
        file_passphrase, key_file: what a file opens with that another program encrypted (KDBX, Bitwarden, Aegis …), read or
            written; default: ``KEYFERRY_FILE_PASSPHRASE``, or the file that ``KEYFERRY_FILE_PASSPHRASE_FILE`` names.
        include_trash: what lies in the bin of a manager's file comes along, in a folder ``Trash``.
        match_codes: one-time codes of an authenticator's file go into the records of the sink that they belong to, by issuer and
            account; those that fit none, or several, are records of their own, and the report names them.
        gpg: ``gpg`` opens the entries of a store of pass, with its own keyring and agent.
        journal: a file, or ``postgres://USER@HOST:PORT/DATABASE`` with its password in ``KEYFERRY_JOURNAL_PASSWORD``. Default: the
            command line's, so that ``keyferry jobs`` and ``undo`` know this job too.
        resume: the number of a job to go on with; the error of a job that stopped names it.
        progress: see :data:`Progress`. ``stop``: ends the job cleanly once it is set.

    Ctrl-C stops the job cleanly: what is in flight ends, the journal is written, ``KeyboardInterrupt`` is raised.
    """
    options = _options(
        on_conflict=on_conflict,
        verify=verify,
        structure=structure,
        rewrap=rewrap,
        allow_plaintext=allow_plaintext,
        allow_unencrypted_target=allow_unencrypted_target,
        trust_administrators=trust_administrators,
        allow_empty=allow_empty,
        no_password=no_password,
        vaults=vaults,
        folder=folder,
        tags=tags,
        query=query,
        changed_since=changed_since,
        exclude=exclude,
        map=map,
        rejects=rejects,
        report=report,
        archive_passphrase=archive_passphrase,
        file_passphrase=file_passphrase,
        key_file=key_file,
        include_trash=include_trash,
        match_codes=match_codes,
        gpg=gpg,
    )
    text = _native.transfer(
        _place(source),
        _place(sink),
        _words(_kind(source, sink), source, sink),
        _journal_place(journal),
        resume,
        progress,
        stop,
        **options,
    )
    return Report._from_json(text)


def read(
    source: Source,
    *,
    allow_empty: bool = True,
    no_password: bool = False,
    vaults: Sequence[str] | None = None,
    folder: str | Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    query: str | None = None,
    changed_since: datetime | int | None = None,
    exclude: Sequence[str] | None = None,
    map: Mapping[str, str] | None = None,
    archive_passphrase: str | None = None,
    file_passphrase: str | None = None,
    key_file: str | os.PathLike[str] | None = None,
    include_trash: bool = False,
    gpg: bool = False,
) -> Iterator[Record]:
    """Yields the records of any source one by one: a file of a password manager, a folder, several of both, an archive, a server
    of secrets, an environment. Options are those of :func:`migrate`.

    Raises:
        KeyferryError: a record cannot be taken; the iterator goes on after it. What stops the whole reading comes last.
    """
    options = _options(
        allow_empty=allow_empty,
        no_password=no_password,
        vaults=vaults,
        folder=folder,
        tags=tags,
        query=query,
        changed_since=changed_since,
        exclude=exclude,
        map=map,
        archive_passphrase=archive_passphrase,
        file_passphrase=file_passphrase,
        key_file=key_file,
        include_trash=include_trash,
        gpg=gpg,
    )
    return _native.read(_place(source), **options)


def import_file(
    file: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], environment: Location, **options: Any
) -> Report:
    """Brings a file's records into an environment, whatever manager wrote it (``keyferry formats`` lists them), or those of several
    files and folders as one source: :func:`migrate` with a file as its source. Takes the same options."""
    return migrate(file, environment, **options)


def export_file(environment: Location, file: str | os.PathLike[str], **options: Any) -> Report:
    """Writes an environment's records to a file. A file in the clear needs ``allow_plaintext=True`` and gets mode 0600;
    an archive (``.kfa``) is sealed for the environment's user."""
    return migrate(environment, file, **options)


def resume(job: int, source: Source, sink: Location, **options: Any) -> Report:
    """Goes on with a job that stopped: :func:`migrate` with the places and options that it had."""
    return migrate(source, sink, resume=job, **options)


def verify(
    a: Source,
    b: Source,
    *,
    exact: bool = False,
    vaults: Sequence[str] | None = None,
    folder: str | Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    query: str | None = None,
    exclude: Sequence[str] | None = None,
    structure: Structure | None = None,
    report: str | os.PathLike[str] | None = None,
    archive_passphrase: str | None = None,
    file_passphrase: str | None = None,
    key_file: str | os.PathLike[str] | None = None,
    include_trash: bool = False,
    match_codes: bool = False,
    gpg: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Report:
    """Whether everything of ``a`` is in ``b``, equal: ``different`` names records and fields, never values. What only ``b``
    holds is counted in ``only_there``; with ``exact`` it is a difference too."""
    options = _options(
        exact=exact,
        vaults=vaults,
        folder=folder,
        tags=tags,
        query=query,
        exclude=exclude,
        structure=structure,
        report=report,
        archive_passphrase=archive_passphrase,
        file_passphrase=file_passphrase,
        key_file=key_file,
        include_trash=include_trash,
        match_codes=match_codes,
        gpg=gpg,
    )
    text = _native.verify(_place(a), _place(b), progress, stop, words=_words("verify", a, b), **options)
    return Report._from_json(text)


def plan(
    source: Source,
    sink: Location,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> Plan:
    """What :func:`migrate` with the same options would do; writes nothing."""
    text = _native.plan(_place(source), _place(sink), progress, stop, **_options(**options))
    return Plan._from_json(text)


def sync(
    source: Source,
    sink: Location,
    *,
    delete: bool = False,
    max_delete: int | str | None = None,
    on_conflict: Literal["skip", "update"] = "skip",
    journal: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> Report:
    """Keeps an environment in step with a source: brings only what changed, tells in ``drifted`` what was edited there.

    Args:
        delete: move to the bin what an earlier sync brought and the source no longer holds; nothing where the source was not
            read whole.
        max_delete: remove nothing where more than so many would go: a number, or ``"20%"``. Default: half.
        on_conflict: leave what was edited in the sink (``"skip"``), or overwrite it.
        journal: where it remembers what it brought. Default: the command line's.
        options: those of :func:`migrate` that choose, read and verify.
    """
    text = _native.sync(
        _place(source),
        _place(sink),
        _words("sync", source, sink),
        _journal_place(journal),
        delete,
        None if max_delete is None else str(max_delete),
        progress,
        stop,
        **_options(on_conflict=on_conflict, **options),
    )
    return Report._from_json(text)


def undo(
    job: int,
    environment: Location,
    *,
    journal: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Undone:
    """Takes back what a job created or overwrote in ``environment``, sparing what was edited since. ``Report.job`` is its
    number. Can be repeated, and goes on where it was cut off."""
    place = _place(environment)
    if not isinstance(place, tuple):
        raise errors.UsageError("a job is undone in an environment, not in a file")
    text = _native.undo(job, place[0], _journal_place(journal), progress, stop)
    return Undone(**json.loads(text))


def audit(
    location: Source,
    *,
    older_than: int = 365,
    expires_within: int = 30,
    min_score: int = 3,
    access: bool = False,
    breached: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Looks at the health of secrets: weak, reused, breached, old, expired. Names records, never values; the members are those
    of ``keyferry audit --json``.

    Args:
        older_than: days after which a password is old. ``expires_within``: days within which one expires soon.
        min_score: a password is weak below this strength, of 0 to 4.
        access: whether to tell who may see what.
        breached: a list of breached passwords on this machine: a file or a folder.
        options: ``vaults``, ``folder``, ``tags``, ``query``, ``changed_since``, ``exclude``.
    """
    now = int(datetime.now(timezone.utc).timestamp())
    found: dict[str, Any] = json.loads(
        _native.audit(
            _place(location),
            now,
            older_than,
            expires_within,
            min_score,
            access,
            None if breached is None else Path(breached),
            progress,
            stop,
            **_options(**options),
        )
    )
    return found
