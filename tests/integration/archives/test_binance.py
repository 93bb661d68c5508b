"""Discovery and checksums on a real S3 server, counted by s3fs; and on web servers that are not what they should be."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import s3fs

from lakehouse_sdk.archives import (
    ArchiveObject,
    ArchiveQuery,
    Checksum,
    Oddity,
    SourceConnector,
    fetch_checksums,
    get_connector,
    select_cadence,
)
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import AccessError, ConflictError, ConnectError, IntegrityError, NotFoundError, StorageError
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import Defect, MirrorSpec, MirrorTruth, day_range, month_range, publish_mirror

BUCKET = "mirror.for.discovery"
ALL = ArchiveQuery(("spot", "um"), ("klines", "aggTrades"))
SPEC = MirrorSpec(
    markets=("spot", "um"),
    symbols=("BTCUSDT", "BTCUSDT_250328", "ETHUSDT"),
    data_types=("klines", "aggTrades"),
    interval="1h",
    months=month_range(date(2024, 12, 1), date(2024, 12, 1)),
    days=day_range(date(2024, 12, 30), date(2025, 1, 6)),
    trades_per_day=10,
    defects=(
        Defect("checksum-missing", "spot", "klines", "BTCUSDT", "2025-01-01"),
        Defect("checksum-other-file", "spot", "klines", "BTCUSDT", "2025-01-02"),
        Defect("checksum-uppercase", "spot", "klines", "BTCUSDT", "2025-01-03"),
        Defect("checksum-mismatch", "spot", "klines", "BTCUSDT", "2025-01-04"),
        Defect("not-published", "um", "klines", "ETHUSDT", "2025-01-02"),
        Defect("stray-part", "um", "aggTrades", "BTCUSDT", "2024-12"),
        Defect("unpadded-month", "spot", "klines", "ETHUSDT", "2024-12"),
    ),
)


@pytest.fixture(scope="module")
def truth(minio: MinioServer) -> MirrorTruth:
    return publish_mirror(minio.profile, BUCKET, SPEC)


Connect = Callable[..., SourceConnector]


@pytest.fixture
def connect(minio: MinioServer) -> Connect:
    """A connector to a bucket of `minio`, or to another endpoint."""

    def build(bucket: str = BUCKET, **options: object) -> SourceConnector:
        return get_connector(
            "binance", load_settings(archives={"binance": {"endpoint_url": minio.endpoint_url, "bucket": bucket, **options}})
        )

    return build


def keys(found: Iterator[ArchiveObject | Oddity]) -> list[str]:
    return [entry.key for entry in found if isinstance(entry, ArchiveObject)]


# -- what is there ------------------------------------------------------------------------------------------------------------


def test_discovery_finds_exactly_what_another_client_lists(minio: MinioServer, truth: MirrorTruth, connect: Connect) -> None:
    fs = s3fs.S3FileSystem(**minio.profile.to_fsspec(), skip_instance_cache=True)
    listed = {key.removeprefix(f"{BUCKET}/"): info for key, info in fs.find(BUCKET, detail=True).items()}
    found = list(connect().discover(ALL))
    archives = {entry.key: entry for entry in found if isinstance(entry, ArchiveObject)}
    odd = {entry.key for entry in found if isinstance(entry, Oddity)}
    assert len(found) == len(archives) + len(odd)
    assert odd == {oddity.key for oddity in truth.oddities}
    assert set(archives) == {key for key in listed if not key.endswith(".CHECKSUM")} - odd
    assert set(archives) == {archive.key for archive in truth.archives}
    for key, archive in archives.items():
        assert (archive.size_bytes, f'"{archive.etag}"') == (listed[key]["size"], listed[key]["ETag"])
        assert archive.last_modified == listed[key]["LastModified"]
        assert archive.checksum_key == (f"{key}.CHECKSUM" if f"{key}.CHECKSUM" in listed else None)


def test_every_field_agrees_with_what_was_published(truth: MirrorTruth, connect: Connect) -> None:
    for archive in connect().discover(ALL):
        if isinstance(archive, ArchiveObject):
            expected = truth.archive(archive.key)
            assert (archive.market, archive.data_type, archive.symbol, archive.interval, archive.frequency) == (
                expected.market,
                expected.data_type,
                expected.symbol,
                expected.interval,
                expected.frequency,
            )
            assert f"{archive.period_start:%Y-%m-%d}".startswith(expected.period)
            assert (archive.source, archive.period_end > archive.period_start) == ("binance", True)


def test_the_order_is_the_same_every_time_however_many_ask_at_once(truth: MirrorTruth, connect: Connect) -> None:
    orders = [[entry.key for entry in connect(max_connections=workers).discover(ALL)] for workers in (1, 16, 16)]
    assert orders[0] == orders[1] == orders[2]
    folders = [key.rpartition("/")[0] for key in orders[0]]
    assert len({*folders}) == sum(1 for index, folder in enumerate(folders) if folders[index - 1 : index] != [folder])


def test_the_cadence_of_the_found_archives_is_that_of_the_truth(truth: MirrorTruth, connect: Connect) -> None:
    found = [entry for entry in connect().discover(ALL) if isinstance(entry, ArchiveObject)]
    selected = {archive.key for archive in select_cadence(found)}
    assert selected == {archive.key for archive in truth.select_auto().archives}
    assert len(selected) < len(found)


def test_a_symbol_is_not_the_beginning_of_another(truth: MirrorTruth, connect: Connect) -> None:
    query = ArchiveQuery(("um",), ("klines", "aggTrades"), symbols=("BTCUSDT",))
    expected = {a.key for a in truth.archives if a.market == "um" and a.symbol == "BTCUSDT"}
    assert set(keys(connect().discover(query))) == expected


@pytest.mark.usefixtures("truth")
def test_filters_narrow_the_result(connect: Connect) -> None:
    def symbols(**filters: tuple[str, ...]) -> set[str]:
        found = connect().discover(ArchiveQuery(("um",), ("klines",), **filters))  # type: ignore[arg-type]
        return {entry.symbol for entry in found if isinstance(entry, ArchiveObject)}

    assert symbols(symbols=("BTC*",)) == {"BTCUSDT", "BTCUSDT_250328"}
    assert symbols(symbols=("*USDT", "nothing")) == {"BTCUSDT", "ETHUSDT"}
    assert symbols(symbols=("NOSUCHCOIN",)) == set()
    assert symbols(intervals=("1h", "5m")) == {"BTCUSDT", "BTCUSDT_250328", "ETHUSDT"}
    assert symbols(intervals=("5m",)) == set()
    assert symbols(frequencies=("monthly",)) == {"BTCUSDT", "BTCUSDT_250328", "ETHUSDT"}


@pytest.mark.usefixtures("truth")
def test_the_time_asked_for_is_half_open(connect: Connect) -> None:
    query = ArchiveQuery(
        ("spot",),
        ("klines", "aggTrades"),
        symbols=("BTCUSDT",),
        start=datetime(2024, 12, 31, tzinfo=UTC),
        end=datetime(2025, 1, 2, tzinfo=UTC),
    )
    folder = "data/spot/{}/klines/BTCUSDT/1h/BTCUSDT-1h-{}.zip"
    assert [key for key in keys(connect().discover(query)) if "klines" in key] == [
        folder.format("daily", "2024-12-31"),
        folder.format("daily", "2025-01-01"),
        folder.format("monthly", "2024-12"),
    ]


def test_whatever_lies_beside_the_folders_is_reported(s3: S3Client, bucket: str, connect: Connect) -> None:
    """On every level: beside the symbols, beside the intervals, in unknown intervals, deeper; and keys that need encoding."""
    good = ["data/spot/daily/klines/币安人生USDT/1m/币安人生USDT-1m-2025-10-09.zip"]
    odd = [
        "data/spot/daily/klines/README.md",
        "data/spot/daily/klines/BTCUSDT/BTCUSDT-1m-2025-10-09.zip",
        "data/spot/daily/klines/BTCUSDT/7m/BTCUSDT-7m-2025-10-09.zip",
        "data/spot/daily/klines/BTCUSDT/1m/old/BTCUSDT-1m-2025-10-09.zip",
        "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-10-10.zip.CHECKSUM",
        "data/spot/daily/klines/B C+D%20&é/1m/x y.zip",
    ]
    for key in (*good, *odd, "data/spot/daily/trades/elsewhere.txt", "elsewhere.txt"):
        s3.put_bytes(bucket, key, b"x")
    s3.set_public_read(bucket)
    found = list(connect(bucket).discover(ArchiveQuery(("spot",), ("klines",))))
    assert [entry.key for entry in found if isinstance(entry, ArchiveObject)] == good
    assert sorted(entry.key for entry in found if isinstance(entry, Oddity)) == sorted(odd)


def test_a_folder_of_more_than_a_page_is_found_whole_and_a_late_start_skips_the_early_pages(
    minio: MinioServer, bucket: str, connect: Connect
) -> None:
    days = day_range(date(2023, 1, 1), date(2024, 6, 23))
    truth = publish_mirror(minio.profile, bucket, MirrorSpec(days=days, interval="1d", trades_per_day=1))
    query = ArchiveQuery(("spot",), ("klines",), symbols=("BTCUSDT",), intervals=("1d",))
    assert 2 * len(days) > 1000
    assert keys(connect(bucket).discover(query)) == [archive.key for archive in truth.archives]
    late = ArchiveQuery(
        ("spot",), ("klines",), symbols=("BTCUSDT",), intervals=("1d",), start=datetime(2024, 6, 20, tzinfo=UTC)
    )
    assert keys(connect(bucket).discover(late)) == [archive.key for archive in truth.archives[-4:]]


# -- checksums and bytes ------------------------------------------------------------------------------------------------------


def find(connect: Connect, day: str) -> ArchiveObject:
    query = ArchiveQuery(("spot",), ("klines",), symbols=("BTCUSDT",))
    return next(entry for entry in connect().discover(query) if isinstance(entry, ArchiveObject) and f"-{day}." in entry.key)


def test_published_checksums_are_those_of_the_bytes(truth: MirrorTruth, connect: Connect) -> None:
    connector = connect()
    archive = find(connect, "2025-01-05")
    with connector.open(archive) as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    name = archive.key.rpartition("/")[2]
    assert connector.checksum(archive) == Checksum(digest, f"{digest}  {name}\n".encode())
    assert digest == truth.archive(archive.key).sha256
    upper = find(connect, "2025-01-03")
    said = connector.checksum(upper)
    assert said is not None
    assert said.sha256 == truth.archive(upper.key).sha256
    assert said.sha256.upper().encode() in said.content
    wrong = connector.checksum(find(connect, "2025-01-04"))
    assert wrong is not None
    assert wrong.sha256 != truth.archive(find(connect, "2025-01-04").key).sha256


@pytest.mark.usefixtures("truth")
def test_a_checksum_that_is_missing_or_of_another_file(connect: Connect) -> None:
    connector = connect()
    assert connector.checksum(find(connect, "2025-01-01")) is None
    with pytest.raises(IntegrityError, match="is that of 'another-BTCUSDT-1h-2025-01-02"):
        connector.checksum(find(connect, "2025-01-02"))


def test_a_checksum_that_vanished_since_the_listing_is_missing(
    minio: MinioServer, s3: S3Client, bucket: str, connect: Connect
) -> None:
    publish_mirror(minio.profile, bucket, MirrorSpec(days=(date(2025, 1, 1),), interval="1d", trades_per_day=1))
    connector = connect(bucket)
    (archive,) = connector.discover(ArchiveQuery(("spot",), ("klines",)))
    assert isinstance(archive, ArchiveObject)
    assert archive.checksum_key is not None
    s3.delete(bucket, archive.checksum_key)
    assert connector.checksum(archive) is None


def test_all_checksums_arrive_in_order_and_one_that_is_bad_does_not_stop_the_rest(truth: MirrorTruth, connect: Connect) -> None:
    archives = [entry for entry in connect().discover(ALL) if isinstance(entry, ArchiveObject)]
    outcomes = list(fetch_checksums(connect(max_connections=4), iter(archives)))
    assert [archive for archive, _ in outcomes] == archives
    unlike = {
        archive.key: outcome
        for archive, outcome in outcomes
        if not isinstance(outcome, Checksum) or outcome.sha256 != truth.archive(archive.key).sha256
    }
    assert {truth.archive(key).defect: type(outcome) for key, outcome in unlike.items()} == {
        "checksum-missing": type(None),
        "checksum-other-file": IntegrityError,
        "checksum-mismatch": Checksum,
    }


def test_an_archive_that_was_republished_since_is_not_read_by_accident(
    minio: MinioServer, s3: S3Client, bucket: str, connect: Connect
) -> None:
    publish_mirror(minio.profile, bucket, MirrorSpec(days=(date(2025, 1, 1),), interval="1d", trades_per_day=1))
    connector = connect(bucket)
    (archive,) = connector.discover(ArchiveQuery(("spot",), ("klines",)))
    assert isinstance(archive, ArchiveObject)
    s3.put_bytes(bucket, archive.key, b"new bytes under the same key")
    with pytest.raises(ConflictError):
        connector.open(archive)
    s3.delete(bucket, archive.key)
    with pytest.raises(NotFoundError):
        connector.open(archive)


# -- servers that are not what they should be ---------------------------------------------------------------------------------


@contextmanager
def serve(answer: Callable[[str], tuple[int, str, bytes]]) -> Iterator[str]:
    """A real web server on a free port; `answer` gives status, content type and body for a path with its query."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_web_page_instead_of_a_listing_is_an_error_and_not_an_empty_archive(connect: Connect) -> None:
    page = b"<!DOCTYPE html><html><head><title>Data Collection</title></head></html>"
    with serve(lambda _: (200, "text/html", page)) as url:
        connector = connect(endpoint_url=url)
        with pytest.raises(StorageError, match="is not S3 XML"):
            list(connector.discover(ALL))
        result = connector.check()
        assert not result.ok
        assert "not a web page in front of it" in result.reason


