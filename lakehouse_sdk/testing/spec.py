"""What a mirror holds, said before anything is generated; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from lakehouse_sdk.errors import UsageError

Frequency = Literal["daily", "monthly"]

MARKET_FOLDERS = {"spot": "spot", "um": "futures/um"}
DATA_TYPES = ("klines", "aggTrades")
INTERVAL_SECONDS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "8h": 28800,
    "12h": 43200,
    "1d": 86400,
}

DefectKind = Literal[
    "checksum-missing",
    "checksum-uppercase",
    "checksum-mismatch",
    "checksum-other-file",
    "zip-truncated",
    "zip-two-members",
    "not-published",
    "header-missing",
    "rows-doubled",
    "rows-shuffled",
    "high-below-low",
    "price-zero",
    "negative-amount",
    "taker-exceeds-volume",
    "number-garbled",
    "field-missing",
    "row-of-next-day",
    "conflicting-duplicate",
    "stray-part",
    "unpadded-month",
]
"""Everything that can be planted. `stray-part` and `unpadded-month` add a key beside the archive, the rest change it."""

STRAY_KINDS = frozenset({"stray-part", "unpadded-month"})
_KLINES_ONLY = frozenset({"high-below-low", "taker-exceeds-volume"})
_PERIOD = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """One archive of a mirror, named without its key.

    Attributes:
        market: `spot` or `um`.
        data_type: `klines` or `aggTrades`.
        symbol: Symbol.
        period: `2024-12` for a monthly archive, `2024-12-31` for a daily one.
    """

    market: str
    data_type: str
    symbol: str
    period: str

    @property
    def frequency(self) -> Frequency:
        """`daily` or `monthly`, from the form of the period."""
        return "monthly" if len(self.period) == len("2024-12") else "daily"

    @property
    def days(self) -> tuple[date, ...]:
        """The days covered."""
        match = _PERIOD.fullmatch(self.period)
        if match is None:
            raise UsageError(f"The period {self.period!r} is neither YYYY-MM nor YYYY-MM-DD.")
        first = date(int(match[1]), int(match[2]), int(match[3] or 1))
        if match[3]:
            return (first,)
        return day_range(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect, planted in one archive.

    Attributes:
        kind: What is wrong.
        market: As in `MirrorSpec`.
        data_type: As in `MirrorSpec`.
        symbol: As in `MirrorSpec`.
        period: `2024-12` for the monthly archive, `2024-12-31` for the daily one.
    """

    kind: DefectKind
    market: str
    data_type: str
    symbol: str
    period: str

    @property
    def place(self) -> Place:
        """The archive that it is planted in."""
        return Place(self.market, self.data_type, self.symbol, self.period)


@dataclass(frozen=True, slots=True)
class MirrorSpec:
    """What to publish: all markets, symbols and data types, each for every month and day named.

    The same spec gives the same bytes.

    Attributes:
        markets: `spot`, `um` or both.
        symbols: Any names; those with a delivery date (`BTCUSDT_250328`) exist on `um` only.
        data_types: `klines`, `aggTrades` or both; both are derived from the same trades.
        interval: Bar length of the klines, at most `1d`.
        days: Days that have a daily archive.
        months: First days of the months that have a monthly archive.
        trades_per_day: Rows of one day of aggTrades; a few for thousands of tiny archives (with an interval of `1h`).
        seed: Changes all prices, amounts and times.
        halts: Days on which trading pauses for a while: spot has no bars then, um has flat ones.
        defects: What is planted; at most one in each archive.

    Raises:
        UsageError: A name that the generator does not know, or a defect in an archive that is not part of the mirror.
    """

    markets: tuple[str, ...] = ("spot",)
    symbols: tuple[str, ...] = ("BTCUSDT",)
    data_types: tuple[str, ...] = ("klines",)
    interval: str = "1m"
    days: tuple[date, ...] = ()
    months: tuple[date, ...] = ()
    trades_per_day: int = 1000
    seed: int = 0
    halts: tuple[date, ...] = ()
    defects: tuple[Defect, ...] = ()

    def __post_init__(self) -> None:
        _check_names("market", self.markets, tuple(MARKET_FOLDERS))
        _check_names("data type", self.data_types, DATA_TYPES)
        _check_names("interval", (self.interval,), tuple(INTERVAL_SECONDS))
        if self.trades_per_day < 1 or self.seed < 0:
            raise UsageError(f"trades_per_day={self.trades_per_day}, seed={self.seed}: at least 1, and not negative.")
        if any(month.day != 1 for month in self.months):
            raise UsageError("A month is named by its first day.", hint="Use month_range().")
        places = set(self.places())
        seen: set[Place] = set()
        for defect in self.defects:
            _check_defect(defect, places, seen)
            if defect.kind not in STRAY_KINDS:
                seen.add(defect.place)

    def series(self) -> Iterator[tuple[str, str]]:
        """Every market and symbol that exists on it."""
        for market in self.markets:
            for symbol in self.symbols:
                if market != "spot" or "_" not in symbol:
                    yield market, symbol

    def places(self) -> Iterator[Place]:
        """Every archive of the mirror, those that a defect keeps from being published included."""
        periods = [f"{month:%Y-%m}" for month in sorted(set(self.months))] + [day.isoformat() for day in sorted(set(self.days))]
        for market, symbol in self.series():
            for data_type in self.data_types:
                for period in periods:
                    yield Place(market, data_type, symbol, period)

    def key(self, place: Place, suffix: str = ".zip") -> str:
        """The key of an archive, in the exchange's layout."""
        bars = place.data_type == "klines"
        folder = f"data/{MARKET_FOLDERS[place.market]}/{place.frequency}/{place.data_type}/{place.symbol}/"
        kind = self.interval if bars else place.data_type
        return f"{folder}{f'{kind}/' if bars else ''}{place.symbol}-{kind}-{place.period}{suffix}"


