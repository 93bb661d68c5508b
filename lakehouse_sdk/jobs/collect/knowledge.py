"""What the ledger knows of the series of a query, read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from lakehouse_sdk.archives import ArchiveQuery, Series
from lakehouse_sdk.archives.completeness import DayJudgement, SeriesRecord, judge_short_days
from lakehouse_sdk.archives.ledger import DayRows, LedgerEntry, Listing
from lakehouse_sdk.jobs.session import Session


class SeriesKnowledge:
    """Records of series for `archives.completeness`; each table of the ledger is asked when it is first needed.

    Args:
        session: Where the ledger is, and the thresholds.
        source: Name of the connector.
        query: The series and the time that are asked about.
    """

    def __init__(self, session: Session, source: str, query: ArchiveQuery) -> None:
        self._ledger = session.ledger
        self._max_rejected_share = session.settings.quality.max_rejected_share
        self._source = source
        self._query = replace(query, since={}, frequencies=("daily", "monthly"))

    def record(self, series: Series, entries: Sequence[LedgerEntry]) -> SeriesRecord:
        """What is known of a series, its archives among it."""
        listings, share = self._listings.get(series, ()), self._max_rejected_share
        short = self._short.get(series)
        spills = short is not None and self._spills(series)
        return SeriesRecord(entries, listings, short, self._passed_over, spills, share)

    def find_short_days(self, series: Series) -> frozenset[datetime]:
        """Midnights of days that were built and are not full in the tables."""
        return frozenset(self._judge(series))

    def holes(self) -> Iterator[tuple[Series, datetime]]:
        """Days that were built and whose rows are not all in the tables although the source has them, or may have."""
        for series in self._short:
            yield from ((series, day) for day, judged in self._judge(series).items() if judged.fullness.is_hole)

    @staticmethod
    def _spills(series: Series) -> bool:
        from lakehouse_sdk.tables import find_format  # noqa: PLC0415 (loads polars)

        spec = find_format(*series[:3])
        return spec is not None and bool(spec.late)

    def _judge(self, series: Series) -> dict[datetime, DayJudgement]:
        if series not in self._short:
            return {}
        return judge_short_days(self.record(series, self._entries.get(series, ())), has_days=True)

    @cached_property
    def _entries(self) -> dict[Series, list[LedgerEntry]]:
        """The archives of the series that have days which are not full."""
        found: dict[Series, list[LedgerEntry]] = {}
        for entry in self._ledger.entries(self._source, self._query):
            if entry.series in self._short:
                found.setdefault(entry.series, []).append(entry)
        return found

    @cached_property
    def _listings(self) -> Mapping[Series, Sequence[Listing]]:
        return self._ledger.listings(self._source, self._query)

    @cached_property
    def _short(self) -> Mapping[Series, Mapping[datetime, Mapping[str, DayRows]]]:
        return self._ledger.short_days(self._source, self._query)

    @cached_property
    def _passed_over(self) -> Mapping[str, frozenset[datetime]]:
        return self._ledger.passed_over(self._source, self._query)
