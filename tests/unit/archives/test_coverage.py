"""The calendar against a small model: every period of every series once, with the state that its archives give it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.archives import ArchiveQuery, Dataset, Frequency
from lakehouse_sdk.archives.coverage import CoveredPeriod, PeriodState, chart_coverage
from lakehouse_sdk.archives.ledger import HELD, LedgerEntry, LedgerState

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
QUERY = ArchiveQuery(("spot",), ("klines",))
KLINES = Dataset("spot", "klines", ("daily", "monthly"), ("1m",))


def entry(period: str, state: LedgerState = LedgerState.VERIFIED, *, symbol: str = "A", reason: str = "") -> LedgerEntry:
    daily = period.count("-") == 2
    frequency: Frequency = "daily" if daily else "monthly"
    start = datetime.fromisoformat(f"{period if daily else f'{period}-01'}T00:00:00+00:00")
    end = start + timedelta(days=1) if daily else (start + timedelta(days=31)).replace(day=1)
    return LedgerEntry(
        "binance", "spot", "klines", symbol, "1m", frequency, start, end, f"{symbol}-{period}", "e", 1, start,
        "", state, reason, None, None, 0, 1, start,
    )  # fmt: skip


def chart(*entries: LedgerEntry, dataset: Dataset = KLINES, query: ArchiveQuery = QUERY, **options: str) -> list[CoveredPeriod]:
    return list(chart_coverage(entries, query, {("spot", "klines"): dataset}, **options))  # type: ignore[arg-type]


def states(periods: list[CoveredPeriod]) -> list[str]:
    return [f"{period.start:%m-%d} {period.state}" for period in periods]


def test_a_day_between_the_first_and_the_last_without_an_archive_is_missing() -> None:
    found = chart(entry("2024-01-01"), entry("2024-01-03"))
    assert states(found) == ["01-01 present", "01-02 missing", "01-03 present"]
    assert [period.key for period in found] == ["A-2024-01-01", "", "A-2024-01-03"]


def test_a_month_covers_its_days() -> None:
    found = chart(entry("2024-01-31"), entry("2024-02"))
    assert {period.state for period in found} == {PeriodState.PRESENT}
    assert len(found) == 1 + 29


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (LedgerState.DISCOVERED, "pending"),
        (LedgerState.FAILED, "pending"),
        (LedgerState.QUARANTINED, "defective"),
        (LedgerState.ABSENT, "missing"),
        *((state, "present") for state in sorted(HELD)),
    ],
)
def test_each_state_of_an_archive(state: LedgerState, expected: str) -> None:
    (found,) = chart(entry("2024-01-01", state, reason="why"))
    assert (found.state.value, found.reason) == (expected, "why")


def test_the_best_archive_of_a_day_counts() -> None:
    bad_month = entry("2024-01", LedgerState.QUARANTINED)
    found = chart(bad_month, entry("2024-01-02"), entry("2024-01-03", LedgerState.DISCOVERED))
    assert states(found)[:4] == ["01-01 defective", "01-02 present", "01-03 pending", "01-04 defective"]


def test_with_a_cadence_the_other_one_is_only_named() -> None:
    found = chart(entry("2024-01"), entry("2024-01-02"), entry("2024-02-01"), cadence="daily")
    assert states(found)[:3] == ["01-01 other-cadence", "01-02 present", "01-03 other-cadence"]
    months = chart(entry("2024-01"), entry("2024-02-01"), cadence="monthly")
    assert states(months) == ["01-01 present", "02-01 other-cadence"]
    refused = chart(entry("2024-01", LedgerState.QUARANTINED), entry("2024-01-02"), cadence="daily")
    assert states(refused)[:2] == ["01-01 missing", "01-02 present"]


def test_what_is_published_monthly_only_is_counted_in_months() -> None:
    funding = Dataset("spot", "klines", ("monthly",))
    found = chart(entry("2024-01"), entry("2024-03"), dataset=funding)
    assert states(found) == ["01-01 present", "02-01 missing", "03-01 present"]
    assert [(period.end - period.start).days for period in found] == [31, 29, 31]


def test_outside_the_known_time_nothing_is_missing() -> None:
    query = replace(QUERY, start=JANUARY - timedelta(days=1), end=JANUARY + timedelta(days=3))
    assert states(chart(entry("2024-01-01"), query=query)) == [
        "12-31 unpublished", "01-01 present", "01-02 unpublished", "01-03 unpublished",
    ]  # fmt: skip
    ended = replace(KLINES, last_day=date(2024, 1, 2))
    found = chart(
        entry("2024-01-01"), entry("2024-01-05"), dataset=ended, query=replace(QUERY, end=JANUARY + timedelta(days=5))
    )
    assert states(found) == ["01-01 present", "01-02 missing", "01-03 unpublished", "01-04 unpublished", "01-05 present"]


def test_each_series_has_its_own_calendar() -> None:
    found = chart(entry("2024-01-01"), entry("2024-01-05", symbol="B"))
    assert [(period.series[3], period.start.day) for period in found] == [("A", 1), ("B", 5)]


_states = st.sampled_from(list(LedgerState))


@given(
    st.dictionaries(st.integers(0, 70), _states, min_size=1),
    st.dictionaries(st.sampled_from(["2024-01", "2024-02", "2024-03"]), _states),
)
def test_every_day_once_and_present_exactly_where_bronze_has_it(
    days: dict[int, LedgerState], months: dict[str, LedgerState]
) -> None:
    entries = [entry(f"{JANUARY + timedelta(days=day):%Y-%m-%d}", state) for day, state in days.items()]
    entries += [entry(month, state) for month, state in months.items()]
    found = chart(*entries)
    first = min(item.period_start for item in entries)
    last = max(item.period_end for item in entries)
    assert [period.start for period in found] == [first + timedelta(days=day) for day in range((last - first).days)]
    for period in found:
        covering = [item.state for item in entries if item.period_start <= period.start < item.period_end]
        assert (period.state is PeriodState.PRESENT) == any(state in HELD for state in covering)
        assert (period.state is PeriodState.MISSING) == all(state is LedgerState.ABSENT for state in covering)
