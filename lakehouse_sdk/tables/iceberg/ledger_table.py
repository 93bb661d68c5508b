"""Tables that only grow: rows with an id each, appended once whatever is repeated or races."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table
from sqlalchemy.exc import OperationalError

from lakehouse_sdk.errors import TableError
from lakehouse_sdk.tables.iceberg.commit import MAX_ATTEMPTS
from lakehouse_sdk.tables.layout.filters import all_of, between, equals
from lakehouse_sdk.tables.layout.schemas import EVENT_ID, LEDGER_ID

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0


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
    for attempt in range(1, MAX_ATTEMPTS + 1):
        table = load()
        arrow = pa.Table.from_pylist(rows, schema=schema_to_pyarrow(table.schema(), include_field_ids=False))
        fresh = arrow.filter(pc.invert(pc.is_in(arrow[EVENT_ID], value_set=_find_ids(table, ledger_id, arrow))))
        if not fresh.num_rows:
            return 0
        try:
            table.append(fresh)
        except (CommitFailedException, CommitStateUnknownException, OperationalError) as error:
            if attempt == MAX_ATTEMPTS:
                raise TableError(
                    f"The ledger's table could not be written in {attempt} attempts: {type(error).__name__}.",
                    hint="Others write to it all the time, or the catalogue is locked; the next run appends what is missing.",
                ) from error
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt)))  # noqa: S311 - spreads writers
        else:
            return int(fresh.num_rows)
    raise AssertionError


def _find_ids(table: Table, ledger_id: str, rows: pa.Table) -> pa.Array:
    """Ids among those of `rows` that the table has; reads the files that can hold them."""
    if table.current_snapshot() is None:
        return pa.array([], pa.int64())
    bounds = pc.min_max(rows[EVENT_ID])
    ids = between(EVENT_ID, bounds["min"].as_py(), bounds["max"].as_py())
    found = table.scan(all_of([equals(LEDGER_ID, ledger_id), ids]), selected_fields=(EVENT_ID,)).to_arrow()
    return found[EVENT_ID].combine_chunks()
