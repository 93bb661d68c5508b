"""Files of JSON lines: one object a line, whose keys are the columns in any order."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl

from lakehouse_sdk.tables.layout.formats import Column, FormatSpec, Kind

_READ_AS: dict[Kind, type[pl.DataType]] = {
    Kind.INTEGER: pl.Int64,
    Kind.INSTANT: pl.Int64,
    Kind.HOUR: pl.Int64,
    Kind.FLOAT: pl.Float64,
    Kind.IGNORED: pl.Float64,
}


def key_of(column: Column) -> str:
    """The key under which an object has the column."""
    return column.headers[0] if column.headers else column.name


def find_unknown_keys(line: bytes, spec: FormatSpec) -> str | None:
    """The keys of the line's object where they are not those of the format; None where they are, or where it is no object."""
    pairs = _read_object(line.decode("utf-8", "replace"))
    names = None if pairs is None else [name for name, _ in pairs]
    if names is None or sorted(names) == sorted(key_of(column) for column in spec.columns):
        return None
    return _encodable(",".join(names))


def read_objects(body: bytes, first_line: int, spec: FormatSpec, line: str) -> pl.DataFrame | None:
    """All rows in one pass, texts as they stand, or None where any line is not exactly one object with the format's keys."""
    schema = {key_of(column): _READ_AS.get(column.kind, pl.String) for column in spec.columns}
    schema |= {key_of(column): pl.Boolean for column in spec.columns if column.kind is Kind.BOOLEAN}
    try:
        rows = pl.read_ndjson(io.BytesIO(body), schema=schema)
    except pl.exceptions.PolarsError:
        return None
    # The reader passes over blank lines and further keys, so lines and keys are counted here.
    if rows.height != body.count(b"\n") + (not body.endswith(b"\n")) or body.count(b'":') != rows.height * len(schema):
        return None
    return rows.rename({key_of(column): column.name for column in spec.columns}).with_row_index(line, first_line)


def split_objects(lines: pl.DataFrame, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines with the text of each value, and those that are no object with exactly the format's keys."""
    keys = [key_of(column) for column in spec.columns]
    wanted = sorted(keys)
    good: list[tuple[object, ...]] = []
    bad: list[tuple[int, str, str]] = []
    for number, text in lines.select("_line", "_text").iter_rows():
        pairs = _read_object(text)
        if pairs is None or sorted(name for name, _ in pairs) != wanted:
            bad.append((number, text, "no object" if pairs is None else f"{len(pairs)} fields"))
            continue
        values = dict(pairs)
        good.append((number, text, *(_format_value(values[key]) for key in keys)))
    raw = {f"_raw_{column.name}": pl.String for column in spec.columns}
    return (
        pl.DataFrame(good, schema={"_line": pl.Int64, "_text": pl.String, **raw}, orient="row"),
        pl.DataFrame(bad, schema={"_line": pl.Int64, "_text": pl.String, "value": pl.String}, orient="row"),
    )


class _Pairs(list[tuple[str, Any]]):
    """Keys and values as they stand, a repeated key twice."""


def _read_object(text: str) -> _Pairs | None:
    try:
        # Numbers stay the text that was published: no digit is lost before a column's kind is known.
        value = json.loads(text, object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, _Pairs) else None


def _format_value(value: object) -> str:
    """Text of a plain value; of a list or an object nothing, so that no kind accepts it."""
    if isinstance(value, bool):
        return str(value).lower()
    return _encodable(value) if isinstance(value, str) else ""


def _encodable(text: str) -> str:
    """The text with `?` for halves of surrogate pairs, which JSON can escape and nothing can store."""
    return text.encode("utf-8", "replace").decode()
