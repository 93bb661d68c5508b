"""An older state of a table, made the current one again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.display import format_count, html_card
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.tables.iceberg.retry import commit_afresh

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What restoring did.

    Attributes:
        table: Full name.
        snapshot_before: The state that was current.
        snapshot_after: The state that is current now.
        rows_before: Rows of the table before.
        rows_after: Rows of the table now.
    """

    table: str
    snapshot_before: int
    snapshot_after: int
    rows_before: int
    rows_after: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        facts = {
            "rows before": format_count(self.rows_before),
            "rows now": format_count(self.rows_after),
            "snapshot before": str(self.snapshot_before),
            "snapshot now": str(self.snapshot_after),
        }
        return html_card(f"{self.table} restored", facts)


def restore_snapshot(load: Callable[[], IcebergTable], name: str, snapshot_id: int | None) -> RestoreReport:
    """Make a snapshot the current one; nothing changes where it is.

    Args:
        load: Loads the table as it is now.
        name: The table's name.
        snapshot_id: The snapshot.

    Raises:
        NotFoundError: It has expired meanwhile, or the table never had one.
        TableError: Too many races were lost; nothing was changed.
    """

    def change(table: IcebergTable) -> RestoreReport:
        current = table.current_snapshot()
        if current is None or snapshot_id is None or table.snapshot_by_id(snapshot_id) is None:
            raise NotFoundError(f"{name} has no such state.", hint=f'`lake.table("{name}").snapshots()` lists what there is.')
        if current.snapshot_id != snapshot_id:
            table.manage_snapshots().set_current_snapshot(snapshot_id=snapshot_id).commit()
        return RestoreReport(
            name, current.snapshot_id, snapshot_id, *(_rows(table, at) for at in (current.snapshot_id, snapshot_id))
        )

    return commit_afresh(load, change)


def _rows(table: IcebergTable, snapshot_id: int) -> int:
    snapshot = table.snapshot_by_id(snapshot_id)
    summary = None if snapshot is None else snapshot.summary
    return int((summary["total-records"] if summary is not None else None) or 0)
