"""Planted secrets, and a search for them in what an engine leaves on disks."""

import os
from pathlib import Path

from keyferry import KeyRef, crypto

#: In every planted value, and nowhere else.
MARKER = "planted-marker"
# A worker that imports this has those of the first process: new ones would open nothing that another worker sealed.
KEY = os.environ.get("PLANTED_KEY") or crypto.generate_key()
OTHER = os.environ.get("PLANTED_OTHER") or crypto.generate_key()
# Before any engine starts: its processes have what the first one has. The last two are those of docs/engines.md.
HERE = str(Path(__file__).parent)
os.environ |= {"PLANTED_KEY": KEY, "PLANTED_OTHER": OTHER, "INFRA_KEY": KEY, "HR_KEY": OTHER}
# Their workers import this module.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))
REFS = {"Infra": KeyRef.env("PLANTED_KEY"), "HR": KeyRef.env("PLANTED_OTHER")}


def plain_rows(count: int = 300) -> list[dict]:
    return [
        {
            "id": n,
            "vault": ["Infra", "HR"][n % 2],
            "name": f"name {n}",
            "login": None if n % 11 == 0 else "root",
            "password": None if n % 7 == 0 else f"{MARKER}-{n} ü🙂",
            "tags": ["a", "b"] if n % 2 else [],
            "color": 3 if n % 2 else None,
            "favorite": n % 3 == 0,
            "customs": [{"name": "pin", "type": "password", "value": f"{MARKER}-pin-{n}"}] * (n % 3),
        }
        for n in range(1, count + 1)
    ]


def holders(folder: Path, *words: str) -> list[str]:
    """The files below a folder that hold one of these words."""
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            try:
                content = file.read_bytes()
            except OSError:
                continue
            if any(word.encode() in content for word in words):
                found.append(str(file))
    return found
