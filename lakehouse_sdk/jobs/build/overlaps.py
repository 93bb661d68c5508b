"""Which archives hold the same rows: a month and its days, as the ledger knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Series
from lakehouse_sdk.archives.ledger import HELD, DayRows, Ledger, LedgerEntry, LedgerState


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
        self._building = {(archive.series, archive.period_start): archive for archive in wanted if archive.frequency == "daily"}
        if not wanted:
            return
        self._source = wanted[0].source
        markets = tuple({archive.market: None for archive in wanted})
        data_types = tuple({archive.data_type: None for archive in wanted})
        query = self._query = ArchiveQuery(markets, data_types, frequencies=("monthly",))
        for entry in ledger.entries(self._source, query, states=HELD):
            self._months[entry.series, entry.period_start] = entry

    def find_month(self, archive: ArchiveObject) -> LedgerEntry | None:
        """The monthly archive whose rows of this day are in the tables; None where there is none."""
        if archive.frequency != "daily":
            return None
        month = self._months.get((archive.series, archive.period_start.replace(day=1)))
        return month if month is not None and month.state in {LedgerState.PUBLISHED, LedgerState.DROPPED} else None

    def find_rows(self, key: str, day: datetime) -> DayRows | None:
        """What an archive of the tables gave of a day where that is less than it should be; None where it is all."""
        return self._short.get((key, day))

    @cached_property
    def _short(self) -> dict[tuple[str, datetime], DayRows]:
        return {(key, day): rows for (_, day), of_day in self._short_by_day.items() for key, rows in of_day.items()}

    @cached_property
    def _short_by_day(self) -> dict[tuple[Series, datetime], Mapping[str, DayRows]]:
        query = replace(self._query, frequencies=("daily", "monthly"))
        found = self._ledger.short_days(self._source, query)
        return {(series, day): of_day for series, days in found.items() for day, of_day in days.items()}

    def find_days(self, archive: ArchiveObject) -> list[LedgerEntry]:
        """The daily archives within a monthly one that are in bronze, or were until they were dropped; in order."""
        if archive.frequency != "monthly":
            return []
        start, end = archive.period_start, archive.period_end
        return [entry for entry in self._list_days(archive) if start <= entry.period_start < end]

    def find_next(self, archive: ArchiveObject) -> ArchiveObject | LedgerEntry | None:
        """The archive of the day behind a daily one, from this build or from bronze; None where there is none."""
        building = self._building.get((archive.series, archive.period_end))
        if building is not None or archive.frequency != "daily":
            return building
        return next((e for e in self._list_days(archive) if e.in_bronze and e.period_start == archive.period_end), None)

    def find_spilled(self, archive: ArchiveObject) -> str | None:
        """The key of the archive of the day before that has rows of this day in the tables; None where there is none."""
        before = archive.period_start - (archive.period_end - archive.period_start)
        return next(
            (
                key
                for key, rows in self._short_by_day.get((archive.series, archive.period_start), {}).items()
                if rows.accepted and any(e.key == key and e.period_start == before for e in self._list_days(archive))
            ),
            None,
        )

    def _list_days(self, archive: ArchiveObject) -> list[LedgerEntry]:
        """The daily archives of a series that are in bronze, or were."""
        series = archive.series
        if series not in self._days:
            intervals = None if archive.interval is None else (archive.interval,)
            query = ArchiveQuery(
                (archive.market,), (archive.data_type,), symbols=(archive.symbol,), intervals=intervals, frequencies=("daily",)
            )
            self._days[series] = list(self._ledger.entries(self._source, query, states=HELD))
        return self._days[series]
