"""The ledger in a real database: what it remembers, and what several writers and a kill make of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, sql_ledger
from lakehouse_sdk.archives.ledger import CollectionRun, LedgerChange, LedgerState, Listing, Sighting
from lakehouse_sdk.archives.sql_ledger import SqlLedger, open_ledger
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import ConfigurationError, StorageError
from lakehouse_sdk.tables import open_catalog

T = datetime(2026, 1, 1, tzinfo=UTC)
KLINES = ArchiveQuery(("spot",), ("klines",))


def make(
    day: int, symbol: str = "BTCUSDT", *, etag: str = "e", data_type: str = "klines", source: str = "binance"
) -> ArchiveObject:
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
    interval = "1m" if data_type == "klines" else None
    key = f"data/spot/daily/{data_type}/{symbol}/{symbol}-{start:%Y-%m-%d}.zip"
    return ArchiveObject(
        source, "spot", data_type, symbol, interval, "daily", start, start + timedelta(days=1), key, 100, etag, T,
        f"{key}.CHECKSUM", "c",
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    uri = f"sqlite:///{tmp_path}/catalog.db" if request.param == "sqlite" else request.getfixturevalue("postgres_uri")
    return load_settings(catalog={"uri": uri})


only_sqlite = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("settings", ["postgresql"], indirect=True)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[SqlLedger]:
    with open_ledger(settings) as opened:
        yield opened


def test_an_archive_is_new_once(ledger: SqlLedger) -> None:
    archive = make(0)
    assert [(s.change, s.entry) for s in ledger.compare([archive])] == [("new", None)]
    assert ledger.find("binance", archive.key) is None
    (seen,) = ledger.observe([archive])
    assert seen.change == "new"
    assert seen.entry == ledger.find("binance", archive.key)
    assert seen.entry is not None
    assert (seen.entry.state, seen.entry.revision, seen.entry.attempt) == (LedgerState.DISCOVERED, 1, 0)
    assert (seen.entry.series, seen.entry.period_start, seen.entry.last_modified) == (archive.series, archive.period_start, T)
    assert [s.change for s in ledger.observe([archive])] == ["same"]
    assert ledger.count("binance") == 1


def test_a_wider_and_later_listing_takes_the_place_of_others(ledger: SqlLedger) -> None:
    bitcoin, other = make(0).series, make(0, "ETHUSDT").series
    first = Listing(T, T + timedelta(days=2), T + timedelta(days=3))
    beside = Listing(T + timedelta(days=1), T + timedelta(days=5), T + timedelta(days=6))
    ledger.note_listing([bitcoin, other], first)
    ledger.note_listing([bitcoin], beside)
    assert ledger.listings("binance", KLINES) == {bitcoin: [first, beside], other: [first]}
    later = replace(first, end=T + timedelta(days=9), listed_at=T + timedelta(days=10))
    ledger.note_listing([bitcoin], later)
    ledger.note_listing([bitcoin], later)
    assert ledger.listings("binance", replace(KLINES, symbols=("BTCUSDT",))) == {bitcoin: [later]}
    assert ledger.listings("coinbase", KLINES) == {}


def test_a_ledger_of_an_older_release_learns_of_listings(settings: Settings, ledger: SqlLedger) -> None:
    ledger.observe([make(0)])
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE lakehouse_listings")
    with open_ledger(settings) as opened:
        assert opened.listings("binance", KLINES) == {}
        assert opened.ledger_id == ledger.ledger_id
        assert opened.count("binance") == 1


def test_other_bytes_are_a_new_revision_and_the_old_one_is_remembered(ledger: SqlLedger) -> None:
    ledger.observe([make(0), make(1)])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.PUBLISHED, sha256="a" * 64, published_sha256="a" * 64)])
    seen, other = ledger.observe([make(0, etag="f"), make(1)])
    assert (seen.change, other.change) == ("republished", "same")
    assert seen.entry is not None
    assert (seen.entry.revision, seen.entry.state, seen.entry.sha256, seen.entry.published_sha256) == (
        2, LedgerState.DISCOVERED, None, None,
    )  # fmt: skip
    (old,) = ledger.revisions("binance", [make(0).key, make(1).key])
    assert (old.revision, old.etag, old.sha256, old.kept_key) == (1, "e", "a" * 64, "")
    ledger.keep_revision(old, "bronze/_revisions/x")
    assert [r.kept_key for r in ledger.revisions("binance", [make(0).key])] == ["bronze/_revisions/x"]


def test_what_is_true_of_older_bytes_is_not_written_to_newer_ones(ledger: SqlLedger) -> None:
    """Observed, observed again with other bytes by somebody else, then recorded: revision 2 had the hash of revision 1."""
    ledger.observe([make(0)])
    ledger.observe([make(0, etag="f")])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.VERIFIED, sha256="a" * 64, revision=1)])
    entry = ledger.find("binance", make(0).key)
    assert entry is not None
    assert (entry.revision, entry.state, entry.sha256) == (2, LedgerState.DISCOVERED, None)
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.VERIFIED, sha256="b" * 64, revision=2)])
    entry = ledger.find("binance", make(0).key)
    assert entry is not None
    assert (entry.state, entry.sha256) == (LedgerState.VERIFIED, "b" * 64)


@given(steps=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["observe", "record"]), st.integers(0, 2)), max_size=12))
def test_two_clients_never_give_bytes_the_hash_of_others(steps: list[tuple[int, str, int]]) -> None:
    """Two machines that list, bring and record the same archive in any order, while its publisher replaces it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(catalog={"uri": f"sqlite:///{folder}/catalog.db"})
        with open_ledger(settings) as one, open_ledger(settings) as other:
            seen: dict[int, tuple[str, int]] = {}
            for client, step, version in steps:
                ledger = (one, other)[client]
                if step == "observe":
                    (sighting,) = ledger.observe([make(0, etag=f"etag{version}")])
                    assert sighting.entry is not None
                    seen[client] = (sighting.entry.etag, sighting.entry.revision)
                elif client in seen:
                    etag, revision = seen[client]
                    change = LedgerChange(make(0).key, LedgerState.VERIFIED, sha256=f"hash of {etag}", revision=revision)
                    ledger.record("binance", [change])
                entry = one.find("binance", make(0).key)
                assert entry is None or entry.sha256 in {None, f"hash of {entry.etag}"}


