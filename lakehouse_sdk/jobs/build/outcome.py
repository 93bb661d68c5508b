"""What a built archive means for its series: which of its days are not full, whether it lost so much that it is an alarm."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse_sdk.archives.coverage import list_periods
from lakehouse_sdk.archives.ledger import DayRows

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, TableCatalog
    from lakehouse_sdk.tables.layout.days import DayCount

_DAY = timedelta(days=1)
_CHANGED_FORMATS = frozenset({"header-unknown", "times-missing"})
"""Reasons for which every row of an archive is lost though its bytes are as they were published."""


def find_short_days(batch: CheckedBatch) -> tuple[DayRows, ...]:
    """The days of the archive that are not full, and those outside of its period of which it has rows."""
    start, end = batch.file.period_start, batch.file.period_end
    return select_short_days(batch.table, start, end, batch.file.interval, batch.days)


def select_short_days(
    table: str, start: datetime, end: datetime, interval: str | None, counts: Sequence[DayCount]
) -> tuple[DayRows, ...]:
    """As `find_short_days`, of an archive of this table, period and interval with these counts.

    Ids of trades have gaps that are nobody's loss: futures leave out what the insurance fund took over. So of trades the ids
    say how good a day is, and not whether it is complete: it is where it has rows and none was rejected.
    """
    from lakehouse_sdk.tables.layout.bar_lengths import INTERVALS  # noqa: PLC0415 (loads polars)
    from lakehouse_sdk.tables.layout.days import is_counted_by_ids  # noqa: PLC0415

    if is_counted_by_ids(table):
        counts = [replace(count, rows_expected=None) for count in counts]

    by_day = {count.day: count for count in counts}
    days = [day for day, _ in list_periods(start, end, monthly=False)]
    is_sparse = interval == "1mo" or INTERVALS.get(interval or "", _DAY) > _DAY
    if is_sparse and any(count.rows_accepted for count in counts):  # a week's bar stands for all of its days
        return ()
    found = []
    for day in sorted({*days, *by_day}):
        count = by_day.get(day)
        if count is None:
            found.append(DayRows(day, 0, None, 0))
        elif not count.is_full or day not in days:
            found.append(DayRows(day, count.rows_accepted, count.rows_expected, count.rows_quarantined))
    return tuple(found)


def read_short_days(catalog: TableCatalog, source: str, keys: Collection[str] | None = None) -> dict[str, tuple[DayRows, ...]]:
    """The same of archives that were built before, by key, as the books have it; None for all of the source."""
    from lakehouse_sdk.tables import read_day_counts  # noqa: PLC0415 (loads polars)

    return {
        key: select_short_days(table, start, end, interval, counts)
        for key, table, start, end, interval, counts in read_day_counts(catalog, source, keys)
    }


def find_alarm(batch: CheckedBatch, max_rejected_share: float) -> str:
    """What to say where more of an archive's rows were rejected than is usual, or all for their form; empty otherwise."""
    if batch.defect is not None:
        changed = batch.defect.reason in _CHANGED_FORMATS
        return f"{batch.defect.reason}: {batch.defect.detail}; has the format changed?" if changed else ""
    if batch.rows_quarantined <= max_rejected_share * batch.rows_in:
        return ""
    rules = sorted(batch.rejects.items(), key=lambda item: -item[1])
    share = batch.rows_quarantined / batch.rows_in
    named = ", ".join(f"`{rule}`" for rule, _ in rules[:3])
    return f"{share:.0%} of {batch.rows_in:,} rows rejected by {named}: has the format changed?"
