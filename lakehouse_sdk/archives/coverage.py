"""Which periods of which series are there, by the calendar instead of by what happens to be listed; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from lakehouse_sdk.archives.cadence import Cadence
from lakehouse_sdk.archives.completeness import DayJudgement, Fullness, SeriesRecord, judge_day
from lakehouse_sdk.archives.ledger import LedgerEntry, LedgerState
from lakehouse_sdk.archives.model import ArchiveQuery, Dataset, Frequency, Series

_DAY = timedelta(days=1)


class PeriodState(StrEnum):
    """What is known of one period of one series."""

    PRESENT = "present"
    """Bronze holds an archive of it; where that was built, all rows that the calendar expects are in the tables."""
    PENDING = "pending"
    """The source has an archive of it, or may have, that is not in bronze yet, or whose copy failed."""
    REJECTED = "rejected"
    """Its archives were built, and most of its rows, or all, are in quarantine."""
    SHORT = "short"
    """Its archives were built, and hold fewer rows than the calendar expects; nothing better is published."""
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
        reason: Why, where it is pending, rejected, short or defective; empty otherwise.
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
    records: Callable[[Series, Sequence[LedgerEntry]], SeriesRecord] = lambda _, entries: SeriesRecord(entries),
) -> Iterator[CoveredPeriod]:
    """Every period of every series that the ledger knows, in order, exactly once; lazily, one series at a time.

    Periods are days; months where the data type is published monthly only, or `cadence` is `monthly`.

    Args:
        entries: From `Ledger.entries`, those of a series together. They must not be narrowed by time: when a series began and
            ended is read from them.
        query: Its `start` and `end` are the calendar; without them, each series' own first and last period.
        datasets: By market and data type, for the days that the source is known to have published.
        cadence: With `daily` or `monthly` only those archives count; with `auto` and `reconcile` both.
        records: What else the ledger knows of a series, beside its archives.
    """
    for series, group in groupby(entries, key=lambda entry: entry.series):
        record = records(series, list(group))
        yield from _chart_series(series, record, query, datasets.get((series[1], series[2])), cadence)


def _chart_series(
    series: Series, record: SeriesRecord, query: ArchiveQuery, dataset: Dataset | None, cadence: Cadence
) -> Iterator[CoveredPeriod]:
    entries = record.entries
    monthly = cadence == "monthly" or (dataset is not None and dataset.frequencies == ("monthly",))
    counted: tuple[Frequency, ...] = (cadence,) if cadence in {"daily", "monthly"} else ("daily", "monthly")
    first, last = _known_span(entries, dataset)
    best: dict[datetime, tuple[PeriodState, LedgerEntry]] = {}
    counting = replace(record, entries=[entry for entry in entries if entry.frequency in counted])
    elsewhere: dict[datetime, LedgerEntry] = {}
    for entry in entries:
        state = _state_of(entry)
        for start, _ in list_periods(entry.period_start, entry.period_end, monthly=monthly):
            if entry.frequency in counted:
                if start not in best or _RANKS[state] < _RANKS[best[start][0]]:
                    best[start] = state, entry
            elif state in {PeriodState.PRESENT, PeriodState.PENDING}:
                elsewhere.setdefault(start, entry)
    doubtful = {period for day in record.short or () for period, _ in list_periods(day, day + _DAY, monthly=monthly)}
    for start, end in list_periods(query.start or first, query.end or last, monthly=monthly):
        if start in best:
            state, entry = best[start]
            judged = _judge(start, end, counting, has_days=not monthly) if start in doubtful else None
            if judged is None:
                yield CoveredPeriod(series, start, end, state, entry.reason, entry.key)
            else:
                yield CoveredPeriod(series, start, end, _STATE_OF[judged.fullness], judged.reason, entry.key)
        elif start in elsewhere:
            yield CoveredPeriod(series, start, end, PeriodState.OTHER_CADENCE, "", elsewhere[start].key)
        else:
            inside = first <= start < last
            yield CoveredPeriod(series, start, end, PeriodState.MISSING if inside else PeriodState.UNPUBLISHED)


_STATE_OF = {
    Fullness.REJECTED: PeriodState.REJECTED,
    Fullness.ELSEWHERE: PeriodState.PENDING,
    Fullness.UNASKED: PeriodState.PENDING,
    Fullness.SHORT: PeriodState.SHORT,
}
"""Of days that were built and are not full, the worst first."""


def _judge(start: datetime, end: datetime, record: SeriesRecord, *, has_days: bool) -> DayJudgement | None:
    """The worst that is known of the days of a period; None where all that were built are full."""
    found = []
    for day, day_end in list_periods(start, end, monthly=False):
        here = [entry for entry in record.entries if entry.period_start < day_end and entry.period_end > day]
        found.append(judge_day(day, here, record, has_days=has_days))
    return next((judged for fullness in _STATE_OF for judged in found if judged.fullness is fullness), None)


def _known_span(entries: Sequence[LedgerEntry], dataset: Dataset | None) -> tuple[datetime, datetime]:
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