@pytest.mark.parametrize("microseconds", [0, 1, 500_000, 999_999])
def test_bounds_between_two_seconds_are_bounds(ledger: SqlLedger, microseconds: int) -> None:
    """A day that begins half a second before the end is asked for; `int(end)` had lost it."""
    ledger.observe([make(0), make(1)])
    midnight = make(1).period_start
    wanted = replace(KLINES, start=make(0).period_start, end=midnight + timedelta(microseconds=microseconds))
    found = {entry.key for entry in ledger.entries("binance", wanted)}
    assert found == ({make(0).key, make(1).key} if microseconds else {make(0).key})
    behind = replace(KLINES, start=midnight - timedelta(microseconds=microseconds), end=midnight + timedelta(days=9))
    found = {entry.key for entry in ledger.entries("binance", behind)}
    assert found == ({make(0).key, make(1).key} if microseconds else {make(1).key})


def test_a_changed_checksum_file_judges_a_refused_archive_anew_and_leaves_a_good_one(ledger: SqlLedger) -> None:
    ledger.observe([make(0), make(1)])
    changes = [LedgerChange(make(0).key, LedgerState.QUARANTINED, "no"), LedgerChange(make(1).key, LedgerState.VERIFIED)]
    ledger.record("binance", changes)
    sightings = ledger.observe([replace(make(day), checksum_etag="d") for day in (0, 1)])
    assert [s.change for s in sightings] == ["checksum", "checksum"]
    assert [s.entry.state for s in sightings if s.entry] == [LedgerState.DISCOVERED, LedgerState.VERIFIED]
    assert [s.entry.revision for s in sightings if s.entry] == [1, 1]


def test_what_is_published_does_not_fall_back_to_verified(ledger: SqlLedger) -> None:
    ledger.observe([make(0)])
    ledger.begin("binance", [make(0).key])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.VERIFIED, sha256="b" * 64)])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.PUBLISHED)])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.VERIFIED)])
    entry = ledger.find("binance", make(0).key)
    assert entry is not None
    assert (entry.state, entry.sha256, entry.attempt) == (LedgerState.PUBLISHED, "b" * 64, 1)
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.QUARANTINED, "its content is wrong after all")])
    entry = ledger.find("binance", make(0).key)
    assert entry is not None
    assert (entry.state, entry.reason) == (LedgerState.QUARANTINED, "its content is wrong after all")


