"""Which periods of a series can be read from the tables now, and what is with the others; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from lakehouse_sdk.archives.completeness import DayJudgement, Fullness, SeriesRecord, judge_day
from lakehouse_sdk.archives.coverage import list_periods
from lakehouse_sdk.archives.ledger import LedgerEntry, LedgerState, Listing
from lakehouse_sdk.archives.model import Dataset

_LATE = timedelta(days=7)
"""How long after a period's end a source may still publish its archive: so long it is asked again."""


class ReadyState(StrEnum):
    """Whether the rows of a period are in the tables."""

    READY = "ready"
    """They are."""
    MISSING = "missing"
    """They are not, and the source has them or may have them; or they were rejected."""
    SHORT = "short"
    """Fewer are than the calendar expects, and nothing better is known to be published."""
    UNPUBLISHED = "unpublished"
    """The source was asked and did not have an archive of the period, or is known to have none."""
    OPEN = "open"
    """The period is not over yet, so no archive of it can exist."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of one symbol whose rows are not in the tables.

    Attributes:
        symbol: As the source spells it.
        start: First instant, aware UTC.
        end: First instant after it.
        state: What is known of it; never `READY`.
        reason: The same for a person.
        final: True where asking the source again would change nothing.
        rejected: Rows of the time that are in quarantine.
    """

    symbol: str
    start: datetime
    end: datetime
    state: ReadyState
    reason: str
    final: bool
    rejected: int = 0

    def __str__(self) -> str:
        last = self.end - timedelta(days=1)
        span = f"{self.start:%Y-%m-%d}" if last <= self.start else f"{self.start:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"{self.symbol} {span} ({self.reason})"


def find_gaps(symbol: str, record: SeriesRecord, start: datetime, end: datetime, dataset: Dataset, now: datetime) -> list[Gap]:
    """The times of the half-open span whose rows are not all in the tables, in order, neighbours of one kind as one.

    Whole days; whole months where the type is published monthly only and nothing of the month was built.

    Args:
        symbol: The symbol.
        record: What the ledger knows of the series; its archives are those that overlap the time.
        start: First instant.
        end: First instant that is left out.
        dataset: What the source publishes of the type.
        now: The present.
    """
    monthly = dataset.frequencies == ("monthly",)
    held: dict[datetime, list[LedgerEntry]] = defaultdict(list)
    for entry in record.entries:
        for day, _ in list_periods(entry.period_start, entry.period_end, monthly=False):
            held[day].append(entry)
    found: list[Gap] = []
    for day, day_end in list_periods(start, end, monthly=False):
        here = held.get(day, ())
        judged = judge_day(day, here, record, has_days=not monthly)
        if judged.fullness is Fullness.FULL:
            continue
        if judged.fullness is Fullness.UNBUILT:
            ((first, last),) = list_periods(day, day_end, monthly=monthly)
            said = _explain_unbuilt(here, record.listings, first, last, dataset, now)
        else:
            first, last, said = day, day_end, _explain_built(judged)
        if found and found[-1].end >= first and (found[-1].state, found[-1].reason, found[-1].final) == said:
            found[-1] = replace(found[-1], end=last, rejected=found[-1].rejected + judged.rejected)
        else:
            found.append(Gap(symbol, first, last, *said, judged.rejected))
    return found


def _explain_built(judged: DayJudgement) -> tuple[ReadyState, str, bool]:
    # A day of which nothing is there is missing; of one that lacks some rows nobody knows yet whether they were published.
    lost = judged.fullness is Fullness.REJECTED or (judged.fullness is Fullness.ELSEWHERE and not judged.accepted)
    final = judged.fullness in {Fullness.REJECTED, Fullness.SHORT}
    return ReadyState.MISSING if lost else ReadyState.SHORT, judged.reason, final


def _explain_unbuilt(
    here: Sequence[LedgerEntry],
    listings: Sequence[Listing],
    first: datetime,
    last: datetime,
    dataset: Dataset,
    now: datetime,
) -> tuple[ReadyState, str, bool]:
    known = {entry.state: entry for entry in here}
    if last > now:
        return ReadyState.OPEN, "not over yet", True
    for state, says in _SAID.items() if known else ():
        if state in known:
            reason = known[state].reason
            return ReadyState.MISSING, f"{says}: {reason}" if reason else says, False
    if dataset.first_day is not None and last <= datetime.combine(dataset.first_day, time(), UTC):
        return ReadyState.UNPUBLISHED, "before the source began", True
    if dataset.last_day is not None and first > datetime.combine(dataset.last_day, time(), UTC):
        return ReadyState.UNPUBLISHED, "after the source ended", True
    asked = [listing.listed_at for listing in listings if listing.start <= first and last <= listing.end]
    if asked:
        return ReadyState.UNPUBLISHED, "the source has no archive", max(asked) >= last + _LATE
    return ReadyState.MISSING, "never collected", False


_SAID = {
    LedgerState.VERIFIED: "in bronze, not in the tables",
    LedgerState.COPIED: "in bronze, not in the tables",
    LedgerState.PARSED: "in bronze, not in the tables",
    LedgerState.FAILED: "the copy failed",
    LedgerState.DISCOVERED: "published, not collected",
    LedgerState.QUARANTINED: "defective",
}
"""The best of what is known counts; what the source listed and then did not have says nothing."""
