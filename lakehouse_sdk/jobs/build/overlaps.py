"""Which archives hold the same rows: a month and its days, as the ledger knows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Series
from lakehouse_sdk.archives.ledger import HELD, Ledger, LedgerEntry, LedgerState


class Overlaps:
    """Answers for the archives of one build; asks the ledger once for months, and for days only where there is a month.

    Args:
        ledger: What is in bronze and in the tables.
        archives: The archives of the build, of one source.
    """

    def __init__(self, ledger: Ledger, archives: Iterable[ArchiveObject]) -> None:
        self._ledger = ledger
        self._days: dict[Series, list[LedgerEntry]] = {}
        self._months: dict[tuple[Series, datetime], LedgerEntry] = {}
        wanted = list(archives)
        if not wanted:
            return
        self._source = wanted[0].source
        markets = tuple({archive.market: None for archive in wanted})
        data_types = tuple({archive.data_type: None for archive in wanted})
        query = ArchiveQuery(markets, data_types, frequencies=("monthly",))
        for entry in ledger.entries(self._source, query, states=HELD):
            self._months[entry.series, entry.period_start] = entry

    def find_month(self, archive: ArchiveObject) -> LedgerEntry | None:
        """The monthly archive whose rows of this day are in the tables; None where there is none."""
        if archive.frequency != "daily":
            return None
        month = self._months.get((archive.series, archive.period_start.replace(day=1)))
        return month if month is not None and month.state in {LedgerState.PUBLISHED, LedgerState.DROPPED} else None

    def find_days(self, archive: ArchiveObject) -> list[LedgerEntry]:
        """The daily archives within a monthly one that are in bronze, or were until they were dropped; in order."""
        if archive.frequency != "monthly":
            return []
        series = archive.series
        if series not in self._days:
            intervals = None if archive.interval is None else (archive.interval,)
            query = ArchiveQuery(
                (archive.market,), (archive.data_type,), symbols=(archive.symbol,), intervals=intervals, frequencies=("daily",)
            )
            self._days[series] = list(self._ledger.entries(self._source, query, states=HELD))
        start, end = archive.period_start, archive.period_end
        return [entry for entry in self._days[series] if start <= entry.period_start < end]
