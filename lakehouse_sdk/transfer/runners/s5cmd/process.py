"""One `s5cmd run` process: lines in, lines out, in one thread, without a way to deadlock."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lakehouse_sdk.config import S3Profile

_READ_BYTES = 1 << 16
_INHERITED = ("PATH", "TMPDIR", "SSL_CERT_DIR")
"""All that s5cmd sees of our environment; above all not HOME, where it would find other credentials. What concerns the
connection is in the profile, so that it is the same for all clients."""
_KILL_TIMEOUT_S = 5.0


class S5cmdProcess:
    """s5cmd executing the lines it is fed; ends by itself when this process dies, because its input ends.

    Credentials travel in its environment, never in its arguments. Its pipes are read and written without blocking, so a full
    pipe on one side cannot stop the other.

    Args:
        program: s5cmd's binary.
        profile: Server and credentials.
        workers: Commands it executes at once.
        retries: How often it tries a request again.
    """

    def __init__(self, program: str, profile: S3Profile, *, workers: int, retries: int) -> None:
        unsigned = ["--no-sign-request"] if profile.anonymous else []
        payer = ["--request-payer", "requester"] if profile.requester_pays else []
        options = ["--json", "--log", "info", "--numworkers", str(workers), "--retry-count", str(retries), *unsigned, *payer]
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ} | profile.to_s5cmd_env()
        self._process = subprocess.Popen(  # noqa: S603 (our own binary, no shell, no text of the user in the arguments)
            [program, *options, "run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd="/",
            start_new_session=True,  # a terminal's Ctrl-C reaches us alone, and we end it in order
        )
        self._stdin = _opened(self._process.stdin)
        self._selector = selectors.DefaultSelector()
        self._partial: dict[int, bytes] = {}
        for stream in (_opened(self._process.stdout), _opened(self._process.stderr)):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
            self._partial[stream.fileno()] = b""
        os.set_blocking(self._stdin.fileno(), False)
        self._unsent: deque[bytes] = deque()
        self._writing = False
        self._finish = False
        self._moved, self._moved_s = b"", time.monotonic()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def is_stalled(self, after_s: float) -> bool:
        """True where it has moved no byte for so many seconds, as far as this system tells: it has no timeout of its own."""
        now_s = time.monotonic()
        try:
            moved = Path(f"/proc/{self.pid}/io").read_bytes()
        except OSError:
            return False
        if moved != self._moved:
            self._moved, self._moved_s = moved, now_s
        return now_s - self._moved_s > after_s

    def feed(self, line: bytes) -> None:
        """Queue one line (without its end); `receive` sends it."""
        self._unsent.append(line + b"\n")

    def finish(self) -> None:
        """No more lines will come: close its input as soon as all are sent."""
        self._finish = True

    def receive(self, timeout_s: float) -> list[bytes]:
        """Send what is queued and return the complete lines of both outputs; empty after `timeout_s` or at the end."""
        self._watch_stdin()
        lines: list[bytes] = []
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._stdin:
                self._send()
            else:
                lines += self._read(key)
        return lines

    @property
    def ended(self) -> bool:
        """True once it closed both of its outputs."""
        return not self._partial

    def kill(self) -> None:
        """End it at once (INT and TERM make it wait for its input), and wait until it is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(_KILL_TIMEOUT_S)
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            _opened(stream).close()

    def _watch_stdin(self) -> None:
        if self._unsent and not self._writing:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
            self._writing = True
        elif self._finish and not self._unsent and not self._writing and not self._stdin.closed:
            self._stdin.close()

    def _send(self) -> None:
        block = b"".join(self._unsent)
        self._unsent.clear()
        try:
            sent = os.write(self._stdin.fileno(), block)
        except BlockingIOError:
            sent = 0
        except BrokenPipeError:  # it ended; its outputs will say so
            sent = len(block)
        if sent < len(block):
            self._unsent.append(block[sent:])
        else:
            self._selector.unregister(self._stdin)
            self._writing = False

    def _read(self, key: selectors.SelectorKey) -> Iterator[bytes]:
        block = os.read(key.fd, _READ_BYTES)
        if not block:
            self._selector.unregister(key.fileobj)
            rest = self._partial.pop(key.fd)
            return iter([rest] if rest else [])
        lines = (self._partial[key.fd] + block).split(b"\n")
        self._partial[key.fd] = lines.pop()
        return iter(lines)


def _opened(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 (opened as a pipe)
    return stream
