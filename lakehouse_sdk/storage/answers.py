"""What S3 answers mean: the values that requests return, and how they are read from XML and headers.

A listing is read with regular expressions: 100,000 keys in a fifth of the CPU time that an XML parser takes, and no key
name can break it, because the server URL-encodes keys on request.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, urlencode

from lakehouse_sdk.errors import StorageError


class ObjectInfo(NamedTuple):
    """One object as a listing or a HEAD describes it; a tuple, because listings make a million of them.

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
class ObjectEncryption:
    """How a server encrypts an object.

    Attributes:
        encrypted_by: `AES256`, `aws:kms` (or `aws:kms:dsse`), `SSE-C`; empty where it says nothing of encryption.
        headers: That ask for the same, for a copy inside the same server only.
    """

    encrypted_by: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_opaque_etag(self) -> bool:
        """True where the ETag looks like an MD5 and says nothing of the bytes: under SSE-KMS or SSE-C (S3's page on Object)."""
        return self.encrypted_by.startswith("aws:kms") or self.encrypted_by == "SSE-C"


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """One object with what a copy of it has to carry.

    Attributes:
        info: Size, ETag and time.
        headers: To send with a copy: content type and the like, metadata, tags, storage class; names in lower case.
        encryption: How it is encrypted.
    """

    info: ObjectInfo
    headers: Mapping[str, str]
    encryption: ObjectEncryption


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a server-side copy left behind; `sha256` is hex, None where it was not asked for or not computed.

    `encrypted_by` is as in `ObjectEncryption`.
    """

    etag: str
    sha256: str | None = None
    encrypted_by: str = ""


class Written(NamedTuple):
    """What the server says of an object that it has just taken.

    Attributes:
        etag: Its ETag.
        encrypted_by: As in `ObjectEncryption`.
    """

    etag: str
    encrypted_by: str


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """One object that a batch could not delete: its key, the server's code and words."""

    key: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted: its key, its id, when it began.

    `encrypted_by` is as in `ObjectEncryption`; of one that was found in a listing it is not known, and empty.
    """

    key: str
    upload_id: str
    initiated: datetime
    encrypted_by: str = ""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of a listing; `next_token` is empty on the last one."""

    objects: tuple[ObjectInfo, ...]
    prefixes: tuple[str, ...]
    next_token: str


_OBJECT = re.compile(
    "<Contents><Key>([^<]*)</Key><LastModified>([^<]*)</LastModified>"
    '<ETag>(?:&#34;|&quot;|")?([^<&"]*)(?:&#34;|&quot;|")?</ETag>'
    "(?:<Checksum[A-Za-z0-9]*>[^<]*</Checksum[A-Za-z0-9]*>)*<Size>([0-9]+)</Size>"
)
"""One object where the server writes its fields in S3's own order, as all known ones do; others are read more slowly."""
_COMMON_PREFIX = re.compile(rb"<CommonPrefixes><Prefix>([^<]*)</Prefix>")
_TRUNCATED = re.compile(rb"<IsTruncated>true</IsTruncated>")
_TOKEN = re.compile(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>")
_ENCODED = b"<EncodingType>url</EncodingType>"
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_SIZE = re.compile(rb"<Size>(\d+)</Size>")
_ETAG = re.compile(rb"<ETag>([^<]*)</ETag>")
_TIME = re.compile(rb"<LastModified>([^<]*)</LastModified>")
_SHA256 = re.compile(rb"<ChecksumSHA256>([^<]*)</ChecksumSHA256>")
_NAME = re.compile(rb"<Name>([^<]*)</Name>")
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]*)</UploadId>")
_INITIATED = re.compile(rb"<Initiated>([^<]*)</Initiated>")
_VALUE = re.compile(rb"<Value>([^<]*)</Value>")
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


