"""The three layouts of an FTX mirror as data, read and written by one table; pure.

A key is `<data type>/[<interval>/]<YYYY>/<MM>/<DD>/<symbol><suffix>`, below the mirror's root and without it, so that a mirror
that moves keeps its keys. Candles alone have the level of the interval, in every layout that has candles.

| layout | data types | suffix | content |
|---|---|---|---|
| `tardis` | trades, quotes, books, tickers, liquidations | `.csv.gz` | as the vendor Tardis serves its downloads |
| `native-json` | trades, candles, funding | `.json.gz` | one JSON object a line, as the exchange's API answered |
| `ohlcv-csv` | candles | `.csv.gz` | bars |

A symbol is the exchange's own with `-` for `/`, so `BTC/USD` is `BTC-USD`; its form says which market it is of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from lakehouse_sdk.archives.model import Dataset, Frequency, Oddity

Layout = Literal["tardis", "native-json", "ohlcv-csv"]

SOURCE = "ftx"
CHECKSUM_SUFFIX = ".sha256"
FIRST_DAY = date(2019, 8, 1)
"""From here on mirrors are known to have data; some have days before it."""
_FOUNDED = date(2019, 5, 1)
LAST_DAY = date(2022, 11, 13)
"""The last day that a mirror can have; the exchange answered nobody after it."""
SUFFIXES: dict[Layout, str] = {"tardis": ".csv.gz", "native-json": ".json.gz", "ohlcv-csv": ".csv.gz"}

_DAILY: tuple[Frequency, ...] = ("daily",)
_INTERVALS = ("15s", "1m", "5m", "15m", "1h", "4h", "1d")
_DERIVATIVES = ("perp", "future", "move")
_MARKETS = ("spot", *_DERIVATIVES)
_DATA_TYPES: dict[Layout, dict[str, tuple[str, ...]]] = {
    "tardis": {
        "trades": _MARKETS,
        "quotes": _MARKETS,
        "incremental_book_L2": _MARKETS,
        "book_snapshot_25": _MARKETS,
        "derivative_ticker": _DERIVATIVES,
        "liquidations": _DERIVATIVES,
    },
    "native-json": {"trades": _MARKETS, "candles": _MARKETS, "funding": ("perp",)},
    "ohlcv-csv": {"candles": _MARKETS},
}
"""Layout → data type → markets that have it."""
DATASETS: dict[Layout, tuple[Dataset, ...]] = {
    layout: tuple(
        Dataset(market, data_type, _DAILY, _INTERVALS if data_type == "candles" else (), FIRST_DAY, LAST_DAY)
        for data_type, markets in data_types.items()
        for market in markets
    )
    for layout, data_types in _DATA_TYPES.items()
}
"""Everything that can be asked for, in the order of discovery."""

# Dates as the exchange wrote them over the years: BTC-0325, BTC-20191227, BTC-HASH-2020Q4, TRUMP2024.
_DATE = r"(?:\d{8}|\d{4}(?:Q[1-4])?)"
_SYMBOLS = {
    "perp": re.compile(r"[A-Z0-9]+-PERP", re.ASCII),
    "move": re.compile(rf"[A-Z0-9]+-MOVE-(?:WK-)?{_DATE}", re.ASCII),
    "future": re.compile(rf"[A-Z0-9]+-(?:HASH-)?{_DATE}|[A-Z]+20\d\d", re.ASCII),
    "spot": re.compile(r"[A-Z0-9]+-[A-Z0-9]+", re.ASCII),
    # TRUMP, BIDEN: bets on an event without a date in their names; not the files that hold all symbols of a kind.
    "unusual future": re.compile(r"(?!(?:SPOT|PERPETUALS|FUTURES|OPTIONS|MOVES)$)[A-Z0-9]+", re.ASCII),
}
"""Market → form of its symbols; the first that fits counts."""
_DAY = (re.compile(r"\d{4}", re.ASCII), re.compile(r"\d{2}", re.ASCII), re.compile(r"\d{2}", re.ASCII))
_UNFINISHED = (".tmp", ".unconfirmed", ".part")


@dataclass(frozen=True, slots=True, order=True)
class ArchiveKey:
    """What a key says about its archive; `format_key` gives the key back exactly.

    Attributes:
        data_type: As the layout spells it.
        interval: Bar length of candles, None for other data types.
        symbol: As in the file's name.
        day: The day covered, UTC.
    """

    data_type: str
    interval: str | None
    symbol: str
    day: date

    @property
    def market(self) -> str:
        """`spot`, `perp`, `future` or `move`."""
        market = find_market(self.symbol)
        if market is None:
            raise ValueError(self.symbol)
        return market

    @property
    def period_start(self) -> datetime:
        """First instant covered, UTC."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def period_end(self) -> datetime:
        """First instant no longer covered, UTC."""
        return self.period_start + timedelta(days=1)


