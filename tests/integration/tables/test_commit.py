"""The commit protocol on a real MinIO and SQLite: exactly once, whatever happens, counted by pyiceberg alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Transaction
from table_archives import DAY, agg_trade, agg_trades_archive, check_agg_trades, check_klines, epoch_ms, kline, kline_file

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConnectError, StorageError, TableError
from lakehouse_sdk.retry import RetryPolicy
from lakehouse_sdk.tables import CheckedBatch, TableCatalog, open_catalog, parse_archive, validate
from lakehouse_sdk.tables.iceberg import commit, datafiles, retry

Sources = Callable[..., Counter[tuple[str, str]]]
SUPPORT = Path(__file__).parents[2] / "support"


def _batch(symbol: str = "BTCUSDT", day: int = 0, rows: int = 10, close: str = "10.5") -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([kline(i, start, close=close) for i in range(rows)], symbol=symbol, day=start)


def _expected(*batches: CheckedBatch) -> Counter[tuple[str, str]]:
    return Counter({(batch.file.key, batch.file.sha256): batch.rows_accepted for batch in batches})


def test_many_archives_are_one_snapshot_of_each_table(catalog: TableCatalog, rows_by_source: Sources) -> None:
    bars = [_batch(symbol, day) for symbol in ("BTCUSDT", "ETHUSDT") for day in range(4)]
    trades = check_agg_trades([agg_trade(i) for i in range(20)])
    report = catalog.commit(iter([*bars, trades]))
    assert rows_by_source() == _expected(*bars)
    assert rows_by_source("silver.agg_trades") == _expected(trades)
    assert [(table.table, table.rows_written, table.attempts) for table in report.tables] == [
        ("silver.agg_trades", 20, 1),
        ("silver.klines", 80, 1),
        ("silver.quality_days", 9, 1),
        ("silver.quarantine", 0, 1),
        ("silver.quality", 9, 1),
    ]
    assert len(catalog.table("silver.klines").snapshots()) == 1
    assert (report.archives, report.rows_in, report.rows_accepted, report.rows_written) == (9, 100, 100, 100)


def test_values_survive_the_table(catalog: TableCatalog, other_eyes: SqlCatalog) -> None:
    batch = check_agg_trades([agg_trade(0, price="0.1"), agg_trade(1, quantity="1e-8")])
    catalog.commit([batch])
    stored = other_eyes.load_table("silver.agg_trades").scan().to_arrow().sort_by("agg_trade_id")
    for name in batch.accepted.column_names:
        assert stored[name].to_pylist() == batch.accepted[name].to_pylist(), name
    assert stored["is_best_match"].null_count == 2
    assert stored["_ingested_at"].null_count == 0


def test_the_same_commit_again_changes_nothing(catalog: TableCatalog, rows_by_source: Sources, parquet_files: object) -> None:
    batches = [_batch(day=day) for day in range(3)]
    first = catalog.commit(batches)
    files = parquet_files()  # type: ignore[operator]
    again = catalog.commit([*batches, *batches])
    assert rows_by_source() == _expected(*batches)
    assert again.rows_written == 0
    assert [table.snapshot_id for table in again.tables] == [table.snapshot_id for table in first.tables]
    assert parquet_files() == files  # type: ignore[operator]


def test_only_missing_archives_are_added(catalog: TableCatalog, rows_by_source: Sources) -> None:
    batches = [_batch(day=day) for day in range(5)]
    catalog.commit(batches[1:3])
    report = catalog.commit(batches)
    assert rows_by_source() == _expected(*batches)
    assert report.rows_written == 30
    assert report.rows_accepted == 50


def test_missing_tells_what_needs_no_parsing(catalog: TableCatalog) -> None:
    done, changed, new = _batch(day=0), _batch(day=1), _batch(day=2)
    assert catalog.missing([done.file, new.file]) == [done.file, new.file]
    catalog.commit([done, changed])
    newer = _batch(day=1, close="11.5").file
    assert catalog.missing([new.file, newer, done.file]) == [new.file, newer]


def test_a_new_revision_replaces_exactly_its_rows(catalog: TableCatalog, rows_by_source: Sources) -> None:
    old, kept, later = _batch(day=0), _batch("ETHUSDT", day=0), _batch(day=1)
    before = catalog.commit([old, kept, later])
    new = _batch(day=0, rows=7, close="11.5")
    report = catalog.commit([new, kept])
    assert rows_by_source() == _expected(new, kept, later)
    assert rows_by_source("silver.quality").total() == 3
    klines = next(table for table in report.tables if table.table == "silver.klines")
    assert (klines.rows_written, klines.archives_replaced) == (7, 1)
    then = next(table.snapshot_id for table in before.tables if table.table == "silver.klines")
    assert catalog.table("silver.klines").scan(as_of=then).count() == 30, "the state before can still be read"


def test_a_revision_without_rows_removes_those_of_the_older_one(catalog: TableCatalog, rows_by_source: Sources) -> None:
    catalog.commit([_batch(), _batch("ETHUSDT")])
    catalog.commit([check_klines(b"")])
    assert rows_by_source() == _expected(_batch("ETHUSDT"))


def test_an_unreadable_revision_leaves_the_good_rows(catalog: TableCatalog, rows_by_source: Sources) -> None:
    good = _batch()
    catalog.commit([good])
    broken = validate(parse_archive(b"no zip", kline_file(b"no zip")))
    report = catalog.commit([broken])
    assert rows_by_source() == _expected(good)
    assert [(defect.key, defect.reason) for defect in report.defects] == [(good.file.key, "zip-unreadable")]
    (row,) = catalog.table("silver.quality").scan().to_arrow().to_pylist()
    assert (row["defect"], row["rows_in"], row["_source_sha256"]) == ("zip-unreadable", 0, broken.file.sha256)
    assert catalog.missing([broken.file]) == []


def test_quarantined_rows_and_quality_are_kept_and_replaced(catalog: TableCatalog) -> None:
    lines = [kline(0), kline(1, high="1"), "short", kline(3), kline(3), kline(4, volume="0", taker_buy_volume="0")]
    batch = check_klines(lines)
    catalog.commit([batch])
    rows = catalog.table("silver.quarantine").scan().to_arrow().to_pylist()
    assert [(row["line"], row["rule"], row["text"]) for row in rows] == [
        (2, "ohlc-order", lines[1]),
        (3, "column-count", "short"),
    ]
    assert rows[0]["_source_key"] == batch.file.key
    (quality,) = catalog.table("silver.quality").scan().to_arrow().to_pylist()
    assert (quality["rows_in"], quality["rows_accepted"], quality["rows_duplicate"], quality["rows_quarantined"]) == (
        6,
        3,
        1,
        2,
    )
    assert dict(quality["rejects"]) == {"column-count": 1, "ohlc-order": 1}
    assert dict(quality["flags"]) == {"bar-gap": 1, "zero-volume": 1}
    assert (quality["has_header"], quality["time_unit"], quality["defect"]) == (False, "ms", None)

    report = catalog.commit([_batch()])
    assert catalog.table("silver.quarantine").scan().count() == 0
    assert {table.table: table.archives_replaced for table in report.tables} == {
        "silver.klines": 1,
        "silver.quality_days": 1,
        "silver.quarantine": 1,
        "silver.quality": 1,
    }


def test_two_revisions_in_one_call_are_refused(catalog: TableCatalog, rows_by_source: Sources) -> None:
    with pytest.raises(TableError, match="Two revisions"):
        catalog.commit([_batch(), _batch(close="11")])
    assert not rows_by_source()


def test_rows_are_written_in_groups_and_appear_together(
    catalog: TableCatalog, rows_by_source: Sources, parquet_files: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "GROUP_ROWS", 20)
    batches = [_batch(f"S{i}USDT") for i in range(7)]

    def watched() -> Iterator[CheckedBatch]:
        for batch in batches:
            yield batch
            assert not rows_by_source()
        assert len(parquet_files()) == 3

    report = catalog.commit(watched())
    assert rows_by_source() == _expected(*batches)
    assert next(table for table in report.tables if table.table == "silver.klines").files_written == 4
    assert len(catalog.table("silver.klines").snapshots()) == 1


def test_a_partition_is_written_as_a_whole_where_archives_come_in_order(
    catalog: TableCatalog, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups end in the middle of a month; its archives then wait for the rest of it."""
    monkeypatch.setattr(commit, "GROUP_ROWS", 80)
    batches = [_batch(f"S{i}USDT", day) for day in (0, 31, 61, 92) for i in range(6)]
    report = catalog.commit(batches)
    assert rows_by_source() == _expected(*batches)
    assert next(table for table in report.tables if table.table == "silver.klines").files_written == 4


