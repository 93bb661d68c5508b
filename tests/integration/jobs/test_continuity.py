"""Halts, gaps and jumps that lie between two archives: judged within one build, and against what is in the table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from mirrored_lake import settings_for
from table_archives import csv_of, kline, zip_of

from lakehouse_sdk.config import Settings
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
ONE = timedelta(days=1)


@pytest.fixture
def source(other_minio: MinioServer, bucket: str) -> Iterator[S3Client]:
    with S3Client(other_minio.profile) as client:
        client.ensure_bucket(bucket)
        client.set_public_read(bucket)
        yield client


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, source: S3Client, bucket: str) -> Iterator[Lakehouse]:
    with Lakehouse(settings_for(settings, other_minio.endpoint_url, bucket)) as made:
        yield made


def publish(source: S3Client, bucket: str, data_type: str, day: datetime, lines: list[str], interval: str = "") -> None:
    middle = f"{interval}/" if interval else ""
    name = f"AUSDT-{interval or data_type}-{day:%Y-%m-%d}"
    key = f"data/futures/um/daily/{data_type}/AUSDT/{middle}{name}.zip"
    body = zip_of((f"{name}.csv", csv_of(lines)))
    source.put_bytes(bucket, key, body)
    source.put_bytes(bucket, f"{key}.CHECKSUM", f"{hashlib.sha256(body).hexdigest()}  {name}.zip\n".encode())


def build(lake: Lakehouse, data_type: str, start: datetime | None = None, end: datetime | None = None) -> dict[str, int]:
    found = lake.discover(markets=["um"], data_types=[data_type], start=start, end=end)
    return dict(lake.build(lake.collect(found, cadence="daily")).commit.flags)


def bar(day: datetime, *, flat: bool = False, price: str = "10") -> str:
    close = round((day + ONE).timestamp() * 1000) - 1
    amounts = (
        {"volume": 0, "quote_volume": 0, "count": 0, "taker_buy_volume": 0, "taker_buy_quote_volume": 0}
        if flat
        else {"quote_volume": float(price) * 4.5}
    )
    return kline(0, day, open=price, high=price, low=price, close=price, close_time=close, **amounts)


@pytest.mark.parametrize("nightly", [False, True])
def test_daily_bars_without_a_trade_after_a_delisting_are_a_halt(
    lake: Lakehouse, source: S3Client, bucket: str, nightly: bool
) -> None:
    days = [FIRST + n * ONE for n in range(23)]
    for number, day in enumerate(days):
        publish(source, bucket, "klines", day, [bar(day, flat=number >= 5)], "1d")
    if nightly:
        flags = [build(lake, "klines", day, day + ONE) for day in days]
        assert sum(found.get("halt", 0) for found in flags) == 9
    else:
        assert build(lake, "klines")["halt"] == 9
    assert lake.quality().counts["rows_flagged"] == 9


def test_a_symbol_whose_bars_go_on_without_a_trade_is_not_active(lake: Lakehouse, source: S3Client, bucket: str) -> None:
    days = [FIRST + n * ONE for n in range(23)]
    for number, day in enumerate(days):
        publish(source, bucket, "klines", day, [bar(day, flat=number >= 5)], "1d")
    (before,) = lake.instruments(markets=["um"])
    assert (before.last, before.last_trade, before.delisted) == (days[-1] + ONE, None, False)
    build(lake, "klines")
    found = lake.instruments(markets=["um"])
    (after,) = found
    assert (after.last, after.last_trade, after.delisted) == (days[-1] + ONE, days[5], True)
    assert found.active_at(days[4]) == (after,)
    assert found.active_at(days[6]) == ()


@pytest.mark.parametrize("nightly", [False, True])
def test_a_price_that_jumps_between_two_files(lake: Lakehouse, source: S3Client, bucket: str, nightly: bool) -> None:
    prices = ["10", "10.2", "15", "15.1"]
    for number, price in enumerate(prices):
        publish(source, bucket, "klines", FIRST + number * ONE, [bar(FIRST + number * ONE, price=price)], "1d")
    days = [FIRST + n * ONE for n in range(4)]
    found = [build(lake, "klines", day, day + ONE) for day in days] if nightly else [build(lake, "klines")]
    assert sum(flags.get("price-jump", 0) for flags in found) == 1
    assert not any(flags.get("bar-gap") for flags in found)


def metrics(day: datetime, interest: str, *, rows: range = range(288)) -> list[str]:
    stamps = [day + n * timedelta(minutes=5) for n in rows]
    return [f"{stamp:%Y-%m-%d %H:%M:%S},AUSDT,{interest},100.0,1,1,1,1" for stamp in stamps]


@pytest.mark.parametrize("nightly", [False, True])
def test_an_open_interest_that_vanishes_at_midnight(lake: Lakehouse, source: S3Client, bucket: str, nightly: bool) -> None:
    publish(source, bucket, "metrics", FIRST, metrics(FIRST, "5000.5"))
    publish(source, bucket, "metrics", FIRST + ONE, metrics(FIRST + ONE, "0E-8", rows=range(3, 288)))
    days = [FIRST, FIRST + ONE]
    found = [build(lake, "metrics", day, day + ONE) for day in days] if nightly else [build(lake, "metrics")]
    assert sum(flags.get("open-interest-jump", 0) for flags in found) == 1
    assert sum(flags.get("stamp-gap", 0) for flags in found) == 1


def test_an_open_interest_that_vanishes_within_a_file(lake: Lakehouse, source: S3Client, bucket: str) -> None:
    lines = metrics(FIRST, "5000.5", rows=range(100)) + metrics(FIRST, "0E-8", rows=range(100, 288))
    publish(source, bucket, "metrics", FIRST, lines)
    assert build(lake, "metrics")["open-interest-jump"] == 1


def book(day: datetime, seconds: int, price: float) -> list[str]:
    stamp = day + timedelta(seconds=seconds)
    return [
        f"{stamp:%Y-%m-%d %H:%M:%S},{side},{depth},{depth * price}" for side, depth in ((-2, 20), (-1, 10), (1, 10), (2, 20))
    ]


@pytest.mark.parametrize("nightly", [False, True])
def test_a_book_whose_price_jumps(lake: Lakehouse, source: S3Client, bucket: str, nightly: bool) -> None:
    publish(source, bucket, "bookDepth", FIRST, [*book(FIRST, 30, 100), *book(FIRST, 86_370, 101)])
    publish(source, bucket, "bookDepth", FIRST + ONE, [*book(FIRST + ONE, 10, 126.5), *book(FIRST + ONE, 40, 160)])
    days = [FIRST, FIRST + ONE]
    found = [build(lake, "bookDepth", day, day + ONE) for day in days] if nightly else [build(lake, "bookDepth")]
    assert sum(flags.get("implied-price-jump", 0) for flags in found) == 1 + 4, "one between the files, four bands within"


def test_a_replay_says_the_same(lake: Lakehouse, source: S3Client, bucket: str) -> None:
    for number, price in enumerate(["10", "15"]):
        publish(source, bucket, "klines", FIRST + number * ONE, [bar(FIRST + number * ONE, price=price)], "1d")
    build(lake, "klines")
    keys = sorted(str(key) for key in lake.quality().archives["_source_key"])
    assert not lake.replay(keys=keys).with_outcome("replaced")
