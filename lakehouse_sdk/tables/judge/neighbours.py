"""Two days' archives that hold the same row: the archive of the row's own day is taken, and the other gives it up; pure.

A publisher's file of a day may end with the first row of the next (metrics until 2023), and the file of that day may begin with
the same row, with other values: whichever the reader met would be chance.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pyarrow.compute as pc

from lakehouse_sdk.tables.judge.rules import IN_TWO_ARCHIVES
from lakehouse_sdk.tables.judge.validation import CheckedBatch
from lakehouse_sdk.tables.layout.formats import get_format


def has_margin(batch: CheckedBatch) -> bool:
    """True where the format allows rows behind the period of their archive."""
    return batch.scope.period_end > batch.file.period_end


def has_rows_behind(batch: CheckedBatch) -> bool:
    """True where the archive has rows that lie behind its period."""
    return batch.last_time is not None and batch.last_time >= batch.file.period_end


def has_first_instant(batch: CheckedBatch) -> bool:
    """True where the archive has a row of the very beginning of its period, which the archive before may have too."""
    return batch.first_time == batch.file.period_start


def drop_rows_of_next(batch: CheckedBatch, following: CheckedBatch) -> CheckedBatch:
    """The batch without those of its rows behind its period that the following archive has; they count as duplicates.

    Args:
        batch: A checked archive.
        following: The checked archive of the time behind it.
    """
    spec = get_format(batch.file.source, batch.file.market, batch.file.data_type)
    key = list(spec.natural_key)
    rows = pl.DataFrame(pl.from_arrow(batch.accepted.select(key)))
    theirs = pl.DataFrame(pl.from_arrow(following.accepted.select(key)))
    behind = pl.Series(pc.greater_equal(batch.accepted[spec.row_time], batch.file.period_end).to_numpy())
    known = rows.with_row_index("_at").join(theirs, on=key, how="semi")["_at"]
    given = pl.select(pl.int_range(rows.height, dtype=pl.UInt32).is_in(known.implode())).to_series() & behind
    count = int(given.sum())
    if not count:
        return batch
    kept = batch.accepted.filter((~given).to_arrow())
    left = rows.filter(~given & behind).height
    days = tuple(
        replace(day, rows_accepted=left) if day.day >= batch.file.period_end else day
        for day in batch.days
        if left or day.day < batch.file.period_end
    )
    times = kept[spec.row_time]
    return replace(
        batch,
        accepted=kept,
        rows_duplicate=batch.rows_duplicate + count,
        flags={**batch.flags, IN_TWO_ARCHIVES: count},
        days=days,
        last_time=times[-1].as_py() if len(times) else None,
    )
