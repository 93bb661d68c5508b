"""What a commit did, in numbers that must agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from lakehouse_sdk.display import format_count, format_duration, format_share, html_card, html_table


@dataclass(frozen=True, slots=True)
class TableCommit:
    """What one commit did to one table.

    Attributes:
        table: Full name.
        snapshot_id: Snapshot that shows the result; None where the table never had a row.
        rows_written: Rows appended.
        files_written: Data files appended.
        archives_replaced: Archives whose older revision was removed in the same commit.
        attempts: 1, and one more for each race lost to another writer.
    """

    table: str
    snapshot_id: int | None
    rows_written: int
    files_written: int
    archives_replaced: int
    attempts: int


@dataclass(frozen=True, slots=True)
class DefectiveArchive:
    """An archive from which nothing could be read.

    Attributes:
        key: Its key.
        reason: As in `ArchiveDefect`.
        detail: As in `ArchiveDefect`.
    """

    key: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class CommitReport:
    """What happened to the batches of one commit.

    `rows_in` = `rows_accepted` + `rows_duplicate` + `rows_quarantined`, whatever was committed before; `tables` tells what was
    new, so that a repeated commit reports the same rows and writes none.

    Attributes:
        archives: Batches handed in.
        rows_in: Data lines of all files.
        rows_accepted: Rows that belong into the data tables.
        rows_duplicate: Exact repetitions that were dropped.
        rows_quarantined: Rows that belong into quarantine.
        rows_flagged: Accepted rows that break a rule of severity W.
        numbers_rounded: Numbers of all files whose text has more digits than float64 holds.
        rejects: Quarantined rows by rule.
        flags: The flagged rows by rule; a row may break several.
        defects: Archives that could not be read at all.
        tables: One entry for each table, in the order of their commits.
        seconds: Wall time, the caller's parsing included.
    """

    archives: int = 0
    rows_in: int = 0
    rows_accepted: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    rows_flagged: int = 0
    numbers_rounded: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    defects: tuple[DefectiveArchive, ...] = ()
    tables: tuple[TableCommit, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: CommitReport) -> CommitReport:
        """What this and a later commit did together."""
        return CommitReport(
            self.archives + other.archives,
            self.rows_in + other.rows_in,
            self.rows_accepted + other.rows_accepted,
            self.rows_duplicate + other.rows_duplicate,
            self.rows_quarantined + other.rows_quarantined,
            self.rows_flagged + other.rows_flagged,
            self.numbers_rounded + other.numbers_rounded,
            dict(sorted((Counter(self.rejects) + Counter(other.rejects)).items())),
            dict(sorted((Counter(self.flags) + Counter(other.flags)).items())),
            self.defects + other.defects,
            self.tables + other.tables,
            self.seconds + other.seconds,
        )

    @property
    def rows_written(self) -> int:
        """Rows that this commit added to the data tables."""
        return sum(table.rows_written for table in self.tables if table.table not in _BOOKS)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return asdict(self) | {"rows_written": self.rows_written}

    def _repr_html_(self) -> str:
        facts = {
            "archives": format_count(self.archives),
            "rows in": format_count(self.rows_in),
            "accepted": format_count(self.rows_accepted),
            "duplicate": format_count(self.rows_duplicate),
            "quarantined": format_count(self.rows_quarantined),
            "flagged": format_share(self.rows_flagged, self.rows_accepted),
            "numbers rounded": format_count(self.numbers_rounded),
            "unreadable archives": format_count(len(self.defects)),
            "time": format_duration(self.seconds),
        }
        columns = {
            "table": "table",
            "rows_written": "rows written",
            "files_written": "files",
            "archives_replaced": "archives replaced",
            "attempts": "attempts",
        }
        body = html_table([asdict(table) for table in self.tables], columns)
        return html_card("Commit", facts, body, tone="warn" if self.defects else "good")


_BOOKS = frozenset({"silver.quarantine", "silver.quality", "silver.quality_days"})
