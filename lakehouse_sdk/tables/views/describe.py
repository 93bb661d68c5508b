"""What a table is and holds, for a person: from its metadata and the books, and a few of its rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import NoSuchTableError

from lakehouse_sdk.display import format_bytes, format_count, format_duration, html_card, html_table, text_table
from lakehouse_sdk.tables.layout.schemas import QUALITY, SOURCE_KEY
from lakehouse_sdk.tables.read.query import exact_cell
from lakehouse_sdk.tables.read.series import SeriesInfo, list_series
from lakehouse_sdk.tables.read.table import ColumnInfo, Table
from lakehouse_sdk.tables.views.gold import DEFINITIONS
from lakehouse_sdk.tables.views.gold.store import LINEAGE, NAMESPACE
from lakehouse_sdk.tables.views.quality.read import read_quality
from lakehouse_sdk.tables.views.quality.report import SERIES, format_score

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

_SAMPLE_ROWS = 5
_SHOWN_SERIES = 50
_TERMS = "lakehouse.terms."


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


def describe_table(table: Table, iceberg: IcebergTable) -> TableDescription:
    """What the table is and holds; see `Table.describe`."""
    catalog = iceberg.catalog
    quality = _find(catalog, QUALITY)
    series, score = _score(catalog, [] if quality is None else list_series(quality, table.name))
    info = next((snapshot for snapshot in table.snapshots() if snapshot.snapshot_id == table.snapshot_id), None)
    first, last = _span(table, series)
    schema = iceberg.schema()
    cuts = [(str(field.transform), schema.find_column_name(field.source_id) or "") for field in iceberg.spec().fields]
    order = [schema.find_column_name(field.source_id) or "" for field in iceberg.sort_order().fields]
    return TableDescription(
        table=table.name,
        doc=table.properties.get("comment", ""),
        row_count=table.row_count,
        size_bytes=0 if info is None else info.size_bytes,
        file_count=0 if info is None else info.file_count,
        snapshot_id=table.snapshot_id,
        committed_at=None if info is None else info.committed_at,
        first_time=first,
        last_time=last,
        described_at=datetime.now(UTC),
        columns=tuple(table.columns),
        partitions=tuple(column if transform == "identity" else f"{transform}({column})" for transform, column in cuts),
        order=tuple(order),
        series=series,
        rows_in=sum(one.rows_in for one in series),
        rows_duplicate=sum(one.rows_duplicate for one in series),
        rows_quarantined=sum(one.rows_quarantined for one in series),
        unreadable=sum(one.unreadable for one in series),
        score=score,
        sources=tuple(_sources(table, series)),
        inputs=_inputs(table.properties),
        derived=tuple(_derived(catalog, table.name)),
        computable=tuple(view.name for view in DEFINITIONS if table.name in view.tables),
        sample=tuple(_sample(table)),
    )


def _find(catalog: Catalog, name: str) -> IcebergTable | None:
    with suppress(NoSuchTableError):
        return catalog.load_table(name)
    return None


def _span(table: Table, series: tuple[SeriesInfo, ...]) -> tuple[datetime | None, datetime | None]:
    """Times of the first and last row: the books know them to the row, the files to their bounds."""
    known = [one for one in series if one.first_time is not None and one.last_time is not None]
    if known:
        return min(one.first_time for one in known if one.first_time), max(one.last_time for one in known if one.last_time)
    if table.row_time is None or table.snapshot_id is None:
        return None, None
    return table.scan().extent() or (None, None)


@dataclass(frozen=True, slots=True)
class _Books:
    """The books, for `read_quality`."""

    catalog: Catalog

    def table(self, name: str) -> Table:
        return Table(name, self.catalog.load_table(name))


def _score(catalog: Catalog, series: list[SeriesInfo]) -> tuple[tuple[SeriesInfo, ...], float | None]:
    """The series with their scores, and the score of all."""
    if not series:
        return (), None
    report = read_quality(_Books(catalog), data_types=sorted({one.data_type for one in series}))
    scores = {tuple(row[name] for name in SERIES): row["score"] for row in report.series.iter_rows(named=True)}
    scored = (replace(one, score=scores.get(tuple(getattr(one, name) for name in SERIES))) for one in series)
    totals = {row["table"]: row["score"] for row in report.tables.iter_rows(named=True)}
    return tuple(scored), totals.get(series[0].table)


def _sources(table: Table, series: tuple[SeriesInfo, ...]) -> Iterator[TableSource]:
    archives: dict[str, int] = defaultdict(int)
    for one in series:
        archives[one.source] += one.archives
    for name, count in sorted(archives.items()):
        yield TableSource(name, count, table.properties.get(f"{_TERMS}{name}", ""))


def _inputs(properties: dict[str, str]) -> tuple[str, ...]:
    """The tables that a saved view says it was computed from."""
    if LINEAGE not in properties:
        return ()
    return tuple(sorted({item["table"] for item in json.loads(properties[LINEAGE])["inputs"]}))


def _derived(catalog: Catalog, name: str) -> Iterator[str]:
    """The saved views that were computed from the table."""
    if (NAMESPACE,) not in catalog.list_namespaces():
        return
    for identifier in sorted(catalog.list_tables(NAMESPACE)):
        view = _find(catalog, ".".join(identifier))
        if view is not None and name in _inputs(dict(view.properties)):
            yield ".".join(identifier)


def _sample(table: Table) -> list[dict[str, Any]]:
    if table.snapshot_id is None:
        return []
    scan = table.scan()
    lineage = [column.name for column in table.columns if column.name == SOURCE_KEY and column.name not in scan.columns]
    rows = table.scan(columns=[*scan.columns, *lineage]).head(_SAMPLE_ROWS)
    return rows.to_pylist()  # type: ignore[no-any-return]


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
