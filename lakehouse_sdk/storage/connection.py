"""HTTP/1.1 as S3 needs it: kept connections, one request at a time on each, bodies as they come.

A request costs a quarter of the CPU time that it takes through urllib3, bodies are read into the caller's memory, and every
connection in use can be cut from another thread, so that a cancelled transfer need not wait for a server that hangs.
"""

from __future__ import annotations

import base64
import io
import os
import select
import socket
import ssl
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from lakehouse_sdk.errors import ConnectError

Body = bytes | bytearray | memoryview | BinaryIO
_MAX_LINE_BYTES = 1 << 16
_MAX_HEADER_BYTES = 1 << 18
"""Of all headers of an answer together; S3 sends some thousand."""
_MAX_INTERIM = 10
"""Answers before the real one."""
_MAX_CHUNK_DIGITS = 15
_BUFFER_BYTES = 1 << 16
_JOIN_BYTES = 1 << 16
"""Bodies up to this size leave in one packet stream with their head."""
_READ_BYTES = 1 << 20


class BrokenConnectionError(ConnectError):
    """A connection could not be made, broke, or brought something that is not HTTP.

    Attributes:
        tls: True where TLS failed, which another attempt will not change.
    """

    def __init__(self, message: str, *, hint: str | None = None, tls: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.tls = tls
        self.is_transient = not tls


class Reply(io.RawIOBase):
    """An answer whose body is read from the wire as a file; closing it early gives the connection up.

    Reading raises `BrokenConnectionError` where the body ends before its announced length.

    Attributes:
        status: HTTP status.
        headers: Headers, names in lower case.
    """

    def __init__(
        self, pool: ConnectionPool, connection: _Connection, status: int, headers: Mapping[str, str], *, has_body: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self._pool = pool
        self._connection: _Connection | None = connection  # None as soon as it may serve somebody else
        self._reader = connection.reader
        self._in_chunks = has_body and headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        self._left: int | None = 0 if not has_body or self._in_chunks else None if length is None else _read_length(length)
        if self._left == 0 and not self._in_chunks:
            self._finish()

    def readable(self) -> bool:
        """As for every file."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Up to the size of `buffer`; 0 at the end."""
        view = memoryview(buffer).cast("B")
        if not view:  # nothing was asked for, which says nothing of the answer
            return 0
        if self._left == 0 and not (self._in_chunks and self._begin_chunk()):
            return 0
        if self._left is not None:
            view = view[: self._left]
        try:
            count = self._reader.readinto(view)
        except OSError as error:
            raise self._break(error) from error
        if not count and self._left is not None:
            raise self._break(None)
        if self._left is None:
            if not count:
                self._finish()
        else:
            self._left -= count
            if not self._left and not self._in_chunks:
                self._finish()
        return count or 0

    def read_all(self) -> bytes:
        """The rest of the body."""
        if self._in_chunks or self._left is None:
            return self.readall() or b""
        if not self._left:
            return b""
        try:
            body = self._reader.read(self._left)
        except OSError as error:
            raise self._break(error) from error
        if len(body) < self._left:
            raise self._break(None)
        self._left = 0
        self._finish()
        return bytes(body)

    def close(self) -> None:
        """Give the connection back, or up where the body was not read to its end."""
        self._end(reusable=False)
        super().close()

    def _begin_chunk(self) -> bool:
        try:
            reader = self._reader
            line = reader.readline(_MAX_LINE_BYTES)
            if line == b"\r\n":  # behind the previous chunk
                line = reader.readline(_MAX_LINE_BYTES)
            self._left = _read_chunk_length(line)
            if self._left:
                return True
            _skip_trailers(reader)
        except (OSError, ValueError) as error:
            raise self._break(error) from error
        self._in_chunks = False
        self._finish()
        return False

    def _finish(self) -> None:
        close = self.headers.get("connection", "").lower() == "close" or self._left is None
        self._end(reusable=not close)
        self._left = 0

    def _break(self, error: Exception | None) -> BrokenConnectionError:
        self._end(reusable=False)
        return _broken(error, "the answer ended early")

    def _end(self, *, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.take_back(connection, reusable=reusable)


class _Head(bytes):
    """The head of a request, tokens and keys included, which no traceback is to show."""

    def __repr__(self) -> str:
        return f"<head of a request, {len(self)} bytes>"


def _encode_head(method: str, target: str, headers: Mapping[str, str], size_bytes: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    if size_bytes or method in {"PUT", "POST"}:
        lines.append(f"content-length: {size_bytes}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


class _Connection:
    """One connection, in use by one request."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader: Any = sock.makefile("rb", _BUFFER_BYTES)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: Body, size_bytes: int
    ) -> tuple[int, dict[str, str]]:
        """Send a request, read the answer up to its body."""
        refused = self._send(_Head(_encode_head(method, target, headers, size_bytes)), body, size_bytes)
        try:
            status, answer_headers = self._read_head()
            if refused is not None:  # the server answered without reading the whole body
                answer_headers["connection"] = "close"
        except (OSError, ValueError) as error:
            raise _broken(refused or error, "no HTTP answer") from error
        return status, answer_headers

    def _send(self, head: bytes, body: Body, size_bytes: int) -> OSError | None:
        """Send a request; the error where the server stopped reading it, which may have an answer."""
        if isinstance(body, bytes | bytearray | memoryview):
            if size_bytes <= _JOIN_BYTES:
                return self._write(_Head(head + body))
            return self._write(head) or self._write(body)
        refused = self._write(head)
        left = size_bytes
        while left and refused is None:
            block = body.read(min(left, _READ_BYTES))
            if not block:
                raise _broken(None, "the body is shorter than announced")
            left -= len(block)
            refused = self._write(block)
        return refused

    def _write(self, block: Body) -> OSError | None:
        try:
            self.sock.sendall(block)  # type: ignore[arg-type]  # a file is sent in blocks
        except OSError as error:
            return error
        return None

    def _read_head(self) -> tuple[int, dict[str, str]]:
        reader = self.reader
        for _ in range(_MAX_INTERIM):
            line = reader.readline(_MAX_LINE_BYTES)
            if not line:
                raise ConnectionResetError("closed without an answer")
            version, _, rest = line.partition(b" ")
            if not version.startswith(b"HTTP/1."):
                raise ValueError("not HTTP")
            status, headers = int(rest[:3]), self._read_headers()
            if status >= 200:
                if version == b"HTTP/1.0":
                    headers.setdefault("connection", "close")
                return status, headers
        raise ValueError("interim answers without end")

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        readline, size_bytes = self.reader.readline, 0
        while (line := readline(_MAX_LINE_BYTES)) != b"\r\n":
            size_bytes += len(line)
            if size_bytes > _MAX_HEADER_BYTES:
                raise ValueError("endless headers")
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise ValueError("not an HTTP header")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def dropped(self) -> bool:
        """True where the server closed it meanwhile, or sent what nobody asked for."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def cut(self) -> None:
        """Make whoever waits on it fail; from any thread."""
        with suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # not TLS's, which is not safe between threads

    def close(self) -> None:
        self.reader.close()
        self.sock.close()


_POOLS: weakref.WeakSet[ConnectionPool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_POOLS):
        pool.forget()


os.register_at_fork(after_in_child=_forget_all)


class ConnectionPool:
    """Kept connections to one host; safe to share between threads.

    Args:
        origin: `http://host:port` or `https://…`.
        max_idle: Idle connections that are kept.
        connect_timeout_s: Seconds to wait for a connection.
        read_timeout_s: Seconds to wait for the next bytes, in either direction.
        tls: How TLS is spoken, None without it.
        proxy: `http://[user:password@]host:port` of the proxy that all goes through, empty for none.
    """

    def __init__(
        self,
        origin: str,
        *,
        max_idle: int,
        connect_timeout_s: float,
        read_timeout_s: float,
        tls: ssl.SSLContext | None,
        proxy: str = "",
    ) -> None:
        parts, through = urlsplit(origin), urlsplit(proxy)
        self._address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        self._proxy = (through.hostname or "", through.port or 80) if proxy else None
        self._proxy_headers: dict[str, str] = {}
        if through.username is not None:
            pair = f"{unquote(through.username)}:{unquote(through.password or '')}".encode()
            self._proxy_headers["proxy-authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._proxied_origin = origin if proxy and tls is None else ""  # with TLS the proxy only opens a tunnel
        self._max_idle = max_idle
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._tls = tls
        self._idle: list[_Connection] = []
        self._used: set[_Connection] = set()
        self._lock = threading.Lock()
        self._interrupts = 0
        _POOLS.add(self)

    def forget(self) -> None:
        """In a process that was forked: leave the connections to the parent, whose answers they carry, and begin with none.

        Closing this process's copies ends nothing at the parent's. The lock may be held by a thread that is not here.
        """
        self._lock = threading.Lock()
        inherited, self._idle, self._used = [*self._idle, *self._used], [], set()
        for connection in inherited:
            with suppress(OSError):
                os.close(connection.sock.detach())

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: Body, size_bytes: int) -> Reply:
        """Send a request and read the answer up to its body.

        Args:
            method: HTTP method.
            target: Path and query, percent-encoded.
            headers: All headers but the body's length.
            body: Bytes, or a file that is read from where it stands.
            size_bytes: Size of the body.

        Raises:
            BrokenConnectionError: No connection, or no HTTP answer on it.
        """
        connection = self._take()
        if self._proxied_origin:
            target, headers = f"{self._proxied_origin}{target}", {**headers, **self._proxy_headers}
        try:
            status, answer = connection.exchange(method, target, headers, body, size_bytes)
            return Reply(self, connection, status, answer, has_body=method != "HEAD" and status not in {204, 304})
        except ValueError as error:
            self.take_back(connection, reusable=False)
            raise _broken(error, "no HTTP answer") from error
        except BaseException:
            self.take_back(connection, reusable=False)
            raise

    def take_back(self, connection: _Connection, *, reusable: bool) -> None:
        """A request on a connection is over."""
        with self._lock:
            self._used.discard(connection)
            kept = reusable and len(self._idle) < self._max_idle
            if kept:
                self._idle.append(connection)
        if not kept:
            connection.close()

    def close(self) -> None:
        """Close what is idle; the pool stays usable."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        self.close()

    def interrupt(self) -> None:
        """Make every request that is under way fail at once; later ones are not concerned."""
        with self._lock:
            self._interrupts += 1
            for connection in self._used:
                connection.cut()

    def _take(self) -> _Connection:
        while True:
            with self._lock:
                interrupts = self._interrupts
                connection = self._idle.pop() if self._idle else None
                if connection is not None:
                    self._used.add(connection)
            if connection is None:
                break
            if not connection.dropped():
                return connection
            self.take_back(connection, reusable=False)
        connection = self._connect()
        with self._lock:
            self._used.add(connection)
            interrupted = self._interrupts != interrupts
        if interrupted:
            self.take_back(connection, reusable=False)
            raise _broken(None, "interrupted")
        return connection

    def _connect(self) -> _Connection:
        try:
            sock = socket.create_connection(self._proxy or self._address, self._connect_timeout_s)
        except OSError as error:
            raise _broken(error, "no connection" if self._proxy is None else "no connection to the proxy") from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                if self._proxy is not None:
                    _open_tunnel(sock, self._address, self._proxy_headers)
                sock = self._tls.wrap_socket(sock, server_hostname=self._address[0])
            sock.settimeout(self._read_timeout_s)
        except OSError as error:
            sock.close()
            raise _broken(error, "no TLS", tls=True) from error
        except BrokenConnectionError:
            sock.close()
            raise
        return _Connection(sock)


def _open_tunnel(sock: socket.socket, address: tuple[str, int], headers: Mapping[str, str]) -> None:
    """Have a proxy connect to `address`; all that is sent afterwards arrives there.

    Raises:
        BrokenConnectionError: It does not.
    """
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    lines = [f"CONNECT {host}:{address[1]} HTTP/1.1\r\nhost: {host}:{address[1]}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    sock.sendall("".join([*lines, "\r\n"]).encode("latin-1"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # one by one: what follows the head belongs to TLS
        byte = sock.recv(1)
        if not byte or len(head) > _MAX_LINE_BYTES:
            raise _broken(None, "the proxy opened no tunnel")
        head += byte
    status = head.split(b" ", 2)[1:2]
    if not status or not status[0].startswith(b"2"):
        shown = head.partition(b"\r\n")[0][:80].decode("latin-1")
        raise _broken(None, f"the proxy opened no tunnel: {shown}", tls=True)


def _read_length(text: str) -> int:
    """The value of `content-length`; several equal ones, as proxies make them, are one.

    Raises:
        ValueError: It is no count of bytes.
    """
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()):
        raise ValueError(f"content-length {text[:40]!r}")
    return int(value)


def _read_chunk_length(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > _MAX_CHUNK_DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
        raise ValueError(f"length of a chunk {line[:40]!r}")
    return int(digits, 16)


def _skip_trailers(reader: Any) -> None:
    size_bytes = 0
    while (line := reader.readline(_MAX_LINE_BYTES)) not in {b"\r\n", b""}:
        size_bytes += len(line)
        if size_bytes > _MAX_HEADER_BYTES:
            raise ValueError("endless trailers")


def _broken(error: Exception | None, what: str, *, tls: bool = False) -> BrokenConnectionError:
    detail = type(error).__name__ if error is not None else what
    return BrokenConnectionError(f"{detail}: {what}", tls=tls or isinstance(error, ssl.SSLError))
