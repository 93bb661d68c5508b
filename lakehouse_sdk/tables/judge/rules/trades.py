"""Rules of trades and of the order book."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lakehouse_sdk.tables.judge.rules.model import (
    OTHER_ARCHIVE,
    OUTSIDE_PERIOD,
    ROW_ORDER,
    Given,
    Rule,
    flag,
    not_negative,
    positive,
    reject,
)
from lakehouse_sdk.tables.layout.formats import AGG_TRADES, BOOK_DEPTH, BOOK_TICKER, TRADES


def _quantity_positive(given: Given) -> pl.Expr:
    return pl.min_horizontal(name for name in ("quantity", "contract_quantity") if name in given.spec.kept) <= 0


def _trade_id_order(_given: Given) -> pl.Expr:
    return pl.col("first_trade_id") > pl.col("last_trade_id")


def _agg_id_gap(given: Given) -> pl.Expr:
    return (given.within(pl.col("agg_trade_id").sort().diff()) > 1).fill_null(value=False)


def _trade_id_chain(given: Given) -> pl.Expr:
    following = given.within(pl.col("agg_trade_id").diff()) == 1  # a gap between the aggregates is counted by itself
    last = given.within(pl.col("last_trade_id").shift(1))
    return (following & (pl.col("first_trade_id") != last + 1)).fill_null(value=False)


def _trade_id_gap(given: Given) -> pl.Expr:
    if given.spec.source == "ftx":  # numbered its trades across all markets
        return pl.lit(value=False)
    return (given.within(pl.col("trade_id").sort().diff()) > 1).fill_null(value=False)


def _time_by_id(given: Given) -> pl.Expr:
    time, number = given.within(pl.col("trade_time").diff()), given.within(pl.col("trade_id").diff())
    return (((time < timedelta(0)) & (number > 0)) | ((time > timedelta(0)) & (number < 0))).fill_null(value=False)


def _quote_quantity(given: Given) -> pl.Expr:
    product, published = pl.col("price") * pl.col("quantity"), pl.col("quote_quantity")
    return (product - published).abs() > given.limits.rounding * (1 + product)


def _crossed_book(_given: Given) -> pl.Expr:
    return pl.col("best_bid_price") >= pl.col("best_ask_price")


def _event_time(_given: Given) -> pl.Expr:
    return pl.col("event_time") < pl.col("transaction_time")


def _depth_cumulative(given: Given) -> pl.Expr:
    side, width = pl.col("percentage").sign(), pl.col("percentage").abs()
    step = pl.col("depth").diff().over(*given.by, "depth_time", side, order_by=width)
    return (step < 0).fill_null(value=False)


def _depth_frozen(given: Given) -> pl.Expr:
    changes = pl.col("depth").n_unique().over(*given.by, "percentage")
    return (changes == 1) & (pl.len().over(*given.by, "percentage") >= given.limits.frozen_snapshots)


def _implied_price_jump(given: Given) -> pl.Expr:
    price = pl.when(pl.col("depth") > 0).then(pl.col("notional") / pl.col("depth"))
    before = price.shift(1).over(*given.by, "percentage")
    return ((price - before).abs() > given.limits.price_jump * before).fill_null(value=False)


_QUANTITIES = ("quantity", "contract_quantity")
_QUANTITY_POSITIVE = reject(
    "quantity-positive", "Quantities are greater than 0.", _QUANTITIES, _quantity_positive, partial=True
)

RULES: dict[str, tuple[Rule, ...]] = {
    TRADES: (
        OUTSIDE_PERIOD,
        OTHER_ARCHIVE,
        positive("price"),
        not_negative(*_QUANTITIES, "quote_quantity"),
        _QUANTITY_POSITIVE,
        flag("trade-id-gap", "Trade ids follow each other without a gap.", ("trade_id",), _trade_id_gap),
        flag(
            "time-by-id",
            "Of neighbouring trades the one with the higher id is not earlier.",
            ("trade_id", "trade_time"),
            _time_by_id,
        ),
        flag(
            "quote-quantity",
            "The quote quantity is price times quantity, but for rounding.",
            ("price", "quantity", "quote_quantity"),
            _quote_quantity,
        ),
        ROW_ORDER,
    ),
    AGG_TRADES: (
        OUTSIDE_PERIOD,
        positive("price"),
        not_negative(*_QUANTITIES),
        _QUANTITY_POSITIVE,
        reject(
            "trade-id-order",
            "The first trade of an aggregate is not after its last.",
            ("first_trade_id", "last_trade_id"),
            _trade_id_order,
        ),
        flag("agg-id-gap", "Aggregate ids follow each other without a gap.", ("agg_trade_id",), _agg_id_gap),
        flag(
            "trade-id-chain",
            "An aggregate begins with the trade after the last of the one before.",
            ("first_trade_id", "last_trade_id"),
            _trade_id_chain,
        ),
        ROW_ORDER,
    ),
    BOOK_TICKER: (
        OUTSIDE_PERIOD,
        positive("best_bid_price", "best_ask_price"),
        not_negative("best_bid_qty", "best_ask_qty"),
        reject("crossed-book", "The best bid is below the best ask.", ("best_bid_price", "best_ask_price"), _crossed_book),
        flag("event-time", "A change is sent after it happened.", ("transaction_time", "event_time"), _event_time),
        ROW_ORDER,
    ),
    BOOK_DEPTH: (
        OUTSIDE_PERIOD,
        not_negative("depth", "notional"),
        flag(
            "depth-cumulative", "The depth grows from the inner to the outer bands.", ("percentage", "depth"), _depth_cumulative
        ),
        flag(
            "depth-frozen",
            "The depth of a band changes within `quality.frozen_snapshots`.",
            ("percentage", "depth"),
            _depth_frozen,
        ),
        flag(
            "implied-price-jump",
            "The price at which a band is valued changes by less than `quality.price_jump` between snapshots.",
            ("depth", "notional"),
            _implied_price_jump,
        ),
        ROW_ORDER,
    ),
}
"""Rules of each table, in the order in which they are applied."""
