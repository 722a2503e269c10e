"""A PostgreSQL server of a test's or a bench's own, for `keyferry serve --store`."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "keeper", "planted-keeper-password"


def programs() -> Path | None:
    """Those of the newest one that is installed."""
    found = [folder / "bin" for folder in Path("/usr/lib/postgresql").glob("*") if (folder / "bin" / "initdb").exists()]
    return max(found, default=None)


def as_user(*command: object) -> list[str]:
    """PostgreSQL refuses to be root."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return [*drop, *map(str, command)]


@contextmanager
def database(is_durable: bool = False):
    """The address of an empty database; whether a commit is on the disk before it is answered."""
    folder = Path(tempfile.mkdtemp())
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        shutil.chown(secret, "postgres")
    make = ["-N", "-A", "scram-sha-256", "-U", USER, "-E", "UTF8", "--locale=C", f"--pwfile={secret}", "-D", data]
    subprocess.run(as_user(programs() / "initdb", *make), cwd="/", check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"fsync={'on' if is_durable else 'off'}"]
    flags = [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(as_user(programs() / "postgres", "-D", data, "-p", port, *flags), cwd="/", stderr=log)
    try:
        ready = ["psql", "-w", "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", "postgres", "-c", "SELECT 1"]
        for _ in range(600):
            if subprocess.run(ready, env={**os.environ, "PGPASSWORD": PASSWORD}, check=False, capture_output=True).returncode == 0:
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"postgres://{USER}@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(2)
        process.wait()
        shutil.rmtree(folder)
