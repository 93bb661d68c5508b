"""What becomes of a request when the server, or what stands before it, misbehaves: against a real socket with a script."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from scripted_s3 import RESET, ScriptedServer, answer, page, refuse

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import AccessError, CapacityError, ConflictError, ConnectError, NotFoundError, StorageError
from lakehouse_sdk.storage import S3Client

Start = Callable[..., ScriptedServer]


@pytest.fixture
def delays_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each wait between attempts could have been; no wait costs time."""
    longest: list[float] = []

    def choose(low: float, high: float) -> float:
        longest.append(high)
        return low

    monkeypatch.setattr("lakehouse_sdk.retry.random.uniform", choose)
    return longest


@pytest.fixture
def start(delays_s: list[float]) -> Iterator[Start]:
    """Start a server with a script."""
    servers: list[ScriptedServer] = []

    def start(*script: bytes) -> ScriptedServer:
        servers.append(ScriptedServer(*script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class TestRepeated:
    """Faults that pass are waited for."""

    @pytest.mark.parametrize(
        "fault",
        [
            refuse("503 Slow Down", "SlowDown"),
            refuse("500 Internal", "InternalError"),
            answer("502 Bad Gateway", b"<html>nginx</html>"),
            answer("429 Too Many", b""),
            RESET,
            answer(body=b"abc", Content_Length="100"),
            b"no http at all\r\n\r\n",
        ],
        ids=["slow-down", "internal", "gateway", "too-many", "reset", "cut-in-the-body", "nonsense"],
    )
    def test_then_success(self, start: Start, fault: bytes, delays_s: list[float]) -> None:
        server = start(fault, fault, answer(body=b"whole"))
        assert server.client.get_bytes("bucket", "key") == b"whole"
        assert server.requests == ["GET /bucket/key HTTP/1.1"] * 3
        assert server.client.requests_sent == 3
        assert delays_s == [0.2, 0.4]

    def test_until_patience_ends(self, start: Start, delays_s: list[float]) -> None:
        server = start(refuse("503 Slow Down", "SlowDown"))
        with pytest.raises(StorageError, match="503 SlowDown As scripted") as caught:
            server.client.get_bytes("bucket", "key")
        assert (caught.value.status, caught.value.code) == (503, "SlowDown")
        assert len(server.requests) == 5
        assert delays_s == [0.2, 0.4, 0.8, 1.6]

    def test_a_server_that_drops_every_connection(self, start: Start) -> None:
        server = start(RESET)
        with pytest.raises(ConnectError, match=rf"No S3 server answers at {server.endpoint_url}.*lakehouse up"):
            server.client.get_bytes("bucket", "key")
        assert len(server.requests) == 5

    def test_a_stream_is_repeated_until_it_begins(self, start: Start) -> None:
        server = start(RESET, refuse("503 Slow Down", "SlowDown"), answer(body=b"whole"))
        stream = server.client.open_stream("bucket", "key")
        assert stream.read() == b"whole"
        stream.close()


class TestNotRepeated:
    """What will not change by waiting."""

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (refuse("403 Forbidden", "AccessDenied"), AccessError),
            (refuse("403 Forbidden", "RequestTimeTooSkewed"), AccessError),
            (refuse("404 Not Found", "NoSuchKey"), NotFoundError),
            (refuse("412 Precondition Failed", "PreconditionFailed"), ConflictError),
            (refuse("507 Full", "XMinioStorageFull"), CapacityError),
            (refuse("400 Bad Request", "InvalidArgument"), StorageError),
            (answer("301 Moved", Location="http://elsewhere"), StorageError),
        ],
    )
    def test_one_request(self, start: Start, fault: bytes, kind: type[Exception]) -> None:
        server = start(fault)
        with pytest.raises(kind):
            server.client.get_bytes("bucket", "key")
        assert len(server.requests) == 1

    def test_a_page_that_is_not_s3_is_quoted(self, start: Start) -> None:
        server = start(answer("400 Bad Request", b"Client sent an HTTP request\n to an HTTPS server."))
        with pytest.raises(StorageError, match=r"Client sent an HTTP request to an HTTPS server\."):
            server.client.get_bytes("bucket", "key")

    @pytest.mark.parametrize("fault", [refuse("403 Forbidden", "SignatureDoesNotMatch"), RESET])
    def test_no_error_shows_the_secret(self, start: Start, fault: bytes) -> None:
        server = start(fault)
        with pytest.raises(Exception, match=server.endpoint_url) as caught:
            server.client.get_bytes("bucket", "key")
        assert "hush-hush" not in repr(caught.getrepr(showlocals=True))


