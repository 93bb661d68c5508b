"""Tables about futures and options: open interest, funding, liquidations, volatility."""

from __future__ import annotations

from lakehouse_sdk.tables.layout.formats import BVOL_INDEX, FUNDING, LIQUIDATIONS, METRICS, OPTION_SUMMARY
from lakehouse_sdk.tables.layout.schemas.layout import (
    DAY,
    DOUBLE,
    INSTANT,
    LONG,
    MONTH,
    TEXT,
    ColumnDoc,
    TableLayout,
    data_layout,
)


def _number(name: str, doc: str) -> ColumnDoc:
    return name, DOUBLE, f"optional: {doc}; null where the publisher left it empty"


LAYOUTS: tuple[TableLayout, ...] = (
    data_layout(
        METRICS,
        "One row for each five minutes of a future: open interest and the ratios of long to short.",
        "create_time",
        (
            (
                "create_time",
                INSTANT,
                "Label of the five minutes, UTC: their end, and since the publisher changed it (2026-06-25) their start",
            ),
            ("sum_open_interest", DOUBLE, "Open interest, in base currency; in contracts on cm"),
            ("sum_open_interest_value", DOUBLE, "Open interest, in quote currency; in base currency on cm"),
            _number("count_toptrader_long_short_ratio", "Long to short accounts of top traders"),
            _number("sum_toptrader_long_short_ratio", "Long to short positions of top traders"),
            _number("count_long_short_ratio", "Long to short accounts of all traders"),
            _number("sum_taker_long_short_vol_ratio", "Amount that takers bought to the amount they sold"),
        ),
        every=MONTH,
    ),
    data_layout(
        FUNDING,
        "One row for each payment between the two sides of a perpetual future.",
        "funding_time",
        (
            ("funding_time", INSTANT, "When the rate was fixed, UTC; as published, a few milliseconds off the full hour"),
            ("interval_hours", LONG, "Hours that the payment is for"),
            ("rate", DOUBLE, "Rate of the payment: 0.0001 is 0.01 %; above 0 long positions pay"),
        ),
        every=MONTH,
    ),
    data_layout(
        LIQUIDATIONS,
        "One row for each published order that closed a position by force; the publisher writes each twice, here it is once.",
        "liquidation_time",
        (
            ("liquidation_time", INSTANT, "When the order was filled, UTC"),
            ("side", TEXT, "What the liquidated trader's order did, as taker: sell closes a long position"),
            ("order_type", TEXT, "Type of the order, e.g. LIMIT"),
            ("time_in_force", TEXT, "How long the order stood, e.g. IOC"),
            ("original_quantity", DOUBLE, "Amount ordered; in base currency on um, in contracts on cm"),
            ("price", DOUBLE, "Limit price, in quote currency"),
            ("average_price", DOUBLE, "Average price of the fills, in quote currency"),
            ("order_status", TEXT, "State of the order, e.g. FILLED"),
            ("last_fill_quantity", DOUBLE, "Amount of the last fill, in the unit of original_quantity"),
            ("accumulated_fill_quantity", DOUBLE, "Amount of all fills, in the unit of original_quantity"),
        ),
        every=MONTH,
    ),
    data_layout(
        BVOL_INDEX,
        "One row for each second of a volatility index.",
        "calc_time",
        (
            ("calc_time", INSTANT, "When the index was computed, UTC"),
            ("base_asset", TEXT, "Index, e.g. BTCBVOL"),
            ("quote_asset", TEXT, "Currency of the options it is computed from"),
            ("index_value", DOUBLE, "Implied volatility of the next 30 days, in percent a year"),
        ),
        every=DAY,
    ),
    data_layout(
        OPTION_SUMMARY,
        "One row for each option and hour; symbol is the underlying, contract the option.",
        "summary_time",
        (
            ("summary_time", INSTANT, "The hour, UTC"),
            ("contract", TEXT, "Name of the option"),
            ("option_type", TEXT, "C (call) or P (put), as published"),
            ("strike", TEXT, "Expiry and strike price as published: YYMMDD-price"),
            _number("open", "First price of the hour, in USDT"),
            _number("high", "Highest price of the hour, in USDT"),
            _number("low", "Lowest price of the hour, in USDT"),
            _number("close", "Last price of the hour, in USDT"),
            _number("volume_contracts", "Traded amount, in contracts"),
            _number("volume_usdt", "Traded amount, in USDT"),
            _number("best_bid_price", "Highest price bid, in USDT"),
            _number("best_ask_price", "Lowest price asked, in USDT"),
            _number("best_bid_qty", "Amount bid there, in contracts"),
            _number("best_ask_qty", "Amount asked there, in contracts"),
            _number("best_buy_iv", "Implied volatility of the best bid, 0.5 is 50 % a year"),
            _number("best_sell_iv", "Implied volatility of the best ask, 0.5 is 50 % a year"),
            _number("mark_price", "Mark price, in USDT"),
            _number("mark_iv", "Implied volatility of the mark price, 0.5 is 50 % a year"),
            _number("delta", "Change of the price by the underlying's"),
            _number("gamma", "Change of delta by the underlying's price"),
            _number("vega", "Change of the price by the volatility"),
            _number("theta", "Change of the price by a day"),
            _number("open_interest_contracts", "Open interest, in contracts"),
            _number("open_interest_usdt", "Open interest, in USDT"),
        ),
        every=MONTH,
        key=("contract",),
    ),
)
