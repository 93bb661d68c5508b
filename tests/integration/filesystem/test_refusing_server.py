"""The filesystem before a server that refuses a quarter of all requests, and on objects that change under an open file."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import s3fs

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import ConflictError, UsageError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer


class Refusing(ThreadingHTTPServer):
    """Passes requests on to a server, and refuses some with 429, by a seed; a context manager.

    Attributes:
        refused: How many it refused.
    """

    daemon_threads = True

    def __init__(self, endpoint_url: str, share: float, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = urlsplit(endpoint_url).netloc
        self.share, self.body = share, body
        self.refused = 0
        self.choose = random.Random(1).random

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Refusing

    def log_message(self, *_: object) -> None:
        """Silent."""

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.choose() < self.server.share:
            self.server.refused += 1
            self._answer(429, {}, b"" if self.command == "HEAD" else self.server.body)
            return
        onward = HTTPConnection(self.server.origin)
        onward.request(self.command, self.path, body, dict(self.headers.items()))
        answer = onward.getresponse()
        content = answer.read()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in {"transfer-encoding", "connection"}}
        self._answer(answer.status, kept, content)
        onward.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815 (the handler's own spelling)


@pytest.fixture(params=[b"", b"<Error><Code>SlowDown</Code><Message>m</Message></Error>", b"<html>Too many</html>"])
def refusing(request: pytest.FixtureRequest, minio: MinioServer, bucket: str) -> Iterator[tuple[Refusing, LakehouseFileSystem]]:
    with Refusing(minio.endpoint_url, 0.25, request.param) as server:
        # The host is signed, so requests are signed for the server's own name.
        profile = minio.profile.model_copy(update={"endpoint_url": f"http://127.0.0.1:{server.server_address[1]}"})
        yield server, LakehouseFileSystem(load_settings(storage=profile), skip_instance_cache=True)


def test_every_kind_of_call_survives_a_quarter_of_refusals(
    refusing: tuple[Refusing, LakehouseFileSystem], bucket: str, tmp_path: Path
) -> None:
    server, fs = refusing
    for number in range(5):
        fs.pipe(f"{bucket}/d/{number}", b"%d" % number)
        assert fs.cat(f"{bucket}/d/{number}") == b"%d" % number
        assert fs.exists(f"{bucket}/d/{number}")
        assert not fs.exists(f"{bucket}/d/none-{number}")
        assert fs.info(f"{bucket}/d/{number}")["size"] == 1
        with fs.open(f"{bucket}/w/{number}", "wb") as file:
            file.write(b"x" * 100)
        with fs.open(f"{bucket}/w/{number}") as file:
            assert file.read(10) == b"x" * 10
    assert len(fs.find(f"{bucket}/")) == 10
    fs.get(f"{bucket}/d", str(tmp_path / "d"), recursive=True)
    assert len(list((tmp_path / "d").iterdir())) == 5
    fs.copy(f"{bucket}/d/", f"{bucket}/e/", recursive=True)
    fs.mv(f"{bucket}/e/1", f"{bucket}/e/one")
    fs.rm(f"{bucket}/e", recursive=True)
    assert sorted(fs.ls(f"{bucket}/")) == [f"{bucket}/d", f"{bucket}/w"]
    assert server.refused > 10


def test_a_file_that_changes_while_it_is_read_says_so_in_every_tongue(minio: MinioServer, bucket: str) -> None:
    fs = LakehouseFileSystem(load_settings(storage=minio.profile))
    fs.pipe(f"{bucket}/k", b"a" * 100_000)
    for expected in (ConflictError, s3fs.core.FileExpired, OSError):
        with fs.open(f"{bucket}/k", "rb", block_size=1000, cache_type="none") as file:
            assert file.read(1000) == b"a" * 1000
            fs.pipe(f"{bucket}/k", b"b" * 100_000)
            with pytest.raises(expected, match="since it was opened"):
                file.read(1000)
        fs.pipe(f"{bucket}/k", b"a" * 100_000)


@pytest.mark.parametrize(
    "arguments",
    [
        {"key": "k", "secret": "s"},
        {"anon": True},
        {"endpoint_url": "http://127.0.0.1:9"},
        {"client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}},
        {"config_kwargs": {"s3": {"addressing_style": "path"}}},
        {"token": "t"},
        {"use_ssl": False},
        {"username": "u", "password": "p"},
    ],
    ids="+".join,
)
def test_s3fs_arguments_that_say_how_to_connect_are_explained(minio: MinioServer, arguments: dict[str, Any]) -> None:
    """A half of one connection and a half of another would be nobody's server."""
    with pytest.raises(UsageError, match=r"takes its connection from the settings, not from .*s3://") as told:
        LakehouseFileSystem(load_settings(storage=minio.profile), **arguments)
    assert all(name in str(told.value) for name in arguments)


def test_settings_may_be_a_dict(minio: MinioServer, bucket: str) -> None:
    access_key, secret_key = minio.profile.credentials()
    storage = {"endpoint_url": minio.endpoint_url, "access_key": str(access_key), "secret_key": str(secret_key)}
    fs = LakehouseFileSystem(settings={"storage": storage})
    fs.pipe(f"{bucket}/k", b"x")
    assert fs.cat(f"{bucket}/k") == b"x"
