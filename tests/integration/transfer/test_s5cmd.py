"""s5cmd as a process: what it cannot do on MinIO, what it may not see, and what becomes of rows when it misbehaves."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lakehouse_sdk.config import TransferSettings
from lakehouse_sdk.testing import Fault, FaultProxy
from lakehouse_sdk.transfer import CancelToken, PlannedObject, Status, TransferPlan, run_transfer
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.runners import Direction, Leg, S5cmdRunner
from lakehouse_sdk.transfer.runners.s5cmd import find_s5cmd, program, runner
from lakehouse_sdk.transfer.runners.s5cmd.process import S5cmdProcess
from lakehouse_sdk.uris import LocalAddress, S3Address


def test_the_program_is_the_binary_and_not_the_script_that_the_package_installs():
    path = find_s5cmd()
    assert path is not None
    assert Path(path).read_bytes()[:2] != b"#!"
    assert subprocess.run([path, "version"], capture_output=True, check=True).stdout.startswith(b"v2.")


class TestProgramOnPath:
    def test_the_binary_is_found_where_the_package_is_missing(self, tmp_path, monkeypatch):
        (tmp_path / "s5cmd").symlink_to(find_s5cmd())
        monkeypatch.setattr(program, "files", lambda _: None)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert program.find_s5cmd.__wrapped__() == str(tmp_path / "s5cmd")

    @pytest.mark.parametrize("text", ["#!/bin/sh\necho v2.0\n", ""])
    def test_a_script_is_not_taken(self, tmp_path, monkeypatch, text):
        def missing(name):
            raise program.PackageNotFoundError(name)

        (tmp_path / "s5cmd").write_text(text)
        (tmp_path / "s5cmd").chmod(0o755)
        monkeypatch.setattr(program, "files", missing)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert program.find_s5cmd.__wrapped__() is None

    def test_another_program_of_that_name_is_not_taken(self, tmp_path, monkeypatch):
        (tmp_path / "s5cmd").symlink_to("/bin/true")
        monkeypatch.setattr(program, "files", lambda _: [])
        monkeypatch.setenv("PATH", str(tmp_path))
        assert program.find_s5cmd.__wrapped__() is None


def test_secrets_are_in_no_argument_and_the_environment_is_a_small_one(s3, bucket, lake, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "token-of-somebody")
    process = S5cmdProcess(find_s5cmd(), s3.profile, workers=1, retries=1)
    try:
        while not (environment := Path(f"/proc/{process.pid}/environ").read_bytes().decode()):  # the program is being loaded
            time.sleep(0.01)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    finally:
        process.kill()
    access_key, secret_key = s3.profile.credentials()
    assert secret_key not in arguments
    assert access_key not in arguments
    assert secret_key in environment
    assert "token-of-somebody" not in environment
    assert "\0HOME=" not in f"\0{environment}"
    plan = TransferPlan.from_rows(S3Address(bucket), S3Address(bucket), [PlannedObject("x", "x", "y", 1)])
    report = run_transfer(plan, settings=lake)
    assert secret_key not in f"{report!r}{report.to_dict()}{report.outcomes}{report._repr_html_()}{lake!r}"


@pytest.fixture
def play(tmp_path, s3):
    """Run rows by a program that plays s5cmd: `body` reads lines from its input, and may `say` that one succeeded."""

    def run(body: str, rows: list[PlannedObject] | None = None) -> dict[Status, list[str]]:
        script = tmp_path / "s5cmd"
        script.write_text(
            f"#!{sys.executable}\nimport sys, json, shlex\n"
            "def say(line):\n    words = shlex.split(line)\n"
            "    print(json.dumps({'success': True, 'source': words[-2], 'destination': words[-1]}), flush=True)\n"
            f"{body}\n"
        )
        script.chmod(0o755)
        rows = rows or [PlannedObject(f"k{i}", f"k{i}", f"k{i}", 1) for i in range(100)]
        with RunContext(TransferSettings(max_concurrent=4)) as context:
            outcomes = list(S5cmdRunner(Leg(Direction.DOWNLOAD, s3.profile, "from"), context, program=str(script)).run(rows))
        assert sorted(o.row.target_key for o in outcomes) == sorted(row.target_key for row in rows)
        return {status: [o.reason for o in outcomes if o.status is status] for status in {o.status for o in outcomes}}

    return run


class TestWhenS5cmdMisbehaves:
    """Each row has one outcome, whatever the process does; what it did not answer goes to the next runner."""

    def test_it_answers_all(self, play):
        assert {status: len(reasons) for status, reasons in play("for line in sys.stdin: say(line)").items()} == {
            Status.DONE: 100
        }

    def test_it_ends_at_once(self, play):
        assert set(play("sys.exit(3)")) == {Status.REFUSED}

    def test_it_ends_in_the_middle(self, play):
        answered = play("for number, line in enumerate(sys.stdin):\n    if number == 30: sys.exit(1)\n    say(line)")
        assert {status: len(reasons) for status, reasons in answered.items()} == {Status.DONE: 30, Status.REFUSED: 70}

    def test_it_passes_over_a_line(self, play):
        answered = play("for number, line in enumerate(sys.stdin):\n    if number != 5: say(line)")
        assert len(answered[Status.REFUSED]) == 1

    def test_it_answers_what_nobody_asked(self, play):
        answered = play("for number, line in enumerate(sys.stdin):\n    say(line if number % 2 else 'cp s3://x s3://y')")
        assert "something else" in answered[Status.REFUSED][0]

    def test_it_talks_of_other_things(self, play):
        answered = play(
            "for line in sys.stdin:\n    print('WARN hello', flush=True)\n    print('{}', flush=True)\n    say(line)"
        )
        assert set(answered) == {Status.DONE}

    def test_it_reaches_no_server(self, play):
        body = (
            "for line in sys.stdin:\n    print(json.dumps({'command': line.strip(), "
            "'error': 'RequestError: send request failed caused by: x'}), file=sys.stderr, flush=True)"
        )
        assert set(play(body)) == {Status.REFUSED}

    def test_it_cannot_be_started(self, play, monkeypatch):
        def refuse(*_, **__):
            raise OSError("no such machine")

        monkeypatch.setattr(runner, "S5cmdProcess", refuse)
        answered = play("")
        assert set(answered) == {Status.REFUSED}
        assert "no such machine" in answered[Status.REFUSED][0]

    def test_there_is_none(self, play, monkeypatch, s3):
        monkeypatch.setattr(runner, "find_s5cmd", lambda: None)
        with RunContext(TransferSettings()) as context:
            (outcome,) = S5cmdRunner(Leg(Direction.DOWNLOAD, s3.profile, "from"), context).run(
                [PlannedObject("k", "k", "k", 1)]
            )
        assert (outcome.status, "install" in outcome.reason) == (Status.REFUSED, True)

    def test_two_rows_that_would_read_the_same_in_an_answer(self, play):
        rows = [PlannedObject("1", "p", "/d /e", 1), PlannedObject("2", "p /d", "/e", 1)]
        answered = play("for line in sys.stdin: say(line)", rows)
        assert len(answered[Status.DONE]) == 1
        assert "read the same" in answered[Status.REFUSED][0]

    def test_a_name_that_is_not_utf8(self, play):
        answered = play("for line in sys.stdin: say(line)", [PlannedObject("1", "p", "\udcff", 1)])
        assert "UTF-8" in answered[Status.REFUSED][0]

    def test_an_address_that_it_cannot_build(self, s3):
        virtual = s3.profile.model_copy(update={"addressing_style": "virtual"})
        with RunContext(TransferSettings()) as context:
            (outcome,) = S5cmdRunner(Leg(Direction.DOWNLOAD, virtual, "from"), context).run([PlannedObject("k", "k", "k", 1)])
        assert (outcome.status, "by path only" in outcome.reason) == (Status.REFUSED, True)


def test_after_a_run_no_process_is_left(s3, bucket, by_s5cmd, fill, tmp_path):
    fill(s3, bucket, ["a", "b"])
    rows = [PlannedObject(key, key, f"{tmp_path}/{key}", 12) for key in "ab"]
    report = run_transfer(TransferPlan.from_rows(S3Address(bucket), LocalAddress(tmp_path), rows), settings=by_s5cmd)
    report.raise_for_failures()
    assert report.s5cmd_processes == 1
    assert not [child for child in psutil.Process().children() if "s5cmd" in child.name()]


def test_a_full_pipe_does_not_stop_it(s3, bucket, by_s5cmd, tmp_path):
    """Long names on both sides: more than a pipe holds, in and out, at once."""
    keys = [f"{i:04}/" + "/".join(["'" * 240] * 4) for i in range(300)]
    (tmp_path / "x").write_bytes(b"x")
    rows = [PlannedObject(key, str(tmp_path / "x"), key, 1) for key in keys]
    started_s = time.monotonic()
    report = run_transfer(
        TransferPlan.from_rows(LocalAddress(tmp_path), S3Address(bucket), rows), settings=by_s5cmd, cancel=CancelToken()
    )
    report.raise_for_failures()
    assert {outcome.runner for outcome in report.outcomes} == {"s5cmd"}
    assert time.monotonic() - started_s < 60


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not tell how much a process moved")
def test_where_nothing_moves_any_more_the_next_runner_takes_over(s3, bucket, tmp_path):
    """s5cmd itself waits for a minute and a half, and has no timeout that could be set."""
    (tmp_path / "k").write_bytes(b"x" * 100_000)
    stat = (tmp_path / "k").stat()
    with (
        FaultProxy(s3.profile.endpoint_url, Fault(end="stall", after_bytes=10)) as proxy,
        RunContext(TransferSettings()) as context,
    ):
        profile = proxy.profile(s3.profile).model_copy(update={"read_timeout_s": 0.5})
        leg = Leg(Direction.UPLOAD, profile, "", bucket)
        row = PlannedObject("k", str(tmp_path / "k"), "k", stat.st_size)
        (outcome,) = S5cmdRunner(leg, context).run([row])
        assert proxy.ended
    assert (outcome.status, outcome.reason) == (Status.REFUSED, "s5cmd moved nothing any more")
