"""Archives of bronze, read, parsed and judged; what a day and its month say of the same rows is settled here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.archives.ftx.layout import is_unusual
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

    @property
    def limits(self) -> QualitySettings:
        """Thresholds of the rules."""
        return self._settings.quality

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
        """Archives of one data type; a day takes the place of what a month says of it, or gives way where it has less."""
        from lakehouse_sdk.tables import has_margin  # noqa: PLC0415 (loads polars)

        batches = self.read(items)
        if batches and has_margin(batches[0]):
            known = {item.archive.key: batch for batch, item in zip(batches, items, strict=True)}
            batches = [self._settle(batch, item, overlaps, known) for batch, item in zip(batches, items, strict=True)]
        return [self._withdraw(batch, item, overlaps) for batch, item in zip(batches, items, strict=True)]

    def _settle(
        self, batch: CheckedBatch, item: CollectedArchive, overlaps: Overlaps, known: Mapping[str, CheckedBatch]
    ) -> CheckedBatch:
        """Of a row that two days' archives have, the one of its own day is taken."""
        from lakehouse_sdk.tables import drop_rows_of_next, has_first_instant, has_rows_behind  # noqa: PLC0415 (loads polars)

        if batch.defect is not None:
            return batch
        before = overlaps.find_spilled(item.archive)
        if before is not None and has_first_instant(batch):
            margin = batch.scope.period_end - batch.file.period_end
            start = batch.file.period_start
            batch = replace(batch, withdraws=(*batch.withdraws, (before, start, start + margin)))
        if not has_rows_behind(batch):
            return batch
        following = overlaps.find_next(item.archive)
        if following is None:
            return batch
        theirs = known.get(following.key)
        if theirs is None:
            (theirs,) = self.read([_as_item(following)])
        return drop_rows_of_next(batch, theirs)

    def _withdraw(self, batch: CheckedBatch, item: CollectedArchive, overlaps: Overlaps) -> CheckedBatch:
        month = overlaps.find_month(item.archive)
        if month is None or batch.defect is not None:
            return batch
        from lakehouse_sdk.tables import give_way  # noqa: PLC0415 (loads polars)

        day = item.archive.period_start
        theirs = overlaps.find_rows(month.key, day)
        own = next((count for count in batch.days if count.day == day), None)
        own_rows = own.rows_accepted if own is not None else 0
        if not (own is not None and own.is_full) and (theirs is None or theirs.accepted > own_rows):
            return give_way(batch)
        return replace(batch, withdraws=(*batch.withdraws, (month.key, batch.file.period_start, batch.file.period_end)))

    def check_month(self, item: CollectedArchive, overlaps: Overlaps) -> tuple[CheckedBatch, Reconciliation | None]:
        """One monthly archive without the rows of days that have an archive of their own, and how far the two agree."""
        from lakehouse_sdk.tables import drop_covered_days  # noqa: PLC0415 (loads polars)

        (month,) = self.read([item])
        entries = overlaps.find_days(item.archive)
        readable = [day for day in self.read([to_item(entry) for entry in entries if entry.in_bronze]) if day.defect is None]
        gone = [entry for entry in entries if not entry.in_bronze]
        of_month = {count.day: count.rows_accepted for count in month.days}
        poorer = [entry for entry in gone if _has_less(entry, overlaps, of_month.get(entry.period_start, 0))]
        month = replace(month, withdraws=tuple((entry.key, entry.period_start, entry.period_end) for entry in poorer))
        dropped = [(entry.period_start, entry.period_end) for entry in gone if entry not in poorer]
        if month.defect is not None or not (readable or dropped):
            return month, None
        return drop_covered_days(month, readable, dropped)


def _has_less(entry: LedgerEntry, overlaps: Overlaps, rows: int) -> bool:
    """True where a day that is no longer in bronze gave fewer rows than these."""
    given = overlaps.find_rows(entry.key, entry.period_start)
    return given is not None and given.accepted < rows


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
        read_symbol(archive.source, archive.market, archive.symbol, archive.period_start).canonical or None,
        is_unusual=archive.source == "ftx" and is_unusual(archive.symbol, archive.period_start.date()),
    )


def to_archive(entry: LedgerEntry) -> ArchiveObject:
    """An archive of bronze as the ledger knows it."""
    names = {field.name for field in fields(ArchiveObject)} & {field.name for field in fields(LedgerEntry)}
    return ArchiveObject(**{name: getattr(entry, name) for name in names}, checksum_key=None)


def _as_item(archive: ArchiveObject | LedgerEntry) -> CollectedArchive:
    return to_item(archive) if isinstance(archive, LedgerEntry) else CollectedArchive(archive, ArchiveState.PRESENT)


def to_item(entry: LedgerEntry) -> CollectedArchive:
    """An archive of bronze as the ledger knows it, as a collection would report it."""
    return CollectedArchive(to_archive(entry), ArchiveState.PRESENT, entry.sha256, revision=entry.revision)
