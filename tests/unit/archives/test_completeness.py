"""One day of one series: what the tables hold of it, by what each archive gave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakehouse_sdk.archives import Frequency
from lakehouse_sdk.archives.completeness import Fullness, SeriesRecord, judge_day
from lakehouse_sdk.archives.ledger import DayRows, LedgerEntry, LedgerState, Listing

DAY = datetime(2024, 1, 2, tzinfo=UTC)
ONE = timedelta(days=1)
ASKED = Listing(DAY - ONE, DAY + ONE, DAY + 60 * ONE)


def entry(start: datetime = DAY, state: LedgerState = LedgerState.PUBLISHED, frequency: Frequency = "daily") -> LedgerEntry:
    end = start + ONE if frequency == "daily" else start + 31 * ONE
    return LedgerEntry(
        "binance", "spot", "klines", "A", "1m", frequency, start, end, f"{frequency}-{start:%m-%d}", "e", 1, start,
        "", state, "", None, None, 0, 1, start,
    )  # fmt: skip


MONTH = entry(datetime(2024, 1, 1, tzinfo=UTC), frequency="monthly")
OWN = entry()


def judge(*here: LedgerEntry, rows: dict[str, tuple[int, int | None, int]], **known: object) -> tuple[Fullness, str]:
    short = {DAY: {key: DayRows(DAY, *counts) for key, counts in rows.items()}}
    found = judge_day(DAY, here, SeriesRecord(here, short=short, **known), has_days=True)  # type: ignore[arg-type]
    return found.fullness, found.reason


@pytest.mark.parametrize(
    ("here", "rows", "known", "expected"),
    [
        ((), {}, {}, Fullness.UNBUILT),
        ((entry(state=LedgerState.VERIFIED),), {}, {}, Fullness.UNBUILT),
        ((OWN,), {}, {}, Fullness.FULL),
        ((OWN,), {OWN.key: (9, 10, 0)}, {}, Fullness.SHORT),
        ((OWN,), {OWN.key: (0, 10, 10)}, {}, Fullness.REJECTED),
        ((OWN,), {OWN.key: (99, 100, 1)}, {}, Fullness.SHORT),
        ((OWN,), {OWN.key: (50, None, 50)}, {}, Fullness.REJECTED),
        ((OWN,), {OWN.key: (50, None, 50)}, {"max_rejected_share": 0.5}, Fullness.SHORT),
        ((OWN,), {OWN.key: (9, None, 0)}, {}, Fullness.FULL),
        ((OWN,), {OWN.key: (0, None, 0)}, {}, Fullness.SHORT),
        ((MONTH, OWN), {MONTH.key: (0, 10, 0)}, {}, Fullness.FULL),
        ((MONTH, OWN), {MONTH.key: (4, 10, 0), OWN.key: (5, 10, 0)}, {}, Fullness.SHORT),
        ((OWN,), {OWN.key: (9, 10, 0), "daily-01-01": (1, None, 0)}, {}, Fullness.FULL),
        ((MONTH,), {MONTH.key: (0, 10, 0)}, {}, Fullness.UNASKED),
        ((MONTH,), {MONTH.key: (0, 10, 0)}, {"listings": (ASKED,)}, Fullness.SHORT),
        ((MONTH,), {MONTH.key: (0, 10, 0)}, {"listings": (ASKED,), "passed_over": {MONTH.key: {DAY}}}, Fullness.ELSEWHERE),
        ((MONTH, entry(state=LedgerState.FAILED)), {MONTH.key: (0, 10, 0)}, {}, Fullness.ELSEWHERE),
        ((MONTH, entry(state=LedgerState.ABSENT)), {MONTH.key: (0, 10, 0)}, {"listings": (ASKED,)}, Fullness.SHORT),
        ((OWN,), {OWN.key: (9, 10, 0)}, {"spills": True}, Fullness.UNASKED),
        ((OWN,), {OWN.key: (9, 10, 0)}, {"spills": True, "listings": (ASKED,)}, Fullness.SHORT),
    ],
)  # fmt: skip
def test_a_day_is_what_its_rows_say(here, rows, known, expected) -> None:
    assert judge(*here, rows=rows, **known)[0] is expected


def test_what_lacks_is_said_with_numbers() -> None:
    assert judge(OWN, rows={OWN.key: (1_200, 1_440, 0)})[1] == "1,200 of 1,440 rows; nothing more is published"
    assert judge(OWN, rows={OWN.key: (0, 288, 288)})[1] == "0 of 288 rows, 288 rejected"
    assert judge(OWN, rows={})[1] == ""


def test_without_the_day_before_built_the_first_row_may_be_there() -> None:
    before = entry(DAY - ONE)
    short = {DAY: {OWN.key: DayRows(DAY, 287, 288, 0)}}
    record = SeriesRecord((before, OWN), short=short, spills=True)
    assert judge_day(DAY, (OWN,), record, has_days=True).fullness is Fullness.SHORT
