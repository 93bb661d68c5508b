"""What is known of every archive ever seen: the values, and the Protocol of whatever remembers them.

States of one revision of one archive, each reached from those before it:

`discovered` → `copied` → `verified` → `parsed` → `published` → `dropped`; aside: `failed`, `quarantined`, `absent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Frequency, Series


class LedgerState(StrEnum):
    """How far an archive came."""

    DISCOVERED = "discovered"
    """Listed by the source; nothing of this revision is in bronze."""
    COPIED = "copied"
    """In bronze; the source publishes no checksum for it."""
    VERIFIED = "verified"
    """In bronze, with the SHA-256 that the source publishes."""
    PARSED = "parsed"
    """Its rows were read and checked, but are in no table: the commit failed."""
    PUBLISHED = "published"
    """Its rows are in the tables."""
    DROPPED = "dropped"
    """Its rows are in the tables, and its bytes were removed from bronze on request; the hash of both stays known."""
    FAILED = "failed"
    """Not in bronze: the copy failed for a reason that may pass."""
    QUARANTINED = "quarantined"
    """Its bytes, its checksum file or its content contradict what is published; left alone until the source changes it."""
    ABSENT = "absent"
    """The source listed it and then did not have it, or lists it no longer; never came to bronze."""


LAKE_FORMAT = 2
"""How a lake is laid out, ledger, tables and bronze together; raised where a release would misread what an older one left.

1: completeness by archives. 2: the days that an archive did not fill are in the ledger, and symbols are read by known assets.
"""
IN_BRONZE = frozenset({LedgerState.COPIED, LedgerState.VERIFIED, LedgerState.PARSED, LedgerState.PUBLISHED})
"""States in which bronze holds the bytes."""
HELD = IN_BRONZE | {LedgerState.DROPPED}
"""States of archives that need not be collected: bronze holds the bytes, or no longer has to."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One archive at its present revision.

    Attributes:
        source: As in `ArchiveObject`; so are `market` to `period_end`, `key`, `etag`, `size_bytes` and `last_modified`.
        checksum_etag: ETag of the checksum file when it was last listed, empty without one.
        state: How far it came.
        reason: Why it is quarantined, failed or absent; empty otherwise.
        published_sha256: SHA-256 that the source publishes, None where it publishes none or nobody asked yet.
        sha256: SHA-256 of the bytes in bronze, None where nobody computed it.
        attempt: How often its copy was begun.
        revision: 1 for the first bytes seen under the key, one more each time the source republished it.
        changed_at: When the entry last changed, aware UTC.
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
    etag: str
    size_bytes: int
    last_modified: datetime
    checksum_etag: str
    state: LedgerState
    reason: str
    published_sha256: str | None
    sha256: str | None
    attempt: int
    revision: int
    changed_at: datetime

    @property
    def series(self) -> Series:
        """As `ArchiveObject.series`."""
        return (self.source, self.market, self.data_type, self.symbol, self.interval or "")

    @property
    def in_bronze(self) -> bool:
        """True where bronze holds the bytes of this revision."""
        return self.state in IN_BRONZE

    @property
    def is_held(self) -> bool:
        """True where it need not be collected: bronze holds its bytes, or they were dropped after its rows were published."""
        return self.state in HELD


@dataclass(frozen=True, slots=True)
class DayRows:
    """What one archive gave to the tables on one day, where that is less than all that the calendar expects.

    Attributes:
        day: Midnight that begins it, aware UTC.
        accepted: Its rows of that day that are in the tables.
        expected: Rows that calendar or ids expect of the day; None where nothing can be expected.
        rejected: Its rows of that day that are in quarantine.
    """

    day: datetime
    accepted: int
    expected: int | None
    rejected: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """One listed archive beside what the ledger knew of it.

    Attributes:
        archive: As listed now.
        entry: As remembered, at the revision that is listed now; None in a dry run for one that was never seen.
        change: `new`, `republished` (other bytes under the same key), `checksum` (only the checksum file changed) or `same`.
    """

    archive: ArchiveObject
    entry: LedgerEntry | None
    change: Literal["new", "republished", "checksum", "same"]


