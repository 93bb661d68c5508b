"""Many small files read as one sorted stream of rows, however many there are; memory holds a batch of each.

Each file is sorted by itself, as a build leaves it. Rows up to the smallest last key among the batches at hand can be handed
on: no file has an earlier one left. A file that turns out not to be sorted is read as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema

from lakehouse_sdk.tables.layout.schemas import SOURCE_KEY, SOURCE_SHA256

_FIELD_ID = b"PARQUET:field_id"
_REPEATED = (SOURCE_KEY, SOURCE_SHA256)
"""Long texts that many rows share; as dictionaries they take next to no memory."""
_LEAST_BATCH_ROWS = 4096

Key = tuple[Any, ...]


def merge_files(
    io: FileIO, files: Sequence[DataFile], schema: Schema, order: Sequence[str], rows_at_once: int
) -> Iterator[pa.Table]:
    """All rows of the files in the table's order, lineage included, in tables of about `rows_at_once` rows or fewer.

    Args:
        io: Reads the files.
        files: Data files of one partition, without delete files.
        schema: The table's; columns that a file does not have are null.
        order: Columns to sort by.
        rows_at_once: Rows held at once, of all files together.
    """
    key = _leading_required(schema, order)
    batch_rows = max(_LEAST_BATCH_ROWS, rows_at_once // max(len(files), 1))
    runs = [_Run(_read_run(io, file, schema, key, batch_rows)) for file in files]
    for run in runs:
        run.fetch()
    while runs:
        open_runs = [run for run in runs if not run.ended]
        if not open_runs:
            yield from _emit([run.take_all() for run in runs], order)
            return
        limit = min(_last_key(run.rows, key) for run in open_runs)
        yield from _emit([run.take_before(key, limit) for run in runs], order)
        for run in open_runs:
            if _last_key(run.rows, key) == limit:
                run.fetch()
        runs = [run for run in runs if run.rows.num_rows or not run.ended]


@dataclass(slots=True)
class _Run:
    """One file: rows that wait, and whether more will come."""

    batches: Iterator[pa.Table]
    rows: pa.Table = field(default_factory=lambda: pa.table({}))
    ended: bool = False

    def fetch(self) -> None:
        """Add the next batch to the rows that wait."""
        batch = next(self.batches, None)
        if batch is None:
            self.ended = True
        else:
            self.rows = pa.concat_tables([self.rows, batch]) if self.rows.num_rows else batch

    def take_all(self) -> pa.Table:
        """Every row that waits."""
        taken, self.rows = self.rows, self.rows.slice(0, 0)
        return taken

    def take_before(self, key: Sequence[str], limit: Key) -> pa.Table:
        """The rows that wait and come before `limit`."""
        if not self.rows.num_rows:
            return self.rows
        count = pc.sum(_is_before(self.rows, key, limit)).as_py()
        taken, self.rows = self.rows.slice(0, count), self.rows.slice(count)
        return taken


def read_batches(
    io: FileIO, file: DataFile, schema: Schema, batch_rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Rows of one file with the columns of the table as they are called today, found by their field ids."""
    wanted = [f for f in schema.fields if columns is None or f.name in columns]
    repeated = [f.name for f in schema.fields if f.name in _REPEATED]  # saved views are not of archives and have neither
    with io.new_input(file.file_path).open() as stream:
        parquet = pq.ParquetFile(stream, read_dictionary=repeated)
        stored = parquet.schema_arrow
        by_id = {int(f.metadata[_FIELD_ID]): f.name for f in stored if f.metadata and _FIELD_ID in f.metadata}
        names = {f.name: by_id.get(f.field_id, f.name if not by_id else None) for f in wanted}
        present = [name for name in names.values() if name is not None and name in stored.names]
        for batch in parquet.iter_batches(batch_rows, columns=present):
            rows = pa.Table.from_batches([batch])
            yield pa.table({new: rows[old] for new, old in names.items() if old in present})


def digest_rows(rows: pa.Table) -> int:
    """A number that does not depend on the order of the rows: the sum of their hashes."""
    plain = rows.select(sorted(rows.column_names))
    plain = plain.cast(pa.schema([_undictionary(f) for f in plain.schema]))
    frame = pl.DataFrame(pl.from_arrow(plain))
    return sum(frame.hash_rows(seed=7).to_list())


def _read_run(io: FileIO, file: DataFile, schema: Schema, key: Sequence[str], batch_rows: int) -> Iterator[pa.Table]:
    """Batches of a file; one that holds everything, sorted, where the file is not sorted."""
    keys = list(read_batches(io, file, schema, batch_rows, key))
    if not keys or _is_sorted(pa.concat_tables(keys), key):
        yield from read_batches(io, file, schema, batch_rows)
    else:
        rows = pa.concat_tables(read_batches(io, file, schema, batch_rows)).unify_dictionaries()
        yield rows.sort_by([(name, "ascending") for name in key])


def _emit(parts: list[pa.Table], order: Sequence[str]) -> Iterator[pa.Table]:
    filled = [part for part in parts if part.num_rows]
    if filled:
        rows = pa.concat_tables(filled, promote_options="default").unify_dictionaries()
        yield rows.sort_by([(name, "ascending") for name in order if name in rows.column_names])


def _leading_required(schema: Schema, order: Sequence[str]) -> tuple[str, ...]:
    """The columns of the order up to the first that may be null: what can be compared."""
    leading: list[str] = []
    for name in order:
        if not schema.find_field(name).required:
            break
        leading.append(name)
    return tuple(leading)


def _last_key(rows: pa.Table, key: Sequence[str]) -> Key:
    return tuple(_comparable(rows[name])[-1].as_py() for name in key)


def _is_before(rows: pa.Table, key: Sequence[str], limit: Key) -> pa.ChunkedArray:
    """True where the key of a row is smaller."""
    before = pa.chunked_array([pa.array([False] * rows.num_rows)])
    for name, value in reversed(list(zip(key, limit, strict=True))):
        column = _comparable(rows[name])
        before = pc.or_(pc.less(column, value), pc.and_(pc.equal(column, value), before))
    return before


def _is_sorted(rows: pa.Table, key: Sequence[str]) -> bool:
    if rows.num_rows < 2:
        return True
    columns = [_comparable(rows[name]) for name in key]
    descends = reduce(
        lambda rest, column: pc.or_(pc.greater(column[:-1], column[1:]), pc.and_(pc.equal(column[:-1], column[1:]), rest)),
        reversed(columns),
        pa.chunked_array([pa.array([False] * (rows.num_rows - 1))]),
    )
    return not pc.any(descends).as_py()


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as integers, which are exact as Python values."""
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def _undictionary(column: pa.Field) -> pa.Field:
    return column.with_type(column.type.value_type) if pa.types.is_dictionary(column.type) else column
