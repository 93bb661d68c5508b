"""A web server on loopback whose answers break off on request."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from lakehouse_sdk.errors import UsageError

_LONGEST_STALL_S = 60.0


@dataclass(slots=True)
class HttpAnswer:
    """What one request gets.

    Attributes:
        status: HTTP status.
        body: Whole body, JSON or HTML.
        headers: Further headers.
        end: How it ends early: after half the body by TCP `reset` or in order (`truncated`), or before anything was said
            (`stall`: the connection stays, silent).
    """

    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    end: Literal["reset", "truncated", "stall"] | None = None


def refuse(status: int, words: str, headers: dict[str, str] | None = None) -> HttpAnswer:
    """An error as the API words it."""
    return HttpAnswer(status, json.dumps({"message": words}).encode(), headers or {})


class LoopbackServer:
    """Answers GET requests on a free port of 127.0.0.1, many at once; a context manager.

    Args:
        answer: What a path with its query gets; called from many threads.
        clock: What the header `Date` says.
    """

    def __init__(self, answer: Callable[[str], HttpAnswer], clock: Callable[[], datetime]) -> None:
        self._answer, self._clock = answer, clock
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self._answer, self._clock)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.closing.set()
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self) -> str:
        """Its address, from the moment that it is entered."""
        if self._server is None:
            raise UsageError("The server does not run yet.", hint="Use it in a `with` statement.")
        return f"http://127.0.0.1:{self._server.server_port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, answer: Callable[[str], HttpAnswer], clock: Callable[[], datetime]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.clock = clock
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer, and end the connection where the answer says so."""
        answer = self.server.answer(self.path)
        if answer.end == "stall":
            self.server.closing.wait(_LONGEST_STALL_S)
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json" if answer.body[:1] in {b"[", b"{"} else "text/html")
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:  # the client asked for it; one that is not told would use the connection again
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.end else answer.body)
        if answer.end:
            self.close_connection = True
        if answer.end == "reset":
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The server's own time."""
        del timestamp
        return f"{self.server.clock().astimezone(UTC):%a, %d %b %Y %H:%M:%S GMT}"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
        """Stay silent."""
