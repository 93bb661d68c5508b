"""The S3 operations that the SDK needs, over one server."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote_plus

import urllib3

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConflictError, NotFoundError, StorageError
from lakehouse_sdk.storage.wire import Wire


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing or a HEAD describes it.

    Attributes:
        key: Key, decoded.
        size_bytes: Size.
        etag: ETag without quotes; equal means same bytes, unequal means different only for two plain MD5s.
        last_modified: Aware UTC time by the server's clock.
        sha256: SHA-256 of the whole object, hex, where the server keeps one (HEAD with checksum mode only).
    """

    key: str
    size_bytes: int
    etag: str
    last_modified: datetime
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a server-side copy left behind; `sha256` is hex, None where it was not asked for or not computed."""

    etag: str
    sha256: str | None = None


class S3Client:
    """Synchronous requests to one S3 server; safe to share between threads, a context manager that closes its connections.

    Every method raises `ConnectError` when nobody answers, `AccessError` on refused credentials or actions,
    `NotFoundError` for a missing bucket or object, `CapacityError` when the server is full, `ConflictError` on a failed
    precondition and `StorageError` for the rest. Connection errors, 429 and 5xx are retried five times with backoff and jitter.

    Args:
        profile: The server and its credentials.
        max_connections: Connections kept open for reuse; as many as there are threads.
        connect_timeout_s: Seconds to wait for a connection.
        read_timeout_s: Seconds to wait for the next bytes of an answer.
    """

    def __init__(
        self,
        profile: S3Profile,
        *,
        max_connections: int = 32,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 60.0,
    ) -> None:
        self.profile = profile
        self._wire = Wire(
            profile, max_connections=max_connections, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; the client stays usable."""
        self._wire.close()

    def list_objects(self, bucket: str, prefix: str = "", *, start_after: str = "") -> Iterator[ObjectInfo]:
        """All objects below `prefix`, lazily, a page of 1,000 at a time; S3 lists by the UTF-8 bytes of the key.

        Raises:
            StorageError: Also when the listing is not S3 XML, or repeats a page.
        """
        for body in self._pages(bucket, prefix, start_after=start_after):
            for match in _CONTENTS.finditer(body):
                yield _object_info(match[1])

    def list_prefixes(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """The "folders" directly below `prefix`: common prefixes up to the next `/`, trailing slash included."""
        for body in self._pages(bucket, prefix, delimiter="/"):
            for match in _COMMON_PREFIX.finditer(body):
                yield _decode(match[1])

    def _pages(self, bucket: str, prefix: str, *, start_after: str = "", delimiter: str = "") -> Iterator[bytes]:
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        if start_after:
            query["start-after"] = start_after
        if delimiter:
            query["delimiter"] = delimiter
        token = ""
        while True:
            body = self._wire.send("GET", bucket, query=query).body
            if b"<ListBucketResult" not in body or b"</ListBucketResult>" not in body:
                raise StorageError(
                    f"The listing of {bucket}/{prefix} at {self.profile.resolved_endpoint_url} is not S3 XML.",
                    hint="Check that the endpoint is the S3 address, not a web page in front of it.",
                )
            yield body
            if _TRUNCATED.search(body) is None:
                return
            match = _TOKEN.search(body)
            following = unescape(match[1].decode()) if match else ""
            if not following or following == token:
                raise StorageError(f"The listing of {bucket}/{prefix} does not advance after {token!r}.")
            query["continuation-token"] = token = following

    def get_info(self, bucket: str, key: str) -> ObjectInfo:
        """Size, ETag, time and, where the server keeps it, SHA-256 of one object."""
        answer = self._wire.send("HEAD", bucket, key, headers={"x-amz-checksum-mode": "ENABLED"})
        return ObjectInfo(
            key,
            int(answer.headers.get("content-length", "0")),
            answer.headers.get("etag", "").strip('"'),
            parsedate_to_datetime(answer.headers["last-modified"]).astimezone(UTC),
            _hex(answer.headers.get("x-amz-checksum-sha256")),
        )

    def find_info(self, bucket: str, key: str) -> ObjectInfo | None:
        """As `get_info`; None where there is no such object or bucket."""
        try:
            return self.get_info(bucket, key)
        except NotFoundError:
            return None

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """The whole object in memory."""
        return self._wire.send("GET", bucket, key).body

    def open_stream(self, bucket: str, key: str, *, if_match: str | None = None) -> urllib3.BaseHTTPResponse:
        """The object as a stream, pinned to an ETag where one is given; read it, then call `release_conn()`."""
        return self._wire.open(bucket, key, {"If-Match": f'"{if_match}"'} if if_match else None)

    def put_bytes(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        only_new: bool = False,
    ) -> str:
        """Write one object atomically (at most 5 GiB) and return its ETag; `only_new` refuses to overwrite (ConflictError)."""
        headers = {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
        if content_type:
            headers["Content-Type"] = content_type
        if only_new:
            headers["If-None-Match"] = "*"
        return self._wire.send("PUT", bucket, key, headers=headers, body=body).headers.get("etag", "").strip('"')

    def copy(
        self,
        source_bucket: str,
        source_key: str,
        bucket: str,
        key: str,
        *,
        if_match: str | None = None,
        sha256: bool = False,
    ) -> CopyResult:
        """Copy one object of at most 5 GiB inside the server, headers and metadata included; no byte passes this machine.

        Args:
            source_bucket: Bucket of the source.
            source_key: Key of the source.
            bucket: Bucket of the target.
            key: Key of the target.
            if_match: ETag that the source must still have (ConflictError otherwise).
            sha256: Let the server compute the SHA-256 of the whole object.
        """
        headers = {
            "x-amz-copy-source": quote(f"/{source_bucket}/{source_key}", safe="/~"),
            "x-amz-metadata-directive": "COPY",
        }
        if if_match:
            headers["x-amz-copy-source-if-match"] = f'"{if_match}"'
        if sha256:
            headers["x-amz-checksum-algorithm"] = "SHA256"
        body = self._wire.send("PUT", bucket, key, headers=headers).body
        if b"<CopyObjectResult" not in body:  # a copy may fail after the status line went out: 200 with an error inside
            raise StorageError(f"The copy of {source_bucket}/{source_key} to {bucket}/{key} failed: {body[:200]!r}.")
        etag, checksum = _ETAG.search(body), _SHA256.search(body)
        return CopyResult(_unquote_etag(etag[1]) if etag else "", _hex(checksum[1].decode()) if checksum else None)

    def delete(self, bucket: str, key: str) -> None:
        """Delete one object; succeeds when it is not there."""
        self._wire.send("DELETE", bucket, key)

    def bucket_exists(self, bucket: str) -> bool:
        """True where the bucket is there and these credentials may see it."""
        try:
            self._wire.send("HEAD", bucket)
        except NotFoundError:
            return False
        return True

    def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket unless it is there already."""
        if self.bucket_exists(bucket):
            return
        try:
            self._wire.send("PUT", bucket)
        except ConflictError:  # somebody else was quicker
            if not self.bucket_exists(bucket):
                raise

    def list_buckets(self) -> list[str]:
        """Names of the buckets that these credentials see, sorted."""
        return sorted(unescape(match[1].decode()) for match in _BUCKET_NAME.finditer(self._wire.send("GET").body))

    def set_public_read(self, bucket: str) -> None:
        """Let anybody list the bucket and read its objects, as a public archive does."""
        statement = (
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject",'
            '"s3:ListBucket","s3:GetBucketLocation"],"Resource":["arn:aws:s3:::%(b)s","arn:aws:s3:::%(b)s/*"]}]}'
        )
        self._wire.send("PUT", bucket, query={"policy": ""}, body=(statement % {"b": bucket}).encode())


_CONTENTS = re.compile(rb"<Contents>(.*?)</Contents>", re.DOTALL)
_COMMON_PREFIX = re.compile(rb"<CommonPrefixes><Prefix>([^<]*)</Prefix>")
_TRUNCATED = re.compile(rb"<IsTruncated>true</IsTruncated>")
_TOKEN = re.compile(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>")
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_SIZE = re.compile(rb"<Size>(\d+)</Size>")
_ETAG = re.compile(rb"<ETag>([^<]*)</ETag>")
_TIME = re.compile(rb"<LastModified>([^<]*)</LastModified>")
_SHA256 = re.compile(rb"<ChecksumSHA256>([^<]*)</ChecksumSHA256>")
_BUCKET_NAME = re.compile(rb"<Name>([^<]*)</Name>")


def _object_info(block: bytes) -> ObjectInfo:
    key, size, etag, time = _KEY.search(block), _SIZE.search(block), _ETAG.search(block), _TIME.search(block)
    if key is None or size is None or time is None:
        raise StorageError(f"A listing has an entry without key, size or time: {block[:200]!r}.")
    return ObjectInfo(
        _decode(key[1]), int(size[1]), _unquote_etag(etag[1]) if etag else "", datetime.fromisoformat(time[1].decode())
    )


def _decode(text: bytes) -> str:
    return unquote_plus(unescape(text.decode("ascii", "replace")))


def _unquote_etag(text: bytes) -> str:
    return unescape(text.decode()).strip('"')


def _hex(checksum: str | None) -> str | None:
    """Hex of a base64 SHA-256; None for none and for a checksum of checksums (`…-3`), which says nothing about the whole."""
    return base64.b64decode(checksum).hex() if checksum and "-" not in checksum else None
