"""The key layout of the archives made from Coinbase's API, read and written by one table; pure.

A key is `spot/daily/<data type>/<symbol>/[<interval>/]<file>`, and the file is
`<symbol>-<interval or data type>-<day>.csv.gz`. The source has no such files: the layout is ours, after that of exchanges that
publish some.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lakehouse_sdk.archives.model import Dataset, Frequency, Oddity

SOURCE = "coinbase"
MARKET = "spot"
FREQUENCY: Frequency = "daily"
CANDLES, TRADES = "candles", "trades"
INTERVAL_SECONDS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "1d": 86400}
"""Bar length → `granularity` of the API, which knows no others."""

DATASETS = (
    Dataset(MARKET, CANDLES, (FREQUENCY,), tuple(INTERVAL_SECONDS)),
    Dataset(MARKET, TRADES, (FREQUENCY,)),
)
"""Everything that can be made, in the order of discovery."""

_SUFFIX = ".csv.gz"
_INTERVALS_OF = {dataset.data_type: dataset.intervals for dataset in DATASETS}
_SYMBOL = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class ArchiveKey:
    """What a key says about its archive; `format_key` gives the key back exactly.

    Attributes:
        data_type: `candles` or `trades`.
        symbol: Product id, for example `BTC-USD`.
        interval: Bar length, None for trades.
        day: UTC day covered.
    """

    data_type: str
    symbol: str
    interval: str | None
    day: date

    @property
    def period_start(self) -> datetime:
        """First instant covered, UTC."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def period_end(self) -> datetime:
        """First instant no longer covered, UTC."""
        return self.period_start + timedelta(days=1)


def format_key(archive: ArchiveKey) -> str:
    """The key of an archive. The inverse of `parse_key`."""
    interval = f"{archive.interval}/" if archive.interval else ""
    stem = _format_stem(archive.data_type, archive.symbol, archive.interval)
    return f"{MARKET}/{FREQUENCY}/{archive.data_type}/{archive.symbol}/{interval}{stem}{archive.day.isoformat()}{_SUFFIX}"


def parse_key(key: str) -> ArchiveKey | Oddity:
    """What `key` says, or why it is no archive key; never raises. The inverse of `format_key`."""
    parsed = _parse(key)
    return Oddity(key, parsed) if isinstance(parsed, str) else parsed


def is_symbol(text: str) -> bool:
    """True where a product id can stand in a key: words of letters and digits, joined by `-` or `.`."""
    return _SYMBOL.fullmatch(text) is not None


def _format_stem(data_type: str, symbol: str, interval: str | None) -> str:
    return f"{symbol}-{interval or data_type}-"


def _parse(key: str) -> ArchiveKey | str:
    *folders, file = key.split("/")
    if folders[:2] != [MARKET, FREQUENCY]:
        return f"It is not below {MARKET}/{FREQUENCY}/."
    data_type, symbol, *rest = (*folders[2:], "", "")[: max(2, len(folders) - 2)]
    if data_type not in _INTERVALS_OF:
        return f"There is no data type {data_type!r}."
    if not is_symbol(symbol):
        return f"{symbol!r} is no symbol."
    intervals = _INTERVALS_OF[data_type]
    interval = rest[0] if rest and intervals else None
    if intervals and interval not in intervals:
        return f"{data_type} have no interval {interval or ''!r}."
    if len(rest) != bool(intervals):
        return "It lies deeper than archives do."
    stem = _format_stem(data_type, symbol, interval)
    if not file.startswith(stem) or not file.endswith(_SUFFIX):
        return f"Its file name is not {stem}YYYY-MM-DD{_SUFFIX}."
    day = _parse_day(file.removeprefix(stem).removesuffix(_SUFFIX))
    return f"Its file name {file!r} names no day." if day is None else ArchiveKey(data_type, symbol, interval, day)


def _parse_day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
        day + timedelta(days=1)  # the end of the period must exist, too
    except (ValueError, OverflowError):
        return None
    return day