def test_entries_come_by_series_and_period_and_only_those_that_are_asked_for(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse_sdk.archives.sql_ledger._PAGE_ROWS", 7)
    archives = [make(day, symbol) for day in range(20) for symbol in ("ETHUSDT", "BTCUSDT", "BTCUSDT_240628")]
    ledger.observe([*archives, make(0, data_type="trades"), make(0, source="other")])
    ledger.record("binance", [LedgerChange(make(3).key, LedgerState.FAILED, "x")])
    entries = list(ledger.entries("binance", KLINES))
    assert [(e.symbol, e.period_start) for e in entries] == sorted((a.symbol, a.period_start) for a in archives)
    assert len(list(ledger.entries("binance"))) == 61
    exact = list(ledger.entries("binance", replace(KLINES, symbols=("BTCUSDT",))))
    assert {e.symbol for e in exact} == {"BTCUSDT"}
    pattern = list(ledger.entries("binance", replace(KLINES, symbols=("BTC*_*",))))
    assert {e.symbol for e in pattern} == {"BTCUSDT_240628"}
    start = datetime(2024, 1, 5, tzinfo=UTC)
    narrow = replace(KLINES, symbols=("ETHUSDT",), start=start, end=start + timedelta(days=2), intervals=("1m",))
    assert [e.period_start.day for e in ledger.entries("binance", narrow)] == [5, 6]
    assert not list(ledger.entries("binance", replace(KLINES, intervals=("5m",))))
    assert not list(ledger.entries("binance", replace(KLINES, frequencies=("monthly",))))
    assert [e.key for e in ledger.entries("binance", states=[LedgerState.FAILED])] == [make(3).key]


def test_the_newest_period_of_each_series(ledger: SqlLedger) -> None:
    ledger.observe([make(0), make(9), make(4, "ETHUSDT"), make(30, data_type="trades")])
    newest = ledger.newest("binance", KLINES)
    assert {key[0][3]: (key[1], end.date()) for key, end in newest.items()} == {
        "BTCUSDT": ("daily", date(2024, 1, 11)),
        "ETHUSDT": ("daily", date(2024, 1, 6)),
    }
    assert list(ledger.newest("binance", replace(KLINES, symbols=("E*",)))) == [(make(4, "ETHUSDT").series, "daily")]


def test_every_change_is_told_once_and_in_order(ledger: SqlLedger) -> None:
    ledger.observe([make(0), make(1)])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.VERIFIED, sha256="a" * 64)])
    ledger.observe([make(0), make(1)])
    events = ledger.take_events(10)
    assert [(e.entry.key, e.entry.state) for e in events] == [
        (make(0).key, "discovered"), (make(1).key, "discovered"), (make(0).key, "verified"),
    ]  # fmt: skip
    ids = [event.event_id for event in events]
    assert ids == sorted(set(ids))
    ledger.drop_events(events[1].event_id)
    assert [e.event_id for e in ledger.take_events(10)] == [events[2].event_id]
    ledger.drop_events(events[2].event_id)
    ledger.observe([make(2)])
    assert ledger.take_events(1)[0].event_id > events[2].event_id  # numbers are never used again


def test_the_last_run_that_copied_something(ledger: SqlLedger) -> None:
    assert ledger.last_run("binance") is None
    ledger.add_run(CollectionRun("binance", T, 2.5, 10, 1000))
    ledger.add_run(CollectionRun("binance", T, 0.5, 0, 0))
    ledger.add_run(CollectionRun("other", T, 9.0, 1, 1))
    assert ledger.last_run("binance") == CollectionRun("binance", T, 2.5, 10, 1000)


@only_sqlite
def test_nothing_new_writes_nothing(ledger: SqlLedger, settings: Settings) -> None:
    ledger.observe([make(day) for day in range(50)])
    database = (settings.catalog.uri or "").removeprefix("sqlite:///")
    with sqlite3.connect(database) as other:  # a client that is not ours
        before = other.execute("PRAGMA data_version").fetchone()
        ledger.observe([make(day) for day in range(50)])
        assert other.execute("PRAGMA data_version").fetchone() == before
    other.close()


