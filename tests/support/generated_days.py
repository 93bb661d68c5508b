"""Days of a generated market as checked archives: klines and aggregate trades of the same trades."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from table_archives import check_agg_trades, check_klines

from lakehouse_sdk.tables import CheckedBatch
from lakehouse_sdk.testing.binance_csv import format_agg_trades, format_bars
from lakehouse_sdk.testing.market import Trades, aggregate, find_instrument, make_bars, make_trades

Edit = Callable[[list[bytes]], list[bytes]]
"""Changes the lines of a file."""


def published(
    symbol: str, day: date, *, market: str = "um", interval_s: int = 60, name: str = "1m", edit: Edit = list
) -> CheckedBatch:
    """A day of klines; a spot market halts on it."""
    bars = make_bars(_trades(symbol, day, market), interval_s)
    text = format_bars(find_instrument(market, symbol), [bars], interval_s, day).text
    canonical = f"{symbol[:3]}/USDT{':USDT' if market == 'um' else ''}"
    where = {"symbol": symbol, "day": _midnight(day), "market": market, "interval": name, "instrument": canonical}
    return check_klines(_edited(text, edit), **where)


def traded(symbol: str, day: date, *, market: str = "um", edit: Edit = list) -> CheckedBatch:
    """The same day's aggregate trades."""
    orders = aggregate(_trades(symbol, day, market))
    text = format_agg_trades(find_instrument(market, symbol), [orders], day).text
    return check_agg_trades(_edited(text, edit), symbol=symbol, day=_midnight(day), market=market)


def _trades(symbol: str, day: date, market: str) -> Trades:
    return make_trades(find_instrument(market, symbol), day, orders=3000, halted=market == "spot")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _edited(text: bytes, edit: Edit) -> bytes:
    return b"".join(b"%s\n" % line for line in edit(text.splitlines()))