def _blocks(body: bytes, tag: bytes) -> Iterator[bytes]:
    """What stands between each pair of this tag, read once from left to right.

    A regular expression would look for the end of every opening tag anew, to the end of an answer that closes none.
    """
    opening, closing = b"<" + tag + b">", b"</" + tag + b">"
    start = body.find(opening)
    while start >= 0:
        end = body.find(closing, start)
        if end < 0:
            return
        yield body[start + len(opening) : end]
        start = body.find(opening, end)


def parse_listing(body: bytes, place: str) -> ListingPage:
    """A page of ListObjectsV2 from its whole body; `place` names bucket, prefix and server for the message.

    Raises:
        StorageError: Not a complete S3 listing.
    """
    if b"<ListBucketResult" not in body or b"</ListBucketResult>" not in body:
        raise StorageError(
            f"The listing of {place} is not S3 XML.",
            hint="Check that the endpoint is the S3 address, not a web page in front of it.",
        )
    encoded = _ENCODED in body
    token = ""
    if _TRUNCATED.search(body):
        match = _TOKEN.search(body)
        token = unescape(match[1].decode()) if match else ""
        if not token:
            raise StorageError(f"The listing of {place} is cut short: the server says there is more, and not how to go on.")
    return ListingPage(
        _objects(body, place, encoded=encoded),
        tuple(_name(match[1], encoded=encoded) for match in _COMMON_PREFIX.finditer(body)),
        token,
    )


def _objects(body: bytes, place: str, *, encoded: bool) -> tuple[ObjectInfo, ...]:
    found = _OBJECT.findall(body.decode("utf-8", "replace"))
    if len(found) != body.count(b"<Contents>"):
        return tuple(_object_info(block, place, encoded=encoded) for block in _blocks(body, b"Contents"))
    return tuple(
        [
            ObjectInfo(
                _decode_name(key, encoded=encoded) if "%" in key or "+" in key or "&" in key else key,
                int(size),
                etag,
                _utc(datetime.fromisoformat(time)),
            )
            for key, time, etag, size in found
        ]
    )


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _object_info(block: bytes, place: str, *, encoded: bool) -> ObjectInfo:
    key, size, etag, time = _KEY.search(block), _SIZE.search(block), _ETAG.search(block), _TIME.search(block)
    if key is None or size is None or time is None:
        raise StorageError(f"The listing of {place} has an entry without key, size or time: {block[:200]!r}.")
    return ObjectInfo(
        _name(key[1], encoded=encoded),
        int(size[1]),
        _unquote(etag[1].decode()) if etag else "",
        _utc(datetime.fromisoformat(time[1].decode())),
    )


def _name(text: bytes, *, encoded: bool) -> str:
    return _decode_name(text.decode("utf-8", "replace"), encoded=encoded)


def _decode_name(name: str, *, encoded: bool) -> str:
    if "&" in name:
        name = unescape(name)
    return unquote_plus(name) if encoded and ("%" in name or "+" in name) else name


def parse_head(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """An object from the headers (lower case names) of a HEAD or GET.

    Raises:
        StorageError: The headers that S3 always sends are missing.
    """
    try:
        size_bytes, modified = int(headers["content-length"]), parsedate_to_datetime(headers["last-modified"])
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"The answer about {key!r} has no usable size or time.", hint="Check that the endpoint is the S3 address."
        ) from error
    etag, checksum = _unquote(headers.get("etag", "")), headers.get("x-amz-checksum-sha256")
    return ObjectInfo(key, size_bytes, etag, modified.astimezone(UTC), _hex(checksum))


def parse_copy(body: bytes, headers: Mapping[str, str]) -> CopyResult:
    """What CopyObject answered; the checksum is in the body by S3's description, and in a header by MinIO's."""
    etag, checksum = _ETAG.search(body), _SHA256.search(body)
    found = checksum[1].decode() if checksum else headers.get("x-amz-checksum-sha256")
    return CopyResult(_unquote(etag[1].decode()) if etag else "", _hex(found), parse_encryption(headers).encrypted_by)


