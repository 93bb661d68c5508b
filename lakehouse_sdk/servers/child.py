"""A program that runs no longer than this process, unless it is released."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lakehouse_sdk.errors import ServerError
from lakehouse_sdk.servers import watchdog
from lakehouse_sdk.servers.record import find_birth

_SLACK_S = 5.0


class Child:
    """A started program, tied to this process by a watchdog.

    Guarantee: when this process ends, however it ends, the program and all of its process group end within `grace_s` seconds.
    It runs in a session of its own, so a Ctrl-C in the terminal reaches only its starter.

    Args:
        command: Program and arguments; never a secret, every user of the machine can read them.
        env: The whole environment of the program.
        log_file: Takes its output, appended.
        cwd: Its working folder.
        grace_s: Seconds between SIGTERM and SIGKILL.
        hold: Open file descriptors that it inherits; a lock on one of them is held for as long as the program lives.
        remove: Folder that is deleted after its end by `stop` or by the end of this process, not after an end of its own.

    Raises:
        ServerError: Python cannot start a process here.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log_file: Path,
        cwd: Path | None = None,
        grace_s: float = 10.0,
        hold: Iterable[int] = (),
        remove: Path | None = None,
    ) -> None:
        self._grace_s = grace_s
        self._starter_pid = os.getpid()
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._watchdog = subprocess.Popen(  # noqa: S603 (the server's program, by its path)
                [sys.executable, "-I", "-S", watchdog.__file__, str(grace_s), str(remove or ""), *command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                env=dict(env),
                cwd=cwd,
                pass_fds=tuple(hold),
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        try:
            self.pid = self._read_pid()
        except BaseException:
            self._let_go()
            raise
        self.birth = find_birth(self.pid)

    def _read_pid(self) -> int:
        report = self._watchdog.stdout
        assert report is not None  # noqa: S101 (asked for above)
        with report:
            line = report.read(32)
        if not line.strip().isdigit():
            raise ServerError(f"The process that watches over {self._watchdog.args!r} did not start.")
        return int(line)

    def poll(self) -> int | None:
        """Its exit code, 128 + n for an end by signal n, None while it runs."""
        code = self._watchdog.poll()
        if code is not None and code < 0 and self._is_alive():
            return None  # somebody killed the watchdog; the program itself lives
        return code

    def stop(self) -> None:
        """End the program and its process group: SIGTERM, then SIGKILL; returns when it is gone. Idempotent.

        In a fork of the process that started it, does nothing: the program belongs to the original.
        """
        if os.getpid() != self._starter_pid:
            return
        self._let_go()
        if self._is_alive():
            end_group(self.pid, self.birth, grace_s=self._grace_s)

    def release(self) -> None:
        """Let the program outlive this process; from now on `poll` and `stop` know nothing about it."""
        control = self._watchdog.stdin
        assert control is not None  # noqa: S101
        control.write(watchdog.RELEASE)
        self._watchdog.wait()
        control.close()
        self.birth = None

    def _let_go(self) -> None:
        """Close the pipe and wait for the watchdog to do its work."""
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        try:
            self._watchdog.wait(self._grace_s + _SLACK_S)
        except subprocess.TimeoutExpired:  # stopped (SIGSTOP) or starved: do its work
            self._watchdog.kill()
            self._watchdog.wait()

    def _is_alive(self) -> bool:
        return self.birth is not None and find_birth(self.pid) == self.birth


def end_group(pid: int, birth: str | None, *, grace_s: float = 10.0) -> bool:
    """End the process group led by `pid`, but only if that process is still the one born at `birth`.

    Returns:
        True where it was there and is gone now.
    """
    if birth is None or find_birth(pid) != birth:
        return False
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _SLACK_S)):
        os.killpg(pid, number)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if find_birth(pid) != birth:
                return True
            time.sleep(0.02)
    raise ServerError(
        f"Process {pid} does not end, not even by SIGKILL.", hint="It hangs in the kernel, most likely on its disk."
    )
