"""Parse → validate → commit: collected archives from bronze into Iceberg tables.

Guarantee: every archive in bronze is accounted for, every row of it is accepted, duplicate or quarantined, and building the
same archives again changes no table. Memory is bounded by a few archives at a time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.archives.ledger import DayRows, Ledger, LedgerChange, LedgerEvent, LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, format_share, html_card, html_table
from lakehouse_sdk.errors import TableError
from lakehouse_sdk.events import Notice, ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.build.check import ArchiveChecker, gather_small
from lakehouse_sdk.jobs.build.outcome import find_alarm, find_short_days
from lakehouse_sdk.jobs.build.overlaps import Overlaps
from lakehouse_sdk.jobs.build.tails import Tails
from lakehouse_sdk.jobs.collect.report import CollectedArchive, CollectReport
from lakehouse_sdk.jobs.session import Session, open_session
from lakehouse_sdk.parallel import map_ordered

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, CommitReport, GateResult, Reconciliation, TableCatalog

Withdrawal = tuple[str, datetime, datetime]
_EVENTS_AT_ONCE = 50_000
"""Changes of the ledger in one commit."""
_READERS = 4
"""Groups of archives read and parsed at once: parsing leaves the interpreter lock, so two cores are busy while two requests
wait."""
_WINDOW_BYTES = 48 * 1024**2
"""Archives, as they are packed, that are taken ahead of the commit: rows in memory take about ten times as much."""
_TOLD_ALARMS = 5
"""Archives whose losses are told one by one."""
_SMALLEST_SHARE = _WINDOW_BYTES // (2 * _READERS)
"""What a group counts for at least, so that there are never more of them than keep the readers busy."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of some archives; `rows_in` = `accepted` + `duplicate` + `quarantined`."""

    rows_in: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.rows_in + other.rows_in,
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.quarantined + other.quarantined,
        )


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One archive after building.

    Attributes:
        key: The source's key.
        sha256: Hash of the bytes that were read from bronze.
        table: Table that took its accepted rows.
        rows: Its rows.
        reason: Why the archive as a whole could not be read; empty otherwise.
        alarm: What to look at where more than `quality.max_rejected_share` of its rows were rejected, or where it has other
            columns than the published ones; empty otherwise.
    """

    key: str
    sha256: str
    table: str
    rows: RowCounts
    reason: str = ""
    alarm: str = ""


@dataclass(frozen=True)
class BuildReport:
    """What building did.

    Attributes:
        files: Every archive that was built, in the order of the build.
        commit: What was committed to which table.
        seconds: Wall time.
        unchanged: Archives whose very bytes an earlier build put into the tables; they were not read again.
        reconciled: Monthly archives of which some days have archives of their own, and how far the two agree; the days' word
            stands.
        without_format: Archives of types that no table takes; they stay in bronze as they are.
        gate: What the gate said, where the build had one; a batch that did not pass is in no table but on its branch.
    """

    files: tuple[BuiltFile, ...]
    commit: CommitReport
    seconds: float
    unchanged: int = 0
    reconciled: tuple[Reconciliation, ...] = ()
    without_format: int = 0
    gate: GateResult | None = None

    def rows_by_table(self) -> dict[str, RowCounts]:
        """Rows of the archives that belong to each data table."""
        rows: dict[str, RowCounts] = defaultdict(RowCounts)
        for file in self.files:
            rows[file.table] += file.rows
        return dict(sorted(rows.items()))

    @property
    def rows(self) -> RowCounts:
        """Rows of all archives."""
        return sum((file.rows for file in self.files), RowCounts())

    @property
    def defective(self) -> tuple[BuiltFile, ...]:
        """The archives that could not be read at all."""
        return tuple(file for file in self.files if file.reason)

    @property
    def alarms(self) -> tuple[BuiltFile, ...]:
        """The archives that lost more of their rows than is usual; what was accepted of them is in the tables."""
        return tuple(file for file in self.files if file.alarm)

    def raise_for_losses(self) -> None:
        """Turn alarms into an error; an archive that its publisher broke is reported as unreadable and is none.

        Raises:
            TableError: Names the first of them and how many there are.
        """
        lost = self.alarms
        if lost:
            raise TableError(
                f"{format_count(len(lost))} of {format_count(len(self.files))} archives lost rows, first {lost[0].key}:"
                f" {lost[0].alarm}",
                hint="`lakehouse tables quarantine` shows the rows; after a fix `lakehouse tables replay` judges them again.",
            )

    @property
    def summary(self) -> str:
        """One line for a person."""
        rows = self.rows
        unchanged = f", {format_count(self.unchanged)} more unchanged" if self.unchanged else ""
        alarms = f"; {format_count(len(self.alarms))} archives lost unusually many rows" if self.alarms else ""
        left = f", {format_count(self.without_format)} without a table format" if self.without_format else ""
        return (
            f"{format_count(len(self.files))} archives ({len(self.defective)} unreadable): {format_count(rows.rows_in)} rows ="
            f" {format_count(rows.accepted)} accepted + {format_count(rows.duplicate)} duplicate +"
            f" {format_count(rows.quarantined)} quarantined; {format_share(self.commit.rows_flagged, rows.accepted)} flagged;"
            f" {format_count(self.commit.rows_written)} were new{unchanged}{left}{alarms}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": asdict(self.rows),
            "tables": {name: asdict(rows) for name, rows in self.rows_by_table().items()},
            "files": [asdict(file) for file in self.files],
            "unchanged": self.unchanged,
            "reconciled": [asdict(found) for found in self.reconciled],
            "without_format": self.without_format,
            "gate": None if self.gate is None else asdict(self.gate),
            "commit": self.commit.to_dict(),
            "seconds": self.seconds,
        }

    def _repr_html_(self) -> str:
        rows = [{"table": name, **asdict(counts)} for name, counts in self.rows_by_table().items()]
        archives = format_count(len(self.files))
        facts: dict[str, object] = {
            "archives": archives,
            "unreadable": len(self.defective),
            "unchanged": format_count(self.unchanged),
        }
        facts["rows flagged"] = format_share(self.commit.rows_flagged, self.commit.rows_accepted)
        if self.without_format:
            facts["without a table format"] = format_count(self.without_format)
        return html_card("Built tables", facts, html_table(rows))


def build_tables(
    collected: CollectReport,
    *,
    settings: Settings | Session,
    rebuild: bool = False,
    branch: str = "main",
    observer: Observer = ignore_events,
) -> BuildReport:
    """Build tables from the archives that a collection left in bronze; idempotent by archive key and SHA-256.

    The ledger learns what became of each, and `bronze.ledger` all of its changes so far. Archives of types that have no table
    format are left alone.

    Args:
        collected: From `collect`.
        settings: Where lake and catalogue are.
        rebuild: True to read also archives that the ledger calls published, for tables that lost rows.
        branch: Where the rows go in every table; the ledger calls archives published that are on `main`.
        observer: Told as stages `parse` and `commit`.

    Raises:
        ConfigurationError: No catalogue is set, or the extra `tables` is not installed.
        ConnectError, AccessError: Bronze cannot be read or the warehouse not written; nothing is visible in a table then.
        IntegrityError: An archive in bronze no longer has the SHA-256 it was verified with.
        TableError: A commit lost its race to other writers too often.
    """
    buildable = [item for item in collected.in_bronze if _has_format(item)]
    items = [item for item in buildable if rebuild or not item.published]
    report = build_archives(
        collected.source, items, settings=settings, terms_url=collected.terms_url, branch=branch, observer=observer
    )
    without_format = len(collected.in_bronze) - len(buildable)
    return replace(report, unchanged=len(buildable) - len(items), without_format=without_format)


def build_archives(
    source: str,
    items: Iterable[CollectedArchive],
    *,
    settings: Settings | Session,
    terms_url: str = "",
    branch: str = "main",
    observer: Observer = ignore_events,
) -> BuildReport:
    """Build tables from these archives of bronze, each of a type that has a table format; otherwise as `build_tables`."""
    started = time.perf_counter()
    with open_session(settings) as session, ThreadPoolExecutor(_READERS, "build") as pool:
        ledger, catalog = session.ledger, session.catalog
        checker = ArchiveChecker(source, session)
        builder = _Builder(source, session, checker, pool, branch, observer)
        report = builder.build(sorted(items, key=_build_order), started=started)
        if terms_url:
            catalog.note_terms({file.table for file in report.files if file.rows.accepted}, source, terms_url)
        publish_ledger(ledger, catalog)
    observer(StageFinished("commit", report.seconds, report.summary, ok=not report.defective))
    return report


class _Builder:
    """Reads, checks and commits the archives of one source."""

    def __init__(
        self,
        source: str,
        session: Session,
        checker: ArchiveChecker,
        pool: ThreadPoolExecutor,
        branch: str,
        observer: Observer,
    ) -> None:
        self._source = source
        self._ledger = session.ledger
        self._catalog = session.catalog
        self._limits = session.settings.quality
        self._tails = Tails(session.catalog, self._limits, ())
        self._checker = checker
        self._pool = pool
        self._branch = branch
        self._observer = observer
        self._revisions: dict[str, int] = {}
        self._files: list[BuiltFile] = []
        self._short: dict[str, tuple[DayRows, ...]] = {}
        self._withdrawals: list[Withdrawal] = []
        self._alarms = 0
        self._failed = 0  # counted as they come: counting them anew for each was quadratic
        self._reconciled: list[Reconciliation] = []

    def build(self, items: list[CollectedArchive], *, started: float) -> BuildReport:
        """Days first, then the months that hold some of them: which days can be read decides what is left of the month."""
        self._observer(StageStarted("parse", f"{len(items)} archives", total_objects=len(items)))
        self._revisions = {item.archive.key: item.revision for item in items}
        self._tails = Tails(self._catalog, self._limits, (item.archive for item in items))
        overlaps = Overlaps(self._ledger, (item.archive for item in items))
        months = [item for item in items if overlaps.find_days(item.archive)]
        held = {item.archive.key for item in months}
        others = gather_small(item for item in items if item.archive.key not in held)
        commit = self._commit(others, self._checker.check, overlaps)
        if months:  # by now the ledger knows which of the days could not be read
            again = Overlaps(self._ledger, (item.archive for item in months))
            commit += self._commit(([month] for month in months), self._check_month, again)
        self._tell_end(time.perf_counter() - started)
        seconds = time.perf_counter() - started
        return BuildReport(tuple(self._files), commit, seconds, reconciled=tuple(self._reconciled))

    def _commit(
        self,
        groups: Iterable[list[CollectedArchive]],
        check: Callable[[Sequence[CollectedArchive], Overlaps], list[CheckedBatch]],
        overlaps: Overlaps,
    ) -> CommitReport:
        before = len(self._files)
        batches = map_ordered(
            self._pool,
            lambda items: check(items, overlaps),
            groups,
            window=_WINDOW_BYTES,
            weigh=lambda items: max(sum(item.archive.size_bytes for item in items), _SMALLEST_SHARE),
        )
        try:
            commit = self._catalog.commit((self._note(batch) for batch in chain.from_iterable(batches)), self._branch)
        except BaseException:
            self._ledger.record(self._source, _changes(self._files[before:], LedgerState.PARSED, self._revisions))
            raise
        if self._branch != "main":
            self._ledger.record(self._source, _changes(self._files[before:], LedgerState.PARSED, self._revisions))
            return commit
        changes = _changes(self._files[before:], LedgerState.PUBLISHED, self._revisions)
        self._ledger.record(self._source, [replace(change, days=self._short.get(change.key)) for change in changes])
        for withdrawal in self._withdrawals:
            self._ledger.withdraw_days(self._source, *withdrawal)
        self._withdrawals.clear()
        return commit

    def _check_month(self, items: Sequence[CollectedArchive], overlaps: Overlaps) -> list[CheckedBatch]:
        (item,) = items
        month, found = self._checker.check_month(item, overlaps)
        if found is not None:
            self._reconciled.append(found)
        return [month]

    def _note(self, batch: CheckedBatch) -> CheckedBatch:
        """Pass a batch on to the commit while noting what its archive holds, and how it follows on the one before."""
        batch = self._tails.judge(batch)
        rows = RowCounts(batch.rows_in, batch.rows_accepted, batch.rows_duplicate, batch.rows_quarantined)
        reason = f"{batch.defect.reason}: {batch.defect.detail}" if batch.defect else ""
        if reason:
            self._failed += 1
            self._observer(ObjectFailed("parse", batch.file.key, reason))
        alarm = find_alarm(batch, self._limits.max_rejected_share)
        if alarm:
            self._alarms += 1
            if self._alarms <= _TOLD_ALARMS:
                more = "; further archives are in the report" if self._alarms == _TOLD_ALARMS else ""
                self._observer(Notice("parse", f"{batch.file.key}: {alarm}{more}"))
        if batch.defect is None:
            self._short[batch.file.key] = find_short_days(batch)
            self._withdrawals += batch.withdraws
        self._files.append(BuiltFile(batch.file.key, batch.file.sha256, batch.table, rows, reason, alarm))
        self._observer(StageProgress("parse", len(self._files), failed_objects=self._failed, note=batch.file.key))
        return batch

    def _tell_end(self, seconds: float) -> None:
        rows = sum((file.rows for file in self._files), RowCounts())
        failed = self._failed
        summary = (
            f"{format_count(rows.rows_in)} rows, {format_count(rows.quarantined)} quarantined, {failed} archives unreadable"
        )
        self._observer(StageFinished("parse", seconds, summary, ok=not failed))
        self._observer(StageStarted("commit", f"{format_count(rows.accepted)} rows"))


def publish_ledger(ledger: Ledger, catalog: TableCatalog) -> int:
    """Append all changes of the ledger that it still has to `bronze.ledger`, and let it forget them; returns how many.

    Killed in between, the next call appends the rest: changes that the table has are left out.
    """
    told = 0
    ledger_id = ledger.ledger_id
    while events := ledger.take_events(_EVENTS_AT_ONCE):
        told += catalog.append_ledger(ledger_id, [_event_row(ledger_id, event) for event in events])
        ledger.drop_events(events[-1].event_id)
    return told


def _event_row(ledger_id: str, event: LedgerEvent) -> dict[str, object]:
    entry = event.entry
    values = {field.name: getattr(entry, field.name) for field in fields(entry)}
    return {**values, "ledger_id": ledger_id, "event_id": event.event_id, "at": event.at, "state": entry.state.value}


def _changes(files: list[BuiltFile], state: LedgerState, revisions: Mapping[str, int]) -> list[LedgerChange]:
    return [
        LedgerChange(file.key, LedgerState.QUARANTINED, file.reason, revision=revisions.get(file.key))
        if file.reason
        else LedgerChange(file.key, state, sha256=file.sha256, revision=revisions.get(file.key))
        for file in files
    ]


def _has_format(item: CollectedArchive) -> bool:
    from lakehouse_sdk.tables import find_format  # noqa: PLC0415 (loads Iceberg and Arrow)

    return find_format(item.archive.source, item.archive.market, item.archive.data_type) is not None


def _build_order(item: CollectedArchive) -> tuple[Any, ...]:
    """Archives that share a partition follow each other, so that few, large data files are written."""
    archive = item.archive
    return (archive.data_type, archive.source, archive.market, archive.interval or "", archive.period_start, archive.symbol)
