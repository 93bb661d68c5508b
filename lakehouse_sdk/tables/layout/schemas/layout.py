"""What a table is as it is created, and the few words with which the tables are described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import DayTransform, IdentityTransform, MonthTransform, Transform
from pyiceberg.types import (
    BooleanType,
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

QUARANTINE = "silver.quarantine"
QUALITY = "silver.quality"
QUALITY_DAYS = "silver.quality_days"
LEDGER = "bronze.ledger"

LEDGER_ID = "ledger_id"
EVENT_ID = "event_id"

SOURCE_KEY = "_source_key"
SOURCE_SHA256 = "_source_sha256"
INGESTED_AT = "_ingested_at"

INSTRUMENT = "instrument"

HIDDEN_COLUMNS = "lakehouse.hidden-columns"
"""Table property: columns that a scan leaves out unless they are named, separated by commas."""

DECLARED = "lakehouse.declared"
"""Table property: the declaration of a table of a user's own files, as JSON."""
ROW_TIME = "lakehouse.row-time"
"""Table property: column that places a row in time, for tables that no layout of this release describes."""

_PARTITION_ID_START = 1000

TEXT, LONG, DOUBLE, TRUTH, INSTANT = StringType(), LongType(), DoubleType(), BooleanType(), TimestamptzType()


@dataclass(frozen=True, slots=True)
class TableLayout:
    """One table as it is created.

    Attributes:
        name: Full name, `namespace.table`.
        doc: What a row is.
        schema: Columns; required ones are never null.
        partition: Iceberg partition specification.
        order: Columns that rows are sorted by within a partition.
        row_time: Column that places a row in time; a replacement filter names it beside the key.
        hidden: Columns that scans leave out by default.
        further: More properties of the table.
    """

    name: str
    doc: str
    schema: Schema
    partition: PartitionSpec
    order: tuple[str, ...]
    row_time: str
    hidden: tuple[str, ...] = ()
    further: tuple[tuple[str, str], ...] = ()

    @property
    def sort_order(self) -> SortOrder:
        """`order` as Iceberg writes it."""
        ids = (self.schema.find_field(name).field_id for name in self.order)
        return SortOrder(*(SortField(source_id=field_id, transform=IdentityTransform()) for field_id in ids))

    @property
    def properties(self) -> dict[str, str]:
        """Table properties.

        pyiceberg's own retry is off because it replays appends: two writers of one archive doubled its rows. Statistics of
        the lineage columns are cut short by Iceberg and useless for pruning, so they are not kept.
        """
        return {
            "comment": self.doc,
            "commit.retry.num-retries": "0",
            "write.parquet.compression-codec": "zstd",
            f"write.metadata.metrics.column.{SOURCE_KEY}": "none",
            f"write.metadata.metrics.column.{SOURCE_SHA256}": "none",
            "write.metadata.delete-after-commit.enabled": "true",
            "write.metadata.previous-versions-max": "50",
            HIDDEN_COLUMNS: ",".join(self.hidden),
            **dict(self.further),
        }


ColumnDoc = tuple[str, IcebergType, str]
"""Name, type and meaning."""
_OPTIONAL = "optional: "


def make_schema(*columns: ColumnDoc) -> Schema:
    """Columns with ids in order; a documentation that begins with `optional: ` allows nulls."""
    fields = [
        NestedField(number, name, type_, required=not doc.startswith(_OPTIONAL), doc=doc.removeprefix(_OPTIONAL))
        for number, (name, type_, doc) in enumerate(columns, 1)
    ]
    return Schema(*fields)


def make_partition(schema: Schema, *parts: tuple[str, Transform[Any, Any], str]) -> PartitionSpec:
    """The partition specification of columns, how they are cut, and the names of the cuts."""
    fields = (
        PartitionField(schema.find_field(column).field_id, _PARTITION_ID_START + number, transform, name)
        for number, (column, transform, name) in enumerate(parts)
    )
    return PartitionSpec(*fields)


IDENTITY: Transform[Any, Any] = IdentityTransform()
DAY: Transform[Any, Any] = DayTransform()
MONTH: Transform[Any, Any] = MonthTransform()
LINEAGE: tuple[ColumnDoc, ...] = (
    (SOURCE_KEY, TEXT, "Key of the archive at its publisher"),
    (SOURCE_SHA256, TEXT, "SHA-256 of the archive's bytes"),
    (INGESTED_AT, INSTANT, "When the row was written, UTC"),
)
LINEAGE_NAMES = (SOURCE_KEY, SOURCE_SHA256, INGESTED_AT)

SERIES: tuple[ColumnDoc, ...] = (
    ("source", TEXT, "Publisher, e.g. binance"),
    (
        "market",
        TEXT,
        "Market: spot, um (USD-margined futures), cm (coin-margined futures), option; on ftx spot, perp, future, move",
    ),
    ("symbol", TEXT, "Symbol as the publisher spells it"),
)

INSTRUMENT_DOC: ColumnDoc = (
    INSTRUMENT,
    TEXT,
    "optional: Symbol as ccxt writes it, the same for every source, e.g. BTC/USDT; null where it follows no known rule",
)


def data_layout(
    name: str,
    doc: str,
    row_time: str,
    columns: tuple[ColumnDoc, ...],
    *,
    every: Transform[Any, Any],
    key: tuple[str, ...] = (),
    later: tuple[ColumnDoc, ...] = (),
) -> TableLayout:
    """A table of archives' rows: partitioned by source, market, interval (where it has one), time; sorted by symbol and time.

    Args:
        name: Full name.
        doc: What a row is.
        row_time: Column of the row's time, which is the second part of every order.
        columns: Between the symbol and the lineage.
        every: `DAY` for many rows a day, `MONTH` for few.
        key: Columns that order rows of one time.
        later: Columns that were added after the table was first described; they stand last, so that field ids never change.
    """
    schema = make_schema(*SERIES, *columns, *LINEAGE, *later, INSTRUMENT_DOC)
    identities = ("source", "market", *(["interval"] if any(column == "interval" for column, _, _ in columns) else []))
    unit = "day" if every is DAY else "month"
    part = f"{row_time.removesuffix('_time')}_{unit}"
    partition = make_partition(schema, *((column, IDENTITY, column) for column in identities), (row_time, every, part))
    return TableLayout(name, doc, schema, partition, ("symbol", row_time, *key), row_time, LINEAGE_NAMES)
