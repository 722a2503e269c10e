"""References to keys: what travels to the workers of a data engine instead of a key.

>>> from keyferry import KeyRef
>>> KeyRef.env("INFRA_KEY")
KeyRef.env('INFRA_KEY')

A reference is pickled as it stands here: its kind and its words. The process that needs the key reads it, once, into native
memory that is wiped, and no Python object ever holds it.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from typing import Any, Mapping, Union, final

from . import _native
from .environments import connect
from .errors import UsageError

__all__ = ["KeyRef", "Keys", "forget_rings"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@final
class KeyRef:
    """Names a vault key; where it is used, the key is read from what it names."""

    __slots__ = ("_given", "_kind", "_words")
    _kind: str
    _words: tuple[str, ...]
    _given: _native.Ring | None

    def __init__(self) -> None:
        raise TypeError("KeyRef.env(…), .file(…), .keyring(…), .command(…) or .environment(…) makes a reference")

    @classmethod
    def _of(cls, kind: str, *words: str, given: _native.Ring | None = None) -> KeyRef:
        ref = object.__new__(cls)
        ref._kind, ref._words, ref._given = kind, words, given
        return ref

    @classmethod
    def env(cls, name: str) -> KeyRef:
        """The variable of this name, in the process that uses the key."""
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            # Not repeated: it may be the key.
            raise UsageError("a variable's name is up to 64 letters, digits and _: name the variable, never the key itself")
        return cls._of("env", name)

    @classmethod
    def file(cls, path: str | os.PathLike[str]) -> KeyRef:
        """The text of a file without its last line end. The path is made absolute, since workers stand elsewhere."""
        return cls._of("file", os.path.abspath(os.fspath(path)))

    @classmethod
    def keyring(cls, service: str, account: str) -> KeyRef:
        """What the system's keyring of the worker's user keeps under these names."""
        return cls._of("keyring", service, account)

    @classmethod
    def command(cls, program: str, *arguments: str) -> KeyRef:
        """What a program prints, run without a shell: ``KeyRef.command("pass", "show", "infra")``."""
        return cls._of("command", program, *arguments)

    @classmethod
    def environment(cls, location: str) -> KeyRef:
        """All vault keys of an environment, by the names of their vaults. Workers sign in as :func:`keyferry.connect` does:
        by ``KEYFERRY_MASTER_KEY`` and its siblings."""
        return cls._of("environment", location)

    @classmethod
    def unencrypted(cls) -> KeyRef:
        """Of a vault without client-side encryption: its records are base64, which hides nothing."""
        return cls._of("unencrypted")

    @classmethod
    def from_bytes(cls, key: bytes | bytearray | memoryview) -> KeyRef:
        """A key that is at hand. It stays in this process: pickling the reference is refused."""
        if isinstance(key, str):
            raise UsageError("a key is given as bytes here; name it with KeyRef.env(…) or KeyRef.file(…) where it must travel")
        try:
            text = bytes(key).decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError("a vault key is text in UTF-8") from None
        return cls._of("given", given=_native.Ring([("", "given", [text])]))

    @classmethod
    def parse(cls, text: str) -> KeyRef:
        """A reference as one text: ``env:NAME``, ``file:PATH``, ``keyring:SERVICE/ACCOUNT``, ``command:PROGRAM …``."""
        kind, _, rest = text.partition(":")
        if kind == "env" and rest:
            return cls.env(rest)
        if kind == "file" and rest:
            return cls.file(rest)
        if kind == "command" and (words := shlex.split(rest)):
            return cls.command(*words)
        if kind == "keyring" and "/" in rest:
            service, _, account = rest.partition("/")
            return cls.keyring(service, account)
        # Not repeated: it may be the secret.
        raise UsageError(
            "this is no reference: a secret is named by env:NAME, file:PATH, keyring:SERVICE/ACCOUNT or command:PROGRAM …, "
            "and never given itself, since options are shown and logged"
        )

    @property
    def travels(self) -> bool:
        """Whether it may be pickled."""
        return self._given is None

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is not None:
            raise TypeError(
                "a KeyRef made from bytes is not pickled: its key would be in the clear; name it with KeyRef.env(…), "
                ".file(…), .keyring(…) or .command(…)"
            )
        return (_again, (self._kind, *self._words))

    def __copy__(self) -> KeyRef:
        return self

    def __deepcopy__(self, memo: object) -> KeyRef:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyRef):
            return NotImplemented
        if self._given is not None or other._given is not None:
            return self is other
        return (self._kind, self._words) == (other._kind, other._words)

    def __hash__(self) -> int:
        return id(self) if self._given is not None else hash((self._kind, self._words))

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("KeyRef", self._kind, *self._words, str(id(self)) if self._given is not None else "")

    def __repr__(self) -> str:
        if self._given is not None:
            return "KeyRef.from_bytes(…)"
        # Arguments of a program may be secret.
        words = [repr(word) for word in (self._words[:1] if self._kind == "command" else self._words)]
        more = ["…"] if self._kind == "command" and len(self._words) > 1 else []
        return f"KeyRef.{self._kind}({', '.join(words + more)})"


def _again(kind: str, *words: str) -> KeyRef:
    return KeyRef._of(kind, *words)


Keys = Union[KeyRef, Mapping[str, KeyRef]]
"""One key for all rows, or keys by the ids that a column of them names."""


@final
class KeySet:
    """Keys as an engine's task has them: references by id, resolved once a process."""

    __slots__ = ("refs",)
    refs: tuple[tuple[str, KeyRef], ...]

    def __init__(self, refs: tuple[tuple[str, KeyRef], ...]) -> None:
        self.refs = refs

    @classmethod
    def of(cls, keys: Keys, key_column: str | None) -> KeySet:
        """Refuses what is no reference, and keys that no column chooses between."""
        if isinstance(keys, KeyRef):
            if keys._kind == "environment" and key_column is None:
                raise UsageError("an environment has a key for each vault: key_column says which column names the vault")
            if keys._kind != "environment" and key_column is not None:
                raise UsageError("key_column names a column of keys, and one key is given: give a mapping, id to KeyRef")
            return cls((("", keys),))
        if not isinstance(keys, Mapping):
            # Not repeated: it may be the key.
            raise UsageError(
                f"keys are named by a KeyRef or a mapping of ids to KeyRef, not by {type(keys).__name__}: a key itself would stand "
                "in the engine's plans and logs"
            )
        if key_column is None:
            raise UsageError("there are several keys: key_column says which column names them")
        refs: list[tuple[str, KeyRef]] = []
        for name, ref in keys.items():
            if not isinstance(ref, KeyRef):
                raise UsageError(f"key {name!r} is named by a KeyRef, not by {type(ref).__name__}")
            if ref._kind == "environment":
                raise UsageError("KeyRef.environment(…) has keys by vault: give it alone")
            if not isinstance(name, str) or not name:
                raise UsageError("the id of a key is a text that is not empty")
            refs.append((name, ref))
        if not refs:
            raise UsageError("no key is named")
        return cls(tuple(sorted(refs, key=lambda one: one[0])))

    def must_travel(self) -> None:
        """Refuses keys that a worker would have to be sent."""
        for _, ref in self.refs:
            if not ref.travels:
                ref.__reduce__()

    def ring(self) -> _native.Ring:
        """The keys themselves, in native memory: read at the first call of a process."""
        with _lock:
            ring = _rings.get(self.refs)
            if ring is None:
                ring = _rings[self.refs] = self._resolve()
            return ring

    def _resolve(self) -> _native.Ring:
        first = self.refs[0][1]
        if first._kind == "environment":
            return connect(first._words[0])._native.ring()
        named = [(name, ref._kind, list(ref._words)) for name, ref in self.refs if ref._given is None]
        given = [(name, ref._given) for name, ref in self.refs if ref._given is not None]
        return _native.Ring(named, given)

    def __reduce__(self) -> tuple[Any, ...]:
        return (KeySet, (self.refs,))

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("KeySet", tuple((name, ref.__dask_tokenize__()) for name, ref in self.refs))


_lock = threading.Lock()
_rings: dict[tuple[tuple[str, KeyRef], ...], _native.Ring] = {}


def forget_rings() -> None:
    """Wipes the keys that this process has read; the next use reads them again, as after a rotation."""
    with _lock:
        _rings.clear()


def _forked() -> None:
    """A forked worker reads its own keys, and waits for no lock that a thread of its parent holds."""
    global _lock
    _lock = threading.Lock()
    _rings.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
