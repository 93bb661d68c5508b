"""The line-exact reading of a file: slower, and it names every line that is not a row and says why."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Sequence

import polars as pl

from lakehouse_sdk.tables.judge.cells import read_cell, read_decimals
from lakehouse_sdk.tables.judge.json_lines import split_objects
from lakehouse_sdk.tables.layout.formats import Column, FormatSpec, Kind

REJECTED_SCHEMA: dict[str, type[pl.DataType]] = {"line": pl.Int64, "rule": pl.String, "value": pl.String, "text": pl.String}
"""Line number (the first of the file is 1), rule id, offending value, the line itself."""

TEXT_LIMIT = 1000
"""Characters that are kept of a rejected line; the whole is in bronze."""


def read_lines(body: bytes, first_line: int, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read every line by itself.

    Returns:
        The well-formed rows (`_line` and `spec.kept`, instants as integers) and the rejected ones (`REJECTED_SCHEMA`):
        `column-count` where a line does not have the fields of the format, `number` where a field is not of its type.
    """
    lines = _split(body, first_line)
    split = _SPLITS[_find_split(body, spec)]
    rows, misfits = split(lines, spec)
    rows = rows.with_columns(
        read_cell(column, pl.col(f"_raw_{column.name}")) for column in spec.columns if column.kind is not Kind.IGNORED
    )
    kept = [column for column in spec.columns if column.kind is not Kind.IGNORED]
    broken = pl.any_horizontal(_is_broken(column) for column in kept)
    unreadable = rows.filter(broken).select(
        pl.col("_line").alias("line"),
        pl.lit("number").alias("rule"),
        pl.coalesce(_shown(column) for column in kept).str.head(200).alias("value"),
        pl.col("_text").str.head(TEXT_LIMIT).alias("text"),
    )
    misfits = misfits.select(
        pl.col("_line").alias("line"),
        pl.lit("column-count").alias("rule"),
        "value",
        pl.col("_text").str.head(TEXT_LIMIT).alias("text"),
    )
    rejected = pl.concat([misfits, unreadable]).sort("line")
    rows = rows.filter(~broken)
    return rows.select("_line", *spec.kept, *read_decimals(rows, spec, "_raw_")), rejected


_QUOTED = re.compile(rb'(?<![^,\n])"([^",\r\n]*)"(?![^,\r\n])')
"""A cell in quotes that need not be: without comma, quote or line end in it."""


def unquote(body: bytes) -> bytes:
    """The same lines without quotes around cells; any publisher may quote, and empty cells most of all.

    Quotes that mean something, around a comma, or that close nowhere, stay: such lines are read one by one.
    """
    return _QUOTED.sub(rb"\1", body) if b'"' in body else body


def read_texts(body: bytes, spec: FormatSpec) -> pl.DataFrame:
    """Every field as text, named as its column; of the lines that have the fields of the format."""
    rows, _ = _SPLITS[_find_split(body, spec)](_split(body, 1), spec)
    return rows.select(pl.col(f"_raw_{column.name}").alias(column.name) for column in spec.columns)


def find_text(pieces: Iterable[bytes], lines: Sequence[int]) -> list[str]:
    """The text of these lines of a file that comes in pieces of whole lines, each cut at `TEXT_LIMIT` characters."""
    found: dict[int, str] = {}
    wanted = deque(sorted(set(lines)))
    first = 1
    for piece in pieces:
        limit = first + piece.count(b"\n") + (not piece.endswith(b"\n"))
        number, start = first, 0
        while wanted and wanted[0] < limit:
            for _ in range(wanted[0] - number):
                start = piece.index(b"\n", start) + 1
            number = wanted.popleft()
            end = piece.find(b"\n", start)
            text = piece[start : len(piece) if end < 0 else end]
            found[number] = text.decode("utf-8", "replace").rstrip("\r")[:TEXT_LIMIT]
        if not wanted:
            break
        first = limit
    return [found[number] for number in lines]


def _split(body: bytes, first_line: int) -> pl.DataFrame:
    """Lines with content and their numbers; bytes that are not UTF-8 become replacement characters."""
    text = body.decode("utf-8", "replace").split("\n")
    frame = pl.DataFrame({"_text": text}).with_row_index("_line", first_line).with_columns(pl.col("_line").cast(pl.Int64))
    return frame.with_columns(pl.col("_text").str.strip_suffix("\r")).filter(pl.col("_text").str.strip_chars() != "")


def _split_fields(lines: pl.DataFrame, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines with one text column for each field, and those with more or fewer fields."""
    count = pl.col("_text").str.count_matches(",", literal=True) + 1
    fits = count == len(spec.columns)
    names = [f"_raw_{column.name}" for column in spec.columns]
    fields = pl.col("_text").str.split_exact(",", len(spec.columns) - 1).struct.rename_fields(names).alias("_fields")
    misfits = lines.filter(~fits).with_columns(pl.format("{} fields", count).alias("value"))
    return lines.filter(fits).with_columns(fields).unnest("_fields"), misfits


def _split_quoted(lines: pl.DataFrame, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As `_split_fields`, where fields may stand in quotes; a field never goes beyond its line."""
    good: list[tuple[object, ...]] = []
    bad: list[tuple[int, str, str]] = []
    for number, text in lines.select("_line", "_text").iter_rows():
        try:
            fields = next(csv.reader([text], strict=True), [])
        except csv.Error as error:
            bad.append((number, text, str(error)))
            continue
        if len(fields) == len(spec.columns):
            good.append((number, text, *fields))
        else:
            bad.append((number, text, f"{len(fields)} fields"))
    raw = {f"_raw_{column.name}": pl.String for column in spec.columns}
    return (
        pl.DataFrame(good, schema={"_line": pl.Int64, "_text": pl.String, **raw}, orient="row"),
        pl.DataFrame(bad, schema={"_line": pl.Int64, "_text": pl.String, "value": pl.String}, orient="row"),
    )


def _find_split(body: bytes, spec: FormatSpec) -> str:
    return "quoted" if spec.content == "csv" and b'"' in body else spec.content


_SPLITS = {"csv": _split_fields, "quoted": _split_quoted, "json": split_objects}


def _is_broken(column: Column) -> pl.Expr:
    """True where the field is not of its kind; an empty one is, where the format says so."""
    missing = pl.col(column.name).is_null()
    return missing & (pl.col(f"_raw_{column.name}").str.strip_chars() != "") if column.optional else missing


def _shown(column: Column) -> pl.Expr:
    """`name=text` where the field is not of its kind, else null."""
    return pl.when(_is_broken(column)).then(pl.format(f"{column.name}={{}}", pl.col(f"_raw_{column.name}")))
