"""The command line without a folder, a stream, room or an alphabet: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PROGRAM = Path(sys.executable).with_name("lakehouse")
COMMANDS = {
    "version": ["--version"],
    "help": ["--help"],
    "settings": ["config", "show"],
    "status": ["status"],
    "sync": ["sync", "nowhere", "also-nowhere"],
    "error": ["sync", "x", "s3://not a bucket/x"],
}
POOR = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def deep(*values: str) -> list[object]:
    return [pytest.param(value, marks=pytest.mark.deep) for value in values]


@cache
def run_plainly(command: str) -> subprocess.CompletedProcess[bytes]:
    quoted = " ".join(f"'{part}'" for part in COMMANDS[command])
    with TemporaryDirectory() as folder:
        return run(f"'{PROGRAM}' {quoted}", Path(folder))


def run(line: str, folder: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    """By a shell, which can close what a program finds open."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **more}
    return subprocess.run(["/bin/sh", "-c", line], cwd=folder, env=env, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">/dev/full", "2>/dev/full", *deep("<&-", ">&-", "2>&-")])
def test_closed_and_full_streams(tmp_path: Path, command: str, closed: str) -> None:
    quoted = " ".join(f"'{part}'" for part in COMMANDS[command])
    done = run(f"'{PROGRAM}' {quoted} {closed}", tmp_path)
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"Internal error" not in done.stderr
    plain = run_plainly(command)
    if closed == ">/dev/full" and plain.stdout:
        assert done.returncode == 1
        assert b"No space left" in done.stderr
    else:
        assert done.returncode == plain.returncode


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_was_deleted(tmp_path: Path, command: str) -> None:
    quoted = " ".join(f"'{part}'" for part in COMMANDS[command])
    done = run(f"mkdir gone && cd gone && rmdir ../gone && '{PROGRAM}' {quoted}", tmp_path)
    assert b"Traceback" not in done.stderr
    assert b"Internal error" not in done.stderr
    if command in {"version", "help", "settings"}:
        assert done.returncode == 0
    else:
        assert b"error: " in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_alphabet_of_127_letters(tmp_path: Path, command: str) -> None:
    quoted = " ".join(f"'{part}'" for part in COMMANDS[command])
    done, plain = run(f"'{PROGRAM}' {quoted}", tmp_path, **POOR), run_plainly(command)
    assert b"Traceback" not in done.stderr
    assert b"Internal error" not in done.stderr
    assert done.returncode == plain.returncode
    (done.stdout + done.stderr).decode("ascii")


@pytest.mark.parametrize("env", [{}, POOR], ids=["utf-8", "ascii"])
def test_files_whose_names_are_no_text(tmp_path: Path, env: dict[str, str]) -> None:
    """They are copied, or named as not copied, in a table and as JSON; nothing stops halfway."""
    source = tmp_path / "source"
    source.mkdir()
    for name in (b"plain", b"no\xfftext", b"\xc3\xa9", b"line\nend", b"\x1b[31mred"):
        (source / os.fsdecode(name)).write_bytes(name)
    done = run(f"'{PROGRAM}' sync source target --json", tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["objects"]["done"] == 5
    assert {file.name for file in (tmp_path / "target").iterdir()} == {file.name for file in source.iterdir()}
    (source / "plain").write_bytes(b"other bytes of another size")
    shown = run(f"'{PROGRAM}' plan source target", tmp_path, **env)
    assert shown.returncode == 0, shown.stderr
    verified = run(f"'{PROGRAM}' verify source target", tmp_path, **env)
    assert verified.returncode == 1
    assert b"plain" in verified.stdout
    assert b"\x1b[31m" not in shown.stdout + verified.stdout + verified.stderr
