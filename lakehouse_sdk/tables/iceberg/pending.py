"""What one call of `TableCatalog.commit` does: the rows of its archives and the books about them, table after table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH

from lakehouse_sdk.tables.iceberg.books import Entry, day_rows, make_entry, quality_rows, quarantine_rows
from lakehouse_sdk.tables.iceberg.commit import PendingTable, Withdrawal
from lakehouse_sdk.tables.iceberg.datafiles import Rows
from lakehouse_sdk.tables.iceberg.report import CommitReport, DefectiveArchive, TableCommit
from lakehouse_sdk.tables.layout.schemas import LAYOUTS, QUALITY, QUALITY_DAYS, QUARANTINE, TableLayout

if TYPE_CHECKING:
    from lakehouse_sdk.tables.judge.validation import CheckedBatch

_BOOKS = (QUALITY_DAYS, QUARANTINE, QUALITY)
"""In the order of their commits."""
_BOOKS_ANEW = (QUALITY_DAYS, QUALITY, QUARANTINE)
"""The same for archives that are put in place anew."""
_ENTRIES_AT_ONCE = 500
"""Archives of which the books are written together."""


def commit_order(name: str, books: Sequence[str] = _BOOKS) -> tuple[int, str]:
    """What tables are sorted by before they are committed one after the other: data first, then the books."""
    return (books.index(name) if name in books else -1, name)


class PendingCommit:
    """Nothing is visible before `commit`; `discard` removes what was written by then.

    Args:
        load: Loads the table of a layout as it is now, with the branch, creating both where needed.
        branch: Where the rows go in every table.
        anew: True to put archives in place of their own rows.
    """

    def __init__(self, load: Callable[[TableLayout], Table], branch: str = MAIN_BRANCH, *, anew: bool = False) -> None:
        self._load = load
        self._branch = branch
        self._is_anew = anew
        self._tables: dict[str, PendingTable] = {}
        self._entries: list[Entry] = []
        self._totals = _Totals()
        self._started = time.perf_counter()
        self._ingested_at = datetime.now(UTC)

    def add(self, batch: CheckedBatch) -> None:
        """Take one archive: an archive that could not be read is in the books and leaves the rows of its table alone."""
        self._totals.add(batch)
        if batch.defect is None:
            accepted = Rows(batch.scope, batch.accepted, 0, batch.rows_accepted)
            self._add(batch.layout or LAYOUTS[batch.table], accepted, batch.withdraws)
        self._add(LAYOUTS[QUARANTINE], Rows(batch.file, quarantine_rows(batch), 0, batch.rows_quarantined))
        self._entries.append(make_entry(batch))
        if len(self._entries) == _ENTRIES_AT_ONCE:
            self._enter()

    def commit(self) -> CommitReport:
        """Make everything visible, one commit for each table; raises as `PendingTable.commit`."""
        self._enter()
        books = _BOOKS_ANEW if self._is_anew else _BOOKS
        tables = tuple(self._tables[name].commit() for name in sorted(self._tables, key=partial(commit_order, books=books)))
        return self._totals.report(tables=tables, seconds=time.perf_counter() - self._started)

    def discard(self) -> None:
        """Remove the files of tables that are not committed."""
        for table in self._tables.values():
            table.discard()

    def _enter(self) -> None:
        """Write the books about the archives so far."""
        days, quality, days_before = day_rows(self._entries), quality_rows(self._entries), 0
        for number, entry in enumerate(self._entries):
            if entry.days is not None:
                rows = Rows(entry.scope, days, days_before, len(entry.days))
                self._add(LAYOUTS[QUALITY_DAYS], rows, entry.withdraws)
                days_before += rows.count
            self._add(LAYOUTS[QUALITY], Rows(entry.file, quality, number, 1))
        self._entries.clear()

    def _add(self, layout: TableLayout, rows: Rows, withdraws: Sequence[Withdrawal] = ()) -> None:
        if layout.name not in self._tables:
            load = partial(self._load, layout)
            self._tables[layout.name] = PendingTable(load, layout, self._ingested_at, self._branch)
        self._tables[layout.name].add(rows, withdraws, anew=self._is_anew)


class _Totals:
    """Sums over the batches of one commit."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._flags: Counter[str] = Counter()
        self._defects: list[DefectiveArchive] = []

    def add(self, batch: CheckedBatch) -> None:
        """Count one archive."""
        self._counts.update(
            archives=1,
            rows_in=batch.rows_in,
            rows_accepted=batch.rows_accepted,
            rows_duplicate=batch.rows_duplicate,
            rows_quarantined=batch.rows_quarantined,
            rows_flagged=batch.rows_flagged,
            numbers_rounded=batch.numbers_rounded,
        )
        self._rejects.update(batch.rejects)
        self._flags.update(batch.flags)
        if batch.defect is not None:
            self._defects.append(DefectiveArchive(batch.file.key, batch.defect.reason, batch.defect.detail))

    def report(self, *, tables: tuple[TableCommit, ...], seconds: float) -> CommitReport:
        """The sums with what became of them."""
        return CommitReport(
            **self._counts,
            rejects=dict(sorted(self._rejects.items())),
            flags=dict(sorted(self._flags.items())),
            defects=tuple(self._defects),
            tables=tables,
            seconds=seconds,
        )
