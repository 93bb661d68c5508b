"""Reading a table: described first, pruned by Iceberg, then handed to the library of the reader's choice."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pyarrow as pa
from polars import selectors

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.extras import needs_extra
from lakehouse_sdk.instants import to_instant
from lakehouse_sdk.tables.iceberg.refusals import storage_errors
from lakehouse_sdk.tables.layout.decimals import to_floats
from lakehouse_sdk.tables.layout.filters import all_of, equals, within
from lakehouse_sdk.tables.read.dataset import count_row_groups, open_dataset

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow.dataset as ds
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import DataScan
    from pyiceberg.table import Table as IcebergTable


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a scan would read.

    Attributes:
        files: Data files that can hold matching rows.
        files_in_table: Data files of the snapshot.
        size_bytes: Bytes of `files`; a scan reads the selected columns of them.
        row_count: Rows in `files`, an upper bound for the result.
        row_groups: Row groups of `files` that can hold matching rows: only these are read. None where no footer was.
        row_groups_in_files: Row groups of `files`.
        rows_in_row_groups: Rows in `row_groups`, a closer upper bound.
    """

    files: int
    files_in_table: int
    size_bytes: int
    row_count: int
    row_groups: int | None = None
    row_groups_in_files: int | None = None
    rows_in_row_groups: int | None = None


