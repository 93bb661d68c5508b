"""Trades to bars, and bars to longer bars; pure, vectorised, picklable.

Nothing looks ahead: a bar depends on the rows within its own time alone, so rows that come later change no bar before them.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lakehouse_sdk.tables.views.gold.intervals import DAY, INSTANT, BarInterval

PRICES = ("open", "high", "low", "close")
AMOUNTS = (
    "volume",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "contract_volume",
    "taker_buy_contract_volume",
)
"""What adds up from bar to bar. Null where the market does not publish it."""
SAMPLES = "sample_count"
"""The one amount of bars of a computed price."""
COMPLETE = "is_complete"
FILLED = "is_filled"

_COUNTS = frozenset({"count", SAMPLES})


def trades_to_bars(trades: pl.DataFrame, interval: BarInterval) -> pl.DataFrame:
    """Bars of trades or aggregate trades: open first, high max, low min, close last, amounts summed.

    Trades of equal time count in the order of their ids. A bar without a trade is absent. The bars are those that the venue
    publishes, but for the flat ones with which some fill times without a trade; amounts agree to the rounding of float64.

    Args:
        trades: Of one source and market: `symbol` (String); `trade_time` and `trade_id`, or `transact_time`, `agg_trade_id`,
            `first_trade_id` and `last_trade_id`; `price`, `quantity` (Float64, may be null), `side` (`buy` or `sell`: what the
            taker did) and, where the market counts contracts, `contract_quantity` (Float64). In any order.
        interval: Length of the bars, at most a day.

    Returns:
        `symbol`, `open_time` (Datetime us UTC), `PRICES` (Float64), `AMOUNTS` (Float64, `count` Int64) and
        `is_complete` (Boolean, always true: a trade that is not there cannot be told from one that never was); sorted by
        symbol and time. `quote_volume` is the sum of price times quantity, `count` the number of single trades.
    """
    is_aggregate = "agg_trade_id" in trades.columns
    time, number = ("transact_time", "agg_trade_id") if is_aggregate else ("trade_time", "trade_id")
    if "contract_quantity" not in trades.columns:
        trades = trades.with_columns(pl.lit(None, pl.Float64).alias("contract_quantity"))
    bought = pl.when(pl.col("side") == "buy")
    quote = pl.col("price") * pl.col("quantity")
    count = (pl.col("last_trade_id") - pl.col("first_trade_id") + 1).sum() if is_aggregate else pl.len().cast(pl.Int64)
    sides = {"taker_buy_volume": pl.col("quantity"), "taker_buy_quote_volume": quote}
    sides["taker_buy_contract_volume"] = pl.col("contract_quantity")
    amounts = {"volume": pl.col("quantity"), "quote_volume": quote, "contract_volume": pl.col("contract_quantity")}
    sums = amounts | {name: bought.then(value).otherwise(value * 0) for name, value in sides.items()}
    price = pl.col("price")
    return (
        _in_order(trades, "symbol", time, number)
        .lazy()
        .with_columns(
            interval.floor(pl.col(time)).alias("open_time"),
            *(value.alias(f"_{name}") for name, value in sums.items()),
        )
        .group_by("symbol", "open_time", maintain_order=True)
        .agg(
            price.first().alias("open"),
            price.max().alias("high"),
            price.min().alias("low"),
            price.last().alias("close"),
            count.alias("count"),
            *(pl.col(f"_{name}").sum().alias(name) for name in sums),
            *(pl.col(f"_{name}").null_count() for name in sums),
        )
        .with_columns(_known(name, f"_{name}") for name in sums)
        .select("symbol", "open_time", *PRICES, *AMOUNTS, pl.lit(value=True).alias(COMPLETE))
        .collect()
    )


def bars_to_bars(bars: pl.DataFrame, interval: BarInterval, made_of: BarInterval) -> pl.DataFrame:
    """Longer bars of shorter ones: open first, high max, low min, close last, every amount summed.

    They are the longer bars that the venue publishes: where something was traded, shorter bars in which nothing was, which
    some venues publish flat at the close before, have no say in the prices. In steps or at once is the same: 1m to 5m to 1h
    gives what 1m to 1h gives. An amount is null where one of the shorter bars does not have it.

    Args:
        bars: Of one source and market: `symbol`, `open_time`, `PRICES`, any of `AMOUNTS` or `sample_count`, and
            `is_complete`. In any order, at most one bar of each time; one that does not open on the grid (a publisher's
            slip) counts where it lies.
        interval: Length of the bars to make, of which `made_of` is a whole part.
        made_of: Length of the given ones.

    Returns:
        `symbol`, `open_time`, `PRICES`, the amounts that `bars` has, and `is_complete`: false where a shorter bar is missing
        or is not complete itself; the bar then says what is known of it. Sorted by symbol and time.
    """
    amounts = [name for name in (*AMOUNTS, SAMPLES) if name in bars.columns]
    if interval == made_of and bars.select((interval.floor(pl.col("open_time")) == pl.col("open_time")).all()).item():
        return bars.select("symbol", "open_time", *PRICES, *amounts, COMPLETE).pipe(_in_order, "symbol", "open_time")
    opens = pl.col("_bar")
    traded = pl.any_horizontal((pl.col(name) > 0).fill_null(value=False) for name in amounts)
    wanted = (interval.following(opens) - opens).dt.total_microseconds() // (
        (made_of.length or DAY) // timedelta(microseconds=1)
    )
    return (
        _in_order(bars, "symbol", "open_time")
        .lazy()
        .with_columns(
            interval.floor(pl.col("open_time")).alias("_bar"),
            *(pl.when(traded).then(name).alias(f"_{name}") for name in PRICES),
        )
        .group_by("symbol", "_bar", maintain_order=True)
        .agg(
            pl.col("open", "_open").first(ignore_nulls=True),
            pl.col("high", "_high").max(),
            pl.col("low", "_low").min(),
            pl.col("close", "_close").last(ignore_nulls=True),
            *(pl.col(name).sum() for name in amounts),
            *(pl.col(name).null_count().alias(f"_{name}") for name in amounts),
            pl.col(COMPLETE).all(),
            pl.len().alias("_parts"),
        )
        .with_columns(
            *(pl.coalesce(f"_{name}", name).alias(name) for name in PRICES),
            *(_known(name, f"_{name}") for name in amounts),
            (pl.col(COMPLETE) & (pl.col("_parts") == wanted)).alias(COMPLETE),
        )
        .rename({"_bar": "open_time"})
        .select("symbol", "open_time", *PRICES, *amounts, COMPLETE)
        .collect()
    )


def empty_bars(amounts: tuple[str, ...]) -> pl.DataFrame:
    """No bars, with the columns of one symbol's that have these amounts."""
    numbers = dict.fromkeys(PRICES, pl.Float64) | {n: pl.Int64 if n in _COUNTS else pl.Float64 for n in amounts}
    return pl.DataFrame(schema={"symbol": pl.String, "open_time": INSTANT, **numbers, COMPLETE: pl.Boolean})


def _known(total: str, unknown: str) -> pl.Expr:
    """The sum, or null where a part of it is: what is not known of a part is not known of the whole."""
    return pl.when(pl.col(unknown) == 0).then(pl.col(total)).alias(total)


def _in_order(frame: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """The frame in order; looking whether it already is costs a tenth of sorting it."""
    follows = pl.lit(value=True)
    for key in reversed(keys):
        before = pl.col(key).shift(1)
        follows = (pl.col(key) > before) | ((pl.col(key) == before) & follows)
    return frame if frame.select(follows.all()).item() else frame.sort(keys)
