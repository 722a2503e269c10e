"""Environments and jobs from Python."""

import asyncio
import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

import keyferry
from conftest import BINARY
from keyferry import aio, errors


def test_a_file_comes_in_goes_across_and_is_the_same(embedded, people, tmp_path):
    a, b = embedded("a"), embedded("b")
    report = keyferry.import_file(people, a)
    assert (report.read, report.created, report.verified, report.complete) == (60, 60, 60, True)
    again = keyferry.import_file(people, a, on_conflict="skip")
    assert (again.created, again.unchanged) == (0, 60)
    assert keyferry.migrate(a, b, rewrap=True).verified == 60
    assert keyferry.verify(a, b).complete
    keyferry.export_file(b, tmp_path / "out.jsonl", allow_plaintext=True)
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert keyferry.verify(people, tmp_path / "out.jsonl").verified == 60
    with pytest.raises(errors.UsageError, match="allow|clear"):
        keyferry.export_file(b, tmp_path / "plain.csv")


def test_an_archive_needs_no_permission_and_opens_with_the_passphrase(embedded, people, tmp_path):
    a, b = embedded("a"), embedded("b")
    keyferry.import_file(people, a)
    keyferry.export_file(a, tmp_path / "a.kfa", archive_passphrase="a phrase")
    with pytest.raises(errors.LockedError):
        keyferry.import_file(tmp_path / "a.kfa", b)
    assert keyferry.import_file(tmp_path / "a.kfa", b, archive_passphrase="a phrase").created == 60


def test_records_stream_and_filters_choose(embedded, people):
    env = keyferry.connect(embedded("a"))
    keyferry.import_file(people, env / "Top/Sub")
    assert env.encrypts and [vault.name for vault in env.vaults()] == ["Top"]
    names = sorted(record.name for record in env.records())
    assert names == sorted(f"name {n}" for n in range(60))
    some = list(env.records("Top/Sub/Infra/Team 1"))
    assert len(some) == 20 and some[0].vault == "Top" and some[0].path == ["Sub", "Infra", "Team 1"]
    assert [record.name for record in env.records(query="NAME 7")] == ["name 7"]
    one = next(env.records(query="name 7"))
    assert one.password == "hidden-word-7" and [(c.name, c.value) for c in one.customs] == [("pin", "7")]
    assert one.as_dict()["password"] == "hidden-word-7" and one.id
    stream = env.records()
    next(stream)
    del stream  # what was on its way is dropped


def test_nothing_shows_a_secret_unasked(embedded, people):
    env = keyferry.connect(embedded("a"), master_password="planted master password")
    keyferry.import_file(people, env)
    record = next(env.records())
    for shown in (repr(record), str(record), repr(record.customs), repr(env), repr(env.vaults()), f"{[record]}"):
        assert "hidden-word" not in shown and "planted" not in shown
    for thing in (record, record.customs[0], env):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                take(thing)
    with pytest.raises(errors.LockedError) as caught:
        keyferry.connect("embedded:a", master_password="hidden-wrong")
    assert "hidden-wrong" not in str(caught.value) and caught.value.next_step


def test_what_stands_in_the_way_is_told(embedded, people, monkeypatch):
    monkeypatch.delenv("KEYFERRY_MASTER_PASSWORD")
    os.environ["KEYFERRY_MASTER_PASSWORD"] = "planted master password"
    location = embedded("a")
    monkeypatch.delenv("KEYFERRY_MASTER_PASSWORD")
    locked = keyferry.connect(location)
    assert locked.vaults() == []
    with pytest.raises(errors.LockedError, match="master_password"):
        keyferry.import_file(people, locked)
    with pytest.raises(errors.NotFoundError):
        keyferry.connect("embedded:nowhere")
    with pytest.raises(errors.FileError):
        keyferry.verify("nowhere.csv", "people.csv")
    with pytest.raises(errors.AuthenticationError):
        keyferry.connect("http://127.0.0.1:1")
    with pytest.raises(errors.UnreachableError):
        keyferry.connect("http://127.0.0.1:1", token="t", timeout=2)
    with pytest.raises(errors.UsageError):
        keyferry.connect("ftp://x", token="t")
    with pytest.raises(errors.UsageError):
        keyferry.migrate("people.csv", "out.csv")
    with pytest.raises(errors.UsageError):
        keyferry.migrate("people.csv", location, on_conflict="whatever")


