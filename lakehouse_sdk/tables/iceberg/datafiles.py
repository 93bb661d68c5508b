"""Parquet files of a table, written before a commit makes them visible.

Rows arrive one archive at a time, constant in every identity partition and ascending in time; so cutting them at the borders
of the partitions and laying the pieces side by side sorts a partition without a global sort.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform, IdentityTransform, MonthTransform
from pyiceberg.typedef import Record

from lakehouse_sdk.errors import TableError
from lakehouse_sdk.tables.layout.schemas import INGESTED_AT, SOURCE_KEY
from lakehouse_sdk.tables.layout.source import SourceFile

ROW_GROUP_ROWS = 250_000
"""Most rows in a row group: small enough that statistics of time prune, large enough to compress well."""
LEAST_GROUP_ROWS = 30_000
"""Rows from which on a row group ends with its symbol: a month of one-minute bars has 43,200."""
WRITE_THREADS = 4
"""Files written at once; a small file waits for the server most of its time."""

_STRETCH_ROWS = 4_000_000
"""Rows of an archive of which the partitions are told at once."""
_TINY_ROWS = 100
"""Rows of an archive, in the mean, below which they are gathered instead of being laid side by side."""

_FEW_VALUES = frozenset(
    {
        "price",
        "quantity",
        "contract_quantity",
        "best_bid_price",
        "best_bid_qty",
        "best_ask_price",
        "best_ask_qty",
        "percentage",
        "taker_buy_volume",
        "count",
    }
)
"""Numbers of which a row group holds few different ones: ticks and steps of a day, trades of a minute."""
_ZSTD_LEVEL = 3
"""A tenth smaller than level 1, which Arrow takes by default, for a quarter more time."""
_BAR_PRICES = frozenset({"open", "high", "low", "close"})
_ZSTD_LEVEL_OF_BAR_PRICES = 5
"""Of these it gains 7 %; of products like volumes in quote currency 1 %, for the same time."""

_TIME_UNITS: dict[type, str] = {DayTransform: "D", MonthTransform: "M"}

SourceId = tuple[str, str]
"""Key and SHA-256 of an archive."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one archive for one table: every column but `_ingested_at`; optional ones may be missing.

    Attributes:
        file: The archive.
        table: Its rows, and perhaps those of other archives.
        start: The first that is the archive's.
        count: How many follow that are.
    """

    file: SourceFile
    table: pa.Table
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A Parquet file that no snapshot knows yet.

    Attributes:
        data_file: Path, partition, counts and statistics, ready to be appended.
        sources: Archives whose rows it holds.
    """

    data_file: DataFile
    sources: frozenset[SourceId]

    @property
    def path(self) -> str:
        """Full address."""
        return self.data_file.file_path

    @property
    def row_count(self) -> int:
        """Rows in the file."""
        return self.data_file.record_count


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one archive within one partition."""

    source: SourceId
    order: tuple[str, int]
    table: pa.Table
    start: int
    count: int


def write_data_files(table: Table, rows: Sequence[Rows], ingested_at: datetime) -> list[WrittenFile]:
    """Write the rows, one file for each partition; nothing becomes visible.

    Raises:
        OSError: The storage refused a file; those written so far are removed again.
    """
    pieces: dict[tuple[Any, ...], list[_Piece]] = defaultdict(list)
    for batch in rows:
        for partition, piece in _split(table, batch):
            pieces[partition].append(piece)
    groups = [(partition, sorted(group, key=lambda piece: piece.order)) for partition, group in pieces.items()]
    return _write_all(table, groups, ingested_at)


def rewrite_without(table: Table, written: WrittenFile, dropped: set[SourceId], ingested_at: datetime) -> WrittenFile | None:
    """A copy of the file without the rows of `dropped`, or None where no row remains; the file itself stays."""
    with table.io.new_input(written.path).open() as stream:
        rows = pq.read_table(stream).drop_columns([INGESTED_AT])
    remaining = written.sources - dropped
    keys = pa.array([key for key, _ in remaining], rows.schema.field(SOURCE_KEY).type)
    rows = rows.filter(pc.is_in(rows[SOURCE_KEY], value_set=keys))
    if not rows.num_rows:
        return None
    partition = tuple(written.data_file.partition[i] for i in range(len(table.spec().fields)))
    return _write_file(table, partition, rows, remaining, ingested_at)


def remove_files(table: Table, files: Iterable[WrittenFile]) -> None:
    """Remove files that no snapshot knows; where the storage refuses, they stay as orphans, which readers never see."""
    with suppress(OSError):
        for written in files:
            table.io.delete(written.path)


def _write_all(table: Table, groups: list[tuple[tuple[Any, ...], list[_Piece]]], ingested_at: datetime) -> list[WrittenFile]:
    def write(group: tuple[tuple[Any, ...], list[_Piece]]) -> WrittenFile:
        partition, pieces = group
        return _write_file(table, partition, _lay_out(pieces), frozenset(piece.source for piece in pieces), ingested_at)

    with ThreadPoolExecutor(WRITE_THREADS) as pool:
        futures = [pool.submit(write, group) for group in groups]
    failures = [error for future in futures if (error := future.exception()) is not None]
    if failures:
        remove_files(table, [future.result() for future in futures if future.exception() is None])
        raise failures[0]
    return [future.result() for future in futures]


def _lay_out(pieces: list[_Piece]) -> pa.Table:
    """The rows of the pieces, one piece after the other."""
    if sum(piece.count for piece in pieces) >= len(pieces) * _TINY_ROWS:
        return pa.concat_tables([piece.table.slice(piece.start, piece.count) for piece in pieces], promote_options="default")
    # A slice of a few rows takes more memory than they do, and so many chunks take longer than so many rows.
    tables = {id(piece.table): piece.table for piece in pieces}
    firsts = dict(zip(tables, accumulate((table.num_rows for table in tables.values()), initial=0), strict=False))
    starts = [firsts[id(piece.table)] + piece.start for piece in pieces]
    places = np.concatenate([np.arange(at, at + piece.count) for at, piece in zip(starts, pieces, strict=True)])
    return pa.concat_tables(tables.values(), promote_options="default").combine_chunks().take(pa.array(places))


def _split(table: Table, batch: Rows) -> Iterator[tuple[tuple[Any, ...], _Piece]]:
    """The rows of one archive, cut where their partition changes."""
    schema = table.schema()
    source = (batch.file.key, batch.file.sha256)
    constants: list[Any] = []
    varying: list[tuple[pa.ChunkedArray, str] | None] = []
    for field in table.spec().fields:
        column = batch.table[schema.find_column_name(field.source_id)].slice(batch.start, batch.count)
        unit = _TIME_UNITS.get(type(field.transform))
        constants.append(column[0].as_py() if isinstance(field.transform, IdentityTransform) else None)
        varying.append(None if unit is None else (column, unit))
    for first, count in _stretches(batch.count):
        values = [None if c is None else _time_partitions(c[0].slice(first, count), c[1]) for c in varying]
        for start, stop in _runs([changing for changing in values if changing is not None], count):
            partition = tuple(c if v is None else int(v[start]) for c, v in zip(constants, values, strict=True))
            place = first + start
            yield partition, _Piece(source, (batch.file.symbol, place), batch.table, batch.start + place, stop - start)


def _stretches(count: int) -> Iterator[tuple[int, int]]:
    """First and number of the rows that are looked at together, so that an archive of any size takes no more memory."""
    for first in range(0, count, _STRETCH_ROWS):
        yield first, min(_STRETCH_ROWS, count - first)


def _time_partitions(column: pa.ChunkedArray, unit: str) -> np.ndarray[Any, Any]:
    """Days or months since the epoch: what Iceberg's transforms of the same name give."""
    instants: np.ndarray[Any, Any] = column.cast(pa.int64()).to_numpy().view("datetime64[us]")
    return instants.astype(f"datetime64[{unit}]").astype(np.int64)


