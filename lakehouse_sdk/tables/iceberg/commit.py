"""The commit protocol: rows of many archives into their tables, each archive exactly once, whatever else writes.

What goes wrong with the obvious way: pyiceberg replays a failed append, so two writers of one archive double its rows; state in
snapshot properties is lost when snapshots expire; a replacement filter on the key alone reads every file. Hence the rule:

1. The rows say which archives (key and SHA-256) are in a table; only they decide.
2. Rows of missing archives are written to Parquet files, a bounded number of rows at a time, while the caller still parses.
3. One commit appends all files and deletes the rows of older revisions, by key *and* time range.
4. A lost race means: reload, look again, drop what is there by now, commit again. An unknown outcome is treated the same way.
5. An archive that is to be put in place anew (same bytes, other outcome) deletes its own rows in the commit that appends them:
   however many do it at once, the last one's rows are there, once. It gives way to another revision.

Tables are committed in a fixed order, `silver.quality` last: an archive that it lists is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import takewhile

import pyarrow.parquet as pq
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.transforms import DayTransform, IdentityTransform

from lakehouse_sdk.errors import TableError
from lakehouse_sdk.tables.iceberg.datafiles import Rows, SourceId, WrittenFile, remove_files, rewrite_without, write_data_files
from lakehouse_sdk.tables.iceberg.report import TableCommit
from lakehouse_sdk.tables.iceberg.retry import LOST_RACE, UNKNOWN, retry_races
from lakehouse_sdk.tables.layout.filters import all_of, any_of, differs, equals, within
from lakehouse_sdk.tables.layout.schemas import SOURCE_KEY, SOURCE_SHA256, TableLayout
from lakehouse_sdk.tables.layout.source import SourceFile

GROUP_ROWS = 1_000_000
"""Rows held before they are written: about 130 MiB of klines; at 20 to 30 bytes a row a full partition file has 25 MiB."""
_READ_THREADS = 4
Withdrawal = tuple[str, datetime, datetime]
"""Rows of an archive, by key, from the first time on and before the second, that leave the table."""


class PendingTable:
    """What one commit will do to one table; nothing is visible before `commit`.

    Args:
        load: Loads the table as it is now, creating it where needed.
        layout: The table's layout.
        ingested_at: Written into every row.
        branch: Where the rows go; it exists in the table that `load` gives.
    """

    def __init__(
        self, load: Callable[[], Table], layout: TableLayout, ingested_at: datetime, branch: str = MAIN_BRANCH
    ) -> None:
        self._load = load
        self._branch = branch
        self._layout = layout
        self._ingested_at = ingested_at
        self._table = load()
        self._claims: dict[str, SourceFile] = {}
        self._buffer: list[Rows] = []
        self._buffered_rows = 0
        self._present: dict[str, set[str]] = defaultdict(set)
        self._written: list[WrittenFile] = []
        self._outcome_unknown = False
        self._withdrawals: list[Withdrawal] = []
        self._anew: set[str] = set()

    def add(self, rows: Rows, withdraws: Iterable[Withdrawal] = (), *, anew: bool = False) -> None:
        """Take the rows of one archive, which may be none; they replace those of any other revision of it.

        With `withdraws` they also take the place of rows of other archives, in the same commit. With `anew` they replace those
        of the very same bytes instead, and are dropped where the table has another revision.
        """
        key = rows.file.key
        claimed = self._claims.get(key)
        if claimed is not None:
            if claimed.sha256 == rows.file.sha256:
                return
            raise TableError(f"Two revisions of {key} are in one commit.", hint="Commit the newer one only.")
        self._claims[key] = rows.file
        self._withdrawals += withdraws
        if anew:
            self._anew.add(key)
        self._buffer.append(rows)
        self._buffered_rows += rows.count
        if self._buffered_rows >= GROUP_ROWS:
            self._flush(self._take_whole_partitions())

    def commit(self) -> TableCommit:
        """Make everything visible in one commit; an archive that is already there is left alone.

        Raises:
            TableError: `retry.RACES` were all lost; nothing was committed.
        """
        self._flush(self._take())

        def attempt(number: int) -> TableCommit:
            try:
                return self._attempt(number)
            except UNKNOWN:
                self._outcome_unknown = True
                raise

        return retry_races(self._layout.name, attempt, self._look_again)

    def discard(self) -> None:
        """Remove the files that were written and not committed; not where a commit may have taken them after all."""
        if not self._outcome_unknown:
            remove_files(self._table, self._written)
        self._written.clear()

    def _take_whole_partitions(self) -> list[Rows]:
        """What is buffered but for the partition that is being filled, of which the rest may come; not where that is the most.

        One file for each partition is then the rule, where archives come in `SourceFile.build_order`.
        """
        filling = self._partition_of(self._buffer[-1].file)
        last = list(takewhile(lambda rows: self._partition_of(rows.file) == filling, reversed(self._buffer)))
        held_rows = sum(rows.count for rows in last)
        return self._take(len(last)) if held_rows < self._buffered_rows / 2 else self._take()

    def _take(self, but: int = 0) -> list[Rows]:
        """Everything that is buffered but for the last few."""
        count = len(self._buffer) - but
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        self._buffered_rows = sum(rows.count for rows in self._buffer)
        return taken

    def _partition_of(self, file: SourceFile) -> tuple[object, ...]:
        """The partition of an archive's first row."""
        by_day = any(isinstance(field.transform, DayTransform) for field in self._table.spec().fields)
        start = file.period_start
        return file.source, file.market, file.interval, start.year, start.month, start.day if by_day else 1

    def _flush(self, batches: list[Rows]) -> None:
        """Write rows of archives that the table does not have."""
        self._note_present([batch.file for batch in batches])
        missing = [batch for batch in batches if batch.count and not self._has(batch.file)]
        self._written += write_data_files(self._table, missing, self._ingested_at)

    def _has(self, file: SourceFile) -> bool:
        return file.sha256 in self._present[file.key] and file.key not in self._anew

    def _note_present(self, files: list[SourceFile]) -> None:
        for key, sha256 in find_present(self._table, self._layout, files, self._branch):
            self._present[key].add(sha256)

    def _look_again(self) -> None:
        """After a lost race: load what is there now, and drop from the written files what someone else has committed."""
        self._table = self._load()
        self._present.clear()
        self._note_present(list(self._claims.values()))
        if self._outcome_unknown and self._landed():
            self._written.clear()
            self._anew.clear()
            return
        self._drop(lambda source: source[0] not in self._anew and source[1] in self._present[source[0]])

    def _landed(self) -> bool:
        """True where the commit whose outcome was unknown stands: the table has files of ours."""
        ours = {written.path for written in self._written}
        scopes = _scopes(self._table, self._layout, self._claims.values())
        scan = self._table.scan(any_of(scopes), snapshot_id=self._snapshot_id())
        return any(task.file.file_path in ours for task in scan.plan_files())

    def _drop_what_is_there(self) -> None:
        """Drop archives that were to be put in place anew, and of which someone has committed another revision."""
        lost = {key for key in self._anew if self._present[key] - {self._claims[key].sha256}}
        if lost:
            self._anew -= lost
            self._claims = {key: file for key, file in self._claims.items() if key not in lost}
            self._drop(lambda source: source[0] in lost)

    def _drop(self, is_dropped: Callable[[SourceId], bool]) -> None:
        """Take the rows of these archives out of the written files."""
        kept: list[WrittenFile] = []
        for written in self._written:
            present = {source for source in written.sources if is_dropped(source)}
            if not present:
                kept.append(written)
                continue
            remaining = rewrite_without(self._table, written, present, self._ingested_at)
            if remaining is not None:
                kept.append(remaining)
            if not self._outcome_unknown:
                remove_files(self._table, [written])
        self._written = kept

    def _attempt(self, attempt: int) -> TableCommit:
        self._drop_what_is_there()
        again = [self._claims[key] for key in sorted(self._anew) if self._claims[key].sha256 in self._present[key]]
        stale = [file for file in self._claims.values() if self._present[file.key] - {file.sha256}]
        withdrawn = [withdrawal for withdrawal in self._withdrawals if self._present[withdrawal[0]]]
        rows = sum(written.row_count for written in self._written)
        if not stale and not again and not self._written:  # then what is withdrawn was so when these rows came
            return TableCommit(self._layout.name, self._snapshot_id(), 0, 0, 0, attempt)
        transaction = self._table.transaction()
        gone = [_older_revision(file, self._layout) for file in stale]
        gone += [_same_revision(file, self._layout) for file in again]
        gone += [_withdrawn_rows(withdrawal, self._layout) for withdrawal in withdrawn]
        if gone and self._has_rows(any_of(gone)):
            transaction.delete(any_of(gone), branch=self._branch)
        if self._written:
            with transaction.update_snapshot(branch=self._branch).fast_append() as append:
                for written in self._written:
                    append.append_data_file(written.data_file)
        try:
            self._table = transaction.commit_transaction()
        except (*LOST_RACE, *UNKNOWN):
            raise
        except BaseException:
            self._outcome_unknown = True
            raise
        files, self._written = len(self._written), []
        return TableCommit(self._layout.name, self._snapshot_id(), rows, files, len(stale) + len(again), attempt)

    def _has_rows(self, scope: BooleanExpression) -> bool:
        """False where rows of an archive are there, but none of this time any more: pyiceberg warns of deleting none."""
        scan = self._table.scan(scope, selected_fields=(SOURCE_KEY,), snapshot_id=self._snapshot_id(), limit=1)
        return bool(scan.to_arrow().num_rows)

    def _snapshot_id(self) -> int | None:
        snapshot = self._table.metadata.snapshot_by_name(self._branch)
        return None if snapshot is None else snapshot.snapshot_id


