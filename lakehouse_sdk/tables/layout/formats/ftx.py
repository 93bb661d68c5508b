"""Files of FTX mirrors: a vendor's CSV, the exchange's own JSON as lines, and plain bars.

The exchange's candles state their volume in quote currency, so it is no `volume` here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lakehouse_sdk.tables.layout.formats.model import FUNDING, KLINES, TRADES, Column, FormatSpec, Kind

_MARKETS = ("spot", "perp", "future", "move")
_ARRIVAL = timedelta(hours=1)
"""The vendor cuts its files by the time of arrival: a row may have happened the day before, by the delay of the line."""

_TARDIS_TRADES = (
    Column("exchange", Kind.TEXT, repeats="source"),
    Column("symbol", Kind.TEXT, repeats="symbol"),
    Column("trade_time", Kind.INSTANT, ("timestamp",)),
    Column("received_time", Kind.INSTANT, ("local_timestamp",)),
    Column("trade_id", Kind.INTEGER, ("id",)),
    Column("side", Kind.SIDE),
    Column("price", Kind.FLOAT),
    Column("quantity", Kind.FLOAT, ("amount",)),
)
_NATIVE_TRADES = (
    Column("trade_id", Kind.INTEGER, ("id",)),
    Column("is_liquidation", Kind.BOOLEAN, ("liquidation",)),
    Column("price", Kind.FLOAT),
    Column("side", Kind.SIDE),
    Column("quantity", Kind.FLOAT, ("size",)),
    Column("trade_time", Kind.TEXT_INSTANT, ("time",)),
)
_OHLC = tuple(Column(name, Kind.FLOAT) for name in ("open", "high", "low", "close"))
_NATIVE_CANDLES = (
    Column("open_time", Kind.TEXT_INSTANT, ("startTime",)),
    Column("time", Kind.IGNORED),  # the same instant once more, as a number
    *_OHLC,
    Column("quote_volume", Kind.FLOAT, ("volume",)),
)
_CSV_CANDLES = (
    Column("open_time", Kind.INSTANT, ("time", "timestamp", "starttime")),
    *_OHLC,
    Column("quote_volume", Kind.FLOAT, ("volume",)),
)
_NATIVE_FUNDING = (
    Column("future", Kind.TEXT, repeats="symbol"),
    Column("rate", Kind.FLOAT),
    Column("funding_time", Kind.TEXT_INSTANT, ("time",)),
)


def _trades(market: str) -> FormatSpec:
    native = FormatSpec(
        "ftx", market, "trades", TRADES, _NATIVE_TRADES, ("trade_id", "trade_time"), "trade_time", content="json"
    )
    return replace(native, content="csv", columns=_TARDIS_TRADES, early=_ARRIVAL, alternatives=(native,))


def _candles(market: str) -> FormatSpec:
    native = FormatSpec("ftx", market, "candles", KLINES, _NATIVE_CANDLES, ("open_time",), "open_time", content="json")
    return replace(native, content="csv", columns=_CSV_CANDLES, alternatives=(native,))


FORMATS: tuple[FormatSpec, ...] = (
    *(_trades(market) for market in _MARKETS),
    *(_candles(market) for market in _MARKETS),
    FormatSpec(
        "ftx",
        "perp",
        "funding",
        FUNDING,
        _NATIVE_FUNDING,
        ("funding_time",),
        "funding_time",
        content="json",
        constants=(("interval_hours", 1),),
    ),
)
"""Every format of the publisher."""
