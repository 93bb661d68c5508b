"""Multipart uploads: objects in parts, and server-side copies in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import quote

from lakehouse_sdk.errors import NotFoundError, StorageError
from lakehouse_sdk.storage.answers import OpenUpload, parse_encryption, parse_etag, parse_upload_id, parse_uploads
from lakehouse_sdk.storage.connection import Body
from lakehouse_sdk.storage.wire import Wire

_NOT_IMPLEMENTED = 501
MAX_PARTS = 10_000
"""S3's limit of parts in one object."""


class UploadRequests:
    """The part of `S3Client` that deals with objects in parts."""

    _wire: Wire

    def start_upload(self, bucket: str, key: str, headers: Mapping[str, str] | None = None) -> OpenUpload:
        """Begin an object in parts; nothing is visible under the key before `complete_upload`.

        Args:
            bucket: Bucket of the target.
            key: Key of the target.
            headers: Content type, metadata, `x-amz-tagging`, `x-amz-storage-class` and the like.
        """
        answer = self._wire.send("POST", bucket, key, query={"uploads": ""}, headers=headers)
        upload_id = parse_upload_id(answer.body, f"{bucket}/{key}")
        return OpenUpload(key, upload_id, datetime.now(UTC), parse_encryption(answer.headers).encrypted_by)

    def can_encrypt(self, bucket: str, key: str) -> bool:
        """False where the server says that it has no encryption; asked by an upload to `key` that is given up at once."""
        try:
            upload = self.start_upload(bucket, key, {"x-amz-server-side-encryption": "AES256"})
        except StorageError as error:
            return not (error.status == _NOT_IMPLEMENTED and "ncryption" in error.message)
        self.abort_upload(bucket, upload)
        return True

    def put_part(self, bucket: str, upload: OpenUpload, number: int, body: Body, *, sha256: str = "") -> str:
        """Send one part and return its ETag; sent again, it replaces itself.

        Args:
            bucket: Bucket of the target.
            upload: From `start_upload`.
            number: 1 to 10,000; parts are joined in the order of their numbers.
            body: At least 5 MiB unless it is the last one; bytes in memory.
            sha256: As `body_sha256` of a request; computed where it is empty.
        """
        query = {"partNumber": str(number), "uploadId": upload.upload_id}
        answer = self._wire.send("PUT", bucket, upload.key, query=query, body=body, body_sha256=sha256)
        return answer.headers.get("etag", "").strip('"')

    def copy_part(
        self,
        source_bucket: str,
        source_key: str,
        bucket: str,
        upload: OpenUpload,
        number: int,
        *,
        first_byte: int,
        last_byte: int,
        if_match: str | None = None,
    ) -> str:
        """Let the server copy a range of an object, `last_byte` included, as one part; returns the part's ETag.

        `if_match` is the ETag that the source must still have (ConflictError otherwise).
        """
        headers = {
            "x-amz-copy-source": quote(f"/{source_bucket}/{source_key}", safe="/~"),
            "x-amz-copy-source-range": f"bytes={first_byte}-{last_byte}",
        }
        if if_match:
            headers["x-amz-copy-source-if-match"] = f'"{if_match}"'
        query = {"partNumber": str(number), "uploadId": upload.upload_id}
        body = self._wire.send("PUT", bucket, upload.key, query=query, headers=headers).body
        if b"<CopyPartResult" not in body:
            raise StorageError(f"The copy of a part of {source_bucket}/{source_key} was not confirmed: {body[:200]!r}.")
        return parse_etag(body)

    def complete_upload(self, bucket: str, upload: OpenUpload, etags: Sequence[str]) -> str:
        """Join the parts, given by their ETags in order; the object appears whole and its ETag is returned.

        Succeeds also where an earlier attempt of the same call had arrived though its answer was lost.
        """
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>" for n, etag in enumerate(etags, 1)
        )
        body = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}</CompleteMultipartUpload>'
        try:
            answer = self._wire.send("POST", bucket, upload.key, query={"uploadId": upload.upload_id}, body=body.encode())
        except NotFoundError:
            expected = join_etags(etags)
            if not expected or self._find_etag(bucket, upload.key) != expected:
                raise
            return expected
        if b"<CompleteMultipartUploadResult" not in answer.body:
            raise StorageError(f"The upload of {bucket}/{upload.key} was not confirmed: {answer.body[:200]!r}.")
        return parse_etag(answer.body)

    def _find_etag(self, bucket: str, key: str) -> str:
        with suppress(NotFoundError):
            return self._wire.send("HEAD", bucket, key).headers.get("etag", "").strip('"')
        return ""

    def list_uploads(self, bucket: str, key: str) -> list[OpenUpload]:
        """Multipart uploads to exactly `key` that were begun and neither completed nor aborted.

        MinIO tells of them by exact key only; so does this, with every server.
        """
        body = self._wire.send("GET", bucket, query={"uploads": "", "prefix": key, "encoding-type": "url"}).body
        return [upload for upload in parse_uploads(body) if upload.key == key]

    def abort_upload(self, bucket: str, upload: OpenUpload) -> None:
        """Discard the parts of a multipart upload; succeeds when it is gone already."""
        with suppress(NotFoundError):
            self._wire.send("DELETE", bucket, upload.key, query={"uploadId": upload.upload_id})


def join_etags(etags: Sequence[str]) -> str:
    """The ETag of an object whose parts have these ETags; empty where one of them is no MD5 (encrypted parts, for example)."""
    try:
        digests = b"".join(bytes.fromhex(etag) for etag in etags)
    except ValueError:
        return ""
    if len(digests) != 16 * len(etags):
        return ""
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"
