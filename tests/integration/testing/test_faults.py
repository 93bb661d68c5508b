"""The fault tools do what they say, so that a test that passes with them means something."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import Fault, FaultProxy, MinioCluster
from lakehouse_sdk.testing.proxy import _Clock

ANSWER = b"x" * 500_000


@pytest.fixture
def server() -> Iterator[str]:
    """Says `ANSWER` to whoever connects and sends something, then waits for the end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(100)
                    connection.sendall(ANSWER)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def read(proxy: FaultProxy, *, timeout_s: float = 5.0) -> tuple[int, str]:
    """Bytes that came, and how it ended."""
    came = 0
    port = int(proxy.endpoint_url.rpartition(":")[2])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            connection.sendall(b"go")
            while block := connection.recv(65536):
                came += len(block)
    except (ConnectionResetError, BrokenPipeError):
        return came, "reset"
    except TimeoutError:
        return came, "silence"
    return came, "end"


def test_without_a_fault_all_bytes_pass(server: str) -> None:
    with FaultProxy(server) as proxy:
        assert read(proxy) == (len(ANSWER), "end")
        assert (proxy.connections, proxy.ended) == (1, 0)


def test_reset_close_and_stall_end_as_they_are_called(server: str) -> None:
    script = {
        0: Fault(end="close", after_bytes=1000),
        1: Fault(end="reset", after_bytes=1000),
        2: Fault(end="stall", after_bytes=1000),
    }
    with FaultProxy(server, script.get) as proxy:
        assert read(proxy) == (1000, "end")
        came, how = read(proxy)
        assert how == "reset"
        assert came <= 1000
        assert read(proxy, timeout_s=0.5) == (1000, "silence")
        assert read(proxy) == (len(ANSWER), "end")
        assert proxy.ended == 3


def test_requests_are_cut_before_the_server_sees_their_end(server: str) -> None:
    with FaultProxy(server, Fault(end="close", after_bytes=0, direction="requests")) as proxy:
        assert read(proxy)[0] == 0


def test_slow_is_slow(server: str) -> None:
    with FaultProxy(server, Fault(bytes_per_s=1_000_000, latency_s=0.01)) as proxy:
        began_s = time.monotonic()
        assert read(proxy) == (len(ANSWER), "end")
        assert time.monotonic() - began_s > 0.45


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy:
        assert read(proxy) == (0, "reset")


def test_the_clock_is_ahead_in_headers_and_listings(minio: MinioServer, bucket: str, s3: S3Client) -> None:
    s3.put_bytes(bucket, "k", b"body")
    with FaultProxy(minio.endpoint_url, ahead=timedelta(minutes=10)) as proxy, S3Client(proxy.profile(minio.profile)) as client:
        (listed,) = client.list_objects(bucket)
        (true,) = s3.list_objects(bucket)
        assert listed.last_modified - true.last_modified == timedelta(minutes=10)
        assert client.get_bytes(bucket, "k") == b"body"


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_times_that_are_cut_between_blocks_are_moved_once(size: int) -> None:
    text = (
        b"HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 23:55:00 GMT\r\nX: y\r\n"
        b"Last-Modified: Fri, 20 Nov 2026 23:00:00 GMT\r\n\r\n"
        + b"<Key>Date: </Key><LastModified>2026-11-20T23:59:59.123Z</LastModified>" * 3
        + b"a body that ends like a header\r\nD"
    )
    clock = _Clock(timedelta(minutes=10))
    shown = b"".join(clock.show(text[start : start + size]) for start in range(0, len(text), size)) + clock.flush()
    assert len(shown) == len(text)
    assert b"\r\nDate: Sat, 21 Nov 2026 00:05:00 GMT\r\n" in shown
    assert b"\r\nLast-Modified: Fri, 20 Nov 2026 23:10:00 GMT\r\n" in shown
    assert re.findall(rb"<LastModified>(.*?)</", shown) == [b"2026-11-21T00:09:59.123Z"] * 3


HOLDER = """
import sys
from lakehouse_sdk.testing import MinioCluster
with MinioCluster() as cluster:
    print(cluster._folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.deep
@pytest.mark.timeout(400)
@pytest.mark.needs_debian("iproute2", program="ip", root=True)
class TestCluster:
    def test_it_survives_one_node_and_comes_back_whole(self) -> None:
        with MinioCluster() as cluster, S3Client(cluster.profile) as client:
            client.ensure_bucket("kept")
            client.put_bytes("kept", "before", b"1")
            cluster.kill(3)
            client.put_bytes("kept", "after", b"2")
            assert [client.get_bytes("kept", key) for key in ("before", "after")] == [b"1", b"2"]
            cluster.restart(3)
            assert [info.key for info in client.list_objects("kept")] == ["after", "before"]

    def test_after_kill_9_of_its_owner_nothing_of_it_is_left(self) -> None:
        owner = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert owner.stdout is not None
        assert owner.stdin is not None
        folder, networks = Path(owner.stdout.readline().strip()), Path("/sys/class/net")
        name = f"lh{owner.pid}"
        assert (networks / name).exists()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()
        deadline_s = time.monotonic() + 30
        while (networks / name).exists() or folder.exists():
            assert time.monotonic() < deadline_s, "network or folder are still there"
            time.sleep(0.1)
