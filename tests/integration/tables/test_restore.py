"""An older state made current again: in one commit, with nothing lost, and rows that come back when they are built again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.tables import CheckedBatch, Table, TableCatalog


def batch(symbol: str) -> CheckedBatch:
    return check_klines([kline(i) for i in range(10)], symbol=symbol)


@pytest.fixture
def klines(catalog: TableCatalog) -> Table:
    """Two states: 10 rows with the tag `study`, then 20."""
    catalog.commit([batch("BTCUSDT")])
    catalog.table("silver.klines").tag("study")
    catalog.commit([batch("ETHUSDT")])
    return catalog.table("silver.klines")


def test_a_state_is_restored_and_the_newer_one_stays_readable(
    klines: Table, catalog: TableCatalog, other_eyes: SqlCatalog
) -> None:
    older, newer = klines.snapshots()
    report = klines.restore("study")
    assert (report.rows_before, report.rows_after) == (20, 10)
    assert (report.snapshot_before, report.snapshot_after) == (newer.snapshot_id, older.snapshot_id)
    after = catalog.table("silver.klines")
    assert after.scan().count() == other_eyes.load_table("silver.klines").scan().to_arrow().num_rows == 10
    assert after.scan(as_of=newer.snapshot_id).count() == 20
    assert after.restore(newer.snapshot_id).rows_after == 20
    assert catalog.table("silver.klines").scan().count() == 20
    assert "rows now" in report._repr_html_()
    assert report.to_dict()["rows_before"] == 20


def test_restoring_the_current_state_changes_nothing(klines: Table, catalog: TableCatalog) -> None:
    before = klines.metadata_location
    report = klines.restore(datetime.now(UTC))
    assert report.snapshot_before == report.snapshot_after
    assert catalog.table("silver.klines").metadata_location == before


def test_a_time_means_the_state_of_then(klines: Table, catalog: TableCatalog) -> None:
    older = klines.snapshots()[0]
    assert klines.restore(older.committed_at + timedelta(milliseconds=1)).snapshot_after == older.snapshot_id
    restored = catalog.table("silver.klines")
    assert restored.scan(as_of=datetime.now(UTC)).count() == 10  # what was current then, and not what was committed last


def test_what_is_built_again_comes_back_once(klines: Table, catalog: TableCatalog) -> None:
    klines.restore("study")
    catalog.commit([batch("BTCUSDT"), batch("ETHUSDT")])
    assert catalog.table("silver.klines").scan().to_polars().group_by("symbol").len().sort("symbol").rows() == [
        ("BTCUSDT", 10),
        ("ETHUSDT", 10),
    ]


def test_a_writer_at_the_same_time_loses_nothing_of_its_own(klines: Table, catalog: TableCatalog) -> None:
    """Whichever comes first: its state is there, though the restored one may be the current one."""
    with ThreadPoolExecutor(2) as pool:
        restored = pool.submit(klines.restore, "study")
        written = pool.submit(catalog.commit, [batch("XRPUSDT")])
        restored.result()
        written.result()
    rows = dict(catalog.table("silver.klines").scan().to_polars().group_by("symbol").len().rows())
    last = catalog.table("silver.klines").snapshots()[-1]
    assert rows in ({"BTCUSDT": 10, "XRPUSDT": 10}, {"BTCUSDT": 10})
    assert catalog.table("silver.klines").scan(as_of=last.snapshot_id).to_polars()["symbol"].is_in(["XRPUSDT"]).any()


@pytest.mark.parametrize(
    ("as_of", "error", "match"),
    [
        (7, NotFoundError, "no snapshot 7"),
        ("nothing", NotFoundError, "no tag 'nothing'"),
        (DAY, NotFoundError, "had no snapshot"),
        (datetime(2024, 1, 1), UsageError, "no time zone"),  # noqa: DTZ001 - that is the fault
    ],
)
def test_errors_say_what_there_is(klines: Table, as_of: object, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        klines.restore(as_of)  # type: ignore[arg-type]
    assert klines.scan().count() == 20


def test_a_table_without_rows_has_no_state(catalog: TableCatalog) -> None:
    catalog.commit([batch("BTCUSDT")])
    with pytest.raises(NotFoundError):
        catalog.table("silver.quarantine").restore(DAY)
