"""A batch behind a gate: on a branch until it passes, then as if there had been none; counted by pyiceberg alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
from mirrored_lake import ledger_events, rows_by_archive, settings_for

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.jobs import CollectReport
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.tables import Gate
from lakehouse_sdk.testing import Defect, MirrorSpec, day_range, publish_mirror

DAYS = day_range(date(2025, 1, 1), date(2025, 1, 5))
SPEC = MirrorSpec(
    markets=("um",),
    interval="1h",
    days=DAYS,
    trades_per_day=50,
    defects=(Defect("checksum-mismatch", "um", "klines", "BTCUSDT", "2025-01-04"),),
)
REFUSE = Gate(check=lambda scan: f"{scan('silver.klines').count()} bars are too few")
PASS = Gate(max_defective=0, check=lambda scan: None if scan("silver.klines").count() else "nothing")


@pytest.fixture(scope="module")
def mirror(other_minio: MinioServer) -> str:
    publish_mirror(other_minio.profile, "gate-mirror", SPEC)
    return "gate-mirror"


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, mirror: str) -> Lakehouse:
    return Lakehouse(settings_for(settings, other_minio.endpoint_url, mirror))


def _collect(lake: Lakehouse, first: int, last: int) -> CollectReport:
    start, end = (datetime(2025, 1, day, tzinfo=UTC) for day in (first, last))
    found = lake.discover(markets=["um"], data_types=["klines"], symbols=["BTCUSDT"], start=start, end=end)
    return lake.collect(found)


def _states(lake: Lakehouse) -> Counter[str]:
    with open_ledger(lake.settings) as ledger:
        return Counter(entry.state.value for entry in ledger.entries("binance"))


def _branches(lake: Lakehouse) -> set[str]:
    names = lake.catalog.list_tables()
    return {name for table in names for name in lake.catalog.load(table).refs()} - {"main"}


def test_a_batch_that_passes_is_there_as_without_a_gate(lake: Lakehouse) -> None:
    report = lake.build(_collect(lake, 1, 4), gate=PASS)
    assert report.gate is not None
    assert (report.gate.passed, report.gate.reasons, report.rows.accepted) == (True, (), 72)
    assert set(rows_by_archive(lake.settings).values()) == {24}
    assert rows_by_archive(lake.settings, "silver.quality").total() == 3
    assert _states(lake) == {"published": 3}
    assert _branches(lake) == set()
    again = lake.build(_collect(lake, 1, 4), gate=PASS)
    assert (again.unchanged, again.files) == (3, ())
    assert rows_by_archive(lake.settings).total() == 72
    assert lake.catalog.table("silver.klines").row_count == 72


def test_a_refused_batch_waits_on_its_branch_and_main_knows_nothing(lake: Lakehouse) -> None:
    lake.build(_collect(lake, 1, 2))
    report = lake.build(_collect(lake, 1, 4), gate=REFUSE)
    assert report.gate is not None
    assert not report.gate.passed
    assert report.gate.reasons == ("72 bars are too few",)
    assert report.to_dict()["gate"]["reasons"] == report.gate.reasons
    assert rows_by_archive(lake.settings).total() == 24
    table = lake.catalog.table("silver.klines")
    assert (table.row_count, table.scan(as_of=report.gate.branch).count()) == (24, 72)
    assert _states(lake) == {"published": 1, "parsed": 2}
    with open_ledger(lake.settings) as ledger:
        (told,) = {entry.reason for entry in ledger.entries("binance", states=(LedgerState.PARSED,))}
    assert told == "refused: 72 bars are too few"
    numbers = ledger_events(lake.settings)
    assert len(numbers) == len(set(numbers))


def test_a_refused_batch_can_be_published_later(lake: Lakehouse) -> None:
    report = lake.build(_collect(lake, 1, 4), gate=REFUSE)
    assert report.gate is not None
    before = lake.catalog.table("silver.klines").scan(as_of=report.gate.branch).to_arrow()
    published = lake.publish(report.gate.branch)
    assert (published.archives, published.built_again) == (3, ())
    assert "silver.klines" in published.forwarded
    assert "3 archives" in published.summary
    assert "Published" in published._repr_html_()
    assert published.to_dict()["branch"] == report.gate.branch
    assert lake.catalog.table("silver.klines").scan().to_arrow().equals(before)
    assert _states(lake) == {"published": 3}
    assert _branches(lake) == set()
    assert lake.build(_collect(lake, 1, 4)).files == ()
    with pytest.raises(NotFoundError, match="No table has a branch"):
        lake.publish(report.gate.branch)


def test_what_others_commit_meanwhile_is_kept_and_the_batch_comes_on_top(lake: Lakehouse) -> None:
    """Days of the same month: `main` has gone on, so it cannot simply become the branch."""
    report = lake.build(_collect(lake, 1, 3), gate=REFUSE)
    assert report.gate is not None
    lake.build(_collect(lake, 2, 4))
    assert rows_by_archive(lake.settings).total() == 48
    published = lake.publish(report.gate.branch)
    assert "silver.klines" in published.built_again
    rows = rows_by_archive(lake.settings)
    assert (len(rows), set(rows.values())) == (3, {24})
    assert set(rows_by_archive(lake.settings, "silver.quality").values()) == {1}
    assert _states(lake) == {"published": 3}
    assert _branches(lake) == set()


def test_a_batch_is_tried_again_when_the_gate_is_another_one(lake: Lakehouse) -> None:
    refused = lake.build(_collect(lake, 1, 3), gate=REFUSE)
    passed = lake.build(_collect(lake, 1, 3), gate=PASS)
    assert refused.gate is not None
    assert passed.gate is not None
    assert passed.gate.branch == refused.gate.branch
    assert passed.commit.rows_written == 0, "the rows waited on the branch"
    assert rows_by_archive(lake.settings).total() == 48


def test_a_discarded_batch_is_gone_and_can_be_built_again(lake: Lakehouse) -> None:
    report = lake.build(_collect(lake, 1, 3), gate=REFUSE)
    assert report.gate is not None
    assert "silver.klines" in lake.discard(report.gate.branch)
    assert _branches(lake) == set()
    assert rows_by_archive(lake.settings).total() == 0
    with pytest.raises(NotFoundError):
        lake.discard(report.gate.branch)
    lake.build(_collect(lake, 1, 3))
    assert rows_by_archive(lake.settings).total() == 48


def test_a_check_that_breaks_leaves_the_batch_on_its_branch(lake: Lakehouse) -> None:
    def divide(scan: Any) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lake.build(_collect(lake, 1, 3), gate=Gate(check=divide))
    assert rows_by_archive(lake.settings).total() == 0
    assert _states(lake) == {"parsed": 2}
    (branch,) = _branches(lake)
    assert lake.publish(branch).archives == 2
    assert rows_by_archive(lake.settings).total() == 48


def test_publishing_that_is_killed_between_two_tables_is_completed(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    report = lake.build(_collect(lake, 1, 3), gate=REFUSE)
    assert report.gate is not None
    from lakehouse_sdk.tables.iceberg.care import branches

    forward, done = branches.fast_forward, []

    def die_after_one(*args: Any) -> bool:
        if done:
            raise KeyboardInterrupt
        done.append(forward(*args))
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr(branches, "fast_forward", die_after_one)
        with pytest.raises(KeyboardInterrupt):
            lake.publish(report.gate.branch)
    assert done == [True]
    assert rows_by_archive(lake.settings).total() == 48
    assert rows_by_archive(lake.settings, "silver.quality").total() == 0
    assert _states(lake) == {"parsed": 2}
    lake.publish(report.gate.branch)
    assert rows_by_archive(lake.settings).total() == 48
    assert rows_by_archive(lake.settings, "silver.quality").total() == 2
    assert _states(lake) == {"published": 2}