def find_market(symbol: str) -> str | None:
    """The market that a symbol is of, by its form; None where it has the form of no symbol."""
    found = next((market for market, form in _SYMBOLS.items() if form.fullmatch(symbol)), None)
    return None if found is None else found.removeprefix("unusual ")


def is_unusual(symbol: str, day: date) -> bool:
    """True where an archive is not of the forms and days that are known of FTX; it is what its mirror says that it is."""
    form = next((name for name, form in _SYMBOLS.items() if form.fullmatch(symbol)), "")
    return day < FIRST_DAY or form.startswith("unusual")


def format_key(archive: ArchiveKey, layout: Layout) -> str:
    """The key of an archive. The inverse of `parse_key`."""
    folder = format_folder(archive.data_type, archive.interval)
    return f"{folder}{archive.day:%Y/%m/%d}/{archive.symbol}{SUFFIXES[layout]}"


def format_folder(data_type: str, interval: str | None) -> str:
    """The folder that holds one folder for each year, trailing slash included."""
    return f"{data_type}/{interval}/" if interval else f"{data_type}/"


def parse_key(key: str, layout: Layout) -> ArchiveKey | Oddity:
    """What `key` says, or why it is no archive key; never raises. The inverse of `format_key`."""
    parsed = _parse(key, layout)
    return Oddity(key, parsed) if isinstance(parsed, str) else parsed


def parse_day(parts: tuple[str, ...]) -> tuple[date, date] | None:
    """First and last day of the folder `2022`, `2022/03` or `2022/03/31`; None where the parts are no such folder."""
    if not 1 <= len(parts) <= 3 or not all(form.fullmatch(part) for form, part in zip(_DAY, parts, strict=False)):
        return None
    year, month, day = (*(int(part) for part in parts), 0, 0)[:3]
    try:
        first = date(year, month if len(parts) > 1 else 1, day if len(parts) > 2 else 1)
    except ValueError:
        return None
    if len(parts) == 1:
        return first, date(year, 12, 31)
    if len(parts) == 2:
        return first, date(year, 12, 31) if month == 12 else date(year, month + 1, 1) - timedelta(days=1)
    return first, first


def _parse(key: str, layout: Layout) -> ArchiveKey | str:
    *folders, file = key.split("/")
    data_type, *rest = folders or [""]
    markets = _DATA_TYPES[layout].get(data_type)
    if markets is None:
        return f"The layout {layout} has no data type {data_type!r}."
    interval = None
    if data_type == "candles":
        interval, *rest = rest or [""]
        if interval not in _INTERVALS:
            return f"Candles have no interval {interval!r}."
    if len(rest) != 3:
        return f"It does not lie in a folder YYYY/MM/DD of {format_folder(data_type, interval)}."
    days = parse_day(tuple(rest))
    if days is None:
        return f"Its folder {'/'.join(rest)!r} is no day YYYY/MM/DD."
    fault = _find_fault(file, SUFFIXES[layout])
    if fault is not None:
        return fault
    symbol = file.removesuffix(SUFFIXES[layout])
    market = find_market(symbol)
    if market is None:
        return f"{symbol!r} is no symbol."
    if market not in markets:
        return f"{symbol} is of the market {market}, which has no {data_type}."
    if not _FOUNDED <= days[0] <= LAST_DAY:
        return f"Its day {days[0]} is not one of {_FOUNDED} to {LAST_DAY}, in which there was an FTX."
    return ArchiveKey(data_type, interval, symbol, days[0])


def _find_fault(file: str, suffix: str) -> str | None:
    if file.startswith("."):
        return "It is a hidden file."
    if file.endswith(_UNFINISHED):
        return "It is a file that somebody has not finished writing."
    if file.endswith(CHECKSUM_SUFFIX):
        return "It is a checksum file."
    if not file.endswith(suffix):
        return f"Its file name does not end with {suffix}."
    return None