def test_a_listing_that_is_refused_says_that_the_archive_is_public(s3: S3Client, bucket: str, connect: Connect) -> None:
    s3.put_bytes(bucket, "data/spot/daily/klines/X/1m/X-1m-2025-01-01.zip", b"x")
    connector = connect(bucket)  # a bucket without public access
    with pytest.raises(AccessError, match=r"The archive is public.*archives\.binance\.endpoint_url"):
        list(connector.discover(ALL))
    assert "The archive is public" in connector.check().reason


def test_a_missing_bucket_is_named(connect: Connect) -> None:
    with pytest.raises((NotFoundError, AccessError), match=r"no\.such\.bucket"):
        list(connect("no.such.bucket").discover(ALL))


def test_nobody_at_the_endpoint_is_an_error_with_the_setting_to_check(connect: Connect) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    connector = connect(endpoint_url=url)
    with pytest.raises(ConnectError, match=r"archives\.binance\.endpoint_url") as caught:
        list(connector.discover(ALL))
    assert url in str(caught.value)
    result = connector.check()
    assert (result.ok, url in result.reason) == (False, True)


def test_a_source_that_stops_answering_ends_the_checksums(truth: MirrorTruth, connect: Connect) -> None:
    archive = find(connect, "2025-01-05")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectError):
        list(fetch_checksums(connect(endpoint_url=url), [archive]))


