"""A file of one's own to checked rows: what it is, by its name and first line; then like any archive.

CSV needs a header and may have its columns in any order; JSON lines are read by key; Parquet by column. Quotes in a CSV are
understood line by line. Nothing is guessed: a column that is not declared, or a declared one that is missing, refuses the file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from lakehouse_sdk.tables.judge.container import ArchiveDefect, UnreadableError, cut_lines, unpack
from lakehouse_sdk.tables.judge.declared.schema import KINDS, TableSchema
from lakehouse_sdk.tables.judge.parse import parse_as, refuse_archive
from lakehouse_sdk.tables.judge.validation import CheckedBatch, validate
from lakehouse_sdk.tables.layout.formats import Column, FormatSpec, Kind
from lakehouse_sdk.tables.layout.source import SourceFile

if TYPE_CHECKING:
    from lakehouse_sdk.config import QualitySettings

SOURCE = "user"
"""Source of all files of one's own, in lineage and books."""
_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
"""The period of such a file: it may speak of any time, and a newer revision of another."""
_CONTENTS: dict[str, Literal["csv", "json", "parquet"]] = {
    **{f"{suffix}{packed}": "json" for suffix in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz")},
    **{f".csv{packed}": "csv" for packed in ("", ".gz")},
    ".zip": "csv",
    ".parquet": "parquet",
}
SUFFIXES = tuple(_CONTENTS)
"""What the name of a file ends with."""
_NUMBER = re.compile(r"\s*\d+\s*")


def find_content(name: str) -> Literal["csv", "json", "parquet"] | None:
    """What a file of this name holds; None where nobody knows."""
    return next((content for suffix, content in _CONTENTS.items() if name.lower().endswith(suffix)), None)


def make_file(table: str, name: str, sha256: str) -> SourceFile:
    """What a file is called in lineage and books: the same name with other bytes replaces its rows."""
    return SourceFile(SOURCE, "", table, "", None, *_ALWAYS, f"{table}/{name}", sha256)


def check_file(data: bytes, file: SourceFile, schema: TableSchema, limits: QualitySettings) -> CheckedBatch:
    """Parse and validate one file; pure, so that threads can run it.

    Whatever the bytes hold, the result says so: as `parse_archive` and `validate`, with the defects `header-unknown` (columns)
    and `parquet-unreadable`.

    Args:
        data: The file.
        file: As `make_file` names it.
        schema: The declaration of its table.
        limits: Thresholds of the rules.
    """
    table = file.data_type
    layout = schema.to_layout(table)
    try:
        content = find_content(file.key)
        if content == "parquet":
            data, content = _to_json_lines(data, schema), "json"
        spec = _find_format(data, file, schema, "json" if content == "json" else "csv")
        parsed = parse_as(data, file, spec)
    except UnreadableError as error:
        parsed = refuse_archive(file, _make_format(table, schema, dict(schema.columns), "csv", {}), error.defect)
    return replace(validate(parsed, limits), layout=layout)


def _find_format(data: bytes, file: SourceFile, schema: TableSchema, content: Literal["csv", "json"]) -> FormatSpec:
    """The format of this very file: its columns in its order, as its first lines show them."""
    head, first, is_quoted = _look(data, file)
    if content == "json":
        values = _read_object(head) if head else dict.fromkeys(schema.columns, "")
    else:
        names = [name.strip().lower() for name in next(csv.reader([head]), [])] if head else list(schema.columns)
        values = dict(zip(names, [*next(csv.reader([first]), []), *([""] * len(names))], strict=False))
        if len(values) != len(names):
            raise _refuse(f"the header names a column twice: {', '.join(names)[:300]}")
    missing = [name for name in schema.columns if name not in values and name not in schema.optional]
    unknown = [name for name in values if name not in schema.columns]
    if missing or unknown:
        said = [f"missing {', '.join(missing)}"] * bool(missing) + [f"not declared {', '.join(unknown)[:300]}"] * bool(unknown)
        raise _refuse("; ".join(said))
    types = {name: schema.columns[name] for name in values}
    return _make_format(file.data_type, schema, types, "quoted" if content == "csv" and is_quoted else content, values)


def _make_format(
    table: str,
    schema: TableSchema,
    types: dict[str, Any],
    content: Literal["csv", "json", "quoted"],
    values: dict[str, Any],
) -> FormatSpec:
    columns = []
    for name, type_ in types.items():
        is_number = type_ == "time" and _NUMBER.fullmatch(str(values.get(name, ""))) is not None
        headers = () if content == "json" else (f'"{name}"',)
        columns.append(Column(name, Kind.INSTANT if is_number else KINDS[type_], headers, optional=name in schema.optional))
    return FormatSpec(SOURCE, "", table, table, tuple(columns), schema.key, schema.time, content=content)


def _look(data: bytes, file: SourceFile) -> tuple[str, str, bool]:
    """The first two lines with content, and whether there are quotes anywhere."""
    lines: list[str] = []
    is_quoted = False
    for piece in cut_lines(unpack(data, file.stem, file.container)):
        is_quoted = is_quoted or b'"' in piece
        if len(lines) < 2:
            found = (line.strip() for line in piece.decode("utf-8-sig", "replace").split("\n", 100))
            lines += [line for line in found if line][: 2 - len(lines)]
    return (*lines, "", "")[0], (*lines, "", "")[1], is_quoted


def _read_object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _refuse(f"the first line is no JSON object: {line[:100]}")
    return value


def _refuse(detail: str) -> UnreadableError:
    return UnreadableError(ArchiveDefect("header-unknown", detail))


_ACCEPTED: dict[str, tuple[type[pl.DataType], ...]] = {
    "int": (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32),
    "float": (pl.Float32, pl.Float64, pl.Decimal, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32),
    "text": (pl.String, pl.Categorical, pl.Enum),
    "bool": (pl.Boolean,),
    "time": (pl.Datetime,),
    "date": (pl.Date,),
}
"""Types of a Parquet file that a declared type takes; nothing is rounded or cut."""


def _to_json_lines(data: bytes, schema: TableSchema) -> bytes:
    """The rows of a Parquet file as lines, so that they are judged, counted and quoted like any other."""
    try:
        rows = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise UnreadableError(ArchiveDefect("parquet-unreadable", f"{type(error).__name__}: {error}"[:300])) from None
    for name, dtype in rows.schema.items():
        type_ = schema.columns.get(name)
        if type_ is not None and not isinstance(dtype, _ACCEPTED[type_]):
            raise _refuse(f"{name} is {dtype} in the file and {type_} in the schema")
    return (
        rows.with_columns(
            _as_text(name, type_, dtype).alias(name)
            for name, dtype in rows.schema.items()
            if (type_ := schema.columns.get(name)) is not None
        )
        .write_ndjson()
        .encode()
    )


def _as_text(name: str, type_: str, dtype: Any) -> pl.Expr:
    """A column as JSON can have it: nothing of a value is lost."""
    value = pl.col(name)
    if type_ == "time":
        # Without a zone it is UTC.
        value = value if dtype.time_zone is None else value.dt.convert_time_zone("UTC")
        return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    if type_ == "date":
        return value.dt.strftime("%Y-%m-%d")
    return value.cast({"float": pl.Float64, "text": pl.String, "int": pl.Int64, "bool": pl.Boolean}[type_])
