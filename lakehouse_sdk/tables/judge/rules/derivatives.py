"""Rules of what is published about futures and options."""

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
from lakehouse_sdk.tables.layout.formats import BVOL_INDEX, FUNDING, LIQUIDATIONS, METRICS, OPTION_SUMMARY

_METRICS_STEP = timedelta(minutes=5)


def _stamp_misaligned(_given: Given) -> pl.Expr:
    return pl.col("create_time").dt.epoch("us") % (_METRICS_STEP // timedelta(microseconds=1)) != 0


def _stamp_gap(given: Given) -> pl.Expr:
    return (given.within(pl.col("create_time").sort().diff()) > _METRICS_STEP).fill_null(value=False)


def _open_interest_jump(given: Given) -> pl.Expr:
    interest = pl.col("sum_open_interest")
    before = given.within(interest.shift(1))
    return ((before > 0) & ((interest - before).abs() > given.limits.open_interest_jump * before)).fill_null(value=False)


def _interval_hours(_given: Given) -> pl.Expr:
    return ~pl.col("interval_hours").is_between(1, 24)


def _funding_rate(given: Given) -> pl.Expr:
    return pl.col("rate").abs() >= given.limits.funding_rate


def _funding_gap(given: Given) -> pl.Expr:
    hours = given.within(pl.col("interval_hours").sort_by("funding_time"))
    passed = given.within(pl.col("funding_time").sort().diff()) - timedelta(seconds=given.limits.funding_tolerance_s)
    return (passed > pl.duration(hours=hours)).fill_null(value=False)


def _quantity_positive(_given: Given) -> pl.Expr:
    return pl.col("original_quantity") <= 0


def _fill_within_order(_given: Given) -> pl.Expr:
    return pl.col("accumulated_fill_quantity") > pl.col("original_quantity")


def _index_positive(_given: Given) -> pl.Expr:
    return pl.col("index_value") <= 0


def _option_type(_given: Given) -> pl.Expr:
    return ~pl.col("option_type").is_in(["C", "P"])


def _crossed_quotes(_given: Given) -> pl.Expr:
    bid, ask = pl.col("best_bid_price"), pl.col("best_ask_price")
    return (bid > 0) & (ask > 0) & (bid >= ask)  # 0 stands for no quote


RULES: dict[str, tuple[Rule, ...]] = {
    METRICS: (
        OUTSIDE_PERIOD,
        OTHER_ARCHIVE,
        not_negative(
            "sum_open_interest",
            "sum_open_interest_value",
            "count_toptrader_long_short_ratio",
            "sum_toptrader_long_short_ratio",
            "count_long_short_ratio",
            "sum_taker_long_short_vol_ratio",
        ),
        flag("stamp-misaligned", "Rows are labelled with full five minutes.", ("create_time",), _stamp_misaligned),
        flag("stamp-gap", "Rows follow each other every five minutes.", ("create_time",), _stamp_gap),
        flag(
            "open-interest-jump",
            "The open interest changes by less than `quality.open_interest_jump` from row to row.",
            ("sum_open_interest",),
            _open_interest_jump,
        ),
        ROW_ORDER,
    ),
    FUNDING: (
        OUTSIDE_PERIOD,
        OTHER_ARCHIVE,
        reject("interval-hours", "A payment is for 1 to 24 hours.", ("interval_hours",), _interval_hours),
        flag("funding-rate", "A rate is below `quality.funding_rate`, either way.", ("rate",), _funding_rate),
        flag(
            "funding-gap",
            "Payments follow each other after the hours that they are for, `quality.funding_tolerance_s` late at most.",
            ("funding_time", "interval_hours"),
            _funding_gap,
        ),
        ROW_ORDER,
    ),
    LIQUIDATIONS: (
        OUTSIDE_PERIOD,
        positive("price", "average_price"),
        not_negative("original_quantity", "last_fill_quantity", "accumulated_fill_quantity"),
        reject("quantity-positive", "Quantities are greater than 0.", ("original_quantity",), _quantity_positive),
        flag(
            "fill-within-order",
            "No more is filled than was ordered.",
            ("accumulated_fill_quantity", "original_quantity"),
            _fill_within_order,
        ),
        ROW_ORDER,
    ),
    BVOL_INDEX: (
        OUTSIDE_PERIOD,
        OTHER_ARCHIVE,
        reject("index-positive", "An index is greater than 0.", ("index_value",), _index_positive),
        ROW_ORDER,
    ),
    OPTION_SUMMARY: (
        OUTSIDE_PERIOD,
        OTHER_ARCHIVE,
        not_negative(
            *("open", "high", "low", "close", "volume_contracts", "volume_usdt"),
            *("best_bid_price", "best_ask_price", "best_bid_qty", "best_ask_qty", "mark_price"),
            *("open_interest_contracts", "open_interest_usdt"),
        ),
        flag("option-type", "An option is a call, C, or a put, P.", ("option_type",), _option_type),
        flag("crossed-quotes", "The best bid is below the best ask.", ("best_bid_price", "best_ask_price"), _crossed_quotes),
        ROW_ORDER,
    ),
}
"""Rules of each table, in the order in which they are applied."""
