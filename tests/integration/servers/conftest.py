"""Programs that play a part: small scripts that speak the real protocol over real sockets, and starters that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse_sdk.servers import find_minio
from lakehouse_sdk.servers.record import find_birth

MakeProgram = Callable[[str, str], Path]
StartScript = Callable[..., "subprocess.Popen[str]"]
WaitUntil = Callable[[Callable[[], bool], float], None]

FAKE_MINIO = """
    import http.server, os, sys, time
    if "--version" in sys.argv:
        print("minio version FAKE"); sys.exit()
    host, _, port = sys.argv[sys.argv.index("--address") + 1].partition(":")
    {before}
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response({status}); self.end_headers()
        def log_message(self, *_): pass
    http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def make_program(tmp_path: Path) -> MakeProgram:
    """Write a Python script as an executable program of that name, in a folder of its own."""
    made = 0

    def make(name: str, body: str) -> Path:
        nonlocal made
        made += 1
        program = tmp_path / f"program-{made}" / name
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable} -IS\n{textwrap.dedent(body)}")
        program.chmod(0o755)
        return program

    return make


@pytest.fixture
def make_minio(make_program: MakeProgram) -> Callable[..., Path]:
    """A program that takes MinIO's arguments and answers its health probe with `status`, after doing `before`."""

    def make(*, before: str = "pass", status: int = 200) -> Path:
        return make_program("minio", FAKE_MINIO.format(before=before, status=status))

    return make


@pytest.fixture
def start_script(tmp_path: Path) -> Iterator[StartScript]:
    """Start Python code in a process group of its own; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(body: str, **environment: str) -> subprocess.Popen[str]:
        script = tmp_path / f"script-{len(started)}.py"
        script.write_text(textwrap.dedent(body))
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env={**os.environ, "LAKEHOUSE_SERVERS__S3": str(find_minio()), **environment},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def wait_until() -> WaitUntil:
    """Wait for something to become true, at most so many seconds."""

    def wait(is_so: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"not so within {seconds} s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """True while a process with that id runs."""
    return lambda pid: find_birth(pid) is not None
