"""What can go wrong: one class for each kind, all of them :class:`KeyferryError`.

Every error has ``kind`` (a stable word), ``where`` (file and line, or method, path and status) and ``next_step`` (what to
do), each of the last two ``None`` where there is nothing to say. No error holds a secret.
"""

from __future__ import annotations

from ._native import KeyferryError


class UsageError(KeyferryError, ValueError):
    """The call itself is wrong."""


class FileError(KeyferryError, OSError):
    """A file or folder could not be read or written."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file or folder."""


class FilePermissionError(FileError, PermissionError):
    """The system does not let this user read or write a file or folder."""


class InputError(KeyferryError, ValueError):
    """Input is malformed: a file's syntax, a key, an address."""


class DecryptError(KeyferryError, ValueError):
    """Ciphertext is damaged, or was made with another key. The official client raises a ``ValueError`` here, too."""


class LockedError(KeyferryError):
    """The master password or master key is wrong or missing."""


class AuthenticationError(KeyferryError):
    """The session has ended or never was."""


class PermissionDeniedError(KeyferryError):
    """The user may not do this."""


class NotFoundError(KeyferryError, LookupError):
    """There is no such thing."""


class ConflictError(KeyferryError):
    """What is there stands in the way."""


class RefusedError(KeyferryError):
    """The environment did not take what was sent."""


class UnreachableError(KeyferryError, ConnectionError):
    """The environment could not be reached, or did not answer."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ServerError(KeyferryError):
    """The environment failed, or answered what makes no sense."""


class DifferentError(KeyferryError):
    """What was read back is not what was written."""


class InterruptedJobError(KeyferryError):
    """A job was asked to stop, and did."""


class InternalError(KeyferryError):
    """A promise of keyferry's own is broken: please report it."""


BY_KIND: dict[str, type[KeyferryError]] = {
    "usage": UsageError,
    "io": FileError,
    "io:missing": MissingFileError,
    "io:permission": FilePermissionError,
    "input": InputError,
    "decrypt": DecryptError,
    "locked": LockedError,
    "not-authenticated": AuthenticationError,
    "not-allowed": PermissionDeniedError,
    "not-found": NotFoundError,
    "conflict": ConflictError,
    "refused": RefusedError,
    "unreachable": UnreachableError,
    "unanswered": UnreachableError,
    "busy": UnreachableError,
    "server": ServerError,
    "protocol": ServerError,
    "different": DifferentError,
    "interrupted": InterruptedJobError,
    "internal": InternalError,
}