def parse_encryption(headers: Mapping[str, str]) -> ObjectEncryption:
    """How the server encrypts the object that an answer is about."""
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return ObjectEncryption("SSE-C")
    kept = {name: headers[name] for name in _ENCRYPTION_HEADERS if name in headers}
    return ObjectEncryption(headers.get("x-amz-server-side-encryption", ""), kept)


def parse_bucket_names(body: bytes) -> list[str]:
    """The names in a ListBuckets answer, sorted."""
    return sorted(unescape(_field(_NAME, block)) for block in _blocks(body, b"Bucket"))


def parse_delete_failures(body: bytes) -> Iterator[DeleteFailure]:
    """The objects that a DeleteObjects answer names as not deleted."""
    for block in _blocks(body, b"Error"):
        key, code, message = (_field(pattern, block) for pattern in (_KEY, _CODE, _MESSAGE))
        yield DeleteFailure(key, code, message)


def parse_uploads(body: bytes) -> Iterator[OpenUpload]:
    """The uploads in a ListMultipartUploads answer whose keys are URL-encoded."""
    for block in _blocks(body, b"Upload"):
        key, upload_id, initiated = (_field(pattern, block) for pattern in (_KEY, _UPLOAD_ID, _INITIATED))
        name = unquote_plus(key) if _ENCODED in body else key
        yield OpenUpload(name, upload_id, datetime.fromisoformat(initiated).astimezone(UTC))


def parse_description(key: str, headers: Mapping[str, str], tags: str) -> ObjectDescription:
    """An object from the headers (lower case names) of a HEAD or GET, and its tags as `parse_tags` gives them."""
    carried = parse_content_headers(headers)
    if tags:
        carried["x-amz-tagging"] = tags
    if headers.get("x-amz-storage-class", "STANDARD") != "STANDARD":
        carried["x-amz-storage-class"] = headers["x-amz-storage-class"]
    return ObjectDescription(parse_head(key, headers), carried, parse_encryption(headers))


def parse_tags(body: bytes) -> str:
    """The tags of a GetObjectTagging answer as the header `x-amz-tagging` spells them."""
    return urlencode([(_field(_KEY, tag), _field(_VALUE, tag)) for tag in _blocks(body, b"Tag")], quote_via=quote)


def parse_upload_id(body: bytes, place: str) -> str:
    """The id in the answer that begins a multipart upload.

    Raises:
        StorageError: There is none.
    """
    found = _field(_UPLOAD_ID, body)
    if not found:
        raise StorageError(f"The upload of {place} was not begun: {body[:200]!r}.")
    return found


def parse_etag(body: bytes) -> str:
    """The ETag in an answer's body, without quotes; empty where there is none."""
    match = _ETAG.search(body)
    return _unquote(match[1].decode()) if match else ""


def parse_content_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that describe an object's content and travel with a copy of it: type, encoding, metadata and the like."""
    return {name: value for name, value in headers.items() if name in _CONTENT_HEADERS or name.startswith("x-amz-meta-")}


_ENCRYPTION_HEADERS = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-bucket-key-enabled",
)
_CONTENT_HEADERS = frozenset(
    {"content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"}
)


def _field(pattern: re.Pattern[bytes], block: bytes) -> str:
    match = pattern.search(block)
    return unescape(match[1].decode("utf-8", "replace")) if match else ""


def _unquote(etag: str) -> str:
    """Without quotes, however they are written; the general rule is slow, and every listed object has an ETag."""
    bare = etag.removeprefix("&#34;").removesuffix("&#34;").removeprefix("&quot;").removesuffix("&quot;")
    return (unescape(bare) if "&" in bare else bare).strip('"')


def _hex(checksum: str | None) -> str | None:
    """Hex of a base64 SHA-256; None for none and for a checksum of checksums (`…-3`), which says nothing about the whole."""
    return base64.b64decode(checksum).hex() if checksum and "-" not in checksum else None
