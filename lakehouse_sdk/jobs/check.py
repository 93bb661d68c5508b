"""Archives of bronze, read, parsed and judged; what a day and its month say of the same rows is settled here."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.archives.instruments import read_symbol
from lakehouse_sdk.archives.ledger import LedgerEntry
from lakehouse_sdk.config import QualitySettings, Settings
from lakehouse_sdk.jobs.bronze import bronze_key
from lakehouse_sdk.jobs.collection import ArchiveState, CollectedArchive
from lakehouse_sdk.jobs.overlaps import Overlaps
from lakehouse_sdk.storage import S3Client

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, Reconciliation, SourceFile, TableCatalog


class ArchiveChecker:
    """Reads and judges archives of one source; may be used from several threads.

    Args:
        source: The source.
        settings: Where bronze is, and the thresholds of the rules.
        client: Requests to bronze.
        catalog: Says which tables hold decimals.
    """

    def __init__(self, source: str, settings: Settings, client: S3Client, catalog: TableCatalog) -> None:
        self._source = source
        self._settings = settings
        self._client = client
        self._is_exact = cache(lambda table: table in catalog.find_exact([table]))

    def read(self, item: CollectedArchive) -> CheckedBatch:
        """One archive as it is in bronze, judged by itself.

        Raises:
            IntegrityError: Its bytes do not have the SHA-256 that it was verified with.
        """
        from lakehouse_sdk.tables import get_format  # noqa: PLC0415 (loads polars)

        archive = item.archive
        data = self._client.get_bytes(self._settings.lake.bucket, bronze_key(self._settings, self._source, archive.key))
        table = get_format(archive.source, archive.market, archive.data_type).table
        return check_archive(data, item, self._settings.quality, exact=self._is_exact(table))

    def check(self, item: CollectedArchive, overlaps: Overlaps) -> CheckedBatch:
        """One archive; a day takes the place of what a month says of it."""
        batch = self.read(item)
        month = overlaps.find_month(item.archive)
        if month is None or batch.defect is not None:
            return batch
        return replace(batch, withdraws=((month.key, batch.file.period_start, batch.file.period_end),))

    def check_month(self, item: CollectedArchive, overlaps: Overlaps) -> tuple[CheckedBatch, Reconciliation | None]:
        """One monthly archive without the rows of days that have an archive of their own, and how far the two agree."""
        from lakehouse_sdk.tables import give_way  # noqa: PLC0415 (loads polars)

        month = self.read(item)
        entries = overlaps.find_days(item.archive)
        readable = [day for entry in entries if entry.in_bronze and (day := self.read(to_item(entry))).defect is None]
        dropped = [(entry.period_start, entry.period_end) for entry in entries if not entry.in_bronze]
        if month.defect is not None or not (readable or dropped):
            return month, None
        return give_way(month, readable, dropped)


def check_archive(data: bytes, item: CollectedArchive, limits: QualitySettings, *, exact: bool = False) -> CheckedBatch:
    """Parse and validate the bytes of one archive; pure, so that threads and processes can run it.

    Args:
        data: The archive.
        item: What it is.
        limits: Thresholds of the rules.
        exact: True for a table that holds decimals.

    Raises:
        IntegrityError: The bytes do not have the SHA-256 that the source published.
    """
    from lakehouse_sdk.tables import parse_archive, validate  # noqa: PLC0415 (loads polars and Arrow)

    file = to_source_file(item.archive, item.sha256 or hashlib.sha256(data).hexdigest())
    return validate(parse_archive(data, file, exact=exact), limits)


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