def test_writers_at_the_same_time_lose_nothing(settings: Settings) -> None:
    def write(worker: int) -> None:
        with open_ledger(settings) as mine:
            for start in range(0, 200, 20):
                archives = [make(day, f"S{worker}") for day in range(start, start + 20)]
                mine.observe([*archives, make(start, "SHARED")])
                mine.begin("binance", [archive.key for archive in archives])
                mine.record("binance", [LedgerChange(archive.key, LedgerState.VERIFIED) for archive in archives])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with open_ledger(settings) as ledger:
        assert ledger.count("binance") == 4 * 200 + 10
        entries = list(ledger.entries("binance", states=[LedgerState.VERIFIED]))
        assert len(entries) == 800
        assert {entry.attempt for entry in entries} == {1}
        assert len(ledger.take_events(10_000)) == 4 * 200 * 2 + 10


def test_a_look_that_another_process_outran_does_not_undo_what_that_wrote(
    ledger: SqlLedger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the comparison and the writing of one process another one sees, copies and verifies the same archive."""
    archive = make(0)
    compare, other, begun, seen = sql_ledger._compare, ThreadPoolExecutor(1), [], []

    def outrun() -> None:
        with open_ledger(settings) as mine:
            mine.observe([archive])
            mine.begin("binance", [archive.key])
            mine.record("binance", [LedgerChange(archive.key, LedgerState.VERIFIED, sha256="a" * 64)])

    def compare_and_lose_time(*args: Any) -> list[Sighting]:
        sightings = compare(*args)
        if args[0].get_execution_options().get("lakehouse_writes") and not begun:
            begun.append(True)
            seen.append(other.submit(outrun))
            wait(seen, timeout=1)  # where writers wait for each other it cannot end before this one does
        return sightings

    monkeypatch.setattr(sql_ledger, "_compare", compare_and_lose_time)
    ledger.observe([archive])
    seen[0].result()
    other.shutdown()
    entry = ledger.find("binance", archive.key)
    assert entry is not None
    assert (entry.state, entry.attempt, entry.sha256) == (LedgerState.VERIFIED, 1, "a" * 64)
    assert [event.entry.state for event in ledger.take_events(10)] == [LedgerState.DISCOVERED, LedgerState.VERIFIED]


def test_two_processes_that_end_the_same_archives_in_another_order_do_not_hold_each_other_up(settings: Settings) -> None:
    archives = [make(day) for day in range(400)]
    with open_ledger(settings) as ledger:
        ledger.observe(archives)

    def end(step: int) -> None:
        with open_ledger(settings) as mine:
            for _ in range(10):
                mine.record("binance", [LedgerChange(archive.key, LedgerState.VERIFIED) for archive in archives[::step]])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(end, (1, -1)))
    with open_ledger(settings) as ledger:
        assert len(ledger.take_events(100_000)) == 400 + 2 * 10 * 400


def test_changes_that_are_written_while_others_are_taken_are_told_once(settings: Settings) -> None:
    def write(worker: int) -> None:
        with open_ledger(settings) as mine:
            for start in range(0, 400, 10):
                mine.observe([make(day, f"S{worker}") for day in range(start, start + 10)])

    told: list[tuple[int, str]] = []
    with open_ledger(settings) as ledger, ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, worker) for worker in range(3)]
        while True:
            ended = all(writer.done() for writer in writers)
            events = ledger.take_events(50)
            told += [(event.event_id, event.entry.key) for event in events]
            if events:
                ledger.drop_events(events[-1].event_id)
            elif ended:
                break
        for writer in writers:
            writer.result()
    assert len(told) == 3 * 400
    assert len({key for _, key in told}) == 3 * 400
    assert told == sorted(told)


def test_what_a_server_or_a_connector_says_can_be_written_down(ledger: SqlLedger) -> None:
    """A reason is text from outside: PostgreSQL takes no NUL in it, no database half of a surrogate pair."""
    ledger.observe([make(0)])
    ledger.record("binance", [LedgerChange(make(0).key, LedgerState.FAILED, "said \x00 and \ud800, 币安人生")])
    entry = ledger.find("binance", make(0).key)
    assert entry is not None
    assert entry.reason == "said \ufffd and \ufffd, 币安人生"


@only_postgresql
def test_order_does_not_depend_on_the_language_of_the_database(ledger: SqlLedger, settings: Settings) -> None:
    engine = sa.create_engine(settings.catalog.uri or "", poolclass=sa.NullPool)
    with engine.connect() as connection:
        columns = connection.exec_driver_sql(
            "SELECT column_name, collation_name FROM information_schema.columns"
            " WHERE table_name = 'lakehouse_ledger' AND data_type = 'text'"
        ).all()
    assert {name for name, _ in columns} >= {"symbol", "key"}
    assert {collation for _, collation in columns} == {"C"}


_WRITER = """
import sys
import tempfile
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import load_settings
sys.path.insert(0, sys.argv[2])
from test_ledger import make
with open_ledger(load_settings(catalog={"uri": sys.argv[1]})) as ledger:
    for start in range(0, 200_000, 100):
        ledger.observe([make(day % 20_000, f"S{day // 20_000}") for day in range(start, start + 100)])
        print(start, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_transactions(settings: Settings) -> None:
    uri = settings.catalog.uri or ""
    command = [sys.executable, "-c", _WRITER, uri, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(5):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
    with open_ledger(settings) as ledger:
        written = ledger.count("binance")
        assert 500 <= written < 200_000
        assert written % 100 == 0
        assert len(ledger.take_events(1_000_000)) == written


class TestBadAddresses:
    @pytest.mark.parametrize("opened", [open_ledger, open_catalog])
    def test_a_driver_that_is_not_installed_is_named_with_its_extra(self, opened: Callable[[Settings], object]) -> None:
        uri = "postgresql+psycopg2://u:secret-of-mine@h/d"  # SQLAlchemy knows it, the extra brings another one
        with pytest.raises(ConfigurationError, match=r"psycopg2.*pip install 'lakehouse-sdk\[postgres\]'") as caught:
            opened(load_settings(catalog={"uri": uri}, storage={"access_key": "a", "secret_key": "b"}))
        assert "postgresql+psycopg://" in str(caught.value)
        assert "secret-of-mine" not in str(caught.value)

    @pytest.mark.parametrize("opened", [open_ledger, open_catalog])
    def test_a_postgresql_that_does_not_answer(self, opened: Callable[[Settings], object], tmp_path: Path) -> None:
        uri = f"postgresql+psycopg://u:secret-of-mine@/d?host={tmp_path}"
        with pytest.raises(ConfigurationError, match=r"cannot be opened: .*connection") as caught:
            opened(load_settings(catalog={"uri": uri}, storage={"access_key": "a", "secret_key": "b"}))
        assert "secret-of-mine" not in str(caught.value)

    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            (None, "the ledger of archives need one"),
            ("nonsense", "not a usable database address"),
            ("mysql://u:secret-of-mine@h/d", "usable|cannot live in mysql"),
            ("sqlite://", "names no file"),
        ],
    )
    def test_each_says_what_to_write(self, uri: str | None, message: str) -> None:
        with pytest.raises(ConfigurationError, match=message) as caught:
            open_ledger(load_settings(catalog={"uri": uri}))
        assert "secret-of-mine" not in str(caught.value)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "catalog.db").write_bytes(b"not a database" * 100)
        with pytest.raises(ConfigurationError, match="file is not a database"):
            open_ledger(load_settings(catalog={"uri": f"sqlite:///{tmp_path}/catalog.db"}))

    @only_sqlite
    def test_a_database_that_broke_meanwhile(self, ledger: SqlLedger, settings: Settings) -> None:
        Path((settings.catalog.uri or "").removeprefix("sqlite:///")).write_bytes(b"broken" * 1000)
        with pytest.raises(StorageError, match="ledger's database"):
            ledger.count("binance")


@pytest.mark.deep
@only_sqlite
def test_at_a_million_archives_one_symbol_and_a_night_are_quick(settings: Settings) -> None:
    """The two figures are limits of the requirement with room for a slow machine; the measured ones are in the benchmarks."""
    with open_ledger(settings) as ledger:
        for symbol in range(500):
            ledger.observe([make(day, f"S{symbol:03}") for day in range(2000)])
            ledger.drop_events(10**12)
        started = time.perf_counter()
        entries = list(ledger.entries("binance", replace(KLINES, symbols=("S250",))))
        one_symbol_s = time.perf_counter() - started
        assert len(entries) == 2000
        night = [make(2000, f"S{symbol:03}") for symbol in range(500)]
        started = time.perf_counter()
        ledger.observe(night)
        ledger.record("binance", [LedgerChange(archive.key, LedgerState.VERIFIED) for archive in night])
        night_s = time.perf_counter() - started
        assert one_symbol_s < 1
        assert night_s < 5
