"""Files of one partition written anew: the same rows, sorted, in fewer files, and proved to be the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from lakehouse_sdk.errors import TableError
from lakehouse_sdk.tables.iceberg.care.merge import digest_rows, merge_files, read_batches
from lakehouse_sdk.tables.iceberg.datafiles import (
    ROW_GROUP_ROWS,
    conform_rows,
    describe_file,
    new_data_path,
    open_parquet,
    write_row_groups,
)

MERGE_ROWS = 1_000_000
"""Rows held at once while files are merged."""


def rewrite(
    table: Table,
    partition: tuple[Any, ...],
    files: Sequence[DataFile],
    outputs: int,
    change: Callable[[pa.Table], pa.Table] = lambda rows: rows,
) -> list[DataFile]:
    """New files with exactly the rows of these files of one partition; nobody sees them yet.

    Args:
        table: The table.
        partition: Its partition.
        files: Files of it.
        outputs: How many files their rows make.
        change: What is done to the rows, in tables of up to a million; their number and order stay.

    Raises:
        TableError: What was written is not what was read; the new files are removed again.
    """
    schema = table.schema()
    order = [schema.find_column_name(field.source_id) or "" for field in table.sort_order().fields]
    row_count = sum(file.record_count for file in files)
    source = _Sum()
    writer = _Writer(table, partition, max(ceil(row_count / outputs), 1))
    try:
        for rows in merge_files(table.io, files, schema, order, MERGE_ROWS):
            conformed = conform_rows(change(rows), schema, None)
            source.add(conformed)
            writer.write(conformed)
        written = writer.finish()
        _check_same(table, written, source, row_count)
    except BaseException:
        writer.discard()
        raise
    return written


def _check_same(table: Table, written: Sequence[DataFile], source: _Sum, row_count: int) -> None:
    """Read the new files back: they hold the rows of the old ones."""
    target = _Sum()
    for file in written:
        for batch in read_batches(table.io, file, table.schema(), ROW_GROUP_ROWS):
            target.add(conform_rows(batch, table.schema(), None))
    if source != target or source.rows != row_count:
        raise TableError(
            f"Rewritten rows of {'.'.join(table.name())} are not those that were read; nothing was changed.",
            hint="Report this; the table is as it was.",
        )


@dataclass(slots=True)
class _Sum:
    """Count and hash of rows, whatever their order."""

    rows: int = 0
    digest: int = 0

    def add(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self.digest = (self.digest + digest_rows(rows)) % 2**64


class _Writer:
    """Writes rows, which come in order, into files of a number of rows each."""

    def __init__(self, table: Table, partition: tuple[Any, ...], rows_each: int) -> None:
        self._table = table
        self._partition = partition
        self._rows_each = rows_each
        self._waiting: list[pa.Table] = []
        self._open: tuple[str, Any, Any] | None = None
        self._rows_in_file = 0
        self._done: list[DataFile] = []
        self._paths: list[str] = []

    def write(self, rows: pa.Table) -> None:
        """Take rows; they are written as soon as they fill a row group or the file."""
        while rows.num_rows:
            taken = rows.slice(0, self._rows_each - self._rows_in_file)
            rows = rows.slice(taken.num_rows)
            self._waiting.append(taken)
            self._rows_in_file += taken.num_rows
            if self._rows_in_file == self._rows_each:
                self._close()
            elif sum(waiting.num_rows for waiting in self._waiting) >= ROW_GROUP_ROWS:
                self._flush()

    def finish(self) -> list[DataFile]:
        """The files."""
        if self._rows_in_file:
            self._close()
        return self._done

    def discard(self) -> None:
        """Remove what was written."""
        if self._open is not None:
            _, stream, _ = self._open
            with suppress(Exception):
                stream.close()
        with suppress(OSError):
            for path in self._paths:
                self._table.io.delete(path)

    def _flush(self) -> None:
        rows = pa.concat_tables(self._waiting).unify_dictionaries()
        self._waiting.clear()
        if self._open is None:
            path = new_data_path(self._table, self._partition)
            self._paths.append(path)
            stream = self._table.io.new_output(path).create()
            self._open = (path, stream, open_parquet(stream, rows.schema))
        write_row_groups(self._open[2], rows)

    def _close(self) -> None:
        self._flush()
        assert self._open is not None  # noqa: S101 (flushing opens it)
        path, stream, writer = self._open
        writer.close()
        size = stream.tell()
        stream.close()
        self._done.append(describe_file(self._table, path, self._partition, writer.writer.metadata, size))
        self._open, self._rows_in_file = None, 0