def _runs(columns: list[np.ndarray[Any, Any]], count: int) -> Iterator[tuple[int, int]]:
    """Half-open ranges of rows over which no column changes."""
    changes = np.zeros(max(count - 1, 0), dtype=bool)
    for values in columns:
        changes |= values[1:] != values[:-1]
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), count]
    return pairwise(bounds)


def _write_file(
    table: Table, partition: tuple[Any, ...], rows: pa.Table, sources: frozenset[SourceId], ingested_at: datetime
) -> WrittenFile:
    path = new_data_path(table, partition)
    footer, size = _write_parquet(table.io.new_output(path), conform_rows(rows, table.schema(), ingested_at))
    return WrittenFile(describe_file(table, path, partition, footer, size), sources)


def new_data_path(table: Table, partition: tuple[Any, ...]) -> str:
    """Where a new file of this partition goes."""
    name = f"{uuid.uuid4()}.parquet"
    relative = f"{table.spec().partition_to_path(Record(*partition), table.schema())}/{name}" if partition else name
    return table.location_provider().new_data_location(relative)


def describe_file(table: Table, path: str, partition: tuple[Any, ...], footer: pq.FileMetaData, size_bytes: int) -> DataFile:
    """The file as a manifest names it: partition, counts, statistics."""
    schema = table.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        file_size_in_bytes=size_bytes,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _write_parquet(output: Any, rows: pa.Table) -> tuple[pq.FileMetaData, int]:
    """Footer and size of the file."""
    with output.create() as stream:
        with open_parquet(stream, rows.schema) as writer:
            write_row_groups(writer, rows)
        size = stream.tell()
    return writer.writer.metadata, size


