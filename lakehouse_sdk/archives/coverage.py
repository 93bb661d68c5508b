"""Which periods of which series are there, by the calendar instead of by what happens to be listed; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from lakehouse_sdk.archives.cadence import Cadence
from lakehouse_sdk.archives.ledger import LedgerEntry, LedgerState
from lakehouse_sdk.archives.model import ArchiveQuery, Dataset, Frequency, Series

_DAY = timedelta(days=1)


class PeriodState(StrEnum):
    """What is known of one period of one series."""

    PRESENT = "present"
    """Bronze holds an archive of it."""
    PENDING = "pending"
    """The source has an archive of it that is not in bronze yet, or whose copy failed."""
    DEFECTIVE = "defective"
    """What the source publishes for it contradicts itself."""
    MISSING = "missing"
    """Between the first and the last period that the source publishes of this series, and there is no archive of it."""
    OTHER_CADENCE = "other-cadence"
    """No archive of the cadence asked for; the other one has it."""
    UNPUBLISHED = "unpublished"
    """Before the series began, after it ended, or outside what the source is known to publish."""


@dataclass(frozen=True, slots=True)
class CoveredPeriod:
    """One period of one series.

    Attributes:
        series: Source, market, data type, symbol, interval.
        start: Its first instant, aware UTC.
        end: Its end, exclusive.
        state: What is known of it.
        reason: Why, where it is pending or defective; empty otherwise.
        key: The archive that decided, empty where there is none.
    """

    series: Series
    start: datetime
    end: datetime
    state: PeriodState
    reason: str = ""
    key: str = ""


_RANKS = {PeriodState.PRESENT: 0, PeriodState.PENDING: 1, PeriodState.DEFECTIVE: 2, PeriodState.MISSING: 3}
"""Where several archives hold a period, the best of them counts."""


def chart_coverage(
    entries: Iterable[LedgerEntry],
    query: ArchiveQuery,
    datasets: Mapping[tuple[str, str], Dataset],
    *,
    cadence: Cadence = "auto",
) -> Iterator[CoveredPeriod]:
    """Every period of every series that the ledger knows, in order, exactly once; lazily, one series at a time.

    Periods are days; months where the data type is published monthly only, or `cadence` is `monthly`.

    Args:
        entries: From `Ledger.entries`, those of a series together. They must not be narrowed by time: when a series began and
            ended is read from them.
        query: Its `start` and `end` are the calendar; without them, each series' own first and last period.
        datasets: By market and data type, for the days that the source is known to have published.
        cadence: With `daily` or `monthly` only those archives count; with `auto` and `reconcile` both.
    """
    for series, group in groupby(entries, key=lambda entry: entry.series):
        yield from _chart_series(series, list(group), query, datasets.get((series[1], series[2])), cadence)


def _chart_series(
    series: Series, entries: list[LedgerEntry], query: ArchiveQuery, dataset: Dataset | None, cadence: Cadence
) -> Iterator[CoveredPeriod]:
    monthly = cadence == "monthly" or (dataset is not None and dataset.frequencies == ("monthly",))
    counted: tuple[Frequency, ...] = (cadence,) if cadence in {"daily", "monthly"} else ("daily", "monthly")
    first, last = _known_span(entries, dataset)
    best: dict[datetime, tuple[PeriodState, LedgerEntry]] = {}
    elsewhere: dict[datetime, LedgerEntry] = {}
    for entry in entries:
        state = _state_of(entry)
        for start, _ in list_periods(entry.period_start, entry.period_end, monthly=monthly):
            if entry.frequency in counted:
                if start not in best or _RANKS[state] < _RANKS[best[start][0]]:
                    best[start] = state, entry
            elif state in {PeriodState.PRESENT, PeriodState.PENDING}:
                elsewhere.setdefault(start, entry)
    for start, end in list_periods(query.start or first, query.end or last, monthly=monthly):
        if start in best:
            state, entry = best[start]
            yield CoveredPeriod(series, start, end, state, entry.reason, entry.key)
        elif start in elsewhere:
            yield CoveredPeriod(series, start, end, PeriodState.OTHER_CADENCE, "", elsewhere[start].key)
        else:
            inside = first <= start < last
            yield CoveredPeriod(series, start, end, PeriodState.MISSING if inside else PeriodState.UNPUBLISHED)


def _known_span(entries: list[LedgerEntry], dataset: Dataset | None) -> tuple[datetime, datetime]:
    first = min(entry.period_start for entry in entries)
    last = max(entry.period_end for entry in entries)
    if dataset is not None and dataset.last_day is not None:
        last = max(first, min(last, _midnight(dataset.last_day + _DAY)))
    return first, last


def _state_of(entry: LedgerEntry) -> PeriodState:
    if entry.is_held:
        return PeriodState.PRESENT
    if entry.state is LedgerState.QUARANTINED:
        return PeriodState.DEFECTIVE
    return PeriodState.MISSING if entry.state is LedgerState.ABSENT else PeriodState.PENDING


def list_periods(start: datetime, end: datetime, *, monthly: bool) -> Iterator[tuple[datetime, datetime]]:
    """Starts and ends of the days, or months, that overlap the half-open time."""
    moment = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if monthly:
        moment = moment.replace(day=1)
    while moment < end:
        following = (moment + timedelta(days=31)).replace(day=1) if monthly else moment + _DAY
        yield moment, following
        moment = following


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
