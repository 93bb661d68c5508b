"""The S3 operations that the SDK needs, over one server."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Self
from urllib.parse import quote
from xml.sax.saxutils import escape

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import AccessError, ConflictError, NotFoundError, StorageError
from lakehouse_sdk.retry import RetryPolicy
from lakehouse_sdk.storage.answers import (
    CopyResult,
    DeleteFailure,
    ListingPage,
    ObjectDescription,
    ObjectEncryption,
    ObjectInfo,
    Written,
    parse_bucket_names,
    parse_content_headers,
    parse_copy,
    parse_delete_failures,
    parse_description,
    parse_encryption,
    parse_head,
    parse_listing,
    parse_tags,
)
from lakehouse_sdk.storage.connection import Body, Reply
from lakehouse_sdk.storage.listing import ParallelListing
from lakehouse_sdk.storage.uploads import UploadRequests
from lakehouse_sdk.storage.wire import DEFAULT_RETRY, Wire

_DELETE_BATCH = 1000
"""S3's limit of keys in one DeleteObjects."""
_LISTING = {"list-type": "2", "encoding-type": "url"}
_NOT_IN_XML = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""One of these in a DeleteObjects request makes the server refuse the whole batch as malformed."""


class S3Client(UploadRequests):
    """Synchronous requests to one S3 server; safe to share between threads, a context manager that closes its connections.

    Every method raises `ConnectError` when nobody answers, `AccessError` on refused credentials or actions,
    `NotFoundError` for a missing bucket or object, `CapacityError` when the server is full, `ConflictError` on a failed
    precondition, `AddressError` for a name that the server cannot hold and `StorageError` for the rest. Connection errors,
    429 and 5xx are sent up to five times with backoff and jitter.

    Args:
        profile: The server and its credentials.
        max_connections: Connections kept open for reuse; as many as there are threads.
    """

    def __init__(
        self,
        profile: S3Profile,
        *,
        max_connections: int = 32,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        self.profile = profile
        self._wire = Wire(profile, max_connections=max_connections, retry=retry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; the client stays usable."""
        self._wire.close()

    def interrupt(self) -> None:
        """Make every request that is under way in any thread fail at once with `ConnectError`; later ones work as before."""
        self._wire.interrupt()

    @property
    def repeats_of_thread(self) -> int:
        """Requests that the calling thread had to send again so far."""
        return self._wire.repeats_of_thread

    @property
    def requests_repeated(self) -> int:
        """Requests that had to be sent again so far."""
        return self._wire.requests_repeated

    @property
    def requests_sent(self) -> int:
        """Requests sent so far by this client, repeated ones included."""
        return self._wire.requests_sent

    def list_objects(self, bucket: str, prefix: str = "", *, start_after: str = "") -> Iterator[ObjectInfo]:
        """All objects below `prefix`, lazily, a page of 1,000 at a time; S3 lists by the UTF-8 bytes of the key.

        Raises:
            StorageError: Also when the listing is not S3 XML, is cut short, or repeats a page.
        """
        for page in self._pages(bucket, prefix, start_after=start_after):
            yield from page.objects

    def list_parallel(self, bucket: str, prefix: str = "", *, at_once: int = 8) -> Iterator[ObjectInfo]:
        """As `list_objects`, quicker: where there is more than a page, folders are listed side by side, `at_once` requests.

        A small listing takes one request as ever, a large one a few more than `list_objects`. Memory is bounded.

        Raises:
            ListingOrderError: The server does not list in the order of keys; `list_objects` takes it as it comes.
        """
        place = self._place(bucket, prefix)

        def fetch(query: Mapping[str, str]) -> ListingPage:
            return self._fetch_page(bucket, query, place)

        for objects in ParallelListing(fetch, prefix, at_once):
            yield from objects

    def get_server_name(self, bucket: str) -> str:
        """What the server calls itself, for example `MinIO` or `AmazonS3`; empty where it does not say."""
        return self._wire.send("HEAD", bucket).headers.get("server", "")

    def list_prefixes(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """The "folders" directly below `prefix`: common prefixes up to the next `/`, trailing slash included."""
        for page in self._pages(bucket, prefix, delimiter="/"):
            yield from page.prefixes

    def list_children(self, bucket: str, prefix: str = "") -> Iterator[str | ObjectInfo]:
        """All that lies directly below `prefix`: "folders" as in `list_prefixes`, and the objects beside them; one listing."""
        for page in self._pages(bucket, prefix, delimiter="/"):
            yield from page.prefixes
            yield from page.objects

    def _pages(self, bucket: str, prefix: str, *, start_after: str = "", delimiter: str = "") -> Iterator[ListingPage]:
        place = self._place(bucket, prefix)
        query = {"prefix": prefix}
        if start_after:
            query["start-after"] = start_after
        if delimiter:
            query["delimiter"] = delimiter
        seen_tokens: set[str] = set()
        seen_firsts: set[object] = set()
        while True:
            page = self._fetch_page(bucket, query, place)
            first = next(iter(page.objects or page.prefixes), None)
            if page.next_token in seen_tokens or first in seen_firsts:
                raise StorageError(f"The listing of {place} repeats itself.", hint="The server does not page as S3 does.")
            yield page
            if not page.next_token:
                return
            seen_tokens.add(page.next_token)
            if first is not None:
                seen_firsts.add(first)
            query["continuation-token"] = page.next_token

    def _fetch_page(self, bucket: str, query: Mapping[str, str], place: str) -> ListingPage:
        return parse_listing(self._wire.send("GET", bucket, query={**_LISTING, **query}).body, place)

    def _place(self, bucket: str, prefix: str) -> str:
        return f"{bucket}/{prefix} at {self.profile.resolved_endpoint_url}"

    def get_info(self, bucket: str, key: str) -> ObjectInfo:
        """Size, ETag, time and, where the server keeps it, SHA-256 of one object."""
        return parse_head(key, self._wire.send("HEAD", bucket, key, headers={"x-amz-checksum-mode": "ENABLED"}).headers)

    def get_details(self, bucket: str, key: str) -> ObjectDescription:
        """As `get_info`, with what travels with a copy but for tags and storage class: `get_description` has those too."""
        headers = self._wire.send("HEAD", bucket, key, headers={"x-amz-checksum-mode": "ENABLED"}).headers
        return ObjectDescription(parse_head(key, headers), parse_content_headers(headers), parse_encryption(headers))

    def find_info(self, bucket: str, key: str) -> ObjectInfo | None:
        """As `get_info`; None where there is no such object or bucket."""
        try:
            return self.get_info(bucket, key)
        except NotFoundError:
            return None

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """The whole object in memory."""
        return self._wire.send("GET", bucket, key).body

    def open_stream(
        self, bucket: str, key: str, *, if_match: str | None = None, first_byte: int = 0, last_byte: int | None = None
    ) -> Reply:
        """The object as a readable file, pinned to an ETag where one is given; close it when done, read or not.

        With `last_byte` only the bytes from `first_byte` to `last_byte`, both included, come.
        """
        headers = {"If-Match": f'"{if_match}"'} if if_match else {}
        if last_byte is not None:
            headers["Range"] = f"bytes={first_byte}-{last_byte}"
        return self._wire.open(bucket, key, headers)

    def get_description(self, bucket: str, key: str) -> ObjectDescription:
        """An object with all that a copy of it carries, tags included; two requests where it has tags."""
        return self.describe(bucket, key, self._wire.send("HEAD", bucket, key).headers)

    def describe(self, bucket: str, key: str, headers: Mapping[str, str]) -> ObjectDescription:
        """As `get_description`, from the headers of a GET or HEAD that was answered already; asks for tags where it has any."""
        tags = ""
        if headers.get("x-amz-tagging-count", "0") != "0":
            tags = parse_tags(self._wire.send("GET", bucket, key, query={"tagging": ""}).body)
        return parse_description(key, headers, tags)

    def get_part_layout(self, bucket: str, key: str) -> tuple[int, int]:
        """Size of the first part, and how many parts an object was uploaded in; one part for an object that was not."""
        headers = self._wire.send("HEAD", bucket, key, query={"partNumber": "1"}).headers
        return parse_head(key, headers).size_bytes, int(headers.get("x-amz-mp-parts-count", "1"))

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
        """Write one object atomically (at most 5 GiB) and return its ETag.

        `only_new` refuses to overwrite (ConflictError). After a lost connection that may also mean that the first attempt of
        this very call arrived: compare the object's ETag before taking it for somebody else's.
        """
        headers = {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
        if content_type:
            headers["Content-Type"] = content_type
        if only_new:
            headers["If-None-Match"] = "*"
        return self._wire.send("PUT", bucket, key, headers=headers, body=body).headers.get("etag", "").strip('"')

    def put_file(
        self, bucket: str, key: str, file: Body, *, size_bytes: int, sha256: str, headers: Mapping[str, str] | None = None
    ) -> Written:
        """Write one object of at most 5 GiB from an open file or memory, atomically.

        The server compares what arrives with `sha256` (hex) and refuses other bytes; it keeps the checksum where it can.

        Args:
            bucket: Bucket of the target.
            key: Key of the target.
            file: Open for reading, sent from its beginning; or bytes.
            size_bytes: Its size.
            sha256: SHA-256 of its bytes.
            headers: Content type and the like, as `get_details` gives them.
        """
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        sent = {**(headers or {}), "x-amz-checksum-sha256": checksum}
        body = file if size_bytes else b""
        answer = self._wire.send("PUT", bucket, key, headers=sent, body=body, size_bytes=size_bytes, body_sha256=sha256)
        return Written(answer.headers.get("etag", "").strip('"'), parse_encryption(answer.headers).encrypted_by)

    def get_encryption(self, bucket: str, key: str) -> ObjectEncryption:
        """How an object is encrypted."""
        return parse_encryption(self._wire.send("HEAD", bucket, key).headers)

    def copy(
        self,
        source_bucket: str,
        source_key: str,
        bucket: str,
        key: str,
        *,
        if_match: str | None = None,
        sha256: bool = False,
        encryption: Mapping[str, str] | None = None,
    ) -> CopyResult:
        """Copy one object of at most 5 GiB inside the server, headers and metadata included; no byte passes this machine.

        Args:
            source_bucket: Bucket of the source.
            source_key: Key of the source.
            bucket: Bucket of the target.
            key: Key of the target.
            if_match: ETag that the source must still have (ConflictError otherwise).
            sha256: Let the server compute the SHA-256 of the whole object.
            encryption: Headers of an `ObjectEncryption` that the target is to have; a profile with encryption sets its own.
        """
        headers = {
            "x-amz-copy-source": quote(f"/{source_bucket}/{source_key}", safe="/~"),
            "x-amz-metadata-directive": "COPY",
        }
        if if_match:
            headers["x-amz-copy-source-if-match"] = f'"{if_match}"'
        if sha256:
            headers["x-amz-checksum-algorithm"] = "SHA256"
        headers |= encryption or {}
        answer = self._wire.send("PUT", bucket, key, headers=headers)
        if b"<CopyObjectResult" not in answer.body:
            place = f"{source_bucket}/{source_key} to {bucket}/{key}"
            raise StorageError(f"The copy of {place} was not confirmed: {answer.body[:200]!r}.")
        return parse_copy(answer.body, answer.headers)

    def delete(self, bucket: str, key: str) -> None:
        """Delete one object; succeeds when it is not there."""
        self._wire.send("DELETE", bucket, key)

    def delete_objects(self, bucket: str, keys: Iterable[str]) -> list[DeleteFailure]:
        """Delete many objects, 1,000 a request; keys that are not there count as deleted.

        Keys that XML cannot carry (control characters) go one by one: one of them would fail a whole batch.

        Returns:
            The objects that the server did not delete, with its reason; empty when all are gone.
        """
        failures: list[DeleteFailure] = []
        waiting = iter(keys)
        while batch := list(islice(waiting, _DELETE_BATCH)):
            plain = [key for key in batch if not _NOT_IN_XML.search(key)]
            failures += self._delete_batch(bucket, plain)
            failures += filter(None, (self._find_delete_failure(bucket, key) for key in batch if _NOT_IN_XML.search(key)))
        return failures

    def _delete_batch(self, bucket: str, keys: list[str]) -> Iterator[DeleteFailure]:
        if not keys:
            return iter(())
        objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>{objects}</Delete>'.encode()
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        answer = self._wire.send("POST", bucket, query={"delete": ""}, headers={"Content-MD5": digest}, body=body).body
        if b"<DeleteResult" not in answer:
            raise StorageError(f"The deletion of {len(keys)} objects in {bucket} was not confirmed: {answer[:200]!r}.")
        return parse_delete_failures(answer)

    def _find_delete_failure(self, bucket: str, key: str) -> DeleteFailure | None:
        try:
            self.delete(bucket, key)
        except AccessError as error:
            return DeleteFailure(key, "AccessDenied", error.message)
        except StorageError as error:
            return DeleteFailure(key, error.code, error.message)
        return None

    def bucket_exists(self, bucket: str) -> bool:
        """True where the bucket is there and these credentials may see it."""
        try:
            self._wire.send("HEAD", bucket)
        except NotFoundError:
            return False
        return True

    def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket, in the profile's region, unless it is there already."""
        if self.bucket_exists(bucket):
            return
        region = self.profile.region
        place = f"<LocationConstraint>{escape(region)}</LocationConstraint>" if region != "us-east-1" else ""
        body = f"<CreateBucketConfiguration>{place}</CreateBucketConfiguration>".encode() if place else b""
        try:
            self._wire.send("PUT", bucket, body=body)
        except ConflictError:  # somebody else was quicker
            if not self.bucket_exists(bucket):
                raise

    def delete_bucket(self, bucket: str) -> None:
        """Delete an empty bucket.

        Raises:
            ConflictError: It still holds objects.
        """
        self._wire.send("DELETE", bucket)

    def list_buckets(self) -> list[str]:
        """Names of the buckets that these credentials see, sorted."""
        return parse_bucket_names(self._wire.send("GET").body)

    def set_public_read(self, bucket: str) -> None:
        """Let anybody list the bucket and read its objects, as a public archive does."""
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._wire.send("PUT", bucket, query={"policy": ""}, body=policy.encode())
