"""Which times can be read, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.archives import Dataset, Frequency
from lakehouse_sdk.archives.completeness import SeriesRecord
from lakehouse_sdk.archives.ledger import LedgerEntry, LedgerState, Listing
from lakehouse_sdk.archives.readiness import Gap, ReadyState, find_gaps

KLINES = Dataset("spot", "klines", ("daily", "monthly"), ("1m",))
MONTHLY = Dataset("um", "fundingRate", ("monthly",))
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def entry(start: datetime, state: LedgerState, *, frequency: Frequency = "daily", reason: str = "") -> LedgerEntry:
    end = start + DAY if frequency == "daily" else (start + timedelta(days=31)).replace(day=1)
    return LedgerEntry(
        "binance", "spot", "klines", "A", "1m", frequency, start, end, f"A-{start:%Y-%m-%d}", "e", 1, start,
        "", state, reason, None, None, 0, 1, start,
    )  # fmt: skip


def gaps(
    *entries: LedgerEntry,
    days: int = 4,
    start: datetime = FIRST,
    asked: tuple[Listing, ...] = (),
    dataset: Dataset = KLINES,
    now: datetime = NOW,
) -> list[Gap]:
    return find_gaps("A", SeriesRecord(entries, asked), start, start + days * DAY, dataset, now)


def test_published_days_and_months_leave_no_gap() -> None:
    days = [entry(FIRST + i * DAY, LedgerState.PUBLISHED) for i in range(4)]
    assert gaps(*days) == gaps(entry(FIRST, LedgerState.PUBLISHED, frequency="monthly")) == []


def test_neighbours_of_one_kind_are_one_gap() -> None:
    found = gaps(entry(FIRST + DAY, LedgerState.PUBLISHED), days=5)
    assert [(gap.start.day, gap.end.day, gap.reason) for gap in found] == [
        (1, 2, "never collected"),
        (3, 6, "never collected"),
    ]
    assert [str(gap) for gap in found] == [
        "A 2024-01-01 (never collected)",
        "A 2024-01-03 to 2024-01-05 (never collected)",
    ]


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        (LedgerState.DISCOVERED, "", "published, not collected"),
        (LedgerState.FAILED, "timeout", "the copy failed: timeout"),
        (LedgerState.QUARANTINED, "checksum-mismatch", "defective: checksum-mismatch"),
        (LedgerState.VERIFIED, "", "in bronze, not in the tables"),
        (LedgerState.COPIED, "", "in bronze, not in the tables"),
        (LedgerState.PARSED, "", "in bronze, not in the tables"),
        (LedgerState.ABSENT, "gone", "never collected"),
    ],
)
def test_what_is_known_of_a_missing_day_is_said(state: LedgerState, reason: str, said: str) -> None:
    (gap,) = gaps(entry(FIRST, state, reason=reason), days=1)
    assert (gap.state, gap.reason, gap.final) == (ReadyState.MISSING, said, False)


def test_the_best_of_a_month_and_its_day_counts() -> None:
    refused = entry(FIRST, LedgerState.QUARANTINED, frequency="monthly", reason="zip-unreadable")
    found = gaps(refused, entry(FIRST, LedgerState.PUBLISHED), entry(FIRST + DAY, LedgerState.VERIFIED), days=3)
    assert [(gap.start.day, gap.reason) for gap in found] == [
        (2, "in bronze, not in the tables"),
        (3, "defective: zip-unreadable"),
    ]


def test_what_was_not_listed_was_not_published() -> None:
    """Final once the source can be expected to have published it; until then it is worth asking again."""
    early = Listing(FIRST, FIRST + 2 * DAY, FIRST + 3 * DAY)
    found = gaps(asked=(early,), days=3)
    assert [(gap.state, gap.final, gap.start.day) for gap in found] == [
        (ReadyState.UNPUBLISHED, False, 1),
        (ReadyState.MISSING, False, 3),
    ]
    (later,) = gaps(asked=(early, replace(early, end=FIRST + 4 * DAY, listed_at=NOW)), days=4)
    assert (later.state, later.final) == (ReadyState.UNPUBLISHED, True)
    (absent,) = gaps(entry(FIRST, LedgerState.ABSENT), asked=(early,), days=1)
    assert absent.state is ReadyState.UNPUBLISHED


def test_a_day_that_is_not_over_is_open() -> None:
    found = gaps(start=NOW.replace(hour=0) - DAY, days=3)
    assert [gap.state for gap in found] == [ReadyState.MISSING, ReadyState.OPEN]
    assert found[1].end - found[1].start == 2 * DAY


def test_a_type_of_months_is_open_until_the_month_ends() -> None:
    found = gaps(start=datetime(2024, 5, 20, tzinfo=UTC), days=20, dataset=MONTHLY)
    assert [(gap.state, gap.start.month) for gap in found] == [(ReadyState.MISSING, 5), (ReadyState.OPEN, 6)]


def test_the_source_s_first_and_last_day_bound_what_can_be() -> None:
    bounded = replace(KLINES, first_day=date(2024, 1, 2), last_day=date(2024, 1, 3))
    assert [(gap.state, gap.start.day, gap.final) for gap in gaps(dataset=bounded)] == [
        (ReadyState.UNPUBLISHED, 1, True),
        (ReadyState.MISSING, 2, False),
        (ReadyState.UNPUBLISHED, 4, True),
    ]


@given(st.dictionaries(st.integers(0, 39), st.sampled_from(LedgerState)), st.integers(1, 40), st.integers(0, 50))
def test_gaps_and_published_days_are_the_whole_time(states: dict[int, LedgerState], days: int, asked_days: int) -> None:
    """Each day is published or in exactly one gap, and gaps come in order."""
    entries = [entry(FIRST + day * DAY, state) for day, state in states.items()]
    asked = (Listing(FIRST, FIRST + asked_days * DAY, NOW),) if asked_days else ()
    found = gaps(*entries, days=days, asked=asked)
    covered = [gap.start + i * DAY for gap in found for i in range((gap.end - gap.start).days)]
    rows_there = {LedgerState.PUBLISHED, LedgerState.DROPPED}
    published = [FIRST + day * DAY for day, state in states.items() if state in rows_there and day < days]
    assert covered == sorted(covered)
    assert sorted([*covered, *published]) == [FIRST + day * DAY for day in range(days)]
    for gap in found:
        inside = asked and gap.start < FIRST + asked_days * DAY
        assert (gap.state is ReadyState.UNPUBLISHED) <= bool(inside)
