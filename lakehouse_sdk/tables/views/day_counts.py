"""What the books say of the days of each archive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.tables.layout.days import DayCount
from lakehouse_sdk.tables.layout.formats import find_format
from lakehouse_sdk.tables.layout.schemas import QUALITY, QUALITY_DAYS, SOURCE_KEY
from lakehouse_sdk.tables.read.tables import Tables

_COUNTS = ("day", "rows_accepted", "rows_expected", "rows_flagged", "rows_quarantined", "first_time", "last_time")
_DAY = timedelta(days=1)
ArchiveDays = tuple[str, str, datetime, datetime, str | None, list[DayCount]]


def read_day_counts(catalog: Tables, source: str, keys: Collection[str] | None = None) -> Iterator[ArchiveDays]:
    """Key, table, period, interval and days of each archive that could be read.

    Args:
        catalog: Where the books are.
        source: Publisher.
        keys: Only these archives; None for all.
    """
    try:
        archives = (
            catalog.table(QUALITY)
            .scan(columns=(SOURCE_KEY, "period_start", "period_end", "interval", "defect", "source", "market", "data_type"))
            .to_arrow()
        )
        days = catalog.table(QUALITY_DAYS).scan(columns=(SOURCE_KEY, "source", *_COUNTS)).to_arrow()
    except NotFoundError:
        return
    counts: dict[str, list[DayCount]] = defaultdict(list)
    for row in days.to_pylist():
        if row["source"] == source and (keys is None or row[SOURCE_KEY] in keys):
            counts[row[SOURCE_KEY]].append(DayCount(**{name: row[name] for name in _COUNTS}))
    for row in archives.to_pylist():
        key = row[SOURCE_KEY]
        if row["source"] == source and row["defect"] is None and (keys is None or key in keys):
            spec = find_format(source, row["market"], row["data_type"])
            table = "" if spec is None else spec.table
            days_of = _move_midnight(counts.get(key, []))
            yield key, table, row["period_start"], row["period_end"], row["interval"], days_of


def _move_midnight(days: list[DayCount]) -> list[DayCount]:
    """The counts with the midnight behind a day on its own day, which older releases counted to the day before."""
    found = []
    for count in days:
        following = count.day + _DAY
        if count.last_time is not None and count.last_time >= following and len(days) == 1 and count.rows_expected:
            found.append(replace(count, rows_accepted=count.rows_accepted - 1))
            found.append(DayCount(following, 1, count.rows_expected, 0, 0, count.last_time, count.last_time))
        else:
            found.append(count)
    return found
