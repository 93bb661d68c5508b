"""Archives leave bronze once their rows are in the tables, and nothing but their bytes is missed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from mirrored_lake import rows_by_archive, settings_for

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.jobs import ArchiveState, CollectReport
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import DeleteFailure, S3Client
from lakehouse_sdk.testing import MirrorSpec, day_range, publish_mirror

SPEC = MirrorSpec(
    markets=("um",),
    interval="1h",
    days=day_range(date(2025, 1, 1), date(2025, 1, 4)),
    months=(date(2025, 1, 1),),
    trades_per_day=50,
)
AGE = timedelta(days=1)


@pytest.fixture(scope="module")
def mirror(other_minio: MinioServer) -> str:
    publish_mirror(other_minio.profile, "retention-mirror", SPEC)
    return "retention-mirror"


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, mirror: str) -> Lakehouse:
    return Lakehouse(settings_for(settings, other_minio.endpoint_url, mirror))


def _collect(lake: Lakehouse, cadence: str = "daily", **options: bool) -> CollectReport:
    span = {"start": datetime(2025, 1, 1, tzinfo=UTC), "end": datetime(2025, 2, 1, tzinfo=UTC)}
    found = lake.discover(markets=["um"], data_types=["klines"], symbols=["BTCUSDT"], **span)
    report: CollectReport = lake.collect(found, cadence=cadence, **options)  # type: ignore[call-overload]
    return report


def _retain(lake: Lakehouse, age: timedelta = AGE, *, dry_run: bool = False):  # type: ignore[no-untyped-def]
    return lake.retain(markets=["um"], data_types=["klines"], older_than=age, dry_run=dry_run)


def _zips(s3: S3Client, bucket: str) -> set[str]:
    return {info.key for info in s3.list_objects(bucket, "bronze/") if info.key.endswith(".zip")}


def _states(lake: Lakehouse) -> Counter[str]:
    with open_ledger(lake.settings) as ledger:
        return Counter(entry.state.value for entry in ledger.entries("binance") if entry.frequency == "daily")


def test_bytes_go_and_rows_hashes_and_coverage_stay(lake: Lakehouse, s3: S3Client, bucket: str) -> None:
    lake.build(_collect(lake))
    rows, archives = rows_by_archive(lake.settings), _zips(s3, bucket)
    with open_ledger(lake.settings) as ledger:
        hashes = {entry.key: entry.sha256 for entry in ledger.entries("binance")}
    assert _retain(lake, timedelta(days=36500)).archives == 0
    planned = _retain(lake, dry_run=True)
    assert _zips(s3, bucket) == archives
    report = _retain(lake)
    assert (report.archives, report.size_bytes, report.not_in_tables) == (len(archives), planned.size_bytes, 0)
    assert report.size_bytes > 0
    assert _zips(s3, bucket) == set()
    assert [info for info in s3.list_objects(bucket, "bronze/") if info.key.endswith(".CHECKSUM")], "the published hashes stay"
    assert _states(lake) == {"dropped": len(archives)}
    with open_ledger(lake.settings) as ledger:
        assert {entry.key: entry.sha256 for entry in ledger.entries("binance")} == hashes
    assert rows_by_archive(lake.settings) == rows
    coverage = lake.coverage(markets=["um"], data_types=["klines"], symbols=["BTCUSDT"])
    assert coverage.holes == ()
    loaded = lake.load("klines", market="um", symbols="BTCUSDT", interval="1h", start="2025-01-01", end="2025-01-03")
    assert loaded.is_complete
    assert _retain(lake).archives == 0
    assert "left bronze" in report.summary
    assert "would leave" in planned.summary
    assert "Retention" in report._repr_html_()
    assert report.to_dict()["source"] == "binance"


@pytest.mark.parametrize("option", [{}, {"audit": True}, {"repair": True}])
def test_collections_leave_them_alone(lake: Lakehouse, s3: S3Client, bucket: str, option: dict[str, bool]) -> None:
    lake.build(_collect(lake))
    dropped = _retain(lake).archives
    again = _collect(lake, **option)
    again.raise_for_failures()
    assert again.problems == ()
    assert again.counts()["dropped"] == (0 if option.get("repair") else dropped)
    assert lake.build(again).files == ()
    assert _zips(s3, bucket) == set()
    assert _states(lake) == {"dropped": dropped}


def test_they_come_back_when_asked(lake: Lakehouse, s3: S3Client, bucket: str) -> None:
    lake.build(_collect(lake))
    rows, archives = rows_by_archive(lake.settings), _zips(s3, bucket)
    _retain(lake)
    back = _collect(lake, restore=True)
    assert {item.state for item in back.archives} == {ArchiveState.VERIFIED}
    assert _zips(s3, bucket) == archives
    assert lake.build(back).commit.rows_written == 0
    assert rows_by_archive(lake.settings) == rows
    assert _states(lake) == {"published": len(archives)}


def test_what_is_not_in_the_tables_stays(lake: Lakehouse, s3: S3Client, bucket: str) -> None:
    """Neither what was never built, nor what the ledger calls published and the tables do not know."""
    collected = _collect(lake)
    archives = _zips(s3, bucket)
    assert (_retain(lake).archives, _retain(lake).not_in_tables) == (0, len(archives))
    with open_ledger(lake.settings) as ledger:
        from lakehouse_sdk.archives.ledger import LedgerChange

        key = collected.archives[0].archive.key
        ledger.record("binance", [LedgerChange(key, LedgerState.PUBLISHED)])
    report = _retain(lake)
    assert (report.archives, report.not_in_tables) == (0, len(archives))
    assert "stay" in report.summary
    assert _zips(s3, bucket) == archives


def test_a_run_that_could_not_delete_is_completed_by_the_next(
    lake: Lakehouse, s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.build(_collect(lake))
    archives = _zips(s3, bucket)
    with monkeypatch.context() as patch:
        patch.setattr(S3Client, "delete_objects", lambda _, __, keys: [DeleteFailure(key, "SlowDown", "later") for key in keys])
        assert _retain(lake).failed == len(archives)
    assert _zips(s3, bucket) == archives
    assert _retain(lake).archives == len(archives)
    assert _zips(s3, bucket) == set()


def test_a_month_gives_way_to_days_that_were_dropped(lake: Lakehouse) -> None:
    """Their rows are in the table under their own names; the month brings only the others."""
    lake.build(_collect(lake))
    days = rows_by_archive(lake.settings)
    _retain(lake)
    report = lake.build(_collect(lake, cadence="monthly"))
    rows = rows_by_archive(lake.settings)
    (month,) = set(rows) - set(days)
    assert {key: rows[key] for key in days} == days
    assert rows[month] == (31 - len(days)) * 24
    assert report.rows.duplicate == len(days) * 24
    assert report.rows.rows_in == 31 * 24
