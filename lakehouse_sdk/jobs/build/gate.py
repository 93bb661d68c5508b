"""Building through a gate: a batch lands on a branch, is judged, and is published as a whole or left with a reason.

Guarantee: until it is published nobody who reads `main` sees a row of it, and the ledger does not call its archives published.
Killed at any moment, the same call or `publish_batch` completes it.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.archives.ledger import Ledger, LedgerChange, LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, html_card
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.events import Observer, StageFinished, StageStarted, ignore_events
from lakehouse_sdk.jobs.build.check import to_archive
from lakehouse_sdk.jobs.build.outcome import read_short_days
from lakehouse_sdk.jobs.build.run import BuildReport, build_archives, build_tables, publish_ledger
from lakehouse_sdk.jobs.collect.report import ArchiveState, CollectedArchive, CollectReport
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    from lakehouse_sdk.tables import Gate, TableCatalog, TableScan
    from lakehouse_sdk.tables.iceberg.care.branches import BranchArchive


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What publishing a branch did.

    Attributes:
        branch: The branch, which is gone now.
        archives: Archives that it brought.
        forwarded: Tables whose `main` took the branch over as it was.
        built_again: Tables whose `main` had gone on meanwhile: there the archives were built anew on top of it.
    """

    branch: str
    archives: int
    forwarded: tuple[str, ...]
    built_again: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for a person."""
        again = f", {format_count(len(self.built_again))} were built again on the newer main" if self.built_again else ""
        taken = format_count(len(self.forwarded))
        return f"{format_count(self.archives)} archives of {self.branch} are published: {taken} tables took it over{again}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return html_card("Published", {"": self.summary}, tone="good")


def build_through_gate(
    collected: CollectReport,
    gate: Gate,
    *,
    settings: Settings | Session,
    rebuild: bool = False,
    observer: Observer = ignore_events,
) -> BuildReport:
    """As `build_tables`, on a branch of its own; `main` takes it over only where the gate lets it pass.

    The branch is named after the batch, so the same call goes on where it was. Raises as `build_tables`, and what the gate's
    check raises.
    """
    from lakehouse_sdk.tables import GateResult  # noqa: PLC0415 (loads Iceberg and Arrow)

    branch = name_branch(collected)
    with open_session(settings) as session:
        report = build_tables(collected, settings=session, rebuild=rebuild, branch=branch, observer=observer)
        if not report.files:
            return replace(report, gate=GateResult(branch, passed=True))
        reasons = gate.judge(report.commit, partial(_scan, session.catalog, branch))
        if not reasons:
            publish_batch(branch, settings=session, observer=observer)
            return replace(report, gate=GateResult(branch, passed=True))
        why = f"refused: {'; '.join(reasons)}"
        revisions = {item.archive.key: item.revision for item in collected.archives}
        refused = [
            LedgerChange(file.key, LedgerState.PARSED, why, revision=revisions.get(file.key))
            for file in report.files
            if not file.reason
        ]
        session.ledger.record(collected.source, refused)
        publish_ledger(session.ledger, session.catalog)
    return replace(report, gate=GateResult(branch, passed=False, reasons=reasons))


def publish_batch(branch: str, *, settings: Settings | Session, observer: Observer = ignore_events) -> PublishReport:
    """Bring a batch that waits on its branch to `main`, and take the branch away.

    Where nobody wrote to a table meanwhile, `main` becomes the branch in one commit. Where somebody did, the archives are
    built on top of what is there now, by the usual protocol: nothing is lost or doubled, and newer revisions stay.

    Raises:
        NotFoundError: No table has such a branch.
        Otherwise as `build_tables`; the branch stays then.
    """
    started = time.perf_counter()
    observer(StageStarted("publish", branch))
    with open_session(settings) as session:
        ledger, catalog = session.ledger, session.catalog
        tables = _check_branch(catalog, branch)
        archives = catalog.read_branch(branch)
        behind = catalog.forward_branch(branch)
        sources = sorted({archive.source for archive in archives})
        if behind:
            for source in sources:
                items = _to_items(ledger, source, archives)
                build_archives(source, items, settings=session, observer=observer)
        else:
            for source in sources:
                ledger.record(source, _to_changes(ledger, catalog, source, archives))
        catalog.drop_branch(branch)
        publish_ledger(ledger, catalog)
    forwarded = tuple(name for name in tables if name not in behind)
    report = PublishReport(branch, len(archives), forwarded, tuple(behind))
    observer(StageFinished("publish", time.perf_counter() - started, report.summary))
    return report


def discard_batch(branch: str, *, settings: Settings | Session) -> tuple[str, ...]:
    """Give up a batch that waits on its branch; full names of the tables that had it. Its files go when snapshots expire.

    The archives stay in bronze, and the next build takes them again.

    Raises:
        NotFoundError: No table has such a branch.
    """
    with open_session(settings) as session:
        tables = _check_branch(session.catalog, branch)
        session.catalog.drop_branch(branch)
    return tuple(tables)


def name_branch(collected: CollectReport) -> str:
    """The branch of a batch: the same for the same archives."""
    digest = hashlib.sha256()
    for item in sorted(collected.in_bronze, key=lambda item: item.archive.key):
        digest.update(f"{collected.source}\0{item.archive.key}\0{item.archive.etag}\0".encode("utf-8", "replace"))
    return f"batch-{digest.hexdigest()[:12]}"


def _scan(catalog: TableCatalog, branch: str, name: str) -> TableScan:
    """A table with the batch; one that the batch does not concern as it is."""
    table = catalog.table(name)
    return table.scan(as_of=branch if name in catalog.find_branch(branch) else None)


def _check_branch(catalog: TableCatalog, branch: str) -> list[str]:
    tables = catalog.find_branch(branch)
    if not tables:
        raise NotFoundError(f"No table has a branch {branch!r}.", hint="`lakehouse archives build` said its name.")
    return tables


def _to_items(ledger: Ledger, source: str, archives: list[BranchArchive]) -> list[CollectedArchive]:
    """The archives as bronze holds them now, which may be a newer revision."""
    keys = {archive.key for archive in archives if archive.source == source}
    entries = (ledger.find(source, key) for key in sorted(keys))
    return [
        CollectedArchive(
            to_archive(entry), ArchiveState.PRESENT, entry.sha256 or entry.published_sha256, revision=entry.revision
        )
        for entry in entries
        if entry is not None and entry.in_bronze
    ]


def _to_changes(ledger: Ledger, catalog: TableCatalog, source: str, archives: list[BranchArchive]) -> list[LedgerChange]:
    """Published from now on: the archives whose present revision the branch had."""
    changes = []
    days = read_short_days(catalog, source, {archive.key for archive in archives})
    for archive in archives:
        entry = ledger.find(source, archive.key) if archive.source == source and archive.defect is None else None
        if entry is not None and entry.in_bronze and archive.sha256 in {entry.sha256, entry.published_sha256}:
            short, state = days.get(archive.key), LedgerState.PUBLISHED
            changes.append(LedgerChange(archive.key, state, sha256=archive.sha256, revision=entry.revision, days=short))
    return changes
