"""HTTP as servers really speak it, against a real socket with a script."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from scripted_s3 import ScriptedServer, answer

from lakehouse_sdk.storage.connection import BrokenConnectionError, ConnectionPool


class KeptServer:
    """Answers every request on one connection from a script, as long as the client keeps it."""

    def __init__(self, *script: bytes) -> None:
        self.connections = 0
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            while self._script and reader.readline():
                length = 0
                while (line := reader.readline().strip().lower()) != b"":
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                reader.read(length)
                connection.sendall(self._script.pop(0))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n"


@pytest.fixture
def serve() -> Iterator[object]:
    servers: list[KeptServer] = []
    pools: list[ConnectionPool] = []

    def start(*script: bytes) -> tuple[KeptServer, ConnectionPool]:
        servers.append(KeptServer(*script))
        pool = ConnectionPool(servers[-1].origin, max_idle=2, connect_timeout_s=2, read_timeout_s=5, tls=None)
        pools.append(pool)
        return servers[-1], pool

    yield start
    for pool in pools:
        pool.close()
    for server in servers:
        server.close()


def get(pool: ConnectionPool, method: str = "GET"):
    return pool.exchange(method, "/x", {"host": "h"}, b"", 0)


def test_a_connection_is_kept_from_answer_to_answer(serve):
    server, pool = serve(whole(b"one"), CHUNKED, whole(b""), whole(b"two"))
    assert [get(pool).read_all() for _ in range(4)] == [b"one", b"abcde", b"", b"two"]
    assert server.connections == 1
    pool.close()


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(serve):
    server, pool = serve(whole(b"one"))
    assert get(pool).read_all() == b"one"
    time.sleep(0.1)
    with pytest.raises(BrokenConnectionError):
        get(pool)
    assert server.connections == 2


@pytest.mark.parametrize("script", [whole(b"abcde"), CHUNKED])
def test_a_body_is_a_file(serve, script):
    _, pool = serve(script, whole(b"next"))
    with get(pool) as reply:
        assert (reply.readable(), reply.read(2), reply.read(), reply.read()) == (True, b"ab", b"cde", b"")
    assert get(pool).read_all() == b"next"


def test_a_body_that_is_not_read_costs_its_connection_and_harms_no_other(serve):
    server, pool = serve(whole(b"abcde"), whole(b"next"), whole(b"last"))
    first = get(pool)
    first.close()
    second = get(pool)
    del first
    assert (second.read_all(), get(pool).read_all(), server.connections) == (b"next", b"last", 2)


def test_without_a_length_the_body_ends_with_the_connection(serve):
    _, pool = serve(b"HTTP/1.0 200 OK\r\n\r\nabc")
    assert get(pool).read_all() == b"abc"


def read_in_pieces(reply):
    """As transfers do it: into memory of their own, until nothing comes any more."""
    memory = bytearray(9)
    while reply.readinto(memory):
        pass


@pytest.mark.parametrize(
    "script",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_body_that_is_cut_is_an_error(serve, script):
    _, pool = serve(script)
    with pytest.raises(BrokenConnectionError):
        get(pool).read_all()
    _, pool = serve(script)
    with pytest.raises(BrokenConnectionError):
        read_in_pieces(get(pool))


@pytest.mark.parametrize("script", [b"FTP/1 220\r\n", b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
def test_what_is_not_http_is_an_error(serve, script):
    _, pool = serve(script)
    with pytest.raises(BrokenConnectionError, match="no HTTP answer"):
        get(pool)


def test_an_interim_answer_is_passed_over_and_repeated_headers_are_joined(serve):
    _, pool = serve(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nA: 1\r\na: 2\r\n\r\n")
    reply = get(pool)
    assert (reply.status, reply.headers["a"], reply.read_all()) == (204, "1, 2", b"")


def test_an_interrupt_ends_waiting_at_once_and_later_requests_work(serve):
    _, pool = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", whole(b"next"))
    timer = threading.Timer(0.2, pool.interrupt)
    timer.start()
    started_s = time.monotonic()
    reply = get(pool)
    with pytest.raises(BrokenConnectionError):
        read_in_pieces(reply)
    assert time.monotonic() - started_s < 3


def test_an_answer_that_comes_before_the_body_was_read_is_the_answer():
    """A server may refuse a large upload at its head and close."""
    server = ScriptedServer(answer("403 Forbidden", b"no"))
    pool = ConnectionPool(server.endpoint_url, max_idle=2, connect_timeout_s=2, read_timeout_s=5, tls=None)
    reply = pool.exchange("PUT", "/x", {"host": "h"}, bytes(1 << 20), 1 << 20)
    assert (reply.status, reply.read_all()) == (403, b"no")
    pool.close()
    server.close()
