"""What is written twice says the same: kinds of error and their classes, stubs and the native module."""

import subprocess
import sys
import threading
import time

import keyferry
from keyferry import _native, crypto, errors


def test_every_kind_of_error_has_its_class():
    assert set(errors.BY_KIND) == set(_native.error_kinds())
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, keyferry.KeyferryError)]
    assert set(classes) - {keyferry.KeyferryError} == set(errors.BY_KIND.values())


def test_the_stubs_are_those_of_the_native_module(tmp_path):
    # `Table` and `Schema` are the classes of another library: only their one method matters here.
    allow = tmp_path / "allow.txt"
    allow.write_text("keyferry\\._native\\.Schema\nkeyferry\\._native\\.Table\nkeyferry\\._native\\.__all__\nkeyferry\\._native\\..*__(new|init)__\n")
    words = [sys.executable, "-m", "mypy.stubtest", "keyferry._native", "--allowlist", str(allow), "--ignore-unused-allowlist"]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_an_import_loads_what_is_asked_for_and_every_name_is_there():
    script = """
import sys, keyferry
before = set(sys.modules)
assert not {"keyferry.jobs", "keyferry.crypto", "keyferry.environments"} & before, before
assert {name for name in keyferry.__all__ if getattr(keyferry, name) is None} == set()
assert set(keyferry.__all__) <= set(dir(keyferry))
assert keyferry.jobs.plan is keyferry.plan
try:
    keyferry.nothing
except AttributeError as error:
    assert "'keyferry' has no attribute 'nothing'" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_another_thread_runs_while_keyferry_computes():
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.perf_counter()
    crypto.decrypt_aes(crypto.encrypt_aes(b"x" * 30_000_000, "key", True), "key", True)
    ended = time.perf_counter()
    done.set()
    thread.join()
    assert len([at for at in ticks if began < at < ended]) > 5
