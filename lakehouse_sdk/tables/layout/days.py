"""What is known of each day of an archive: rows taken, expected, flagged and rejected, first and last time; pure.

The calendar says what to expect: bars by their interval, metrics every five minutes, funding by its hours. Of trades the ids
say it: they rise by one. Of all else nothing can be expected, and nothing is made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import polars as pl

from lakehouse_sdk.tables.layout.bar_lengths import INTERVALS
from lakehouse_sdk.tables.layout.formats import (
    AGG_TRADES,
    DATA_TABLES,
    FUNDING,
    INDEX_KLINES,
    KLINES,
    MARK_KLINES,
    METRICS,
    PREMIUM_KLINES,
    TRADES,
    FormatSpec,
)
from lakehouse_sdk.tables.layout.source import SourceFile


@dataclass(frozen=True, slots=True)
class DayCount:
    """One day of an archive.

    Attributes:
        day: Midnight that begins it, UTC.
        rows_accepted: Rows that go into the table.
        rows_expected: Rows that calendar or ids expect; None where nothing can be expected.
        rows_flagged: Accepted rows that break any rule of severity W.
        rows_quarantined: Rows that go into quarantine.
        first_time: Time of the first accepted row; None without rows.
        last_time: Time of the last accepted row.
    """

    day: datetime
    rows_accepted: int
    rows_expected: int | None
    rows_flagged: int
    rows_quarantined: int
    first_time: datetime | None
    last_time: datetime | None

    @property
    def score(self) -> float | None:
        """Accepted ÷ expected rows, at most 1; None where nothing can be expected."""
        return min(self.rows_accepted / self.rows_expected, 1.0) if self.rows_expected else None


_DAY = timedelta(days=1)
_BARS = frozenset({KLINES, MARK_KLINES, INDEX_KLINES, PREMIUM_KLINES})
_IDS = {TRADES: "trade_id", AGG_TRADES: "agg_trade_id"}
_BY_ROWS = frozenset({*_IDS, FUNDING})
"""Tables whose rows themselves tell how many there should be."""
_METRICS_A_DAY = 288


def find_rows_per_day(table: str, source: str, interval: str | None) -> int | None:
    """Rows that the calendar expects of a whole day; None where it expects nothing.

    Binance publishes a bar for every step; other venues leave out those in which nothing was traded.
    """
    if table == METRICS:
        return _METRICS_A_DAY
    length = INTERVALS.get(interval or "")
    if table not in _BARS or source != "binance" or length is None or length > _DAY:
        return None
    return _DAY // length


def count_days(
    rows: pl.DataFrame, flagged: pl.Series | None, quarantined: pl.Series, spec: FormatSpec, file: SourceFile, line: str
) -> tuple[DayCount, ...]:
    """Count the days of an archive.

    Rows just outside the period, where a format allows them, belong to its first or last day. A rejected row belongs to the day
    of the accepted one before it, because its own time may be what is wrong with it.

    Args:
        rows: Accepted rows, in any order.
        flagged: True for each of them that breaks a rule of severity W; None where none does.
        quarantined: Lines of the rejected rows.
        spec: Format of the archive.
        file: The archive.
        line: Column of `rows` with the line numbers.

    Returns:
        Every day of the period, ascending; where rows are further apart than a day, those that have rows. Nothing for files of
        a user's own.
    """
    if spec.table not in DATA_TABLES:  # files of a user's own: they may speak of any time
        return ()
    days = _list_days(file)
    if len(days) == 1:
        return (_count_one(rows, flagged, quarantined.len(), spec, file, days[0]),)
    its_day = pl.col(spec.row_time).clip(days[0], file.period_end - timedelta(microseconds=1)).dt.truncate("1d").alias("day")
    rows = rows.with_columns(its_day, (pl.lit(value=False) if flagged is None else flagged).alias("_flagged"))
    counts = rows.group_by("day").agg(
        pl.len().alias("accepted"),
        _expected(spec, file).alias("expected"),
        pl.col("_flagged").sum().alias("flagged"),
        pl.col(spec.row_time).min().alias("first"),
        pl.col(spec.row_time).max().alias("last"),
    )
    per_day = find_rows_per_day(spec.table, file.source, file.interval)
    if spec.table == FUNDING and counts["expected"].n_unique() == 1:
        per_day = counts["expected"][0]
    found = {day: values for day, *values in counts.iter_rows()}
    rejected = _place_rejected(rows, quarantined, days[0], line)
    empty = (0, per_day, 0, None, None)
    counted = []
    for day in days:
        accepted, expected, marked, first, last = found.get(day, empty)
        counted.append(DayCount(day, accepted, expected, marked, rejected.get(day, 0), first, last))
    sparse = (INTERVALS.get(file.interval or "", _DAY) > _DAY) or file.interval == "1mo"
    return tuple(day for day in counted if day.rows_accepted or day.rows_quarantined or not sparse)


def _list_days(file: SourceFile) -> list[datetime]:
    first = file.period_start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    count = -((first - file.period_end) // _DAY)
    return [first + number * _DAY for number in range(count)]


def _count_one(
    rows: pl.DataFrame, flagged: pl.Series | None, quarantined: int, spec: FormatSpec, file: SourceFile, day: datetime
) -> DayCount:
    """The usual case, a daily archive, without grouping."""
    times = rows[spec.row_time]
    expected = find_rows_per_day(spec.table, file.source, file.interval)
    if expected is None and rows.height and spec.table in _BY_ROWS:
        expected = rows.select(_expected(spec, file)).item()
    first, last = cast("datetime | None", times.min()), cast("datetime | None", times.max())
    return DayCount(day, rows.height, expected, 0 if flagged is None else int(flagged.sum()), quarantined, first, last)


def _expected(spec: FormatSpec, file: SourceFile) -> pl.Expr:
    """Rows that a day with rows should have, one value for each group of them; null where nothing can be expected."""
    number = _IDS.get(spec.table)
    if number is not None and file.source != "ftx":  # which numbered its trades across all markets
        return pl.col(number).max() - pl.col(number).min() + 1
    if spec.table == FUNDING and "interval_hours" in spec.kept:
        hours = pl.col("interval_hours")
        return pl.when(hours.min() == hours.max()).then(24 // hours.max())
    return pl.lit(find_rows_per_day(spec.table, file.source, file.interval), pl.Int64)


def _place_rejected(rows: pl.DataFrame, quarantined: pl.Series, first: datetime, line: str) -> dict[datetime, int]:
    """Rejected rows by day."""
    if quarantined.is_empty():
        return {}
    lines = pl.DataFrame({line: quarantined.sort()}, schema={line: pl.Int64})
    known = rows.select(line, "day").sort(line)
    placed = lines.join_asof(known, on=line, strategy="backward").with_columns(pl.col("day").fill_null(first))
    return dict(placed.group_by("day").len().iter_rows())
