"""Tables of trades and of the order book; `side` is everywhere what the taker did."""

from __future__ import annotations

from lakehouse_sdk.tables.layout.formats import AGG_TRADES, BOOK_DEPTH, BOOK_TICKER, TRADES
from lakehouse_sdk.tables.layout.schemas.layout import (
    DAY,
    DOUBLE,
    INSTANT,
    LONG,
    TEXT,
    TRUTH,
    ColumnDoc,
    TableLayout,
    data_layout,
)

_SIDE: ColumnDoc = ("side", TEXT, "What the taker did: buy or sell")
_CONTRACTS: ColumnDoc = ("contract_quantity", DOUBLE, "optional: Amount, in contracts; binance cm only")

LAYOUTS: tuple[TableLayout, ...] = (
    data_layout(
        TRADES,
        "One row for each single trade.",
        "trade_time",
        (
            ("trade_id", LONG, "Number of the trade within market and symbol"),
            ("price", DOUBLE, "Price, in quote currency"),
            ("quantity", DOUBLE, "Amount, in base currency"),
            ("quote_quantity", DOUBLE, "optional: Amount as published, in quote currency; binance spot and um only"),
            _CONTRACTS,
            ("trade_time", INSTANT, "When the trade happened, UTC"),
            _SIDE,
            ("notional", DOUBLE, "price * quantity, in quote currency"),
            ("is_buyer_maker", TRUTH, "optional: True where the buyer was the maker, so that the taker sold; binance only"),
            ("is_best_match", TRUTH, "optional: True where the price was the best match; published for binance spot only"),
            ("is_liquidation", TRUTH, "optional: True where the taker was liquidated; the exchange's own files of ftx only"),
            ("received_time", INSTANT, "optional: When a vendor's recorder received the trade, UTC; the vendor's files only"),
        ),
        every=DAY,
        key=("trade_id",),
    ),
    data_layout(
        AGG_TRADES,
        "One row for each aggregate trade: fills of one taker order at one price.",
        "transact_time",
        (
            ("agg_trade_id", LONG, "Number of the aggregate trade within market and symbol"),
            ("price", DOUBLE, "Price, in quote currency"),
            ("quantity", DOUBLE, "optional: Amount, in base currency; null on cm, which publishes contracts only"),
            ("first_trade_id", LONG, "First single trade that the aggregate holds"),
            ("last_trade_id", LONG, "Last single trade that the aggregate holds"),
            ("transact_time", INSTANT, "When the trade happened, UTC"),
            ("is_buyer_maker", TRUTH, "True where the buyer was the maker, so that the taker sold"),
            ("is_best_match", TRUTH, "optional: True where the price was the best match; published for spot only"),
            _SIDE,
            ("notional", DOUBLE, "optional: price * quantity, in quote currency; null on cm"),
        ),
        every=DAY,
        key=("agg_trade_id",),
        later=(_CONTRACTS,),
    ),
    data_layout(
        BOOK_TICKER,
        "One row for each change of the best bid or ask.",
        "event_time",
        (
            ("update_id", LONG, "Number of the book's update within market and symbol"),
            ("best_bid_price", DOUBLE, "optional: Highest price bid, in quote currency; null where nobody bids"),
            ("best_bid_qty", DOUBLE, "optional: Amount bid there; in base currency on um, in contracts on cm"),
            ("best_ask_price", DOUBLE, "optional: Lowest price asked, in quote currency; null where nobody asks"),
            ("best_ask_qty", DOUBLE, "optional: Amount asked there; in base currency on um, in contracts on cm"),
            ("transaction_time", INSTANT, "When the book changed, UTC"),
            ("event_time", INSTANT, "When the exchange sent the change, UTC"),
        ),
        every=DAY,
        key=("update_id",),
    ),
    data_layout(
        BOOK_DEPTH,
        "One row for each band of a snapshot of the order book, taken about every 30 seconds.",
        "depth_time",
        (
            ("depth_time", INSTANT, "When the snapshot was taken, UTC"),
            ("percentage", DOUBLE, "Outer end of the band, in percent of the price: below 0 bids, above 0 asks"),
            ("depth", DOUBLE, "Amount between the price and the band's end; in base currency on um, in contracts on cm"),
            ("notional", DOUBLE, "Value of that amount; in quote currency on um, in base currency on cm"),
        ),
        every=DAY,
        key=("percentage",),
    ),
)
