"""Generated trades of an exchange whose API pages by trade id, and the candles that follow from them exactly.

A day depends on its product, date and seed alone. Prices are whole ticks and sizes whole steps, so that every sum is exact.
Each day has a trade in its first and in its last microsecond, and trade ids leave some numbers out.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DAY_US = 86_400_000_000
HALT_HOURS = (4, 16)
"""Hours of a halted day without trades; so long that a page of one-minute candles inside is empty."""
_IDS_BETWEEN_HOLES = 50


@dataclass(frozen=True, slots=True)
class Product:
    """What is traded.

    Attributes:
        id: Product id, for example `BTC-USD`.
        status: `online` or `delisted`; both have history.
        price: Typical price, in ticks.
        price_decimals: One tick is `10 ** -price_decimals`.
        size: Typical size of a trade, in steps of `10 ** -8`.
    """

    id: str
    status: str = "online"
    price: int = 4_200_000
    price_decimals: int = 2
    size: int = 10_000_000


PRODUCTS = (
    Product("BTC-USD"),
    Product("ETH-USD", price=230_010),
    Product("SHIB-USD", price=901, price_decimals=8, size=98_765_432_100_000_000),
    Product("XRP-USD", "delisted", price=5_0021, price_decimals=4, size=50_000_000_000),
)
"""Products whose numbers float could not carry: prices with closing zeros or of a few 10⁻⁶, volumes of 20 digits."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade: id, microseconds since 1970, price in ticks, size in steps, and the taker's side."""

    id: int
    time_us: int
    price: int
    size: int
    taker: str


class GeneratedMarket:
    """All trades of some products from `first_day` up to `now`.

    Args:
        products: What is traded.
        first_day: Day of the first trades.
        now: Where history ends, in the middle of a day or not, aware.
        trades_per_day: Of each product, at least 2.
        halted_days: Days on which trading pauses for `HALT_HOURS`.
        seed: Changes everything but the ids.
    """

    def __init__(
        self,
        products: tuple[Product, ...],
        *,
        first_day: date,
        now: datetime,
        trades_per_day: int,
        halted_days: frozenset[date],
        seed: int,
    ) -> None:
        self.products: Mapping[str, Product] = {product.id: product for product in products}
        self._first_day = first_day
        self._now_us = _count_us(now)
        self._last_day = now.astimezone(UTC).date()
        self._per_day = trades_per_day
        self._halted_days = halted_days
        self._seed = seed
        self._make_day = lru_cache(maxsize=512)(self._generate_day)

    def fills(self, product: str, day: date) -> list[Fill]:
        """The trades of one day that have happened by now, oldest first."""
        if not self._first_day <= day <= self._last_day:
            return []
        return [fill for fill in self._make_day(product, day) if fill.time_us < self._now_us]

    def fills_below(self, product: str, trade_id: int | None, limit: int) -> list[Fill]:
        """The newest `limit` trades with ids below `trade_id`, newest first; of all where it is None."""
        count = (self._last_day - self._first_day).days * self._per_day + len(self.fills(product, self._last_day))
        end = count if trade_id is None else bisect_left(range(count), trade_id, key=_number)
        found: list[Fill] = []
        index = end - 1
        while index >= 0 and len(found) < limit:
            day, place = divmod(index, self._per_day)
            taken = self._make_day(product, self._first_day + timedelta(days=day))[: place + 1][::-1][: limit - len(found)]
            found += taken
            index -= len(taken)
        return found

    def bars(self, product: str, day: date, interval_s: int) -> dict[int, tuple[int, int, int, int, int]]:
        """Open, high, low, close (ticks) and volume (steps) by opening time in seconds; none without trades."""
        bars: dict[int, tuple[int, int, int, int, int]] = {}
        for fill in self.fills(product, day):
            opening_s = fill.time_us // 1_000_000 // interval_s * interval_s
            first, high, low, _, volume = bars.get(opening_s, (fill.price, fill.price, fill.price, 0, 0))
            bars[opening_s] = (first, max(high, fill.price), min(low, fill.price), fill.price, volume + fill.size)
        return bars

    def _generate_day(self, product: str, day: date) -> list[Fill]:
        about = self.products[product]
        chance = random.Random(f"{self._seed}:{product}:{day}")  # noqa: S311 (the same numbers every time, not a secret)
        first, last = (hour * 3_600_000_000 for hour in HALT_HOURS)
        pause = last - first if day in self._halted_days else 0
        inner = sorted(chance.randrange(1, DAY_US - 1 - pause) for _ in range(self._per_day - 2))
        times = [0, *(time if time < first or not pause else time + pause for time in inner), DAY_US - 1]
        start_us = _count_us(datetime(day.year, day.month, day.day, tzinfo=UTC))
        index = (day - self._first_day).days * self._per_day
        price, fills = about.price, []
        for place, time in enumerate(times):
            price = max(1, price + chance.randint(-3, 3) * max(1, about.price // 2000))
            size = 1 + chance.randrange(2 * about.size)
            fills.append(Fill(_number(index + place), start_us + time, price, size, chance.choice(("buy", "sell"))))
        return fills


def format_number(value: int, decimals: int) -> str:
    """`value` in units of `10 ** -decimals` as a decimal number, closing zeros included."""
    digits = f"{value:0{decimals + 1}}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def format_us(time_us: int) -> str:
    """A time as the API writes it, `2024-01-31T23:59:59.999999Z`."""
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06}Z"


def _number(index: int) -> int:
    """The id of the trade that is `index` in the whole history."""
    return 1 + index + index // _IDS_BETWEEN_HOLES


def _count_us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
