"""Retention: archives leave bronze once their rows are in the tables; ledger, hashes and checksum files stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.archives import ArchiveQuery
from lakehouse_sdk.archives.ledger import Ledger, LedgerChange, LedgerEntry, LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_bytes, format_count, html_card
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.build.check import to_archive, to_source_file
from lakehouse_sdk.jobs.build.run import publish_ledger
from lakehouse_sdk.jobs.collect.bronze import bronze_key, find_in_bronze
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    from lakehouse_sdk.tables import TableCatalog

_AT_ONCE = 1000
"""Archives that are looked up, noted and deleted together."""


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What left bronze, or would.

    Attributes:
        source: Name of the connector.
        archives: Archives whose bytes went.
        size_bytes: Their size.
        not_in_tables: Archives of that age whose rows are not in the tables, so they stay.
        failed: Archives that the storage did not delete; the next run tries again.
        dry_run: True where nothing was changed.
    """

    source: str
    archives: int
    size_bytes: int
    not_in_tables: int
    failed: int
    dry_run: bool

    @property
    def summary(self) -> str:
        """One line for a person."""
        verb = "would leave bronze" if self.dry_run else "left bronze"
        stay = f"; {format_count(self.not_in_tables)} stay, their rows are not in the tables" if self.not_in_tables else ""
        failed = f"; {format_count(self.failed)} could not be deleted" if self.failed else ""
        return f"{format_count(self.archives)} archives ({format_bytes(self.size_bytes)}) {verb}{stay}{failed}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return html_card("Retention", {"": self.summary}, tone="warn" if self.failed else "")


def retain_bronze(
    query: ArchiveQuery,
    *,
    settings: Settings | Session,
    older_than: timedelta,
    source: str = "binance",
    dry_run: bool = False,
    observer: Observer = ignore_events,
) -> RetentionReport:
    """Remove the bytes of archives whose period ended so long ago and whose rows are in the tables.

    The ledger calls them `dropped` before the first byte goes, so that a run that is killed is completed by the next.
    Collections leave them alone unless asked with `restore`, or the source publishes other bytes; coverage and `load` count
    them as there. Rows stay as they are, and can no longer be built anew without collecting again.

    Args:
        query: Which archives, as in a discovery.
        settings: Where lake and catalogue are.
        older_than: Least time since the end of the archive's period.
        source: Name of the connector.
        dry_run: True to count only.
        observer: Told as stage `retain`.

    Raises:
        ConfigurationError: `catalog.uri` is not set: the ledger lives there.
        ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
    """
    started, before = time.perf_counter(), datetime.now(UTC) - older_than
    observer(StageStarted("retain", source))
    archives = size_bytes = not_in_tables = failed = 0
    with open_session(settings) as session:
        settings, ledger, catalog, client = session.settings, session.ledger, session.catalog, session.client
        entries = iter(list(_find_old(ledger, source, query, before)))
        while chunk := list(islice(entries, _AT_ONCE)):
            built = _find_built(catalog, chunk)
            not_in_tables += sum(entry.in_bronze and entry.key not in built for entry in chunk)
            wanted = [entry for entry in chunk if entry.state is LedgerState.DROPPED or entry.key in built]
            there = find_in_bronze(client, settings, map(to_archive, wanted))
            archives, size_bytes = archives + len(there), size_bytes + sum(info.size_bytes for info in there.values())
            if not dry_run:
                ledger.record(
                    source,
                    [
                        LedgerChange(entry.key, LedgerState.DROPPED, revision=entry.revision)
                        for entry in wanted
                        if entry.in_bronze
                    ],
                )
                keys = [bronze_key(settings, source, key) for key in there]
                for failure in client.delete_objects(settings.lake.bucket, keys):
                    failed += 1
                    observer(ObjectFailed("retain", failure.key, failure.message))
            observer(StageProgress("retain", archives, size_bytes, failed))
        if not dry_run:
            publish_ledger(ledger, catalog)
    report = RetentionReport(source, archives, size_bytes, not_in_tables, failed, dry_run)
    observer(StageFinished("retain", time.perf_counter() - started, report.summary, ok=not failed))
    return report


def _find_old(ledger: Ledger, source: str, query: ArchiveQuery, before: datetime) -> Iterator[LedgerEntry]:
    """Archives of that age that bronze holds, or may still hold after a run that was killed."""
    for entry in ledger.entries(source, query):
        if entry.is_held and entry.period_end <= before:
            yield entry


def _find_built(catalog: TableCatalog, entries: list[LedgerEntry]) -> set[str]:
    """Keys of the archives that ledger and tables both call built, with the very bytes that bronze holds."""
    files = [
        to_source_file(to_archive(entry), entry.sha256 or "")
        for entry in entries
        if entry.state is LedgerState.PUBLISHED and entry.sha256
    ]
    missing = {file.key for file in catalog.missing(files)}
    return {file.key for file in files} - missing
