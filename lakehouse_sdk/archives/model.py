"""What an archive is, what a source can offer, what to ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Literal, get_args

from lakehouse_sdk.errors import UsageError

Frequency = Literal["daily", "monthly"]
Container = Literal["zip", "gz", "plain"]
"""What the bytes are wrapped in; `plain` for none."""
Series = tuple[str, str, str, str, str]
"""Source, market, data type, symbol and interval (empty without one)."""


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
class Checksum:
    """The SHA-256 that a source publishes for an archive.

    Attributes:
        sha256: 64 lower-case hex digits.
        content: The checksum file as it was published, kept beside the archive; empty where it is no file.
    """

    sha256: str
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class ArchiveObject:
    """One published archive file, as its source's listing describes it.

    Attributes:
        source: Connector name, for example `binance`.
        market: As the source calls it; for Binance `spot`, `um` (USD-margined futures), `cm` (coin-margined) or `option`.
        data_type: As the source spells it, for example `klines` or `aggTrades`.
        symbol: As the source spells it, for example `BTCUSDT`.
        interval: Bar length such as `1m`; None for data types without one.
        frequency: `daily` or `monthly`: what one file covers.
        period_start: First instant covered, aware UTC.
        period_end: First instant no longer covered, aware UTC.
        key: Its name in the source's tree, decoded; bronze mirrors it.
        size_bytes: Size of the file; 0 for a virtual archive, whose size nobody knows yet.
        etag: What changes whenever the source publishes other bytes under the key: an ETag without quotes; for a file its size
            and time; empty for a virtual archive, which is made once.
        last_modified: When the source last wrote it, aware UTC; for a virtual archive the end of its period.
        checksum_key: Key of the published SHA-256, None where the source published none beside this archive.
        checksum_etag: ETag of the checksum file, empty without one.
        container: What the bytes are wrapped in.
        virtual: True where no such file exists and `SourceConnector.open` makes it, from the pages of an API.
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
    checksum_etag: str = ""
    container: Container = "zip"
    virtual: bool = False

    @property
    def series(self) -> Series:
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
        since: A later `start` for single series, by series and frequency; what ends at or before it is left out, and a source
            that can lists less for it.

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
    since: Mapping[tuple[Series, Frequency], datetime] = field(default_factory=dict, repr=False, hash=False)

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

    def start_of(self, series: Series, frequency: Frequency) -> datetime | None:
        """The later of `start` and what `since` says of this series; None where neither says anything."""
        start = self.since.get((series, frequency))
        return self.start if start is None or (self.start is not None and self.start > start) else start

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
        first_day: First day that the source is known to have published; None where that is not known.
        last_day: Last such day of a data type that ended; None while it goes on.
    """

    market: str
    data_type: str
    frequencies: tuple[Frequency, ...]
    intervals: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a source offers.

    Attributes:
        source: Connector name.
        title: Name for a person.
        terms_url: Where the source states the terms under which its data may be used; to be shown before collecting.
        datasets: Everything that can be asked for.
        transport: How its bytes are had: `s3` and `files` are copied by `transfer` from where `find_address` says, `api` is
            read through `open`.
        max_connections: Calls of `open` and `checksum` that it bears at once.
        frozen: True where nothing new will ever appear.
    """

    source: str
    title: str
    terms_url: str
    datasets: tuple[Dataset, ...]
    transport: Literal["s3", "files", "api"] = "s3"
    max_connections: int = 16
    frozen: bool = False

    def select(self, query: ArchiveQuery) -> list[Dataset]:
        """The datasets that the query asks for, each with those of its frequencies and intervals that are wanted, in order.

        Raises:
            UsageError: The query names a market, data type, interval or frequency that the source does not have.
        """
        self._check_known("market", query.markets, [dataset.market for dataset in self.datasets])
        markets = [dataset for dataset in self.datasets if dataset.market in query.markets]
        self._check_known("data type", query.data_types, [dataset.data_type for dataset in markets])
        wanted = [dataset for dataset in markets if dataset.data_type in query.data_types]
        intervals = [interval for dataset in wanted for interval in dataset.intervals]
        if intervals:
            self._check_known("interval", query.intervals or (), intervals)
        self._check_known("frequency", query.frequencies, get_args(Frequency))
        selected = []
        for dataset in wanted:
            frequencies = tuple(frequency for frequency in dataset.frequencies if frequency in query.frequencies)
            intervals = [i for i in dataset.intervals if query.intervals is None or i in query.intervals]
            if frequencies and (intervals or not dataset.intervals):
                selected.append(replace(dataset, frequencies=frequencies, intervals=tuple(intervals)))
        return selected

    def _check_known(self, what: str, asked: Iterable[str], known: Iterable[str]) -> None:
        names = list(dict.fromkeys(known))
        for name in asked:
            if name not in names:
                raise UsageError(f"{self.title} has no {what} {name!r} there.", hint=f"Known: {', '.join(names)}.")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a source can be reached and looks as expected.

    Attributes:
        ok: True where discovery can be expected to work.
        reason: What was seen, one sentence for a person; with `ok=False` what to do next.
    """

    ok: bool
    reason: str
