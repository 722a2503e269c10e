"""The official Passwork SDK on native code.

    import keyferry
    keyferry.passwork.accelerate()
    # from here on passwork_client runs as before, at another speed

Nothing else changes: the same classes, the same results. It also cures two faults of the SDK: threads that share its one
base32 codec no longer corrupt each other's values, and a value that is no text no longer spoils those decoded after it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
import types
import warnings
from typing import Any, Callable

from . import crypto

KNOWN_VERSIONS = ("0.2.0",)
"""The versions of ``passwork-python`` that :func:`accelerate` was tested with."""

_PACKAGE = "passwork_client"
_IN_CRYPTO = (
    "decrypt_aes",
    "encrypt_aes",
    "generate_key",
    "generate_rsa_keys",
    "generate_user_rsa_keys",
    "get_master_key",
    "rsa_decrypt",
    "rsa_encrypt",
)
_IN_UTILS = (
    "decrypt_and_save_item_attachment",
    "encrypt_item_attachment",
    "get_encryption_key",
    "get_string_from_blob",
)
_lock = threading.Lock()
_replaced: list[tuple[types.ModuleType, str, Any]] = []


class Acceleration:
    """What :func:`accelerate` gives: a context manager. ``active`` says whether the SDK runs on native code."""

    def __init__(self, active: bool) -> None:
        self.active = active

    def undo(self) -> None:
        """Gives the SDK its own functions back, and wipes the keys that were kept."""
        if self.active:
            self.active = False
            restore()

    def __enter__(self) -> Acceleration:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()


def accelerate() -> Acceleration:
    """Makes the installed ``passwork-python`` run on native code. Calling it again changes nothing.

    Private keys are parsed once and vault keys unwrapped once; they are kept in memory until :func:`restore`, or the
    ``with`` block, ends it. A version that is not known is left alone, with a :class:`RuntimeWarning`.

    Raises:
        ModuleNotFoundError: the SDK is not installed.
    """
    package = importlib.import_module(_PACKAGE)
    version = getattr(package, "__version__", "of no known number")
    if version not in KNOWN_VERSIONS:
        warnings.warn(
            f"keyferry knows passwork-python {', '.join(KNOWN_VERSIONS)}, and this is {version}: it is left as it is",
            RuntimeWarning,
            stacklevel=2,
        )
        return Acceleration(False)
    with _lock:
        if not _replaced:
            for replaced in _replacements(package):
                module, name, native = replaced
                _replaced.append((module, name, getattr(module, name)))
                setattr(module, name, native)
    return Acceleration(True)


def restore() -> None:
    """Gives the SDK its own functions back, and wipes the keys that were kept."""
    with _lock:
        while _replaced:
            module, name, own = _replaced.pop()
            setattr(module, name, own)
    crypto.forget_keys()


def _replacements(package: types.ModuleType) -> list[tuple[types.ModuleType, str, Callable[..., Any]]]:
    """Each place in the SDK where one of its functions is known by name."""
    for module in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."):
        importlib.import_module(module.name)
    native: dict[Any, Callable[..., Any]] = {}
    for where, names in (("crypto", _IN_CRYPTO), ("utils", _IN_UTILS)):
        home = sys.modules[f"{_PACKAGE}.{where}"]
        native.update({getattr(home, name): getattr(crypto, name) for name in names})
    found = []
    for module_name, loaded in list(sys.modules.items()):
        if module_name == _PACKAGE or module_name.startswith(f"{_PACKAGE}."):
            for name, value in list(vars(loaded).items()):
                if isinstance(value, types.FunctionType) and value in native:
                    found.append((loaded, name, native[value]))
    return found
