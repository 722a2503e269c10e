"""keyferry: native speed for Passwork's Python SDK, and bulk migration of secrets.

>>> import keyferry
>>> env = keyferry.connect("embedded:./demo", master_password="...")     # doctest: +SKIP
>>> for record in env.records("Infra/databases"):                          # doctest: +SKIP
...     print(record.name, record.password)

``keyferry.crypto`` has Passwork's cryptography, one value or a million at a time; ``keyferry.passwork.accelerate()`` makes
the official SDK run on it; :func:`connect`, :func:`plan`, :func:`import_file`, :func:`export_file`, :func:`migrate`,
:func:`sync`, :func:`verify` and :func:`undo` move records and prove it, :func:`audit` looks at their health; ``keyferry.aio`` has the
same for asyncio; ``keyferry.spark``, ``keyferry.ray`` and ``keyferry.dask`` do the bulk of it where data engines have their tables.
"""

from __future__ import annotations

from importlib import import_module

from ._native import Attachment, Custom, KeyferryError, Record, Stop, disable_core_dumps

# As `typing` has it, which takes longer to load than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import crypto, errors, passwork
    from .environments import Environment, Vault, connect
    from .jobs import (
        Difference,
        Plan,
        Progress,
        Rejected,
        Report,
        Undone,
        audit,
        export_file,
        import_file,
        migrate,
        plan,
        read,
        resume,
        sync,
        undo,
        verify,
    )
    from .keys import KeyRef

__all__ = [
    "Attachment",
    "Custom",
    "Difference",
    "Environment",
    "KeyRef",
    "KeyferryError",
    "Plan",
    "Progress",
    "Record",
    "Rejected",
    "Report",
    "Stop",
    "Undone",
    "Vault",
    "audit",
    "connect",
    "crypto",
    "disable_core_dumps",
    "errors",
    "export_file",
    "import_file",
    "migrate",
    "passwork",
    "plan",
    "read",
    "resume",
    "sync",
    "undo",
    "verify",
]
__version__ = "0.1.0"

# What of the package is loaded when it is first asked for: a program that needs one part of it does not wait for the others.
_PARTS = {
    "": ("crypto", "errors", "passwork"),
    "environments": ("Environment", "Vault", "connect"),
    "jobs": (
        "Difference",
        "Plan",
        "Progress",
        "Rejected",
        "Report",
        "Undone",
        "audit",
        "export_file",
        "import_file",
        "migrate",
        "plan",
        "read",
        "resume",
        "sync",
        "undo",
        "verify",
    ),
    "keys": ("KeyRef",),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}


def __getattr__(name: str) -> object:
    part = _PART_OF.get(name)
    if part is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{part}", __name__), name) if part else import_module(f".{name}", __name__)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
