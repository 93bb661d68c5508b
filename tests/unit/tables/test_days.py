"""What is known of each day of an archive: expected rows by calendar or ids, and where rejected rows belong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from table_archives import DAY, agg_trade, check_agg_trades, check_klines, epoch_ms, kline, klines_archive
from table_samples import check

from lakehouse_sdk.tables import CheckedBatch, drop_covered_days, parse_archive, validate
from lakehouse_sdk.tables.layout.days import DayCount, find_rows_per_day
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, make_sample


def _month(lines: list[str], days: int = 4, interval: str = "1h") -> CheckedBatch:
    """A longer archive with these lines."""
    data, file = klines_archive(lines, interval=interval)
    return validate(parse_archive(data, replace(file, period_end=DAY + timedelta(days=days))))


def _hour(number: int, **fields: object) -> str:
    start = epoch_ms(DAY) + number * 3_600_000
    return kline(0, open_time=start, close_time=start + 3_599_999, **fields)


@pytest.mark.parametrize(
    ("interval", "rows"),
    [
        *(("1s", 86_400), ("1m", 1440), ("3m", 480), ("5m", 288), ("15m", 96), ("30m", 48), ("1h", 24), ("2h", 12), ("4h", 6)),
        *(("6h", 4), ("8h", 3), ("12h", 2), ("1d", 1), ("3d", None), ("1w", None), ("1mo", None), ("7x", None)),
    ],
)
def test_the_calendar_of_bars(interval: str, rows: int | None) -> None:
    assert find_rows_per_day("silver.klines", "binance", interval) == rows
    assert find_rows_per_day("silver.mark_klines", "binance", interval) == rows
    assert find_rows_per_day("silver.klines", "coinbase", interval) is None


def test_a_daily_archive_is_one_day() -> None:
    lines = [*(kline(i) for i in range(1438)), kline(1438, high="1"), "bad"]
    (day,) = check_klines(lines).days
    assert day == DayCount(DAY, 1438, 1440, 0, 2, DAY, DAY + timedelta(minutes=1437))
    assert day.score == 1438 / 1440


def test_an_empty_archive_is_a_day_without_rows() -> None:
    (day,) = check_klines(b"").days
    assert (day.rows_accepted, day.rows_expected, day.score, day.first_time) == (0, 1440, 0.0, None)


def test_bars_off_the_grid_do_not_make_a_day_better_than_whole() -> None:
    (day,) = check_klines([kline(0), kline(0, open_time=epoch_ms(DAY) + 1), *(kline(i) for i in range(1, 1440))]).days
    assert (day.rows_accepted, day.score, day.rows_flagged) == (1441, 1.0, 1)


def test_of_trades_the_ids_say_what_is_missing() -> None:
    (day,) = check_agg_trades([agg_trade(i) for i in (5, 6, 9)]).days
    assert (day.rows_accepted, day.rows_expected, day.score) == (3, 5, 0.6)


def test_of_a_longer_archive_every_day_counts_by_itself() -> None:
    lines = [_hour(i) for i in range(24)] + [_hour(i) for i in range(30, 48)] + [_hour(72, quote_volume="1")]
    batch = _month(lines)
    assert [(day.day, day.rows_accepted, day.rows_expected, day.rows_flagged) for day in batch.days] == [
        (DAY, 24, 24, 0),
        (DAY + timedelta(days=1), 18, 24, 1),
        (DAY + timedelta(days=2), 0, 24, 0),
        (DAY + timedelta(days=3), 1, 24, 1),
    ]
    assert batch.days[1].first_time == DAY + timedelta(hours=30)
    assert sum(day.rows_accepted for day in batch.days) == batch.rows_accepted


def test_a_rejected_row_belongs_to_the_day_of_the_row_before_it() -> None:
    lines = ["bad", *(_hour(i) for i in range(24)), "bad", *(_hour(i) for i in range(24, 30)), _hour(30, high="1"), _hour(31)]
    assert [day.rows_quarantined for day in _month(lines).days] == [2, 1, 0, 0]


def test_bars_longer_than_a_day_are_listed_where_they_are() -> None:
    three_days = 3 * 86_400_000
    lines = [
        kline(0, open_time=epoch_ms(DAY) + i * three_days, close_time=epoch_ms(DAY) + (i + 1) * three_days - 1)
        for i in range(2)
    ]
    days = _month(lines, days=6, interval="3d").days
    assert [(day.day, day.rows_expected) for day in days] == [(DAY, None), (DAY + timedelta(days=3), None)]


def test_every_type_of_archive_has_days_that_add_up() -> None:
    for type_ in SAMPLE_TYPES:
        batch = check(make_sample(type_, 30))
        assert sum(day.rows_accepted for day in batch.days) == batch.rows_accepted, type_
        assert all(day.score is None or 0 <= day.score <= 1 for day in batch.days), type_


def test_funding_is_expected_by_its_hours() -> None:
    (type_,) = (t for t in SAMPLE_TYPES if (t.source, t.market, t.data_type) == ("binance", "um", "fundingRate"))
    sample = make_sample(type_, 6)
    assert [(day.rows_accepted, day.rows_expected) for day in check(sample).days[:3]] == [(3, 3), (3, 3), (0, 3)]
    lines = [*sample.lines[:5], sample.lines[5].replace(",8,", ",4,")]
    assert [day.rows_expected for day in check(sample, sample.text(lines)).days[:3]] == [3, None, None]


def test_the_midnight_that_ends_a_day_of_metrics_is_a_row_of_the_next_day() -> None:
    """A day's file ran from 00:05 to the next 00:00: its own day lacks a row, which the file of the day before has."""
    (type_,) = (t for t in SAMPLE_TYPES if (t.source, t.market, t.data_type) == ("binance", "um", "metrics"))
    own, following = check(make_sample(type_, 288)).days
    assert (own.rows_accepted, own.rows_expected, own.is_full) == (287, 288, False)
    assert (following.day - own.day, following.rows_accepted) == (timedelta(days=1), 1)


def test_a_month_leaves_its_days_to_the_daily_archives() -> None:
    month = _month([_hour(i, quote_volume="1") for i in range(48)], days=2)
    day = check_klines([_hour(i) for i in range(24)], interval="1h")
    left, _ = drop_covered_days(month, [day])
    assert [count.day for count in left.days] == [DAY + timedelta(days=1)]
    assert (month.rows_flagged, left.rows_flagged) == (48, 24)
    assert drop_covered_days(month, [])[0].days == month.days
    rest, _ = drop_covered_days(month, [], [(DAY, DAY + timedelta(days=1))])
    assert [count.day for count in rest.days] == [DAY + timedelta(days=1)], "a day that bronze no longer has stays the day's"
    assert (rest.rows_accepted, rest.rows_flagged) == (24, 24)
