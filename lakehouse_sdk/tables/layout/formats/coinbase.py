"""The files that the Coinbase connector makes from the exchange's API: `.csv.gz` with a header."""

from __future__ import annotations

from lakehouse_sdk.tables.layout.formats.model import KLINES, TRADES, Column, FormatSpec, Kind

_CANDLES = (
    Column("open_time", Kind.INSTANT),
    Column("open", Kind.FLOAT),
    Column("high", Kind.FLOAT),
    Column("low", Kind.FLOAT),
    Column("close", Kind.FLOAT),
    Column("volume", Kind.FLOAT),
)
_TRADES = (
    Column("trade_id", Kind.INTEGER),
    Column("trade_time", Kind.TEXT_INSTANT, ("time",)),
    Column("price", Kind.FLOAT),
    Column("quantity", Kind.FLOAT, ("size",)),
    Column("side", Kind.SIDE),  # the taker's already: the connector inverts the API's maker side
)

FORMATS: tuple[FormatSpec, ...] = (
    FormatSpec("coinbase", "spot", "candles", KLINES, _CANDLES, ("open_time",), "open_time"),
    FormatSpec("coinbase", "spot", "trades", TRADES, _TRADES, ("trade_id", "trade_time"), "trade_time"),
)
"""Every format of the publisher."""
