"""Quarantine replay: archives with rejected rows judged again by today's rules, from the bytes in bronze.

Guarantee: an archive whose outcome changed is put in place anew in all tables, each row once, however many replays run and
wherever one is killed: the next call with the same arguments does the rest. One whose outcome is the same is not touched.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse_sdk.archives.ledger import Ledger, LedgerChange, LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.errors import IntegrityError, NotFoundError
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.build.check import ArchiveChecker, to_item
from lakehouse_sdk.jobs.build.outcome import find_short_days
from lakehouse_sdk.jobs.build.overlaps import Overlaps
from lakehouse_sdk.jobs.build.tails import Tails
from lakehouse_sdk.jobs.collect.report import CollectedArchive
from lakehouse_sdk.jobs.session import Session, open_session
from lakehouse_sdk.parallel import map_ordered

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, CommitReport, QuarantinedArchive, TableCatalog

_READERS = 4


@dataclass(frozen=True, slots=True)
class ReplayedArchive:
    """One archive after a replay.

    Attributes:
        source: Publisher; empty where nobody knows the archive.
        key: Its key.
        outcome: `replaced`, `unchanged`, or `skipped` where it could not be judged again.
        quarantined_before: Its rows in quarantine until now.
        quarantined_after: Its rows in quarantine from now on.
        reason: Why it was skipped, and what to do; empty otherwise.
    """

    source: str
    key: str
    outcome: Literal["replaced", "unchanged", "skipped"]
    quarantined_before: int
    quarantined_after: int
    reason: str = ""


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        archives: Every archive that was meant, by source and key.
        commit: What was committed to which table.
        seconds: Wall time.
    """

    archives: tuple[ReplayedArchive, ...]
    commit: CommitReport
    seconds: float

    def with_outcome(self, outcome: str) -> tuple[ReplayedArchive, ...]:
        """The archives with this outcome."""
        return tuple(archive for archive in self.archives if archive.outcome == outcome)

    @property
    def summary(self) -> str:
        """One line for a person."""
        before = sum(archive.quarantined_before for archive in self.archives)
        after = sum(archive.quarantined_after for archive in self.archives)
        counts = {outcome: len(self.with_outcome(outcome)) for outcome in ("replaced", "unchanged", "skipped")}
        said = ", ".join(f"{format_count(count)} {outcome}" for outcome, count in counts.items())
        rows = f"{format_count(before)} → {format_count(after)} rows in quarantine"
        return f"{format_count(len(self.archives))} archives: {said}; {rows}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        archives = [asdict(archive) for archive in self.archives]
        return {"archives": archives, "commit": self.commit.to_dict(), "seconds": self.seconds}

    def _repr_html_(self) -> str:
        facts = {outcome: len(self.with_outcome(outcome)) for outcome in ("replaced", "unchanged", "skipped")}
        tone = "warn" if facts["skipped"] else "good"
        return str(html_card("Replayed archives", facts, html_table([asdict(archive) for archive in self.archives]), tone=tone))


def replay_archives(
    *,
    settings: Settings | Session,
    source: str | None = None,
    rule: str | None = None,
    keys: Collection[str] | None = None,
    observer: Observer = ignore_events,
) -> ReplayReport:
    """Judge archives again that have rows in quarantine, or that are named, and put those in place whose outcome changed.

    Args:
        settings: Where lake and catalogue are; `quality` has the thresholds.
        source: Publisher; None for all.
        rule: Only archives with a row that was rejected for this rule.
        keys: Only these archives; without `rule` also those without a row in quarantine, for flags and counts.
        observer: Told as stages `parse` and `commit`.

    Raises:
        ConfigurationError: No catalogue is set.
        ConnectError, AccessError: Bronze cannot be read or the warehouse not written.
        TableError: A commit lost its race to other writers too often.
    """
    from lakehouse_sdk.tables import CommitReport, find_replayable  # noqa: PLC0415 (loads Iceberg and Arrow)

    started = time.perf_counter()
    with open_session(settings) as session, ThreadPoolExecutor(_READERS, "replay") as pool:
        ledger, catalog = session.ledger, session.catalog
        found = find_replayable(catalog, source=source, rule=rule, keys=keys)
        observer(StageStarted("parse", f"{len(found)} archives", total_objects=len(found)))
        done = [
            ReplayedArchive("", key, "skipped", 0, 0, "Nothing was ever built of it: collect and build it.")
            for key in sorted(set(keys or ()) - {archive.key for archive in found})
            if rule is None
        ]
        commit = CommitReport()
        for name in sorted({archive.source for archive in found}):
            own = [archive for archive in found if archive.source == name]
            replay = _Replay(ledger, catalog, ArchiveChecker(name, session), pool, observer)
            commit += replay.run(own)
            done += replay.done
    report = ReplayReport(
        tuple(sorted(done, key=lambda archive: (archive.source, archive.key))), commit, time.perf_counter() - started
    )
    observer(StageFinished("parse", report.seconds, report.summary, ok=not report.with_outcome("skipped")))
    return report