def day_range(first: date, last: date) -> tuple[date, ...]:
    """All days from `first` to `last`, both included."""
    return tuple(first + timedelta(days=offset) for offset in range((last - first).days + 1))


def month_range(first: date, last: date) -> tuple[date, ...]:
    """The first days of all months from that of `first` to that of `last`, both included."""
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return tuple(date(month // 12, month % 12 + 1, 1) for month in months)


def demo_mirror() -> MirrorSpec:
    """The mirror of `lakehouse demo`: 376 archives, 2.4 million rows, both time units, every kind of defect.

    November and December 2024 are monthly, January 2025 is daily so far, and the last days of December are published both
    ways, so that the choice of cadence matters.
    """
    um, spot, bars, trades = "um", "spot", "klines", "aggTrades"
    return MirrorSpec(
        markets=(spot, um),
        symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSDT_250328"),
        data_types=(bars, trades),
        months=month_range(date(2024, 11, 1), date(2024, 12, 1)),
        days=day_range(date(2024, 12, 27), date(2025, 1, 20)),
        trades_per_day=2500,
        seed=20250101,
        halts=(date(2024, 11, 13), date(2025, 1, 9)),
        defects=(
            Defect("checksum-missing", spot, bars, "SOLUSDT", "2025-01-03"),
            Defect("checksum-uppercase", um, trades, "SOLUSDT", "2025-01-03"),
            Defect("checksum-mismatch", um, bars, "ETHUSDT", "2025-01-05"),
            Defect("checksum-other-file", spot, trades, "ETHUSDT", "2025-01-05"),
            Defect("zip-truncated", spot, trades, "SOLUSDT", "2025-01-06"),
            Defect("zip-two-members", um, trades, "ETHUSDT", "2025-01-06"),
            Defect("not-published", um, bars, "SOLUSDT", "2025-01-11"),
            Defect("not-published", spot, bars, "BTCUSDT", "2024-12-29"),
            Defect("header-missing", um, bars, "BTCUSDT", "2025-01-02"),
            Defect("rows-doubled", um, trades, "BTCUSDT", "2025-01-07"),
            Defect("rows-doubled", spot, bars, "ETHUSDT", "2025-01-08"),
            Defect("rows-shuffled", um, trades, "SOLUSDT", "2024-12"),
            Defect("high-below-low", spot, bars, "BTCUSDT", "2024-11"),
            Defect("high-below-low", um, bars, "ETHUSDT", "2024-12-30"),
            Defect("price-zero", um, bars, "BTCUSDT", "2025-01-12"),
            Defect("negative-amount", spot, trades, "BTCUSDT", "2025-01-13"),
            Defect("taker-exceeds-volume", spot, bars, "SOLUSDT", "2025-01-14"),
            Defect("number-garbled", um, trades, "ETHUSDT", "2025-01-15"),
            Defect("field-missing", spot, bars, "ETHUSDT", "2025-01-16"),
            Defect("row-of-next-day", um, bars, "SOLUSDT", "2025-01-17"),
            Defect("conflicting-duplicate", spot, bars, "BTCUSDT", "2025-01-18"),
            Defect("conflicting-duplicate", um, trades, "BTCUSDT", "2025-01-18"),
            Defect("stray-part", um, trades, "BTCUSDT", "2024-12"),
            Defect("unpadded-month", spot, bars, "ETHUSDT", "2024-11"),
        ),
    )


def _check_names(what: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"The mirror knows no {what} {name!r}.", hint=f"Known: {', '.join(known)}.")


def _check_defect(defect: Defect, places: set[Place], seen: set[Place]) -> None:
    _check_names("defect", (defect.kind,), get_args(DefectKind))
    if defect.place not in places:
        raise UsageError(f"{defect} is planted in an archive that is not part of the mirror.")
    if defect.place in seen:
        raise UsageError(f"{defect} is the second defect of its archive.", hint="Plant it in another one.")
    if defect.kind in _KLINES_ONLY and defect.data_type != "klines":
        raise UsageError(f"{defect.data_type} cannot have the defect {defect.kind}.", hint="Plant it in klines.")
    if defect.kind == "header-missing" and defect.market == "spot":
        raise UsageError("Spot archives never have a header that could be missing.", hint="Plant it on um.")
