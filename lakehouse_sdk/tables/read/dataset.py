"""The files of a table as one Arrow dataset: any library reads from it what it needs, and no more.

Each file carries what the manifests say of it, so that a filter that a library pushes down leaves files out unopened.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.expressions.visitors import bind
from pyiceberg.io.pyarrow import PyArrowFileIO, expression_to_pyarrow, schema_to_pyarrow
from pyiceberg.types import DateType, IntegerType, LongType, PrimitiveType, StringType, TimestampType, TimestamptzType

if TYPE_CHECKING:
    import pyarrow.compute as pc
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable

_FOOTER_THREADS = 8
_BOUNDED = (DateType, IntegerType, LongType, StringType, TimestampType, TimestamptzType)
"""Types whose bounds say where a value can lie; those of floats say nothing of NaN."""


def open_dataset(table: IcebergTable, row_filter: BooleanExpression, snapshot_id: int | None) -> ds.Dataset:
    """The rows that match, as a dataset that reads nothing before it is asked, then files at a time, columns as needed.

    A table that others changed in ways that files alone do not tell (deletes beside the data, renamed or retyped columns) is
    read into memory instead; those that the SDK writes never are.
    """
    scan = table.scan(row_filter, snapshot_id=snapshot_id)
    tasks = list(scan.plan_files())
    if any(task.delete_files for task in tasks) or _is_reshaped(table):
        return ds.dataset(scan.to_arrow())
    schema = scan.projection()
    arrow = _plain_text(schema_to_pyarrow(schema, include_field_ids=False))
    dataset = _join(table, tasks, schema, arrow)
    wanted = _to_arrow(row_filter, schema)
    return dataset if wanted is None else dataset.filter(wanted)


def count_row_groups(table: IcebergTable, row_filter: BooleanExpression, paths: Sequence[str]) -> tuple[int, int, int]:
    """Row groups of these files that can hold matching rows by their statistics, all row groups, and rows in the former."""
    schema = table.schema()
    arrow = _plain_text(schema_to_pyarrow(schema, include_field_ids=False))  # older files may lack a column
    wanted = _to_arrow(row_filter, schema)

    def count(path: str) -> tuple[int, int, int]:
        fragment = _open_fragment(table, path)
        matching = [group for part in fragment.split_by_row_group(wanted, schema=arrow) for group in part.row_groups]
        return len(matching), fragment.num_row_groups, sum(group.num_rows for group in matching)

    with ThreadPoolExecutor(_FOOTER_THREADS) as pool:
        counts = list(pool.map(count, paths))
    return sum(c[0] for c in counts), sum(c[1] for c in counts), sum(c[2] for c in counts)


def _to_arrow(row_filter: BooleanExpression, schema: Schema) -> pc.Expression | None:
    """The filter as Arrow has it; None where every row matches."""
    if isinstance(row_filter, AlwaysTrue):
        return None
    bound = bind(schema, row_filter, case_sensitive=True)
    return None if isinstance(bound, AlwaysTrue) else expression_to_pyarrow(bound, schema)


def _open_fragment(table: IcebergTable, path: str, holds: pc.Expression | None = None) -> ds.ParquetFileFragment:
    io = table.io
    assert isinstance(io, PyArrowFileIO)  # noqa: S101 (the catalogue says so when it is opened)
    scheme, netloc, place = PyArrowFileIO.parse_location(path, io.properties)
    return ds.ParquetFileFormat().make_fragment(place, io.fs_by_scheme(scheme, netloc), partition_expression=holds)


def _join(table: IcebergTable, tasks: list[FileScanTask], schema: Schema, arrow: pa.Schema) -> ds.Dataset:
    if not tasks:
        return ds.dataset(arrow.empty_table())
    fragments = [_open_fragment(table, task.file.file_path, _guarantee(task.file, schema, arrow)) for task in tasks]
    return ds.FileSystemDataset(fragments, arrow, fragments[0].format, fragments[0].filesystem)


def _guarantee(file: DataFile, schema: Schema, arrow: pa.Schema) -> pc.Expression | None:
    """What holds for every row of the file."""
    parts = list(_bounds(file, schema, arrow))
    return functools.reduce(operator.and_, parts) if parts else None


def _bounds(file: DataFile, schema: Schema, arrow: pa.Schema) -> Iterator[pc.Expression]:
    for field in schema.fields:
        lower, upper = (file.lower_bounds or {}).get(field.field_id), (file.upper_bounds or {}).get(field.field_id)
        nulls = (file.null_value_counts or {}).get(field.field_id)
        if lower is None or upper is None or nulls != 0 or not isinstance(field.field_type, _BOUNDED):
            continue
        column, type_ = ds.field(field.name), arrow.field(field.name).type
        yield (column >= _scalar(field.field_type, lower, type_)) & (column <= _scalar(field.field_type, upper, type_))


def _scalar(iceberg: PrimitiveType, value: bytes, type_: pa.DataType) -> pa.Scalar:
    decoded: Any = from_bytes(iceberg, value)  # times are integers here
    if isinstance(iceberg, (DateType, TimestampType, TimestamptzType)):
        return pa.scalar(decoded, pa.int32() if isinstance(iceberg, DateType) else pa.int64()).cast(type_)
    return pa.scalar(decoded, type_)


def _is_reshaped(table: IcebergTable) -> bool:
    """True where a column of an older schema has another name or type today: its files cannot be read by today's names."""
    today = {field.field_id: field for field in table.schema().fields}
    names = {field.name: field.field_id for field in table.schema().fields}
    for schema in table.metadata.schemas:
        for field in schema.fields:
            now = today.get(field.field_id)
            if now is not None and (now.name, now.field_type) != (field.name, field.field_type):
                return True
            if now is None and field.name in names:  # dropped, and another one of the name added
                return True
    return False


def _plain_text(schema: pa.Schema) -> pa.Schema:
    """Text with 32-bit offsets, as the files hold it."""
    return pa.schema([field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in schema])
