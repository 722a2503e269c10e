"""The official Passwork SDK on native code.

    import keyferry
    keyferry.passwork.accelerate()
    # from here on passwork_client runs as before, at another speed

Nothing else changes: the same classes, the same results. Where this process brings pins of the environment
(``KEYFERRY_PINS``, or the journal that ``KEYFERRY_JOURNAL`` names), a key that is not the one of before is an error, as is
a secret that would go in the clear to a vault that encrypts. It also cures two faults of the SDK: threads that share its one
base32 codec no longer corrupt each other's values, and a value that is no text no longer spoils those decoded after it.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
import threading
import types
import warnings
from typing import Any, Callable

from . import _native, crypto
from .errors import PermissionDeniedError

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
_SECRETS = ("passwordEncrypted", "customs", "attachments")
_lock = threading.Lock()
_pins: dict[str, _native.Pins | None] = {}
_replaced: list[tuple[Any, str, Any]] = []


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
        _pins.clear()
    crypto.forget_keys()


def _replacements(package: types.ModuleType) -> list[tuple[Any, str, Callable[..., Any]]]:
    """Each place in the SDK where one of its functions is known by name, and the one way to its server."""
    for module in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."):
        importlib.import_module(module.name)
    native: dict[Any, Callable[..., Any]] = {}
    for where, names in (("crypto", _IN_CRYPTO), ("utils", _IN_UTILS)):
        home = sys.modules[f"{_PACKAGE}.{where}"]
        native.update({getattr(home, name): getattr(crypto, name) for name in names})
    found: list[tuple[Any, str, Callable[..., Any]]] = []
    for module_name, loaded in list(sys.modules.items()):
        if module_name == _PACKAGE or module_name.startswith(f"{_PACKAGE}."):
            for name, value in list(vars(loaded).items()):
                if isinstance(value, types.FunctionType) and value in native:
                    found.append((loaded, name, native[value]))
    asked = sys.modules[f"{_PACKAGE}.modules.api_client"].ApiClient
    found.append((asked, "call", _comparing(asked.call)))
    return found


def _comparing(call: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK's way to its server, with a look at the keys that go there and come back."""

    @functools.wraps(call)
    def compared(self: Any, method: str, endpoint: str, payload: Any = None, *more: Any, **others: Any) -> Any:
        pins = _pins_of(self.host)
        if pins is not None and isinstance(payload, dict):
            _leaves(self, pins, endpoint, payload)
        answer = call(self, method, endpoint, payload, *more, **others)
        if pins is not None and self.is_encrypt:
            _comes(pins, answer, self.user_private_key)
        return answer

    return compared


def _pins_of(host: str) -> _native.Pins | None:
    with _lock:
        if host not in _pins:
            _pins[host] = _native.Pins.of(host)
        return _pins[host]


def _leaves(client: Any, pins: _native.Pins, endpoint: str, payload: dict[str, Any]) -> None:
    """No secret goes in the clear to a vault that encrypts, and no vault key is wrapped for another in its user's place."""
    vault = payload.get("vaultId")
    if not client.is_encrypt and vault and any(payload.get(name) for name in _SECRETS) and pins.knows(vault):
        raise PermissionDeniedError(
            f"vault {vault} encrypts, and no master key was set: its server could read what is written"
        )
    if endpoint == "/api/v1/vaults" and payload.get("masterKeyEncrypted"):
        # It was wrapped for the key that the server showed; opening it is what tells whose that is.
        crypto.rsa_decrypt(payload["masterKeyEncrypted"], client.user_private_key)


def _comes(pins: _native.Pins, answer: Any, private_key: str) -> None:
    if isinstance(answer, list):
        for one in answer:
            _comes(pins, one, private_key)
    elif isinstance(answer, dict):
        if "vaultMasterKeyEncrypted" in answer and answer.get("vaultId") and answer.get("id"):
            named = {name: answer.get(name) for name in ("keyEncrypted", "passwordEncrypted", "customs")}
            pins.item({**answer, **named}, private_key)
        elif "masterKeyEncrypted" in answer and answer.get("id"):
            pins.vault(answer["id"], answer["masterKeyEncrypted"], private_key)
        for one in answer.values():
            if isinstance(one, (dict, list)):
                _comes(pins, one, private_key)
