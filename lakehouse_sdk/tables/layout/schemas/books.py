"""The tables that keep the books: what was rejected, what became of each archive, what the ledger saw."""

from __future__ import annotations

from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, MapType, NestedField

from lakehouse_sdk.tables.layout.schemas.layout import (
    DOUBLE,
    EVENT_ID,
    INSTANT,
    INSTRUMENT,
    LEDGER,
    LEDGER_ID,
    LINEAGE,
    LINEAGE_NAMES,
    LONG,
    QUALITY,
    QUALITY_DAYS,
    QUARANTINE,
    TEXT,
    TRUTH,
    ColumnDoc,
    TableLayout,
    make_schema,
)

_SERIES: tuple[ColumnDoc, ...] = (
    ("source", TEXT, "Publisher of the archive"),
    ("market", TEXT, "Market of the archive"),
    ("data_type", TEXT, "Type of the archive as the publisher spells it"),
    ("symbol", TEXT, "Symbol of the archive"),
    ("interval", TEXT, "optional: Bar length; null where the type has none"),
)
_ORIGIN: tuple[ColumnDoc, ...] = (
    *_SERIES,
    ("period_start", INSTANT, "First instant the archive covers, UTC"),
    ("period_end", INSTANT, "First instant after it, UTC"),
)
_QUARANTINE_SCHEMA = make_schema(
    *_ORIGIN,
    ("line", LONG, "Line of the CSV, the first is 1"),
    ("rule", TEXT, "Id of the rule that the row breaks"),
    ("value", TEXT, "The offending values"),
    ("text", TEXT, "The line as published, cut at 1,000 characters"),
    *LINEAGE,
)


def _by_rule(first_id: int, name: str, values: IcebergType, doc: str, *, required: bool = True) -> NestedField:
    entries = MapType(key_id=first_id + 1, key_type=TEXT, value_id=first_id + 2, value_type=values, value_required=True)
    return NestedField(first_id, name, entries, required=required, doc=doc)


_QUALITY_BASE = make_schema(
    *_ORIGIN,
    ("rows_in", LONG, "Data lines of the file: accepted + duplicate + quarantined"),
    ("rows_accepted", LONG, "Rows that went into the table"),
    ("rows_duplicate", LONG, "Exact repetitions that were dropped"),
    ("rows_quarantined", LONG, "Rows that went into quarantine"),
    ("defect", TEXT, "optional: Why the archive could not be read at all; null where it could"),
    ("defect_detail", TEXT, "optional: What was found, for a person"),
    ("has_header", TRUTH, "True where the CSV begins with column names"),
    ("time_unit", TEXT, "optional: Unit of the published times: s, ms, us, mixed or text; null without rows"),
    ("first_time", INSTANT, "optional: Time of the first accepted row, UTC"),
    ("last_time", INSTANT, "optional: Time of the last accepted row, UTC"),
    *LINEAGE,
)
_QUALITY_SCHEMA = Schema(
    *_QUALITY_BASE.fields,
    _by_rule(100, "rejects", LONG, "Quarantined rows by rule"),
    _by_rule(110, "flags", LONG, "Accepted rows that break a rule of severity W, by rule"),
    # Added later, so that they stand last and may be null.
    NestedField(120, INSTRUMENT, TEXT, required=False, doc="Symbol as ccxt writes it; null where it follows no known rule"),
    NestedField(121, "rows_flagged", LONG, required=False, doc="Accepted rows that break any rule of severity W"),
    _by_rule(130, "rule_failures", TEXT, "What rules of other packages raised; they judged nothing", required=False),
    NestedField(
        140,
        "numbers_rounded",
        LONG,
        required=False,
        doc="Numbers of the file whose text has more digits than float64 holds; bronze has them all, exact tables too",
    ),
)

_DAYS_SCHEMA = make_schema(
    *_SERIES,
    ("day", INSTANT, "Midnight that begins the day, UTC"),
    ("rows_accepted", LONG, "Rows of the day that went into the table"),
    ("rows_expected", LONG, "optional: Rows that calendar or ids expect; null where nothing can be expected"),
    ("score", DOUBLE, "optional: rows_accepted / rows_expected, at most 1; null where nothing can be expected"),
    ("rows_flagged", LONG, "Rows among the accepted that break any rule of severity W"),
    ("rows_quarantined", LONG, "Rows that went into quarantine"),
    ("first_time", INSTANT, "optional: Time of the first accepted row, UTC; null without rows"),
    ("last_time", INSTANT, "optional: Time of the last accepted row, UTC; null without rows"),
    *LINEAGE,
)

_LEDGER_SCHEMA = make_schema(
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
    (
        "state",
        TEXT,
        "State after the change: discovered, copied, verified, parsed, published, dropped, failed, quarantined, absent",
    ),
    ("reason", TEXT, "Why, for the states that have a reason; else empty"),
    ("revision", LONG, "Which bytes under the key, from 1"),
    ("attempt", LONG, "How often a copy was begun"),
    ("etag", TEXT, "ETag at the publisher"),
    ("size_bytes", LONG, "Size at the publisher"),
    ("last_modified", INSTANT, "When the publisher last wrote it, UTC"),
    ("published_sha256", TEXT, "optional: SHA-256 that the publisher states; null where it states none"),
    ("sha256", TEXT, "optional: SHA-256 of the bytes in bronze"),
)

LAYOUTS: tuple[TableLayout, ...] = (
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
        name=QUALITY_DAYS,
        doc="One row for each day of each series that was built: rows taken and expected, and the score.",
        schema=_DAYS_SCHEMA,
        partition=PartitionSpec(),
        order=("data_type", "symbol", "day"),
        row_time="day",
        hidden=LINEAGE_NAMES,
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
