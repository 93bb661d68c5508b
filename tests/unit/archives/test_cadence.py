"""The choice between daily and monthly archives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.archives import ArchiveObject, select_cadence
from lakehouse_sdk.errors import UsageError

MakeArchive = Callable[..., ArchiveObject]


def periods(archives: Iterable[ArchiveObject]) -> list[str]:
    return [archive.key.rpartition("/")[2].removesuffix(".zip").partition("-")[2].partition("-")[2] for archive in archives]


def test_auto_takes_the_month_and_the_days_of_months_without_one(make_archive: MakeArchive) -> None:
    found = [make_archive(period) for period in ("2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02", "2024-11", "2024-12")]
    assert periods(select_cadence(found)) == ["2025-01-01", "2025-01-02", "2024-11", "2024-12"]


def test_auto_fills_a_month_that_was_never_published_monthly(make_archive: MakeArchive) -> None:
    found = [make_archive(period) for period in ("2024-10", "2024-11-01", "2024-11-02", "2024-12")]
    assert periods(select_cadence(found, "auto")) == ["2024-10", "2024-11-01", "2024-11-02", "2024-12"]


@pytest.mark.parametrize("other", [{"symbol": "ETHUSDT"}, {"interval": "5m"}, {"interval": None}, {"market": "um"}])
def test_a_month_of_one_series_covers_no_other(make_archive: MakeArchive, other: dict[str, Any]) -> None:
    found = [make_archive("2024-12"), make_archive("2024-12-31", **other)]
    assert list(select_cadence(found)) == found


def test_daily_and_monthly_take_only_their_own(make_archive: MakeArchive) -> None:
    found = [make_archive("2024-12"), make_archive("2024-12-31")]
    assert list(select_cadence(found, "daily")) == found[1:]
    assert list(select_cadence(found, "monthly")) == found[:1]
    assert list(select_cadence([], "auto")) == []


def test_a_month_that_is_defective_leaves_its_days_in(make_archive: MakeArchive) -> None:
    found = [make_archive(period) for period in ("2024-11-30", "2024-12-31", "2024-11", "2024-12")]
    unusable = {(found[3].key, found[3].etag), (found[2].key, "another etag")}
    assert periods(select_cadence(found, unusable=unusable)) == ["2024-12-31", "2024-11", "2024-12"]


def test_reconcile_takes_both(make_archive: MakeArchive) -> None:
    found = [make_archive("2024-12-31"), make_archive("2024-12")]
    assert list(select_cadence(found, "reconcile")) == found


def test_any_iterable_will_do(make_archive: MakeArchive) -> None:
    assert len(list(select_cadence(make_archive(period) for period in ("2024-12", "2024-12-31")))) == 1


def test_an_unknown_cadence_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="auto, daily, monthly, reconcile"):
        select_cadence([], "weekly")  # type: ignore[arg-type]


_days = st.sets(st.dates(date(2024, 1, 1), date(2024, 4, 30)), max_size=40)
_months = st.sets(st.sampled_from(["2024-01", "2024-02", "2024-03", "2024-04"]))


@given(_days, _months)
def test_auto_reads_every_published_day_exactly_once(make_archive: MakeArchive, days: set[date], months: set[str]) -> None:
    found = [make_archive(day.isoformat()) for day in sorted(days)] + [make_archive(month) for month in sorted(months)]

    def covered(archives: Iterable[ArchiveObject]) -> list[datetime]:
        return [
            entry.period_start + timedelta(days=offset)
            for entry in archives
            for offset in range((entry.period_end - entry.period_start).days)
        ]

    taken = covered(select_cadence(found))
    assert len(taken) == len(set(taken))
    assert set(taken) == set(covered(found))


def test_a_month_beyond_the_limit_is_left_for_its_days_where_all_are_published(make_archive: MakeArchive) -> None:
    month = make_archive("2024-02")
    days = [make_archive(f"2024-02-{day:02}") for day in range(1, 30)]
    limit = month.size_bytes - 1
    assert list(select_cadence([*days, month], max_month_bytes=limit)) == days
    assert list(select_cadence([*days[1:], month], max_month_bytes=limit)) == [month], "its first day is nowhere else"
    assert list(select_cadence([*days, month], max_month_bytes=month.size_bytes)) == [month]


def test_a_day_that_the_tables_lack_is_taken_beside_its_month_and_the_others_are_told_of(make_archive: MakeArchive) -> None:
    month, days = make_archive("2024-02"), [make_archive(f"2024-02-{day:02}") for day in (3, 4, 5)]
    told: dict[str, list[datetime]] = {}
    taken = select_cadence(
        [*days, month],
        held=lambda _: {month.key},
        short=lambda _: {days[1].period_start},
        pass_over=told.__setitem__,  # type: ignore[arg-type]
    )
    assert list(taken) == [days[1], month]
    assert told == {month.key: [days[0].period_start, days[2].period_start]}


def test_a_month_is_taken_where_one_of_its_days_lacks_rows(make_archive: MakeArchive) -> None:
    month, days = make_archive("2024-02"), [make_archive(f"2024-02-{day:02}") for day in range(1, 30)]
    have = {day.key for day in days}
    assert month not in list(select_cadence([*days, month], held=lambda _: have))
    assert month in list(select_cadence([*days, month], held=lambda _: have, short=lambda _: {days[7].period_start}))