@pytest.mark.parametrize(
    "content",
    [
        b"Router,admin,planted-1,planted-2\nSwitch,x,y,z\n",
        b"name;planted-1;planted-2\na;b;c\n",
        b"PK\x03\x04planted-1",
        b'{"items":[{"login":{"password":"planted-1"}}]}',
        b'[{"planted": "planted-1"}]',
        b'name,password\na,"planted-1\n',
        b"name,password\na,planted-1,planted-2\n\xe9,planted-1\n",
    ],
)
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_no_error_and_no_report_shows_a_value_of_the_file(embedded, tmp_path, content, ending):
    file = tmp_path / f"a.{ending}"
    file.write_bytes(content)
    try:
        said = repr(keyferry.import_file(file, embedded("a")).__dict__)
    except errors.KeyferryError as error:
        said = f"{error!r} {error} {error.__dict__} {error.__cause__} {error.__context__}"
    assert "planted" not in said


def test_differences_are_named_and_conflicts_stop_everything(embedded, people, tmp_path):
    a = embedded("a")
    keyferry.import_file(people, a)
    other = tmp_path / "other.csv"
    other.write_text(people.read_text().replace("hidden-word-3,", "hidden-else,"))
    report = keyferry.verify(other, a)
    assert [(one.record, one.what) for one in report.different] == [("Infra / Team 0 / name 3", ["password"])]
    with pytest.raises(errors.ConflictError):
        keyferry.import_file(other, a)
    assert keyferry.import_file(other, a, on_conflict="update").updated == 1


