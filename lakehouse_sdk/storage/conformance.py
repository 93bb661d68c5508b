"""What an S3 server really does: the one module of capability probes, for `lakehouse servers check`, tests and diagnoses.

Each probe works below a prefix of its own, reads back what it wrote, and says one of three things: the server `conforms`, it
`differs` (and how), or it `refuses`. Nothing is left behind. Beside each probe stands what the SDK does about a gap.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.display import html_card, html_table, text_table
from lakehouse_sdk.errors import AccessError, ConflictError, LakehouseError, NotFoundError
from lakehouse_sdk.storage.client import S3Client
from lakehouse_sdk.storage.uploads import join_etags
from lakehouse_sdk.storage.wire import Wire

Outcome = Literal["conforms", "differs", "refuses"]
_PART = bytes(5 * 1024**2)
_SKEW_S = 60.0


class Gap(Exception):  # noqa: N818 (a finding, not a failure of ours)
    """How a server differs from S3, for people."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found.

    Attributes:
        name: Its name, `listing-order`.
        title: What is asked of a server.
        outcome: `conforms`, `differs` or `refuses`.
        detail: What was found where it does not conform.
        consequence: What the SDK does about that; empty where it conforms.
    """

    name: str
    title: str
    outcome: Outcome
    detail: str = ""
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """What a server does of what S3 does.

    Attributes:
        endpoint_url: The server.
        server: What it calls itself, empty where it does not.
        results: One for each probe, in their order.
        seconds: Wall time.
    """

    endpoint_url: str
    server: str
    results: tuple[ProbeResult, ...]
    seconds: float

    def holds(self, name: str) -> bool:
        """True where the server conforms to this probe; raises KeyError for an unknown name."""
        return next(result.outcome == "conforms" for result in self.results if result.name == _PROBES[name].name)

    @property
    def gaps(self) -> tuple[ProbeResult, ...]:
        """Those to which it does not conform."""
        return tuple(result for result in self.results if result.outcome != "conforms")

    @property
    def summary(self) -> str:
        """One line for people."""
        good = len(self.results) - len(self.gaps)
        return f"{self.server or 'The server'} at {self.endpoint_url} conforms to {good} of {len(self.results)} probes."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Probe, outcome, what was found, what the SDK does about it."""
        return [(one.name, one.outcome, one.detail, one.consequence) for one in self.results]

    def __repr__(self) -> str:
        table = text_table(self.rows(), ["probe", "outcome", "what was found", "what the SDK does"], width=140)
        return f"{self.summary}\n\n{table}"

    def _repr_html_(self) -> str:
        body = html_table(self.rows(), ["probe", "outcome", "what was found", "what the SDK does"], max_rows=100)
        return html_card("S3 conformance", {"": self.summary}, body, tone="warn" if self.gaps else "good")


def check_server(profile: S3Profile, bucket: str | None = None) -> ConformanceReport:
    """Try a server: about a hundred requests and 20 MiB, in a few seconds; everything it wrote is removed.

    Args:
        profile: The server and its credentials.
        bucket: Where to work, below a prefix of its own; None for a bucket that is made and removed.

    Raises:
        ConnectError, AccessError: The server cannot be used at all.

    Example:
        >>> check_server(lake.settings.storage).holds("conditional-put")  # doctest: +SKIP
        True
    """
    started = time.perf_counter()
    with S3Client(profile) as client:
        if bucket is not None and not client.bucket_exists(bucket):
            raise NotFoundError(
                f"There is no bucket {bucket!r} at {client.profile.resolved_endpoint_url}.", hint="Name another."
            )
        bench = _Bench(profile, client, bucket or f"conformance-{uuid.uuid4().hex[:12]}")
        if bucket is None:
            client.ensure_bucket(bench.bucket)
        try:
            server = client.get_server_name(bench.bucket)
            results = tuple(_try(probe, bench) for probe in _PROBES.values())
        finally:
            bench.clear()
            if bucket is None:
                with suppress(LakehouseError):
                    client.delete_bucket(bench.bucket)
    return ConformanceReport(profile.resolved_endpoint_url, server, results, time.perf_counter() - started)


def list_probes() -> list[str]:
    """Names of all probes, in their order."""
    return list(_PROBES)


