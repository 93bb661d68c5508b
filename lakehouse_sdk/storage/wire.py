"""One signed (or anonymous) HTTP request to an S3 server: sign, send, retry, translate the error."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from importlib.metadata import version
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConnectError
from lakehouse_sdk.retry import RetryPolicy, call_with_retry
from lakehouse_sdk.storage.connection import Body, BrokenConnectionError, ConnectionPool, Reply
from lakehouse_sdk.storage.refusals import Refusal
from lakehouse_sdk.storage.signing import UNSIGNED, Signer, encode_header

_RELEASE = version("lakehouse-sdk")
_LOOKED_AT_BYTES = 64 * 1024
"""Of an answer, to see whether it is an error in the place of a success; S3 sends spaces while it works."""
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")
_STATUS_OF_LATE_ERROR = {"InternalError": 500, "SlowDown": 503, "ServiceUnavailable": 503, "RequestTimeout": 408}
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
DEFAULT_RETRY = RetryPolicy(attempts=5, first_delay_s=0.2)
"""For requests that a person waits for: a server that is not there is said within seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An S3 server's answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body = b""
    size_bytes: int = 0
    body_sha256: str = ""


_Result = TypeVar("_Result")


class Wire:
    """Requests to one S3 server; safe to share between threads.

    Connection errors and the statuses 408, 429, 5xx are sent again as `retry` says, by default up to five times in all; so is
    an error that arrives under the status 200, as a copy's may.

    Each request says which release sends it and which operation it belongs to (`User-Agent: lakehouse-sdk/<version> op=<id>`),
    so that the log of a server can be read by operation.

    Attributes:
        profile: The server and its credentials.
        requests_sent: Requests sent so far, repeated ones included.
        requests_repeated: Those of them that were repetitions.
    """

    def __init__(
        self,
        profile: S3Profile,
        *,
        max_connections: int,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        parts = urlsplit(profile.resolved_endpoint_url)
        self.profile = profile
        self._policy = retry
        self.requests_sent = 0
        self.requests_repeated = 0
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._interrupted = threading.Event()
        self._scheme, self._host = parts.scheme, parts.netloc
        self._virtual = profile.addressing_style == "virtual"
        self._pools: dict[str, ConnectionPool] = {}
        self._max_connections = max_connections
        self._proxy = profile.resolved_proxy
        self._tls = profile.make_tls()
        self._agent = f"lakehouse-sdk/{_RELEASE} op={uuid.uuid4().hex[:16]}"
        self._signer: Signer | None = None
        if not profile.anonymous:
            access_key, secret_key = profile.credentials()
            self._signer = Signer(access_key, secret_key, profile.region, profile.resolved_token)
        self._begin_encrypted = profile.encryption_headers()
        self._customer = profile.customer_headers()
        self._customer_of_source = profile.customer_headers("copy-source-")

    @property
    def repeats_of_thread(self) -> int:
        """Requests that the calling thread had to repeat so far."""
        return getattr(self._mine, "repeats", 0)

    def close(self) -> None:
        """Close idle connections."""
        for pool in list(self._pools.values()):
            pool.close()

    def interrupt(self) -> None:
        """Make every request that is under way, and every wait for another attempt, end at once in a `ConnectError`."""
        with self._lock:
            woken, self._interrupted = self._interrupted, threading.Event()
            pools = list(self._pools.values())
        woken.set()
        for pool in pools:
            pool.interrupt()

    def send(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        size_bytes: int | None = None,
        body_sha256: str = "",
    ) -> Answer:
        """Send one request, read the whole answer.

        A file as body is sent from its beginning, again for each attempt, and needs `size_bytes` and `body_sha256`. With
        `body_sha256` (hex) the server refuses any other bytes; `UNSIGNED` leaves the body out of the signature.

        Raises:
            ConnectError: Nobody answers, after retries.
            LakehouseError: The server's refusal, as `Refusal.to_error` translates it.
        """
        size_bytes = len(body) if size_bytes is None else size_bytes  # type: ignore[arg-type]  # a file comes with its size
        request = _Request(method, bucket, key, query or {}, headers or {}, body, size_bytes, body_sha256)
        return self._repeat(request, self._send_once)

    def open(self, bucket: str, key: str, headers: Mapping[str, str] | None = None) -> Reply:
        """GET with the body left on the wire, for the caller to read and close.

        Raises:
            As `send`; the request is retried, reading the body is not.
        """
        return self._repeat(_Request("GET", bucket, key, {}, headers or {}), self._open_once)

    def _repeat(self, request: _Request, once: Callable[[_Request], _Result]) -> _Result:
        interrupted = self._interrupted

        def attempt(_number: int) -> _Result:
            try:
                return once(request)
            except BrokenConnectionError as error:
                raise self._unreachable(error, may_pass=not (error.tls or interrupted.is_set())) from error

        def wait(seconds: float) -> bool:
            if interrupted.wait(seconds):
                raise self._unreachable(BrokenConnectionError("interrupted"), may_pass=False)
            return False

        return call_with_retry(attempt, self._policy, note_retry=self._note_repeat, wait=wait)

    def _note_repeat(self) -> None:
        self._mine.repeats = self.repeats_of_thread + 1
        with self._lock:
            self.requests_repeated += 1

    def _send_once(self, request: _Request) -> Answer:
        reply = self._exchange(request)
        answer = Answer(reply.status, reply.headers, reply.read_all())
        # Only answers that are XML by contract are looked into; a GET's body may be an object that looks like an error.
        late = answer.status < 300 and request.method in {"PUT", "POST"} and _is_error(answer.body)
        if late or answer.status >= 300:
            raise self._refusal(request, answer, late=late).to_error()
        return answer

    def _open_once(self, request: _Request) -> Reply:
        reply = self._exchange(request)
        if reply.status >= 300:
            answer = Answer(reply.status, reply.headers, reply.read_all())
            raise self._refusal(request, answer, late=False).to_error()
        return reply

    def _exchange(self, request: _Request) -> Reply:
        host = f"{request.bucket}.{self._host}" if self._virtual and request.bucket else self._host
        path = f"/{quote(request.key, safe='/~')}"
        if request.bucket and not self._virtual:
            path = f"/{request.bucket}{path if request.key else ''}"
        query = urlencode(sorted(request.query.items()), quote_via=quote, safe="~") if request.query else ""
        headers = {name: encode_header(value) for name, value in request.headers.items()}
        if self._begin_encrypted and request.key:
            headers |= self._encryption_headers(request)
        if self.profile.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        if self._signer is not None:
            body_sha256 = request.body_sha256 or _hash(request.body)
            headers = self._signer.sign(request.method, host, path, query, headers, body_sha256)
        else:
            headers["host"] = host
        headers["user-agent"] = self._agent  # not signed: proxies may change it
        with self._lock:
            self.requests_sent += 1
            pool = self._pools.get(host) or self._make_pool(host)
        if not isinstance(request.body, bytes | bytearray | memoryview):
            request.body.seek(0)
        target = f"{path}?{query}" if query else path
        return pool.exchange(request.method, target, headers, request.body, request.size_bytes)

    def _encryption_headers(self, request: _Request) -> Mapping[str, str]:
        """What the profile's encryption asks of a request: said where an object begins; a key of the caller's each time."""
        query = request.query.keys()
        if request.method in {"GET", "HEAD"}:
            return self._customer if query <= {"partNumber", "versionId"} else {}
        begins = (request.method == "PUT" and not query) or (request.method == "POST" and "uploads" in query)
        headers = self._begin_encrypted if begins else self._customer if "partNumber" in query else {}
        return {**headers, **self._customer_of_source} if "x-amz-copy-source" in request.headers else headers

    def _make_pool(self, host: str) -> ConnectionPool:
        pool = self._pools[host] = ConnectionPool(
            f"{self._scheme}://{host}",
            max_idle=self._max_connections,
            connect_timeout_s=self.profile.connect_timeout_s,
            read_timeout_s=self.profile.read_timeout_s,
            tls=self._tls,
            proxy=self._proxy,
        )
        return pool

    def _refusal(self, request: _Request, answer: Answer, *, late: bool) -> Refusal:
        code = _text(_CODE, answer.body) or answer.headers.get("x-minio-error-code", "")
        return Refusal(
            status=_STATUS_OF_LATE_ERROR.get(code, 400) if late else answer.status,
            code=code,
            message=_message(answer),
            action=request.method,
            bucket=request.bucket,
            key=request.key,
            endpoint_url=self.profile.resolved_endpoint_url,
        )

    def _unreachable(self, error: BrokenConnectionError, *, may_pass: bool) -> ConnectError:
        endpoint = self.profile.resolved_endpoint_url
        if error.tls:
            found = ConnectError(
                f"No TLS connection to {endpoint} ({error.message}).",
                hint="Check whether the server speaks http or https, and its certificate.",
            )
        else:
            found = ConnectError(
                f"No S3 server answers at {endpoint} ({error.message}).",
                hint="Check storage.endpoint_url (`lakehouse config show --origin`), or start a local server: `lakehouse up`.",
            )
        found.is_transient = may_pass
        return found


def _is_error(body: bytes) -> bool:
    """True for S3's error document, whatever space and declaration stand before it."""
    text = body[:_LOOKED_AT_BYTES].lstrip()
    if text.startswith(b"<?xml"):
        text = text.partition(b"?>")[2].lstrip()
    return text.startswith((b"<Error>", b"<Error "))


def _hash(body: Body) -> str:
    if not isinstance(body, bytes | bytearray | memoryview):
        return UNSIGNED
    return hashlib.sha256(body).hexdigest() if body else _EMPTY_SHA256


def _message(answer: Answer) -> str:
    """The server's own words; of a page that is not S3 XML, as a proxy sends it, the beginning."""
    if b"<Error>" in answer.body:
        return _text(_MESSAGE, answer.body)
    return answer.headers.get("x-minio-error-desc", "").strip('"') or " ".join(
        answer.body[:120].decode("utf-8", "replace").split()
    )


def _text(pattern: re.Pattern[bytes], body: bytes) -> str:
    match = pattern.search(body)
    return unescape(match[1].decode("utf-8", "replace")) if match else ""
