"""What a format is: columns in the order of the file, how each is read, and the table that takes the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal

KLINES = "silver.klines"
TRADES = "silver.trades"
AGG_TRADES = "silver.agg_trades"
BOOK_TICKER = "silver.book_ticker"
BOOK_DEPTH = "silver.book_depth"
METRICS = "silver.metrics"
FUNDING = "silver.funding"
LIQUIDATIONS = "silver.liquidations"
MARK_KLINES = "silver.mark_klines"
INDEX_KLINES = "silver.index_klines"
PREMIUM_KLINES = "silver.premium_klines"
BVOL_INDEX = "silver.bvol_index"
OPTION_SUMMARY = "silver.option_summary"

DATA_TABLES = frozenset(
    {
        KLINES,
        TRADES,
        AGG_TRADES,
        BOOK_TICKER,
        BOOK_DEPTH,
        METRICS,
        FUNDING,
        LIQUIDATIONS,
        MARK_KLINES,
        INDEX_KLINES,
        PREMIUM_KLINES,
        BVOL_INDEX,
        OPTION_SUMMARY,
    }
)
"""Every table that takes rows of archives.

Mark, index and premium bars are three tables and not one with a column for the kind: the first two are prices, the third is a
rate that may be negative, and a query that forgets the kind would average them without notice.
"""

MILLISECONDS_FROM = 10**11
"""Instants from here on count milliseconds, smaller ones seconds: 10^11 s is the year 5138, 10^11 ms is 1973."""
MICROSECONDS_FROM = 10**14
"""Instants from here on count microseconds, smaller ones milliseconds: 10^14 ms is the year 5138, 10^14 µs is 1973."""
INSTANT_LIMIT = 253_402_300_800_000_000
"""First integer that is no instant: year 10000 in microseconds; what lies beyond no client can show as a date."""


class Kind(StrEnum):
    """How a field of a file is read."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    """`true` or `false` in any case."""
    INSTANT = "instant"
    """Integer since the epoch; seconds, milliseconds or microseconds, told apart by magnitude, row by row."""
    TEXT_INSTANT = "text-instant"
    """`YYYY-MM-DD HH:MM:SS` in UTC, also with `T`, a fraction to the microsecond, and `Z` or `+00:00`."""
    DATE = "date"
    """`YYYY-MM-DD`: the midnight that begins the day, UTC; an `HOUR` is added to it."""
    HOUR = "hour"
    """Hour of the day, 0 to 23."""
    TEXT = "text"
    """One or more characters; spaces around them do not count."""
    SIDE = "side"
    """`buy` or `sell` in any case, read as lower case."""
    IGNORED = "ignored"
    """Published, without meaning; any content passes and is dropped."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: Name in the table; not always the publisher's, because a table has one meaning for each name.
        kind: How its fields are read.
        headers: Further names that a header row may give it, lower case; `name` itself is always accepted. In a file of JSON
            lines the first one is the key.
        optional: An empty field is a null; only numbers may be.
        repeats: Field of `SourceFile` whose value the column must repeat; such a column is checked and not stored again.
    """

    name: str
    kind: Kind
    headers: tuple[str, ...] = ()
    optional: bool = False
    repeats: Literal["", "source", "symbol"] = ""

    @property
    def is_stored(self) -> bool:
        """False where the table lacks the column: the archive's name says it already, or it became part of a time."""
        return not self.repeats and self.kind not in {Kind.HOUR, Kind.IGNORED}

    def is_headed(self, text: str) -> bool:
        """True where a header row that says `text` means this column."""
        return text.strip().lower() in {self.name, *self.headers}


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One published file format: the lines of one CSV (or JSON-lines) file inside its container.

    Attributes:
        source: Publisher.
        market: Market of the publisher.
        data_type: Type as the publisher spells it.
        table: Full name of the Iceberg table that takes the rows.
        columns: In the order of the file.
        natural_key: Columns that identify a row within one symbol (and interval).
        row_time: Column that places a row in time; it decides period, partition and order.
        content: `csv`, `quoted` for one whose fields may stand in quotes, or `json` for one object a line whose keys are the
            columns, in any order.
        constants: Columns of the table that are the same for every row of every file.
        early: How far before the archive's period a row may lie.
        late: How far behind the last instant before the period's end a row may lie.
        alternatives: Other forms in which the same data is published, told apart by what the archive's key ends with.
        exact: True where numbers are to be read as decimals too.
        absent: Pairs of columns, a price and an amount, that both say 0 where there is neither; such a pair is two nulls.
    """

    source: str
    market: str
    data_type: str
    table: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...]
    row_time: str
    content: Literal["csv", "quoted", "json"] = "csv"
    constants: tuple[tuple[str, int], ...] = ()
    early: timedelta = timedelta(0)
    late: timedelta = timedelta(0)
    alternatives: tuple[FormatSpec, ...] = field(default=(), repr=False)
    exact: bool = False
    absent: tuple[tuple[str, str], ...] = ()

    def names(self, *kinds: Kind) -> tuple[str, ...]:
        """Columns of these kinds, in the order of the file."""
        return tuple(column.name for column in self.columns if column.kind in kinds)

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns that carry meaning, in the order of the file."""
        return tuple(column.name for column in self.columns if column.kind is not Kind.IGNORED)

    @property
    def optional(self) -> tuple[str, ...]:
        """Columns whose fields may be empty."""
        return tuple(column.name for column in self.columns if column.optional)

    @property
    def repeated(self) -> tuple[Column, ...]:
        """Columns that repeat what the archive's name says."""
        return tuple(column for column in self.columns if column.repeats)

    def for_key(self, key: str) -> FormatSpec:
        """This format, or the alternative whose content the archive's key announces with `.csv` or `.json` in its name."""
        wanted = "json" if any(key.endswith(end) for end in (".json", ".json.gz", ".jsonl", ".jsonl.gz")) else "csv"
        return next((spec for spec in (self, *self.alternatives) if spec.content == wanted), self)