class TestLateErrors:
    """S3 may send 200 before it knows how a copy ends; the answer then holds the error."""

    ERROR = b'<?xml version="1.0"?>\n<Error><Code>%s</Code><Message>As scripted.</Message></Error>'
    DONE = b"<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>"

    def test_one_that_passes_is_repeated(self, start: Start) -> None:
        server = start(answer(body=self.ERROR % b"InternalError"), answer(body=self.DONE))
        assert server.client.copy("a", "k", "b", "k").etag == "e"
        assert len(server.requests) == 2

    def test_one_that_stays_is_an_error(self, start: Start) -> None:
        server = start(answer(body=self.ERROR % b"NotImplemented"))
        with pytest.raises(StorageError, match="NotImplemented As scripted"):
            server.client.copy("a", "k", "b", "k")
        assert len(server.requests) == 1

    def test_an_empty_answer_is_no_confirmation(self, start: Start) -> None:
        with pytest.raises(StorageError, match="copy of a/k to b/k was not confirmed"):
            start(answer()).client.copy("a", "k", "b", "k")
        with pytest.raises(StorageError, match="deletion of 1 objects in b was not confirmed"):
            start(answer()).client.delete_objects("b", ["k"])

    def test_a_key_deleted_by_itself_keeps_the_servers_code(self, start: Start) -> None:
        (failure,) = start(refuse("400 Bad Request", "InvalidRequest")).client.delete_objects("b", ["bell\x07"])
        assert (failure.key, failure.code) == ("bell\x07", "InvalidRequest")

    def test_an_object_that_looks_like_an_error_is_an_object(self, start: Start) -> None:
        body = self.ERROR % b"InternalError"
        assert start(answer(body=body)).client.get_bytes("b", "k") == body


class TestListing:
    """A listing is complete or an error: half a listing would look like missing objects."""

    def test_pages(self, start: Start) -> None:
        server = start(page("a", "b", token="1"), page("c", token="2"), page("d"))
        assert [found.key for found in server.client.list_objects("bucket")] == ["a", "b", "c", "d"]
        assert "continuation-token=2" in server.requests[2]

    def test_a_page_that_is_cut_is_asked_for_again(self, start: Start) -> None:
        whole = page("a", "b")
        server = start(whole[:-40], whole)
        assert [found.key for found in server.client.list_objects("bucket")] == ["a", "b"]

    def test_a_page_that_ends_early_and_hides_it(self, start: Start) -> None:
        body = page("a").partition(b"\r\n\r\n")[2].removesuffix(b"</ListBucketResult>")
        with pytest.raises(StorageError, match="not S3 XML"):
            list(start(answer(body=body)).client.list_objects("bucket"))

    def test_a_web_page(self, start: Start) -> None:
        with pytest.raises(StorageError, match=r"not S3 XML.*S3 address"):
            list(start(answer(body=b"<html><body>Sign in</body></html>")).client.list_objects("bucket"))

    @pytest.mark.parametrize(
        "script",
        [
            [page("a", "b", token="1"), page("a", "b", token="2"), page("a", "b", token="3")],
            [page("a", token="1"), page("b", token="1"), page("c", token="1")],
            [page("a", token="1"), page("b", token="2"), page("c", token="1"), page("d", token="2")],
        ],
        ids=["ignores-the-token", "same-token", "circle"],
    )
    def test_a_server_that_goes_round_in_circles(self, start: Start, script: list[bytes]) -> None:
        with pytest.raises(StorageError, match="repeats itself"):
            list(start(*script).client.list_objects("bucket"))

    def test_nothing_is_yielded_twice_before_the_circle_is_seen(self, start: Start) -> None:
        listing = start(page("a", token="1"), page("a", token="2")).client.list_objects("bucket")
        assert next(listing).key == "a"
        with pytest.raises(StorageError, match="repeats itself"):
            next(listing)

    def test_an_empty_page_in_the_middle_is_no_end(self, start: Start) -> None:
        server = start(page("a", token="1"), page(token="2"), page(token="3"), page("b"))
        assert [found.key for found in server.client.list_objects("bucket")] == ["a", "b"]


class TestAddressing:
    """Where the bucket's name goes."""

    def test_into_the_path(self, start: Start) -> None:
        server = start(answer(body=b"x"))
        server.client.get_bytes("bucket", "a/key")
        assert server.requests == ["GET /bucket/a/key HTTP/1.1"]
        assert server.headers["host"] == server.endpoint_url.partition("://")[2]

    def test_into_the_host_name(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        server = start(answer(body=b"x"))
        port = server.endpoint_url.rpartition(":")[2]
        resolve = socket.getaddrinfo

        def resolve_here(host: str, *args: object, **kwargs: object) -> object:
            return resolve("127.0.0.1" if host == "bucket.s3.test" else host, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
        profile = S3Profile(
            endpoint_url=f"http://s3.test:{port}",
            access_key="key",
            secret_key="s",
            session_token="token",
            addressing_style="virtual",
        )
        with S3Client(profile) as client:
            client.get_bytes("bucket", "a/key")
            assert client.bucket_exists("bucket")
        assert server.requests == ["GET /a/key HTTP/1.1", "HEAD / HTTP/1.1"]
        assert server.headers["host"] == f"bucket.s3.test:{port}"
        assert server.headers["x-amz-security-token"] == "token"

    def test_a_bucket_is_made_in_the_profiles_region(self, start: Start) -> None:
        server = start(answer("404 Not Found"), answer())
        profile = server.client.profile.model_copy(update={"region": "eu-west-1"})
        with S3Client(profile) as client:
            client.ensure_bucket("bucket")
        assert server.requests == ["HEAD /bucket HTTP/1.1", "PUT /bucket HTTP/1.1"]
        assert int(server.headers["content-length"]) > 0

    def test_a_bucket_that_somebody_else_makes_meanwhile_is_there(self, start: Start) -> None:
        server = start(answer("404 Not Found"), refuse("409 Conflict", "BucketAlreadyOwnedByYou"), answer())
        server.client.ensure_bucket("bucket")
        taken = start(answer("404 Not Found"), refuse("409 Conflict", "BucketAlreadyExists"), answer("404 Not Found"))
        with pytest.raises(ConflictError):
            taken.client.ensure_bucket("bucket")
