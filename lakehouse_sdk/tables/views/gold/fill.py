"""Gaps between bars, filled and marked; pure."""

from __future__ import annotations

import polars as pl

from lakehouse_sdk.tables.views.gold.intervals import BarInterval
from lakehouse_sdk.tables.views.gold.resample import AMOUNTS, COMPLETE, FILLED, PRICES, SAMPLES


def fill_gaps(bars: pl.DataFrame, interval: BarInterval) -> pl.DataFrame:
    """The bars with one more for each that is missing between two of a series, marked by `is_filled`.

    A filled bar is flat at the last close before it, its amounts are 0 (null where that bar's are), and it is not complete.
    Nothing is put before the first or behind the last bar of a series: no price is known there, or nobody knows whether the
    market went on. Bars that the venue itself published flat are its own, and not marked. The rows that were there stay as
    they are.

    Args:
        bars: `symbol`, `open_time`, `PRICES`, amounts, `is_complete`, whatever else, which is null in filled bars; sorted by
            symbol and time.
        interval: Length of the bars.

    Returns:
        The same columns and `is_filled` (Boolean), sorted by symbol and time.
    """
    amounts = [name for name in (*AMOUNTS, SAMPLES) if name in bars.columns]
    ahead = pl.when(pl.col("symbol") == pl.col("symbol").shift(-1)).then(pl.col("open_time").shift(-1))
    opens = interval.following(pl.col("open_time"))
    step = "1mo" if interval.length is None else interval.length
    gaps = bars.with_columns(ahead.alias("_until")).filter(opens < pl.col("_until"))
    if gaps.is_empty():
        return bars.with_columns(pl.lit(value=False).alias(FILLED))
    missing = (
        gaps.with_columns(pl.datetime_ranges(opens, "_until", step, closed="left").alias("open_time"))
        .explode("open_time")
        .with_columns(
            *(pl.col("close").alias(name) for name in PRICES),
            *(pl.col(name) * 0 for name in amounts),
            pl.lit(value=False).alias(COMPLETE),
            pl.lit(value=True).alias(FILLED),
        )
        .select("symbol", "open_time", *PRICES, *amounts, COMPLETE, FILLED)
    )
    there = bars.with_columns(pl.lit(value=False).alias(FILLED))
    return pl.concat([there, missing], how="diagonal").sort("symbol", "open_time")
