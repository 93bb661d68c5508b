"""The three tables that keep the books: why rows are in quarantine, how good each day is, what became of each archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow

from lakehouse_sdk.tables.layout.schemas import (
    INGESTED_AT,
    INSTRUMENT,
    LAYOUTS,
    QUALITY,
    QUALITY_DAYS,
    QUARANTINE,
    SOURCE_KEY,
    SOURCE_SHA256,
)

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse_sdk.tables.judge.validation import CheckedBatch
    from lakehouse_sdk.tables.layout.days import DayCount
    from lakehouse_sdk.tables.layout.source import SourceFile


@dataclass(frozen=True, slots=True)
class Entry:
    """What the books say of one archive, in plain values: making Arrow of one row takes as long as of hundreds.

    Attributes:
        file: The archive.
        scope: The archive with all the time in which it may have rows.
        days: What `silver.quality_days` gets; None of an archive that could not be read, which leaves the table as it is.
        quality: The row of `silver.quality`.
        withdraws: Rows of other archives whose place its rows take.
    """

    file: SourceFile
    scope: SourceFile
    days: tuple[DayCount, ...] | None
    quality: dict[str, Any]
    withdraws: tuple[tuple[str, datetime, datetime], ...]


def make_entry(batch: CheckedBatch) -> Entry:
    """The entry of an archive."""
    quality = _origin(batch.file) | {name: getattr(batch, name) for name in _QUALITY_VALUES}
    quality |= {name: list(getattr(batch, name).items()) for name in ("rejects", "flags", "rule_failures")}
    quality["defect"] = None if batch.defect is None else batch.defect.reason
    quality["defect_detail"] = None if batch.defect is None else batch.defect.detail
    return Entry(batch.file, batch.scope, batch.days if batch.defect is None else None, quality, batch.withdraws)


def day_rows(entries: Sequence[Entry]) -> pa.Table:
    """Rows of `silver.quality_days`: one for each day of each entry, in their order."""
    origins = [_origin(entry.file) for entry in entries]
    days = [(origin, day) for origin, entry in zip(origins, entries, strict=True) for day in entry.days or ()]
    columns = [
        pa.array([origin[field.name] if field.name in origin else getattr(day, field.name) for origin, day in days], field.type)
        for field in _QUALITY_DAYS
    ]
    return pa.table(columns, _QUALITY_DAYS)


def quality_rows(entries: Sequence[Entry]) -> pa.Table:
    """Rows of `silver.quality`: one for each entry, in their order."""
    columns = [pa.array([entry.quality[field.name] for entry in entries], field.type) for field in _QUALITY]
    return pa.table(columns, _QUALITY)


def quarantine_rows(batch: CheckedBatch) -> pa.Table:
    """One row of `silver.quarantine` for each rejected row."""
    if not batch.rows_quarantined:
        return _NO_QUARANTINE
    rejected = batch.quarantined.to_arrow()
    count = rejected.num_rows
    origin = {name: [value] * count for name, value in _origin(batch.file).items()}
    columns = [
        pa.array(origin[field.name], field.type) if field.name in origin else rejected[field.name].cast(field.type)
        for field in _QUARANTINE
    ]
    return pa.table(columns, _QUARANTINE)


def _origin(file: SourceFile) -> dict[str, Any]:
    return {
        "source": file.source,
        "market": file.market,
        "data_type": file.data_type,
        "symbol": file.symbol,
        "interval": file.interval,
        "period_start": file.period_start,
        "period_end": file.period_end,
        SOURCE_KEY: file.key,
        SOURCE_SHA256: file.sha256,
        INSTRUMENT: file.instrument,
    }


def _plain_schema(name: str) -> pa.Schema:
    """Columns of the table without field ids, which a table gets when it is created, and without the time of the commit."""
    schema = schema_to_pyarrow(LAYOUTS[name].schema, include_field_ids=False)
    return pa.schema([field for field in schema if field.name != INGESTED_AT])


_QUARANTINE = _plain_schema(QUARANTINE)
_NO_QUARANTINE = _QUARANTINE.empty_table()
_QUALITY_DAYS = _plain_schema(QUALITY_DAYS)
_QUALITY = _plain_schema(QUALITY)
_QUALITY_VALUES = (
    "rows_in",
    "rows_accepted",
    "rows_duplicate",
    "rows_quarantined",
    "has_header",
    "time_unit",
    "first_time",
    "last_time",
    "rows_flagged",
    "numbers_rounded",
)
