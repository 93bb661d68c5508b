"""Columns that follow from bars alone: average price, returns, the share of the takers' side; pure."""

from __future__ import annotations

import polars as pl

from lakehouse_sdk.tables.views.gold.intervals import BarInterval


def add_vwap(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars with `vwap` (Float64): quote volume by volume, in quote currency.

    Null where nothing was traded, and where one of the two is not published (Binance cm, Coinbase and FTX candles).
    """
    return bars.with_columns(pl.when(pl.col("volume") > 0).then(pl.col("quote_volume") / pl.col("volume")).alias("vwap"))


def add_returns(bars: pl.DataFrame, interval: BarInterval) -> pl.DataFrame:
    """The bars with `return` (close by the close before, less 1) and `log_return` (the logarithm of their ratio), Float64.

    Null where the bar just before is missing: a return is of one interval and of two prices that were really paid. So add them
    before gaps are filled.

    Args:
        bars: `symbol`, `open_time`, `close`; sorted by symbol and time, without filled ones.
        interval: Length of the bars.
    """
    opens, close = pl.col("open_time"), pl.col("close")
    adjacent = (pl.col("symbol") == pl.col("symbol").shift(1)) & (opens.shift(1) == interval.previous(opens))
    ratio = pl.when(adjacent).then(close / close.shift(1))
    return bars.with_columns((ratio - 1).alias("return"), ratio.log().alias("log_return"))


def add_imbalance(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars with `taker_imbalance` (Float64): what takers bought less what they sold, by the whole; from -1 to 1.

    Of volumes, or of contracts where only those are known. Null where nothing was traded or the sides are not published.
    """

    def share(bought: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole) > 0).then((2 * pl.col(bought) - pl.col(whole)) / pl.col(whole))

    parts = [("taker_buy_volume", "volume"), ("taker_buy_contract_volume", "contract_volume")]
    return bars.with_columns(pl.coalesce(share(bought, whole) for bought, whole in parts).alias("taker_imbalance"))