@dataclass(frozen=True, slots=True)
class LedgerChange:
    """What became of one revision of one archive.

    Attributes:
        key: Its key.
        state: Its state from now on.
        reason: Why, for the states that have a reason.
        published_sha256: As in `LedgerEntry`; None leaves what is known.
        sha256: As in `LedgerEntry`; None leaves what is known.
        revision: Of which revision this is true: where the ledger knows another one by now, the change says nothing of it and
            is passed over. None for what is true of any.
        days: The days that are not full, in the period of the archive, and those outside of it of which it has rows; all
            others of its period are full. None leaves what is known.
    """

    key: str
    state: LedgerState
    reason: str = ""
    published_sha256: str | None = None
    sha256: str | None = None
    revision: int | None = None
    days: tuple[DayRows, ...] | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """Bytes that a source once published under a key and then replaced.

    Attributes:
        source: As in `ArchiveObject`.
        key: As in `ArchiveObject`.
        revision: Its number, from 1.
        etag: ETag that it had at the source.
        size_bytes: Its size.
        sha256: SHA-256 of the bytes, None where nobody computed it.
        replaced_at: When its successor was seen, aware UTC.
        kept_key: Key in the lake's bucket where its bytes are; empty where bronze never held them, or not yet moved aside.
    """

    source: str
    key: str
    revision: int
    etag: str
    size_bytes: int
    sha256: str | None
    replaced_at: datetime
    kept_key: str


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One change of one archive, for the table that everybody can query; never changed once written.

    Attributes:
        event_id: Its number; unique, increasing.
        at: When, aware UTC.
        entry: The archive after the change.
    """

    event_id: int
    at: datetime
    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class CollectionRun:
    """What one collection moved; the next one is estimated by it.

    Attributes:
        source: Name of the connector.
        finished_at: When it ended, aware UTC.
        seconds: Wall time.
        objects: Archives copied.
        size_bytes: Their size.
    """

    source: str
    finished_at: datetime
    seconds: float
    objects: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A source was asked what it has of a series: what it did not list then, it did not have.

    Attributes:
        start: First instant that it was asked about, aware UTC.
        end: First instant that it was not asked about.
        listed_at: When the listing began.
    """

    start: datetime
    end: datetime
    listed_at: datetime


class Ledger(Protocol):
    """Remembers every archive ever seen; may be used from several threads, and by several processes at once.

    Each call is one transaction: it happens as a whole or not at all, also when the process is killed.
    """

    @property
    def ledger_id(self) -> str:
        """What tells this ledger from another one, also when a lost database was made anew."""

    @property
    def lake_format(self) -> int:
        """The format of the lake, see `LAKE_FORMAT`; lower than that until `lakehouse upgrade` was run."""

    def set_lake_format(self, version: int) -> None:
        """Remember that the lake has this format."""

    def compare(self, archives: Sequence[ArchiveObject]) -> list[Sighting]:
        """The archives beside what is known of them, in their order; remembers nothing."""

    def observe(self, archives: Sequence[ArchiveObject]) -> list[Sighting]:
        """As `compare`, and remembers what is new: unknown archives, new revisions, changed checksum files.

        A new revision starts as `discovered`; the one before it is kept as a `Revision`.
        """

    def begin(self, source: str, keys: Iterable[str]) -> None:
        """Remember that the copies of these archives are about to begin; counts as an attempt, changes no state."""

    def record(self, source: str, changes: Iterable[LedgerChange]) -> None:
        """Remember what became of archives; one that is `published` with the same SHA-256 stays published."""

    def find(self, source: str, key: str) -> LedgerEntry | None:
        """What is known of one archive, None where it was never seen."""

    def entries(
        self, source: str, query: ArchiveQuery | None = None, *, states: Iterable[LedgerState] = ()
    ) -> Iterator[LedgerEntry]:
        """What is known of many, lazily, by series, frequency and period; `states` empty for all."""

    def newest(self, source: str, query: ArchiveQuery) -> Mapping[tuple[Series, Frequency], datetime]:
        """The end of the last period seen of each series and frequency that the query asks for."""

    def note_listing(self, series: Iterable[Series], listing: Listing) -> None:
        """Remember that the source of these series was listed, from the beginning to the end, for this time."""

    def forget_listings(self, *, dry_run: bool = False) -> int:
        """Forget when sources were listed, so that they are asked again; returns how many listings those were, or would be."""

    def listings(self, source: str, query: ArchiveQuery) -> Mapping[Series, Sequence[Listing]]:
        """What is remembered of listings of the series that the query asks for, whatever its time."""

    def note_passed_over(self, source: str, days: Mapping[str, Sequence[datetime]]) -> None:
        """Remember, by the key of a monthly archive, of which days the source also listed daily ones that were not taken."""

    def passed_over(self, source: str, query: ArchiveQuery) -> Mapping[str, frozenset[datetime]]:
        """What is remembered of that, by the key of the monthly archive, of all that overlap the query's time."""

    def short_days(self, source: str, query: ArchiveQuery) -> Mapping[Series, Mapping[datetime, Mapping[str, DayRows]]]:
        """The days within the query's time that some archive did not fill, by series, day and key of the archive."""

    def withdraw_days(self, source: str, key: str, start: datetime, end: datetime) -> None:
        """Remember that rows of these days of an archive left the tables, for those of another one."""

    def count(self, source: str) -> int:
        """Archives known of a source."""

    def revisions(self, source: str, keys: Iterable[str]) -> list[Revision]:
        """The replaced revisions of these archives, oldest first."""

    def keep_revision(self, revision: Revision, kept_key: str) -> None:
        """Remember where the bytes of a replaced revision are kept."""

    def take_events(self, limit: int) -> list[LedgerEvent]:
        """The oldest changes that were not dropped yet, in order."""

    def drop_events(self, up_to: int) -> None:
        """Forget the changes with ids up to this one: a table has them."""

    def add_run(self, run: CollectionRun) -> None:
        """Remember how long a collection took."""

    def last_run(self, source: str) -> CollectionRun | None:
        """The latest collection of a source that copied something."""
