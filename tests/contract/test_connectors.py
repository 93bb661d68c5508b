"""One suite for every connector; and connectors that break one promise each, which the suite must name."""

from __future__ import annotations

import gzip
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from lakehouse_sdk.archives import (
    ArchiveObject,
    ArchiveQuery,
    Capabilities,
    CheckResult,
    Checksum,
    MaterialisedStream,
    Oddity,
    SourceConnector,
)
from lakehouse_sdk.archives._template.connector import ROOT_VARIABLE, SOURCE, ExampleConnector
from lakehouse_sdk.archives.binance import BinanceConnector
from lakehouse_sdk.archives.coinbase import CoinbaseConnector
from lakehouse_sdk.archives.ftx import DATASETS, ArchiveKey, FtxConnector, format_key
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import CoinbaseServer, ConnectorSuite, Defect, MirrorSpec, day_range, month_range, publish_mirror
from lakehouse_sdk.uris import LocalAddress

# -- Binance ------------------------------------------------------------------------------------------------------------------

BINANCE_BUCKET = "mirror.for.contract"


@pytest.fixture(scope="module")
def binance_mirror(minio: MinioServer) -> None:
    spec = MirrorSpec(
        markets=("spot", "um"),
        symbols=("BTCUSDT", "BTCUSDT_250328"),
        data_types=("klines", "aggTrades"),
        interval="1h",
        months=month_range(date(2024, 12, 1), date(2024, 12, 1)),
        days=day_range(date(2024, 12, 30), date(2025, 1, 2)),
        trades_per_day=10,
        defects=(
            Defect("checksum-missing", "spot", "klines", "BTCUSDT", "2025-01-01"),
            Defect("stray-part", "um", "aggTrades", "BTCUSDT", "2024-12"),
        ),
    )
    publish_mirror(minio.profile, BINANCE_BUCKET, spec)


@pytest.mark.usefixtures("binance_mirror")
class TestBinance(ConnectorSuite):
    entry_point = "binance"

    @pytest.fixture
    def connector_settings(self, minio: MinioServer) -> Settings:
        return load_settings(archives={"binance": {"endpoint_url": minio.endpoint_url, "bucket": BINANCE_BUCKET}})

    @pytest.fixture
    def connector(self, connector_settings: Settings) -> BinanceConnector:
        return BinanceConnector(connector_settings)

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        return ArchiveQuery(("spot", "um"), ("klines", "aggTrades"))

    @pytest.fixture
    def known_key(self) -> str:
        return "data/futures/um/daily/klines/BTCUSDT_250328/1h/BTCUSDT_250328-1h-2025-01-02.zip"


# -- Coinbase -----------------------------------------------------------------------------------------------------------------


class TestCoinbase(ConnectorSuite):
    entry_point = "coinbase"

    @pytest.fixture
    def connector_settings(self) -> Iterator[Settings]:
        with CoinbaseServer() as server:
            yield load_settings(archives={"coinbase": {"api_url": server.url, "requests_per_s": 1000}})

    @pytest.fixture
    def connector(self, connector_settings: Settings) -> CoinbaseConnector:
        return CoinbaseConnector(connector_settings)

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        start, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 4, tzinfo=UTC)
        return ArchiveQuery(("spot",), ("candles", "trades"), intervals=("1h",), start=start, end=end)

    @pytest.fixture
    def known_key(self) -> str:
        return "spot/daily/trades/BTC-USD/BTC-USD-trades-2024-02-02.csv.gz"


# -- FTX ----------------------------------------------------------------------------------------------------------------------


def make_ftx_files() -> dict[str, bytes]:
    """Two data types, four symbols, three days, checksums beside the trades; and keys that are no archives."""
    files = {"trades/2022/1/1/BTC-PERP.csv.gz": b"x", "trades/2022/01/01/BTC-PERP.csv.gz.tmp": b"x", "quotes/README": b"x"}
    for data_type in ("trades", "quotes"):
        for day in day_range(date(2021, 12, 31), date(2022, 1, 2)):
            for symbol in ("BTC-PERP", "BTC-USD", "ETH-PERP", "BTC-0325"):
                key = format_key(ArchiveKey(data_type, None, symbol, day), "tardis")
                files[key] = gzip.compress(f"{data_type},{symbol},{day}\n".encode(), mtime=0)
                if data_type == "trades":
                    digest = hashlib.sha256(files[key]).hexdigest()
                    files[f"{key}.sha256"] = f"{digest}  {symbol}.csv.gz\n".encode()
    return files


