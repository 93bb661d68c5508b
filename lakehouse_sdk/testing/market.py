"""Generated market data: one day of trades, from which aggTrades and bars follow exactly.

Prices are whole ticks and quantities whole steps, so that every sum is exact. A day depends on its instrument, date and seed
alone, yet prices and ids continue from day to day.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY_US = 86_400_000_000
HALT_MINUTES = (137, 180)
"""Minutes of the day during which a halted market has no trades."""

_FIRST_DAY = date(1970, 1, 1)  # ids and price waves count from here
_FILLS_PER_ORDER = 1.5


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is traded.

    Attributes:
        market: `spot` or `um`.
        symbol: Symbol.
        price: Typical price in quote currency.
        price_decimals: One tick is `10 ** -price_decimals`.
        quantity_decimals: One step is `10 ** -quantity_decimals`.
        volatility: Standard deviation of a day's log return.
    """

    market: str
    symbol: str
    price: float
    price_decimals: int
    quantity_decimals: int
    volatility: float

    @property
    def seed(self) -> int:
        """A number of its own for each market and symbol."""
        return zlib.crc32(f"{self.market}:{self.symbol}".encode())

    def price_at(self, day: date) -> float:
        """The price at midnight before `day`: slow waves around the typical price, the same for every seed."""
        days = (day - _FIRST_DAY).days
        waves = sum(
            weight * math.sin(2 * math.pi * (days / length + (zlib.crc32(self.symbol.encode()) % 97) / 97))
            for weight, length in ((0.25, 401.0), (0.08, 53.0), (0.03, 11.0))
        )
        return self.price * math.exp(waves)


_KNOWN = {  # base name → price, decimals of price and quantity on spot, on um, volatility
    "BTCUSDT": (68_000.0, (2, 5), (1, 3), 0.025),
    "ETHUSDT": (3_400.0, (2, 4), (2, 3), 0.032),
    "SOLUSDT": (190.0, (2, 3), (3, 0), 0.045),
}


def find_instrument(market: str, symbol: str) -> Instrument:
    """The instrument of this name: one with familiar numbers, or for any other symbol one made up from its letters."""
    base = symbol.partition("_")[0]
    if base in _KNOWN:
        price, spot, um, volatility = _KNOWN[base]
    else:
        price = math.exp(zlib.crc32(base.encode()) % 1000 / 1000 * 7)  # 1 to 1,100
        spot, um, volatility = (4, 2), (4, 1), 0.05
    price_decimals, quantity_decimals = spot if market == "spot" else um
    return Instrument(market, symbol, price, price_decimals, quantity_decimals, volatility)


@dataclass(frozen=True, slots=True)
class Trades:
    """The trades of one day in the order of their ids; all arrays have one entry for each trade.

    Attributes:
        instrument: What was traded.
        day: UTC day.
        halted: True where trading paused for `HALT_MINUTES`.
        opening_price: Ticks at midnight.
        first_id: Id of the first trade; ids rise by one.
        first_order: Id of the first order, which becomes its aggTrade's id; ids rise by one.
        order: Taker order of each trade, counted from 0; never falls, skips none.
        time_us: Microseconds since 1970; never falls, equal inside an order.
        price: Ticks; equal inside an order.
        quantity: Steps, at least 1.
        is_buyer_maker: True where the taker sold.
    """

    instrument: Instrument
    day: date
    halted: bool
    opening_price: int
    first_id: int
    first_order: int
    order: Ints
    time_us: Ints
    price: Ints
    quantity: Ints
    is_buyer_maker: Bools