@dataclass(frozen=True)
class TableScan:
    """A read of one table at one snapshot; each `to_…` reads anew and gives the same rows.

    Rows come in the table's order: symbol, then time.

    Attributes:
        table: Full name of the table.
        columns: Columns of the result, in order.
        symbols: Symbols it is limited to, as they were asked for; None for all.
        start: First instant, inclusive; None from the beginning.
        end: First instant that is left out; None to the end.
        snapshot_id: The state that is read; None for a table without rows.
    """

    table: str
    columns: tuple[str, ...]
    symbols: tuple[str, ...] | None
    start: datetime | None
    end: datetime | None
    snapshot_id: int | None
    _order: tuple[str, ...] = field(repr=False)
    _row_time: str | None = field(repr=False)
    _where: tuple[BooleanExpression, ...] = field(repr=False)
    _source: IcebergTable = field(repr=False)
    _exact: bool = field(repr=False)

    def during(self, start: datetime, end: datetime) -> TableScan:
        """The same read of another time, aware and half-open; nothing is checked again."""
        return replace(self, start=start, end=end)

    def extent(self) -> tuple[datetime, datetime] | None:
        """The first and the last time that a row can have, from metadata alone; None where no file can hold one.

        Within the bounds of the scan; rows of other symbols in the same files may make it too wide, never too narrow.
        """
        field_id = self._source.schema().find_field(self._row_time or "").field_id
        with storage_errors(self._source.io.properties):
            files = [task.file for task in self._scan(self.columns).plan_files()]
        lows = [_to_time(file.lower_bounds[field_id]) for file in files if file.record_count]
        highs = [_to_time(file.upper_bounds[field_id]) for file in files if file.record_count]
        if not lows:
            return None
        return max(min(lows), self.start or min(lows)), min(max(highs), self.end or max(highs))

    def partitions(self, column: str) -> list[str]:
        """The values of a column that cuts the table into partitions, in the files that can hold matching rows, sorted."""
        field_id = self._source.schema().find_field(column).field_id
        with storage_errors(self._source.io.properties):
            files = [task.file for task in self._scan(self.columns).plan_files()]
        found: set[str] = set()
        for file in files:
            fields = self._source.specs()[file.spec_id].fields
            found.update(str(file.partition[i]) for i, part in enumerate(fields) if part.source_id == field_id)
        return sorted(found)

    def plan(self, *, row_groups: bool = False) -> ScanPlan:
        """What would be read, by metadata alone; no data file is opened.

        Args:
            row_groups: True to read the footers of the files as well, one small request each: a file of a month holds the rows
                of each symbol side by side, and who wants one of them reads its row groups only.
        """
        with storage_errors(self._source.io.properties):
            tasks = [task.file for task in self._scan(self.columns).plan_files()]
            whole = list(self._source.scan(snapshot_id=self.snapshot_id).plan_files())
            groups = count_row_groups(self._source, self._filter(), [task.file_path for task in tasks]) if row_groups else ()
        return ScanPlan(
            len(tasks),
            len(whole),
            sum(file.file_size_in_bytes for file in tasks),
            sum(file.record_count for file in tasks),
            *groups,
        )

    def count(self) -> int:
        """Number of rows; from metadata where a file matches as a whole."""
        with storage_errors(self._source.io.properties):
            return self._scan(self.columns).count()

    def head(self, rows: int = 10) -> pa.Table:
        """A few rows as an Arrow table: those that come to hand first, so that as little as possible is read."""
        return self._read(limit=rows)

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table, in memory; times are `timestamp[us, tz=UTC]`."""
        return self._read()

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a pandas frame with a plain index; times are aware UTC."""
        return cast("pd.DataFrame", self.to_arrow().to_pandas())

    def to_polars(self) -> pl.DataFrame:
        """All rows as a polars frame."""
        return cast("pl.DataFrame", pl.from_arrow(self.to_arrow()))

    def to_dataset(self) -> ds.Dataset:
        """The rows, with every column as it is stored, as an Arrow dataset, from which libraries read what they need."""
        with storage_errors(self._source.io.properties):
            return open_dataset(self._source, self._filter(), _past(self._source, self.snapshot_id))

    def to_batches(self) -> pa.RecordBatchReader:
        """All rows as a stream of Arrow batches, in bounded memory; file after file, so ordered only within a file."""
        with storage_errors(self._source.io.properties):
            reader = self.to_dataset().scanner(columns=list(self.columns)).to_reader()
        schema = reader.schema if self._exact else to_floats(reader.schema.empty_table()).schema
        return pa.RecordBatchReader.from_batches(schema, self._told(reader))

    def lazy(self) -> pl.LazyFrame:
        """The rows as a polars frame that is read when it is collected: only columns and files that the query needs.

        Polars' own filters are pushed down as well. The order of rows is that of the files; sort where it matters.
        """
        with storage_errors(self._source.io.properties):
            rows = pl.scan_pyarrow_dataset(self.to_dataset()).select(self.columns)
        return rows if self._exact else rows.with_columns(selectors.decimal().cast(pl.Float64))

    def to_duckdb(
        self, connection: duckdb.DuckDBPyConnection | None = None, *, name: str | None = None
    ) -> duckdb.DuckDBPyRelation:
        """All rows as a DuckDB relation, which is also a view that SQL on the same connection can name.

        Args:
            connection: Where the view is made; default: a new database in memory, which lives as long as the relation.
            name: Name of the view; default: the table's name without its namespace, for example `klines`.

        Raises:
            ConfigurationError: DuckDB is not installed.
        """
        with needs_extra():
            import duckdb  # noqa: PLC0415 - only for readers who use it
        view = name or self.table.rpartition(".")[2]
        target = connection if connection is not None else duckdb.connect()
        target.register(view, self.to_arrow())
        return target.view(view)

    @property
    def storage(self) -> Mapping[str, Any]:
        """Properties of the storage, which name its endpoint."""
        return self._source.io.properties

    def _told(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The batches, with the storage's errors as the SDK's."""
        with storage_errors(self._source.io.properties):
            for batch in reader:
                rows = pa.Table.from_batches([batch])
                yield from (rows if self._exact else to_floats(rows)).to_batches()

    def _read(self, limit: int | None = None) -> pa.Table:
        """Matching rows in order; the columns that order them are read too, and dropped again."""
        needed = tuple(dict.fromkeys((*self.columns, *self._order)))
        with storage_errors(self._source.io.properties):
            rows = self._scan(needed, limit).to_arrow()
        ordered = _sorted(rows, self._order).select(list(self.columns))
        return ordered if self._exact else to_floats(ordered)

    def _scan(self, columns: tuple[str, ...], limit: int | None = None) -> DataScan:
        return self._source.scan(self._filter(), columns, snapshot_id=_past(self._source, self.snapshot_id), limit=limit)

    def _filter(self) -> BooleanExpression:
        span = [within(self._row_time, self.start, self.end)] if self._row_time and (self.start or self.end) else []
        return all_of([*self._where, *span])


def build_scan(
    source: IcebergTable,
    name: str,
    *,
    row_time: str | None,
    order: tuple[str, ...],
    hidden: Collection[str],
    equal: Mapping[str, str | None],
    symbols: str | Sequence[str] | None,
    start: datetime | str | None,
    end: datetime | str | None,
    columns: Sequence[str] | None,
    snapshot_id: int | None,
    match: Callable[[tuple[str, ...]], BooleanExpression],
    exact: bool,
) -> TableScan:
    """A scan with every argument checked; see `Table.scan`."""
    known = tuple(field.name for field in source.scan(snapshot_id=_past(source, snapshot_id)).projection().fields)
    chosen = tuple(column for column in known if column not in hidden) if columns is None else tuple(columns)
    _check_columns(name, chosen, known)
    parts: list[BooleanExpression] = []
    for column, value in equal.items():
        if value is not None:
            _check_columns(name, (column,), known)
            parts.append(equals(column, value))
    wanted = (symbols,) if isinstance(symbols, str) else None if symbols is None else tuple(symbols)
    if wanted is not None:
        _check_columns(name, ("symbol",), known)
        with storage_errors(source.io.properties):
            parts.append(match(wanted))
    first, last = to_instant("start", start), to_instant("end", end)
    if first or last:
        _check_span(name, row_time, first, last)
    return TableScan(name, chosen, wanted, first, last, snapshot_id, order, row_time, tuple(parts), source, exact)


def _past(source: IcebergTable, snapshot_id: int | None) -> int | None:
    """The snapshot where it is not the newest: the newest is read with the table's columns of today, which may be more."""
    current = source.current_snapshot()
    return None if current is None or current.snapshot_id == snapshot_id else snapshot_id


def _check_span(name: str, row_time: str | None, start: datetime | None, end: datetime | None) -> None:
    if row_time is None:
        raise UsageError(f"{name} has no column that places its rows in time.", hint="Leave start and end out.")
    if start and end and start >= end:
        raise UsageError(f"start={start.isoformat()} is not before end={end.isoformat()}.", hint="The span is half-open.")


def _to_time(bound: bytes) -> datetime:
    """A bound of a column of times, as Iceberg keeps it: microseconds since the epoch, eight bytes, the smallest first."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int.from_bytes(bound, "little", signed=True))


def _check_columns(name: str, columns: Sequence[str], known: Sequence[str]) -> None:
    if not columns:
        raise UsageError("No column is selected.", hint="Leave columns out for all of them.")
    for column in columns:
        if column not in known:
            close = difflib.get_close_matches(column, known, 3, 0.5)
            guess = f"Did you mean {' or '.join(close)}? " if close else ""
            raise UsageError(f"{name} has no column {column!r}.", hint=f"{guess}It has: {', '.join(known)}.")


def _sorted(rows: pa.Table, order: tuple[str, ...]) -> pa.Table:
    """The rows in order; those that already are come back as they are."""
    if not order or rows.num_rows < 2:
        return rows
    keys = cast("pl.DataFrame", pl.from_arrow(rows.select(list(order))))
    if _is_ordered(keys, order):
        return rows
    positions = keys.with_row_index("_position").sort(order, maintain_order=True)["_position"]
    return rows.take(positions.to_arrow())


def _is_ordered(keys: pl.DataFrame, order: tuple[str, ...]) -> bool:
    """True where no row comes before the one ahead of it: one pass, a fraction of a sort."""
    in_order = pl.lit(value=True)
    for name in reversed(order):
        before, here = pl.col(name).shift(1), pl.col(name)
        in_order = (before < here) | ((before == here) & in_order)
    return bool(keys.select(in_order.slice(1).fill_null(value=False).all()).item())
