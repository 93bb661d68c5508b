"""Tables of an older release: brought to the columns of this one before rows are written."""

from __future__ import annotations

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from lakehouse_sdk.errors import TableError
from lakehouse_sdk.tables.layout.schemas import TableLayout

_ATTEMPTS = 10


def evolve(table: Table, layout: TableLayout) -> Table:
    """The table with every column of the layout, and nulls allowed wherever the layout allows them.

    Columns are only added, at the end, and only ever relaxed: what is stored stays as it is, and older readers go on. Without
    this a column that the table does not know would be left out of every row, without a word.

    Raises:
        TableError: Others changed the table again and again; nothing was changed here.
    """
    for _ in range(_ATTEMPTS):
        if not _differs(table.schema(), layout.schema):
            return table
        try:
            with table.update_schema() as update:
                update.union_by_name(layout.schema)
        except CommitFailedException:  # another writer was quicker, perhaps with the same change
            table.refresh()
    raise TableError(f"The columns of {layout.name} could not be brought up to date.", hint="Run the same call again.")


def _differs(stored: Schema, wanted: Schema) -> bool:
    known = {field.name: field for field in stored.fields}
    return any(field.name not in known or (known[field.name].required and not field.required) for field in wanted.fields)
