"""A table at a glance, for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lakehouse_sdk.display import format_bytes, format_count, format_duration, html_card, html_table, text_table
from lakehouse_sdk.tables.read.cells import exact_cell
from lakehouse_sdk.tables.read.columns import ColumnInfo
from lakehouse_sdk.tables.read.series import SeriesInfo, format_score

_SHOWN_SERIES = 50


@dataclass(frozen=True, slots=True)
class TableSource:
    """Where rows of a table come from.

    Attributes:
        name: Publisher.
        archives: Archives of it that were built into the table.
        terms_url: Where it states the terms of its data; empty where nobody said.
    """

    name: str
    archives: int
    terms_url: str


@dataclass(frozen=True)
class TableDescription:
    """A table at a glance.

    Attributes:
        table: Full name.
        doc: What a row is.
        row_count: Rows.
        size_bytes: Bytes of the data files.
        file_count: Data files.
        snapshot_id: The state; None where no row was ever committed.
        committed_at: When that was committed.
        first_time: Time of the first row, from the books or the files' bounds; None without rows or times.
        last_time: Time of the last row, as `first_time`.
        described_at: When this was asked for.
        columns: Columns with their meaning and unit.
        partitions: How the files are cut, for example `interval` or `month(open_time)`.
        order: Columns that rows are sorted by within a partition.
        series: The series with spans, counts and score, from the books; empty for tables that no archive is built into.
        rows_in: Data lines of all archives: accepted + duplicate + quarantined.
        rows_duplicate: Exact repetitions that were dropped.
        rows_quarantined: Rows that were rejected.
        unreadable: Archives that could not be read at all.
        score: Accepted ÷ expected rows, as in `QualityReport`; None where nothing can be expected.
        sources: Publishers with their archives: where rows come from.
        inputs: Tables that this one was computed from.
        derived: Tables that were computed from this one.
        computable: What `lake.bars` computes from it on request: `bars`, or features of bars.
        sample: A few rows by column name, the archive of each in `_source_key`.
    """

    table: str
    doc: str
    row_count: int
    size_bytes: int
    file_count: int
    snapshot_id: int | None
    committed_at: datetime | None
    first_time: datetime | None
    last_time: datetime | None
    described_at: datetime
    columns: tuple[ColumnInfo, ...]
    partitions: tuple[str, ...]
    order: tuple[str, ...]
    series: tuple[SeriesInfo, ...]
    rows_in: int
    rows_duplicate: int
    rows_quarantined: int
    unreadable: int
    score: float | None
    sources: tuple[TableSource, ...]
    inputs: tuple[str, ...]
    derived: tuple[str, ...]
    computable: tuple[str, ...]
    sample: tuple[dict[str, Any], ...]

    @property
    def age_s(self) -> float | None:
        """Seconds from the newest row to now: how fresh the table is; None without rows."""
        return None if self.last_time is None else (self.described_at - self.last_time).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times stay datetimes."""
        return asdict(self) | {"age_s": self.age_s}

    def __repr__(self) -> str:
        facts = "  ".join(f"{label}: {value}" for label, value in self._facts().items())
        columns = text_table([(c.name, c.type, c.doc) for c in self.columns], ["column", "type", "meaning"], width=140)
        return f"{self.table}: {self.doc}\n{facts}\n\n{columns}"

    def _facts(self) -> dict[str, str]:
        facts = {
            "rows": format_count(self.row_count),
            "size": format_bytes(self.size_bytes),
            "files": format_count(self.file_count),
            "series": format_count(len(self.series)),
            "first row": _when(self.first_time),
            "last row": f"{_when(self.last_time)} ({format_duration(self.age_s)} ago)" if self.last_time else "none",
            "committed": _when(self.committed_at),
            "quality": "unknown" if self.score is None else format_score(self.score),
            "quarantined": format_count(self.rows_quarantined),
            "duplicate": format_count(self.rows_duplicate),
        }
        return facts if self.series else {k: v for k, v in facts.items() if k not in {"quality", "quarantined", "duplicate"}}

    def _repr_html_(self) -> str:
        parts = [html_table([(c.name, c.type, c.doc) for c in self.columns], ["column", "type", "meaning"], max_rows=100)]
        if self.series:
            parts.append(html_table(self.series_rows(), SERIES_COLUMNS, caption="Series", max_rows=_SHOWN_SERIES))
        if self.sources:
            origin = [(source.name, source.archives, source.terms_url) for source in self.sources]
            parts.append(html_table(origin, ["source", "archives", "terms"], caption="Where rows come from"))
        if self.inputs or self.derived or self.computable:
            views = [("computed from", name) for name in self.inputs] + [("serves", name) for name in self.derived]
            views += [("serves on request", f"lake.bars: {name}") for name in self.computable]
            parts.append(html_table(views, ["", "view"], caption="Computed from others, and for others"))
        if self.sample:
            shown = [{name: exact_cell(value) for name, value in row.items()} for row in self.sample]
            parts.append(html_table(shown, caption="Some rows"))
        body = parts[0]
        for part in parts[1:]:
            body += part
        return html_card(f"{self.table}: {self.doc}", self._facts(), body)

    def series_rows(self) -> list[tuple[object, ...]]:
        """One line for each series, as `SERIES_COLUMNS`."""
        return [
            (
                *(s.source, s.market, s.symbol, s.instrument or "", s.interval or "", s.rows, s.archives),
                *(_when(s.first_time), _when(s.last_time), s.rows_quarantined, s.unreadable),
                "" if s.score is None else format_score(s.score),
            )
            for s in self.series
        ]


SERIES_COLUMNS = (
    "source", "market", "symbol", "canonical", "interval", "rows", "archives",
    "first row", "last row", "quarantined", "unreadable", "quality",
)  # fmt: skip


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
