"""keyferry: native speed for Passwork's Python SDK, and bulk migration of secrets.

>>> import keyferry
>>> env = keyferry.connect("embedded:./demo", master_password="...")     # doctest: +SKIP
>>> for record in env.records("Infra/databases"):                          # doctest: +SKIP
...     print(record.name, record.password)

``keyferry.crypto`` has Passwork's cryptography, one value or a million at a time; ``keyferry.passwork.accelerate()`` makes
the official SDK run on it; :func:`connect`, :func:`plan`, :func:`import_file`, :func:`export_file`, :func:`migrate`,
:func:`sync`, :func:`verify` and :func:`undo` move records and prove it, :func:`audit` looks at their health; ``keyferry.aio`` has the same for asyncio.
"""

from __future__ import annotations

from . import crypto, errors, passwork
from ._native import Attachment, Custom, KeyferryError, Record, Stop, disable_core_dumps
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
    resume,
    sync,
    undo,
    verify,
)

__all__ = [
    "Attachment",
    "Custom",
    "Difference",
    "Environment",
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
    "resume",
    "sync",
    "undo",
    "verify",
]
__version__ = "0.1.0"
