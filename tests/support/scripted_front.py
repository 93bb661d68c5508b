"""Stands before a real S3 server and answers some requests by script; all others are the server's."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from scripted_s3 import RESET

CUT = b"cut"
"""In a script: the server's own answer, and the connection ends in the middle of its body."""
Answer = bytes | Callable[[], bytes | None]
"""What is sent instead, or what decides it at that moment; None for the server's own answer."""


class _Rule:
    def __init__(self, pattern: str, answers: tuple[Answer, ...], *, ever: bool) -> None:
        self.pattern = re.compile(pattern)
        self.answers = list(answers)
        self.ever = ever
        self.used = 0

    def take(self) -> Answer | None:
        self.used += 1
        if self.ever and len(self.answers) == 1:
            return self.answers[0]
        return self.answers.pop(0) if self.answers else None


class ScriptedFront:
    """A context manager; for requests that are not signed for another address, as those of public archives are.

    Args:
        endpoint_url: The server that it stands before.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._server = urlsplit(endpoint_url).netloc
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                front._handle(self)

            do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, pattern: str, *answers: Answer, ever: bool = False) -> _Rule:
        """Answer requests whose line (`GET /bucket/key?query`, decoded) holds the pattern: one after the other, then no more.

        Args:
            pattern: Regular expression.
            answers: Whole HTTP answers as `scripted_s3` makes them, `RESET` or `CUT`.
            ever: True to give the last of them again and again.
        """
        rule = _Rule(pattern, answers, ever=ever)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Answer nothing by script any more."""
        with self._lock:
            self._rules.clear()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        line = f"{handler.command} {unquote(handler.path)}"
        with self._lock:
            rule = next((rule for rule in self._rules if rule.pattern.search(line)), None)
            scripted = rule.take() if rule else None
        reply = scripted() if callable(scripted) else scripted
        handler.close_connection = True
        with suppress(OSError):  # a client may leave before its answer
            if reply is None or reply == CUT:
                self._pass_on(handler, cut=reply == CUT)
            elif reply == RESET:
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.connection.close()
            else:
                handler.wfile.write(reply)

    def _pass_on(self, handler: BaseHTTPRequestHandler, *, cut: bool) -> None:
        connection = http.client.HTTPConnection(self._server, timeout=30)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "connection"}
            connection.request(handler.command, handler.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            handler.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                    handler.send_header(name, value)
            length = answer.getheader("Content-Length") if handler.command == "HEAD" else str(len(body))
            handler.send_header("Content-Length", length or "0")
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2] if cut else body)
        finally:
            connection.close()
