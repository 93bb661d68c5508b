"""Compaction changes files and no row, and loses nothing to whoever writes meanwhile; counted by pyiceberg alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Transaction
from pyiceberg.types import StringType
from table_archives import DAY, agg_trade, check_agg_trades, check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import TableError, UsageError
from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.tables import CheckedBatch, TableCatalog
from lakehouse_sdk.tables.iceberg.care import compaction, rewriting

Sources = Callable[..., Counter[tuple[str, str]]]
Files = Callable[[], list[str]]
TARGET = 1024**2
ORDER = [("symbol", "ascending"), ("open_time", "ascending")]


def _batch(symbol: str = "BTCUSDT", day: int = 0, rows: int = 10, close: str = "10.5") -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([kline(i, start, close=close) for i in range(rows)], symbol=symbol, day=start)


def _trickle(catalog: TableCatalog, days: int = 6, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")) -> None:
    """One commit, and so one small file, for each day."""
    for day in range(days):
        catalog.commit([_batch(symbol, day) for symbol in symbols])


def _read(eyes: SqlCatalog, name: str = "silver.klines") -> pa.Table:
    return eyes.load_table(name).scan().to_arrow()


def _files(eyes: SqlCatalog, name: str = "silver.klines") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = eyes.load_table(name).inspect.files().to_pylist()
    return found


@pytest.fixture
def lake(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


def test_small_files_become_one_with_the_same_rows_in_order(
    catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog
) -> None:
    _trickle(catalog)
    catalog.commit([_batch(day=40)])
    before = _read(other_eyes)
    planned = lake.compact(["silver.klines"], target_bytes=TARGET, dry_run=True)
    assert _read(other_eyes).equals(before)
    report = lake.compact(["silver.klines"], target_bytes=TARGET)
    after = _read(other_eyes)
    assert after.sort_by(ORDER).equals(before.sort_by(ORDER)), "lineage and time of writing included"
    (table,) = report.tables
    assert (table.partitions, table.files_before, table.files_after, table.rows, table.left_alone) == (1, 6, 1, 120, 0)
    assert table.bytes_after < table.bytes_before
    assert planned.tables[0] == replace(table, bytes_after=table.bytes_before)
    files = _files(other_eyes)
    assert sorted(file["record_count"] for file in files) == [10, 120]
    march = after.filter(pa.compute.less(after["open_time"], pa.scalar(DAY + timedelta(days=31), after["open_time"].type)))
    assert march.equals(march.sort_by(ORDER)), "a file is sorted as the table says"
    assert catalog.table("silver.klines").snapshots()[-1].operation == "replace"
    assert catalog.table("silver.klines").row_count == 130
    assert "became 1" in report.summary
    assert "Compacted" in report._repr_html_()
    assert "nothing changed" in planned._repr_html_()
    assert report.to_dict()["dry_run"] is False


def test_a_second_run_does_nothing(catalog: TableCatalog, lake: Lakehouse) -> None:
    _trickle(catalog)
    lake.compact(target_bytes=TARGET)
    before = {name: catalog.table(name).snapshot_id for name in catalog.list_tables()}
    again = lake.compact(target_bytes=TARGET)
    assert not any(table.partitions for table in again.tables)
    assert {name: catalog.table(name).snapshot_id for name in catalog.list_tables()} == before


def test_the_planned_size_is_met_by_several_files(
    catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And rows are merged a few at a time, whatever the files hold."""
    monkeypatch.setattr(rewriting, "MERGE_ROWS", 1)
    monkeypatch.setattr("lakehouse_sdk.tables.iceberg.care.merge._LEAST_BATCH_ROWS", 7)
    _trickle(catalog, days=8, symbols=("AUSDT", "BUSDT", "CUSDT"))
    before = _read(other_eyes)
    size = sum(file["file_size_in_bytes"] for file in _files(other_eyes))
    (table,) = lake.compact(["silver.klines"], target_bytes=size // 3 + 1).tables
    assert (table.files_before, table.files_after) == (8, 3)
    assert [file["record_count"] for file in _files(other_eyes)] == [80, 80, 80]
    assert _read(other_eyes).sort_by(ORDER).equals(before.sort_by(ORDER))


def test_files_of_other_orders_and_the_books_are_merged_too(
    catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog
) -> None:
    """`silver.quality` holds maps, and its files are not sorted by its first column."""
    for day in range(4):
        start = DAY + timedelta(days=day)
        bad = check_klines([kline(0, start), "bad", kline(0, start)], day=start)
        catalog.commit([bad, check_agg_trades([agg_trade(i, start) for i in range(5)], day=start)])
    names = ["silver.quality", "silver.quarantine", "silver.agg_trades"]
    before = {name: sorted(map(str, _read(other_eyes, name).to_pylist())) for name in names}
    report = lake.compact(names, target_bytes=TARGET)
    assert [(table.files_before, table.files_after) for table in report.tables] == [(4, 1), (4, 1), (0, 0)]
    assert {name: sorted(map(str, _read(other_eyes, name).to_pylist())) for name in names} == before


def test_builds_after_compaction_still_know_what_is_there(
    catalog: TableCatalog, lake: Lakehouse, rows_by_source: Sources
) -> None:
    _trickle(catalog)
    lake.compact(target_bytes=TARGET)
    again = catalog.commit([_batch(symbol, day) for symbol in ("BTCUSDT", "ETHUSDT") for day in range(6)])
    assert again.rows_written == 0
    newer = _batch(day=2, rows=3, close="11.5")
    catalog.commit([newer])
    assert rows_by_source().total() == 113
    assert rows_by_source()[newer.file.key, newer.file.sha256] == 3


def _during(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], times: int = 1) -> list[int]:
    """Let something happen after rows were rewritten and before they are committed."""
    rewrite, calls = compaction.rewrite, [0]

    def rewrite_and_act(*args: Any) -> Any:
        outputs = rewrite(*args)
        calls[0] += 1
        if calls[0] <= times:
            act()
        return outputs

    monkeypatch.setattr(compaction, "rewrite", rewrite_and_act)
    return calls


