"""One table as it is now: its columns, snapshots, and the scans that read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyiceberg.exceptions import NoSuchTableError

from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.tables.iceberg.refusals import storage_errors
from lakehouse_sdk.tables.layout.filters import one_of
from lakehouse_sdk.tables.layout.schemas import HIDDEN_COLUMNS, LAYOUTS, QUALITY, ROW_TIME
from lakehouse_sdk.tables.layout.symbols import Spellings, match_symbols
from lakehouse_sdk.tables.read.columns import ColumnInfo
from lakehouse_sdk.tables.read.description import TableDescription
from lakehouse_sdk.tables.read.scan import TableScan, build_scan
from lakehouse_sdk.tables.read.series import find_spellings

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

    from lakehouse_sdk.tables.iceberg.care.restore import RestoreReport

AsOf = int | str | datetime
"""A snapshot id, the name of a tag, or an aware datetime."""


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
        names: Tags and branches that point at it.
    """

    snapshot_id: int
    committed_at: datetime
    operation: str
    row_count: int
    file_count: int
    size_bytes: int
    names: tuple[str, ...] = ()


Describe = Callable[["Table", "IcebergTable"], TableDescription]
"""What describes a table: it joins the books and the views, which lie above it."""


class Table:
    """A table as it was when it was loaded; take it from the catalogue again to see later commits."""

    def __init__(self, name: str, table: IcebergTable, describe: Describe) -> None:
        self._table = table
        self._describe = describe
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
    def row_time(self) -> str | None:
        """The column that places a row in time; None where the table has none that is known."""
        layout = LAYOUTS.get(self.name)
        return self._table.properties.get(ROW_TIME) if layout is None else layout.row_time

    @property
    def row_count(self) -> int:
        """Rows in the table, from its metadata."""
        snapshot = self._table.current_snapshot()
        return 0 if snapshot is None else _info(snapshot).row_count

    def snapshots(self) -> list[SnapshotInfo]:
        """Every state that can still be read, oldest first, with its tags and branches."""
        names: dict[int, list[str]] = defaultdict(list)
        for name, ref in sorted(self._table.refs().items()):
            names[ref.snapshot_id].append(name)
        ordered = sorted(self._table.snapshots(), key=lambda s: (s.timestamp_ms, s.sequence_number))
        return [replace(_info(snapshot), names=tuple(names[snapshot.snapshot_id])) for snapshot in ordered]

    def tag(self, tag: str, snapshot_id: int | None = None) -> int:
        """Give a state a name, which keeps it from expiring; nothing changes where it has the name already.

        `snapshots()` of a table that is loaded after this shows it.

        Args:
            tag: Letters, digits, `.`, `_`, `-`; begins with a letter.
            snapshot_id: Which state; default: the one that this table was loaded with.

        Returns:
            The snapshot that has the tag.

        Raises:
            UsageError: No possible name.
            NotFoundError: There is no such snapshot, or none yet.
            ConflictError: The name belongs to another snapshot or to a branch.
        """
        from lakehouse_sdk.tables.iceberg.care.tags import add_tag  # noqa: PLC0415 (who only reads needs none of it)

        with storage_errors(self._table.io.properties):
            return add_tag(self._reload, self.name, tag, self.snapshot_id if snapshot_id is None else snapshot_id)

    def untag(self, tag: str) -> int:
        """Take a name away; its state stays until it expires. Returns the snapshot that had it.

        Raises:
            NotFoundError: The table has no such tag; lists those that it has.
        """
        from lakehouse_sdk.tables.iceberg.care.tags import remove_tag  # noqa: PLC0415

        with storage_errors(self._table.io.properties):
            return remove_tag(self._reload, self.name, tag)

    def restore(self, as_of: AsOf) -> RestoreReport:
        """Make an older state the current one again, in one commit; nothing is lost: the newer states stay until they expire.

        Rows that later commits brought are not seen any more. The ledger still calls their archives published, so that building
        them again takes `rebuild=True`. `snapshots()` of a table that is loaded after this shows it.

        Args:
            as_of: A snapshot id, a tag's name, or an aware datetime: the state as it was then.

        Raises:
            NotFoundError: There is no such state.
            UsageError: The datetime is naive.
            TableError: Too many races against other writers were lost; nothing was changed.
        """
        from lakehouse_sdk.tables.iceberg.care.restore import restore_snapshot  # noqa: PLC0415 (who only reads needs none of it)

        with storage_errors(self._table.io.properties):
            return restore_snapshot(self._reload, self.name, self.find_snapshot(as_of))

    def describe(self) -> TableDescription:
        """What the table is and holds: columns, series with their spans and quality, freshness, sample, where rows come from.

        Reads the books (`silver.quality`, `silver.quality_days`), metadata, and of the data a few rows.

        Raises:
            ConnectError, AccessError, StorageError: The storage cannot be read.
        """
        with storage_errors(self._table.io.properties):
            return self._describe(self, self._table)

    def _find_spellings(self, canonical: Sequence[str]) -> Spellings:
        """What canonical symbols stand for in this table, as the book of archives says."""
        with suppress(NoSuchTableError):
            return find_spellings(self._table.catalog.load_table(QUALITY), self.name, canonical) if canonical else {}
        return {}

    def _reload(self) -> IcebergTable:
        """The same table as it is now."""
        return self._table.catalog.load_table(self._table.name())

    def scan(
        self,
        symbols: str | Sequence[str] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        columns: Sequence[str] | None = None,
        interval: str | None = None,
        market: str | None = None,
        source: str | None = None,
        as_of: AsOf | None = None,
        *,
        exact: bool = False,
    ) -> TableScan:
        """Describe a read; nothing is read before one of its `to_…` methods is called.

        Args:
            symbols: One or more symbols, as the publisher spells them (`BTCUSDT`, on every market that has it) or as ccxt does
                (`BTC/USDT:USDT`, from every source that has it); None for all.
            start: First instant, inclusive; an aware datetime, or ISO text, which without a zone is UTC.
            end: First instant that is left out; as `start`.
            columns: Names in the order wanted; default: all but the lineage columns, which begin with `_`.
            interval: Bar length, where the table has several.
            market: `spot`, `um`, …; None for all.
            source: Publisher; None for all.
            as_of: A snapshot id, a tag's name, or an aware datetime: the table as it was then.
            exact: True to get the decimals of a table that holds them; otherwise numbers are float64 in every frame.

        Raises:
            UsageError: A column does not exist, or a time is naive.
            NotFoundError: The table holds no row of a symbol, or had no snapshot yet.
        """
        snapshot_id = self.find_snapshot(as_of)

        def match(wanted: tuple[str, ...]) -> BooleanExpression:
            return match_symbols(self._table, self.name, wanted, snapshot_id, self._find_spellings)

        equal = {"interval": interval, "market": market, "source": source}
        return self._build(match, equal, symbols, start, end, columns, snapshot_id, exact=exact)

    def scan_series(
        self,
        *,
        source: str,
        market: str,
        symbols: Sequence[str],
        interval: str | None,
        start: datetime,
        end: datetime,
        columns: Sequence[str] | None,
    ) -> TableScan:
        """As `scan`, for native symbols that are known to exist: one that has no row here is no error."""
        equal = {"interval": interval, "market": market, "source": source}
        return self._build(lambda wanted: one_of("symbol", wanted), equal, symbols, start, end, columns, self.snapshot_id)

    def native_symbols(self, symbols: str | Sequence[str], *, source: str, market: str) -> tuple[str, ...]:
        """The symbols as this publisher spells them on this market, whether they are given so or as ccxt writes them.

        Raises:
            NotFoundError: The table has a symbol on other markets only.
        """
        wanted = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        spellings = self._find_spellings([symbol for symbol in wanted if "/" in symbol])
        found: dict[str, None] = {}
        for symbol in wanted:
            natives = [native for *place, native in spellings.get(symbol, ()) if place == [source, market]]
            if symbol in spellings and not natives:
                places = ", ".join(" ".join(series) for series in spellings[symbol])
                raise NotFoundError(f"{self.name} has no {symbol!r} of {source} {market}.", hint=f"It has it as: {places}.")
            found |= dict.fromkeys(natives or [symbol])
        return tuple(found)

    def _build(
        self,
        match: Callable[[tuple[str, ...]], BooleanExpression],
        equal: Mapping[str, str | None],
        symbols: str | Sequence[str] | None,
        start: datetime | str | None,
        end: datetime | str | None,
        columns: Sequence[str] | None,
        snapshot_id: int | None,
        *,
        exact: bool = False,
    ) -> TableScan:
        return build_scan(
            self._table,
            self.name,
            row_time=self.row_time,
            order=self._order(),
            hidden=self._table.properties.get(HIDDEN_COLUMNS, "").split(","),
            equal=equal,
            symbols=symbols,
            start=start,
            end=end,
            columns=columns,
            snapshot_id=snapshot_id,
            match=match,
            exact=exact,
        )

    def _order(self) -> tuple[str, ...]:
        schema = self._table.schema()
        return tuple(schema.find_column_name(field.source_id) or "" for field in self._table.sort_order().fields)

    def find_snapshot(self, as_of: AsOf | None) -> int | None:
        """The snapshot that a state means; the current one for None.

        Raises:
            NotFoundError: There is no such state.
            UsageError: The datetime is naive.
        """
        if as_of is None:
            return self.snapshot_id
        if isinstance(as_of, str):
            tagged = self._table.snapshot_by_name(as_of)
            if tagged is None:
                known = ", ".join(sorted(self._table.refs())) or "none"
                raise NotFoundError(f"{self.name} has no tag {as_of!r}.", hint=f"There are: {known}. A time needs a datetime.")
            return tagged.snapshot_id
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
