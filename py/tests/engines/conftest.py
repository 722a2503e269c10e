"""What the engines' tests share."""

import os
import secrets
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


@pytest.fixture(scope="session", autouse=True)
def token_of_ray(scratch):
    """What lets into a Ray cluster. Ray keeps it in the home, which is another in some tests, while what it knows of it outlives them."""
    file = scratch / "ray-token"
    file.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(file)