def write_files(root: Path, files: Mapping[str, bytes]) -> None:
    for key, content in files.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content)


class FtxSuite(ConnectorSuite):
    entry_point = "ftx"

    @pytest.fixture
    def connector(self, connector_settings: Settings) -> FtxConnector:
        return FtxConnector(connector_settings)

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        return ArchiveQuery(tuple({dataset.market: None for dataset in DATASETS["tardis"]}), ("trades", "quotes"))

    @pytest.fixture
    def known_key(self) -> str:
        return "trades/2022/01/01/BTC-PERP.csv.gz"


@pytest.fixture(scope="module")
def ftx_bucket(s3: S3Client) -> None:
    s3.ensure_bucket("ftx-for-contract")
    for key, content in make_ftx_files().items():
        s3.put_bytes("ftx-for-contract", f"mirrors/ftx/{key}", content)


@pytest.mark.usefixtures("ftx_bucket")
class TestFtxOnS3(FtxSuite):
    @pytest.fixture
    def connector_settings(self, minio: MinioServer) -> Settings:
        root = "lakehouse://mirror@ftx-for-contract/mirrors/ftx"
        return load_settings(profiles={"mirror": minio.profile}, archives={"ftx": {"root": root}})


class TestFtxInAFolder(FtxSuite):
    @pytest.fixture
    def connector_settings(self, tmp_path: Path) -> Settings:
        write_files(tmp_path, make_ftx_files())
        return load_settings(archives={"ftx": {"root": str(tmp_path)}})


@pytest.fixture
def candles(tmp_path: Path) -> Settings:
    for interval in ("1m", "1d"):
        for day in (date(2022, 1, 1), date(2022, 1, 2)):
            key = format_key(ArchiveKey("candles", interval, "BTC-PERP", day), "ohlcv-csv")
            write_files(tmp_path, {key: f"{interval} {day}".encode()})
    return load_settings(archives={"ftx": {"root": str(tmp_path), "layout": "ohlcv-csv"}})


class TestFtxCandles(FtxSuite):
    """Archives with intervals."""

    @pytest.fixture
    def connector_settings(self, candles: Settings) -> Settings:
        return candles

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        return ArchiveQuery(("perp",), ("candles",))

    @pytest.fixture
    def known_key(self) -> str:
        return "candles/1d/2022/01/02/BTC-PERP.csv.gz"


# -- the template -------------------------------------------------------------------------------------------------------------

KNOWN = "trades/BTC-USD/2024-01-02.csv.gz"
QUERY = ArchiveQuery(("spot",), ("trades",))


@pytest.fixture
def example_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the template's connector reads: three series, two of them with checksums; two keys that are no archives."""
    files = {"trades/README": b"x", "trades/BTC-USD/2024-02-30.csv.gz": b"x"}
    for symbol in ("BTC-USD", "BTC-USDT", "ETH-USD"):
        for day in day_range(date(2024, 1, 1), date(2024, 1, 4)):
            key = f"trades/{symbol}/{day}.csv.gz"
            files[key] = gzip.compress(f"{symbol},{day}\n".encode(), mtime=0)
            if symbol != "ETH-USD":
                files[f"{key}.sha256"] = f"{hashlib.sha256(files[key]).hexdigest()}  {day}.csv.gz\n".encode()
    write_files(tmp_path, files)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


class TestTemplate(ConnectorSuite):
    entry_point = SOURCE

    @pytest.fixture
    def connector(self, example_root: Path) -> ExampleConnector:
        return ExampleConnector(load_settings())

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        return QUERY

    @pytest.fixture
    def known_key(self) -> str:
        return KNOWN


# -- archives that only exist when they are made ------------------------------------------------------------------------------


