"""The command line that the wheel brings along."""

import subprocess
import sys
import sysconfig
from pathlib import Path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_wheel_has_the_command_line(embedded):
    by_module = run(sys.executable, "-m", "keyferry", "--version")
    by_name = run(str(Path(sysconfig.get_path("scripts")) / "keyferry"), "--version")
    assert by_module.returncode == by_name.returncode == 0, by_module.stderr + by_name.stderr
    assert by_module.stdout == by_name.stdout and by_module.stdout.startswith("keyferry ")
    embedded("a")
    assert run(sys.executable, "-m", "keyferry", "ls", "embedded:a").returncode == 0
    wrong = run(sys.executable, "-m", "keyferry", "ls", "embedded:absent")
    assert wrong.returncode == 1 and "next:" in wrong.stderr
