"""Trades of each venue, and the order book."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from lakehouse_sdk.testing.samples.model import DAY_US, Row, Rows, epoch_us, line_of, padded, plain, to_instant, trimmed

AGG_TRADES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
SPOT_AGG_TRADES = f"{AGG_TRADES},is_best_match"
TRADES = "id,price,qty,quote_qty,time,is_buyer_maker"
SPOT_TRADES = f"{TRADES},is_best_match"
CM_TRADES = "id,price,qty,base_qty,time,is_buyer_maker"
BOOK_TICKER = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
BOOK_DEPTH = "timestamp,percentage,depth,notional"
COINBASE_TRADES = "trade_id,time,price,size,side"
TARDIS_TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"

_BANDS = ("-5.00", "-4.00", "-3.00", "-2.00", "-1.00", "-0.20", "0.20", "1.00", "2.00", "3.00", "4.00", "5.00")


class _Trade(NamedTuple):
    number: int
    time_us: int
    price: Decimal
    quantity: Decimal
    is_sold: bool

    @property
    def side(self) -> str:
        return "sell" if self.is_sold else "buy"

    def truth(self) -> dict[str, Any]:
        price, quantity = float(self.price), float(self.quantity)
        return {"price": price, "quantity": quantity, "notional": price * quantity, "side": self.side}


def _walk(random: Random, start: datetime, unit_us: int) -> Iterator[_Trade]:
    number, price, time_us = random.randrange(10**9), random.randrange(10**5, 9 * 10**6), epoch_us(start)
    end_us = time_us + DAY_US
    while (time_us := time_us + random.randrange(0, 2_000_000) // unit_us * unit_us) < end_us:
        price = max(100, price + random.randrange(-50, 51))
        quantity = Decimal(random.randrange(1, 10**5)) / 1000
        yield _Trade(number, time_us, Decimal(price) / 100, quantity, random.random() < 0.5)
        number += 1


def make_agg_trades(market: str) -> Callable[[Random, datetime], Rows]:
    """AggTrades; the ids of the single trades go on from row to row."""

    def rows(random: Random, start: datetime) -> Rows:
        spot = market == "spot"
        unit_us = 1 if spot and start.year >= 2025 else 1000
        first = random.randrange(10**10)
        for trade in _walk(random, start, unit_us):
            last = first + random.randrange(3)
            text = padded if spot else trimmed
            word = str(trade.is_sold) if spot else str(trade.is_sold).lower()
            amount = Decimal(random.randrange(1, 500)) if market == "cm" else trade.quantity
            cells = [trade.number, text(trade.price), text(amount), first, last, trade.time_us // unit_us, word]
            truth: dict[str, Any] = {"price": float(trade.price), "contract_quantity": float(amount), "side": trade.side}
            truth = truth if market == "cm" else trade.truth()
            truth |= {"agg_trade_id": trade.number, "first_trade_id": first, "last_trade_id": last}
            truth |= {"transact_time": to_instant(trade.time_us), "is_buyer_maker": trade.is_sold}
            yield Row(line_of(*cells, *(["True"] if spot else [])), truth | ({"is_best_match": True} if spot else {}))
            first = last + 1

    return rows


def make_trades(market: str) -> Callable[[Random, datetime], Rows]:
    """Single trades; `cm` counts contracts and adds their worth in base currency."""

    def rows(random: Random, start: datetime) -> Rows:
        spot = market == "spot"
        unit_us = 1 if spot and start.year >= 2025 else 1000
        for trade in _walk(random, start, unit_us):
            text = padded if spot else plain
            word = str(trade.is_sold) if spot else str(trade.is_sold).lower()
            truth = trade.truth() | {"trade_id": trade.number, "trade_time": to_instant(trade.time_us)}
            truth |= {"is_buyer_maker": trade.is_sold}
            if market == "cm":
                contracts = random.randrange(1, 500)
                amounts = [f"{contracts}.0", plain(trade.quantity)]
                truth |= {"contract_quantity": float(contracts)}
            else:
                quote = trade.price * trade.quantity
                amounts = [text(trade.quantity), text(quote)]
                truth |= {"quote_quantity": float(quote)}
            cells = [trade.number, text(trade.price), *amounts, trade.time_us // unit_us, word]
            yield Row(line_of(*cells, *(["True"] if spot else [])), truth | ({"is_best_match": True} if spot else {}))

    return rows


def make_book_ticker(random: Random, start: datetime) -> Rows:
    """Changes of the best bid and ask."""
    sent_us = 0
    for trade in _walk(random, start, 1000):
        ask = trade.price + Decimal(random.randrange(1, 9)) / 100
        sizes = [Decimal(random.randrange(1, 99_999)) / 1000 for _ in range(2)]
        sent_us = max(sent_us, trade.time_us + random.randrange(9) * 1000)
        cells = [trade.number, *map(padded, (trade.price, sizes[0], ask, sizes[1])), trade.time_us // 1000, sent_us // 1000]
        truth = {
            "update_id": trade.number,
            "best_bid_price": float(trade.price),
            "best_bid_qty": float(sizes[0]),
            "best_ask_price": float(ask),
            "best_ask_qty": float(sizes[1]),
            "transaction_time": to_instant(trade.time_us),
            "event_time": to_instant(sent_us),
        }
        yield Row(line_of(*cells), truth)


def make_book_depth(random: Random, start: datetime) -> Rows:
    """Snapshots of twelve bands, about every 30 seconds."""
    for snapshot in range(2880):
        time = start + timedelta(seconds=30 * snapshot + random.randrange(9))
        grown = {side: sorted(Decimal(random.randrange(1, 10**9)) / 1000 for _ in range(6)) for side in (-1, 1)}
        for number, band in enumerate(_BANDS):
            depth = grown[-1][5 - number] if number < 6 else grown[1][number - 6]
            notional = depth * random.randrange(990, 1010)
            truth = {"depth_time": time, "percentage": float(band), "depth": float(depth), "notional": float(notional)}
            yield Row(line_of(f"{time:%Y-%m-%d %H:%M:%S}", band, padded(depth), padded(notional)), truth)


def make_coinbase_trades(random: Random, start: datetime) -> Rows:
    """Trades as the Coinbase connector writes them."""
    for trade in _walk(random, start, 1):
        time = to_instant(trade.time_us)
        cells = (trade.number, f"{time:%Y-%m-%dT%H:%M:%S.%fZ}", padded(trade.price), padded(trade.quantity), trade.side)
        yield Row(line_of(*cells), trade.truth() | {"trade_id": trade.number, "trade_time": time})


def make_tardis_trades(random: Random, start: datetime) -> Rows:
    """Trades as a vendor recorded them; received some time after they happened."""
    for trade in _walk(random, start, 1):
        received_us = trade.time_us + random.randrange(1, 10**6)
        amounts = plain(trade.price), plain(trade.quantity)
        line = line_of("ftx", "BTC-PERP", trade.time_us, received_us, trade.number, trade.side, *amounts)
        times = {"trade_time": to_instant(trade.time_us), "received_time": to_instant(received_us)}
        yield Row(line, trade.truth() | times | {"trade_id": trade.number})


def make_ftx_native_trades(random: Random, start: datetime) -> Rows:
    """Trades as the exchange's API answered."""
    for trade in _walk(random, start, 1):
        time, liquidated = to_instant(trade.time_us), random.random() < 0.1
        record = {"id": trade.number, "liquidation": liquidated, "price": float(trade.price), "side": trade.side}
        record |= {"size": float(trade.quantity), "time": time.isoformat()}
        truth = trade.truth() | {"trade_id": trade.number, "trade_time": time, "is_liquidation": liquidated}
        yield Row(json.dumps(record), truth)
