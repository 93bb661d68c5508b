"""Binance's key layout, against keys written out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lakehouse_sdk.archives import Oddity
from lakehouse_sdk.archives.binance import DATASETS, ArchiveKey, format_key, parse_key

DAY, MONTH = date(2024, 2, 29), date(2024, 12, 1)

PUBLISHED = [
    ("spot/daily/klines/BTCUSDT/1s/BTCUSDT-1s-2024-02-29.zip", ("spot", "daily", "klines", "BTCUSDT", "1s", DAY)),
    ("spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024-12.zip", ("spot", "monthly", "klines", "BTCUSDT", "1mo", MONTH)),
    ("spot/monthly/trades/BNBBTC/BNBBTC-trades-2024-12.zip", ("spot", "monthly", "trades", "BNBBTC", None, MONTH)),
    (
        "spot/daily/aggTrades/1INCHUSDT/1INCHUSDT-aggTrades-2024-02-29.zip",
        ("spot", "daily", "aggTrades", "1INCHUSDT", None, DAY),
    ),
    (
        "futures/um/daily/klines/BTCUSDT_240628/4h/BTCUSDT_240628-4h-2024-02-29.zip",
        ("um", "daily", "klines", "BTCUSDT_240628", "4h", DAY),
    ),
    (
        "futures/um/monthly/markPriceKlines/ETHUSDT/1m/ETHUSDT-1m-2024-12.zip",
        ("um", "monthly", "markPriceKlines", "ETHUSDT", "1m", MONTH),
    ),
    (
        "futures/cm/daily/indexPriceKlines/ETHUSD/1h/ETHUSD-1h-2024-02-29.zip",
        ("cm", "daily", "indexPriceKlines", "ETHUSD", "1h", DAY),
    ),
    (
        "futures/cm/monthly/premiumIndexKlines/BTCUSD_PERP/8h/BTCUSD_PERP-8h-2024-12.zip",
        ("cm", "monthly", "premiumIndexKlines", "BTCUSD_PERP", "8h", MONTH),
    ),
    ("futures/um/daily/trades/BTCUSDT/BTCUSDT-trades-2024-02-29.zip", ("um", "daily", "trades", "BTCUSDT", None, DAY)),
    (
        "futures/cm/monthly/bookTicker/BTCUSD_250328/BTCUSD_250328-bookTicker-2024-12.zip",
        ("cm", "monthly", "bookTicker", "BTCUSD_250328", None, MONTH),
    ),
    ("futures/um/daily/bookDepth/BTCUSDT/BTCUSDT-bookDepth-2024-02-29.zip", ("um", "daily", "bookDepth", "BTCUSDT", None, DAY)),
    ("futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-02-29.zip", ("um", "daily", "metrics", "BTCUSDT", None, DAY)),
    (
        "futures/cm/daily/liquidationSnapshot/BTCUSD_PERP/BTCUSD_PERP-liquidationSnapshot-2024-02-29.zip",
        ("cm", "daily", "liquidationSnapshot", "BTCUSD_PERP", None, DAY),
    ),
    (
        "futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-12.zip",
        ("um", "monthly", "fundingRate", "BTCUSDT", None, MONTH),
    ),
    (
        "option/daily/BVOLIndex/BTCBVOLUSDT/BTCBVOLUSDT-BVOLIndex-2024-02-29.zip",
        ("option", "daily", "BVOLIndex", "BTCBVOLUSDT", None, DAY),
    ),
    (
        "option/daily/EOHSummary/BTCUSDT/BTCUSDT-EOHSummary-2024-02-29.zip",
        ("option", "daily", "EOHSummary", "BTCUSDT", None, DAY),
    ),
    (
        "spot/daily/klines/币安人生USDT/1m/币安人生USDT-1m-2024-02-29.zip",
        ("spot", "daily", "klines", "币安人生USDT", "1m", DAY),
    ),
]

ODD = [
    ("data/spot/monthly/klines/ADABKRW/1d/ADABKRW-1d-2020-8.zip", "Its period '2020-8' is not YYYY-MM."),
    ("data/spot/monthly/aggTrades/BTCUSDT/part-00000-5a-c000.zip", "file name is not BTCUSDT-aggTrades-YYYY-MM.zip"),
    ("data/spot/daily/trades/BNBBTC/BNBBTC-trades-2024-02-29.zip.CHECKSUM", "checksum file"),
    ("data/spot/daily/trades/BNBBTC/BNBBTC-trades-2024-02-29.csv", "file name is not"),
    ("data/spot/daily/trades/BNBBTC/ETHBTC-trades-2024-02-29.zip", "file name is not BNBBTC-trades-"),
    ("data/spot/daily/klines/BNBBTC/1m/BNBBTC-5m-2024-02-29.zip", "file name is not BNBBTC-1m-"),
    ("data/spot/daily/trades/BNBBTC/BNBBTC-trades-2023-02-29.zip", "Its period '2023-02-29' is no date."),
    ("data/spot/monthly/trades/BNBBTC/BNBBTC-trades-9999-12.zip", "Its period '9999-12' is no date."),
    ("data/spot/monthly/trades/BNBBTC/BNBBTC-trades-2023-02-28.zip", "is not YYYY-MM."),
    ("data/spot/daily/trades/BNBBTC/BNBBTC-trades-٢٠٢٤-02-29.zip", "is not YYYY-MM-DD."),
    ("data/spot/daily/trades/BNB BTC/BNB BTC-trades-2024-02-29.zip", "'BNB BTC' is no symbol."),
    ("data/spot/daily/trades/../..-trades-2024-02-29.zip", "'..' is no symbol."),
    ("data/spot/daily/trades//-trades-2024-02-29.zip", "'' is no symbol."),
    ("data/spot/daily/klines/BNBBTC/BNBBTC-1m-2024-02-29.zip", "has no interval ''."),
    ("data/futures/um/daily/klines/BTCUSDT/1s/BTCUSDT-1s-2024-02-29.zip", "has no interval '1s'."),
    ("data/spot/daily/klines/BTCUSDT/1M/BTCUSDT-1M-2024-02-29.zip", "has no interval '1M'."),
    ("data/spot/daily/trades/BNBBTC/old/BNBBTC-trades-2024-02-29.zip", "deeper"),
    ("data/spot/daily/klines/BNBBTC/1m/old/BNBBTC-1m-2024-02-29.zip", "deeper"),
    ("data/futures/um/daily/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-02-29.zip", "has no frequency 'daily'."),
    ("data/spot/weekly/trades/BNBBTC/BNBBTC-trades-2024-02-29.zip", "has no frequency 'weekly'."),
    ("data/spot/daily/metrics/BNBBTC/BNBBTC-metrics-2024-02-29.zip", "has no data type 'metrics'."),
    ("data/futures/xm/daily/trades/B/B-trades-2024-02-29.zip", "no market"),
    ("data/margin/daily/trades/B/B-trades-2024-02-29.zip", "no market"),
    ("data/index.html", "no market"),
    ("other/spot/daily/trades/BNBBTC/BNBBTC-trades-2024-02-29.zip", "not below data/."),
    ("", "not below data/."),
]


@pytest.mark.parametrize(("key", "fields"), PUBLISHED)
def test_a_published_key_says_what_it_holds_and_is_written_back_exactly(key: str, fields: tuple[str, ...]) -> None:
    parsed = parse_key(f"data/{key}")
    assert parsed == ArchiveKey(*fields)
    assert format_key(parsed) == f"data/{key}"


@pytest.mark.parametrize(("key", "reason"), ODD)
def test_an_odd_key_is_named_with_its_reason(key: str, reason: str) -> None:
    parsed = parse_key(key)
    assert isinstance(parsed, Oddity)
    assert parsed.key == key
    assert reason in parsed.reason


def test_every_data_type_of_the_facts_has_an_example_here() -> None:
    shown = {(fields[0], fields[2]) for _, fields in PUBLISHED}
    futures = {dataset.data_type for dataset in DATASETS if dataset.market == "um"}
    assert futures == {dataset.data_type for dataset in DATASETS if dataset.market == "cm"}
    assert {data_type for _, data_type in shown} == {dataset.data_type for dataset in DATASETS}
    assert {market for market, _ in shown} == {"spot", "um", "cm", "option"}


def test_periods_are_half_open_and_utc() -> None:
    day = ArchiveKey("spot", "daily", "trades", "X", None, date(2024, 12, 31))
    month = ArchiveKey("spot", "monthly", "trades", "X", None, date(2024, 2, 1))
    assert (day.period_start, day.period_end) == (datetime(2024, 12, 31, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert (month.period_start, month.period_end) == (datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))


def test_the_layout_can_stand_below_another_root() -> None:
    key = "mirror/v1/spot/daily/trades/X/X-trades-2024-12-31.zip"
    parsed = parse_key(key, root="mirror/v1/")
    assert isinstance(parsed, ArchiveKey)
    assert format_key(parsed, root="mirror/v1/") == key
    assert isinstance(parse_key(key), Oddity)