class ApiConnector(ExampleConnector):
    """What an API answers, with the template's folder in the place of the API."""

    def __init__(self) -> None:
        super().__init__(load_settings())

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), transport="api")

    def discover(self, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        return (self._make_virtual(entry) if isinstance(entry, ArchiveObject) else entry for entry in super().discover(query))

    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        return None

    def open(self, archive: ArchiveObject) -> BinaryIO:
        return MaterialisedStream(f"rows of {archive.key}".encode(), b'{"url": "https://example.com"}\n', 1)

    def find_address(self, archive: ArchiveObject) -> None:  # type: ignore[override]
        return None

    def _make_virtual(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(
            archive, virtual=True, size_bytes=0, etag="", checksum_key=None, last_modified=archive.period_end, container="plain"
        )


class TestVirtualArchives(ConnectorSuite):
    entry_point = SOURCE

    @pytest.fixture
    def connector(self, example_root: Path) -> ApiConnector:
        return ApiConnector()

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        return QUERY

    @pytest.fixture
    def known_key(self) -> str:
        return KNOWN


class ApiWithoutLog(ApiConnector):
    def open(self, archive: ArchiveObject) -> BinaryIO:
        return io.BytesIO(super().open(archive).read())


class ApiWithAddress(ApiConnector):
    def find_address(self, archive: ArchiveObject) -> LocalAddress:  # type: ignore[override]
        return ExampleConnector.find_address(self, archive)


class ApiWithSize(ApiConnector):
    def _make_virtual(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(super()._make_virtual(archive), size_bytes=1)


def test_the_template_without_a_folder_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connector = ExampleConnector(load_settings())
    assert ROOT_VARIABLE in connector.check().reason
    with pytest.raises(ValueError, match=ROOT_VARIABLE):
        connector.discover(QUERY)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    connector = ExampleConnector(load_settings())
    assert not connector.check().ok
    with pytest.raises(FileNotFoundError, match=ROOT_VARIABLE):
        list(connector.discover(QUERY))


# -- connectors that break a promise ------------------------------------------------------------------------------------------

Entries = Iterator[ArchiveObject | Oddity]


class Toy(ExampleConnector):
    """Sound; each connector below changes one thing."""

    def __init__(self) -> None:
        super().__init__(load_settings())

    def discover(self, query: ArchiveQuery) -> Entries:
        self.capabilities().select(query)
        return self.give(query)

    def give(self, query: ArchiveQuery) -> Entries:
        for entry in super().discover(query):
            yield self.change(entry) if isinstance(entry, ArchiveObject) else entry

    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return archive


class WrongName(Toy):
    @property
    def name(self) -> str:
        return "exmaple"


class CapabilitiesThatAsk(Toy):
    def capabilities(self):  # type: ignore[no-untyped-def]
        assert self._root is not None
        (self._root / "trades/README").read_bytes()
        return super().capabilities()


class CheckThatRaises(Toy):
    def check(self) -> CheckResult:
        raise ConnectionError("nobody there")


class CheckWithoutReason(Toy):
    def check(self) -> CheckResult:
        return CheckResult(ok=True, reason="")


class Eager(Toy):
    def discover(self, query: ArchiveQuery) -> Entries:
        return iter(list(super().discover(query)))


class AList(Toy):
    def discover(self, query: ArchiveQuery) -> Entries:
        class Lazy(list[ArchiveObject | Oddity]):
            def __iter__(lazy) -> Entries:  # noqa: N805 (`self` is the connector)
                return self.give(query)

        return Lazy()  # type: ignore[return-value]


class Restless(Toy):
    calls = 0

    def give(self, query: ArchiveQuery) -> Entries:
        self.calls += 1
        found = list(super().give(query))
        return iter(found if self.calls % 2 else found[::-1])


class Repeating(Toy):
    def give(self, query: ArchiveQuery) -> Entries:
        found = list(super().give(query))
        return iter([*found, found[-1]])


class ByDay(Toy):
    def give(self, query: ArchiveQuery) -> Entries:
        return iter(sorted(super().give(query), key=lambda entry: entry.key[-20:]))


class OtherSource(Toy):
    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(archive, source="binance")


class NotOffered(Toy):
    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(archive, interval="1m")


class LocalTime(Toy):
    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(archive, period_start=archive.period_start.replace(tzinfo=None))


class ClosedPeriods(Toy):
    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(archive, period_end=archive.period_end - timedelta(seconds=1))


class NoOneIsUnknown(Toy):
    def discover(self, query: ArchiveQuery) -> Entries:
        return self.give(replace(query, markets=("spot",), data_types=("trades",), frequencies=("daily",)))


class LateRefusal(Toy):
    def discover(self, query: ArchiveQuery) -> Entries:
        assert self._root is not None
        (self._root / "trades/README").read_bytes()
        return super().discover(query)


class IgnoresTime(Toy):
    def give(self, query: ArchiveQuery) -> Entries:
        return super().give(replace(query, start=None, end=None))


class IgnoresSince(Toy):
    def give(self, query: ArchiveQuery) -> Entries:
        return super().give(replace(query, since={}))


class SymbolIsABeginning(Toy):
    def give(self, query: ArchiveQuery) -> Entries:
        symbols = query.symbols and tuple(f"{symbol}*" for symbol in query.symbols)
        return super().give(replace(query, symbols=symbols))


class Growing(Toy):
    calls = 0

    def open(self, archive: ArchiveObject) -> BinaryIO:
        self.calls += 1
        path = self.find_address(archive).path
        file = path.open("rb")
        file.seek(self.calls % 2)
        return file


class WrongSize(Toy):
    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(archive, size_bytes=archive.size_bytes + 1)


class NotPinned(Toy):
    def open(self, archive: ArchiveObject) -> BinaryIO:
        return self.find_address(archive).path.open("rb")


class UpperCaseChecksum(Toy):
    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        published = super().checksum(archive)
        return published and replace(published, sha256=published.sha256.upper())


class ForgottenChecksum(Toy):
    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        return None


class WrongAddress(Toy):
    def find_address(self, archive: ArchiveObject) -> LocalAddress:
        assert self._root is not None
        return LocalAddress(self._root / "trades/README")

    def open(self, archive: ArchiveObject) -> BinaryIO:
        return Toy().find_address(archive).path.open("rb")


class OneAtATime(Toy):
    """Keeps the file that it reads in itself, as one does who forgets threads."""

    def open(self, archive: ArchiveObject) -> BinaryIO:
        self._current = archive
        time.sleep(0.01)
        return super().find_address(self._current).path.open("rb")


class NotPicklable(Toy):
    def change(self, archive: ArchiveObject) -> ArchiveObject:
        return replace(archive, etag=Forgetful(archive.etag))


class Forgetful(str):
    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        return str, ("lost",)


class SilentOddity(Toy):
    def give(self, query: ArchiveQuery) -> Entries:
        for entry in super().give(query):
            yield Oddity(entry.key, " ") if isinstance(entry, Oddity) else entry


SUITE = ConnectorSuite
BROKEN = [
    (WrongName, SUITE.test_name_is_that_of_the_entry_point, "name promises"),
    (CapabilitiesThatAsk, SUITE.test_capabilities_need_no_io, r"capabilities\(\) promises no I/O; it did: open .*README"),
    (CheckThatRaises, SUITE.test_check_answers_and_raises_nothing, r"check\(\) promises to raise nothing"),
    (CheckWithoutReason, SUITE.test_check_answers_and_raises_nothing, "the reason is empty"),
    (Eager, SUITE.test_discover_is_lazy, "promises to be lazy"),
    (AList, SUITE.test_discover_is_lazy, "promises an iterator"),
    (Restless, SUITE.test_discover_gives_the_same_order_every_time, "promises the same order"),
    (Repeating, SUITE.test_discover_gives_each_key_once, "promises each key once"),
    (ByDay, SUITE.test_archives_of_a_series_follow_each_other, "of one series without others between"),
    (OtherSource, SUITE.test_archives_are_what_was_asked_for, "is of the source 'binance'"),
    (NotOffered, SUITE.test_archives_are_what_was_asked_for, r"capabilities\(\) promises all that can be found"),
    (LocalTime, SUITE.test_periods_are_half_open_utc_and_inside_the_query, "period_start promises aware UTC"),
    (ClosedPeriods, SUITE.test_frequency_fits_the_length_of_the_period, "frequency promises what one file covers"),
    (IgnoresTime, SUITE.test_start_and_end_agree_with_filtering_by_hand, r"filtering by hand gives \(start and end\)"),
    (IgnoresSince, SUITE.test_since_agrees_with_filtering_by_hand, r"filtering by hand gives \(since\)"),
    (SymbolIsABeginning, SUITE.test_symbols_agree_with_filtering_by_hand, r"filtering by hand gives \(symbols"),
    (Growing, SUITE.test_bytes_are_the_same_twice_and_as_many_as_listed, "same bytes every time"),
    (WrongSize, SUITE.test_bytes_are_the_same_twice_and_as_many_as_listed, "size_bytes promises"),
    (NotPinned, SUITE.test_open_is_pinned_to_the_listing, "promises ConflictError"),
    (UpperCaseChecksum, SUITE.test_checksum_is_the_sha256_of_the_bytes, "in lower case"),
    (ForgottenChecksum, SUITE.test_checksum_is_the_sha256_of_the_bytes, "it gave None"),
    (WrongAddress, SUITE.test_find_address_agrees_with_open, "promises the bytes that open"),
    (OneAtATime, SUITE.test_open_works_in_many_threads_at_once, "several threads; 8 at once got other bytes"),
    (NotPicklable, SUITE.test_archives_survive_pickling, "promises to survive pickling"),
    (ApiWithoutLog, SUITE.test_open_is_pinned_to_the_listing, "promises a MaterialisedStream"),
    (ApiWithAddress, SUITE.test_find_address_agrees_with_open, "promises to have no address"),
    (ApiWithSize, SUITE.test_bytes_are_the_same_twice_and_as_many_as_listed, "promises the size 0"),
    (SilentOddity, SUITE.test_oddities_have_a_key_and_a_reason, "promises a reason"),
]
FACTS = {"query": QUERY, "known_key": KNOWN}


class Suite(ConnectorSuite):
    entry_point = SOURCE


def run_check(check, connector: SourceConnector, **more: object) -> None:  # type: ignore[no-untyped-def]
    """One test of the suite, with the facts that it takes."""
    names = check.__code__.co_varnames[1 : check.__code__.co_argcount]
    facts = {"connector": connector, "connector_settings": load_settings(), **FACTS, **more}
    check(Suite(), **{name: facts[name] for name in names})


@pytest.mark.usefixtures("example_root")
@pytest.mark.parametrize(("broken", "check", "message"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_promise_is_named(broken: Callable[[], SourceConnector], check, message: str) -> None:  # type: ignore[no-untyped-def]
    run_check(check, Toy())
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        run_check(check, broken())


@pytest.mark.usefixtures("example_root")
@pytest.mark.parametrize("name", ["markets", "data_types", "frequencies"])
def test_a_typing_error_that_is_taken_for_a_name_is_named(name: str) -> None:
    check = SUITE.test_unknown_names_are_refused_before_the_first_request
    run_check(check, Toy(), name=name)
    with pytest.raises(AssertionError, match="promises UsageError for unknown"):
        run_check(check, NoOneIsUnknown(), name=name)
    with pytest.raises(AssertionError, match="promises that UsageError before the first request"):
        run_check(check, LateRefusal(), name=name)


class IgnoresIntervals(FtxConnector):
    def discover(self, query: ArchiveQuery) -> Entries:
        return super().discover(replace(query, intervals=None))


def test_intervals_that_are_ignored_are_named(candles: Settings) -> None:
    check = SUITE.test_intervals_and_frequencies_agree_with_filtering_by_hand
    query = ArchiveQuery(("perp",), ("candles",))
    run_check(check, FtxConnector(candles), query=query)
    with pytest.raises(AssertionError, match=r"filtering by hand gives \(intervals\)"):
        run_check(check, IgnoresIntervals(candles), query=query)


def test_every_check_of_the_suite_is_shown_to_fail() -> None:
    """A check that nothing can fail proves nothing."""
    checks = {name for name in dir(ConnectorSuite) if name.startswith("test_")}
    shown = {check.__name__ for _, check, _ in BROKEN}
    elsewhere = {
        "test_unknown_names_are_refused_before_the_first_request",
        "test_discover_finds_the_known_archive",
        "test_intervals_and_frequencies_agree_with_filtering_by_hand",
    }
    assert checks == shown | elsewhere


@pytest.mark.usefixtures("example_root")
def test_an_archive_that_is_known_and_not_found_is_named() -> None:
    with pytest.raises(AssertionError, match="'trades/nothing' is not among 12 keys"):
        run_check(SUITE.test_discover_finds_the_known_archive, Toy(), known_key="trades/nothing")
    nothing = replace(QUERY, start=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(AssertionError, match="query promises to find something"):
        run_check(SUITE.test_archives_survive_pickling, Toy(), query=nothing)
