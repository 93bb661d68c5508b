"""Quarantine replay from bronze: a rule goes, its rows come; each row once, the books agree, a second call changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from lakehouse_sdk.archives import Cadence
from lakehouse_sdk.archives.ledger import LedgerChange, LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.jobs import ReplayReport
from lakehouse_sdk.jobs.collect.bronze import bronze_key
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables.judge.rules import Given, Rule, Severity
from lakehouse_sdk.testing import Defect, MirrorSpec, day_range, publish_mirror

DAYS = MirrorSpec(
    markets=("spot",),
    symbols=("BTCUSDT",),
    data_types=("klines",),
    interval="1h",
    trades_per_day=200,
    days=day_range(date(2024, 1, 1), date(2024, 1, 3)),
    defects=(Defect("price-zero", "spot", "klines", "BTCUSDT", "2024-01-02"),),
)


def _noon(_given: Given) -> pl.Expr:
    return pl.col("open_time").dt.hour() == 12


NOON = Rule("mine-noon", "Nothing happens at noon.", Severity.REJECT, ("open_time",), _noon)


@contextmanager
def installed(*rules: Rule) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lakehouse_sdk.tables.judge.rules.load_installed", lambda taken: rules)
        yield


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, bucket: str) -> Iterator[Lakehouse]:
    """A lake that was built while the rule `mine-noon` was installed."""
    publish_mirror(other_minio.profile, bucket, DAYS)
    binance = {"endpoint_url": other_minio.endpoint_url, "bucket": bucket, "region": "us-east-1"}
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    with Lakehouse(load_settings(**known, archives={"binance": binance})) as made:  # type: ignore[arg-type]
        with installed(NOON):
            build(made)
        yield made


def build(lake: Lakehouse, cadence: Cadence = "auto") -> None:
    lake.build(lake.collect(lake.discover(markets=("spot",), data_types=("klines",)), cadence=cadence)).commit.to_dict()


def state(lake: Lakehouse) -> tuple[int, int, int, int]:
    """Rows in the table, in quarantine, and what the books say of both."""
    counts = lake.quality().counts
    times = lake.table("silver.klines").scan().to_polars()["open_time"]
    assert times.is_unique().all()
    days = lake.table("silver.quality_days").scan().to_polars()
    assert days["rows_accepted"].sum() == len(times)
    in_quarantine = lake.table("silver.quarantine").scan().count()
    return len(times), in_quarantine, counts["rows_accepted"], counts["rows_quarantined"]


def outcomes(report: ReplayReport) -> list[tuple[str, int, int]]:
    return [(archive.outcome, archive.quarantined_before, archive.quarantined_after) for archive in report.archives]


def test_rows_of_a_rule_that_went_enter_the_table(lake: Lakehouse) -> None:
    assert state(lake) == (68, 4, 68, 4)
    report = lake.replay(rule="mine-noon")
    assert outcomes(report) == [("replaced", 1, 0), ("replaced", 2, 1), ("replaced", 1, 0)]
    assert state(lake) == (71, 1, 71, 1)
    assert "3 replaced" in report.summary
    assert "4 → 1 rows in quarantine" in report.summary
    assert "Replayed archives" in report._repr_html_()

    snapshots = [lake.table(name).snapshot_id for name in lake.catalog.list_tables()]
    again = lake.replay()
    assert outcomes(again) == [("unchanged", 1, 1)]
    assert again.commit.tables == ()
    assert lake.replay(rule="mine-noon").archives == ()
    assert [lake.table(name).snapshot_id for name in lake.catalog.list_tables()] == snapshots


def test_a_rule_that_came_takes_rows_out_again(lake: Lakehouse) -> None:
    lake.replay()
    with installed(NOON):
        assert outcomes(lake.replay(rule="price-positive")) == [("replaced", 1, 2)]
    assert state(lake) == (70, 2, 70, 2)


def test_flags_follow_a_threshold_where_the_archive_is_named(lake: Lakehouse) -> None:
    lake.replay()
    key = next(str(key) for key in lake.quality().archives["_source_key"] if "2024-01-01" in str(key))
    limits = lake.settings.model_copy(update={"quality": lake.settings.quality.model_copy(update={"price_jump": 1e-9})})
    strict = Lakehouse(limits)
    assert outcomes(strict.replay(keys=[key])) == [("replaced", 0, 0)]
    assert outcomes(strict.replay(keys=[key])) == [("unchanged", 0, 0)]
    rules = dict(lake.quality().rules.select("rule", "archives").rows())
    assert rules["price-jump"] == 1
    assert state(lake) == (71, 1, 71, 1)


def test_a_month_gives_way_to_its_days_again_but_for_the_one_that_lost_a_row(
    lake: Lakehouse, other_minio: MinioServer, bucket: str
) -> None:
    publish_mirror(other_minio.profile, bucket, replace(DAYS, days=(), months=(date(2024, 1, 1),), defects=()))
    with installed(NOON):
        build(lake, "reconcile")
    rows, quarantined, *_ = state(lake)
    assert (rows, quarantined) == (31 * 24 - 31, 4 + 31)
    report = lake.replay("binance")
    assert len(report.with_outcome("replaced")) == 4
    assert state(lake)[:2] == (31 * 24, 1)
    (day,) = lake.replay("binance").with_outcome("replaced")  # its books learn now that the month has its rows
    assert "2024-01-02" in day.key
    assert not lake.replay("binance").with_outcome("replaced")
    assert state(lake)[:2] == (31 * 24, 1)


def test_what_cannot_be_judged_again_is_named_and_stays(lake: Lakehouse) -> None:
    keys = sorted(str(key) for key in lake.quality().archives["_source_key"])
    with S3Client(lake.settings.storage) as client:
        client.delete_objects(lake.settings.lake.bucket, [bronze_key(lake.settings, "binance", keys[0])])
        client.put_bytes(lake.settings.lake.bucket, bronze_key(lake.settings, "binance", keys[1]), b"other bytes")
    with open_ledger(lake.settings) as ledger:
        entry = ledger.find("binance", keys[2])
        assert entry is not None
        ledger.record("binance", [LedgerChange(keys[2], LedgerState.PUBLISHED, sha256="0" * 64)])
    before = state(lake)
    report = lake.replay(keys=[*keys, "data/nothing.zip"])
    assert [archive.outcome for archive in report.archives] == ["skipped"] * 4
    reasons = [archive.reason for archive in report.archives]
    assert reasons[0].startswith("Nothing was ever built")
    assert reasons[1].startswith("Bronze no longer has its bytes")
    assert "SHA-256" in reasons[2]
    assert reasons[3].startswith("Bronze has other bytes")
    assert state(lake) == before


def test_before_anything_was_built_there_is_nothing_to_replay(settings: Settings) -> None:
    assert Lakehouse(settings).replay().archives == ()
