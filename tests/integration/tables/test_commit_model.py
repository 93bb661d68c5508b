"""The commit protocol against a small model: random archives, revisions, races and kills; tables read by pyiceberg alone."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from doomed_writer import Archive, Writer, run_writers
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import CheckedBatch, open_catalog

TABLES = ("silver.klines", "silver.quality_days", "silver.quarantine", "silver.quality")
"""In the order of their commits."""
Contents = dict[str, Counter[tuple[str, str]]]


def _fresh(settings: Settings) -> Settings:
    """The same bucket with an empty warehouse and catalogue."""
    name = uuid.uuid4().hex[:12]
    lake = settings.lake.model_copy(update={"warehouse_prefix": name})
    uri = (settings.catalog.uri or "").replace("catalog.db", f"{name}.db")
    return settings.model_copy(update={"lake": lake, "catalog": settings.catalog.model_copy(update={"uri": uri})})


@contextmanager
def _other_eyes(settings: Settings) -> Iterator[SqlCatalog]:
    properties = {**settings.storage.to_pyiceberg(), "warehouse": "s3://unused"}
    catalog = SqlCatalog(settings.catalog.name, uri=settings.catalog.uri or "", **properties)
    yield catalog
    catalog.close()


def _read(settings: Settings) -> Contents:
    """Rows of each table by key and SHA-256."""
    found: Contents = {}
    with _other_eyes(settings) as catalog:
        for table in TABLES:
            found[table] = Counter()
            if catalog.table_exists(table):
                rows = catalog.load_table(table).scan(selected_fields=("_source_key", "_source_sha256")).to_arrow()
                found[table] = Counter(zip(rows["_source_key"].to_pylist(), rows["_source_sha256"].to_pylist(), strict=True))
    return found


def _rows_of(batch: CheckedBatch) -> dict[str, int]:
    return dict(zip(TABLES, (batch.rows_accepted, len(batch.days), batch.rows_quarantined, 1), strict=True))


def _expect(archives: list[Archive]) -> Contents:
    batches = [archive.check() for archive in archives]
    return {table: +Counter({(b.file.key, b.file.sha256): _rows_of(b)[table] for b in batches}) for table in TABLES}


class Model:
    """Which revisions each table may show of each archive; None stands for no row at all."""

    def __init__(self) -> None:
        self.possible: dict[tuple[str, str], set[str | None]] = defaultdict(lambda: {None})
        self.rows: dict[tuple[str, str, str | None], int] = defaultdict(int)
        self.keys: set[str] = set()
        self.undecided: set[str] = set()

    def note(self, writers: list[Writer]) -> None:
        """What the writers, who wrote at the same time, may have left behind.

        Of two revisions that race, or of which one was killed half-way, each table may show another one until the next call.
        """
        handed_in: dict[str, list[tuple[CheckedBatch, bool]]] = defaultdict(list)
        for writer in writers:
            for archive in writer.archives:
                batch = archive.check()
                handed_in[batch.file.key].append((batch, writer.killed))
                for table, rows in _rows_of(batch).items():
                    self.rows[table, batch.file.key, batch.file.sha256] = rows
        for key, batches in handed_in.items():
            self.keys.add(key)
            revisions: set[str | None] = {batch.file.sha256 for batch, _ in batches}
            sure = any(not killed for _, killed in batches) and len(revisions) == 1
            for table in TABLES:
                self.possible[table, key] = revisions if sure else self.possible[table, key] | revisions
            if sure:
                self.undecided.discard(key)
            elif len(self.possible[TABLES[0], key] - {None}) > 1:
                self.undecided.add(key)

    def check(self, found: Contents) -> None:
        """Every archive is there as a whole, once, in a revision that it may have."""
        for table, rows in found.items():
            seen: dict[str, str] = {}
            for (key, sha256), count in rows.items():
                assert key not in seen, f"two revisions of {key} in {table}"
                seen[key] = sha256
                assert count == self.rows[table, key, sha256], f"{count} rows of {key} in {table}"
            for key in self.keys:
                shown = seen.get(key)
                allowed = {sha256 if self.rows[table, key, sha256] else None for sha256 in self.possible[table, key]}
                assert shown in allowed, f"{table} shows {shown} of {key}, not one of {allowed}"
        for key, sha256 in found["silver.quality"]:
            if key not in self.undecided:
                assert found["silver.klines"][key, sha256] == self.rows["silver.klines", key, sha256], "quality came first"


_archives = st.lists(
    st.builds(Archive, st.integers(0, 1), st.sampled_from([0, 1, 31]), st.integers(0, 2)),
    min_size=1,
    max_size=3,
    unique_by=lambda archive: (archive.symbol, archive.day),
)
_writers = st.builds(Writer, _archives, st.one_of(st.just(0), st.integers(2, 20)))
_history = st.lists(st.lists(_writers, min_size=1, max_size=2), min_size=2, max_size=4)


def _check_history(settings: Settings, history: list[list[Writer]]) -> None:
    lake, model = _fresh(settings), Model()
    for writers in history:
        run_writers(lake, writers)
        assert all(writer.steps == writer.dies_at - 1 for writer in writers if writer.killed)
        model.note(writers)
        model.check(_read(lake))
    newest = {(a.symbol, a.day): a for writers in history for writer in writers for a in writer.archives}
    run_writers(lake, [Writer(list(newest.values()))])
    assert _read(lake) == _expect(list(newest.values())), "one more call completes everything"


@given(history=_history)
@hypothesis_settings(max_examples=2, derandomize=True, phases=[Phase.generate])  # making it smaller would take minutes
def test_tables_follow_the_model_through_races_and_kills(settings: Settings, history: list[list[Writer]]) -> None:
    _check_history(settings, history)


@pytest.mark.deep
@pytest.mark.timeout(900)
@given(history=_history)
@hypothesis_settings(max_examples=6, phases=[Phase.generate])
def test_tables_follow_the_model_through_many_races_and_kills(settings: Settings, history: list[list[Writer]]) -> None:
    _check_history(settings, history)


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_a_writer_may_be_killed_before_every_single_step(settings: Settings) -> None:
    """Data, quarantine and quality of a replaced archive and of a new one: each table shows all of it or nothing."""
    old, new, more = Archive(0, 0, 1), Archive(0, 0, 2), Archive(1, 0, 1)
    whole = Writer([new, more])
    lake = _fresh(settings)
    run_writers(lake, [Writer([old])])
    run_writers(lake, [whole])
    assert not whole.killed
    between: set[tuple[bool, ...]] = set()
    before, after = _expect([old]), _expect([new, more])
    for step in range(2, whole.steps + 1):
        lake = _fresh(settings)
        run_writers(lake, [Writer([old])])
        victim = Writer([new, more], dies_at=step)
        run_writers(lake, [victim])
        assert victim.killed
        assert 0 < victim.steps < whole.steps
        found = _read(lake)
        assert all(found[table] in (before[table], after[table]) for table in TABLES), step
        done = tuple(found[table] == after[table] for table in TABLES)
        assert sorted(done, reverse=True) == list(done), "tables are committed in order"
        between.add(done)
        run_writers(lake, [Writer([new, more])])
        assert _read(lake) == after, step
    assert between == {tuple(number < done for number in range(len(TABLES))) for done in range(len(TABLES) + 1)}


def test_writers_of_different_days_of_a_month_do_not_read_each_others_rows(settings: Settings) -> None:
    """Both lose a race at most once for each table: what the other one wrote is no reason to write files again."""
    lake = _fresh(settings)
    run_writers(lake, [Writer([Archive(0, day, 1) for day in (0, 1)])])
    writers = [Writer([Archive(0, day, 2)]) for day in (0, 1)]
    run_writers(lake, writers)
    attempts = [max((writer.attempts or {}).values()) for writer in writers]
    assert max(attempts) <= 2
    assert _read(lake) == _expect([Archive(0, day, 2) for day in (0, 1)])


def test_idempotency_outlives_the_snapshots(settings: Settings) -> None:
    """Snapshots hold nothing that a commit relies on: when they are gone, a repeated commit still changes nothing."""
    lake, archives = _fresh(settings), [Archive(0, 0, 1), Archive(1, 31, 0)]
    batches = [archive.check() for archive in archives]
    with open_catalog(lake) as catalog:
        catalog.commit([Archive(0, 0, 0).check()])
        catalog.commit(batches)
        with _other_eyes(lake) as eyes:
            for table in TABLES:
                loaded = eyes.load_table(table)
                for snapshot in loaded.snapshots()[:-1]:
                    loaded.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()
                assert len(eyes.load_table(table).snapshots()) == 1
        again = catalog.commit(batches)
        assert [table.files_written for table in again.tables] == [0] * len(TABLES)
        assert catalog.missing([batch.file for batch in batches]) == []
    assert _read(lake) == _expect(archives)
