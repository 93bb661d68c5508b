"""The Coinbase connector against the test kit's server, which knows what each archive has to hold."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from urllib.parse import parse_qs, urlsplit

import pytest

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, MaterialisedStream, Oddity, SourceConnector
from lakehouse_sdk.archives.coinbase import CoinbaseConnector
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import AccessError, ConnectError, IntegrityError, NotFoundError, StorageError, UsageError
from lakehouse_sdk.testing import CoinbaseFault, CoinbaseServer
from lakehouse_sdk.testing.coinbase_http import HttpAnswer, LoopbackServer
from lakehouse_sdk.testing.coinbase_market import Product

DAY = date(2024, 2, 2)
HALTED = date(2024, 2, 3)
BOTH = ("candles", "trades")
INTERVALS = ("1m", "5m", "15m", "1h", "6h", "1d")


@pytest.fixture
def server() -> Iterator[CoinbaseServer]:
    with CoinbaseServer(halted_days=[HALTED]) as server:
        yield server


def connect(server: CoinbaseServer, *, now: datetime | None = None, **options: object) -> CoinbaseConnector:
    settings = load_settings(archives={"coinbase": {"api_url": server.url, "requests_per_s": 1000, **options}})
    return CoinbaseConnector(settings, clock=lambda: now or server.now)


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def ask(start: date | None, end: date | None = None, **filters: object) -> ArchiveQuery:
    fields: dict[str, object] = {"markets": ("spot",), "data_types": BOTH, **filters}
    return ArchiveQuery(start=start and at(start), end=end and at(end), **fields)  # type: ignore[arg-type]


def find(connector: CoinbaseConnector, interval: str | None = "1m", day: date = DAY, symbol: str = "BTC-USD") -> ArchiveObject:
    types, intervals = ("candles" if interval else "trades",), (interval,) if interval else None
    (archive,) = connector.discover(ask(day, day + timedelta(days=1), symbols=(symbol,), data_types=types, intervals=intervals))
    assert isinstance(archive, ArchiveObject)
    return archive


def read(stream: MaterialisedStream) -> list[tuple[str, ...]]:
    """The rows behind the header, which has as many columns."""
    with stream:
        header, *lines = gzip.decompress(stream.read()).decode().splitlines()
        assert stream.rows == len(lines)
    assert {len(line.split(",")) for line in lines} <= {len(header.split(","))}
    return [tuple(line.split(",")) for line in lines]


def read_log(stream: MaterialisedStream) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.request_log.splitlines()]


# -- discovery ----------------------------------------------------------------------------------------------------------------


def test_every_complete_day_of_every_series_is_offered_and_each_series_is_in_one_piece(server: CoinbaseServer) -> None:
    found = list(connect(server).discover(ask(date(2024, 2, 8))))
    archives = [entry for entry in found if isinstance(entry, ArchiveObject)]
    assert len(archives) == len(found) == len({archive.key for archive in archives}) == 4 * (6 + 1) * 2
    assert {archive.symbol for archive in archives} == {"BTC-USD", "ETH-USD", "SHIB-USD", "XRP-USD"}  # the last is delisted
    series = [key for key, _ in groupby(archives, key=lambda archive: archive.series)]
    assert len(series) == len(set(series)) == 28
    assert [archive.key for archive in archives[:3]] == [
        "spot/daily/candles/BTC-USD/1m/BTC-USD-1m-2024-02-08.csv.gz",
        "spot/daily/candles/BTC-USD/1m/BTC-USD-1m-2024-02-09.csv.gz",
        "spot/daily/candles/BTC-USD/5m/BTC-USD-5m-2024-02-08.csv.gz",
    ]
    assert archives[-1].key == "spot/daily/trades/XRP-USD/XRP-USD-trades-2024-02-09.csv.gz"
    assert server.paths == ["/products"]


def test_an_archive_says_that_it_is_virtual_and_has_no_checksum_or_address(server: CoinbaseServer) -> None:
    connector: SourceConnector = connect(server)
    archive = next(connector.discover(ask(DAY, symbols=("BTC-USD",))))
    assert archive == ArchiveObject(
        "coinbase",
        "spot",
        "candles",
        "BTC-USD",
        "1m",
        "daily",
        at(DAY),
        at(date(2024, 2, 3)),
        "spot/daily/candles/BTC-USD/1m/BTC-USD-1m-2024-02-02.csv.gz",
        size_bytes=0,
        etag="",
        last_modified=at(date(2024, 2, 3)),
        checksum_key=None,
        container="gz",
        virtual=True,
    )
    assert connector.checksum(archive) is None
    assert connector.find_address(archive) is None
    capabilities = connector.capabilities()
    assert (capabilities.transport, capabilities.max_connections, capabilities.source) == ("api", 4, connector.name)
    assert capabilities.terms_url.startswith("https://")


def list_days(connector: CoinbaseConnector, query: ArchiveQuery) -> list[int]:
    narrowed = replace(query, symbols=("BTC-USD",), data_types=("trades",))
    return [entry.period_start.day for entry in connector.discover(narrowed) if isinstance(entry, ArchiveObject)]


def test_a_day_is_offered_from_the_moment_it_is_over(server: CoinbaseServer) -> None:
    midnight = at(date(2024, 2, 10))
    query = ask(date(2024, 2, 8), date(2024, 3, 1))
    assert list_days(connect(server, now=midnight), query) == [8, 9]
    assert list_days(connect(server, now=midnight - timedelta(microseconds=1)), query) == [8]
    assert list_days(connect(server, now=at(date(2024, 2, 8))), query) == []


def test_the_time_asked_for_is_half_open_and_counted_in_utc(server: CoinbaseServer) -> None:
    connector = connect(server)
    assert list_days(connector, ask(date(2024, 2, 3), date(2024, 2, 5))) == [3, 4]
    inside = ArchiveQuery(
        ("spot",), ("trades",), start=datetime(2024, 2, 3, 23, 59, tzinfo=UTC), end=datetime(2024, 2, 5, 0, 1, tzinfo=UTC)
    )
    assert list_days(connector, inside) == [3, 4, 5]
    east = datetime.fromisoformat("2024-02-04T01:00:00+02:00")
    assert list_days(connector, ArchiveQuery(("spot",), ("trades",), start=east, end=at(date(2024, 2, 5)))) == [3, 4]


def test_what_is_known_already_is_not_offered_again(server: CoinbaseServer) -> None:
    series = ("coinbase", "spot", "trades", "BTC-USD", "")
    since = {(series, "daily"): at(date(2024, 2, 8))}
    assert list_days(connect(server), replace(ask(date(2024, 2, 6)), since=since)) == [8, 9]  # type: ignore[arg-type]
    assert list_days(connect(server), replace(ask(None), since=since)) == [8, 9]  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no start for ETH-USD trades"):
        list(connect(server).discover(replace(ask(None, data_types=("trades",)), since=since)))  # type: ignore[arg-type]


def test_filters_narrow_the_result(server: CoinbaseServer) -> None:
    def symbols(*patterns: str) -> set[str]:
        found = connect(server).discover(ask(DAY, symbols=patterns))
        return {entry.symbol for entry in found if isinstance(entry, ArchiveObject)}

    assert symbols("*H-USD") == {"ETH-USD"}
    assert symbols("[SX]*", "nothing") == {"SHIB-USD", "XRP-USD"}
    assert symbols("*-EUR") == set()
    assert symbols("ETH-USD", "BTC-USD") == {"BTC-USD", "ETH-USD"}
    assert list(connect(server).discover(ask(DAY, frequencies=("monthly",)))) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (ask(None), r"no start\. Pass start,"),
        (ask(DAY, intervals=("30m",)), "no interval '30m'"),
        (ask(DAY, markets=("um",)), "no market 'um'"),
        (ask(DAY, data_types=("klines",)), "no data type 'klines'"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_before_the_first_request(
    server: CoinbaseServer, query: ArchiveQuery, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        connect(server).discover(query)
    assert server.paths == []


@pytest.mark.parametrize(
    ("symbol", "hint"),
    [("BTCUSD", "Did you mean BTC-USD"), ("btc-usd", "Did you mean BTC-USD"), ("NOSUCHCOIN", "Ids look like BTC-USD")],
)
def test_an_unknown_product_is_an_error_that_names_close_ones(server: CoinbaseServer, symbol: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no product '{symbol}'. {hint}"):
        list(connect(server).discover(ask(DAY, symbols=("ETH-USD", symbol))))


def test_a_product_whose_id_cannot_stand_in_a_key_is_reported() -> None:
    with CoinbaseServer(products=(Product("BTC-USD"), Product("../USD"))) as server:
        found = list(connect(server).discover(ask(DAY, date(2024, 2, 3), data_types=("trades",))))
    assert [entry.key for entry in found] == ["../USD", "spot/daily/trades/BTC-USD/BTC-USD-trades-2024-02-02.csv.gz"]
    assert isinstance(found[0], Oddity)


def test_discovery_is_lazy(server: CoinbaseServer) -> None:
    found = connect(server).discover(ask(date(1, 1, 1)))
    assert server.paths == []
    assert [next(found).key[-17:] for _ in range(2)] == ["0001-01-01.csv.gz", "0001-01-02.csv.gz"]


# -- candles ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("symbol", ["BTC-USD", "SHIB-USD", "XRP-USD"])
def test_candles_are_the_truth_to_the_last_digit(server: CoinbaseServer, symbol: str, interval: str) -> None:
    connector = connect(server)
    rows = read(connector.open(find(connector, interval, symbol=symbol)))
    assert rows == server.candles(symbol, DAY, interval)
    assert rows
    floats = [tuple(str(float(value)) for value in row[1:]) for row in rows]
    assert symbol != "SHIB-USD" or floats != [row[1:] for row in rows]  # the test can see a number that was a float


def test_a_day_of_minutes_takes_five_requests_and_starts_with_the_header(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector)
    server.paths.clear()
    with connector.open(archive) as stream:
        content = gzip.decompress(stream.read())
    assert content.startswith(b"open_time,open,high,low,close,volume\n1706832000000,")
    assert content.endswith(b"\n")
    assert len(server.paths) == 5


def test_a_pause_in_trading_leaves_no_rows_and_its_empty_page_is_believed_after_some_attempts(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector, day=HALTED)
    server.paths.clear()
    rows = read(connector.open(archive))
    assert rows == server.candles("BTC-USD", HALTED, "1m")
    hours = {int(row[0]) // 3_600_000 % 24 for row in rows}
    assert hours == {*range(4), *range(16, 24)}
    assert sum("start=2024-02-03T05" in path for path in server.paths) == 4
    assert len(server.paths) == 5 + 2 * 3  # 05:00 and 10:00 are empty


@pytest.mark.parametrize(("interval", "times"), [("1m", 3), ("5m", 1), ("1h", 2), ("1d", 2)])
def test_a_flaky_empty_answer_costs_no_rows(server: CoinbaseServer, interval: str, times: int) -> None:
    connector = connect(server)
    archive = find(connector, interval)
    server.plant("empty", times=times, path="candles")
    assert read(connector.open(archive)) == server.candles("BTC-USD", DAY, interval)


def test_a_day_before_the_first_trade_is_an_empty_archive(server: CoinbaseServer) -> None:
    connector = connect(server)
    for interval in ("1m", "1d", None):
        archive = find(connector, interval, day=date(2023, 12, 31))
        server.paths.clear()
        assert read(connector.open(archive)) == []
        assert len(server.paths) < 25


def test_a_day_that_has_a_candle_and_no_minutes_is_not_believed(server: CoinbaseServer) -> None:
    connector = connect(server)
    server.plant("empty", times=None, path="granularity=60&")
    with pytest.raises(StorageError, match=r"has a candle for BTC-USD on 2024-02-02, and none of 1m"):
        connector.open(find(connector))


def test_repeated_candles_are_dropped_and_counted(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector)
    server.plant("repeated-candle", times=None)
    stream = connector.open(archive)
    assert [entry["repeated"] for entry in read_log(stream)] == [1] * 5
    assert read(stream) == server.candles("BTC-USD", DAY, "1m")


def test_two_candles_for_one_time_end_in_quarantine(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector)
    server.plant("conflicting-candle", path="2024-02-02T05")
    with pytest.raises(IntegrityError, match=r"BTC-USD 1m two candles for 2024-02-02T09:59:00Z"):
        connector.open(archive)


@pytest.mark.parametrize("interval", INTERVALS)
def test_candles_from_around_the_day_are_dropped_and_counted(server: CoinbaseServer, interval: str) -> None:
    connector = connect(server)
    archive = find(connector, interval)
    server.plant("rows-outside", times=None)
    stream = connector.open(archive)
    assert sum(int(str(entry["outside"])) for entry in read_log(stream)) > 0
    assert read(stream) == server.candles("BTC-USD", DAY, interval)


@pytest.mark.parametrize("ahead", [timedelta(days=-2), timedelta(hours=-1), timedelta(hours=1), timedelta(days=2)])
def test_the_servers_clock_changes_nothing(server: CoinbaseServer, ahead: timedelta) -> None:
    connector = connect(server)
    yesterday = date(2024, 2, 9)
    server.ahead = ahead
    assert list_days(connector, ask(yesterday)) == [9]
    assert read(connector.open(find(connector, day=yesterday))) == server.candles("BTC-USD", yesterday, "1m")
    assert read(connector.open(find(connector, None, day=yesterday))) == server.trades("BTC-USD", yesterday)


@pytest.mark.parametrize("interval", ["1m", "1d", None])
def test_a_day_that_is_not_over_is_not_made(server: CoinbaseServer, interval: str | None) -> None:
    """The server has candles of today, the last one unfinished."""
    today = server.now.date()
    archive = find(connect(server, now=at(today + timedelta(days=1))), interval, day=today)
    server.paths.clear()
    with pytest.raises(UsageError, match=r"2024-02-10\.csv\.gz is not over yet. Open it after 2024-02-11"):
        connect(server).open(archive)
    assert server.paths == []


# -- trades -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [date(2024, 1, 1), date(2024, 1, 2), DAY, HALTED, date(2024, 2, 9)])
@pytest.mark.parametrize("per_day", [2, 700, 2600])
def test_trades_are_those_of_the_day_and_no_other(day: date, per_day: int) -> None:
    """The first and the last microsecond of every day have a trade; days are smaller and larger than a page."""
    with CoinbaseServer(trades_per_day=per_day, halted_days=[HALTED]) as server:
        connector = connect(server)
        stream = connector.open(find(connector, None, day=day))
        assert stream.rows == per_day
        rows = read(stream)
        assert rows == server.trades("BTC-USD", day)
        assert len(server.paths) < 4 + per_day // 1000 + 20
    assert rows[0][1].endswith("T00:00:00.000000Z")
    assert rows[-1][1].endswith("T23:59:59.999999Z")


def test_a_day_of_a_product_without_any_trade_is_empty() -> None:
    with CoinbaseServer(first_day=date(2024, 2, 10), now=at(date(2024, 2, 10))) as server:
        connector = connect(server)
        assert read(connector.open(find(connector, None, day=date(2024, 2, 9)))) == []
        assert len(server.paths) == 1 + 2 * 3 + 4


def test_trades_carry_the_header_and_the_takers_side(server: CoinbaseServer) -> None:
    connector = connect(server)
    with connector.open(find(connector, None)) as stream:
        header = gzip.decompress(stream.read()).splitlines()[0]
    assert header == b"trade_id,time,price,size,side"
    assert {row[4] for row in server.trades("BTC-USD", DAY)} == {"buy", "sell"}


def test_trades_that_come_on_two_pages_are_taken_once() -> None:
    with CoinbaseServer(trades_per_day=2600) as server:
        connector = connect(server)
        archive = find(connector, None)
        server.plant("overlap", times=None, path="after=")
        stream = connector.open(archive)
        assert sum(int(str(entry.get("repeated", 0))) for entry in read_log(stream)) >= 10
        assert read(stream) == server.trades("BTC-USD", DAY)


@pytest.mark.parametrize("day", [date(2024, 1, 1), DAY, date(2024, 2, 9)])
def test_a_page_that_leads_back_to_itself_is_an_error_and_not_a_loop(server: CoinbaseServer, day: date) -> None:
    connector = connect(server)
    archive = find(connector, None, day=day)
    server.plant("endless", times=None, path="trades")
    with pytest.raises(StorageError, match="do not lead on"):
        connector.open(archive)
    assert len(server.paths) < 40


def test_an_empty_page_in_the_middle_costs_no_trades() -> None:
    with CoinbaseServer(trades_per_day=2600) as server:
        connector = connect(server)
        archive = find(connector, None)
        log = read_log(connector.open(archive))
        pages = [str(entry["url"]).removeprefix(server.url) for entry in log if "outside" in entry]
        assert len(pages) > 2
        for path in pages:
            server.plant("empty", path=path)
            server.paths.clear()
            assert read(connector.open(archive)) == server.trades("BTC-USD", DAY)
            assert server.paths.count(path) >= 2


def test_a_day_that_has_a_candle_and_no_trades_is_not_believed(server: CoinbaseServer) -> None:
    connector = connect(server)
    server.plant("empty", times=None, path="trades")
    with pytest.raises(StorageError, match=r"has a candle for BTC-USD on 2024-02-02, and no trades of that day"):
        connector.open(find(connector, None))


# -- the bytes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", ["1m", None])
def test_equal_answers_give_equal_bytes(server: CoinbaseServer, interval: str | None) -> None:
    connector = connect(server)
    archive = find(connector, interval)
    first, second = (connector.open(archive).read() for _ in range(2))
    server.plant("error", times=2)
    server.plant("empty", times=1)
    third = connect(server).open(archive).read()
    assert first == second == third


@pytest.mark.parametrize("interval", ["1m", None])
def test_the_request_log_accounts_for_the_rows(server: CoinbaseServer, interval: str | None) -> None:
    connector = connect(server)
    archive = find(connector, interval)
    server.paths.clear()
    stream = connector.open(archive)
    log = read_log(stream)
    assert [entry["url"] for entry in log] == [f"{server.url}{path}" for path in server.paths]
    for entry in log:
        assert (entry["status"], len(str(entry["sha256"]))) == (200, 64)
        assert datetime.fromisoformat(str(entry["at"])).tzinfo is not None
    pages = [{name: int(str(entry[name])) for name in ("rows", "outside", "repeated")} for entry in log if "outside" in entry]
    assert sum(page["rows"] - page["outside"] - page["repeated"] for page in pages) == stream.rows > 0


# -- servers and networks that fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["error", "reset", "truncated", "too-many", "stall"])
@pytest.mark.parametrize("interval", ["1m", None])
def test_what_passes_is_waited_for(server: CoinbaseServer, fault: CoinbaseFault, interval: str | None) -> None:
    connector = connect(server, timeout_s=0.7 if fault == "stall" else 30)
    archive = find(connector, interval)
    server.retry_after = "0"
    server.paths.clear()
    server.plant(fault, times=2, path="/BTC-USD/")
    rows = read(connector.open(archive))
    assert rows == (server.candles("BTC-USD", DAY, "1m") if interval else server.trades("BTC-USD", DAY))
    assert server.paths[0] == server.paths[1] == server.paths[2] != server.paths[3]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("error", StorageError, r"is answered with 500: 'Internal server error'\. .*run the same again later"),
        ("too-many", StorageError, r"is answered with 429: 'Public rate limit exceeded'"),
        ("reset", ConnectError, r"No whole answer from http.*archives\.coinbase\.api_url"),
        ("truncated", ConnectError, r"No whole answer from http.*archives\.coinbase\.api_url"),
    ],
)
def test_what_does_not_pass_ends_after_the_attempts_that_are_set(
    server: CoinbaseServer, fault: CoinbaseFault, error: type[Exception], words: str
) -> None:
    connector = connect(server, max_attempts=3)
    archive = find(connector)
    server.retry_after = "0"
    server.paths.clear()
    server.plant(fault, times=None)
    with pytest.raises(error, match=words):
        connector.open(archive)
    assert len(server.paths) == 3


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("html", StorageError, r"that is not JSON: '<!DOCTYPE html><html><head><title>Just a moment.*api_url"),
        ("refused", AccessError, r"is refused: 403 'Forbidden'\. The API is public and needs no key"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(
    server: CoinbaseServer, fault: CoinbaseFault, error: type[Exception], words: str
) -> None:
    connector = connect(server)
    archive = find(connector)
    server.paths.clear()
    server.plant(fault)
    with pytest.raises(error, match=words):
        connector.open(archive)
    assert len(server.paths) == 1
    server.plant(fault)
    assert (connector.check().ok, connector.check().ok) == (False, True)


def test_a_product_that_is_gone_is_named(server: CoinbaseServer) -> None:
    connector = connect(server)
    for interval in ("1m", None):
        archive = find(connector, interval)
        gone = replace(archive, symbol="OLD-USD", key=archive.key.replace("BTC-USD", "OLD-USD"))
        with pytest.raises(NotFoundError, match=r"nothing at http.*OLD-USD.*NotFound"):
            connector.open(gone)
    with pytest.raises(UsageError, match="no archive of Coinbase"):
        connector.open(replace(archive, key="data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2024-02-02.zip"))


def test_a_server_that_asks_for_a_pause_gets_it_from_every_thread(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector)
    server.plant("too-many", path="candles")
    server.arrivals_s.clear()
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(lambda _: connector.open(archive), range(4)))
    assert [read(stream) for stream in streams] == [server.candles("BTC-USD", DAY, "1m")] * 4
    longest_s = max(later - earlier for earlier, later in pairwise(sorted(server.arrivals_s)))
    assert longest_s > 0.6  # of the second that was asked for; four requests may have been on their way already
    assert len(server.arrivals_s) == 4 * 5 + 1


def test_a_date_to_come_back_at_counts_from_the_servers_own_clock(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector)
    server.retry_after = "Sat, 10 Feb 2024 13:30:31 GMT"
    server.plant("too-many")
    server.arrivals_s.clear()
    connector.open(archive)
    assert 0.9 < server.arrivals_s[1] - server.arrivals_s[0] < 10


def test_a_pause_that_is_too_long_to_wait_for_is_an_error_that_says_how_long(server: CoinbaseServer) -> None:
    connector = connect(server)
    archive = find(connector)
    server.retry_after = "3600"
    server.plant("too-many")
    began_s = time.monotonic()
    with pytest.raises(StorageError, match=r"429.*Run the same again in 3600 seconds"):
        connector.open(archive)
    assert time.monotonic() - began_s < 5


def test_nobody_at_the_address_is_an_error_with_the_setting_to_check() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings = load_settings(archives={"coinbase": {"api_url": url, "max_attempts": 2}})
    connector = CoinbaseConnector(settings)
    with pytest.raises(ConnectError, match=r"archives\.coinbase\.api_url") as caught:
        list(connector.discover(ask(DAY)))
    assert url in str(caught.value)
    result = connector.check()
    assert (result.ok, url in result.reason) == (False, True)


def test_the_check_counts_the_products(server: CoinbaseServer) -> None:
    result = connect(server).check()
    assert (result.ok, result.reason) == (True, f"{server.url} lists 4 products.")
    with CoinbaseServer(products=()) as empty:
        result = connect(empty).check()
    assert (result.ok, "archives.coinbase.api_url" in result.reason) == (False, True)


def make_trade(number: int, time_text: str = "2024-02-02T12:00:00Z", size: str = "1.5") -> dict[str, object]:
    return {"trade_id": number, "side": "sell", "size": size, "price": "2.50", "time": time_text}


TOMORROW, BEFORE = "2024-02-03T00:00:00.000001Z", "2024-02-01T23:59:59.999999Z"
FIRST = [make_trade(9, TOMORROW), make_trade(8), make_trade(6)]
LAST = [make_trade(5), make_trade(3, BEFORE)]


@contextmanager
def serve_trades(pages: dict[str, HttpAnswer]) -> Iterator[tuple[CoinbaseConnector, ArchiveObject]]:
    """A connector, and a day of trades whose pages are these, by `after`; the newest is that of the empty text."""

    def answer(target: str) -> HttpAnswer:
        return pages[parse_qs(urlsplit(target).query).get("after", [""])[0]]

    with CoinbaseServer() as server:
        archive = find(connect(server), None)
    with LoopbackServer(answer, lambda: datetime.now(UTC)) as loopback:
        options = {"api_url": loopback.url, "requests_per_s": 1000, "max_attempts": 2}
        yield CoinbaseConnector(load_settings(archives={"coinbase": options})), archive


def to_page(rows: list[dict[str, object]], cursor: str | None) -> HttpAnswer:
    return HttpAnswer(body=json.dumps(rows).encode(), headers={} if cursor is None else {"CB-AFTER": cursor})


@pytest.mark.parametrize("cursor", ["6", None])
def test_pages_are_followed_also_without_the_header(cursor: str | None) -> None:
    pages = {"": to_page(FIRST, cursor), "9": to_page(FIRST[1:], cursor), "6": to_page(LAST, None)}
    with serve_trades(pages) as (connector, archive):
        assert [row[0] for row in read(connector.open(archive))] == ["5", "6", "8"]


@pytest.mark.parametrize(
    ("second", "error", "words"),
    [
        (to_page(FIRST[1:], "5"), StorageError, "leave trades out: 6 is followed by 5"),
        (to_page(FIRST[1:], "9"), StorageError, "do not lead on: the next is said to begin at 9"),
        (to_page(FIRST[1:], "-"), StorageError, "cursor CB-AFTER '-', which is no trade id"),
        (to_page([make_trade(8), make_trade(8, size="1.6")], "8"), IntegrityError, "two trades with the id 8, "),
        (to_page([make_trade(8, "2024-02-02")], "8"), IntegrityError, "a row that is no trade"),
        (HttpAnswer(body=b'{"message": "OK"}'), StorageError, "answers with no list: 'OK'"),
        (HttpAnswer(body=b'[{"trade_id":8,'), StorageError, "that is not JSON"),
        (HttpAnswer(302, headers={"Location": "/elsewhere"}), StorageError, "is answered with 302"),
        (HttpAnswer(503, b"<html>Busy</html>", {"Retry-After": "0"}), StorageError, "503: '<html>Busy</html>'"),
        (HttpAnswer(400, b'{"message": "Invalid after"}'), StorageError, "400: 'Invalid after'"),
    ],
)
def test_an_answer_that_cannot_be_right_is_named(second: HttpAnswer, error: type[Exception], words: str) -> None:
    with (
        serve_trades({"": to_page(FIRST, "6"), "9": second, "6": to_page(LAST, None)}) as (connector, archive),
        pytest.raises(error, match=words),
    ):
        connector.open(archive)


@pytest.mark.parametrize(
    ("number", "size", "words"),
    [(7, "1.5", "the trade 7 after older ones"), (6, "1.6", "two trades with the id 6, 6,.*,1.5,buy and 6,.*,1.6,buy")],
)
def test_a_page_that_contradicts_the_one_before_ends_in_quarantine(number: int, size: str, words: str) -> None:
    pages = {"": to_page(FIRST, "6"), "9": to_page(FIRST[1:], "6"), "6": to_page([make_trade(number, size=size), *LAST], None)}
    with serve_trades(pages) as (connector, archive), pytest.raises(IntegrityError, match=words):
        connector.open(archive)


def test_no_tls_where_there_should_be_is_not_tried_again(server: CoinbaseServer) -> None:
    connector = connect(server, api_url=server.url.replace("http:", "https:"))
    began_s = time.monotonic()
    with pytest.raises(ConnectError, match=r"No TLS connection to https:.*archives\.coinbase\.api_url"):
        list(connector.discover(ask(DAY)))
    assert time.monotonic() - began_s < 5
    assert server.paths == []


@pytest.mark.parametrize("product", [{}, {"id": None}, "BTC-USD"])
def test_a_list_of_something_else_is_no_list_of_products(product: object) -> None:
    body = json.dumps([product]).encode()
    with LoopbackServer(lambda _: HttpAnswer(body=body), lambda: datetime.now(UTC)) as loopback:
        connector = CoinbaseConnector(load_settings(archives={"coinbase": {"api_url": loopback.url}}))
        with pytest.raises(StorageError, match=r"which is no product\. Check archives\.coinbase\.api_url"):
            list(connector.discover(ask(DAY)))
        assert not connector.check().ok


# -- politeness ---------------------------------------------------------------------------------------------------------------


def test_requests_keep_to_the_rate_after_a_burst_of_ten(server: CoinbaseServer) -> None:
    connector = connect(server, requests_per_s=50)
    began_s = time.monotonic()
    for _ in range(30):
        assert connector.check().ok
    assert 0.39 < time.monotonic() - began_s < 5


def test_a_small_rate_has_a_small_burst(server: CoinbaseServer) -> None:
    connector = connect(server, requests_per_s=4)
    began_s = time.monotonic()
    for _ in range(6):
        connector.check()
    assert time.monotonic() - began_s > 0.49


def test_all_threads_share_one_rate_and_the_servers_limit_is_never_met() -> None:
    with CoinbaseServer(requests_per_s=50) as server:
        connector = connect(server, requests_per_s=50)
        archive = find(connector)
        began_s = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            streams = list(pool.map(lambda _: connector.open(archive), range(8)))
        assert time.monotonic() - began_s > 0.6  # 41 requests, of which 10 may leave at once
        assert server.refused == 0
    assert {stream.read() for stream in streams} == {streams[0].getvalue()}


def test_a_server_with_a_lower_limit_than_ours_is_waited_for() -> None:
    with CoinbaseServer(requests_per_s=2, burst=1) as server:  # so low that no machine is slow enough to stay below it
        connector = connect(server)
        assert read(connector.open(find(connector))) == server.candles("BTC-USD", DAY, "1m")
        assert server.refused > 0
