"""Archives of bronze, read, parsed and judged; what a day and its month say of the same rows is settled here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.archives.instruments import read_symbol
from lakehouse_sdk.archives.ledger import LedgerEntry
from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.jobs.build.overlaps import Overlaps
from lakehouse_sdk.jobs.collect.bronze import bronze_key
from lakehouse_sdk.jobs.collect.report import ArchiveState, CollectedArchive
from lakehouse_sdk.jobs.session import Session

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, Reconciliation, SourceFile


_TOGETHER = 64
"""Most archives that are checked at once."""
_TOGETHER_BYTES = 1024**2
"""Packed bytes that are checked at once where there are several: some ten thousand rows, and little beside the buffers."""


class ArchiveChecker:
    """Reads and judges archives of one source; may be used from several threads.

    Args:
        source: The source.
        session: Where bronze, the tables and the thresholds of the rules are.
        client: Requests to bronze.
        catalog: Says which tables hold decimals.
    """

    def __init__(self, source: str, session: Session) -> None:
        settings, client, catalog = session.settings, session.client, session.catalog
        self._source = source
        self._settings = settings
        self._client = client
        self._is_exact = cache(lambda table: table in catalog.find_exact([table]))

    def read(self, items: Sequence[CollectedArchive]) -> list[CheckedBatch]:
        """Archives of one data type as they are in bronze, each judged by itself.

        Raises:
            IntegrityError: The bytes of one do not have the SHA-256 that it was verified with.
        """
        from lakehouse_sdk.tables import get_format  # noqa: PLC0415 (loads polars)

        if not items:
            return []
        first = items[0].archive
        table = get_format(first.source, first.market, first.data_type).table
        found = [(self._get(item), item) for item in items]
        return check_collected(found, self._settings.quality, exact=self._is_exact(table))

    def _get(self, item: CollectedArchive) -> bytes:
        return self._client.get_bytes(self._settings.lake.bucket, bronze_key(self._settings, self._source, item.archive.key))

    def check(self, items: Sequence[CollectedArchive], overlaps: Overlaps) -> list[CheckedBatch]:
        """Archives of one data type; a day takes the place of what a month says of it."""
        return [self._withdraw(batch, item, overlaps) for batch, item in zip(self.read(items), items, strict=True)]

    def _withdraw(self, batch: CheckedBatch, item: CollectedArchive, overlaps: Overlaps) -> CheckedBatch:
        month = overlaps.find_month(item.archive)
        if month is None or batch.defect is not None:
            return batch
        return replace(batch, withdraws=((month.key, batch.file.period_start, batch.file.period_end),))

    def check_month(self, item: CollectedArchive, overlaps: Overlaps) -> tuple[CheckedBatch, Reconciliation | None]:
        """One monthly archive without the rows of days that have an archive of their own, and how far the two agree."""
        from lakehouse_sdk.tables import drop_covered_days  # noqa: PLC0415 (loads polars)

        (month,) = self.read([item])
        entries = overlaps.find_days(item.archive)
        readable = [day for day in self.read([to_item(entry) for entry in entries if entry.in_bronze]) if day.defect is None]
        dropped = [(entry.period_start, entry.period_end) for entry in entries if not entry.in_bronze]
        if month.defect is not None or not (readable or dropped):
            return month, None
        return drop_covered_days(month, readable, dropped)


def gather_small(items: Iterable[CollectedArchive]) -> Iterator[list[CollectedArchive]]:
    """Neighbours that are quicker checked together, by the dozen; large archives come alone."""
    held: list[CollectedArchive] = []
    held_bytes = 0
    for item in items:
        held_bytes += item.archive.size_bytes
        is_other = bool(held) and _series(item) != _series(held[0])
        if held and (is_other or held_bytes > _TOGETHER_BYTES or len(held) == _TOGETHER):
            yield held
            held, held_bytes = [], item.archive.size_bytes
        held.append(item)
    if held:
        yield held


def _series(item: CollectedArchive) -> tuple[str, str, str, str | None]:
    return item.archive.source, item.archive.market, item.archive.data_type, item.archive.interval


def check_collected(
    archives: Sequence[tuple[bytes, CollectedArchive]], limits: QualitySettings, *, exact: bool = False
) -> list[CheckedBatch]:
    """Parse and validate the bytes of archives; pure, so that threads and processes can run it.

    Args:
        archives: The bytes of each, and what it is.
        limits: Thresholds of the rules.
        exact: True for a table that holds decimals.

    Raises:
        IntegrityError: The bytes of one do not have the SHA-256 that the source published.
    """
    from lakehouse_sdk.tables import check_archives  # noqa: PLC0415 (loads polars and Arrow)

    files = [to_source_file(item.archive, item.sha256 or hashlib.sha256(data).hexdigest()) for data, item in archives]
    return check_archives([(data, file) for (data, _), file in zip(archives, files, strict=True)], limits, exact=exact)


def to_source_file(archive: ArchiveObject, sha256: str) -> SourceFile:
    """The archive as the tables name it."""
    from lakehouse_sdk.tables import SourceFile  # noqa: PLC0415 (loads polars and Arrow)

    return SourceFile(
        archive.source,
        archive.market,
        archive.data_type,
        archive.symbol,
        archive.interval,
        archive.period_start,
        archive.period_end,
        archive.key,
        sha256,
        read_symbol(archive.source, archive.market, archive.symbol).canonical or None,
    )


def to_archive(entry: LedgerEntry) -> ArchiveObject:
    """An archive of bronze as the ledger knows it."""
    names = {field.name for field in fields(ArchiveObject)} & {field.name for field in fields(LedgerEntry)}
    return ArchiveObject(**{name: getattr(entry, name) for name in names}, checksum_key=None)


def to_item(entry: LedgerEntry) -> CollectedArchive:
    """An archive of bronze as the ledger knows it, as a collection would report it."""
    return CollectedArchive(to_archive(entry), ArchiveState.PRESENT, entry.sha256)
