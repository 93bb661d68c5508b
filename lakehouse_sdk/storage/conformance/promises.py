"""Probes of what S3 promises about objects: conditions, checksums, parts, versions, access."""

from __future__ import annotations

import base64
import hashlib
import http.client
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import quote, urlsplit

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import AccessError, ConflictError, LakehouseError, NotFoundError
from lakehouse_sdk.storage.client import S3Client
from lakehouse_sdk.storage.conformance.bench import Bench, Gap, Probe, collect, expect
from lakehouse_sdk.storage.uploads import join_etags

PROBES: list[Probe] = []
_probe = partial(collect, PROBES)
_PART = bytes(5 * 1024**2)
_SKEW_S = 60.0


@_probe("metadata", "content type and metadata come back, and go along with a copy", "Reports say what a copy lost.")
def _metadata(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a", b"1", content_type="text/csv", x_amz_meta_colour="blue")
    bench.note(f"{at}b")
    bench.client.copy(bench.bucket, f"{at}a", bench.bucket, f"{at}b")
    for name in "ab":
        headers = bench.client.get_details(bench.bucket, f"{at}{name}").headers
        expect((headers.get("content-type"), headers.get("x-amz-meta-colour")), ("text/csv", "blue"), name)


@_probe("copy-pinned", "a copy can be tied to the source's ETag", "The source is looked at again after the copy.")
def _copy_pinned(bench: Bench) -> None:
    at = bench.place()
    etag = bench.put(f"{at}a", b"1")
    bench.note(f"{at}b")
    bench.client.copy(bench.bucket, f"{at}a", bench.bucket, f"{at}b", if_match=etag)
    bench.put(f"{at}a", b"2")
    with suppress(ConflictError):
        bench.client.copy(bench.bucket, f"{at}a", bench.bucket, f"{at}b", if_match=etag)
        raise Gap("it copied an object of another ETag")


@_probe("read-pinned", "a read can be tied to an ETag", "What was read is compared with what was listed.")
def _read_pinned(bench: Bench) -> None:
    key = f"{bench.place()}a"
    etag = bench.put(key, b"1")
    bench.put(key, b"2")
    with suppress(ConflictError):
        bench.client.open_stream(bench.bucket, key, if_match=etag).close()
        raise Gap("it gave an object of another ETag")


@_probe("range", "a range of an object can be read", "Objects are read whole.")
def _range(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.put(key, b"0123456789")
    for asked, wanted in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=8-99", b"89")):
        answer = bench.wire.send("GET", bench.bucket, key, headers={"Range": asked})
        expect((answer.status, answer.body), (206, wanted), asked)


@_probe("missing", "what is not there is a 404 with S3's code", "Its absence may be taken for another error.")
def _missing(bench: Bench) -> None:
    for bucket, key in ((bench.bucket, f"{bench.place()}none"), (f"no-such-{uuid.uuid4().hex[:10]}", "a")):
        try:
            bench.client.get_bytes(bucket, key)
        except NotFoundError:
            continue
        except LakehouseError as error:
            raise Gap(f"{type(error).__name__}: {error.message[:80]}") from None
        raise Gap(f"{bucket}/{key} was there")


@_probe(
    "conditional-put",
    "`If-None-Match: *` refuses to overwrite",
    "Two writers of one name may overwrite each other; one at a time.",
)
def _conditional_put(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.put(key, b"1", if_none_match="*")
    try:
        bench.put(key, b"2", if_none_match="*")
    except ConflictError:
        expect(bench.get(key), b"1")
        return
    raise Gap("it overwrote the object")


@_probe("signed-body", "a body that is not the signed one is refused", "Uploads are compared by ETag afterwards.")
def _signed_body(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    try:
        bench.wire.send("PUT", bench.bucket, key, body=b"other", body_sha256=hashlib.sha256(b"signed").hexdigest())
    except LakehouseError:
        return
    raise Gap("it stored other bytes")


@_probe("sha256", "a SHA-256 is checked, kept and given back", "SHA-256 is computed by reading where it is asked for.")
def _sha256(bench: Bench) -> None:
    key, body = f"{bench.place()}a", b"hello"
    right, wrong = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (body, b"other"))
    bench.put(key, body, x_amz_checksum_sha256=right)
    info = bench.client.get_info(bench.bucket, key)
    _check_refused(bench, key, body, x_amz_checksum_sha256=wrong)
    expect(info.sha256, hashlib.sha256(body).hexdigest(), "on record")


_CRC_OF_HELLO = "M3eFcAZSQlc="
"""CRC-64/NVME of `hello`, as S3 writes it (base64 of 8 bytes, big-endian)."""


@_probe("crc64nvme", "a CRC-64/NVME is checked, kept and given back", "SHA-256 takes its place.")
def _crc64nvme(bench: Bench) -> None:
    key, body = f"{bench.place()}a", b"hello"
    bench.put(key, body, x_amz_checksum_crc64nvme=_CRC_OF_HELLO)
    _check_refused(bench, key, body, x_amz_checksum_crc64nvme="AAAAAAAAAAA=")
    headers = bench.wire.send("HEAD", bench.bucket, key, headers={"x-amz-checksum-mode": "ENABLED"}).headers
    expect(headers.get("x-amz-checksum-crc64nvme"), _CRC_OF_HELLO, "on record")


def _check_refused(bench: Bench, key: str, body: bytes, **headers: str) -> None:
    try:
        bench.put(f"{key}-wrong", body, **headers)
    except LakehouseError:
        return
    raise Gap("a wrong value was taken")


@_probe("multipart", "parts become one object with S3's ETag of parts", "ETags of such objects are compared for equality only.")
def _multipart(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    upload = bench.client.start_upload(bench.bucket, key)
    etags = [bench.client.put_part(bench.bucket, upload, number, body) for number, body in ((1, _PART), (2, b"end"))]
    if key in {info.key for info in bench.client.list_objects(bench.bucket, key)}:
        raise Gap("it is visible before it is complete")
    etag = bench.client.complete_upload(bench.bucket, upload, etags)
    expect(hashlib.sha256(bench.get(key)).hexdigest(), hashlib.sha256(_PART + b"end").hexdigest(), "content")
    expect(etag, join_etags(etags), "ETag")


@_probe(
    "part-layout",
    "a HEAD of part 1 tells how an object was uploaded",
    "Copies in parts may have other ETags than their source.",
)
def _part_layout(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    upload = bench.client.start_upload(bench.bucket, key)
    etags = [bench.client.put_part(bench.bucket, upload, number, body) for number, body in ((1, _PART), (2, b"end"))]
    bench.client.complete_upload(bench.bucket, upload, etags)
    expect(bench.client.get_part_layout(bench.bucket, key), (len(_PART), 2))


@_probe("copy-part", "a range of an object becomes a part of another", "Such objects pass through this machine.")
def _copy_part(bench: Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a", _PART + b"abc")
    bench.note(f"{at}b")
    upload = bench.client.start_upload(bench.bucket, f"{at}b")
    spans = ((1, 0, len(_PART) - 1), (2, len(_PART), len(_PART) + 2))
    etags = [
        bench.client.copy_part(bench.bucket, f"{at}a", bench.bucket, upload, number, first_byte=first, last_byte=last)
        for number, first, last in spans
    ]
    bench.client.complete_upload(bench.bucket, upload, etags)
    expect(len(bench.get(f"{at}b")), len(_PART) + 3)


@_probe(
    "open-uploads",
    "unfinished uploads are listed and can be aborted",
    "What a killed run left stays on the server.",
)
def _open_uploads(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    upload = bench.client.start_upload(bench.bucket, key)
    bench.client.put_part(bench.bucket, upload, 1, b"x")
    expect([item.upload_id for item in bench.client.list_uploads(bench.bucket, key)], [upload.upload_id], "listed")
    bench.client.abort_upload(bench.bucket, upload)
    expect(bench.client.list_uploads(bench.bucket, key), [], "after the abort")


@_probe("delete-many", "many objects go in one request, odd names too", "Objects are deleted one by one.")
def _delete_many(bench: Bench) -> None:
    at, names = bench.place(), ["a", "a b", "ü&<", "none"]
    for name in names[:-1]:
        bench.put(f"{at}{name}")
    expect(bench.client.delete_objects(bench.bucket, [f"{at}{name}" for name in names]), [], "failures")
    expect(bench.keys(at), [], "left")


@_probe("versioning", "a bucket says whether it keeps versions", "Buckets are taken for unversioned.")
def _versioning(bench: Bench) -> None:
    body = bench.wire.send("GET", bench.bucket, query={"versioning": ""}).body
    if b"VersioningConfiguration" not in body:
        raise Gap(f"it answers {body[:60]!r}")


@_probe("presigned", "a signed address can be read by anyone for a while", "`fs.sign` is of no use there.")
def _presigned(bench: Bench) -> None:
    key = f"{bench.place()}a b"
    bench.put(key, b"1")
    parts = urlsplit(_sign_url(bench.profile, bench.bucket, key))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        expect((answer.status, answer.read(100)), (200, b"1"))
    except OSError as error:
        raise Gap(f"{type(error).__name__}") from None
    finally:
        connection.close()


@_probe("clock", "its clock is ours, within a minute", "Beyond 15 minutes every signed request is refused: set the clock.")
def _clock(bench: Bench) -> None:
    said = bench.wire.send("HEAD", bench.bucket).headers.get("date", "")
    try:
        skew_s = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        raise Gap(f"it says {said!r}") from None
    if abs(skew_s) > _SKEW_S:
        raise Gap(f"its clock is {skew_s:+.0f} s off")


@_probe("anonymous", "who has no credentials is refused", "Anybody who reaches the server can read and write: protect it.")
def _anonymous(bench: Bench) -> None:
    key = f"{bench.place()}a"
    bench.put(key)
    stranger = bench.profile.model_copy(
        update={"anonymous": True, "access_key": None, "secret_key": None, "session_token": None}
    )
    with S3Client(stranger) as client, suppress(AccessError):
        client.get_bytes(bench.bucket, key)
        raise Gap("it gave the object")


def _sign_url(profile: S3Profile, bucket: str, key: str) -> str:
    """An address from which anybody can read the object for a minute (SigV4, in the path style)."""
    from botocore.auth import S3SigV4QueryAuth  # noqa: PLC0415 (only here)
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    access_key, secret_key = profile.credentials()
    token = profile.session_token.get_secret_value() if profile.session_token else None
    request = AWSRequest("GET", f"{profile.resolved_endpoint_url}/{bucket}/{quote(key)}")
    S3SigV4QueryAuth(Credentials(access_key, secret_key, token), "s3", profile.region, expires=60).add_auth(request)
    return str(request.url)