class _Bench:
    """Where probes work: one bucket, a prefix for each."""

    def __init__(self, profile: S3Profile, client: S3Client, bucket: str) -> None:
        self.profile = profile
        self.client = client
        self.bucket = bucket
        self.root = f"_conformance-{uuid.uuid4().hex[:12]}/"
        self.wire = Wire(profile, max_connections=2, connect_timeout_s=5.0, read_timeout_s=30.0)
        self._places = 0
        self._keys: list[str] = []

    def place(self) -> str:
        """A prefix that nobody used."""
        self._places += 1
        return f"{self.root}{self._places}/"

    def put(self, key: str, body: bytes = b"x", **headers: str) -> str:
        """Write an object with any headers, and return its ETag."""
        self._keys.append(key)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.wire.send("PUT", self.bucket, key, headers=sent, body=body).headers.get("etag", "").strip('"')

    def get(self, key: str) -> bytes:
        """All bytes of an object."""
        return self.client.get_bytes(self.bucket, key)

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix as they are listed, without it."""
        return [info.key.removeprefix(prefix) for info in self.client.list_objects(self.bucket, prefix)]

    def note(self, key: str) -> None:
        """Remember a key that something else wrote."""
        self._keys.append(key)

    def clear(self) -> None:
        """Remove what was written, also what a listing does not show."""
        with suppress(LakehouseError):
            listed = [info.key for info in self.client.list_objects(self.bucket, self.root)]
            self.client.delete_objects(self.bucket, dict.fromkeys([*listed, *reversed(self._keys)]))
        for key in self._keys:
            with suppress(LakehouseError):
                for upload in self.client.list_uploads(self.bucket, key):
                    self.client.abort_upload(self.bucket, upload)
        self.wire.close()


@dataclass(frozen=True, slots=True)
class _Probe:
    name: str
    title: str
    consequence: str
    run: Callable[[_Bench], None]


_PROBES: dict[str, _Probe] = {}


def _probe(name: str, title: str, consequence: str) -> Callable[[Callable[[_Bench], None]], Callable[[_Bench], None]]:
    def add(run: Callable[[_Bench], None]) -> Callable[[_Bench], None]:
        _PROBES[name] = _Probe(name, title, consequence, run)
        return run

    return add


def _try(probe: _Probe, bench: _Bench) -> ProbeResult:
    try:
        probe.run(bench)
    except Gap as gap:
        return ProbeResult(probe.name, probe.title, "differs", str(gap), probe.consequence)
    except LakehouseError as error:
        return ProbeResult(probe.name, probe.title, "refuses", error.message[:200], probe.consequence)
    return ProbeResult(probe.name, probe.title, "conforms")


def _expect(found: object, wanted: object, what: str = "") -> None:
    if found != wanted:
        shown, asked = (repr(value)[:90] for value in (found, wanted))
        raise Gap(f"{what}{': ' if what else ''}{shown} instead of {asked}")


_NAMES = "The plan calls such names conflicts where the server is known by this gap; choose other names."


@_probe("round-trip", "bytes come back as they were sent, empty ones too", "Nothing can be trusted: do not use it.")
def _round_trip(bench: _Bench) -> None:
    at, body = bench.place(), bytes(range(256)) * 5
    bench.put(f"{at}a", body)
    bench.put(f"{at}empty", b"")
    _expect(bench.get(f"{at}a"), body)
    _expect(bench.get(f"{at}empty"), b"")


@_probe("plain-etag", "the ETag of a small object is its MD5", "ETags are compared for equality only; proof takes SHA-256.")
def _plain_etag(bench: _Bench) -> None:
    _expect(bench.put(f"{bench.place()}a", b"hello"), hashlib.md5(b"hello", usedforsecurity=False).hexdigest())


@_probe("listing-order", "listings come in the order of the keys' UTF-8 bytes", "Listings are sorted outside of memory.")
def _listing_order(bench: _Bench) -> None:
    at, names = bench.place(), ["B", "a-", "a.b", "a/x", "aa", "z", "é", "\uffee", "\U0001f600"]
    for name in names:
        bench.put(f"{at}{name}")
    _expect(bench.keys(at), sorted(names, key=str.encode))


@_probe("listing-encoding", "listings give every key back as it was written", "Such keys are named in reports as failures.")
def _listing_encoding(bench: _Bench) -> None:
    at, names = bench.place(), ["a b", "a+b", "a%20b", "a&b", "a<b>", 'a"b', "a'b", "a?b#c", "ü", "日本", "a=b;c,d"]
    for name in names:
        bench.put(f"{at}{name}", name.encode())
    _expect(sorted(bench.keys(at)), sorted(names))
    for name in names:
        _expect(bench.get(f"{at}{name}"), name.encode(), name)


@_probe(
    "listing-pages", "a listing goes on where its page ended", "A listing that repeats or ends early is an error, not a plan."
)
def _listing_pages(bench: _Bench) -> None:
    at, names = bench.place(), [f"{number:02}" for number in range(7)]
    for name in names:
        bench.put(f"{at}{name}")
    found: list[str] = []
    token = ""
    for _ in range(10):
        query = {"list-type": "2", "prefix": at, "max-keys": "3", **({"continuation-token": token} if token else {})}
        body = bench.wire.send("GET", bench.bucket, query=query).body.decode()
        found += [part.partition("</Key>")[0].removeprefix(at) for part in body.split("<Key>")[1:]]
        token = body.partition("<NextContinuationToken>")[2].partition("</NextContinuationToken>")[0]
        if not token:
            break
    _expect(found, names)


@_probe("listing-start-after", "a listing can begin behind a key", "Large listings are read in one stretch.")
def _listing_start_after(bench: _Bench) -> None:
    at = bench.place()
    for name in "abc":
        bench.put(f"{at}{name}")
    found = [info.key.removeprefix(at) for info in bench.client.list_objects(bench.bucket, at, start_after=f"{at}a")]
    _expect(found, ["b", "c"])


@_probe("listing-prefixes", "a delimiter groups keys into prefixes", "`ls` shows every key.")
def _listing_prefixes(bench: _Bench) -> None:
    at = bench.place()
    for name in ("a", "d/x", "d/y", "e/z"):
        bench.put(f"{at}{name}")
    found = [item if isinstance(item, str) else item.key for item in bench.client.list_children(bench.bucket, at)]
    _expect(sorted(found), sorted(f"{at}{name}" for name in ("a", "d/", "e/")))


@_probe(
    "object-beside-prefix", "`a` and `a/x` are two objects, both listed", "Verification asks for what a listing lacks by name."
)
def _object_beside_prefix(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a/x", b"1")
    bench.put(f"{at}a", b"2")
    _expect((bench.get(f"{at}a/x"), bench.get(f"{at}a")), (b"1", b"2"))
    _expect(bench.keys(at), ["a", "a/x"])


@_probe("backslash", "a backslash in a key is no slash", _NAMES)
def _backslash(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a\\b", b"1")
    bench.put(f"{at}a/b", b"2")
    _expect((bench.get(f"{at}a\\b"), bench.get(f"{at}a/b")), (b"1", b"2"))
    _expect(bench.keys(at), ["a/b", "a\\b"])


@_probe("empty-parts", "a key may have empty parts between slashes", _NAMES)
def _empty_parts(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a//b", b"1")
    bench.put(f"{at}a/b", b"2")
    _expect((bench.get(f"{at}a//b"), bench.get(f"{at}a/b")), (b"1", b"2"))
    _expect(bench.keys(at), ["a//b", "a/b"])


@_probe("dot-parts", "a key may have the parts `.` and `..`", _NAMES)
def _dot_parts(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}d/../a", b"1")
    _expect(bench.get(f"{at}d/../a"), b"1")
    _expect(bench.keys(at), ["d/../a"])


@_probe("leading-slash", "a key may begin with a slash", _NAMES)
def _leading_slash(bench: _Bench) -> None:
    name = f"/{bench.place()}a"
    bench.put(name, b"1")
    _expect(bench.get(name), b"1")
    with suppress(NotFoundError):
        bench.get(name[1:])
        raise Gap("it is the same object without the slash")


@_probe("folder-marker", "`d/` is an object of its own", "Markers are copied by writing them anew.")
def _folder_marker(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}d/", b"")
    bench.put(f"{at}d/x")
    _expect(bench.keys(at), ["d/", "d/x"])
    bench.note(f"{at}e/")
    bench.client.copy(bench.bucket, f"{at}d/", bench.bucket, f"{at}e/")
    _expect(bench.get(f"{at}e/"), b"")


@_probe("long-names", "a key has up to 1,024 bytes, in parts of any length", _NAMES)
def _long_names(bench: _Bench) -> None:
    at = bench.place()
    name = at + "n" * (1024 - len(at))
    bench.put(name, b"1")
    _expect(bench.get(name), b"1")


@_probe("case", "keys that differ in case are two objects", _NAMES)
def _case(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}A", b"1")
    bench.put(f"{at}a", b"2")
    _expect((bench.get(f"{at}A"), bench.get(f"{at}a")), (b"1", b"2"))


@_probe("metadata", "content type and metadata come back, and go along with a copy", "Reports say what a copy lost.")
def _metadata(bench: _Bench) -> None:
    at = bench.place()
    bench.put(f"{at}a", b"1", content_type="text/csv", x_amz_meta_colour="blue")
    bench.note(f"{at}b")
    bench.client.copy(bench.bucket, f"{at}a", bench.bucket, f"{at}b")
    for name in "ab":
        headers = bench.client.get_details(bench.bucket, f"{at}{name}")[1]
        _expect((headers.get("content-type"), headers.get("x-amz-meta-colour")), ("text/csv", "blue"), name)


@_probe("copy-pinned", "a copy can be tied to the source's ETag", "The source is looked at again after the copy.")
def _copy_pinned(bench: _Bench) -> None:
    at = bench.place()
    etag = bench.put(f"{at}a", b"1")
    bench.note(f"{at}b")
    bench.client.copy(bench.bucket, f"{at}a", bench.bucket, f"{at}b", if_match=etag)
    bench.put(f"{at}a", b"2")
    with suppress(ConflictError):
        bench.client.copy(bench.bucket, f"{at}a", bench.bucket, f"{at}b", if_match=etag)
        raise Gap("it copied an object of another ETag")


@_probe("read-pinned", "a read can be tied to an ETag", "What was read is compared with what was listed.")
def _read_pinned(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    etag = bench.put(key, b"1")
    bench.put(key, b"2")
    with suppress(ConflictError):
        bench.client.open_stream(bench.bucket, key, if_match=etag).close()
        raise Gap("it gave an object of another ETag")


@_probe("range", "a range of an object can be read", "Objects are read whole.")
def _range(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.put(key, b"0123456789")
    for asked, wanted in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=8-99", b"89")):
        answer = bench.wire.send("GET", bench.bucket, key, headers={"Range": asked})
        _expect((answer.status, answer.body), (206, wanted), asked)


@_probe("missing", "what is not there is a 404 with S3's code", "Its absence may be taken for another error.")
def _missing(bench: _Bench) -> None:
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
def _conditional_put(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.put(key, b"1", if_none_match="*")
    try:
        bench.put(key, b"2", if_none_match="*")
    except ConflictError:
        _expect(bench.get(key), b"1")
        return
    raise Gap("it overwrote the object")


@_probe("signed-body", "a body that is not the signed one is refused", "Uploads are compared by ETag afterwards.")
def _signed_body(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    try:
        bench.wire.send("PUT", bench.bucket, key, body=b"other", body_sha256=hashlib.sha256(b"signed").hexdigest())
    except LakehouseError:
        return
    raise Gap("it stored other bytes")


@_probe("sha256", "a SHA-256 is checked, kept and given back", "SHA-256 is computed by reading where it is asked for.")
def _sha256(bench: _Bench) -> None:
    key, body = f"{bench.place()}a", b"hello"
    right, wrong = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (body, b"other"))
    bench.put(key, body, x_amz_checksum_sha256=right)
    info = bench.client.get_info(bench.bucket, key)
    _check_refused(bench, key, body, x_amz_checksum_sha256=wrong)
    _expect(info.sha256, hashlib.sha256(body).hexdigest(), "on record")


_CRC_OF_HELLO = "M3eFcAZSQlc="
"""CRC-64/NVME of `hello`, as S3 writes it (base64 of 8 bytes, big-endian)."""


@_probe("crc64nvme", "a CRC-64/NVME is checked, kept and given back", "SHA-256 takes its place.")
def _crc64nvme(bench: _Bench) -> None:
    key, body = f"{bench.place()}a", b"hello"
    bench.put(key, body, x_amz_checksum_crc64nvme=_CRC_OF_HELLO)
    _check_refused(bench, key, body, x_amz_checksum_crc64nvme="AAAAAAAAAAA=")
    headers = bench.wire.send("HEAD", bench.bucket, key, headers={"x-amz-checksum-mode": "ENABLED"}).headers
    _expect(headers.get("x-amz-checksum-crc64nvme"), _CRC_OF_HELLO, "on record")


def _check_refused(bench: _Bench, key: str, body: bytes, **headers: str) -> None:
    try:
        bench.put(f"{key}-wrong", body, **headers)
    except LakehouseError:
        return
    raise Gap("a wrong value was taken")


@_probe("multipart", "parts become one object with S3's ETag of parts", "ETags of such objects are compared for equality only.")
def _multipart(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    upload = bench.client.start_upload(bench.bucket, key)
    etags = [bench.client.put_part(bench.bucket, upload, number, body) for number, body in ((1, _PART), (2, b"end"))]
    if key in {info.key for info in bench.client.list_objects(bench.bucket, key)}:
        raise Gap("it is visible before it is complete")
    etag = bench.client.complete_upload(bench.bucket, upload, etags)
    _expect(hashlib.sha256(bench.get(key)).hexdigest(), hashlib.sha256(_PART + b"end").hexdigest(), "content")
    _expect(etag, join_etags(etags), "ETag")


@_probe(
    "part-layout",
    "a HEAD of part 1 tells how an object was uploaded",
    "Copies in parts may have other ETags than their source.",
)
def _part_layout(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    upload = bench.client.start_upload(bench.bucket, key)
    etags = [bench.client.put_part(bench.bucket, upload, number, body) for number, body in ((1, _PART), (2, b"end"))]
    bench.client.complete_upload(bench.bucket, upload, etags)
    _expect(bench.client.get_part_layout(bench.bucket, key), (len(_PART), 2))


@_probe("copy-part", "a range of an object becomes a part of another", "Such objects pass through this machine.")
def _copy_part(bench: _Bench) -> None:
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
    _expect(len(bench.get(f"{at}b")), len(_PART) + 3)


@_probe(
    "open-uploads",
    "unfinished uploads are listed and can be aborted",
    "What a killed run left stays on the server.",
)
def _open_uploads(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.note(key)
    upload = bench.client.start_upload(bench.bucket, key)
    bench.client.put_part(bench.bucket, upload, 1, b"x")
    _expect([item.upload_id for item in bench.client.list_uploads(bench.bucket, key)], [upload.upload_id], "listed")
    bench.client.abort_upload(bench.bucket, upload)
    _expect(bench.client.list_uploads(bench.bucket, key), [], "after the abort")


@_probe("delete-many", "many objects go in one request, odd names too", "Objects are deleted one by one.")
def _delete_many(bench: _Bench) -> None:
    at, names = bench.place(), ["a", "a b", "ü&<", "none"]
    for name in names[:-1]:
        bench.put(f"{at}{name}")
    _expect(bench.client.delete_objects(bench.bucket, [f"{at}{name}" for name in names]), [], "failures")
    _expect(bench.keys(at), [], "left")


@_probe("versioning", "a bucket says whether it keeps versions", "Buckets are taken for unversioned.")
def _versioning(bench: _Bench) -> None:
    body = bench.wire.send("GET", bench.bucket, query={"versioning": ""}).body
    if b"VersioningConfiguration" not in body:
        raise Gap(f"it answers {body[:60]!r}")


@_probe("presigned", "a signed address can be read by anyone for a while", "`fs.sign` is of no use there.")
def _presigned(bench: _Bench) -> None:
    key = f"{bench.place()}a b"
    bench.put(key, b"1")
    parts = urlsplit(sign_url(bench.profile, bench.bucket, key))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        _expect((answer.status, answer.read(100)), (200, b"1"))
    except OSError as error:
        raise Gap(f"{type(error).__name__}") from None
    finally:
        connection.close()


@_probe("clock", "its clock is ours, within a minute", "Beyond 15 minutes every signed request is refused: set the clock.")
def _clock(bench: _Bench) -> None:
    said = bench.wire.send("HEAD", bench.bucket).headers.get("date", "")
    try:
        skew_s = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        raise Gap(f"it says {said!r}") from None
    if abs(skew_s) > _SKEW_S:
        raise Gap(f"its clock is {skew_s:+.0f} s off")


@_probe("anonymous", "who has no credentials is refused", "Anybody who reaches the server can read and write: protect it.")
def _anonymous(bench: _Bench) -> None:
    key = f"{bench.place()}a"
    bench.put(key)
    stranger = bench.profile.model_copy(
        update={"anonymous": True, "access_key": None, "secret_key": None, "session_token": None}
    )
    with S3Client(stranger) as client, suppress(AccessError):
        client.get_bytes(bench.bucket, key)
        raise Gap("it gave the object")


def sign_url(profile: S3Profile, bucket: str, key: str, expires_s: int = 60) -> str:
    """An address from which anybody can read the object for so many seconds (SigV4, in the path style)."""
    from botocore.auth import S3SigV4QueryAuth  # noqa: PLC0415 (only here)
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    access_key, secret_key = profile.credentials()
    token = profile.session_token.get_secret_value() if profile.session_token else None
    request = AWSRequest("GET", f"{profile.resolved_endpoint_url}/{bucket}/{quote(key)}")
    S3SigV4QueryAuth(Credentials(access_key, secret_key, token), "s3", profile.region, expires=expires_s).add_auth(request)
    return str(request.url)
