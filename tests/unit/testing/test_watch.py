"""What a process opens is seen, and only while somebody watches."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from lakehouse_sdk.testing.watch import watch_io


def test_files_folders_sockets_and_programs_are_seen_and_named(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_bytes(b"x")
    with watch_io() as seen:
        file.read_bytes()
        list(tmp_path.iterdir())
        os.scandir(os.fsencode(tmp_path)).close()
        with closing(socket.socket()) as client, suppress(OSError):
            client.connect(("127.0.0.1", 9))
        with suppress(FileNotFoundError):
            subprocess.run([tmp_path / "no-such-program"], check=True)
    assert f"open {file}" in seen
    assert f"os.scandir {tmp_path}" in seen
    assert "socket.connect ('127.0.0.1', 9)" in seen
    assert any(entry.startswith("subprocess.Popen") for entry in seen)


def test_threads_are_seen_and_watchers_do_not_disturb_each_other(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_bytes(b"x")
    with watch_io() as outer:
        with watch_io() as inner:
            thread = threading.Thread(target=file.read_bytes)
            thread.start()
            thread.join()
        file.read_bytes()
    file.read_bytes()
    assert (inner, outer) == ([f"open {file}"], [f"open {file}"] * 2)


def test_an_import_is_no_io(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "just_some_module.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with watch_io() as seen:
        assert importlib.import_module("just_some_module").VALUE == 1
    assert not [entry for entry in seen if "socket" in entry or "just_some_module" in entry]
