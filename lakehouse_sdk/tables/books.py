"""The three tables that keep the books: why rows are in quarantine, how good each day is, what became of each archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow

from lakehouse_sdk.tables.schemas import (
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
    from lakehouse_sdk.tables.source import SourceFile
    from lakehouse_sdk.tables.validation import CheckedBatch


def quarantine_rows(batch: CheckedBatch) -> pa.Table:
    """One row of `silver.quarantine` for each rejected row."""
    if not batch.rows_quarantined:
        return _QUARANTINE.empty_table()
    rejected = batch.quarantined.to_arrow()
    count = rejected.num_rows
    origin = {name: [value] * count for name, value in _origin(batch.file).items()}
    columns = [
        pa.array(origin[field.name], field.type) if field.name in origin else rejected[field.name].cast(field.type)
        for field in _QUARANTINE
    ]
    return pa.table(columns, _QUARANTINE)


def day_rows(batch: CheckedBatch) -> pa.Table:
    """One row of `silver.quality_days` for each day of the archive."""
    origin = _origin(batch.file)
    columns = [
        pa.array(
            [origin.get(field.name) if field.name in origin else getattr(day, field.name) for day in batch.days], field.type
        )
        for field in _QUALITY_DAYS
    ]
    return pa.table(columns, _QUALITY_DAYS)


def quality_rows(batch: CheckedBatch) -> pa.Table:
    """The row of `silver.quality` about this archive."""
    row = _origin(batch.file) | {
        "rows_in": batch.rows_in,
        "rows_accepted": batch.rows_accepted,
        "rows_duplicate": batch.rows_duplicate,
        "rows_quarantined": batch.rows_quarantined,
        "defect": None if batch.defect is None else batch.defect.reason,
        "defect_detail": None if batch.defect is None else batch.defect.detail,
        "has_header": batch.has_header,
        "time_unit": batch.time_unit,
        "first_time": batch.first_time,
        "last_time": batch.last_time,
        "rejects": list(batch.rejects.items()),
        "flags": list(batch.flags.items()),
        "rows_flagged": batch.rows_flagged,
        "rule_failures": list(batch.rule_failures.items()),
        "numbers_rounded": batch.numbers_rounded,
    }
    return pa.table([pa.array([row[field.name]], field.type) for field in _QUALITY], _QUALITY)


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
_QUALITY_DAYS = _plain_schema(QUALITY_DAYS)
_QUALITY = _plain_schema(QUALITY)
