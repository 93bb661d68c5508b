"""The Iceberg tables: columns with their meaning, partitions, order, properties.

Column documentation is stored in Iceberg itself, so that every reader sees it.
"""

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
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from lakehouse_sdk.tables.formats import AGG_TRADES, KLINES

QUARANTINE = "silver.quarantine"
QUALITY = "silver.quality"
LEDGER = "bronze.ledger"

LEDGER_ID = "ledger_id"
EVENT_ID = "event_id"

SOURCE_KEY = "_source_key"
SOURCE_SHA256 = "_source_sha256"
INGESTED_AT = "_ingested_at"

HIDDEN_COLUMNS = "lakehouse.hidden-columns"
"""Table property: columns that a scan leaves out unless they are named, separated by commas."""

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
    """

    name: str
    doc: str
    schema: Schema
    partition: PartitionSpec
    order: tuple[str, ...]
    row_time: str
    hidden: tuple[str, ...] = ()

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
        }


_Column = tuple[str, IcebergType, str]
_OPTIONAL = "optional: "


def _schema(*columns: _Column) -> Schema:
    """Columns with ids in order; a documentation that begins with `optional: ` allows nulls."""
    fields = [
        NestedField(number, name, type_, required=not doc.startswith(_OPTIONAL), doc=doc.removeprefix(_OPTIONAL))
        for number, (name, type_, doc) in enumerate(columns, 1)
    ]
    return Schema(*fields)


def _partition(schema: Schema, *parts: tuple[str, Transform[Any, Any], str]) -> PartitionSpec:
    fields = (
        PartitionField(schema.find_field(column).field_id, _PARTITION_ID_START + number, transform, name)
        for number, (column, transform, name) in enumerate(parts)
    )
    return PartitionSpec(*fields)


_IDENTITY: Transform[Any, Any] = IdentityTransform()
_LINEAGE: tuple[_Column, ...] = (
    (SOURCE_KEY, TEXT, "Key of the archive at its publisher"),
    (SOURCE_SHA256, TEXT, "SHA-256 of the archive's bytes"),
    (INGESTED_AT, INSTANT, "When the row was written, UTC"),
)
_LINEAGE_NAMES = (SOURCE_KEY, SOURCE_SHA256, INGESTED_AT)

_KLINE_SCHEMA = _schema(
    ("source", TEXT, "Publisher, e.g. binance"),
    ("market", TEXT, "Market: spot, um (USD-margined futures), cm (coin-margined futures)"),
    ("symbol", TEXT, "Symbol as the publisher spells it"),
    ("interval", TEXT, "Length of the bar, e.g. 1m"),
    ("open_time", INSTANT, "First instant of the bar, UTC"),
    ("open", DOUBLE, "First price, in quote currency"),
    ("high", DOUBLE, "Highest price, in quote currency"),
    ("low", DOUBLE, "Lowest price, in quote currency"),
    ("close", DOUBLE, "Last price, in quote currency"),
    ("volume", DOUBLE, "Traded amount, in base currency"),
    ("close_time", INSTANT, "Last instant of the bar as published, UTC; a unit before the next bar opens"),
    ("quote_volume", DOUBLE, "Traded amount, in quote currency"),
    ("count", LONG, "Number of trades"),
    ("taker_buy_volume", DOUBLE, "Amount that takers bought, in base currency"),
    ("taker_buy_quote_volume", DOUBLE, "Amount that takers bought, in quote currency"),
    *_LINEAGE,
)
_AGG_TRADE_SCHEMA = _schema(
    ("source", TEXT, "Publisher, e.g. binance"),
    ("market", TEXT, "Market: spot, um (USD-margined futures), cm (coin-margined futures)"),
    ("symbol", TEXT, "Symbol as the publisher spells it"),
    ("agg_trade_id", LONG, "Number of the aggregate trade within market and symbol"),
    ("price", DOUBLE, "Price, in quote currency"),
    ("quantity", DOUBLE, "Amount, in base currency"),
    ("first_trade_id", LONG, "First single trade that the aggregate holds"),
    ("last_trade_id", LONG, "Last single trade that the aggregate holds"),
    ("transact_time", INSTANT, "When the trade happened, UTC"),
    ("is_buyer_maker", TRUTH, "True where the buyer was the maker, so that the taker sold"),
    ("is_best_match", TRUTH, "optional: True where the price was the best match; published for spot only"),
    ("side", TEXT, "What the taker did: buy or sell"),
    ("notional", DOUBLE, "price * quantity, in quote currency"),
    *_LINEAGE,
)
_ORIGIN: tuple[_Column, ...] = (
    ("source", TEXT, "Publisher of the archive"),
    ("market", TEXT, "Market of the archive"),
    ("data_type", TEXT, "Type of the archive as the publisher spells it"),
    ("symbol", TEXT, "Symbol of the archive"),
    ("interval", TEXT, "optional: Bar length; null where the type has none"),
    ("period_start", INSTANT, "First instant the archive covers, UTC"),
    ("period_end", INSTANT, "First instant after it, UTC"),
)
_QUARANTINE_SCHEMA = _schema(
    *_ORIGIN,
    ("line", LONG, "Line of the CSV, the first is 1"),
    ("rule", TEXT, "Id of the rule that the row breaks"),
    ("value", TEXT, "The offending values"),
    ("text", TEXT, "The line as published, cut at 1,000 characters"),
    *_LINEAGE,
)


def _counts(first_id: int, name: str, doc: str) -> NestedField:
    entries = MapType(key_id=first_id + 1, key_type=TEXT, value_id=first_id + 2, value_type=LONG, value_required=True)
    return NestedField(first_id, name, entries, required=True, doc=doc)


_QUALITY_BASE = _schema(
    *_ORIGIN,
    ("rows_in", LONG, "Data lines of the file: accepted + duplicate + quarantined"),
    ("rows_accepted", LONG, "Rows that went into the table"),
    ("rows_duplicate", LONG, "Exact repetitions that were dropped"),
    ("rows_quarantined", LONG, "Rows that went into quarantine"),
    ("defect", TEXT, "optional: Why the archive could not be read at all; null where it could"),
    ("defect_detail", TEXT, "optional: What was found, for a person"),
    ("has_header", TRUTH, "True where the CSV begins with column names"),
    ("time_unit", TEXT, "optional: Unit of the published times: ms, us or mixed; null without rows"),
    ("first_time", INSTANT, "optional: Time of the first accepted row, UTC"),
    ("last_time", INSTANT, "optional: Time of the last accepted row, UTC"),
    *_LINEAGE,
)
_QUALITY_SCHEMA = Schema(
    *_QUALITY_BASE.fields,
    _counts(100, "rejects", "Quarantined rows by rule"),
    _counts(110, "flags", "Accepted rows that break a rule of severity W, by rule"),
)

_LEDGER_SCHEMA = _schema(
    (LEDGER_ID, TEXT, "Which ledger told this; another one when the database was lost and made anew"),
    (EVENT_ID, LONG, "Number of the change in its ledger, increasing"),
    ("at", INSTANT, "When the change happened, UTC"),
    ("source", TEXT, "Publisher of the archive"),
    ("market", TEXT, "Market of the archive"),
    ("data_type", TEXT, "Type of the archive as the publisher spells it"),
    ("symbol", TEXT, "Symbol of the archive"),
    ("interval", TEXT, "optional: Bar length; null where the type has none"),
    ("frequency", TEXT, "daily or monthly: what one archive covers"),
    ("period_start", INSTANT, "First instant the archive covers, UTC"),
    ("period_end", INSTANT, "First instant after it, UTC"),
    ("key", TEXT, "Key of the archive at its publisher"),
    ("state", TEXT, "State after the change: discovered, copied, verified, parsed, published, failed, quarantined, absent"),
    ("reason", TEXT, "Why, for the states that have a reason; else empty"),
    ("revision", LONG, "Which bytes under the key, from 1"),
    ("attempt", LONG, "How often a copy was begun"),
    ("etag", TEXT, "ETag at the publisher"),
    ("size_bytes", LONG, "Size at the publisher"),
    ("last_modified", INSTANT, "When the publisher last wrote it, UTC"),
    ("published_sha256", TEXT, "optional: SHA-256 that the publisher states; null where it states none"),
    ("sha256", TEXT, "optional: SHA-256 of the bytes in bronze"),
)

LAYOUTS: dict[str, TableLayout] = {
    layout.name: layout
    for layout in (
        TableLayout(
            name=KLINES,
            doc="One row for each bar (candlestick) of a market, symbol and interval.",
            schema=_KLINE_SCHEMA,
            partition=_partition(
                _KLINE_SCHEMA,
                ("source", _IDENTITY, "source"),
                ("market", _IDENTITY, "market"),
                ("interval", _IDENTITY, "interval"),
                ("open_time", MonthTransform(), "open_month"),
            ),
            order=("symbol", "open_time"),
            row_time="open_time",
            hidden=_LINEAGE_NAMES,
        ),
        TableLayout(
            name=AGG_TRADES,
            doc="One row for each aggregate trade: fills of one taker order at one price.",
            schema=_AGG_TRADE_SCHEMA,
            partition=_partition(
                _AGG_TRADE_SCHEMA,
                ("source", _IDENTITY, "source"),
                ("market", _IDENTITY, "market"),
                ("transact_time", DayTransform(), "transact_day"),
            ),
            order=("symbol", "transact_time", "agg_trade_id"),
            row_time="transact_time",
            hidden=_LINEAGE_NAMES,
        ),
        TableLayout(
            name=QUARANTINE,
            doc="One row for each published row that was rejected, with the rule it breaks and where it stands.",
            schema=_QUARANTINE_SCHEMA,
            partition=PartitionSpec(),
            order=("data_type", "symbol", "period_start", "line"),
            row_time="period_start",
        ),
        TableLayout(
            name=QUALITY,
            doc="One row for each archive that was built: counts, flags, span, hash.",
            schema=_QUALITY_SCHEMA,
            partition=PartitionSpec(),
            order=("data_type", "symbol", "period_start"),
            row_time="period_start",
        ),
        TableLayout(
            name=LEDGER,
            doc="One row for each change of an archive's state, appended once per batch; the newest of a key is its state.",
            schema=_LEDGER_SCHEMA,
            partition=PartitionSpec(),
            order=("at", EVENT_ID),
            row_time="at",
            hidden=(LEDGER_ID,),
        ),
    )
}
"""Every table that the SDK creates, by full name."""
