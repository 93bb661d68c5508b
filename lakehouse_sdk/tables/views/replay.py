"""What a replay asks the tables: which archives have rows in quarantine, and whether the tables say what an archive says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.tables.iceberg.books import day_rows, make_entry, quality_rows, quarantine_rows
from lakehouse_sdk.tables.layout.filters import all_of, equals, within
from lakehouse_sdk.tables.layout.schemas import (
    INGESTED_AT,
    LAYOUTS,
    QUALITY,
    QUALITY_DAYS,
    QUARANTINE,
    SOURCE_KEY,
    SOURCE_SHA256,
)
from lakehouse_sdk.tables.read.tables import IcebergTables

if TYPE_CHECKING:
    from lakehouse_sdk.tables.judge.validation import CheckedBatch
    from lakehouse_sdk.tables.layout.schemas import TableLayout
    from lakehouse_sdk.tables.layout.source import SourceFile


@dataclass(frozen=True, slots=True)
class QuarantinedArchive:
    """An archive with rows in quarantine.

    Attributes:
        source: Publisher.
        key: Its key.
        sha256: Hash of the bytes that were judged.
        rejects: Its rows in quarantine, by rule.
    """

    source: str
    key: str
    sha256: str
    rejects: dict[str, int]


def find_replayable(
    catalog: IcebergTables, *, source: str | None = None, rule: str | None = None, keys: Collection[str] | None = None
) -> list[QuarantinedArchive]:
    """Archives with rows in quarantine, by source and key; with `keys` and no `rule` also those that have none.

    Args:
        catalog: Where the tables are.
        source: Publisher; None for all.
        rule: Only archives with a row that was rejected for this rule.
        keys: Only these archives.
    """
    wanted = [
        *([pl.col("source") == source] if source is not None else []),
        *([pl.col(SOURCE_KEY).is_in(list(keys))] if keys is not None else []),
    ]
    names = ("source", SOURCE_KEY, SOURCE_SHA256)
    try:
        rows = catalog.table(QUARANTINE).scan(columns=(*names, "rule")).to_polars().filter(*wanted)
        others = catalog.table(QUALITY).scan(columns=names).to_polars().filter(*wanted) if keys is not None else rows.clear()
    except NotFoundError:
        return []
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for place in others.select(names).unique().iter_rows():
        found[place[0], place[1], place[2]] = Counter()
    for publisher, key, sha256, broken, count in rows.group_by(*names, "rule").len().iter_rows():
        found.setdefault((publisher, key, sha256), Counter())[broken] += count
    return [
        QuarantinedArchive(*place, dict(sorted(rejects.items())))
        for place, rejects in sorted(found.items())
        if rule is None or rule in rejects
    ]


def holds(catalog: IcebergTables, batch: CheckedBatch) -> bool:
    """True where the tables say of these bytes what the batch says: the same rows, in quarantine the same, the same counts."""
    entries = [make_entry(batch)]
    books = [(QUALITY, quality_rows(entries), batch.file), (QUARANTINE, quarantine_rows(batch), batch.file)]
    if batch.defect is None:
        books += [(QUALITY_DAYS, day_rows(entries), batch.scope), (batch.table, batch.accepted, batch.scope)]
    return all(_same(_stored(catalog, name, file, batch.layout), rows) for name, rows, file in books)


def _stored(catalog: IcebergTables, name: str, file: SourceFile, layout: TableLayout | None) -> pa.Table:
    """Rows of the archive in a table, but for the time of their commit."""
    where = [equals(SOURCE_KEY, file.key), equals(SOURCE_SHA256, file.sha256)]
    span = within((LAYOUTS.get(name) or layout or LAYOUTS[name]).row_time, file.period_start, file.period_end)
    try:
        with catalog.storage_errors():
            rows: pa.Table = catalog.load(name).scan(all_of([*where, span])).to_arrow()
    except NotFoundError:
        return pa.table({})
    return rows.drop_columns([INGESTED_AT])


def _same(stored: pa.Table, rows: pa.Table) -> bool:
    if stored.num_rows != rows.num_rows:
        return False
    if not rows.num_rows:
        return True
    missing = [name for name in stored.column_names if name not in rows.column_names]
    if any(stored[name].null_count != stored.num_rows for name in missing):
        return False
    maps = [field.name for field in stored.schema if pa.types.is_map(field.type)]
    if any(_as_dicts(stored[name]) != _as_dicts(rows[name]) for name in maps):
        return False
    names = [name for name in stored.column_names if name not in {*missing, *maps}]
    return _sorted(stored.select(names)).equals(_sorted(rows.select(names)))


def _as_dicts(column: pa.ChunkedArray) -> list[Any]:
    return [None if value is None else dict(value) for value in column.to_pylist()]


def _sorted(rows: pa.Table) -> pl.DataFrame:
    """The rows in an order that depends on their values alone, text as text."""
    frame = pl.DataFrame(pl.from_arrow(rows)).with_columns(pl.col(pl.Categorical).cast(pl.String))
    return frame.sort(frame.columns)
