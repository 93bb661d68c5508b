"""What a row must be: small vectorised rules over columns, without any I/O.

A rule is data: an id that never changes its meaning, a sentence for the report, a severity, and an expression that is true
where a row breaks it. `REJECT` sends the row to quarantine, `FLAG` only counts it. The order within `RULES` decides which rule
a row is quarantined for when it breaks several.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import polars as pl

from lakehouse_sdk.tables.formats import AGG_TRADES, KLINES, FormatSpec
from lakehouse_sdk.tables.source import SourceFile


class Severity(StrEnum):
    """What happens to a row that breaks a rule."""

    REJECT = "E"
    FLAG = "W"


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement about rows.

    Attributes:
        id: Fixed name, as it stands in the quarantine and quality tables.
        sentence: What holds for a good row.
        severity: What happens to a bad one.
        shows: Columns whose values explain a breach; empty where `FormatSpec` names them.
        breaks: Builds the expression that is true for a bad row of this file. A null counts as good.
    """

    id: str
    sentence: str
    severity: Severity
    shows: tuple[str, ...]
    breaks: Callable[[FormatSpec, SourceFile], pl.Expr]


COLUMN_COUNT = "column-count"
NUMBER = "number"
CONFLICTING_DUPLICATE = "conflicting-duplicate"
SENTENCES = {
    COLUMN_COUNT: "A line has exactly the columns of its format.",
    NUMBER: "Every field is a finite number, an instant or a truth value, as its column asks.",
    CONFLICTING_DUPLICATE: "Rows with the same natural key have the same content.",
}
"""Rules about lines and about several rows at once, which no expression over single rows can state."""