@pytest.mark.usefixtures("truth")
def test_a_checksum_that_is_refused_is_that_archives_outcome_alone(connect: Connect) -> None:
    forbidden, allowed = find(connect, "2025-01-05"), find(connect, "2025-01-06")
    line = f"{'a' * 64}  {allowed.key.rpartition('/')[2]}\n".encode()
    error = b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
    with serve(lambda path: (200, "text/plain", line) if "01-06" in path else (403, "application/xml", error)) as url:
        first, second = fetch_checksums(connect(endpoint_url=url), [forbidden, allowed])
    assert isinstance(first[1], AccessError)
    assert second == (allowed, Checksum("a" * 64, line))


@pytest.mark.usefixtures("truth")
def test_the_check_lists_the_folders_and_knows_a_wrong_prefix(connect: Connect) -> None:
    right = connect().check()
    assert (right.ok, right.reason.endswith("lists futures, spot.")) == (True, True)
    wrong = connect(prefix="dta/").check()
    assert (wrong.ok, "archives.binance.prefix" in wrong.reason) == (False, True)


class CountingListing:
    """Answers every listing: symbol folders at the top, one archive in each; remembers how many asked at once."""

    def __init__(self, symbols: int) -> None:
        self.symbols = [f"S{number:04}USDT" for number in range(symbols)]
        self.requests = 0
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, path: str) -> tuple[int, str, bytes]:
        with self._lock:
            self.requests += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        prefix = parse_qs(urlsplit(path).query)["prefix"][0]
        symbol = re.search(r"/(S\d{4}USDT)/", prefix)
        if symbol:
            key = f"{prefix}{symbol[1]}-aggTrades-2025-01-01.zip"
            inside = f"<Contents><Key>{key}</Key><LastModified>2025-01-02T07:40:48.000Z</LastModified><Size>9</Size></Contents>"
        else:
            inside = "".join(f"<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>" for name in self.symbols)
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{inside}</ListBucketResult>"
        return 200, "application/xml", body.encode()


DAILY_TRADES = ArchiveQuery(("spot",), ("aggTrades",), frequencies=("daily",))


def test_folders_are_listed_in_parallel_but_never_by_more_than_the_setting_allows(connect: Connect) -> None:
    listing = CountingListing(60)
    with serve(listing) as url:
        found = list(connect(endpoint_url=url, max_connections=3).discover(DAILY_TRADES))
    assert [entry.symbol for entry in found if isinstance(entry, ArchiveObject)] == listing.symbols
    assert listing.requests == 61
    assert 1 < listing.most_at_once <= 3


def test_discovery_is_lazy_and_stops_asking_when_nobody_listens(connect: Connect) -> None:
    listing = CountingListing(500)
    with serve(listing) as url:
        found = connect(endpoint_url=url, max_connections=2).discover(DAILY_TRADES)
        assert listing.requests == 0
        next(found)
        found.close()  # type: ignore[attr-defined]
        asked = listing.requests
        time.sleep(0.1)
        assert asked == listing.requests < 20
