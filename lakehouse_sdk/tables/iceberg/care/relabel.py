"""Canonical names of rows, corrected in the tables: what a symbol stands for is known better today than when it was built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.tables.iceberg.care.merge import read_batches
from lakehouse_sdk.tables.iceberg.care.replacing import replace_files
from lakehouse_sdk.tables.iceberg.care.rewriting import rewrite
from lakehouse_sdk.tables.iceberg.datafiles import ROW_GROUP_ROWS
from lakehouse_sdk.tables.iceberg.retry import LoadTable
from lakehouse_sdk.tables.layout.schemas import INSTRUMENT

FindName = Callable[[str, str, str, datetime], str | None]
"""The canonical name of a source's market and symbol at a time; None where it has none."""
_PLACE = ("source", "market", "symbol")


@dataclass(frozen=True, slots=True)
class TableRelabelling:
    """What was corrected in one table, or would be.

    Attributes:
        table: Full name.
        files: Files that were written anew.
        rows: Rows whose name changed.
        names: What changed: `source market symbol: old → new`, sorted.
        left_alone: Files that others replaced each time; the next run takes them.
    """

    table: str
    files: int = 0
    rows: int = 0
    names: tuple[str, ...] = ()
    left_alone: int = 0


@dataclass(frozen=True, slots=True)
class RelabelReport:
    """What was corrected, or would be.

    Attributes:
        tables: One entry for each table with canonical names.
        dry_run: True where nothing was changed.
    """

    tables: tuple[TableRelabelling, ...]
    dry_run: bool

    @property
    def summary(self) -> str:
        """One line for a person."""
        rows, files = (sum(getattr(table, name) for table in self.tables) for name in ("rows", "files"))
        verb = "would get" if self.dry_run else "got"
        return f"{format_count(rows)} rows in {format_count(files)} files {verb} another canonical name"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = [(name, table.table) for table in self.tables for name in table.names]
        return html_card("Canonical names", {"": self.summary}, html_table(rows, ["name", "table"]))


def relabel_table(load: LoadTable, name: str, row_time: str, find_name: FindName, *, dry_run: bool) -> TableRelabelling:
    """Give each row the canonical name that its symbol has today; one commit for each file that changes.

    Killed, it leaves finished files and files that nobody sees; the same call does the rest.

    Args:
        load: Loads the table as it is now.
        name: Its name.
        row_time: Column that says when a row was.
        find_name: What a symbol stands for.
        dry_run: True to count only.

    Raises:
        TableError: Too many races were lost, or rewritten rows are not those that were read.
    """
    table = load()
    if INSTRUMENT not in table.schema().column_names:
        return TableRelabelling(name)
    files = rows = left_alone = 0
    names: set[str] = set()
    for planned in _data_files(table):
        wrong = _count_wrong(table, planned, row_time, find_name)
        if not wrong:
            continue
        names.update(wrong)
        if not dry_run and not _relabel_file(load, planned, row_time, find_name):
            left_alone += 1
            continue
        files, rows = files + 1, rows + sum(wrong.values())
    return TableRelabelling(name, files, rows, tuple(sorted(names)), left_alone)


def _data_files(table: Table) -> list[DataFile]:
    """Files that nothing was deleted from beside them, of today's partitions."""
    found = [task.file for task in table.scan().plan_files() if not task.delete_files]
    return sorted((file for file in found if file.spec_id == table.spec().spec_id), key=lambda file: file.file_path)


def _relabel_file(load: LoadTable, file: DataFile, row_time: str, find_name: FindName) -> bool:
    table = load()
    partition = tuple(file.partition[place] for place in range(len(table.spec().fields)))

    def change(rows: pa.Table) -> pa.Table:
        names = _wanted_names(rows, row_time, find_name)
        place = rows.schema.get_field_index(INSTRUMENT)
        column = names.to_arrow().cast(rows.schema.field(place).type)
        return rows.set_column(place, rows.schema.field(place), column)

    return replace_files(load, [file], rewrite(table, partition, [file], 1, change), Operation.OVERWRITE)


def _count_wrong(table: Table, file: DataFile, row_time: str, find_name: FindName) -> dict[str, int]:
    """Rows by what is wrong with their names."""
    found: dict[str, int] = {}
    columns = [*_PLACE, INSTRUMENT, row_time]
    for batch in read_batches(table.io, file, table.schema(), ROW_GROUP_ROWS, columns):
        frame = _to_frame(batch, row_time).with_columns(_wanted_names(batch, row_time, find_name).alias("_wanted"))
        wrong = frame.filter(pl.col(INSTRUMENT).ne_missing(pl.col("_wanted")))
        for *place, old, new, count in wrong.group_by(*_PLACE, INSTRUMENT, "_wanted").len().iter_rows():
            said = f"{' '.join(place)}: {old or 'none'} → {new or 'none'}"
            found[said] = found.get(said, 0) + count
    return found


def _to_frame(rows: pa.Table, row_time: str) -> pl.DataFrame:
    if INSTRUMENT not in rows.column_names:  # a file that is older than the column
        rows = rows.append_column(INSTRUMENT, pa.nulls(rows.num_rows, pa.string()))
    frame = pl.DataFrame(pl.from_arrow(rows.select([*_PLACE, INSTRUMENT, row_time])))
    return frame.with_columns(pl.col(*_PLACE, INSTRUMENT).cast(pl.String), pl.col(row_time).dt.truncate("1d").alias("_day"))


def _wanted_names(rows: pa.Table, row_time: str, find_name: FindName) -> pl.Series:
    """The name that each row should have; looked up once for each symbol and day."""
    frame = _to_frame(rows, row_time)
    places = frame.select(*_PLACE, "_day").unique()
    names = pl.Series("_wanted", [find_name(*place) for place in places.iter_rows()], dtype=pl.String)
    return frame.join(places.with_columns(names), on=[*_PLACE, "_day"], how="left", maintain_order="left")["_wanted"]
