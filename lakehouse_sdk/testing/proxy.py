"""A TCP proxy on loopback that gives a healthy server the faults of a bad network, or another clock."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

from lakehouse_sdk.config import S3Profile

_LOOPBACK = "127.0.0.1"
_BLOCK_BYTES = 64 * 1024
_TICK_S = 0.05
_MAX_TAIL = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """What one connection suffers; the fields combine.

    Attributes:
        latency_s: Seconds that every block of bytes waits before it goes on.
        bytes_per_s: Speed limit, for each direction.
        end: How the connection ends: `reset` (TCP RST), `close` (as if all were said), `stall` (nothing more comes, nothing
            ends), `busy` (the first request is answered 503, and not passed on); None: it lives.
        after_bytes: Bytes that pass in `direction` before that.
        direction: Which bytes count: of the server's answers, or of the client's requests.
    """

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    end: Literal["reset", "close", "stall", "busy"] | None = None
    after_bytes: int = 0
    direction: Literal["answers", "requests"] = "answers"


Script = Callable[[int], Fault | None]
"""What connection number 0, 1, 2, … suffers; None: nothing."""


class FaultProxy:
    """Stands before a server that speaks plain HTTP; a context manager.

    Bytes pass unchanged (but for `ahead`), so requests signed for the proxy's address stay valid.

    Args:
        endpoint_url: The server, `http://host:port`.
        script: What each connection suffers; a `Fault` is suffered by all.
        ahead: Shows the server's clock that much ahead: in `Date` and `Last-Modified` and in listings. Bodies that look like
            those would change too.

    Attributes:
        connections: Connections accepted so far.
        ended: Connections that a fault ended so far.
    """

    def __init__(self, endpoint_url: str, script: Script | Fault | None = None, *, ahead: timedelta | None = None) -> None:
        parts = urlsplit(endpoint_url)
        self._server = (parts.hostname or _LOOPBACK, parts.port or 80)
        self.script = script
        self._ahead = ahead
        self.connections = 0
        self.ended = 0
        self._numbers = count()
        self._open: set[socket.socket] = set()
        self._reset_ones: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener: socket.socket | None = None

    def __enter__(self) -> Self:
        self._listener = socket.create_server((_LOOPBACK, 0), backlog=512)
        threading.Thread(target=self._accept, args=(self._listener,), name="fault-proxy", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
            self._listener.close()
        self.cut_all()

    @property
    def endpoint_url(self) -> str:
        """Where the proxy listens."""
        assert self._listener is not None, "use it in a `with` statement"
        return f"http://{_LOOPBACK}:{self._listener.getsockname()[1]}"

    def profile(self, of: S3Profile) -> S3Profile:
        """The same credentials, by way of this proxy."""
        return of.model_copy(update={"endpoint_url": self.endpoint_url})

    def cut_all(self) -> None:
        """Reset every connection that is open now."""
        with self._lock:
            sockets = list(self._open)
        for one in sockets:
            self._reset(one)

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            number = next(self._numbers)
            self.connections = number + 1
            script = self.script
            fault = (script(number) if callable(script) else script) or Fault()
            threading.Thread(target=self._serve, args=(client, fault), name=f"fault-proxy-{number}", daemon=True).start()

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        if fault.end == "busy":
            self._refuse(client)
            return
        try:
            server = socket.create_connection(self._server, timeout=10)
        except OSError:
            self._reset(client)
            return
        pair = {client, server}
        with self._lock:
            self._open |= pair
        for one in pair:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(None)
        up = threading.Thread(target=self._pump, args=(client, server, "requests", fault), daemon=True)
        up.start()
        self._pump(server, client, "answers", fault)
        up.join()
        with self._lock:
            self._open -= pair
            self._reset_ones -= pair
        for one in pair:
            one.close()

    def _refuse(self, client: socket.socket) -> None:
        with self._lock:
            self.ended += 1
        with client, suppress(OSError):
            client.settimeout(_TICK_S)
            head = b""
            while b"\r\n\r\n" not in head and (block := client.recv(_BLOCK_BYTES)):
                head += block
            client.sendall(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            while client.recv(_BLOCK_BYTES):  # a close with bytes unread would be a reset
                pass

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str, fault: Fault) -> None:
        """Pass bytes on until one side ends or the fault says so."""
        left = fault.after_bytes if fault.end and fault.direction == direction else None
        clock = _Clock(self._ahead) if self._ahead and direction == "answers" else None
        try:
            for block in _blocks(source, clock):
                if fault.latency_s:
                    time.sleep(fault.latency_s)
                passed = block if left is None else block[:left]
                self._send(sink, passed, fault)
                if left is not None:
                    left -= len(passed)
                    if left <= 0:
                        self._end(fault, source, sink)
                        return
            self._finish(sink, socket.SHUT_WR)
        except OSError:  # one side is gone: so is the connection
            for one in (source, sink):
                self._finish(one, socket.SHUT_RDWR)

    @staticmethod
    def _send(sink: socket.socket, block: bytes, fault: Fault) -> None:
        if fault.bytes_per_s is None:
            sink.sendall(block)
            return
        step = max(1, int(fault.bytes_per_s * _TICK_S))
        for start in range(0, len(block), step):
            piece = block[start : start + step]
            sink.sendall(piece)
            time.sleep(len(piece) / fault.bytes_per_s)

    def _end(self, fault: Fault, source: socket.socket, sink: socket.socket) -> None:
        with self._lock:
            self.ended += 1
        if fault.end == "stall":
            while not self._closing.is_set() and source.fileno() >= 0 and sink.fileno() >= 0:
                time.sleep(_TICK_S)
            return
        if fault.end == "close":
            for one in (source, sink):
                self._finish(one, socket.SHUT_RDWR)
            return
        for one in (source, sink):
            self._reset(one)

    def _finish(self, one: socket.socket, how: int) -> None:
        """End a connection in order, unless it is being reset: a FIN that comes first would look like an end."""
        with self._lock, suppress(OSError):
            if one not in self._reset_ones:
                one.shutdown(how)

    def _reset(self, one: socket.socket) -> None:
        """End a connection by RST: what was sent may be lost, and the peer's next call fails."""
        with self._lock:
            self._reset_ones.add(one)
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # A close while another thread waits in recv would not send anything; this wakes it, and says nothing by itself.
            one.shutdown(socket.SHUT_RD)
            one.close()


