"""What the engines' tests share."""

import tempfile
from pathlib import Path

import pytest
from planted import KEY, OTHER

from keyferry import keys


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    monkeypatch.setenv("PLANTED_OTHER", OTHER)
    yield
    keys.forget_rings()


@pytest.fixture(scope="session")
def scratch():
    """A folder with a short name, where engines put their sockets, logs and spills."""
    with tempfile.TemporaryDirectory(prefix="kf", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