def test_an_error_of_the_caller_leaves_nothing(
    catalog: TableCatalog, rows_by_source: Sources, parquet_files: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "GROUP_ROWS", 10)

    def failing() -> Iterator[CheckedBatch]:
        yield _batch("S1USDT")
        yield _batch("S2USDT")
        assert parquet_files()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalog.commit(failing())
    assert not rows_by_source()
    assert parquet_files() == []


def test_a_file_that_cannot_be_written_takes_the_others_with_it(
    catalog: TableCatalog, rows_by_source: Sources, parquet_files: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two partitions, of which the storage refuses the second."""
    write = datafiles._write_parquet

    def refuse_april(output: Any, rows: object) -> object:
        if "2024-04" in output.location:
            raise OSError("AWS Error SLOW_DOWN during PutObject")
        return write(output, rows)

    monkeypatch.setattr(datafiles, "_write_parquet", refuse_april)
    with pytest.raises(StorageError, match="SLOW_DOWN"):
        catalog.commit([_batch(day=0), _batch(day=31)])
    assert not rows_by_source()
    assert parquet_files() == []


def test_rows_are_cut_at_the_borders_of_partitions(catalog: TableCatalog, other_eyes: SqlCatalog) -> None:
    lines = [agg_trade(i, transact_time=epoch_ms(DAY + timedelta(hours=7 * i))) for i in range(12)]
    days = {(DAY + timedelta(hours=7 * i)).date() for i in range(12)}
    data, file = agg_trades_archive(lines)
    batch = validate(parse_archive(data, replace(file, period_end=DAY + timedelta(days=31))))
    catalog.commit([batch])
    files = other_eyes.load_table("silver.agg_trades").inspect.files().to_pylist()
    partitions = other_eyes.load_table("silver.agg_trades").inspect.partitions().to_pylist()
    assert len(files) == len(days) == len(partitions)
    assert {row["partition"]["transact_day"] for row in partitions} == days
    assert all("/source=binance/market=um/transact_day=2024-03-" in row["file_path"] for row in files)


def test_a_race_lost_to_another_writer_doubles_nothing(
    catalog: TableCatalog, settings: Settings, rows_by_source: Sources
) -> None:
    """After our files are written, the other one commits one archive of ours and one of its own."""
    ours = [_batch("AUSDT"), _batch("BUSDT"), _batch("CUSDT")]
    catalog.commit([_batch("ZUSDT", rows=1)])
    theirs = [_batch("BUSDT"), _batch("DUSDT")]
    attempt = commit.PendingTable._attempt

    def raced(self: commit.PendingTable, number: int) -> object:
        if number == 1 and self._layout.name == "silver.klines":
            patch.undo()
            with open_catalog(settings) as other:
                other.commit(theirs)
        return attempt(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit.PendingTable, "_attempt", raced)
        report = catalog.commit(ours)
    klines = next(table for table in report.tables if table.table == "silver.klines")
    assert klines.attempts == 2
    assert klines.rows_written == 20
    assert rows_by_source() == _expected(_batch("ZUSDT", rows=1), *ours, theirs[1])
    assert rows_by_source("silver.quality").total() == 5


def test_an_unknown_outcome_that_did_land_is_not_repeated(
    catalog: TableCatalog, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed: list[str] = []
    send = Transaction.commit_transaction

    def answer_lost(self: Transaction) -> object:
        result = send(self)
        if len(landed) < 1:
            landed.append("klines")
            raise CommitStateUnknownException("no answer")
        return result

    monkeypatch.setattr(Transaction, "commit_transaction", answer_lost)
    batches = [_batch("AUSDT"), _batch("BUSDT")]
    report = catalog.commit(batches)
    assert next(table for table in report.tables if table.table == "silver.klines").attempts == 2
    assert rows_by_source() == _expected(*batches), "and its files are still there to be read"


def test_an_unknown_outcome_that_did_not_land_is_repeated(
    catalog: TableCatalog, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []
    send = Transaction.commit_transaction

    def never_sent(self: Transaction) -> object:
        if not lost:
            lost.append("klines")
            raise CommitStateUnknownException("no answer")
        return send(self)

    monkeypatch.setattr(Transaction, "commit_transaction", never_sent)
    catalog.commit([_batch()])
    assert rows_by_source() == _expected(_batch())


def test_an_unexpected_error_of_a_commit_keeps_the_files_it_may_have_published(
    catalog: TableCatalog, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Transaction.commit_transaction

    def fails_after(self: Transaction) -> object:
        send(self)
        raise RuntimeError("the answer could not be read")

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "commit_transaction", fails_after)
        with pytest.raises(RuntimeError):
            catalog.commit([_batch()])
    assert rows_by_source() == _expected(_batch())
    report = catalog.commit([_batch()])
    assert report.rows_written == 0
    assert rows_by_source("silver.quality").total() == 1


def test_a_commit_that_loses_every_race_says_so(
    catalog: TableCatalog, parquet_files: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(self: Transaction) -> object:
        raise CommitFailedException("someone was first")

    monkeypatch.setattr(Transaction, "commit_transaction", lose)
    monkeypatch.setattr(retry, "RACES", RetryPolicy(attempts=3))
    with pytest.raises(TableError, match="3 attempts: CommitFailedException"):
        catalog.commit([_batch()])
    assert parquet_files() == []


def test_writers_in_threads_lose_and_double_nothing(settings: Settings, rows_by_source: Sources) -> None:
    """Six writers, each with its own catalogue; every archive is in the hands of two of them."""
    batches = [_batch(f"S{i}USDT", day=i % 3) for i in range(12)]
    barrier = threading.Barrier(6)

    def write(writer: int) -> int:
        with open_catalog(settings) as own:
            barrier.wait()
            mine = [batches[(2 * writer + i) % 12] for i in range(4)]
            return max(table.attempts for table in own.commit(mine).tables)

    with ThreadPoolExecutor(6) as pool:
        attempts = list(pool.map(write, range(6)))
    assert max(attempts) > 1, "no two of them ever met"
    assert rows_by_source() == _expected(*batches)
    assert rows_by_source("silver.quality") == Counter(dict.fromkeys(_expected(*batches), 1))


_WRITER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from table_archives import DAY, check_klines, kline
from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import open_catalog
from lakehouse_sdk.tables.iceberg import commit
settings = Settings.model_validate_json(sys.stdin.readline())
first, last, pause_at = (int(text) for text in sys.argv[2:5])
commit.GROUP_ROWS = 30
def batches():
    for number in range(first, last):
        if number == pause_at:
            print("paused", flush=True)
            time.sleep(600)
        yield check_klines([kline(i) for i in range(10)], symbol=f"S{number}USDT")
with open_catalog(settings) as catalog:
    print("ready", flush=True)
    sys.stdin.readline()
    print(catalog.commit(batches()).rows_written, flush=True)
"""


def _start_writer(settings: Settings, first: int, last: int, pause_at: int = -1) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(SUPPORT), str(first), str(last), str(pause_at)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    plain = settings.model_dump(mode="json")
    access, secret = settings.storage.credentials()
    plain["storage"] |= {"access_key": access, "secret_key": secret}
    _tell(process, json.dumps(plain))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _tell(process: subprocess.Popen[str], line: str = "go") -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_writers_in_processes_lose_and_double_nothing(settings: Settings, rows_by_source: Sources) -> None:
    writers = [_start_writer(settings, 0, 8), _start_writer(settings, 4, 12)]
    for writer in writers:
        _tell(writer)
    written = [int(writer.communicate(timeout=120)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sum(written) == 120
    assert rows_by_source() == _expected(*(_batch_like_writer(i) for i in range(12)))


def _batch_like_writer(number: int) -> CheckedBatch:
    return check_klines([kline(i) for i in range(10)], symbol=f"S{number}USDT")


def test_a_writer_killed_in_mid_flight_leaves_nothing_visible(
    settings: Settings, catalog: TableCatalog, rows_by_source: Sources, parquet_files: Callable[[], list[str]]
) -> None:
    """Killed when two of four groups are in the bucket; the same call then gives exactly the right rows."""
    before = _batch("BEFOREUSDT")
    catalog.commit([before])
    files = len(parquet_files())
    writer = _start_writer(settings, 0, 12, pause_at=7)
    assert writer.stdout is not None
    _tell(writer)
    assert writer.stdout.readline() == "paused\n"
    orphans = len(parquet_files()) - files
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert 0 < orphans < 4, "the kill did not land between the first and the last file"
    assert rows_by_source() == _expected(before)

    again = _start_writer(settings, 0, 12)
    _tell(again)
    assert again.communicate(timeout=120)[0] == "120\n"
    assert rows_by_source() == _expected(before, *(_batch_like_writer(i) for i in range(12)))


def test_a_call_that_ended_between_two_tables_is_completed_by_the_next(
    catalog: TableCatalog, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = check_klines([*(kline(i) for i in range(5)), "bad"])
    finish = commit.PendingTable.commit

    def die_before_quality(self: commit.PendingTable) -> object:
        if self._layout.name == "silver.quality":
            raise KeyboardInterrupt
        return finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(commit.PendingTable, "commit", die_before_quality)
        with pytest.raises(KeyboardInterrupt):
            catalog.commit([batch])
    assert rows_by_source().total() == 5
    assert catalog.missing([batch.file]) == [batch.file]
    catalog.commit([batch])
    assert rows_by_source().total() == 5
    assert rows_by_source("silver.quarantine").total() == 1
    assert rows_by_source("silver.quality").total() == 1


def test_a_server_that_is_not_there_is_named(settings: Settings) -> None:
    away = settings.storage.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    started = time.monotonic()
    with (
        open_catalog(settings.model_copy(update={"storage": away})) as catalog,
        pytest.raises(ConnectError, match=r"127\.0\.0\.1:9"),
    ):
        catalog.commit([_batch()])
    assert time.monotonic() - started < 30