class _Replay:
    """The replay of archives of one source."""

    def __init__(
        self, ledger: Ledger, catalog: TableCatalog, checker: ArchiveChecker, pool: ThreadPoolExecutor, observer: Observer
    ) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._checker = checker
        self._pool = pool
        self._observer = observer
        self.done: list[ReplayedArchive] = []
        self._built: list[tuple[str, LedgerChange, tuple[tuple[str, datetime, datetime], ...]]] = []
        self._failed = 0

    def run(self, archives: list[QuarantinedArchive]) -> CommitReport:
        """Days first, then the months that hold some of them, as they were built."""
        from lakehouse_sdk.tables import CommitReport  # noqa: PLC0415 (loads Iceberg and Arrow)

        items = [(archive, item) for archive in archives if (item := self._find(archive)) is not None]
        overlaps = Overlaps(self._ledger, (item.archive for _, item in items))
        commit = CommitReport()
        for months in (False, True):
            chosen = [(archive, item) for archive, item in items if bool(overlaps.find_days(item.archive)) is months]
            if chosen:
                commit += self._catalog.commit(self._changed(chosen, overlaps), anew=True)
                self._tell_ledger()
        return commit

    def _tell_ledger(self) -> None:
        """What the archives gave of each day from now on."""
        built, self._built = self._built, []
        for source, change, withdrawals in built:
            self._ledger.record(source, [change])
            for withdrawal in withdrawals:
                self._ledger.withdraw_days(source, *withdrawal)

    def _find(self, archive: QuarantinedArchive) -> CollectedArchive | None:
        """The archive as bronze has it, where it has the very bytes that were judged."""
        entry = self._ledger.find(archive.source, archive.key)
        if entry is None:
            self._skip(archive, "The ledger does not know it: a file of your own is ingested again.")
        elif not entry.in_bronze:
            self._skip(archive, f"It is {entry.state.value}, not in bronze: collect it.")
        elif entry.sha256 is not None and entry.sha256 != archive.sha256:
            self._skip(archive, "Bronze has other bytes by now: build them.")
        else:
            return to_item(entry)
        return None

    def _changed(self, items: list[tuple[QuarantinedArchive, CollectedArchive]], overlaps: Overlaps) -> Iterator[CheckedBatch]:
        """Batches that say something else than the tables do."""

        def judge(pair: tuple[QuarantinedArchive, CollectedArchive]) -> tuple[QuarantinedArchive, CheckedBatch | str, bool]:
            from lakehouse_sdk.tables import holds  # noqa: PLC0415 (loads Iceberg and Arrow)

            archive, item = pair
            try:
                if overlaps.find_days(item.archive):
                    batch, _ = self._checker.check_month(item, overlaps)
                else:
                    (batch,) = self._checker.check([item], overlaps)
            except NotFoundError:
                return archive, "Bronze no longer has its bytes: collect it again.", False
            except IntegrityError as error:
                return archive, str(error), False
            batch = Tails(self._catalog, self._checker.limits, [item.archive]).judge(batch)
            return archive, batch, holds(self._catalog, batch)

        revisions = {item.archive.key: item.revision for _, item in items}
        for archive, batch, is_held in map_ordered(self._pool, judge, items, window=2 * _READERS):
            if isinstance(batch, str):
                self._skip(archive, batch)
                continue
            before, after = sum(archive.rejects.values()), batch.rows_quarantined
            self._note(ReplayedArchive(archive.source, archive.key, "unchanged" if is_held else "replaced", before, after))
            if not is_held:
                if batch.defect is None:
                    file, days = batch.file, find_short_days(batch)
                    revision = revisions[file.key]
                    change = LedgerChange(file.key, LedgerState.PUBLISHED, sha256=file.sha256, revision=revision, days=days)
                    self._built.append((file.source, change, batch.withdraws))
                yield batch

    def _skip(self, archive: QuarantinedArchive, reason: str) -> None:
        rows = sum(archive.rejects.values())
        self._note(ReplayedArchive(archive.source, archive.key, "skipped", rows, rows, reason))

    def _note(self, archive: ReplayedArchive) -> None:
        self.done.append(archive)
        self._failed += archive.outcome == "skipped"
        self._observer(StageProgress("parse", len(self.done), failed_objects=self._failed, note=archive.key))
