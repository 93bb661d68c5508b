"""The same bytes with another outcome: put in place anew, once, whatever races and wherever it is killed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Transaction
from table_archives import check_klines, kline, klines_archive

from lakehouse_sdk.config import QualitySettings, Settings
from lakehouse_sdk.tables import CheckedBatch, TableCatalog, find_replayable, holds, open_catalog, parse_archive, validate
from lakehouse_sdk.tables.iceberg import commit
from lakehouse_sdk.tables.judge.rules import RULES, Severity

Sources = Callable[..., Counter[tuple[str, str]]]
TABLES = ("silver.klines", "silver.quality_days", "silver.quality", "silver.quarantine")


def _judge(
    *rejecting: str, symbol: str = "BTCUSDT", is_odd: Callable[[int], bool] = lambda number: number % 2 == 1
) -> CheckedBatch:
    """The same ten bars, of which every second is odd; with a rule named, its breaches are rejected."""
    lines = [kline(i, quote_volume="1" if is_odd(i) else "47.25", count=0 if i % 3 == 2 else 3) for i in range(10)]
    data, file = klines_archive(lines, symbol=symbol)
    rules = RULES["silver.klines"]
    strict = tuple(
        rule.__class__(rule.id, rule.sentence, Severity.REJECT, rule.shows, rule.breaks) if rule.id in rejecting else rule
        for rule in rules
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, "silver.klines", strict)
        return validate(parse_archive(data, file))


STRICT = ("quote-volume-range",)
STRICTER = ("quote-volume-range", "zero-volume")
OUTCOMES = ((), STRICT, STRICTER)


def _state(catalog: TableCatalog) -> tuple[int, int, int, int]:
    quality = catalog.table("silver.quality").scan().to_arrow().to_pylist()
    days = catalog.table("silver.quality_days").scan().to_arrow().to_pylist()
    assert len(quality) == len(days) == 1
    assert days[0]["rows_accepted"] == quality[0]["rows_accepted"]
    counts = [catalog.table(name).scan().count() for name in ("silver.klines", "silver.quarantine")]
    return counts[0], counts[1], quality[0]["rows_accepted"], quality[0]["rows_quarantined"]


def test_without_being_asked_the_same_bytes_change_nothing(catalog: TableCatalog) -> None:
    catalog.commit([_judge(*STRICT)])
    catalog.commit([_judge()])
    assert _state(catalog) == (5, 5, 5, 5)


def test_the_other_outcome_takes_the_place_of_the_first_in_all_tables(catalog: TableCatalog, rows_by_source: Sources) -> None:
    other = _judge(symbol="ETHUSDT")
    catalog.commit([_judge(*STRICT), other])
    report = catalog.commit([_judge()], anew=True)
    assert [table.table for table in report.tables] == list(TABLES), "the quarantine is last"
    assert [table.archives_replaced for table in report.tables] == [1, 1, 1, 1]
    assert rows_by_source() == {(_judge().file.key, _judge().file.sha256): 10, (other.file.key, other.file.sha256): 10}
    assert catalog.table("silver.quarantine").scan().count() == 0
    assert holds(catalog, _judge())
    assert holds(catalog, other)
    assert not holds(catalog, _judge(*STRICT))


def test_an_outcome_without_rows_leaves_none(catalog: TableCatalog) -> None:
    catalog.commit([_judge(is_odd=lambda _: True)])
    assert _state(catalog) == (10, 0, 10, 0)
    catalog.commit([_judge(*STRICT, is_odd=lambda _: True)], anew=True)
    assert _state(catalog) == (0, 10, 0, 10)


@pytest.mark.parametrize("killed_before", TABLES)
def test_a_call_that_was_killed_between_two_tables_is_completed_by_the_next(
    catalog: TableCatalog, monkeypatch: pytest.MonkeyPatch, killed_before: str
) -> None:
    catalog.commit([_judge(*STRICT)])
    finish = commit.PendingTable.commit

    def die(self: commit.PendingTable) -> object:
        if self._layout.name == killed_before:
            raise KeyboardInterrupt
        return finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(commit.PendingTable, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            catalog.commit([_judge()], anew=True)
    assert find_replayable(catalog, rule=STRICT[0]), "still in quarantine, so the next call finds it"
    assert not holds(catalog, _judge())
    catalog.commit([_judge()], anew=True)
    assert _state(catalog) == (10, 0, 10, 0)


def test_what_is_not_there_yet_is_added(catalog: TableCatalog) -> None:
    catalog.commit([_judge(*STRICT)], anew=True)
    assert _state(catalog) == (5, 5, 5, 5)


def test_an_archive_gives_way_to_a_newer_revision(catalog: TableCatalog, settings: Settings, rows_by_source: Sources) -> None:
    """While ours was judged again, someone committed other bytes; before the first attempt or after it."""
    newer = check_klines([kline(i, close="11.5") for i in range(7)])
    other = _judge(*STRICT, symbol="ETHUSDT")
    catalog.commit([_judge(*STRICT), other])
    attempt = commit.PendingTable._attempt

    def raced(self: commit.PendingTable, number: int) -> object:
        if number == 1 and self._layout.name == "silver.klines":
            patch.undo()
            with open_catalog(settings) as rival:
                rival.commit([newer])
        return attempt(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit.PendingTable, "_attempt", raced)
        report = catalog.commit([_judge(), _judge(symbol="ETHUSDT")], anew=True)
    assert report.tables[0].attempts == 2
    assert rows_by_source() == {(newer.file.key, newer.file.sha256): 7, (other.file.key, other.file.sha256): 10}
    assert rows_by_source("silver.quality").total() == 2
    catalog.commit([_judge()], anew=True)
    assert rows_by_source()[newer.file.key, newer.file.sha256] == 7
    assert rows_by_source("silver.quality")[newer.file.key, newer.file.sha256] == 1


def test_two_at_once_double_nothing(settings: Settings, catalog: TableCatalog, rows_by_source: Sources) -> None:
    symbols = [f"S{number}USDT" for number in range(3)]
    catalog.commit([_judge(*STRICT, symbol=symbol) for symbol in symbols])
    batches = [_judge(symbol=symbol) for symbol in symbols]
    barrier = threading.Barrier(3)

    def write(_writer: int) -> int:
        with open_catalog(settings) as own:
            barrier.wait()
            return max(table.attempts for table in own.commit(batches, anew=True).tables)

    with ThreadPoolExecutor(3) as pool:
        attempts = list(pool.map(write, range(3)))
    assert max(attempts) > 1, "no two of them ever met"
    assert set(rows_by_source().values()) == {10}
    assert set(rows_by_source("silver.quality").values()) == {1}
    assert not rows_by_source("silver.quarantine")


@pytest.mark.parametrize("landed", [True, False])
def test_an_unknown_outcome_doubles_nothing(catalog: TableCatalog, monkeypatch: pytest.MonkeyPatch, landed: bool) -> None:
    catalog.commit([_judge(*STRICT)])
    lost: list[str] = []
    send = Transaction.commit_transaction

    def answer_lost(self: Transaction) -> object:
        result = send(self) if landed or lost else None
        if not lost:
            lost.append("klines")
            raise CommitStateUnknownException("no answer")
        return result

    monkeypatch.setattr(Transaction, "commit_transaction", answer_lost)
    report = catalog.commit([_judge()], anew=True)
    assert report.tables[0].attempts == 2
    assert _state(catalog) == (10, 0, 10, 0)
    assert holds(catalog, _judge())


@pytest.mark.deep
@hypothesis_settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(OUTCOMES), st.booleans(), st.sampled_from([None, *TABLES])), min_size=1, max_size=3
    ),
    last=st.sampled_from(OUTCOMES),
)
@example(steps=[(STRICT, False, None), ((), True, "silver.quality")], last=())
@example(steps=[(STRICT, False, None), ((), True, "silver.quarantine")], last=())
@example(steps=[((), False, "silver.quality"), (STRICT, True, "silver.quality_days")], last=STRICTER)
def test_whatever_was_killed_before_the_next_call_makes_it_whole(
    minio: object, s3: object, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]], last: tuple[str, ...]
) -> None:
    """Any sequence of commits, plain and anew, each killed before any table: then one more, and every table says the same."""
    import uuid

    from lakehouse_sdk.config import load_settings

    bucket = f"anew-{uuid.uuid4().hex[:12]}"
    uri = f"sqlite:///{tmp_path_factory.mktemp('anew')}/catalog.db"
    settings = load_settings(storage=minio.profile, lake={"bucket": bucket}, catalog={"uri": uri})  # type: ignore[attr-defined]
    finish = commit.PendingTable.commit
    with open_catalog(settings) as catalog:
        for outcome, anew, killed_before in steps:

            def die(self: commit.PendingTable, at: object = killed_before) -> object:
                if self._layout.name == at:
                    raise KeyboardInterrupt
                return finish(self)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(commit.PendingTable, "commit", die)
                try:
                    catalog.commit([_judge(*outcome)], anew=bool(anew))  # type: ignore[misc]
                except KeyboardInterrupt:
                    assert killed_before is not None
        final = _judge(*last)
        catalog.commit([final], anew=True)
        assert holds(catalog, final)
        assert _state(catalog) == (final.rows_accepted, final.rows_quarantined) * 2
        before = [catalog.table(name).snapshot_id for name in TABLES]
        found = find_replayable(catalog)
        assert [archive.rejects for archive in found] == ([final.rejects] if final.rejects else [])
        assert [catalog.table(name).snapshot_id for name in TABLES] == before


def test_what_holds_is_decided_by_every_value(catalog: TableCatalog) -> None:
    batch = _judge()
    assert not holds(catalog, batch), "no table"
    catalog.commit([batch])
    assert holds(catalog, batch)
    lines = [kline(i, quote_volume="1" if i % 2 else "47.25", count=0 if i % 3 == 2 else 3) for i in range(10)]
    parsed = parse_archive(*klines_archive(lines))
    assert holds(catalog, validate(parsed))
    assert not holds(catalog, validate(parsed, QualitySettings(rounding=0.99))), "other flags are another outcome"
