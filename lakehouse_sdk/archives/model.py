"""What an archive is, what a source can offer, what to ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

from lakehouse_sdk.errors import UsageError

Frequency = Literal["daily", "monthly"]


@dataclass(frozen=True, slots=True, order=True)
class Oddity:
    """A key inside an archive's tree that is no archive; reported, never collected, never a crash.

    Attributes:
        key: The key as listed.
        reason: What does not fit, one sentence for a person.
    """

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class ArchiveObject:
    """One published archive file, as its source's listing describes it.

    Attributes:
        source: Connector name, for example `binance`.
        market: `spot`, `um` (USD-margined futures), `cm` (coin-margined futures) or `option`.
        data_type: As the source spells it, for example `klines` or `aggTrades`.
        symbol: As the source spells it, for example `BTCUSDT`.
        interval: Bar length such as `1m`; None for data types without one.
        frequency: `daily` or `monthly`: what one file covers.
        period_start: First instant covered, aware UTC.
        period_end: First instant no longer covered, aware UTC.
        key: Key in the source's bucket, decoded.
        size_bytes: Size of the file.
        etag: ETag without quotes.
        last_modified: When the source last wrote it, aware UTC.
        checksum_key: Key of the published SHA-256, None where the source published none beside this archive.
        checksum_size_bytes: Size of the checksum file, 0 without one.
        checksum_etag: ETag of the checksum file, empty without one.
    """

    source: str
    market: str
    data_type: str
    symbol: str
    interval: str | None
    frequency: Frequency
    period_start: datetime
    period_end: datetime
    key: str
    size_bytes: int
    etag: str
    last_modified: datetime
    checksum_key: str | None
    checksum_size_bytes: int = 0
    checksum_etag: str = ""

    @property
    def series(self) -> tuple[str, str, str, str, str]:
        """What daily and monthly files of the same data share: source, market, data type, symbol, interval (or empty)."""
        return (self.source, self.market, self.data_type, self.symbol, self.interval or "")


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """Which archives to look for.

    Attributes:
        markets: Markets, at least one.
        data_types: Data types, at least one; a pair of market and type that the source does not have is passed over, as long
            as each of them exists somewhere in the query.
        symbols: Exact symbols, or patterns with `*`, `?` and `[…]`; None for all.
        intervals: Bar lengths, for data types that have them; None for all.
        frequencies: `daily`, `monthly` or both.
        start: Archives that end at or before this aware time are left out; None for no bound.
        end: Archives that start at or after this aware time are left out; None for no bound.

    Raises:
        UsageError: Nothing to look for, a time without time zone, or an end that is not after the start.
    """

    markets: tuple[str, ...]
    data_types: tuple[str, ...]
    symbols: tuple[str, ...] | None = None
    intervals: tuple[str, ...] | None = None
    start: datetime | None = None
    end: datetime | None = None
    frequencies: tuple[Frequency, ...] = ("daily", "monthly")

    def __post_init__(self) -> None:
        for name in ("markets", "data_types", "symbols", "intervals", "frequencies"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise UsageError(f"{name} is the single text {value!r}.", hint=f"Write {name}=({value!r},).")
            if value is not None and not value:
                raise UsageError(f"The query names no {name.replace('_', ' ')}.", hint=f"Name at least one in {name}.")
        for name in ("start", "end"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise UsageError(f"{name} {moment} has no time zone.", hint="Archives are cut by UTC: pass tzinfo=UTC.")
        if self.start and self.end and self.end <= self.start:
            raise UsageError(f"The end {self.end} is not after the start {self.start}.")

    def exact_symbols(self) -> tuple[str, ...] | None:
        """The symbols without duplicates, in the order given; None where one of them is a pattern, or all are wanted."""
        if self.symbols is None or any(_is_pattern(symbol) for symbol in self.symbols):
            return None
        return tuple(dict.fromkeys(self.symbols))

    def wants_symbol(self, symbol: str) -> bool:
        """True where the symbol is one of those asked for; letter case counts, as it does for the source."""
        return self.symbols is None or any(fnmatchcase(symbol, pattern) for pattern in self.symbols)

    def wants_period(self, start: datetime, end: datetime) -> bool:
        """True where the half-open period overlaps the one asked for."""
        return (self.end is None or start < self.end) and (self.start is None or end > self.start)


def _is_pattern(symbol: str) -> bool:
    return any(sign in symbol for sign in "*?[")


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data type of one market, as a source publishes it.

    Attributes:
        market: As in `ArchiveObject`.
        data_type: As in `ArchiveObject`.
        frequencies: File periods that are published.
        intervals: Bar lengths, shortest first; empty for data types without bars.
    """

    market: str
    data_type: str
    frequencies: tuple[Frequency, ...]
    intervals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a source offers.

    Attributes:
        source: Connector name.
        title: Name for a person.
        terms_url: Where the source states the terms under which its data may be used; to be shown before collecting.
        datasets: Everything that can be asked for.
    """

    source: str
    title: str
    terms_url: str
    datasets: tuple[Dataset, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a source can be reached and looks as expected.

    Attributes:
        ok: True where discovery can be expected to work.
        reason: What was seen, one sentence for a person; with `ok=False` what to do next.
    """

    ok: bool
    reason: str