def write_row_groups(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    """Write rows in groups that end with a symbol where they can: who reads one symbol then decodes little else."""
    for start, stop in _group_rows(rows):
        writer.write_table(rows.slice(start, stop - start), row_group_size=ROW_GROUP_ROWS)


def _group_rows(rows: pa.Table) -> Iterator[tuple[int, int]]:
    """Half-open ranges of whole symbols, of `LEAST_GROUP_ROWS` each where the last is not an exception."""
    symbols = rows["symbol"].combine_chunks().indices.to_numpy() if "symbol" in rows.column_names else np.zeros(rows.num_rows)
    first = 0
    for _, stop in _runs([symbols], rows.num_rows):
        if stop - first >= LEAST_GROUP_ROWS or stop == rows.num_rows:
            yield first, stop
            first = stop


def open_parquet(stream: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of rows as `conform_rows` makes them.

    Text goes as dictionaries. Times and ids rise in small steps, so that their differences need few bits. Prices of trades
    repeat, so that a dictionary serves them as well; those of bars and whatever is a product do not, and plain values then
    take half the time and fewer bytes.
    """
    rising = [
        field.name
        for field in schema
        if (pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)) and field.name not in _FEW_VALUES
    ]
    single = [field.name for field in schema if pa.types.is_floating(field.type) and field.name not in _FEW_VALUES]
    return pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        compression_level={name: _ZSTD_LEVEL_OF_BAR_PRICES if name in _BAR_PRICES else _ZSTD_LEVEL for name in schema.names},
        use_dictionary=[name for name in schema.names if name not in {*rising, *single}],
        column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        store_schema=False,  # readers are to see plain text columns, not Arrow dictionaries
    )


def conform_rows(rows: pa.Table, schema: Schema, ingested_at: datetime | None) -> pa.Table:
    """The rows with the columns, order, nullability and field ids of the table; None keeps the time they were written."""
    columns, fields = [], []
    for field in schema_to_pyarrow(schema):
        target = _as_written(field)
        fields.append(target)
        columns.append(_column(rows, target, ingested_at))
    return pa.table(columns, pa.schema(fields)).unify_dictionaries()


def _as_written(field: pa.Field) -> pa.Field:
    if pa.types.is_large_string(field.type) or pa.types.is_string(field.type):
        return field.with_type(pa.dictionary(pa.int32(), pa.string()))
    return field


def _column(rows: pa.Table, field: pa.Field, ingested_at: datetime | None) -> pa.ChunkedArray | pa.Array:
    if field.name == INGESTED_AT and ingested_at is not None:
        return pa.repeat(pa.scalar(ingested_at, field.type), rows.num_rows)
    if field.name not in rows.column_names:
        return pa.nulls(rows.num_rows, field.type)
    column = rows[field.name]
    if column.type == field.type:
        return column
    if pa.types.is_dictionary(field.type):
        return column.cast(pa.string()).dictionary_encode()
    if pa.types.is_decimal(field.type) != pa.types.is_decimal(column.type):
        kind = "decimals" if pa.types.is_decimal(field.type) else "float64"
        raise TableError(
            f"The table holds {kind} in {field.name}, and the rows do not.",
            hint=f"Whether a table is exact is fixed when it is made; parse with exact={kind == 'decimals'}.",
        )
    return column.cast(field.type)
