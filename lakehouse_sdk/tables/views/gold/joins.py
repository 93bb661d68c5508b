"""Columns that come from other tables: funding, and the computed prices of a future; pure."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lakehouse_sdk.tables.views.gold.intervals import INSTANT, BarInterval

FUNDING_AGE = timedelta(hours=8)
"""The longest time between two payments; an older rate says nothing about a bar."""


def join_funding(bars: pl.DataFrame, funding: pl.DataFrame, interval: BarInterval) -> pl.DataFrame:
    """The bars with the funding that was known when each began, and what was paid within it.

    Args:
        bars: `symbol`, `open_time` (Datetime us UTC), whatever else; sorted by both.
        funding: `symbol`, `funding_time` (as published, e.g. 00:00:00.008), `rate` (Float64); in any order.
        interval: Length of the bars.

    Returns:
        The bars with `funding_rate` (Float64) and `funding_time` of the newest payment at or before `open_time`, one that was
        due at that very minute included, null where it is more than eight hours old; and `funding_paid` (Float64), the sum of
        the rates due within the bar, which a position held through it pays: 0 where none was due, null where no rate is known.
    """
    published = pl.col("funding_time")
    minute = published.dt.round("1m").cast(INSTANT)
    # A payment some milliseconds behind the full minute belongs to the bar that begins there, if it is known before its end.
    due = pl.when(published < interval.following(interval.floor(minute))).then(minute).otherwise(published)
    rates = funding.with_columns(due.alias("_due")).sort("symbol", "_due")
    newest = rates.select("symbol", "_due", pl.col("rate").alias("funding_rate"), "funding_time")
    joined = bars.join_asof(
        newest, left_on="open_time", right_on="_due", by="symbol", tolerance=FUNDING_AGE, check_sortedness=False
    )
    paid = (
        rates.with_columns(interval.floor(pl.col("_due")).alias("open_time"))
        .group_by("symbol", "open_time")
        .agg(pl.col("rate").sum().alias("_paid"))
    )
    nothing_due = pl.when(pl.col("funding_rate").is_not_null()).then(0.0)
    return (
        joined.join(paid, on=["symbol", "open_time"], how="left", maintain_order="left")
        .with_columns(pl.coalesce("_paid", nothing_due).alias("funding_paid"))
        .drop("_due", "_paid", strict=False)
    )


def join_price(bars: pl.DataFrame, prices: pl.DataFrame, name: str) -> pl.DataFrame:
    """The bars with the close of the same bar of a computed price, as column `name` (Float64); null where there is none.

    Args:
        bars: `symbol`, `open_time`, whatever else.
        prices: Bars of the same interval: `symbol`, `open_time`, `close`.
        name: `mark_close`, `index_close` or `premium_close`.
    """
    closes = prices.select("symbol", "open_time", pl.col("close").alias(name))
    return bars.join(closes, on=["symbol", "open_time"], how="left", maintain_order="left")


def pair_of(symbol: str) -> str:
    """The pair of a future, under which its index is published: `BTCUSD` of `BTCUSD_PERP`."""
    return symbol.partition("_")[0].removesuffix("SETTLED")
