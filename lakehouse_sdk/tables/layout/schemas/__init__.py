"""The Iceberg tables: columns with their meaning, partitions, order, properties.

Belongs here: what a table is as it is created. Must not: reading, rules, commits. Read `TableLayout` first, then the tables by
subject: `bars`, `trades`, `derivatives`, `books`. What a column means is stored in Iceberg itself, where every reader sees it.
"""

from lakehouse_sdk.tables.layout.schemas import bars, books, derivatives, trades
from lakehouse_sdk.tables.layout.schemas.layout import (
    DECLARED,
    EVENT_ID,
    HIDDEN_COLUMNS,
    INGESTED_AT,
    INSTRUMENT,
    LEDGER,
    LEDGER_ID,
    QUALITY,
    QUALITY_DAYS,
    QUARANTINE,
    ROW_TIME,
    SOURCE_KEY,
    SOURCE_SHA256,
    TableLayout,
)

LAYOUTS: dict[str, TableLayout] = {
    layout.name: layout for layout in (*bars.LAYOUTS, *trades.LAYOUTS, *derivatives.LAYOUTS, *books.LAYOUTS)
}
"""Every table that the SDK creates, by full name."""

__all__ = [
    "DECLARED",
    "EVENT_ID",
    "HIDDEN_COLUMNS",
    "INGESTED_AT",
    "INSTRUMENT",
    "LAYOUTS",
    "LEDGER",
    "LEDGER_ID",
    "QUALITY",
    "QUALITY_DAYS",
    "QUARANTINE",
    "ROW_TIME",
    "SOURCE_KEY",
    "SOURCE_SHA256",
    "TableLayout",
]
