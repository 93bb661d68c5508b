"""Tables of bars: traded prices of all venues, and Binance's computed prices."""

from __future__ import annotations

from lakehouse_sdk.tables.layout.formats import INDEX_KLINES, KLINES, MARK_KLINES, PREMIUM_KLINES
from lakehouse_sdk.tables.layout.schemas.layout import DOUBLE, INSTANT, LONG, MONTH, TEXT, ColumnDoc, TableLayout, data_layout

_INTERVAL: ColumnDoc = ("interval", TEXT, "Length of the bar, e.g. 1m")
_OPEN_TIME: ColumnDoc = ("open_time", INSTANT, "First instant of the bar, UTC")
_CLOSE_TIME: ColumnDoc = (
    "close_time",
    INSTANT,
    "Last instant of the bar, UTC, a unit before the next bar opens; as published, or where the venue publishes none, computed",
)

_KLINES = data_layout(
    KLINES,
    "One row for each bar (candlestick) of a market, symbol and interval.",
    "open_time",
    (
        _INTERVAL,
        _OPEN_TIME,
        ("open", DOUBLE, "First price, in quote currency"),
        ("high", DOUBLE, "Highest price, in quote currency"),
        ("low", DOUBLE, "Lowest price, in quote currency"),
        ("close", DOUBLE, "Last price, in quote currency"),
        ("volume", DOUBLE, "optional: Traded amount, in base currency; null on ftx, which states it in quote currency only"),
        _CLOSE_TIME,
        ("quote_volume", DOUBLE, "optional: Traded amount, in quote currency; null on binance cm and coinbase"),
        ("count", LONG, "optional: Number of trades; null on coinbase and ftx"),
        ("taker_buy_volume", DOUBLE, "optional: Amount that takers bought, in base currency; null on coinbase and ftx"),
        ("taker_buy_quote_volume", DOUBLE, "optional: Amount that takers bought, in quote currency; binance spot and um only"),
    ),
    every=MONTH,
    later=(
        ("contract_volume", DOUBLE, "optional: Traded amount, in contracts; binance cm only"),
        ("taker_buy_contract_volume", DOUBLE, "optional: Amount that takers bought, in contracts; binance cm only"),
    ),
)


def _computed(name: str, what: str, unit: str) -> TableLayout:
    return data_layout(
        name,
        f"One row for each bar of {what}, by market, symbol and interval.",
        "open_time",
        (
            _INTERVAL,
            _OPEN_TIME,
            ("open", DOUBLE, f"First value, {unit}"),
            ("high", DOUBLE, f"Highest value, {unit}"),
            ("low", DOUBLE, f"Lowest value, {unit}"),
            ("close", DOUBLE, f"Last value, {unit}"),
            _CLOSE_TIME,
            ("sample_count", LONG, "Number of values that the bar was made of; nothing is traded at them"),
        ),
        every=MONTH,
    )


LAYOUTS: tuple[TableLayout, ...] = (
    _KLINES,
    _computed(MARK_KLINES, "a future's mark price, by which positions are liquidated", "in quote currency"),
    _computed(INDEX_KLINES, "the index price that underlies a future; the symbol of cm is the pair", "in quote currency"),
    _computed(PREMIUM_KLINES, "a future's premium over its index", "a rate: 0.001 is 0.1 %, below 0 for a cheaper future"),
)
