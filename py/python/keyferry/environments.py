"""Environments: opened once, shared by threads."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Iterator, Sequence

from . import _native
from ._native import Record


@dataclass(frozen=True)
class Folder:
    """A folder by name, with what is in it; records are names."""

    name: str
    folders: list[Folder] = field(default_factory=list)
    records: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Vault(Folder):
    """A vault by name, with what is in it; ``encrypted`` says whether clients encrypt its secrets."""

    encrypted: bool = True


def split_path(path: str | Sequence[str]) -> list[str]:
    """``"Vault/folder"`` as names; ``\\`` makes the next ``/``, ``#`` or ``:`` part of a name. A list is taken as it is."""
    return _native.split_path(path) if isinstance(path, str) else list(path)


class Environment:
    """An environment that :func:`connect` opened. Safe to share between threads."""

    def __init__(self, native: _native.Environment) -> None:
        self._native = native

    @property
    def location(self) -> str:
        """As it was given to :func:`connect`."""
        return self._native.location

    @property
    def encrypts(self) -> bool:
        """Whether clients encrypt before they send."""
        return self._native.encrypts

    def vaults(self) -> list[Vault]:
        """Everything by name: vaults with their folders and records. Needs no key."""

        def folder(tree: dict[str, object]) -> Folder:
            return Folder(str(tree["name"]), [folder(one) for one in tree["folders"]], list(tree["records"]))  # type: ignore[attr-defined, call-overload]

        trees = json.loads(self._native.tree_json())
        return [
            Vault(tree["name"], [folder(one) for one in tree["folders"]], tree["records"], tree["encrypted"])
            for tree in trees
        ]

    def records(
        self,
        path: str | Sequence[str] = "",
        *,
        vaults: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        query: str | None = None,
        changed_since: datetime | int | None = None,
    ) -> Iterator[Record]:
        """Yields decrypted records one by one, while the next ones are fetched; memory stays bounded.

        Args:
            path: only within this vault and folder, such as ``"Infra/databases"``.
            vaults: only from these vaults.
            tags: only with one of these tags.
            query: only with this text in name, login, url, description or a tag.
            changed_since: only what changed at this time or later (an aware ``datetime``, or Unix seconds).

        Raises:
            DecryptError: a record cannot be read; the iterator goes on after it.
        """
        since = unix_seconds(changed_since)
        names = split_path(path)
        return self._native.records(
            names, vaults=name_list("vaults", vaults), tags=name_list("tags", tags), query=query, changed_since=since
        )

    def tokens(self) -> tuple[str | None, str | None]:
        """The access and refresh token as they are now: a refresh ends the old ones, so keep these."""
        return self._native.tokens()

    def __truediv__(self, path: str | Sequence[str]) -> Place:
        """A place in it: ``env / "Infra/databases"`` is a source or sink of a job."""
        return Place(self, split_path(path))

    def __repr__(self) -> str:
        return f"Environment({self.location!r})"

    def __reduce__(self) -> str:
        raise TypeError("an environment is not pickled: its keys would be in the clear")


@dataclass(frozen=True)
class Place:
    """A vault and folder of an environment."""

    environment: Environment
    path: list[str]


def unix_seconds(when: datetime | int | None) -> int | None:
    """A time as the native side takes it."""
    return int(when.timestamp()) if isinstance(when, datetime) else when


def name_list(parameter: str, names: Sequence[str] | None) -> list[str] | None:
    """Names as a list. A text is a sequence of letters, and ``exclude="Old*"`` would leave out all there is."""
    if isinstance(names, str):
        raise TypeError(f"{parameter} takes a list of names: {parameter}=[{names!r}]")
    return None if names is None else list(names)


def variable(name: str) -> str | None:
    """As on the command line: ``KEYFERRY_…``, or a file that ``KEYFERRY_…_FILE`` names."""
    value = os.environ.get(f"KEYFERRY_{name}")
    if value:
        return value
    if path := os.environ.get(f"KEYFERRY_{name}_FILE"):
        with open(path, encoding="utf-8") as file:
            return file.read().rstrip("\r\n")
    return None


def connect(
    location: str,
    *,
    token: str | None = None,
    refresh_token: str | None = None,
    master_key: str | None = None,
    master_password: str | None = None,
    timeout: int = 120,
) -> Environment:
    """Opens an environment.

    Args:
        location: ``"https://passwork.example.com"`` or ``"embedded:DIR"``.
        token, refresh_token: the session; an embedded environment needs none. Default: ``KEYFERRY_TOKEN`` and
            ``KEYFERRY_REFRESH_TOKEN`` (or ``…_FILE``).
        master_key, master_password: either unlocks what clients encrypted. Default: ``KEYFERRY_MASTER_KEY`` or
            ``KEYFERRY_MASTER_PASSWORD`` (or ``…_FILE``). Without one only names can be read.
        timeout: seconds that one request may take.

    Raises:
        LockedError: the master key or password is wrong.
        AuthenticationError: the session has ended.
        UnreachableError: nobody answers there.
    """
    if master_key is None and master_password is None:
        master_key = variable("MASTER_KEY")
        master_password = None if master_key else variable("MASTER_PASSWORD")
    if token is None and refresh_token is None:
        token, refresh_token = variable("TOKEN"), variable("REFRESH_TOKEN")
    native = _native.Environment.open(location, token, refresh_token, master_key, master_password, timeout)
    return Environment(native)
