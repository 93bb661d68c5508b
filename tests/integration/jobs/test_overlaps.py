"""A month and its days hold the same rows: whatever is collected in whatever order, each row is in the table once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from lakehouse_sdk.archives import Cadence
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.jobs import BuildReport, CollectReport
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import Defect, MirrorSpec, day_range, publish_mirror

JANUARY = day_range(date(2024, 1, 1), date(2024, 1, 31))
DAYS = MirrorSpec(
    markets=("spot",), symbols=("BTCUSDT",), data_types=("klines",), interval="1h", trades_per_day=50, days=JANUARY
)
MONTH = replace(DAYS, days=(), months=(date(2024, 1, 1),))
ROWS = 31 * 24


class Exchange:
    """The mirror, published piece by piece."""

    def __init__(self, server: MinioServer, bucket: str) -> None:
        self.server = server
        self.bucket = bucket

    def publish(self, *specs: MirrorSpec) -> None:
        for spec in specs:
            publish_mirror(self.server.profile, self.bucket, spec)

    def remove(self, day: str) -> None:
        key = f"data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-{day}.zip"
        with S3Client(self.server.profile) as client:
            client.delete_objects(self.bucket, [key, f"{key}.CHECKSUM"])


@pytest.fixture
def exchange(other_minio: MinioServer, bucket: str) -> Exchange:
    return Exchange(other_minio, bucket)


@pytest.fixture
def lake(settings: Settings, exchange: Exchange) -> Iterator[Lakehouse]:
    binance = {"endpoint_url": exchange.server.endpoint_url, "bucket": exchange.bucket, "region": "us-east-1"}
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    with Lakehouse(load_settings(**known, archives={"binance": binance})) as made:
        yield made


def run(lake: Lakehouse, cadence: Cadence = "auto") -> tuple[CollectReport, BuildReport]:
    collected = lake.collect(lake.discover(markets=("spot",), data_types=("klines",)), cadence=cadence)
    collected.raise_for_failures()
    built = lake.build(collected)
    rows = built.rows
    assert rows.rows_in == rows.accepted + rows.duplicate + rows.quarantined
    return collected, built


def read(lake: Lakehouse) -> pd.DataFrame:
    columns = ["open_time", "open", "high", "low", "close", "volume", "_source_key"]
    frame = lake.table("silver.klines").scan(columns=columns).to_pandas()
    return frame.sort_values("open_time").reset_index(drop=True)


def assert_once(frame: pd.DataFrame, rows: int = ROWS) -> None:
    assert frame["open_time"].is_unique
    assert len(frame) == rows


def test_a_month_that_is_published_after_all_of_its_days_is_not_needed(lake: Lakehouse, exchange: Exchange) -> None:
    exchange.publish(DAYS)
    run(lake)
    before = read(lake)
    exchange.publish(MONTH)
    collected, built = run(lake)
    assert {item.archive.frequency for item in collected.archives} == {"daily"}
    assert built.commit.rows_written == 0
    pd.testing.assert_frame_equal(read(lake), before)


def test_a_month_fills_the_holes_of_its_days_and_no_row_comes_twice(lake: Lakehouse, exchange: Exchange) -> None:
    exchange.publish(DAYS)
    exchange.remove("2024-01-10")
    exchange.remove("2024-01-11")
    run(lake)
    assert_once(read(lake), ROWS - 48)
    exchange.publish(MONTH)
    _, built = run(lake)
    frame = read(lake)
    assert_once(frame)
    (found,) = built.reconciled
    assert (found.days, found.rows, found.agrees) == (29, ROWS - 48, True)
    filled = frame[frame["_source_key"].str.contains("/monthly/")]
    assert sorted({time.day for time in filled["open_time"]}) == [10, 11]
    assert built.rows.accepted == 48
    again, rebuilt = run(lake)
    assert again.transfer.bytes_copied == 0
    assert rebuilt.commit.rows_written == 0
    assert_once(read(lake))


def test_days_that_come_after_their_month_are_left_alone_by_auto(lake: Lakehouse, exchange: Exchange) -> None:
    exchange.publish(MONTH)
    run(lake)
    exchange.publish(DAYS)
    collected, _ = run(lake)
    assert {item.archive.frequency for item in collected.archives} == {"monthly"}
    assert_once(read(lake))


def test_days_that_are_asked_for_take_the_place_of_their_month_in_one_commit(lake: Lakehouse, exchange: Exchange) -> None:
    exchange.publish(MONTH)
    run(lake)
    table = lake.table("silver.klines")
    exchange.publish(replace(DAYS, days=JANUARY[:5], seed=7))  # the days say something else
    run(lake, "daily")
    frame = read(lake)
    assert_once(frame)
    daily = frame["_source_key"].str.contains("/daily/")
    assert {time.day for time in frame[daily]["open_time"]} == {1, 2, 3, 4, 5}
    assert daily.sum() == 5 * 24
    assert lake.table("silver.klines").snapshot_id != table.snapshot_id
    exchange.publish(replace(DAYS, days=JANUARY[:1], seed=8))  # and one of them is published anew: its month is gone already
    run(lake, "daily")
    assert_once(read(lake))


def test_reconcile_reads_both_the_day_wins_and_differences_are_reported(lake: Lakehouse, exchange: Exchange) -> None:
    exchange.publish(DAYS)
    conflicting = Defect("high-below-low", "spot", "klines", "BTCUSDT", "2024-01")
    exchange.publish(replace(MONTH, seed=3, defects=(conflicting,)))
    _, built = run(lake, "reconcile")
    frame = read(lake)
    assert_once(frame)
    assert not frame["_source_key"].str.contains("/monthly/").any()
    (found,) = built.reconciled
    assert found.days == 31
    assert found.differing > 0.9 * ROWS
    assert found.only_daily == ROWS - found.rows > 0
    assert built.commit.flags["differs-from-daily"] == found.differing
    assert built.to_dict()["reconciled"][0]["only_monthly"] == 0


def test_a_day_that_cannot_be_read_leaves_its_month_in(lake: Lakehouse, exchange: Exchange) -> None:
    exchange.publish(replace(DAYS, defects=(Defect("zip-truncated", "spot", "klines", "BTCUSDT", "2024-01-05"),)))
    exchange.publish(MONTH)
    _, built = run(lake, "reconcile")
    frame = read(lake)
    assert_once(frame)
    assert {time.day for time in frame[frame["_source_key"].str.contains("/monthly/")]["open_time"]} == {5}
    assert [file.reason.partition(":")[0] for file in built.defective] == ["zip-unreadable"]
    assert built.reconciled[0].days == 30


@pytest.mark.parametrize("order", ["days, month", "month, days"])
def test_in_any_order_the_table_says_the_same(lake: Lakehouse, exchange: Exchange, order: str) -> None:
    pieces: dict[str, tuple[MirrorSpec, Cadence]] = {
        "days": (replace(DAYS, days=JANUARY[3:20]), "daily"),
        "month": (MONTH, "monthly"),
    }
    for name in order.split(", "):
        spec, cadence = pieces[name]
        exchange.publish(spec)
        run(lake, cadence)
    frame = read(lake)
    assert_once(frame)
    assert frame["_source_key"].str.contains("/daily/").sum() == 17 * 24
    assert frame["open_time"].iloc[0] == datetime(2024, 1, 1, tzinfo=UTC)
