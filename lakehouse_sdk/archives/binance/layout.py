"""The key layout of Binance Vision as data, read and written by one table; pure.

A key is `<root><market folder>/<frequency>/<data type>/<symbol>/[<interval>/]<file>`, and the file is
`<symbol>-<interval or data type>-<period>.zip`. The file name of the four kinds of bars does not say which kind it is: only the
folder does, so keys are always parsed whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lakehouse_sdk.archives.model import Dataset, Frequency, Oddity

ROOT = "data/"
CHECKSUM_SUFFIX = ".CHECKSUM"

FOLDERS = {"spot": "spot", "um": "futures/um", "cm": "futures/cm", "option": "option"}
"""Market → folder below the root."""

_BOTH: tuple[Frequency, ...] = ("daily", "monthly")
_DAILY: tuple[Frequency, ...] = ("daily",)
_MONTHLY: tuple[Frequency, ...] = ("monthly",)
_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1mo")

_LAST_BOOK_TICKER = {"um": date(2024, 3, 30), "cm": date(2024, 10, 14)}
_LAST_LIQUIDATIONS = {"um": date(2024, 3, 31), "cm": date(2024, 10, 14)}

DATASETS: tuple[Dataset, ...] = (
    Dataset("spot", "klines", _BOTH, ("1s", *_INTERVALS)),
    Dataset("spot", "aggTrades", _BOTH),
    Dataset("spot", "trades", _BOTH),
    *(
        dataset
        for market in ("um", "cm")
        for dataset in (
            Dataset(market, "klines", _BOTH, _INTERVALS),
            Dataset(market, "markPriceKlines", _BOTH, _INTERVALS),
            Dataset(market, "indexPriceKlines", _BOTH, _INTERVALS),
            Dataset(market, "premiumIndexKlines", _BOTH, _INTERVALS),
            Dataset(market, "aggTrades", _BOTH),
            Dataset(market, "trades", _BOTH),
            Dataset(market, "bookTicker", _BOTH, first_day=date(2023, 5, 16), last_day=_LAST_BOOK_TICKER[market]),
            Dataset(market, "bookDepth", _DAILY, first_day=date(2023, 1, 1)),
            Dataset(market, "metrics", _DAILY, first_day=date(2020, 9, 1)),
            Dataset(market, "liquidationSnapshot", _DAILY, last_day=_LAST_LIQUIDATIONS[market]),
            Dataset(market, "fundingRate", _MONTHLY, first_day=date(2020, 1, 1)),
        )
    ),
    Dataset("option", "BVOLIndex", _DAILY, first_day=date(2023, 6, 20)),
    Dataset("option", "EOHSummary", _DAILY, first_day=date(2023, 5, 18), last_day=date(2023, 10, 23)),
)
"""Everything that is published, in the order of discovery; days as observed for BTCUSDT until 2026-10."""

_BY_PLACE = {(dataset.market, dataset.data_type): dataset for dataset in DATASETS}
_MARKET_OF = {tuple(folder.split("/")): market for market, folder in FOLDERS.items()}
# Letters and digits of any script: Binance lists symbols that are not ASCII. `_` sets off a delivery date or PERP.
_SYMBOL = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_PERIOD = {"daily": re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII), "monthly": re.compile(r"(\d{4})-(\d{2})", re.ASCII)}
_PERIOD_FORM = {"daily": "YYYY-MM-DD", "monthly": "YYYY-MM"}


@dataclass(frozen=True, slots=True, order=True)
class ArchiveKey:
    """What a key says about its archive; `format_key` gives the key back exactly.

    Attributes:
        market: `spot`, `um`, `cm` or `option`.
        frequency: `daily` or `monthly`.
        data_type: As the archive spells it.
        symbol: As the archive spells it.
        interval: Bar length, None for data types without one.
        first_day: First day covered; with `monthly` the first of the month.
    """

    market: str
    frequency: Frequency
    data_type: str
    symbol: str
    interval: str | None
    first_day: date

    @property
    def period_start(self) -> datetime:
        """First instant covered, UTC."""
        return datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC)

    @property
    def period_end(self) -> datetime:
        """First instant no longer covered, UTC."""
        if self.frequency == "daily":
            return self.period_start + timedelta(days=1)
        return (self.period_start + timedelta(days=31)).replace(day=1)


def parse_key(key: str, root: str = ROOT) -> ArchiveKey | Oddity:
    """What `key` says, or why it is no archive key; never raises. The inverse of `format_key`.

    Args:
        key: A whole key, decoded.
        root: What the layout stands below.
    """
    parsed = _parse(key, root)
    return Oddity(key, parsed) if isinstance(parsed, str) else parsed


def format_key(archive: ArchiveKey, root: str = ROOT) -> str:
    """The key of an archive. The inverse of `parse_key`."""
    folder = format_folder(archive.market, archive.frequency, archive.data_type, root)
    interval = f"{archive.interval}/" if archive.interval else ""
    period = format_period(archive.first_day, archive.frequency)
    return (
        f"{folder}{archive.symbol}/{interval}{format_stem(archive.symbol, archive.interval or archive.data_type)}{period}.zip"
    )


def format_folder(market: str, frequency: Frequency, data_type: str, root: str = ROOT) -> str:
    """The prefix that holds one folder for each symbol, trailing slash included."""
    return f"{root}{FOLDERS[market]}/{frequency}/{data_type}/"


def format_stem(symbol: str, kind: str) -> str:
    """How the file names of one series begin, up to the period; `kind` is the interval, where there is none the data type."""
    return f"{symbol}-{kind}-"


def format_period(day: date, frequency: Frequency) -> str:
    """The day, or its month, as file names say it; sorts as time does."""
    return day.isoformat() if frequency == "daily" else day.isoformat()[: len("YYYY-MM")]


def _parse(key: str, root: str) -> ArchiveKey | str:
    if not key.startswith(root):
        return f"It is not below {root}."
    *folders, file = key.removeprefix(root).split("/")
    depth = 2 if folders[:1] == ["futures"] else 1
    market = _MARKET_OF.get(tuple(folders[:depth]))
    if market is None:
        return "Its folder is that of no market."
    frequency, data_type, symbol, *rest = (*folders[depth:], "", "", "")[: max(3, len(folders) - depth)]
    dataset = _BY_PLACE.get((market, data_type))
    if dataset is None:
        return f"The market {market} has no data type {data_type!r}."
    if frequency not in dataset.frequencies:
        return f"{data_type} of {market} has no frequency {frequency!r}."
    if not _SYMBOL.fullmatch(symbol):
        return f"{symbol!r} is no symbol."
    interval = rest[0] if rest and dataset.intervals else None
    if dataset.intervals and interval not in dataset.intervals:
        return f"{data_type} of {market} has no interval {interval or ''!r}."
    if len(rest) != bool(dataset.intervals):
        return "It lies deeper than archives do."
    return _parse_file(file, ArchiveKey(market, frequency, data_type, symbol, interval, date.min))


def _parse_file(file: str, place: ArchiveKey) -> ArchiveKey | str:
    if file.endswith(CHECKSUM_SUFFIX):
        return "It is a checksum file."
    stem = format_stem(place.symbol, place.interval or place.data_type)
    if not file.startswith(stem) or not file.endswith(".zip"):
        return f"Its file name is not {stem}{_PERIOD_FORM[place.frequency]}.zip."
    period = file.removeprefix(stem).removesuffix(".zip")
    match = _PERIOD[place.frequency].fullmatch(period)
    if match is None:
        return f"Its period {period!r} is not {_PERIOD_FORM[place.frequency]}."
    year, month, *day = (int(digits) for digits in match.groups())
    try:
        first_day = date(year, month, *(day or [1]))
        datetime(year, month, 1, tzinfo=UTC) + timedelta(days=62)  # the end of the period must exist, too
    except (ValueError, OverflowError):
        return f"Its period {period!r} is no date."
    return ArchiveKey(place.market, place.frequency, place.data_type, place.symbol, place.interval, first_day)
