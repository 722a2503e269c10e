"""``python -m keyferry``: the command line that comes with the package."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path


def _command() -> Path | None:
    """Where the wheel put it; a package that was built from source alone has none."""
    for file in metadata.files("keyferry") or []:
        if file.name in ("keyferry", "keyferry.exe"):
            return Path(str(file.locate())).resolve()
    return None


def _main() -> int:
    command = _command()
    if command is None or not command.is_file():
        print("keyferry: error: this package was built without the command line", file=sys.stderr)
        print("  next: install the wheel, or make install-cli from a checkout", file=sys.stderr)
        return 1
    words = [str(command), *sys.argv[1:]]
    if os.name == "posix":
        # In this process's place, so that signals and exit codes are the command's own.
        os.execv(command, words)
    return subprocess.call(words)


if __name__ == "__main__":
    sys.exit(_main())