def _blocks(source: socket.socket, clock: _Clock | None) -> Iterator[bytes]:
    """What arrives, until the peer ends; with a clock, as it shows it."""
    while True:
        if clock is not None and clock.holds:
            source.settimeout(_TICK_S)
            try:
                block = source.recv(_BLOCK_BYTES)
            except TimeoutError:  # what looked like the beginning of a time was none
                yield clock.flush()
                continue
            finally:
                source.settimeout(None)
        else:
            block = source.recv(_BLOCK_BYTES)
        shown = clock.show(block) if clock is not None else block
        if not block:
            if clock is not None and (rest := clock.flush()):
                yield rest
            return
        if shown:
            yield shown


class _Clock:
    """Moves the times in a stream of answers, which keep their length; one that is cut between two blocks is held back."""

    _HTTP_FORMAT = "%a, %d %b %Y %H:%M:%S GMT"
    _ISO_FORMAT = "%Y-%m-%dT%H:%M:%S"
    _TIMES = re.compile(
        rb"(?P<before>\r\n(?:Date|Last-Modified): )(?P<http>\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)"
        rb"|(?P<tag><LastModified>)(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
    )
    _STARTS = ((b"\r\nDate: ", 29), (b"\r\nLast-Modified: ", 29), (b"<LastModified>", 19))
    """What a time begins with, and how long it is: one that is complete is moved already and must not be held."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead
        self._held = b""

    @property
    def holds(self) -> bool:
        """True while the end of what came is not shown yet."""
        return bool(self._held)

    def show(self, block: bytes) -> bytes:
        """What may be passed on now."""
        data = self._TIMES.sub(self._move, self._held + block)
        start = self._find_beginning(data)
        self._held = data[start:]
        return data[:start]

    def flush(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held

    def _move(self, match: re.Match[bytes]) -> bytes:
        before, text, form = (
            (match["before"], match["http"], self._HTTP_FORMAT)
            if match["http"]
            else (match["tag"], match["iso"], self._ISO_FORMAT)
        )
        moved = datetime.strptime(text.decode(), form) + self._ahead  # noqa: DTZ007 (only moved)
        return before + moved.strftime(form).encode()

    def _find_beginning(self, data: bytes) -> int:
        """Where a time begins that may go on in the next block; the length where there is none."""
        tail = max(0, len(data) - _MAX_TAIL)
        found = [len(data)]
        for start, length in self._STARTS:
            at = data.rfind(start, tail)
            if at >= 0 and len(data) - at < len(start) + length:
                found.append(at)
            found += [len(data) - size for size in range(1, len(start)) if data.endswith(start[:size])]
        return min(found)