def find_present(table: Table, layout: TableLayout, files: Iterable[SourceFile], branch: str = MAIN_BRANCH) -> set[SourceId]:
    """Archives that have rows in the table, among others possibly: key and SHA-256 as the rows themselves say.

    Reads two columns of the data files that can hold rows of these partitions and times.
    """
    scopes = _scopes(table, layout, files)
    snapshot = table.metadata.snapshot_by_name(branch)
    if not scopes or snapshot is None:
        return set()
    paths = [task.file.file_path for task in table.scan(any_of(scopes), snapshot_id=snapshot.snapshot_id).plan_files()]
    with ThreadPoolExecutor(_READ_THREADS) as pool:
        return set().union(*pool.map(lambda path: _read_sources(table, path), paths))


def _read_sources(table: Table, path: str) -> set[SourceId]:
    columns = [SOURCE_KEY, SOURCE_SHA256]
    with table.io.new_input(path).open() as stream:
        rows = pq.read_table(stream, columns=columns, read_dictionary=columns)
    unique = rows.unify_dictionaries().combine_chunks().group_by(columns).aggregate([])
    return set(zip(*(unique[name].to_pylist() for name in columns), strict=True))


def _scopes(table: Table, layout: TableLayout, files: Iterable[SourceFile]) -> list[BooleanExpression]:
    """Where rows of these archives can lie: one span of time for each combination of identity partitions."""
    schema = table.schema()
    identities = [f.source_id for f in table.spec().fields if isinstance(f.transform, IdentityTransform)]
    names = [schema.find_column_name(field_id) or "" for field_id in identities]
    spans: dict[tuple[str, ...], tuple[datetime, datetime]] = {}
    for file in files:
        values = tuple(getattr(file, name) for name in names)
        start, end = spans.get(values, (file.period_start, file.period_end))
        spans[values] = (min(start, file.period_start), max(end, file.period_end))
    return [
        all_of([*map(equals, names, values), within(layout.row_time, start, end)]) for values, (start, end) in spans.items()
    ]


def _withdrawn_rows(withdrawal: Withdrawal, layout: TableLayout) -> BooleanExpression:
    key, start, end = withdrawal
    return all_of([equals(SOURCE_KEY, key), within(layout.row_time, start, end)])


def _same_revision(file: SourceFile, layout: TableLayout) -> BooleanExpression:
    """Rows of this archive that came from the same bytes."""
    return all_of(
        [
            equals(SOURCE_KEY, file.key),
            equals(SOURCE_SHA256, file.sha256),
            within(layout.row_time, file.period_start, file.period_end),
        ]
    )


def _older_revision(file: SourceFile, layout: TableLayout) -> BooleanExpression:
    """Rows of this archive that came from other bytes."""
    return all_of(
        [
            equals(SOURCE_KEY, file.key),
            differs(SOURCE_SHA256, file.sha256),
            within(layout.row_time, file.period_start, file.period_end),
        ]
    )
