"""Tables that only grow: rows with an id each, appended once whatever is repeated or races."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from lakehouse_sdk.tables.iceberg.retry import commit_afresh
from lakehouse_sdk.tables.layout.filters import all_of, between, equals
from lakehouse_sdk.tables.layout.schemas import EVENT_ID, LEDGER_ID


def append_events(load: Callable[[], Table], ledger_id: str, rows: list[dict[str, object]]) -> int:
    """Append the rows whose ids the table does not have, in one commit; returns how many those were.

    A lost race and an unknown outcome are the same: load the table, look which ids it has, append the others.

    Args:
        load: Loads the table as it is now, creating it where needed.
        ledger_id: Which ledger the ids are of.
        rows: Values by column name; `event_id` is among them.

    Raises:
        TableError: Too many races were lost; nothing was appended.
    """

    def append(table: Table) -> int:
        arrow = pa.Table.from_pylist(rows, schema=schema_to_pyarrow(table.schema(), include_field_ids=False))
        fresh = arrow.filter(pc.invert(pc.is_in(arrow[EVENT_ID], value_set=_find_ids(table, ledger_id, arrow))))
        if fresh.num_rows:
            table.append(fresh)
        return int(fresh.num_rows)

    return commit_afresh(load, append)


def _find_ids(table: Table, ledger_id: str, rows: pa.Table) -> pa.Array:
    """Ids among those of `rows` that the table has; reads the files that can hold them."""
    if table.current_snapshot() is None:
        return pa.array([], pa.int64())
    bounds = pc.min_max(rows[EVENT_ID])
    ids = between(EVENT_ID, bounds["min"].as_py(), bounds["max"].as_py())
    found = table.scan(all_of([equals(LEDGER_ID, ledger_id), ids]), selected_fields=(EVENT_ID,)).to_arrow()
    return found[EVENT_ID].combine_chunks()
