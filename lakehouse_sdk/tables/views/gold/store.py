"""Gold views as Iceberg tables: replaced by market, symbols and span in one commit, with their lineage in the properties.

What goes wrong with an append: a view saved twice is there twice, and a view of yesterday's silver lies beside today's. So a
save deletes what it is about to write in the same commit, and a table holds views of one kind only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table
from pyiceberg.types import IcebergType

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.iceberg.report import TableCommit
from lakehouse_sdk.tables.iceberg.retry import retry_races
from lakehouse_sdk.tables.layout.filters import all_of, equals, one_of, within
from lakehouse_sdk.tables.layout.schemas import LAYOUTS, ROW_TIME, TableLayout
from lakehouse_sdk.tables.layout.schemas.layout import (
    DAY,
    DOUBLE,
    IDENTITY,
    INSTANT,
    LONG,
    MONTH,
    SERIES,
    TEXT,
    TRUTH,
    ColumnDoc,
    make_partition,
    make_schema,
)
from lakehouse_sdk.tables.views.gold.intervals import parse_interval

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression

    from lakehouse_sdk.tables.views.gold.view import GoldView

NAMESPACE = "gold"
KIND = "lakehouse.gold.kind"
"""Table property: what all views in the table have in common, as JSON."""
LINEAGE = "lakehouse.gold.lineage"
"""Table and snapshot property: what the rows of a save were computed from, and how, as JSON."""

_TYPES: dict[type[pl.DataType], IcebergType] = {
    pl.String: TEXT,
    pl.Float64: DOUBLE,
    pl.Int64: LONG,
    pl.Boolean: TRUTH,
    pl.Datetime: INSTANT,
}
_MEANINGS = {
    "is_complete": "False where a shorter bar is missing that this one is made of, or the bar is filled",
    "is_filled": "True where the bar was missing and is flat at the close before",
    "vwap": "Quote volume by volume, in quote currency; null where nothing was traded",
    "return": "Close by the close before, less 1; null where the bar before is missing or filled",
    "log_return": "Logarithm of close by the close before; null as return",
    "taker_imbalance": "What takers bought less what they sold, by the whole; -1 to 1, null where nothing was traded",
    "funding_rate": "Newest funding rate when the bar began, at most eight hours old",
    "funding_time": "When that rate was fixed, UTC, as published",
    "funding_paid": "Sum of the rates due within the bar: what a position held through it pays",
    "mark_close": "Last mark price of the bar, in quote currency",
    "index_close": "Last index price of the bar, in quote currency",
    "basis": "close - index_close, in quote currency",
    "premium_close": "Last published premium over the index, a rate",
}


def layout_of(name: str, view: GoldView) -> TableLayout:
    """The table that holds the view.

    Raises:
        UsageError: The name is not of the namespace `gold`.
    """
    namespace, _, table = name.partition(".")
    if namespace != NAMESPACE or not table or "." in table:
        raise UsageError(f"A view cannot be saved as {name!r}.", hint="Name it gold.<table>, for example gold.klines_5m.")
    known = {field.name: field.doc or "" for layout in LAYOUTS.values() for field in layout.schema.fields}
    fixed = {column for column, _, _ in SERIES} | {"interval", "open_time"}
    known |= {field.name: field.doc or "" for field in LAYOUTS["silver.klines"].schema.fields} | _MEANINGS
    columns: list[ColumnDoc] = [
        (column, _TYPES[type_.base_type()], known[column] if column in fixed else f"optional: {known[column]}")
        for column, type_ in view.schema.items()
    ]
    schema = make_schema(*columns)
    length = parse_interval(view.interval).length
    every, unit = (DAY, "day") if length is not None and length.total_seconds() < 60 else (MONTH, "month")
    identities = tuple((column, IDENTITY, column) for column in ("source", "market"))
    partition = make_partition(schema, *identities, ("open_time", every, f"open_{unit}"))
    doc = f"Bars of {view.interval}, computed from silver tables; the table's properties say from which."
    return TableLayout(name, doc, schema, partition, ("symbol", "open_time"), "open_time")


def check_kind(name: str, properties: dict[str, str], *, is_empty: bool, view: GoldView) -> None:
    """Refuse a table that holds something else.

    Raises:
        UsageError: It does; the message names the difference.
    """
    if is_empty and KIND not in properties:
        return
    if KIND not in properties:
        raise UsageError(f"{name} was not saved by a gold view.", hint="Choose another name.")
    stored, wanted = json.loads(properties[KIND]), view.kind
    different = [f"{key} {stored.get(key)!r} and not {value!r}" for key, value in wanted.items() if stored.get(key) != value]
    if different:
        raise UsageError(f"{name} holds views of another kind: {'; '.join(different)}.", hint="Choose another name.")


def write_view(load: Callable[[], Table], view: GoldView) -> TableCommit:
    """Replace the table's rows of the view's market, symbols and span by the view's, in one commit.

    Args:
        load: Loads the table as it is now, creating it where needed.
        view: What to write.

    Raises:
        TableError: Too many races against other writers were lost; nothing was changed.
    """
    lineage = json.dumps(view.lineage, sort_keys=True)
    computed: list[pl.DataFrame] = []  # once, however many races are lost

    def attempt(number: int) -> TableCommit:
        table = load()
        if _is_there(table, lineage):
            return TableCommit(".".join(table.name()), _snapshot_id(table), 0, 0, 0, number)
        if not computed:
            computed.append(view.to_polars())
        return _replace(table, computed[0], view, lineage, number)

    return retry_races(".".join(load().name()), attempt)


def _replace(table: Table, rows: pl.DataFrame, view: GoldView, lineage: str, attempt: int) -> TableCommit:
    note = {LINEAGE: lineage}
    transaction = table.transaction()
    transaction.set_properties({KIND: json.dumps(view.kind, sort_keys=True), ROW_TIME: "open_time", **note})
    scope = _scope(view)
    if table.scan(scope, selected_fields=("symbol",), limit=1).to_arrow().num_rows:  # pyiceberg warns where nothing is deleted
        transaction.delete(scope, snapshot_properties=note)
    if rows.height:
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        transaction.append(rows.to_arrow().cast(schema), snapshot_properties=note)
    table = transaction.commit_transaction()
    snapshot = table.current_snapshot()
    summary = snapshot.summary if snapshot is not None else None
    files = int((summary["added-data-files"] if summary else None) or 0)
    return TableCommit(".".join(table.name()), _snapshot_id(table), rows.height, files, 0, attempt)


def _scope(view: GoldView) -> BooleanExpression:
    parts = [equals("source", view.source), equals("market", view.market)]
    if view.symbols is not None:
        parts.append(one_of("symbol", view.symbols))
    start, end = view.bounds
    return all_of([*parts, *([within("open_time", start, end)] if start or end else [])])


def _is_there(table: Table, lineage: str) -> bool:
    """True where the newest state of the table is this very save."""
    snapshot = table.current_snapshot()
    return snapshot is not None and snapshot.summary is not None and snapshot.summary[LINEAGE] == lineage


def _snapshot_id(table: Table) -> int | None:
    snapshot = table.current_snapshot()
    return None if snapshot is None else snapshot.snapshot_id
