"""Rules of bars, traded and computed."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lakehouse_sdk.tables.judge.rules.model import OUTSIDE_PERIOD, ROW_ORDER, Given, Rule, flag, not_negative, positive, reject
from lakehouse_sdk.tables.layout.bar_lengths import INTERVALS
from lakehouse_sdk.tables.layout.formats import INDEX_KLINES, KLINES, MARK_KLINES, PREMIUM_KLINES

_LONGEST_BAR = timedelta(days=32)
_MONDAY = timedelta(days=4)  # the epoch was a Thursday; weeks begin on Monday
_WHOLE_MILLISECOND = timedelta(milliseconds=1)
_OHLC = ("open", "high", "low", "close")


def _ohlc_order(_given: Given) -> pl.Expr:
    body_low, body_high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    return (pl.col("low") > body_low) | (pl.col("high") < body_high)


def _taker_within_volume(_given: Given) -> pl.Expr:
    return pl.col("taker_buy_volume") > pl.col("volume")


def _close_time(_given: Given) -> pl.Expr:
    return ~(pl.col("close_time") - pl.col("open_time")).is_between(timedelta(0), _LONGEST_BAR)


def _open_time_misaligned(given: Given) -> pl.Expr:
    opened = pl.col("open_time")
    length = INTERVALS.get(given.file.interval or "")
    if length is None:
        return opened != opened.dt.truncate("1mo") if given.file.interval == "1mo" else pl.lit(value=False)
    shift = _MONDAY if given.file.interval == "1w" else timedelta(0)
    return (opened - shift).dt.epoch("us") % (length // timedelta(microseconds=1)) != 0


def _close_time_misaligned(given: Given) -> pl.Expr:
    opened, closed = pl.col("open_time"), pl.col("close_time")
    length = INTERVALS.get(given.file.interval or "")
    if length is None and given.file.interval != "1mo":
        return pl.lit(value=False)
    following = opened + length if length is not None else opened.dt.offset_by("1mo")
    # The last unit of the bar: a millisecond or, in files that count them, a microsecond before the next one.
    return ~(following - closed).is_in([_WHOLE_MILLISECOND, timedelta(microseconds=1)])


def _bar_gap(given: Given) -> pl.Expr:
    length = INTERVALS.get(given.file.interval or "")
    # Other venues publish no bar where nothing was traded.
    if length is None or given.spec.source != "binance":
        return pl.lit(value=False)
    return (given.within(pl.col("open_time").sort().diff()) > length).fill_null(value=False)


def _zero_volume(_given: Given) -> pl.Expr:
    return (pl.col("volume") == 0) != (pl.col("count") == 0)


def _quote_volume_range(given: Given) -> pl.Expr:
    volume, quote, rounding = pl.col("volume"), pl.col("quote_volume"), given.limits.rounding
    least, most = pl.col("low") * volume, pl.col("high") * volume
    return (volume > 0) & ~quote.is_between(least * (1 - rounding) - rounding, most * (1 + rounding) + rounding)


def _halt(given: Given) -> pl.Expr:
    is_flat = (pl.col("volume") == 0) & (pl.col("high") == pl.col("low"))
    runs = pl.len().over(*given.by, is_flat.rle_id())
    return is_flat & (runs >= given.limits.halt_bars)


def _price_jump(given: Given) -> pl.Expr:
    last = given.within(pl.col("close").shift(1))
    jumps = (pl.col("open") - last).abs() > given.limits.price_jump * last
    return (jumps & (given.within(pl.col("open_time").diff()) > timedelta(0))).fill_null(value=False)


_OHLC_ORDER = reject("ohlc-order", "low is at most, and high at least, open and close.", _OHLC, _ohlc_order)
_CLOSE_TIME = reject("close-time", "A bar closes after it opens, within 32 days.", ("open_time", "close_time"), _close_time)
_GRID = (
    flag("open-time-misaligned", "A bar opens on the grid of its interval.", ("open_time",), _open_time_misaligned),
    flag(
        "close-time-misaligned",
        "A bar closes one unit before the next opens.",
        ("open_time", "close_time"),
        _close_time_misaligned,
    ),
    flag("bar-gap", "Bars follow each other without a gap.", ("open_time",), _bar_gap),
)
_COMPUTED = (_OHLC_ORDER, not_negative("sample_count"), _CLOSE_TIME, *_GRID, ROW_ORDER)

RULES: dict[str, tuple[Rule, ...]] = {
    KLINES: (
        OUTSIDE_PERIOD,
        positive(*_OHLC),
        _OHLC_ORDER,
        not_negative(
            "volume",
            "quote_volume",
            "count",
            "taker_buy_volume",
            "taker_buy_quote_volume",
            "contract_volume",
            "taker_buy_contract_volume",
        ),
        reject(
            "taker-within-volume",
            "Takers buy no more than the whole volume.",
            ("taker_buy_volume", "volume"),
            _taker_within_volume,
        ),
        _CLOSE_TIME,
        *_GRID,
        flag("zero-volume", "Volume is 0 exactly where no trade was counted.", ("volume", "count"), _zero_volume),
        flag(
            "quote-volume-range",
            "The quote volume is the volume at prices between low and high.",
            ("quote_volume", "volume", "low", "high"),
            _quote_volume_range,
        ),
        flag(
            "halt", "No run of `quality.halt_bars` bars or more is flat and without volume.", ("volume", "high", "low"), _halt
        ),
        flag(
            "price-jump",
            "A bar opens within `quality.price_jump` of the last close.",
            ("open_time", "open", "close"),
            _price_jump,
        ),
        ROW_ORDER,
    ),
    MARK_KLINES: (OUTSIDE_PERIOD, positive(*_OHLC), *_COMPUTED),
    INDEX_KLINES: (OUTSIDE_PERIOD, positive(*_OHLC), *_COMPUTED),
    PREMIUM_KLINES: (OUTSIDE_PERIOD, *_COMPUTED),  # a premium is a rate of either sign
}
"""Rules of each table, in the order in which they are applied."""
