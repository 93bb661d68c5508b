"""Two archives of the same rows, a month and one of its days: the day's word stands unless it has fewer rows; pure.

What goes wrong otherwise: days are collected while a month is open, then the month is published, and every row is there twice.
Where the two disagree, the daily archive was the right one (a published list of 398 bars), and monthly ones have been seen with
ten days in them. But a day whose rows are rejected, or lack, must not take the place of good ones: of a day that is not full
the archive with more accepted rows is taken, whole; of equals the day's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse_sdk.tables.judge.rules import DIFFERS_FROM_DAILY, ONLY_IN_DAILY, ONLY_IN_MONTHLY
from lakehouse_sdk.tables.judge.validation import CheckedBatch
from lakehouse_sdk.tables.layout.days import DayCount
from lakehouse_sdk.tables.layout.formats import get_format
from lakehouse_sdk.tables.layout.schemas import SOURCE_KEY, SOURCE_SHA256


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a monthly archive and the daily ones of its days say of the same rows.

    Attributes:
        key: The monthly archive.
        days: Days whose daily archive is taken.
        rows: Rows of the month in those days; they are not taken from it.
        only_daily: Rows that only the daily archives have, by natural key.
        only_monthly: Rows that only the monthly archive has; they are not taken.
        differing: Rows that both have, with other values.
    """

    key: str
    days: int
    rows: int
    only_daily: int
    only_monthly: int
    differing: int

    @property
    def agrees(self) -> bool:
        """True where both say the same."""
        return not self.only_daily and not self.only_monthly and not self.differing


def drop_covered_days(
    month: CheckedBatch, days: Sequence[CheckedBatch], dropped: Sequence[tuple[datetime, datetime]] = ()
) -> tuple[CheckedBatch, Reconciliation]:
    """The monthly batch without the rows of days whose daily archive is taken, and how far the two agree.

    The rows left out count as duplicates, so that rows in = accepted + duplicate + quarantined holds; disagreements are flags
    of the batch (`differs-from-daily`, `only-in-daily`, `only-in-monthly`). Where a day has fewer rows than the month, the
    batch keeps its own and withdraws those of the day.

    Args:
        month: A checked monthly archive.
        days: Checked daily archives of the same series within the month, those that could be read.
        dropped: Times of further days whose rows are in the table and whose archives are no longer in bronze: the month gives
            way to them too, and nothing can be compared.
    """
    spec = get_format(month.file.source, month.file.market, month.file.data_type)
    counts = {count.day: count for count in month.days}
    poorer = [day for day in days if not has_precedence(_only_day(day), counts.get(day.file.period_start))]
    days = [day for day in days if day not in poorer]
    withdraws = tuple((day.file.key, day.file.period_start, day.file.period_end) for day in poorer if day.rows_accepted)
    month = _without(replace(month, withdraws=(*month.withdraws, *withdraws)), spec.row_time, dropped)
    inside = _within(month.accepted, spec.row_time, [(day.file.period_start, day.file.period_end) for day in days])
    given = month.accepted.filter(inside)
    said = compare(given, pa.concat_tables([day.accepted for day in days]), spec.natural_key) if days else (0, 0, 0)
    found = Reconciliation(month.file.key, len(days), given.num_rows, *said)
    said_by_rule = {ONLY_IN_DAILY: found.only_daily, ONLY_IN_MONTHLY: found.only_monthly, DIFFERS_FROM_DAILY: found.differing}
    flags = {**month.flags, **{name: count for name, count in said_by_rule.items() if count}}
    rest = month.accepted.filter(pc.invert(inside))
    rows_duplicate = month.rows_duplicate + given.num_rows
    given_days = {day.file.period_start for day in days}
    left = tuple(count for count in month.days if count.day not in given_days)
    flagged = sum(count.rows_flagged for count in left)
    return replace(month, accepted=rest, rows_duplicate=rows_duplicate, rows_flagged=flagged, flags=flags, days=left), found


def has_precedence(day: DayCount | None, month: DayCount | None) -> bool:
    """True where a day's own archive is taken, and not the rows that the month has of the day.

    Args:
        day: What the day's archive gives; None where that is nothing.
        month: What the month gives of the day; None where that is nothing.
    """
    if day is None or not day.rows_accepted:
        return month is None or not month.rows_accepted
    return month is None or day.is_full or day.rows_accepted >= month.rows_accepted


def _only_day(day: CheckedBatch) -> DayCount | None:
    return next((count for count in day.days if count.day == day.file.period_start), None)


def give_way(day: CheckedBatch) -> CheckedBatch:
    """A day's batch without its rows, which the month's are taken for; they count as duplicates."""
    rows_duplicate = day.rows_duplicate + day.rows_accepted
    return replace(day, accepted=day.accepted.slice(0, 0), rows_duplicate=rows_duplicate, rows_flagged=0, days=())


def _without(month: CheckedBatch, row_time: str, spans: Sequence[tuple[datetime, datetime]]) -> CheckedBatch:
    """The batch without the rows of these times."""
    if not spans:
        return month
    rest = month.accepted.filter(pc.invert(_within(month.accepted, row_time, spans)))
    left = tuple(count for count in month.days if not any(start <= count.day < end for start, end in spans))
    rows_duplicate = month.rows_duplicate + month.accepted.num_rows - rest.num_rows
    flagged = sum(count.rows_flagged for count in left)
    return replace(month, accepted=rest, rows_duplicate=rows_duplicate, rows_flagged=flagged, days=left)


def compare(monthly: pa.Table, daily: pa.Table, natural_key: Sequence[str]) -> tuple[int, int, int]:
    """Rows only in the daily table, only in the monthly one, and in both with other values."""
    lineage = [SOURCE_KEY, SOURCE_SHA256]
    key, one, other = list(natural_key), _to_polars(monthly, lineage), _to_polars(daily, lineage)
    only_daily = other.join(one, on=key, how="anti", nulls_equal=True).height
    only_monthly = one.join(other, on=key, how="anti", nulls_equal=True).height
    same = one.join(other, on=one.columns, how="semi", nulls_equal=True).height
    return only_daily, only_monthly, one.height - only_monthly - same


def _to_polars(table: pa.Table, without: list[str]) -> pl.DataFrame:
    frame = pl.from_arrow(table.drop_columns([name for name in without if name in table.column_names]))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 (of a table it is never a series)
    return frame


def _within(rows: pa.Table, column: str, spans: Sequence[tuple[datetime, datetime]]) -> pa.ChunkedArray | pa.Array:
    """True for rows whose time lies in one of the half-open spans."""
    times = rows[column]
    mask = pa.array([False] * rows.num_rows, pa.bool_())
    for start, end in spans:
        first, last = pa.scalar(start, times.type), pa.scalar(end, times.type)
        mask = pc.or_(mask, pc.and_(pc.greater_equal(times, first), pc.less(times, last)))
    return mask