def test_progress_is_told_and_its_exceptions_stop_the_job(embedded, people):
    a = embedded("a")
    told = []
    keyferry.import_file(people, a, progress=lambda step, done, total: told.append((step, done, total)))
    assert {step for step, _, _ in told} >= {"writing", "verifying"}

    def fails(step, done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        keyferry.import_file(people, embedded("b"), progress=fails)


def test_a_bar_follows_the_steps(embedded, people):
    import io

    from keyferry.progress import Bar

    drawn = io.StringIO()
    with Bar(file=drawn, mininterval=0) as bar:
        keyferry.import_file(people, embedded("a"), progress=bar)
    assert "writing" in drawn.getvalue() and "verifying" in drawn.getvalue()
    with Bar(file=drawn, mininterval=0) as bar:
        bar("writing", 3, 10)
        bar("writing", 7, 10)
        assert (bar._bar.n, bar._bar.total) == (7, 10)
        bar("verifying", 2, 7)
        assert (bar._bar.n, bar._bar.total) == (2, 7)


def many(path, count: int = 60_000):
    """A file that takes its time."""
    rows = "\n".join(f"V,name {n},hidden-{n}" for n in range(count))
    path.write_text("vault,name,password\n" + rows)
    return path


def test_a_job_that_was_stopped_is_gone_on_with(embedded, tmp_path):
    a, large = embedded("a"), many(tmp_path / "large.csv")
    stop = keyferry.Stop()

    def after_a_while(step, done, total):
        if done > 0:
            stop.set()

    with pytest.raises(errors.InterruptedJobError) as caught:
        keyferry.import_file(large, a, progress=after_a_while, stop=stop)
    assert "resume=1" in str(caught.value) and stop.is_set()
    report = keyferry.resume(1, large, a)
    assert 0 < report.unchanged < 60_000 and report.created + report.unchanged == report.verified == 60_000


def test_control_c_stops_a_job_cleanly(embedded, tmp_path):
    location = embedded("a")
    many(tmp_path / "large.csv")
    script = textwrap.dedent(
        f"""
        import keyferry
        def show(step, done, total):
            print(step, flush=True)
        try:
            keyferry.import_file("large.csv", {location!r}, progress=show)
        except KeyboardInterrupt:
            print("stopped", flush=True)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    while child.stdout.readline().strip() != "writing":
        pass
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=120)[0].splitlines()[-1] == "stopped"
    assert keyferry.resume(1, "large.csv", location).verified == 60_000


def test_the_same_over_http_from_many_threads(served, people):
    server = served()
    env = keyferry.connect(
        server["url"],
        token=server["access_token"],
        refresh_token=server["refresh_token"],
        master_key=server["master_key"],
    )
    keyferry.import_file(people, env)
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(sum(1 for _ in env.records()))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert counts == [60] * 8 and env.tokens()[0]


def test_asyncio_has_the_same(embedded, people):
    async def everything() -> int:
        a, b = await aio.connect(embedded("a")), await aio.connect(embedded("b"))
        await aio.import_file(people, a)
        report, _ = await asyncio.gather(aio.migrate(a, b), asyncio.sleep(0))
        assert report.verified == 60
        return len([record async for record in aio.records(b)])

    assert asyncio.run(everything()) == 60


def test_a_task_that_is_cancelled_stops_its_job(embedded, tmp_path):
    a, large = embedded("a"), many(tmp_path / "large.csv")

    async def cancelled() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def show(step, done, total):
            if step == "writing" and done:
                loop.call_soon_threadsafe(begun.set)

        task = asyncio.create_task(aio.import_file(large, a, progress=show))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert jobs_of_the_command_line()[0]["state"] == "interrupted"

    asyncio.run(cancelled())
    assert keyferry.resume(1, large, a).verified == 60_000


def jobs_of_the_command_line() -> list[dict]:
    return json.loads(subprocess.run([BINARY, "--json", "jobs"], check=True, capture_output=True).stdout)


def test_the_command_line_knows_these_jobs(embedded, people, monkeypatch):
    monkeypatch.delenv("KEYFERRY_JOURNAL")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    a = keyferry.connect(embedded("a"))
    keyferry.import_file(people, a / "Top", query="name 1")
    assert [(job["state"], job["created"]) for job in jobs_of_the_command_line()] == [("done", 11)]
    undone = subprocess.run([BINARY, "undo", "1"], check=True, capture_output=True, text=True)
    assert undone.stdout.startswith("11 moved to the bin")
    assert list(a.records()) == []


def test_a_place_in_a_folder_is_one_word_as_on_the_command_line(embedded, people):
    a = embedded("a")
    assert keyferry.import_file(people, f"{a}//Top/Team").verified == 60
    assert {record.vault for record in keyferry.connect(a).records()} == {"Top"}
    assert keyferry.verify(people, f"{a}//Top/Team").verified == 60
    assert subprocess.run([BINARY, "undo", "1"], check=True, capture_output=True)
    assert list(keyferry.connect(a).records()) == []


def test_jobs_are_of_the_kind_that_the_command_line_calls_them(embedded, people, tmp_path):
    a, b, c = (embedded(name) for name in "abc")
    keyferry.import_file(people, a, report=tmp_path / "r.html")
    keyferry.migrate(a, b)
    keyferry.sync(a, c)
    keyferry.migrate(people, keyferry.connect(b) / "Top")
    kinds = [job["kind"] for job in reversed(jobs_of_the_command_line())]
    assert kinds == ["import", "migrate", "sync", "import"]
    assert "keyferry import" in (tmp_path / "r.html").read_text()
    listed = subprocess.run([BINARY, "jobs"], check=True, capture_output=True, text=True).stdout
    assert listed.count("(by a program)") == 4 and "keyferry program" not in listed
    subprocess.run([BINARY, "undo", "3"], check=True, capture_output=True)
    assert list(keyferry.connect(c).records()) == []


def test_the_command_line_leaves_resuming_to_the_program(embedded, tmp_path):
    """A place in an environment, filters and options are no words: a command would move something else."""
    a, stop, large = keyferry.connect(embedded("a")), keyferry.Stop(), many(tmp_path / "large.csv")

    def after_a_while(step, done, total):
        if step == "writing" and done > 1_000:
            stop.set()

    with pytest.raises(errors.InterruptedJobError):
        keyferry.import_file(large, a / "Top", progress=after_a_while, stop=stop)
    refused = subprocess.run([BINARY, "resume", "1"], capture_output=True, text=True)
    assert refused.returncode == 2 and "keyferry.resume" in refused.stderr
    assert keyferry.resume(1, large, a / "Top").verified == 60_000


def test_what_would_happen_is_known_before_and_taken_back_afterwards(embedded, people, tmp_path):
    a = embedded("a")
    plan = keyferry.plan(people, a, exclude=["*/Team 1"])
    assert (plan.read, plan.create, len(plan.digest)) == (40, 40, 64)
    assert {vault["vault"] for vault in plan.vaults} == {"Infra"} and plan.vaults[0]["new"]
    assert keyferry.connect(a).vaults() == []
    report = keyferry.import_file(people, a, exclude=["*/Team 1"], report=tmp_path / "r.html")
    assert report.created == 40 and "Checked by" in (tmp_path / "r.html").read_text()
    assert keyferry.verify(people, a, exclude=["*/Team 1"]).digest == report.digest
    with pytest.raises(errors.UsageError, match="html"):
        keyferry.import_file(people, a, report="r.pdf")
    assert keyferry.undo(report.job, a).removed == 40
    with pytest.raises(errors.UsageError):
        keyferry.undo(report.job, people)


def test_a_sync_brings_what_changed_and_tells_what_was_edited(embedded, tmp_path):
    a, source = embedded("a"), tmp_path / "s.csv"
    source.write_text("vault,name,password\nV,one,1\nV,two,2\nV,three,3\n")
    assert keyferry.sync(source, a).created == 3
    source.write_text("vault,name,password\nV,one,1\nV,two,changed\n")
    again = keyferry.sync(source, a, delete=True, max_delete="50%")
    assert (again.updated, again.removed, again.unchanged) == (1, 1, 1)
    assert keyferry.sync(source, a, structure=None).unchanged == 2
    findings = keyferry.audit(a, vaults=["V"])["findings"]
    assert findings and not any("changed" in str(finding) for finding in findings)


def test_errors_are_the_built_in_ones_too_and_speak_of_parameters(embedded, tmp_path):
    a = embedded("a")
    with pytest.raises(FileNotFoundError) as caught:
        keyferry.import_file(tmp_path / "absent.csv", a)
    assert isinstance(caught.value, errors.FileError) and caught.value.kind == "io"
    (tmp_path / "one.csv").write_text("vault,name,password\nV,one,1\n")
    (tmp_path / "other.csv").write_text("vault,name,password\nV,one,2\n")
    keyferry.import_file(tmp_path / "one.csv", a)
    with pytest.raises(errors.ConflictError) as caught:
        keyferry.import_file(tmp_path / "other.csv", a)
    assert "--" not in str(caught.value) and 'on_conflict="skip"' in str(caught.value)
    as_parameters = keyferry._native.flags_as_parameters
    assert as_parameters("--allow-empty if that is so") == "allow_empty=True if that is so"
    assert as_parameters("choose --on-conflict skip, update") == 'choose on_conflict="skip", update'
    assert as_parameters("a -- b --x") == "a -- b x=True"
    assert as_parameters("--map A=b: keyferry env init --user a") == "map A=b: keyferry env init --user a"


def test_what_is_remembered_elsewhere_holds_where_one_only_reads(embedded, people, monkeypatch, tmp_path):
    a = embedded("a")
    keyferry.import_file(people, a)
    pins = subprocess.run([BINARY, "env", "pins", "export", a], check=True, capture_output=True, text=True).stdout
    assert "vault:" in pins
    swapped = "\n".join("0" * 64 + line[64:] if " vault:" in line else line for line in pins.splitlines())
    monkeypatch.delenv("KEYFERRY_JOURNAL")
    assert next(keyferry.connect(a).records())
    monkeypatch.setenv("KEYFERRY_PINS", swapped)
    with pytest.raises(errors.PermissionDeniedError, match="not the one that was seen before"):
        next(keyferry.connect(a).records())
    monkeypatch.setenv("KEYFERRY_PINS", pins)
    monkeypatch.setenv("KEYFERRY_REQUIRE_PINS", "1")
    assert next(keyferry.connect(a).records())
    monkeypatch.delenv("KEYFERRY_PINS")
    with pytest.raises(errors.PermissionDeniedError, match="pins are required"):
        next(keyferry.connect(a).records())


def test_an_option_that_nobody_knows_is_an_error_everywhere(embedded, people):
    a = embedded("a")
    for call in (keyferry.import_file, keyferry.plan, keyferry.sync, keyferry.verify):
        with pytest.raises(TypeError, match="exclud"):
            call(people, a, exclud=["Infra"])
    with pytest.raises(TypeError, match="exclud"):
        keyferry.audit(a, exclud=["Infra"])


def test_nothing_crosses_a_network_in_the_clear(monkeypatch):
    monkeypatch.delenv("KEYFERRY_INSECURE_HTTP", raising=False)
    with pytest.raises(errors.KeyferryError, match="in the clear") as caught:
        keyferry.connect("http://passwork.example", token="planted", master_key="planted")
    assert caught.value.kind == "not-allowed" and "planted" not in str(caught.value)


@pytest.mark.parametrize("parameter", ["vaults", "tags", "exclude"])
def test_a_text_where_names_are_meant_is_no_list_of_letters(embedded, people, parameter):
    a = embedded("a")
    for call in [keyferry.plan, keyferry.verify, keyferry.migrate]:
        with pytest.raises(TypeError, match=rf"{parameter} takes a list of names: {parameter}=\['\*'\]"):
            call(people, a, **{parameter: "*"})
    if parameter != "exclude":
        with pytest.raises(TypeError, match="takes a list of names"):
            list(keyferry.connect(a).records(**{parameter: "V"}))
