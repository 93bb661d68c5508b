"""Parse → validate → commit: collected archives from bronze into Iceberg tables.

Guarantee: every archive in bronze is accounted for, every row of it is accepted, duplicate or quarantined, and building the
same archives again changes no table. Memory is bounded by a few archives at a time.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.bronze import bronze_key
from lakehouse_sdk.jobs.collection import CollectedArchive, CollectReport
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, CommitReport

_READERS = 4
"""Archives read and parsed at once: parsing leaves the interpreter lock, so two cores are busy while two requests wait."""


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
    """

    key: str
    sha256: str
    table: str
    rows: RowCounts
    reason: str = ""


@dataclass(frozen=True)
class BuildReport:
    """What building did.

    Attributes:
        files: Every archive that was in bronze, in the order of the build.
        commit: What was committed to which table.
        seconds: Wall time.
    """

    files: tuple[BuiltFile, ...]
    commit: CommitReport
    seconds: float

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
    def summary(self) -> str:
        """One line for a person."""
        rows = self.rows
        return (
            f"{format_count(len(self.files))} archives ({len(self.defective)} unreadable): {format_count(rows.rows_in)} rows ="
            f" {format_count(rows.accepted)} accepted + {format_count(rows.duplicate)} duplicate +"
            f" {format_count(rows.quarantined)} quarantined; {format_count(self.commit.rows_written)} were new"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rows": asdict(self.rows),
            "tables": {name: asdict(rows) for name, rows in self.rows_by_table().items()},
            "files": [asdict(file) for file in self.files],
            "commit": self.commit.to_dict(),
            "seconds": self.seconds,
        }

    def _repr_html_(self) -> str:
        rows = [{"table": name, **asdict(counts)} for name, counts in self.rows_by_table().items()]
        facts = {"archives": format_count(len(self.files)), "unreadable": len(self.defective)}
        return html_card("Built tables", facts, html_table(rows))


def build_tables(collected: CollectReport, *, settings: Settings, observer: Observer = ignore_events) -> BuildReport:
    """Build tables from the archives that a collection left in bronze; idempotent by archive key and SHA-256.

    Raises:
        ConfigurationError: No catalogue is set, or the extra `tables` is not installed.
        ConnectError, AccessError: Bronze cannot be read or the warehouse not written; nothing is visible in a table then.
        IntegrityError: An archive in bronze no longer has the SHA-256 it was verified with.
        TableError: A commit lost its race to other writers too often.
    """
    from lakehouse_sdk.tables import open_catalog  # noqa: PLC0415 (loads Iceberg and Arrow)

    started = time.perf_counter()
    items = sorted(collected.in_bronze, key=_build_order)
    files: list[BuiltFile] = []
    with S3Client(settings.storage, max_connections=_READERS) as client, ThreadPoolExecutor(_READERS, "build") as pool:

        def load(item: CollectedArchive) -> CheckedBatch:
            return check_archive(
                client.get_bytes(settings.lake.bucket, bronze_key(settings, collected.source, item.archive.key)), item
            )

        batches = map_ordered(pool, load, items, window=2 * _READERS)
        commit = open_catalog(settings).commit(_counted(batches, len(items), files, observer))
    seconds = time.perf_counter() - started
    report = BuildReport(tuple(files), commit, seconds)
    observer(StageFinished("commit", seconds, report.summary, ok=not report.defective))
    return report


def check_archive(data: bytes, item: CollectedArchive) -> CheckedBatch:
    """Parse and validate the bytes of one archive; pure, so that threads and processes can run it.

    Raises:
        IntegrityError: The bytes do not have the SHA-256 that the source published.
    """
    from lakehouse_sdk.tables import SourceFile, parse_archive, validate  # noqa: PLC0415 (loads polars and Arrow)

    archive = item.archive
    file = SourceFile(
        archive.source,
        archive.market,
        archive.data_type,
        archive.symbol,
        archive.interval,
        archive.period_start,
        archive.period_end,
        archive.key,
        item.sha256 or hashlib.sha256(data).hexdigest(),
    )
    return validate(parse_archive(data, file))


def _counted(batches: Iterator[CheckedBatch], total: int, files: list[BuiltFile], observer: Observer) -> Iterator[CheckedBatch]:
    """Pass batches on to the commit while noting what each archive holds."""
    started = time.perf_counter()
    observer(StageStarted("parse", f"{total} archives", total_objects=total))
    failed = 0
    for done, batch in enumerate(batches, 1):
        rows = RowCounts(batch.rows_in, batch.rows_accepted, batch.rows_duplicate, batch.rows_quarantined)
        reason = f"{batch.defect.reason}: {batch.defect.detail}" if batch.defect else ""
        if reason:
            failed += 1
            observer(ObjectFailed("parse", batch.file.key, reason))
        files.append(BuiltFile(batch.file.key, batch.file.sha256, batch.table, rows, reason))
        observer(StageProgress("parse", done, failed_objects=failed, note=batch.file.key))
        yield batch
    rows = sum((file.rows for file in files), RowCounts())
    summary = f"{format_count(rows.rows_in)} rows, {format_count(rows.quarantined)} quarantined, {failed} archives unreadable"
    observer(StageFinished("parse", time.perf_counter() - started, summary, ok=not failed))
    observer(StageStarted("commit", f"{format_count(rows.accepted)} rows"))


def _build_order(item: CollectedArchive) -> tuple[Any, ...]:
    """Archives that share a partition follow each other, so that few, large data files are written."""
    archive = item.archive
    return (archive.data_type, archive.source, archive.market, archive.interval or "", archive.period_start, archive.symbol)
