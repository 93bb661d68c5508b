"""A file of one's own to checked rows: what it is, by its name and first line; then like any archive.

CSV may have its columns in any order, and needs a header unless the schema says that it has none; JSON lines are read by key;
Parquet and Feather by column. Quotes in a CSV are understood line by line. Nothing is guessed: a column that is not declared,
or a declared one that is missing, refuses the file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from lakehouse_sdk.tables.judge.container import ArchiveDefect, UnreadableError, cut_lines, unpack
from lakehouse_sdk.tables.judge.declared.adapt import adapt_csv, find_reader, pack, spread_arrays
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
    ".feather": "parquet",
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
            data, content = _to_json_lines(data, file, schema), "json"
        elif content == "json":
            data = _adapt_objects(spread_arrays(data, file, schema), file, schema)
        else:
            data = adapt_csv(data, file, schema)
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
        if not schema.header:
            cells = next(csv.reader([head]), [])
            return _make_headless(file, schema, cells, is_quoted=is_quoted)
        headers = next(csv.reader([head]), []) if head else list(schema.columns)
        names = _name_columns(headers, schema)
        values = dict(zip(names, [*next(csv.reader([first]), []), *([""] * len(names))], strict=False))
        if len(values) != len(names):
            raise _refuse(f"the header names a column twice: {', '.join(headers)[:300]}")
        _check_columns(values, schema)
        return _make_csv(file, schema, headers, values, is_quoted=is_quoted)
    _check_columns(values, schema)
    types = {name: schema.columns[name] for name in values}
    return _make_format(file.data_type, schema, types, "json", values)


_IGNORED = "_ignored_"


def _name_columns(headers: list[str], schema: TableSchema) -> list[str]:
    """The column of each header; what is ignored gets a name of its own, what is unknown keeps its."""
    names = []
    for place, header in enumerate(headers):
        try:
            found = schema.find_column(header)
        except KeyError:
            names.append(header.strip().lower())
            continue
        names.append(f"{_IGNORED}{place}" if found is None else found)
    return names


def _make_csv(
    file: SourceFile, schema: TableSchema, headers: list[str], values: dict[str, Any], *, is_quoted: bool
) -> FormatSpec:
    """The format of a CSV with a header: every column is called as the file calls it."""
    types = {name: schema.columns.get(name, "ignored") for name in values}
    spelled = {name: header.strip().lower() for name, header in zip(values, headers, strict=True)}
    return _make_format(file.data_type, schema, types, "quoted" if is_quoted else "csv", values, spelled)


def _make_headless(file: SourceFile, schema: TableSchema, cells: list[str], *, is_quoted: bool) -> FormatSpec:
    """The format of a CSV without a header: the declared columns, of which optional ones may lack at the end."""
    names = list(schema.columns)
    while len(names) > max(len(cells), 1) and names[-1] in schema.optional:
        names.pop()
    values = dict(zip(names, [*cells, *([""] * len(names))], strict=False))
    types: dict[str, Any] = {name: schema.columns[name] for name in names}
    return _make_format(file.data_type, schema, types, "quoted" if is_quoted else "csv", values, header=False)


def _check_columns(values: dict[str, Any], schema: TableSchema) -> None:
    missing = [name for name in schema.columns if name not in values and name not in schema.optional]
    unknown = [name or "a column without a name" for name in values if name not in schema.columns and _IGNORED not in name]
    if missing or unknown:
        said = [f"missing {', '.join(missing)}"] * bool(missing) + [f"not declared {', '.join(unknown)[:300]}"] * bool(unknown)
        raise _refuse("; ".join(said))


def _make_format(
    table: str,
    schema: TableSchema,
    types: dict[str, Any],
    content: Literal["csv", "json", "quoted"],
    values: dict[str, Any],
    spelled: Mapping[str, str] | None = None,
    *,
    header: bool = True,
) -> FormatSpec:
    columns = []
    for name, type_ in types.items():
        is_number = type_ == "time" and _NUMBER.fullmatch(str(values.get(name, ""))) is not None
        said = (spelled or {}).get(name, name)
        headers = () if content == "json" or not header else (said, f'"{said}"')
        kind = Kind.IGNORED if type_ == "ignored" else Kind.INSTANT if is_number else KINDS[type_]
        columns.append(Column(name, kind, headers, optional=name in schema.optional))
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
    "time": (pl.Datetime, pl.Int64, pl.UInt64),
    "date": (pl.Date,),
}
"""Types of a Parquet file that a declared type takes; nothing is rounded or cut."""


def _adapt_objects(data: bytes, file: SourceFile, schema: TableSchema) -> bytes:
    """JSON lines with keys as the columns are called and times in ISO text; a line that is no object stays as it is."""
    if not schema.rename and not schema.units and not schema.ignore:
        return data
    readers = {name: find_reader(unit, file) for name, unit in schema.units.items()}
    lines = b"".join(cut_lines(unpack(data, file.stem, file.container))).decode("utf-8-sig", "replace").split("\n")
    return pack("\n".join(_adapt_object(line, schema, readers) for line in lines).encode(), file)


def _adapt_object(line: str, schema: TableSchema, readers: Mapping[str, Callable[[Any], str | None]]) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(value, dict):
        return line
    found = {}
    for name, cell in zip(_name_columns(list(value), schema), value.values(), strict=True):
        if not name.startswith(_IGNORED):
            found[name] = (readers[name](cell) or f"not {schema.units[name]}: {cell}") if name in readers else cell
    return json.dumps(found)


def _to_json_lines(data: bytes, file: SourceFile, schema: TableSchema) -> bytes:
    """The rows of a Parquet file as lines, so that they are judged, counted and quoted like any other."""
    try:
        read = pl.read_ipc if file.key.lower().endswith(".feather") else pl.read_parquet
        rows = read(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise UnreadableError(ArchiveDefect("parquet-unreadable", f"{type(error).__name__}: {error}"[:300])) from None
    names = _name_columns(rows.columns, schema)
    if len(set(names)) != len(names):
        raise _refuse(f"several columns of the file are one of the schema: {', '.join(rows.columns)[:300]}")
    rows = rows.rename(dict(zip(rows.columns, names, strict=True))).select(n for n in names if not n.startswith(_IGNORED))
    for name, dtype in rows.schema.items():
        type_ = schema.columns.get(name)
        accepted = _ACCEPTED[type_] if type_ is not None else ()
        if type_ == "time" and schema.units.get(name):  # which says how to read what is no instant
            accepted = (*accepted, pl.String, pl.Date)
        if type_ is not None and not isinstance(dtype, accepted):
            raise _refuse(f"{name} is {dtype} in the file and {type_} in the schema")
    return (
        rows.with_columns(
            _as_text(name, type_, dtype, schema.units.get(name, "")).alias(name)
            for name, dtype in rows.schema.items()
            if (type_ := schema.columns.get(name)) is not None
        )
        .write_ndjson()
        .encode()
    )


def _as_text(name: str, type_: str, dtype: Any, unit: str = "") -> pl.Expr:
    """A column as JSON can have it: nothing of a value is lost."""
    value = pl.col(name)
    if type_ == "time" and dtype in {pl.Int64, pl.UInt64}:
        return _instant(value, unit)
    if type_ == "time" and dtype == pl.String:
        moments = value.str.to_datetime(unit if "%" in unit else None, strict=False)
        return moments.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    if type_ == "time":
        value = value.cast(pl.Datetime("us")) if dtype == pl.Date else value
        # Without a zone it is UTC.
        value = value if dtype.time_zone is None else value.dt.convert_time_zone("UTC")
        return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    if type_ == "date":
        return value.dt.strftime("%Y-%m-%d")
    return value.cast({"float": pl.Float64, "text": pl.String, "int": pl.Int64, "bool": pl.Boolean}[type_])


def _instant(value: pl.Expr, unit: str) -> pl.Expr:
    """Whole numbers of a unit as ISO text; without a unit they stay numbers, whose magnitude tells it."""
    if unit not in {"s", "ms", "us", "ns"}:
        return value
    ticks = value.cast(pl.Int64)
    micros = ticks // 1000 if unit == "ns" else ticks * {"s": 1_000_000, "ms": 1_000, "us": 1}[unit]
    return pl.from_epoch(micros, "us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