def test_rows_that_are_replaced_meanwhile_do_not_come_back(
    catalog: TableCatalog,
    lake: Lakehouse,
    rows_by_source: Sources,
    parquet_files: Files,
    other_eyes: SqlCatalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _trickle(catalog, symbols=("BTCUSDT",))
    newer = _batch(day=3, rows=4, close="11.5")
    calls = _during(monkeypatch, lambda: catalog.commit([newer]))
    (table,) = lake.compact(["silver.klines"], target_bytes=TARGET).tables
    assert calls == [2], "the rewritten rows were thrown away and written again"
    assert (table.files_before, table.files_after, table.rows) == (6, 1, 54)
    rows = rows_by_source()
    assert rows.total() == 54
    assert rows[newer.file.key, newer.file.sha256] == 4
    assert [key for key, _ in rows].count(newer.file.key) == 1
    used = {file["file_path"].rpartition("/")[2] for file in _files(other_eyes)}
    unseen = [key for key in parquet_files() if "/silver/klines/" in key and key.rpartition("/")[2] not in used]
    assert len(unseen) == 6 + 1, "older snapshots need these, and nothing is left of the first try"


def test_rows_that_are_added_meanwhile_stay_and_nothing_is_written_twice(
    catalog: TableCatalog, lake: Lakehouse, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    _trickle(catalog, symbols=("BTCUSDT",))
    calls = _during(monkeypatch, lambda: catalog.commit([_batch("NEWUSDT")]))
    (table,) = lake.compact(["silver.klines"], target_bytes=TARGET).tables
    assert calls == [1]
    assert (table.files_before, table.files_after) == (6, 1)
    assert rows_by_source().total() == 70


def test_a_partition_that_is_always_replaced_is_left_alone(
    catalog: TableCatalog, lake: Lakehouse, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    _trickle(catalog, symbols=("BTCUSDT",))
    closes = iter(["10.6", "10.7", "10.8", "10.9"])
    _during(monkeypatch, lambda: catalog.commit([_batch(day=3, close=next(closes))]), times=99)
    report = lake.compact(["silver.klines"], target_bytes=TARGET)
    assert (report.tables[0].partitions, report.tables[0].left_alone) == (0, 1)
    assert "left alone" in report.summary
    assert rows_by_source().total() == 60


def test_a_partition_that_needs_nothing_any_more_is_passed_over(
    catalog: TableCatalog, lake: Lakehouse, settings: Settings, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two compactions at once: one of them finds its files gone, and nothing left to do."""
    _trickle(catalog, symbols=("BTCUSDT",))
    other = Lakehouse(settings)
    _during(monkeypatch, lambda: other.compact(["silver.klines"], target_bytes=TARGET))
    (table,) = lake.compact(["silver.klines"], target_bytes=TARGET).tables
    assert (table.partitions, table.left_alone) == (0, 0)
    assert rows_by_source().total() == 60


@pytest.mark.parametrize("landed", [True, False])
def test_an_unknown_outcome_is_looked_up(
    catalog: TableCatalog, lake: Lakehouse, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch, landed: bool
) -> None:
    _trickle(catalog, symbols=("BTCUSDT",))
    send, lost = Transaction.commit_transaction, []

    def answer_lost(self: Transaction) -> Any:
        if lost:
            return send(self)
        lost.append(1)
        if landed:
            send(self)
        raise CommitStateUnknownException("no answer")

    monkeypatch.setattr(Transaction, "commit_transaction", answer_lost)
    (table,) = lake.compact(["silver.klines"], target_bytes=TARGET).tables
    assert (table.partitions, table.files_after) == (1, 1)
    assert rows_by_source().total() == 60


def test_rows_that_are_not_the_same_are_never_committed(
    catalog: TableCatalog,
    lake: Lakehouse,
    rows_by_source: Sources,
    parquet_files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _trickle(catalog, symbols=("BTCUSDT",))
    files, merge = parquet_files(), rewriting.merge_files

    def lose_a_row(*args: Any) -> Any:
        yield from (rows.slice(1) for rows in merge(*args))

    monkeypatch.setattr(rewriting, "merge_files", lose_a_row)
    with pytest.raises(TableError, match="not those that were read"):
        lake.compact(["silver.klines"], target_bytes=TARGET)
    assert rows_by_source().total() == 60
    assert parquet_files() == files


def test_tables_of_an_older_release_are_merged(catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog) -> None:
    """Of files that lack a column its rows are null; a column that was renamed keeps its values."""
    _trickle(catalog, days=3)
    table = other_eyes.load_table("silver.klines")
    with table.update_schema() as update:
        update.rename_column("count", "trades")
        update.add_column("extra", StringType())
    before = _read(other_eyes)
    (report,) = lake.compact(["silver.klines"], target_bytes=TARGET).tables
    after = _read(other_eyes)
    assert report.files_after == 1
    assert after.sort_by(ORDER).to_pylist() == before.sort_by(ORDER).to_pylist()
    assert after["trades"].null_count == 0


def test_progress_is_told_and_a_size_of_nothing_refused(catalog: TableCatalog, settings: Settings) -> None:
    _trickle(catalog)
    seen: list[Event] = []
    lake = Lakehouse(settings, observer=seen.append)
    with pytest.raises(UsageError, match="cannot be planned"):
        lake.compact(target_bytes=0)
    seen.clear()
    lake.compact(target_bytes=TARGET)
    progress = [(event.done_objects, event.done_bytes) for event in seen if isinstance(event, StageProgress)]
    assert progress == sorted(progress)
    assert progress[-1][0] == 4, "one partition of each table"
    assert progress[-1][1] > 0
