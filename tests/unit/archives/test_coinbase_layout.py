"""The key layout of Coinbase's archives, against keys written out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lakehouse_sdk.archives import Oddity
from lakehouse_sdk.archives.coinbase import DATASETS, ArchiveKey, format_key, parse_key

DAY = date(2024, 1, 31)

MADE = [
    ("spot/daily/candles/BTC-USD/1m/BTC-USD-1m-2024-01-31.csv.gz", ArchiveKey("candles", "BTC-USD", "1m", DAY)),
    ("spot/daily/candles/00-USD/1d/00-USD-1d-2024-01-31.csv.gz", ArchiveKey("candles", "00-USD", "1d", DAY)),
    ("spot/daily/trades/BTC-USD/BTC-USD-trades-2024-01-31.csv.gz", ArchiveKey("trades", "BTC-USD", None, DAY)),
    ("spot/daily/trades/1INCH-EUR/1INCH-EUR-trades-2024-01-31.csv.gz", ArchiveKey("trades", "1INCH-EUR", None, DAY)),
]

ODD = [
    ("", "not below spot/daily/"),
    ("data/spot/daily/trades/BTC-USD/BTC-USD-trades-2024-01-31.csv.gz", "not below spot/daily/"),
    ("spot/monthly/trades/BTC-USD/BTC-USD-trades-2024-01-31.csv.gz", "not below spot/daily/"),
    ("spot/daily/klines/BTC-USD/1m/BTC-USD-1m-2024-01-31.csv.gz", "no data type 'klines'"),
    ("spot/daily", "not below spot/daily/"),
    ("spot/daily/x", "no data type ''"),
    ("spot/daily/trades/../..-trades-2024-01-31.csv.gz", "'..' is no symbol"),
    ("spot/daily/trades//-trades-2024-01-31.csv.gz", "'' is no symbol"),
    ("spot/daily/trades/-USD/-USD-trades-2024-01-31.csv.gz", "'-USD' is no symbol"),
    ("spot/daily/candles/BTC-USD/BTC-USD-1m-2024-01-31.csv.gz", "candles have no interval ''"),
    ("spot/daily/candles/BTC-USD/30m/BTC-USD-30m-2024-01-31.csv.gz", "candles have no interval '30m'"),
    ("spot/daily/candles/BTC-USD/1m/x/BTC-USD-1m-2024-01-31.csv.gz", "deeper"),
    ("spot/daily/trades/BTC-USD/1m/BTC-USD-trades-2024-01-31.csv.gz", "deeper"),
    ("spot/daily/candles/BTC-USD/1m/BTC-USD-5m-2024-01-31.csv.gz", "is not BTC-USD-1m-YYYY-MM-DD.csv.gz"),
    ("spot/daily/candles/BTC-USD/1m/ETH-USD-1m-2024-01-31.csv.gz", "is not BTC-USD-1m-"),
    ("spot/daily/trades/BTC-USD/BTC-USD-trades-2024-01-31.csv", "is not BTC-USD-trades-"),
    ("spot/daily/trades/BTC-USD/BTC-USD-trades-2023-02-29.csv.gz", "names no day"),
    ("spot/daily/trades/BTC-USD/BTC-USD-trades-9999-12-31.csv.gz", "names no day"),
    ("spot/daily/trades/BTC-USD/BTC-USD-trades-2024-01.csv.gz", "names no day"),
    ("spot/daily/trades/BTC-USD/BTC-USD-trades-٢٠٢٤-01-31.csv.gz", "names no day"),
]


@pytest.mark.parametrize(("key", "archive"), MADE)
def test_a_key_says_what_it_holds_and_is_written_back_exactly(key: str, archive: ArchiveKey) -> None:
    assert parse_key(key) == archive
    assert format_key(archive) == key


@pytest.mark.parametrize(("key", "reason"), ODD)
def test_an_odd_key_is_named_with_its_reason(key: str, reason: str) -> None:
    parsed = parse_key(key)
    assert isinstance(parsed, Oddity)
    assert parsed.key == key
    assert reason in parsed.reason


def test_a_day_is_half_open_in_utc() -> None:
    archive = ArchiveKey("trades", "BTC-USD", None, DAY)
    assert archive.period_start == datetime(2024, 1, 31, tzinfo=UTC)
    assert archive.period_end == datetime(2024, 2, 1, tzinfo=UTC)


def test_what_can_be_made_is_what_the_layout_can_say() -> None:
    for dataset in DATASETS:
        for interval in dataset.intervals or (None,):
            archive = ArchiveKey(dataset.data_type, "BTC-USD", interval, DAY)
            assert parse_key(format_key(archive)) == archive
