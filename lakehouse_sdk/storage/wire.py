"""One signed (or anonymous) HTTP request to an S3 server: sign, send, retry, translate the error."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import (
    AccessError,
    CapacityError,
    ConflictError,
    ConnectError,
    LakehouseError,
    NotFoundError,
    StorageError,
)

_RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")
_MAX_ATTEMPTS = 5
_FIRST_DELAY_S = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """An S3 server's successful answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Requests to one S3 server; safe to share between threads.

    Connection errors and the statuses 408, 429, 5xx are retried up to five times with exponential backoff and full jitter.
    """

    def __init__(self, profile: S3Profile, *, max_connections: int, connect_timeout_s: float, read_timeout_s: float) -> None:
        parts = urlsplit(profile.resolved_endpoint_url)
        self.profile = profile
        self._host = parts.netloc
        self._virtual = profile.addressing_style == "virtual"
        self._pools = urllib3.PoolManager(
            num_pools=8,
            maxsize=max_connections,
            block=False,
            timeout=urllib3.Timeout(connect=connect_timeout_s, read=read_timeout_s),
            retries=False,
        )
        self._auth: S3SigV4Auth | None = None
        if not profile.anonymous:
            access_key, secret_key = profile.keys()
            token = profile.session_token.get_secret_value() if profile.session_token else None
            self._auth = S3SigV4Auth(Credentials(access_key, secret_key, token), "s3", profile.region)

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
        body: bytes = b"",
    ) -> Answer:
        """Send one request, read the whole answer.

        Raises:
            ConnectError: Nobody answers, after retries.
            AccessError, NotFoundError, ConflictError, CapacityError, StorageError: The server's refusal.
        """
        response = self._exchange(method, bucket, key, query or {}, headers or {}, body, preload=True)
        return _answer(response)

    def open(self, bucket: str, key: str, headers: Mapping[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """GET with the body left on the wire; the caller reads it and calls `release_conn()`.

        Raises:
            As `send`; the request is retried, reading the body is not.
        """
        return self._exchange("GET", bucket, key, {}, headers or {}, b"", preload=False)

    def _exchange(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        delay_s = _FIRST_DELAY_S
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            last = attempt == _MAX_ATTEMPTS
            try:
                response = self._request(method, bucket, key, query, headers, body, preload=preload)
                if response.status < 300:
                    return response
                answer = _answer(response)
                response.release_conn()
            except urllib3.exceptions.HTTPError as error:
                if last:
                    raise self._unreachable(error) from error
            else:
                if last or answer.status not in _RETRYABLE_STATUS:
                    raise refusal(answer, method, bucket, key, self.profile)
            time.sleep(random.uniform(0, delay_s))  # noqa: S311 (jitter, not a secret)
            delay_s *= 2
        raise AssertionError

    def _request(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        host = f"{bucket}.{self._host}" if self._virtual and bucket else self._host
        path = f"/{quote(key, safe='/~')}" if self._virtual or not bucket else f"/{bucket}/{quote(key, safe='/~')}"
        if bucket and not key and not self._virtual:
            path = f"/{bucket}"
        target = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        signed = dict(headers)
        scheme = "https" if self.profile.secure else "http"
        if self._auth is not None:
            request = AWSRequest(method, f"{scheme}://{host}{path}", headers=signed, data=body, params=dict(query))
            request.context["payload_signing_enabled"] = True
            self._auth.add_auth(request)
            signed = dict(request.headers.items())
        pool = self._pools.connection_from_url(f"{scheme}://{host}")
        return pool.urlopen(method, target, body=body or None, headers=signed, preload_content=preload, redirect=False)

    def _unreachable(self, error: Exception) -> ConnectError:
        endpoint = self.profile.resolved_endpoint_url
        return ConnectError(
            f"No S3 server answers at {endpoint} ({type(error).__name__}).",
            hint="Check storage.endpoint_url (`lakehouse config show --origin`), or start a local server: `lakehouse up`.",
        )


def _answer(response: urllib3.BaseHTTPResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.data)


def refusal(answer: Answer, method: str, bucket: str, key: str, profile: S3Profile) -> LakehouseError:
    """The SDK's error for an S3 server's refusal."""
    code = _text(_CODE, answer.body) or answer.headers.get("x-minio-error-code", "") or _CODES_OF_HEAD.get(answer.status, "")
    message = _text(_MESSAGE, answer.body) or answer.headers.get("x-minio-error-desc", "").strip('"')
    place = f"{bucket}/{key}" if key else bucket or "the server"
    said = f"{method} {place} at {profile.resolved_endpoint_url}: {answer.status} {code} {message}".rstrip()
    if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}:
        return AccessError(
            f"The server refused the credentials. {said}.", hint="Check storage.access_key and storage.secret_key."
        )
    if code == "NoSuchBucket":
        return NotFoundError(
            f"There is no bucket {bucket!r} at {profile.resolved_endpoint_url}.", hint="Check the name, or create it."
        )
    if answer.status == 404:
        return NotFoundError(f"There is no object {key!r} in bucket {bucket!r} at {profile.resolved_endpoint_url}.")
    if answer.status in {401, 403}:
        return AccessError(f"The server refused the action. {said}.", hint="Ask for the permission, or use another profile.")
    if (
        code in {"XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"}
        or answer.status == 507
    ):
        return CapacityError(f"The server has no room left. {said}.", hint="Free or add space on the server, then run again.")
    if answer.status in {409, 412}:
        return ConflictError(f"The object is not as expected. {said}.", hint="Plan again.")
    return StorageError(f"The server answered with an error. {said}.", status=answer.status, code=code)


_CODES_OF_HEAD = {403: "AccessDenied", 412: "PreconditionFailed"}
"""A HEAD has no body; what its status alone says."""


def _text(pattern: re.Pattern[bytes], body: bytes) -> str:
    match = pattern.search(body)
    return unescape(match[1].decode("utf-8", "replace")) if match else ""
