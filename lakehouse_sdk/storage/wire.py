"""One signed (or anonymous) HTTP request to an S3 server: sign, send, retry, translate the error."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import BinaryIO
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConnectError
from lakehouse_sdk.storage.refusals import Refusal

_RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_ERROR_IN_200 = re.compile(rb"^\s*(<\?xml[^>]*\?>)?\s*<Error[ >]")
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")
_STATUS_OF_LATE_ERROR = {"InternalError": 500, "SlowDown": 503, "ServiceUnavailable": 503, "RequestTimeout": 408}
_MAX_ATTEMPTS = 5
_FIRST_DELAY_S = 0.2


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
    body: bytes | BinaryIO
    body_sha256: str = ""


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore is untyped
    """Signs a body whose SHA-256 the caller knows without reading it once more."""

    def payload(self, request: AWSRequest) -> str:
        known: str = request.context.get("body_sha256") or super().payload(request)
        return known


class Wire:
    """Requests to one S3 server; safe to share between threads.

    Connection errors and the statuses 408, 429, 5xx are sent up to five times in all, with exponential backoff and full
    jitter; so is an error that arrives under the status 200, as a copy's may.

    Attributes:
        profile: The server and its credentials.
        requests_sent: Requests sent so far, repeated ones included.
    """

    def __init__(self, profile: S3Profile, *, max_connections: int, connect_timeout_s: float, read_timeout_s: float) -> None:
        parts = urlsplit(profile.resolved_endpoint_url)
        self.profile = profile
        self.requests_sent = 0
        self._count_lock = threading.Lock()
        self._host = parts.netloc
        self._virtual = profile.addressing_style == "virtual"
        self._pools = urllib3.PoolManager(
            num_pools=8,
            maxsize=max_connections,
            block=False,
            timeout=urllib3.Timeout(connect=connect_timeout_s, read=read_timeout_s),
            retries=False,
        )
        self._auth: _Signer | None = None
        if not profile.anonymous:
            access_key, secret_key = profile.credentials()
            token = profile.session_token.get_secret_value() if profile.session_token else None
            self._auth = _Signer(Credentials(access_key, secret_key, token), "s3", profile.region)

    def close(self) -> None:
        """Close idle connections."""
        self._pools.clear()

    def send(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO = b"",
        body_sha256: str = "",
    ) -> Answer:
        """Send one request, read the whole answer.

        A file as body is sent from its beginning, again for each attempt; its length goes into the header `Content-Length`.
        With `body_sha256` (hex) the server refuses any other bytes.

        Raises:
            ConnectError: Nobody answers, after retries.
            LakehouseError: The server's refusal, as `Refusal.to_error` translates it.
        """
        request = _Request(method, bucket, key, query or {}, headers or {}, body, body_sha256)
        return _answer(self._exchange(request, preload=True))

    def open(self, bucket: str, key: str, headers: Mapping[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """GET with the body left on the wire; the caller reads it and calls `release_conn()`.

        Raises:
            As `send`; the request is retried, reading the body is not.
        """
        return self._exchange(_Request("GET", bucket, key, {}, headers or {}, b""), preload=False)

    def _exchange(self, request: _Request, *, preload: bool) -> urllib3.BaseHTTPResponse:
        delay_s = _FIRST_DELAY_S
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            last = attempt == _MAX_ATTEMPTS
            try:
                response = self._request(request, preload=preload)
                refusal = self._find_refusal(request, response)
            except urllib3.exceptions.HTTPError as error:
                if last or isinstance(error, urllib3.exceptions.SSLError):
                    raise self._unreachable(error) from error
            else:
                if refusal is None:
                    return response
                if last or refusal.status not in _RETRYABLE_STATUS:
                    raise refusal.to_error()
            time.sleep(random.uniform(0, delay_s))  # noqa: S311 (jitter, not a secret)
            delay_s *= 2
        raise AssertionError

    def _request(self, request: _Request, *, preload: bool) -> urllib3.BaseHTTPResponse:
        host = f"{request.bucket}.{self._host}" if self._virtual and request.bucket else self._host
        path = f"/{quote(request.key, safe='/~')}"
        if request.bucket and not self._virtual:
            path = f"/{request.bucket}{path if request.key else ''}"
        target = f"{path}?{urlencode(request.query, quote_via=quote)}" if request.query else path
        headers = dict(request.headers)
        scheme = "https" if self.profile.secure else "http"
        if self._auth is not None:
            signed = AWSRequest(
                request.method, f"{scheme}://{host}{path}", headers=headers, data=request.body, params=dict(request.query)
            )
            signed.context["payload_signing_enabled"] = True
            signed.context["body_sha256"] = request.body_sha256
            self._auth.add_auth(signed)
            headers = dict(signed.headers.items())
        with self._count_lock:
            self.requests_sent += 1
        if not isinstance(request.body, bytes):
            request.body.seek(0)
        pool = self._pools.connection_from_url(f"{scheme}://{host}")
        return pool.urlopen(
            request.method, target, body=request.body or None, headers=headers, preload_content=preload, redirect=False
        )

    def _find_refusal(self, request: _Request, response: urllib3.BaseHTTPResponse) -> Refusal | None:
        """What the server refused, None where it did as asked."""
        late = False
        if response.status < 300:
            # Only answers that are XML by contract are looked into; a GET's body may be an object that looks like an error.
            late = request.method in {"PUT", "POST"} and _ERROR_IN_200.match(response.data) is not None
            if not late:
                return None
        answer = _answer(response)
        response.release_conn()
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

    def _unreachable(self, error: Exception) -> ConnectError:
        endpoint = self.profile.resolved_endpoint_url
        if isinstance(error, urllib3.exceptions.SSLError):
            return ConnectError(
                f"No TLS connection to {endpoint} ({type(error).__name__}).",
                hint="Check whether the server speaks http or https, and its certificate.",
            )
        return ConnectError(
            f"No S3 server answers at {endpoint} ({type(error).__name__}).",
            hint="Check storage.endpoint_url (`lakehouse config show --origin`), or start a local server: `lakehouse up`.",
        )


def _answer(response: urllib3.BaseHTTPResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.data)


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
