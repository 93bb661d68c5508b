"""What published files look like: a table of data, one row for each (source, market, data type).

A further type is a further row here, a schema in `schemas` and, where it has its own, a few rules in `rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lakehouse_sdk.errors import UsageError

MICROSECONDS_FROM = 10**14
"""Instants from here on count microseconds, smaller ones milliseconds: 10^14 ms is the year 5138, 10^14 µs is 1973."""
INSTANT_LIMIT = 253_402_300_800_000_000
"""First integer that is no instant: year 10000 in microseconds; what lies beyond no client can show as a date."""


class Kind(StrEnum):
    """How a field of a file is read."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    """`true` or `false` in any case."""
    INSTANT = "instant"
    """Integer since the epoch; milliseconds or microseconds, told apart by magnitude, row by row."""
    IGNORED = "ignored"
    """Published, without meaning; any content passes and is dropped."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: Name in the table.
        kind: How its fields are read.
        headers: Further names that a header row may give it; `name` itself is always accepted.
    """

    name: str
    kind: Kind
    headers: tuple[str, ...] = ()

    def is_headed(self, text: str) -> bool:
        """True where a header row that says `text` means this column."""
        return text.strip().lower() in {self.name, *self.headers}


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One published file format: a zip with one CSV member of the archive's stem.

    Attributes:
        source: Publisher.
        market: Market of the publisher.
        data_type: Type as the publisher spells it.
        table: Full name of the Iceberg table that takes the rows.
        columns: In the order of the file.
        natural_key: Columns that identify a row within one symbol (and interval).
        row_time: Column that places a row in time; it decides period, partition and order.
    """

    source: str
    market: str
    data_type: str
    table: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...]
    row_time: str

    def names(self, *kinds: Kind) -> tuple[str, ...]:
        """Columns of these kinds, in the order of the file."""
        return tuple(column.name for column in self.columns if column.kind in kinds)

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns that carry meaning, in the order of the file."""
        return tuple(column.name for column in self.columns if column.kind is not Kind.IGNORED)


KLINES = "silver.klines"
AGG_TRADES = "silver.agg_trades"

_KLINE_COLUMNS = (
    Column("open_time", Kind.INSTANT),
    Column("open", Kind.FLOAT),
    Column("high", Kind.FLOAT),
    Column("low", Kind.FLOAT),
    Column("close", Kind.FLOAT),
    Column("volume", Kind.FLOAT),
    Column("close_time", Kind.INSTANT),
    Column("quote_volume", Kind.FLOAT),
    Column("count", Kind.INTEGER),
    Column("taker_buy_volume", Kind.FLOAT),
    Column("taker_buy_quote_volume", Kind.FLOAT),
    Column("ignore", Kind.IGNORED),
)
_AGG_TRADE_COLUMNS = (
    Column("agg_trade_id", Kind.INTEGER),
    Column("price", Kind.FLOAT),
    Column("quantity", Kind.FLOAT, ("qty",)),
    Column("first_trade_id", Kind.INTEGER),
    Column("last_trade_id", Kind.INTEGER),
    Column("transact_time", Kind.INSTANT, ("ts", "time")),
    Column("is_buyer_maker", Kind.BOOLEAN),
)


def _klines(market: str) -> FormatSpec:
    return FormatSpec("binance", market, "klines", KLINES, _KLINE_COLUMNS, ("open_time",), "open_time")


def _agg_trades(market: str, *extra: Column) -> FormatSpec:
    columns = (*_AGG_TRADE_COLUMNS, *extra)
    return FormatSpec("binance", market, "aggTrades", AGG_TRADES, columns, ("agg_trade_id",), "transact_time")


FORMATS: tuple[FormatSpec, ...] = (
    _klines("spot"),
    _klines("um"),
    _agg_trades("spot", Column("is_best_match", Kind.BOOLEAN)),
    _agg_trades("um"),
)
"""Every known format."""

_BY_KEY = {(spec.source, spec.market, spec.data_type): spec for spec in FORMATS}


def find_format(source: str, market: str, data_type: str) -> FormatSpec | None:
    """The format of these archives, or None where none is known."""
    return _BY_KEY.get((source, market, data_type))


def get_format(source: str, market: str, data_type: str) -> FormatSpec:
    """The format of these archives.

    Raises:
        UsageError: No such format; the message lists the known ones.
    """
    spec = find_format(source, market, data_type)
    if spec is None:
        known = ", ".join("/".join(key) for key in sorted(_BY_KEY))
        raise UsageError(f"There is no table format for {source}/{market}/{data_type}.", hint=f"Known: {known}.")
    return spec
