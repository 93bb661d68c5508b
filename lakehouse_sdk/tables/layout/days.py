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

    @property
    def is_full(self) -> bool:
        """True where all rows are there that can be expected; where none can, some are there and none was rejected."""
        if self.rows_expected is None:
            return self.rows_accepted > 0 and not self.rows_quarantined
        return self.rows_accepted >= self.rows_expected


_DAY = timedelta(days=1)
_BARS = frozenset({KLINES, MARK_KLINES, INDEX_KLINES, PREMIUM_KLINES})
_IDS = {TRADES: "trade_id", AGG_TRADES: "agg_trade_id"}
_BY_ROWS = frozenset({*_IDS, FUNDING})
"""Tables whose rows themselves tell how many there should be."""
_METRICS_A_DAY = 288


def is_counted_by_ids(table: str) -> bool:
    """True for tables whose ids say how many rows there should be."""
    return table in _IDS


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

    Rows just outside the period, where a format allows them, belong to their own day where the calendar says how many rows a
    day has, else to the first or last day of the period. A rejected row belongs to the day of the accepted one before it,
    because its own time may be what is wrong with it.

    Args:
        rows: Accepted rows, in any order.
        flagged: True for each of them that breaks a rule of severity W; None where none does.
        quarantined: Lines of the rejected rows.
        spec: Format of the archive.
        file: The archive.
        line: Column of `rows` with the line numbers.

    Returns:
        Every day of the period, and those outside of it that have rows, ascending; where rows are further apart than a day,
        those that have rows. Nothing for files of a user's own.
    """
    if spec.table not in DATA_TABLES:  # files of a user's own: they may speak of any time
        return ()
    days = list_days(file)
    per_day = find_rows_per_day(spec.table, file.source, file.interval)
    strays = per_day is not None and bool(spec.early or spec.late) and _has_strays(rows[spec.row_time], file)
    number = _IDS.get(spec.table) if file.source != "ftx" else None
    runs = None if number is None else _number_runs(rows, number, spec.row_time)
    if len(days) == 1 and not strays and runs is None:
        return (_count_one(rows, flagged, quarantined.len(), spec, file, days[0]),)
    row_time = pl.col(spec.row_time)
    inside = row_time if strays else row_time.clip(days[0], file.period_end - timedelta(microseconds=1))
    its_day = inside.dt.truncate("1d").alias("day")
    rows = rows.with_columns(its_day, (pl.lit(value=False) if flagged is None else flagged).alias("_flagged"))
    counts = rows.group_by("day").agg(
        pl.len().alias("accepted"),
        (_expected(spec, file) if runs is None else pl.lit(None, pl.Int64)).alias("expected"),
        pl.col("_flagged").sum().alias("flagged"),
        pl.col(spec.row_time).min().alias("first"),
        pl.col(spec.row_time).max().alias("last"),
    )
    if spec.table == FUNDING and counts["expected"].n_unique() == 1:
        per_day = counts["expected"][0]
    if runs is not None and number is not None:
        counts = _expect_by_run(rows.with_columns(runs), counts, number)
    found = {day: values for day, *values in counts.iter_rows()}
    rejected = _place_rejected(rows, quarantined, days[0], line)
    empty = (0, per_day, 0, None, None)
    counted = []
    for day in sorted({*days, *found}):
        accepted, expected, marked, first, last = found.get(day, empty)
        counted.append(DayCount(day, accepted, expected, marked, rejected.get(day, 0), first, last))
    sparse = (INTERVALS.get(file.interval or "", _DAY) > _DAY) or file.interval == "1mo"
    return tuple(day for day in counted if day.rows_accepted or day.rows_quarantined or not sparse)


def _has_strays(times: pl.Series, file: SourceFile) -> bool:
    first, last = cast("datetime | None", times.min()), cast("datetime | None", times.max())
    return first is not None and last is not None and (first < file.period_start or last >= file.period_end)


def list_days(file: SourceFile) -> list[datetime]:
    """Midnights that begin the days of the archive's period."""
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


_RESTART = -1000
"""Ids that fall by as much begin anew; a little they fall where trades of one moment are out of order."""


def _number_runs(rows: pl.DataFrame, number: str, row_time: str) -> pl.Series | None:
    """For each row which of several countings its id belongs to; None where the ids never begin anew, as is usual."""
    steps = rows[number].diff()
    least = cast("int | None", steps.min())
    if least is None or least > _RESTART:
        return None
    ordered = rows.select(row_time, number).with_row_index("_at").sort(row_time, number)
    ordered = ordered.with_columns((pl.col(number).diff() <= _RESTART).fill_null(value=False).cum_sum().alias("_run"))
    runs = ordered.sort("_at")["_run"]
    return runs if runs.max() else None


def _expect_by_run(rows: pl.DataFrame, counts: pl.DataFrame, number: str) -> pl.DataFrame:
    """The counts with the rows that each counting of ids expects of its days."""
    of_run = rows.group_by("day", "_run").agg((pl.col(number).max() - pl.col(number).min() + 1).alias("run"))
    expected = of_run.group_by("day").agg(pl.col("run").sum())
    joined = counts.join(expected, on="day", how="left", maintain_order="left")
    return joined.with_columns(pl.col("run").alias("expected")).drop("run")


def _place_rejected(rows: pl.DataFrame, quarantined: pl.Series, first: datetime, line: str) -> dict[datetime, int]:
    """Rejected rows by day."""
    if quarantined.is_empty():
        return {}
    lines = pl.DataFrame({line: quarantined.sort()}, schema={line: pl.Int64})
    known = rows.select(line, "day").sort(line)
    placed = lines.join_asof(known, on=line, strategy="backward").with_columns(pl.col("day").fill_null(first))
    return dict(placed.group_by("day").len().iter_rows())
