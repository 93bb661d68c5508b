"""Which periods of a series can be read from the tables now, and what is with the others; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

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
    """They are not, and the source has them or may have them."""
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
    """

    symbol: str
    start: datetime
    end: datetime
    state: ReadyState
    reason: str
    final: bool

    def __str__(self) -> str:
        last = self.end - timedelta(days=1)
        span = f"{self.start:%Y-%m-%d}" if last <= self.start else f"{self.start:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"{self.symbol} {span} ({self.reason})"


def find_gaps(
    symbol: str,
    entries: Sequence[LedgerEntry],
    listings: Sequence[Listing],
    start: datetime,
    end: datetime,
    dataset: Dataset,
    now: datetime,
) -> list[Gap]:
    """The periods of the half-open time whose rows are not in the tables, in order, neighbours of one kind as one.

    Periods are days; months where the type is published monthly only.

    Args:
        symbol: The symbol.
        entries: What the ledger knows of the series' archives that overlap the time.
        listings: When the source was asked about the series.
        start: First instant.
        end: First instant that is left out.
        dataset: What the source publishes of the type.
        now: The present.
    """
    monthly = dataset.frequencies == ("monthly",)
    held: dict[datetime, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        for first, _ in list_periods(entry.period_start, entry.period_end, monthly=monthly):
            held[first].append(entry)
    found: list[Gap] = []
    run: tuple[ReadyState, str, bool] | None = None
    begin = until = start
    for first, last in list_periods(start, end, monthly=monthly):
        judged = _judge(held.get(first, ()), listings, first, last, dataset, now)
        if judged != run:
            if run is not None and run[0] is not ReadyState.READY:
                found.append(Gap(symbol, begin, until, *run))
            begin, run = first, judged
        until = last
    if run is not None and run[0] is not ReadyState.READY:
        found.append(Gap(symbol, begin, until, *run))
    return found


def _judge(
    here: Sequence[LedgerEntry],
    listings: Sequence[Listing],
    first: datetime,
    last: datetime,
    dataset: Dataset,
    now: datetime,
) -> tuple[ReadyState, str, bool]:
    known = {entry.state: entry for entry in here}
    if not {LedgerState.PUBLISHED, LedgerState.DROPPED}.isdisjoint(known):
        return ReadyState.READY, "", True
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
