"""One table as it is now: its columns, snapshots, and the scans that read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.tables.scan import TableScan, build_scan
from lakehouse_sdk.tables.schemas import HIDDEN_COLUMNS, LAYOUTS, ROW_TIME

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column of a table.

    Attributes:
        name: Its name.
        type: Its Iceberg type, for example `double` or `timestamptz`.
        required: True where it is never null.
        doc: What it means.
    """

    name: str
    type: str
    required: bool
    doc: str


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """One state of a table; every commit makes at least one.

    Attributes:
        snapshot_id: Its id; `scan(as_of=…)` takes it.
        committed_at: When it was committed, UTC.
        operation: `append`, `overwrite` or `delete`.
        row_count: Rows in the whole table then.
        file_count: Data files then.
        size_bytes: Bytes of those files.
    """

    snapshot_id: int
    committed_at: datetime
    operation: str
    row_count: int
    file_count: int
    size_bytes: int


class Table:
    """A table as it was when it was loaded; take it from the catalogue again to see later commits."""

    def __init__(self, name: str, table: IcebergTable) -> None:
        self._table = table
        self.name = name

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {format_count(self.row_count)} rows, snapshot {self.snapshot_id})"

    @property
    def location(self) -> str:
        """Where its files rest, `s3://…`."""
        return self._table.location()

    @property
    def metadata_location(self) -> str:
        """The metadata file of this state, for clients that are given one instead of a catalogue."""
        return self._table.metadata_location

    @property
    def columns(self) -> list[ColumnInfo]:
        """Its columns in order."""
        return [ColumnInfo(f.name, str(f.field_type), f.required, f.doc or "") for f in self._table.schema().fields]

    @property
    def properties(self) -> dict[str, str]:
        """Iceberg's table properties; `lakehouse.terms.<source>` says where a source states the terms of its data."""
        return dict(self._table.properties)

    @property
    def snapshot_id(self) -> int | None:
        """The snapshot that scans read by default; None where no row was ever committed."""
        snapshot = self._table.current_snapshot()
        return None if snapshot is None else snapshot.snapshot_id

    @property
    def row_count(self) -> int:
        """Rows in the table, from its metadata."""
        snapshot = self._table.current_snapshot()
        return 0 if snapshot is None else _info(snapshot).row_count

    def snapshots(self) -> list[SnapshotInfo]:
        """Every state that can still be read, oldest first."""
        return [
            _info(snapshot) for snapshot in sorted(self._table.snapshots(), key=lambda s: (s.timestamp_ms, s.sequence_number))
        ]

    def scan(
        self,
        symbols: str | Sequence[str] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        columns: Sequence[str] | None = None,
        interval: str | None = None,
        market: str | None = None,
        as_of: int | datetime | None = None,
        source: str | None = None,
    ) -> TableScan:
        """Describe a read; nothing is read before one of its `to_…` methods is called.

        Args:
            symbols: One or more symbols as the publisher spells them; None for all.
            start: First instant, inclusive; an aware datetime, or ISO text, which without a zone is UTC.
            end: First instant that is left out; as `start`.
            columns: Names in the order wanted; default: all but the lineage columns, which begin with `_`.
            interval: Bar length, where the table has several.
            market: `spot`, `um`, …; None for all.
            as_of: A snapshot id, or an aware datetime: the table as it was then.
            source: Publisher; None for all.

        Raises:
            UsageError: A column does not exist, or a time is naive.
            NotFoundError: The table holds no row of a symbol, or had no snapshot yet.
        """
        return build_scan(
            self._table,
            self.name,
            default_columns=self._default_columns(),
            row_time=self._row_time(),
            order=self._order(),
            equal={"interval": interval, "market": market, "source": source},
            symbols=symbols,
            start=start,
            end=end,
            columns=columns,
            snapshot_id=self._find_snapshot(as_of),
        )

    def _default_columns(self) -> tuple[str, ...]:
        hidden = set(self._table.properties.get(HIDDEN_COLUMNS, "").split(","))
        return tuple(field.name for field in self._table.schema().fields if field.name not in hidden)

    def _row_time(self) -> str | None:
        layout = LAYOUTS.get(self.name)
        return self._table.properties.get(ROW_TIME) if layout is None else layout.row_time

    def _order(self) -> tuple[str, ...]:
        schema = self._table.schema()
        return tuple(schema.find_column_name(field.source_id) or "" for field in self._table.sort_order().fields)

    def _find_snapshot(self, as_of: int | datetime | None) -> int | None:
        if as_of is None:
            return self.snapshot_id
        if isinstance(as_of, int):
            if self._table.snapshot_by_id(as_of) is None:
                known = ", ".join(str(snapshot.snapshot_id) for snapshot in self.snapshots()[-5:])
                raise NotFoundError(f"{self.name} has no snapshot {as_of}.", hint=f"The latest are: {known or 'none'}.")
            return as_of
        if as_of.tzinfo is None:
            raise UsageError(f"as_of={as_of} has no time zone.", hint="Give an aware datetime, for example with tzinfo=UTC.")
        snapshot = self._table.snapshot_as_of_timestamp(int(as_of.timestamp() * 1000))
        if snapshot is None:
            first = self.snapshots()[:1]
            since = f"The first is of {first[0].committed_at.isoformat()}." if first else "It never had one."
            raise NotFoundError(f"{self.name} had no snapshot at {as_of.isoformat()}.", hint=since)
        return snapshot.snapshot_id

    def _repr_html_(self) -> str:
        info = None if (snapshot := self._table.current_snapshot()) is None else _info(snapshot)
        facts = {
            "rows": format_count(self.row_count),
            "files": format_count(info.file_count if info else 0),
            "size": format_bytes(info.size_bytes if info else 0),
            "snapshot": str(self.snapshot_id or "none"),
            "committed": info.committed_at.strftime("%Y-%m-%d %H:%M:%S UTC") if info else "never",
        }
        rows = [(c.name, c.type, "" if c.required else "may be null", c.doc) for c in self.columns]
        return html_card(self.name, facts, html_table(rows, ["column", "type", "", "meaning"]))


def _info(snapshot: IcebergSnapshot) -> SnapshotInfo:
    summary = snapshot.summary

    def total(name: str) -> int:
        return int((summary[name] if summary is not None else None) or 0)

    return SnapshotInfo(
        snapshot_id=snapshot.snapshot_id,
        committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        operation="" if summary is None else summary.operation.value,
        row_count=total("total-records"),
        file_count=total("total-data-files"),
        size_bytes=total("total-files-size"),
    )
