"""Whether the tables hold all rows of a day that there should be: the one judgement of load, coverage, repair and nights; pure.

An archive that was built is no proof: months have been published with a week in them, and a format that changed loses every
row. So a day is judged by the rows of it that are in the tables, from whatever archives, against what the calendar expects.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lakehouse_sdk.archives.ledger import DayRows, LedgerEntry, LedgerState, Listing

_DAY = timedelta(days=1)
_IN_TABLES = frozenset({LedgerState.PUBLISHED, LedgerState.DROPPED})

_NOTHING_MORE = _IN_TABLES | {LedgerState.ABSENT, LedgerState.QUARANTINED}


class Fullness(StrEnum):
    """What the tables hold of a day."""

    UNBUILT = "unbuilt"
    """No archive of it was built."""
    FULL = "full"
    """All rows that the calendar expects; where it expects nothing, some rows, and none was rejected."""
    REJECTED = "rejected"
    """Rows that the source published are in quarantine: most of the day, or all of it."""
    ELSEWHERE = "elsewhere"
    """Fewer rows than expected, and the source has another archive of the day that is not in the tables."""
    UNASKED = "unasked"
    """Fewer rows than expected, and nobody asked yet for an archive that may have them: the day's own, or the day before's."""
    SHORT = "short"
    """Fewer rows than expected, and nothing better is published."""

    @property
    def is_hole(self) -> bool:
        """True where the source has, or may have, rows of the day that are not in the tables."""
        return self in {Fullness.REJECTED, Fullness.ELSEWHERE, Fullness.UNASKED}


@dataclass(frozen=True, slots=True)
class DayJudgement:
    """What is known of one day of one series.

    Attributes:
        fullness: What the tables hold.
        accepted: Rows in the tables; None of a full day, whose rows nobody counted here.
        expected: Rows that there should be; None where nobody can say.
        rejected: Rows in quarantine.
    """

    fullness: Fullness
    accepted: int | None = None
    expected: int | None = None
    rejected: int = 0

    @property
    def reason(self) -> str:
        """The same for a person; empty of a full day, and of one of which nothing was built."""
        if self.fullness in {Fullness.FULL, Fullness.UNBUILT}:
            return ""
        of = f" of {self.expected:,}" if self.expected is not None else ""
        lost = f", {self.rejected:,} rejected" if self.rejected else ""
        said = f"{self.accepted or 0:,}{of} rows{lost}"
        more = {
            Fullness.ELSEWHERE: "; another archive has the day",
            Fullness.UNASKED: "; an archive that may have the rest was not looked for",
            Fullness.SHORT: "; nothing more is published",
        }
        return said + more.get(self.fullness, "")


UNBUILT = DayJudgement(Fullness.UNBUILT)
FULL = DayJudgement(Fullness.FULL)


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """What the ledger knows of one series.

    Attributes:
        entries: Its archives.
        listings: When the source was asked about it.
        short: Days that an archive did not fill, by day and key.
        passed_over: Days that are published by themselves and were not taken, by the key of their month.
        spills: True where the first row of a day may lie in the archive of the day before.
        max_rejected_share: Share of a day's rows above which rejected ones are called missing, and not merely fewer.
    """

    entries: Sequence[LedgerEntry]
    listings: Sequence[Listing] = ()
    short: Mapping[datetime, Mapping[str, DayRows]] | None = None
    passed_over: Mapping[str, Collection[datetime]] | None = None
    spills: bool = False
    max_rejected_share: float = 0.05


def judge_day(day: datetime, here: Sequence[LedgerEntry], record: SeriesRecord, *, has_days: bool) -> DayJudgement:
    """What the tables hold of a day.

    Args:
        day: Midnight that begins it, aware UTC.
        here: The archives whose period has the day.
        record: What is known of the series; of its entries only those of the day before count.
        has_days: True where the source publishes daily archives of the type.
    """
    built = [entry for entry in here if entry.state in _IN_TABLES]
    if not built:
        return UNBUILT
    given = (record.short or {}).get(day, {})
    if any(entry.key not in given for entry in built):
        return FULL
    accepted, rejected = (sum(getattr(rows, name) for rows in given.values()) for name in ("accepted", "rejected"))
    expected = max((rows.expected for rows in given.values() if rows.expected is not None), default=None)
    if accepted and not rejected if expected is None else accepted >= expected:
        return FULL
    fullness = _find_more(day, here, built, record, has_days=has_days)
    if fullness is Fullness.SHORT and rejected > record.max_rejected_share * (accepted + rejected):
        fullness = Fullness.REJECTED
    return DayJudgement(fullness, accepted, expected, rejected)


def _find_more(
    day: datetime, here: Sequence[LedgerEntry], built: Sequence[LedgerEntry], record: SeriesRecord, *, has_days: bool
) -> Fullness:
    """Whether another archive may have the rows that lack: `ELSEWHERE`, `UNASKED` or `SHORT`."""
    if any(entry.state not in _NOTHING_MORE for entry in here):
        return Fullness.ELSEWHERE
    if record.spills and not _is_known(day - _DAY, record):
        return Fullness.UNASKED
    if not has_days or any(entry.frequency == "daily" for entry in built):
        return Fullness.SHORT
    if any(day in (record.passed_over or {}).get(entry.key, ()) for entry in built):
        return Fullness.ELSEWHERE
    return Fullness.SHORT if _is_asked(day, record) else Fullness.UNASKED


def _is_asked(day: datetime, record: SeriesRecord) -> bool:
    return any(listing.start <= day and day + _DAY <= listing.end for listing in record.listings)


def _is_known(day: datetime, record: SeriesRecord) -> bool:
    """True where an archive of the day was built, or the source was asked and has none."""
    built = any(e.state in _IN_TABLES and e.period_start <= day < e.period_end for e in record.entries)
    return built or _is_asked(day, record)


def judge_short_days(record: SeriesRecord, *, has_days: bool) -> dict[datetime, DayJudgement]:
    """The days of the series that the tables do not hold in full although an archive of each was built."""
    found = {}
    for day in record.short or {}:
        here = [entry for entry in record.entries if entry.period_start <= day < entry.period_end]
        judged = judge_day(day, here, record, has_days=has_days)
        if judged.fullness not in {Fullness.FULL, Fullness.UNBUILT}:
            found[day] = judged
    return found
