#!/usr/bin/env python3
"""Types README as a newcomer does, and says where it shows something else.

From a fresh clone of what is committed, in an empty home, with nothing on the path but Rust, Python, a C compiler and what every
Unix has: `make install-cli` first, which builds the release binary. At the end a migration that is verified. What was typed and
shown goes to standard output, or to the file that is named: `make test-readme`, or `tests/readme.py transcript.txt`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What a bare system brings, and a C compiler with its linker.
SYSTEM = """
    sh bash awk sed grep egrep cat cp mv rm ln ls mkdir rmdir mktemp chmod install date env expr dirname basename head tail tr
    sort uniq wc cut tee test true false sleep touch uname printf echo find xargs cmp diff od tar gzip id pwd seq kill readlink
    make cc gcc c++ g++ ar as ld ranlib nm strip objcopy
""".split()
RUST = ["cargo", "rustc", "rustdoc"]

# A newcomer's own migration, after what README shows.
AT_THE_END = [
    "keyferry env init embedded:./c --user admin",
    "keyferry migrate embedded:./a embedded:./c --report migration.html",
    "keyferry verify --exact embedded:./a embedded:./c",
]

MARK = "\x01line "


def steps(page: str) -> list[tuple[str, str]]:
    """Lines that are typed, each with what the page shows then."""
    blocks = [block.split("```")[0] for block in page.split("```console\n$ ")[1:]]
    lines = [step.partition("\n") for block in blocks for step in block.split("\n$ ")]
    return [(line, shown.rstrip()) for line, _, shown in lines]


def steady(text: str) -> str:
    """The text without what is another each time: durations, speeds, dates, ids, ports."""
    text = re.sub(r"[\d.,]+( s\b|( records)?/s)", r"…\1", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\dZ", "…", text)
    return re.sub(r"127\.0\.0\.1:\d+", "…", text)


def bare_path(folder: Path) -> str:
    """A folder with Rust, Python, a C compiler and the system's own tools."""
    folder.mkdir()
    for name in [*SYSTEM, *RUST]:
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    (folder / "python3").symlink_to(sys.executable)
    return str(folder)


def free_port() -> int:
    """README's own, or another where somebody listens there."""
    for port in (8300, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as server:
                number: int = server.getsockname()[1]
                return number
        except OSError:
            continue
    raise SystemExit("there is no free port on 127.0.0.1")


def script(typed: list[str], port: int) -> str:
    """A shell's input: each line between marks, with its exit code where that is not 0."""
    parts = ["exec 2>&1", "trap 'kill $(jobs -p) 2>/dev/null' EXIT"]
    for number, line in enumerate(typed):
        parts += [f"printf '{MARK}%s\\n' {number}", line.replace(":8300", f":{port}")]
        if not line.endswith("&"):
            parts.append('code=$?; [ $code = 0 ] || echo "[exit $code]"')
    return "\n".join(parts) + "\n"


def main() -> int:
    readme = steps((ROOT / "README.md").read_text())
    typed = [line for line, _ in readme] + AT_THE_END
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        clone = home / "keyferry"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, clone], check=True)
        for line, shown in readme:
            if line.startswith("cat "):
                (clone / line.removeprefix("cat ")).write_text(shown + "\n")
        variables = {
            "HOME": str(home),
            "PATH": bare_path(Path(folder) / "bin"),
            "LANG": "C.UTF-8",
            "KEYFERRY_KEYRING": "off",
            # Where Rust keeps itself and what it fetched.
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
        }
        done = subprocess.run(
            ["bash", "-c", script(typed, free_port())], cwd=clone, env=variables, stdout=subprocess.PIPE, text=True
        )
        answers = [part.partition("\n")[2].rstrip() for part in done.stdout.split(MARK)[1:]]
    shown_by_page = [shown for _, shown in readme] + [None] * len(AT_THE_END)
    transcript, wrong = [], []
    for line, expected, answer in zip(typed, shown_by_page, answers, strict=True):
        if line.startswith("make "):
            # What the build says is its own; that it failed is not.
            answer = "\n".join(answer.splitlines()[-2:])
            expected = None if "[exit" not in answer else ""
        transcript.append(f"$ {line}\n{answer}".rstrip())
        if expected is not None and steady(answer) != steady(expected):
            wrong.append(f"$ {line}\n--- README\n{expected}\n--- here\n{answer}")
    if "[exit" in "".join(answers[-len(AT_THE_END) :]) or "4 verified equal" not in answers[-1]:
        wrong.append(f"the migration at the end was not verified:\n{answers[-1]}")
    text = "\n".join(transcript) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    else:
        sys.stdout.write(text)
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
