"""Bars: klines of each market, computed prices, candles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from lakehouse_sdk.testing.samples.model import Row, Rows, epoch_us, line_of, padded, to_instant, trimmed

KLINES = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
COINBASE_CANDLES = "open_time,open,high,low,close,volume"
FTX_CANDLES = "time,open,high,low,close,volume"

_MINUTE_US = 60_000_000
_CENT = Decimal("0.01")


class _Bar(NamedTuple):
    open_us: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    taker: Decimal
    trades: int

    @property
    def mean(self) -> Decimal:
        return (self.low + self.high) / 2

    @property
    def prices(self) -> tuple[Decimal, ...]:
        return self.open, self.high, self.low, self.close

    def truth(self, unit_us: int) -> dict[str, Any]:
        names = ("open", "high", "low", "close")
        return {
            "open_time": to_instant(self.open_us),
            **{name: float(price) for name, price in zip(names, self.prices, strict=True)},
            "close_time": to_instant(self.open_us + _MINUTE_US - unit_us),
        }


def _walk(random: Random, start: datetime) -> list[_Bar]:
    """The bars of a day; each opens where the one before closed."""
    bars, price, first_us = [], Decimal(random.randrange(500, 90_000)), epoch_us(start)
    for minute in range(1440):
        close = max(Decimal(1), price + Decimal(random.randrange(-300, 301)) * _CENT)
        high = max(price, close) + random.randrange(50) * _CENT
        low = min(price, close) - random.randrange(50) * _CENT
        volume = Decimal(random.randrange(1, 10**6)) / 1000
        taker = (volume * random.randrange(101) / 100).quantize(Decimal("0.001"))
        bars.append(
            _Bar(first_us + minute * _MINUTE_US, price, high, low, close, volume, min(taker, volume), random.randrange(1, 999))
        )
        price = close
    return bars


def make_klines(market: str) -> Callable[[Random, datetime], Rows]:
    """Klines; `cm` counts contracts of 100 in quote currency."""

    def rows(random: Random, start: datetime) -> Rows:
        unit_us = 1 if market == "spot" and start.year >= 2025 else 1000
        text = padded if market == "spot" else trimmed
        for bar in _walk(random, start):
            times = bar.open_us // unit_us, (bar.open_us + _MINUTE_US) // unit_us - 1
            quote, taker_quote = bar.volume * bar.mean, bar.taker * bar.mean
            if market == "cm":
                contracts, taken = Decimal(random.randrange(1, 9999)), Decimal(random.randrange(1))
                amounts = (contracts, bar.volume, taken, bar.taker)
                names = ("contract_volume", "volume", "taker_buy_contract_volume", "taker_buy_volume")
            else:
                amounts = (bar.volume, quote, bar.taker, taker_quote)
                names = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
            cells = [text(amount) for amount in amounts]
            line = line_of(times[0], *map(text, bar.prices), cells[0], times[1], cells[1], bar.trades, *cells[2:], 0)
            truth = {name: float(cell) for name, cell in zip(names, cells, strict=True)}
            yield Row(line, bar.truth(unit_us) | truth | {"count": bar.trades})

    return rows


def make_computed(scale: Decimal) -> Callable[[Random, datetime], Rows]:
    """Bars of a computed price; a scale below 1 gives rates of either sign."""

    def rows(random: Random, start: datetime) -> Rows:
        bars = _walk(random, start)
        shift = bars[0].open if scale < 1 else Decimal(0)
        for bar in bars:
            prices = [(price - shift) * scale for price in bar.prices]
            times = bar.open_us // 1000, (bar.open_us + _MINUTE_US) // 1000 - 1
            line = line_of(times[0], *map(trimmed, prices), 0, times[1], 0, 60, 0, 0, 0)
            names = ("open", "high", "low", "close")
            truth = {name: float(price) for name, price in zip(names, prices, strict=True)}
            yield Row(line, bar.truth(1000) | truth | {"sample_count": 60})

    return rows


def make_coinbase_candles(random: Random, start: datetime) -> Rows:
    """Candles as the Coinbase connector writes them."""
    for bar in _walk(random, start):
        line = line_of(bar.open_us // 1000, *map(trimmed, bar.prices), trimmed(bar.volume))
        yield Row(line, bar.truth(1000) | {"volume": float(bar.volume)})


def make_ftx_candles(random: Random, start: datetime) -> Rows:
    """Plain bars; the volume is in quote currency."""
    for bar in _walk(random, start):
        line = line_of(bar.open_us // 1_000_000, *map(trimmed, bar.prices), trimmed(bar.volume))
        yield Row(line, bar.truth(1000) | {"quote_volume": float(bar.volume)})


def make_ftx_native_candles(random: Random, start: datetime) -> Rows:
    """Candles as the exchange's API answered; the volume is in quote currency."""
    for minute, bar in enumerate(_walk(random, start)):
        values = dict(zip(("open", "high", "low", "close"), map(float, bar.prices), strict=True))
        opened = (start + timedelta(minutes=minute)).isoformat()
        record = {"startTime": opened, "time": bar.open_us / 1000, **values, "volume": float(bar.volume)}
        yield Row(json.dumps(record), bar.truth(1000) | {"quote_volume": float(bar.volume)})