INTERVALS: dict[str, timedelta] = {
    **{f"{n}s": timedelta(seconds=n) for n in (1,)},
    **{f"{n}m": timedelta(minutes=n) for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": timedelta(hours=n) for n in (1, 2, 4, 6, 8, 12)},
    **{f"{n}d": timedelta(days=n) for n in (1, 3)},
    "1w": timedelta(weeks=1),
}
"""Length of a bar; `1mo` is a calendar month and has none."""

_LONGEST_BAR = timedelta(days=32)
_MONDAY = timedelta(days=4)  # the epoch was a Thursday; weeks begin on Monday
_WHOLE_MILLISECOND = timedelta(milliseconds=1)


def _outside_period(spec: FormatSpec, file: SourceFile) -> pl.Expr:
    return ~pl.col(spec.row_time).is_between(file.period_start, file.period_end, closed="left")


def _price_positive(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return pl.min_horizontal("open", "high", "low", "close") <= 0


def _ohlc_order(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    body_low, body_high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    return (pl.col("low") > body_low) | (pl.col("high") < body_high)


def _volume_nonnegative(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    volumes = pl.min_horizontal("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
    return (volumes < 0) | (pl.col("count") < 0)


def _taker_within_volume(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return pl.col("taker_buy_volume") > pl.col("volume")


def _close_time(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return ~(pl.col("close_time") - pl.col("open_time")).is_between(timedelta(0), _LONGEST_BAR)


def _open_time_misaligned(_spec: FormatSpec, file: SourceFile) -> pl.Expr:
    opened = pl.col("open_time")
    length = INTERVALS.get(file.interval or "")
    if length is None:
        return opened != opened.dt.truncate("1mo") if file.interval == "1mo" else pl.lit(value=False)
    shift = _MONDAY if file.interval == "1w" else timedelta(0)
    return (opened - shift).dt.epoch("us") % (length // timedelta(microseconds=1)) != 0


def _close_time_misaligned(_spec: FormatSpec, file: SourceFile) -> pl.Expr:
    opened, closed = pl.col("open_time"), pl.col("close_time")
    length = INTERVALS.get(file.interval or "")
    if length is None and file.interval != "1mo":
        return pl.lit(value=False)
    following = opened + length if length is not None else opened.dt.offset_by("1mo")
    # The last unit of the bar: a millisecond or, in files that count them, a microsecond before the next one.
    return ~(following - closed).is_in([_WHOLE_MILLISECOND, timedelta(microseconds=1)])


def _zero_volume(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return (pl.col("volume") == 0) != (pl.col("count") == 0)


def _row_order(spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return (pl.col(spec.row_time).diff() < timedelta(0)).fill_null(value=False)


def _trade_price_positive(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return pl.col("price") <= 0


def _quantity_nonnegative(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return pl.col("quantity") < 0


def _quantity_positive(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return pl.col("quantity") <= 0


def _trade_id_order(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return pl.col("first_trade_id") > pl.col("last_trade_id")


def _agg_id_gap(_spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    ids = pl.col("agg_trade_id").sort()
    return (ids.diff() > 1).fill_null(value=False)


_OUTSIDE_PERIOD = Rule(
    "outside-period", "The row's time lies in the half-open period of its archive.", Severity.REJECT, (), _outside_period
)
_ROW_ORDER = Rule("row-order", "Rows follow each other in time.", Severity.FLAG, (), _row_order)

RULES: dict[str, tuple[Rule, ...]] = {
    KLINES: (
        _OUTSIDE_PERIOD,
        Rule(
            "price-positive",
            "Prices are greater than 0.",
            Severity.REJECT,
            ("open", "high", "low", "close"),
            _price_positive,
        ),
        Rule(
            "ohlc-order",
            "low is at most, and high at least, open and close.",
            Severity.REJECT,
            ("open", "high", "low", "close"),
            _ohlc_order,
        ),
        Rule(
            "volume-nonnegative",
            "Volumes and counts are not negative.",
            Severity.REJECT,
            ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"),
            _volume_nonnegative,
        ),
        Rule(
            "taker-within-volume",
            "Takers buy no more than the whole volume.",
            Severity.REJECT,
            ("taker_buy_volume", "volume"),
            _taker_within_volume,
        ),
        Rule(
            "close-time",
            "A bar closes after it opens, within 32 days.",
            Severity.REJECT,
            ("open_time", "close_time"),
            _close_time,
        ),
        Rule(
            "open-time-misaligned",
            "A bar opens on the grid of its interval.",
            Severity.FLAG,
            ("open_time",),
            _open_time_misaligned,
        ),
        Rule(
            "close-time-misaligned",
            "A bar closes one unit before the next opens.",
            Severity.FLAG,
            ("open_time", "close_time"),
            _close_time_misaligned,
        ),
        Rule(
            "zero-volume",
            "Volume is 0 exactly where no trade was counted.",
            Severity.FLAG,
            ("volume", "count"),
            _zero_volume,
        ),
        _ROW_ORDER,
    ),
    AGG_TRADES: (
        _OUTSIDE_PERIOD,
        Rule("price-positive", "Prices are greater than 0.", Severity.REJECT, ("price",), _trade_price_positive),
        Rule(
            "volume-nonnegative",
            "Volumes and counts are not negative.",
            Severity.REJECT,
            ("quantity",),
            _quantity_nonnegative,
        ),
        Rule("quantity-positive", "Quantities are greater than 0.", Severity.REJECT, ("quantity",), _quantity_positive),
        Rule(
            "trade-id-order",
            "The first trade of an aggregate is not after its last.",
            Severity.REJECT,
            ("first_trade_id", "last_trade_id"),
            _trade_id_order,
        ),
        Rule(
            "agg-id-gap",
            "Aggregate ids follow each other without a gap.",
            Severity.FLAG,
            ("agg_trade_id",),
            _agg_id_gap,
        ),
        _ROW_ORDER,
    ),
}
"""Rules of each table, in the order in which they are applied."""


def select_rules(table: str, severity: Severity) -> tuple[Rule, ...]:
    """The rules of a table that have this severity, in order."""
    return tuple(rule for rule in RULES[table] if rule.severity is severity)


def describe_rule(rule_id: str) -> str:
    """The sentence of a rule; a rule that several tables have says the same in each.

    Raises:
        KeyError: No rule has this id.
    """
    sentences = SENTENCES | {rule.id: rule.sentence for rules in RULES.values() for rule in rules}
    return sentences[rule_id]


def explain_breach(rule: Rule, spec: FormatSpec) -> pl.Expr:
    """`column=value, …` of the columns that the rule shows."""
    names = rule.shows or (spec.row_time,)
    return explain_values(names).alias("value")


def explain_values(names: tuple[str, ...]) -> pl.Expr:
    """`column=value, …` as text."""
    return pl.format(", ".join(f"{name}={{}}" for name in names), *(pl.col(name).cast(pl.String) for name in names))