@dataclass(frozen=True, slots=True)
class AggTrades:
    """The trades of each taker order as one row; arrays as in `Trades`, with the ids of the first and last trade."""

    id: Ints
    price: Ints
    quantity: Ints
    first_id: Ints
    last_id: Ints
    time_us: Ints
    is_buyer_maker: Bools


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars in the order of time; prices in ticks, volumes in steps, quote volumes in ticks times steps."""

    open_time_us: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    quote_volume: Ints
    count: Ints
    taker_buy_volume: Ints
    taker_buy_quote_volume: Ints


def make_trades(instrument: Instrument, day: date, *, orders: int, seed: int = 0, halted: bool = False) -> Trades:
    """One day of trading: a random walk between the midnights' prices, busier at some hours, in orders of one or more trades.

    Args:
        instrument: What is traded.
        day: UTC day.
        orders: Taker orders, which is the number of aggTrades; the number of trades is half as many again, on every day.
        seed: Changes everything but the prices at midnight and the ids.
        halted: Pause trading for `HALT_MINUTES`.
    """
    random = np.random.default_rng([seed, instrument.seed, day.toordinal()])
    trades = int(orders * _FILLS_PER_ORDER)
    fills = 1 + np.bincount(random.integers(0, orders, trades - orders), minlength=orders)
    order = np.repeat(np.arange(orders, dtype=np.int64), fills)
    sells = random.random(orders) < 0.5
    time_us, price = _walk(instrument, day, random, orders, halted=halted)
    price += np.where(sells, 0, 1 + random.integers(0, 2, orders))  # sellers meet the bid, buyers the ask
    notional = random.lognormal(math.log(900.0), 1.3, trades) / instrument.price
    quantity = np.maximum(1, notional * 10**instrument.quantity_decimals).astype(np.int64)
    days = (day - _FIRST_DAY).days
    return Trades(
        instrument,
        day,
        halted,
        round(instrument.price_at(day) * 10**instrument.price_decimals),
        days * trades,
        days * orders,
        order,
        time_us[order],
        price[order],
        quantity,
        sells[order],
    )


def _walk(instrument: Instrument, day: date, random: np.random.Generator, orders: int, *, halted: bool) -> tuple[Ints, Ints]:
    """Times and bid prices of the orders."""
    minutes = np.arange(1440)
    busy = (1.3 + np.cos((minutes / 60 - 15) / 24 * 2 * np.pi)) * random.lognormal(0, 0.6, 1440)
    if halted:
        busy[slice(*HALT_MINUTES)] = 0
    gaps = np.cumsum(random.exponential(size=orders + 1))
    clock = np.interp(gaps[:-1] / gaps[-1], np.concatenate(([0], np.cumsum(busy))) / busy.sum(), np.arange(1441))
    start_us = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    time_us = start_us + np.minimum(clock * 60_000_000, DAY_US - 1).astype(np.int64)
    passed = np.arange(1, orders + 1) / (orders + 1)
    steps = np.cumsum(random.standard_normal(orders + 1)) * instrument.volatility / math.sqrt(orders + 1)
    first = math.log(instrument.price_at(day))
    last = math.log(instrument.price_at(date.fromordinal(day.toordinal() + 1)))
    path = first + (last - first) * passed + steps[:-1] - passed * steps[-1]
    return time_us, np.maximum(1, np.exp(path) * 10**instrument.price_decimals).astype(np.int64)


def aggregate(trades: Trades) -> AggTrades:
    """One row for each taker order."""
    starts = np.flatnonzero(np.diff(trades.order, prepend=-1))
    ends = np.append(starts[1:], len(trades.order))
    return AggTrades(
        trades.first_order + np.arange(len(starts), dtype=np.int64),
        trades.price[starts],
        np.add.reduceat(trades.quantity, starts),
        trades.first_id + starts,
        trades.first_id + ends - 1,
        trades.time_us[starts],
        trades.is_buyer_maker[starts],
    )


def make_bars(trades: Trades, interval_s: int) -> Bars:
    """Bars of the day: flat and empty where nothing traded; absent while a spot market is halted.

    Args:
        trades: One day.
        interval_s: Bar length; divides a day.
    """
    start_us = trades.time_us[0] // DAY_US * DAY_US
    slot = (trades.time_us - start_us) // (interval_s * 1_000_000)
    filled, starts = np.unique(slot, return_index=True)
    grid = np.arange(86_400 // interval_s)
    latest = np.searchsorted(filled, grid, side="right") - 1  # the last filled slot at or before each, -1 before the first
    is_filled = (latest >= 0) & (filled[latest] == grid)
    ends = np.append(starts[1:], len(slot)) - 1
    close = np.where(latest >= 0, trades.price[ends][latest], trades.opening_price)

    def sums(values: Ints) -> Ints:
        return np.where(is_filled, np.add.reduceat(values, starts)[latest], 0)

    def prices(values: Ints) -> Ints:
        return np.where(is_filled, values[latest], close)

    quote = trades.price * trades.quantity
    buys = ~trades.is_buyer_maker
    columns = (
        start_us + grid * interval_s * 1_000_000,
        prices(trades.price[starts]),
        prices(np.maximum.reduceat(trades.price, starts)),
        prices(np.minimum.reduceat(trades.price, starts)),
        close,
        sums(trades.quantity),
        sums(quote),
        sums(np.ones_like(quote)),
        sums(trades.quantity * buys),
        sums(quote * buys),
    )
    kept = _kept(trades, grid * interval_s, interval_s)
    return Bars(*(column[kept] for column in columns))


def _kept(trades: Trades, opens_s: Ints, interval_s: int) -> Bools:
    """The bars that the market publishes: all, but for those that lie inside a halt of a spot market."""
    if not trades.halted or trades.instrument.market != "spot":
        return np.ones(len(opens_s), dtype=np.bool_)
    first_s, last_s = (minute * 60 for minute in HALT_MINUTES)
    return (opens_s < first_s) | (opens_s + interval_s > last_s)
