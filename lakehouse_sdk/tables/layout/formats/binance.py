"""Binance's files as a table of data; cells in the order of the file, names by their meaning in the tables.

Spot files never have a header, so the names that a header may give are those of the futures' files and those that the
publisher's own tools borrow.
"""

from __future__ import annotations

from datetime import timedelta

from lakehouse_sdk.tables.layout.formats.model import (
    AGG_TRADES,
    BOOK_DEPTH,
    BOOK_TICKER,
    BVOL_INDEX,
    FUNDING,
    INDEX_KLINES,
    KLINES,
    LIQUIDATIONS,
    MARK_KLINES,
    METRICS,
    OPTION_SUMMARY,
    PREMIUM_KLINES,
    TRADES,
    Column,
    FormatSpec,
    Kind,
)

_SOURCE = "binance"
_FUTURES = ("um", "cm")
_ONE_STEP = timedelta(microseconds=1)
"""Enough that a row may lie on the period's end itself, and no further."""
_SENDING = timedelta(seconds=1)
"""Longer than the exchange takes to send what happened."""


def _floats(*names: str, optional: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.FLOAT, optional=optional) for name in names)


_OHLC = _floats("open", "high", "low", "close")

_KLINE_COLUMNS = (
    Column("open_time", Kind.INSTANT),
    *_OHLC,
    Column("volume", Kind.FLOAT),
    Column("close_time", Kind.INSTANT),
    Column("quote_volume", Kind.FLOAT),
    Column("count", Kind.INTEGER),
    Column("taker_buy_volume", Kind.FLOAT),
    Column("taker_buy_quote_volume", Kind.FLOAT),
    Column("ignore", Kind.IGNORED),
)
# In cm the file's `volume` counts contracts, and what it calls quote volumes are amounts of the base currency.
_CM_KLINE_COLUMNS = (
    Column("open_time", Kind.INSTANT),
    *_OHLC,
    Column("contract_volume", Kind.FLOAT, ("volume",)),
    Column("close_time", Kind.INSTANT),
    Column("volume", Kind.FLOAT, ("quote_volume", "base_volume")),
    Column("count", Kind.INTEGER),
    Column("taker_buy_contract_volume", Kind.FLOAT, ("taker_buy_volume",)),
    Column("taker_buy_volume", Kind.FLOAT, ("taker_buy_quote_volume", "taker_buy_base_volume")),
    Column("ignore", Kind.IGNORED),
)
# Bars of a computed price have no trades; the publisher fills the columns of amounts with 0, older tools head them `ignore`.
_PRICE_KLINE_COLUMNS = (
    Column("open_time", Kind.INSTANT),
    *_OHLC,
    Column("volume", Kind.IGNORED, ("ignore",)),
    Column("close_time", Kind.INSTANT),
    Column("quote_volume", Kind.IGNORED, ("ignore",)),
    Column("sample_count", Kind.INTEGER, ("count", "ignore")),
    Column("taker_buy_volume", Kind.IGNORED, ("ignore",)),
    Column("taker_buy_quote_volume", Kind.IGNORED, ("ignore",)),
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
_CM_AGG_TRADE_COLUMNS = tuple(
    Column("contract_quantity", Kind.FLOAT, ("quantity", "qty")) if column.name == "quantity" else column
    for column in _AGG_TRADE_COLUMNS
)
_IS_BEST_MATCH = Column("is_best_match", Kind.BOOLEAN)


def _trade_columns(*amounts: Column) -> tuple[Column, ...]:
    return (
        Column("trade_id", Kind.INTEGER, ("id",)),
        Column("price", Kind.FLOAT),
        *amounts,
        Column("trade_time", Kind.INSTANT, ("time",)),
        Column("is_buyer_maker", Kind.BOOLEAN),
    )


_TRADE_COLUMNS = _trade_columns(Column("quantity", Kind.FLOAT, ("qty",)), Column("quote_quantity", Kind.FLOAT, ("quote_qty",)))
_CM_TRADE_COLUMNS = _trade_columns(
    Column("contract_quantity", Kind.FLOAT, ("qty",)), Column("quantity", Kind.FLOAT, ("base_qty",))
)
_BOOK_TICKER_COLUMNS = (
    Column("update_id", Kind.INTEGER),
    *_floats("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty", optional=True),
    Column("transaction_time", Kind.INSTANT),
    Column("event_time", Kind.INSTANT),
)
_BOOK_DEPTH_COLUMNS = (Column("depth_time", Kind.TEXT_INSTANT, ("timestamp",)), *_floats("percentage", "depth", "notional"))
_METRICS_COLUMNS = (
    Column("create_time", Kind.TEXT_INSTANT),
    Column("symbol", Kind.TEXT, repeats="symbol"),
    *_floats("sum_open_interest", "sum_open_interest_value"),
    *_floats(
        "count_toptrader_long_short_ratio",
        "sum_toptrader_long_short_ratio",
        "count_long_short_ratio",
        "sum_taker_long_short_vol_ratio",
        optional=True,
    ),
)
_FUNDING_COLUMNS = (
    Column("funding_time", Kind.INSTANT, ("calc_time",)),
    Column("interval_hours", Kind.INTEGER, ("funding_interval_hours",)),
    Column("rate", Kind.FLOAT, ("last_funding_rate",)),
)
_LIQUIDATION_COLUMNS = (
    Column("liquidation_time", Kind.INSTANT, ("time",)),
    Column("side", Kind.SIDE),
    Column("order_type", Kind.TEXT),
    Column("time_in_force", Kind.TEXT),
    Column("original_quantity", Kind.FLOAT),
    Column("price", Kind.FLOAT),
    Column("average_price", Kind.FLOAT),
    Column("order_status", Kind.TEXT),
    Column("last_fill_quantity", Kind.FLOAT),
    Column("accumulated_fill_quantity", Kind.FLOAT),
)
_BVOL_COLUMNS = (
    Column("calc_time", Kind.INSTANT),
    Column("symbol", Kind.TEXT, repeats="symbol"),
    Column("base_asset", Kind.TEXT),
    Column("quote_asset", Kind.TEXT),
    Column("index_value", Kind.FLOAT),
)
_OPTION_COLUMNS = (
    Column("summary_time", Kind.DATE, ("date",)),
    Column("hour", Kind.HOUR),
    Column("contract", Kind.TEXT, ("symbol",)),
    Column("underlying", Kind.TEXT, repeats="symbol"),
    Column("option_type", Kind.TEXT, ("type",)),
    Column("strike", Kind.TEXT),
    *_floats("open", "high", "low", "close", "volume_contracts", "volume_usdt", optional=True),
    *_floats("best_bid_price", "best_ask_price", "best_bid_qty", "best_ask_qty", optional=True),
    *_floats("best_buy_iv", "best_sell_iv", "mark_price", "mark_iv", optional=True),
    *_floats("delta", "gamma", "vega", "theta", optional=True),
    Column("open_interest_contracts", Kind.FLOAT, ("openinterest_contracts",), optional=True),
    Column("open_interest_usdt", Kind.FLOAT, ("openinterest_usdt",), optional=True),
)

# Ids alone identify nothing: publishers began to count anew.
_AGG_KEY = ("agg_trade_id", "transact_time")
_TRADE_KEY = ("trade_id", "trade_time")
# data type, markets, table, columns, natural key, time
_TABLE: tuple[tuple[str, tuple[str, ...], str, tuple[Column, ...], tuple[str, ...], str], ...] = (
    ("klines", ("spot", "um"), KLINES, _KLINE_COLUMNS, ("open_time",), "open_time"),
    ("klines", ("cm",), KLINES, _CM_KLINE_COLUMNS, ("open_time",), "open_time"),
    ("markPriceKlines", _FUTURES, MARK_KLINES, _PRICE_KLINE_COLUMNS, ("open_time",), "open_time"),
    ("indexPriceKlines", _FUTURES, INDEX_KLINES, _PRICE_KLINE_COLUMNS, ("open_time",), "open_time"),
    ("premiumIndexKlines", _FUTURES, PREMIUM_KLINES, _PRICE_KLINE_COLUMNS, ("open_time",), "open_time"),
    (
        "aggTrades",
        ("spot",),
        AGG_TRADES,
        (*_AGG_TRADE_COLUMNS, _IS_BEST_MATCH),
        _AGG_KEY,
        "transact_time",
    ),
    ("aggTrades", ("um",), AGG_TRADES, _AGG_TRADE_COLUMNS, _AGG_KEY, "transact_time"),
    ("aggTrades", ("cm",), AGG_TRADES, _CM_AGG_TRADE_COLUMNS, _AGG_KEY, "transact_time"),
    ("trades", ("spot",), TRADES, (*_TRADE_COLUMNS, _IS_BEST_MATCH), _TRADE_KEY, "trade_time"),
    ("trades", ("um",), TRADES, _TRADE_COLUMNS, _TRADE_KEY, "trade_time"),
    ("trades", ("cm",), TRADES, _CM_TRADE_COLUMNS, _TRADE_KEY, "trade_time"),
    ("bookDepth", _FUTURES, BOOK_DEPTH, _BOOK_DEPTH_COLUMNS, ("depth_time", "percentage"), "depth_time"),
    ("fundingRate", _FUTURES, FUNDING, _FUNDING_COLUMNS, ("funding_time",), "funding_time"),
    # The publisher gives liquidations no id: two rows are the same one where they agree in everything.
    (
        "liquidationSnapshot",
        _FUTURES,
        LIQUIDATIONS,
        _LIQUIDATION_COLUMNS,
        tuple(column.name for column in _LIQUIDATION_COLUMNS),
        "liquidation_time",
    ),
    ("BVOLIndex", ("option",), BVOL_INDEX, _BVOL_COLUMNS, ("calc_time",), "calc_time"),
    ("EOHSummary", ("option",), OPTION_SUMMARY, _OPTION_COLUMNS, ("summary_time", "contract"), "summary_time"),
)

FORMATS: tuple[FormatSpec, ...] = (
    *(
        FormatSpec(_SOURCE, market, data_type, table, columns, natural_key, row_time)
        for data_type, markets, table, columns, natural_key, row_time in _TABLE
        for market in markets
    ),
    # A day of metrics ran from 00:05 to the next day's 00:00 until the publisher changed the label of its rows.
    *(
        FormatSpec(_SOURCE, market, "metrics", METRICS, _METRICS_COLUMNS, ("create_time",), "create_time", late=_ONE_STEP)
        for market in _FUTURES
    ),
    # It is not known by which of the two times the publisher cuts the days.
    *(
        FormatSpec(
            *(_SOURCE, market, "bookTicker", BOOK_TICKER, _BOOK_TICKER_COLUMNS, ("update_id", "event_time"), "event_time"),
            early=_SENDING,
            late=_SENDING,
            absent=(("best_bid_price", "best_bid_qty"), ("best_ask_price", "best_ask_qty")),
        )
        for market in _FUTURES
    ),
)
"""Every format of the publisher."""
