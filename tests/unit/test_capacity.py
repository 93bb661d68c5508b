"""What a listing says about zones, growth and the day on which the server is full."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lakehouse_sdk.jobs.care.capacity import ZONES, Usage
from lakehouse_sdk.storage import ObjectInfo

NOW = datetime(2025, 3, 1, tzinfo=UTC)
GIB = 1024**3


def _info(key: str, size: int, days_ago: float) -> ObjectInfo:
    return ObjectInfo(key, size, "etag", NOW - timedelta(days=days_ago))


def _count(*infos: ObjectInfo) -> Usage:
    usage = Usage("bronze", "warehouse", NOW)
    for info in infos:
        usage.add(info)
    return usage


def test_every_object_is_in_one_zone() -> None:
    report = _count(
        _info("bronze/binance/a.zip", 1, 0),
        _info("bronze/_revisions/binance/a.zip.r1", 2, 0),
        _info("warehouse/silver/klines/data/f.parquet", 4, 0),
        _info("warehouse/silver/klines/metadata/0.json", 8, 0),
        _info("warehouse/gold/vwap/data/f.parquet", 16, 0),
        _info("_manifests/transfers/t.parquet", 32, 0),
        _info("bronze.txt", 64, 0),
    ).report(None, "unknown")
    assert {zone.zone: zone.size_bytes for zone in report.zones} == dict(zip(ZONES, (1, 2, 28, 32, 64), strict=True))
    assert [zone.objects for zone in report.zones] == [1, 1, 3, 1, 1]
    assert report.tables == {"gold.vwap": 16, "silver.klines": 12}
    assert report.size_bytes == 127


def test_growth_is_that_of_the_last_month_and_old_bytes_do_not_count() -> None:
    report = _count(_info("bronze/a", 500 * GIB, 100), _info("bronze/b", 30 * GIB, 20)).report(10 * GIB, "server")
    assert (report.growth_bytes_per_day, report.window_days) == (GIB, 30)
    assert report.days_until_full == 10
    assert report.summary == "530.0 GiB in the lake, 1.0 GiB more each day, 10.0 GiB free, full in about 10 days"
    assert report.to_dict()["days_until_full"] == 10
    assert "Capacity" in report._repr_html_()


def test_a_young_lake_is_measured_over_its_own_life() -> None:
    report = _count(_info("bronze/a", 6 * GIB, 3)).report(None, "unknown")
    assert report.growth_bytes_per_day == 2 * GIB
    assert report.days_until_full is None
    assert "free space unknown" in report.summary


def test_a_lake_of_today_says_nothing_about_its_growth() -> None:
    for usage in (_count(_info("bronze/a", 5, 0.9)), _count()):
        report = usage.report(100, "argument")
        assert (report.growth_bytes_per_day, report.days_until_full) == (None, None)
        assert "growth unknown yet" in report.summary
        assert "unknown" in report._repr_html_()


def test_what_does_not_grow_is_never_full() -> None:
    report = _count(_info("bronze/a", 5, 90)).report(100, "argument")
    assert (report.growth_bytes_per_day, report.days_until_full) == (0, None)
