"""What a table is and holds, for a person: from its metadata and the books, and a few of its rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import NoSuchTableError

from lakehouse_sdk.tables.layout.schemas import QUALITY, SOURCE_KEY
from lakehouse_sdk.tables.read.description import TableDescription, TableSource
from lakehouse_sdk.tables.read.series import SERIES, SeriesInfo, list_series
from lakehouse_sdk.tables.read.table import Table
from lakehouse_sdk.tables.views.gold import DEFINITIONS
from lakehouse_sdk.tables.views.gold.store import LINEAGE, NAMESPACE
from lakehouse_sdk.tables.views.quality.read import read_quality

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

_SAMPLE_ROWS = 5
_TERMS = "lakehouse.terms."


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
        return Table(name, self.catalog.load_table(name), describe_table)


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
