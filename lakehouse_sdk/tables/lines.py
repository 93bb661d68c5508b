"""The line-exact reading of a CSV: slower, and it names every line that is not a row and says why."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lakehouse_sdk.tables.formats import INSTANT_LIMIT, Column, FormatSpec, Kind

REJECTED_SCHEMA: dict[str, type[pl.DataType]] = {"line": pl.Int64, "rule": pl.String, "value": pl.String, "text": pl.String}
"""Line number (the first of the file is 1), rule id, offending value, the line itself."""

TEXT_LIMIT = 1000
"""Characters that are kept of a rejected line; the whole is in bronze."""

_INTEGER = r"^[+-]?\d+$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def read_lines(body: bytes, first_line: int, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read every line by itself.

    Returns:
        The well-formed rows (`_line` and `spec.kept`, instants as integers) and the rejected ones (`REJECTED_SCHEMA`):
        `column-count` where a line has more or fewer fields than the format, `number` where a field is not of its type.
    """
    lines = _split(body, first_line)
    count = pl.col("_text").str.count_matches(",", literal=True) + 1
    fits = count == len(spec.columns)
    misfits = lines.filter(~fits).select(
        pl.col("_line").alias("line"),
        pl.lit("column-count").alias("rule"),
        pl.format("{} fields", count).alias("value"),
        pl.col("_text").str.head(TEXT_LIMIT).alias("text"),
    )
    rows = lines.filter(fits).with_columns(
        pl.col("_text").str.split_exact(",", len(spec.columns) - 1).struct.rename_fields(_raw_names(spec)).alias("_fields")
    )
    rows = rows.unnest("_fields").with_columns(_typed(column) for column in spec.columns if column.kind is not Kind.IGNORED)
    broken = pl.any_horizontal(pl.col(name).is_null() for name in spec.kept)
    unreadable = rows.filter(broken).select(
        pl.col("_line").alias("line"),
        pl.lit("number").alias("rule"),
        pl.coalesce(_shown(name) for name in spec.kept).str.head(200).alias("value"),
        pl.col("_text").str.head(TEXT_LIMIT).alias("text"),
    )
    rejected = pl.concat([misfits, unreadable]).sort("line")
    return rows.filter(~broken).select("_line", *spec.kept), rejected


def find_text(body: bytes, first_line: int, lines: Sequence[int]) -> list[str]:
    """The text of these lines of `body`, whose first line has the number `first_line`, cut at `TEXT_LIMIT` characters."""
    wanted = set(lines)
    found: dict[int, str] = {}
    start = 0
    for number in range(first_line, max(wanted, default=0) + 1):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        if number in wanted:
            found[number] = body[start:end].decode("utf-8", "replace").rstrip("\r")[:TEXT_LIMIT]
        start = end + 1
    return [found[number] for number in lines]


def _split(body: bytes, first_line: int) -> pl.DataFrame:
    """Lines with content and their numbers; bytes that are not UTF-8 become replacement characters."""
    text = body.decode("utf-8", "replace").split("\n")
    frame = pl.DataFrame({"_text": text}).with_row_index("_line", first_line).with_columns(pl.col("_line").cast(pl.Int64))
    return frame.with_columns(pl.col("_text").str.strip_suffix("\r")).filter(pl.col("_text").str.strip_chars() != "")


def _raw_names(spec: FormatSpec) -> list[str]:
    return [f"_raw_{column.name}" for column in spec.columns]


def _typed(column: Column) -> pl.Expr:
    """The field in its type, null where it is not of it."""
    text = pl.col(f"_raw_{column.name}").str.strip_chars()
    if column.kind is Kind.BOOLEAN:
        lower = text.str.to_lowercase()
        value = pl.when(lower == "true").then(pl.lit(value=True)).when(lower == "false").then(pl.lit(value=False))
        return value.alias(column.name)
    if column.kind is Kind.FLOAT:
        number = text.cast(pl.Float64, strict=False)
        return pl.when(text.str.contains(_NUMBER) & number.is_finite()).then(number).alias(column.name)
    number = text.cast(pl.Int64, strict=False)
    valid = text.str.contains(_INTEGER)
    if column.kind is Kind.INSTANT:
        valid &= number.is_between(0, INSTANT_LIMIT, closed="left")
    return pl.when(valid).then(number).alias(column.name)


def _shown(name: str) -> pl.Expr:
    """`name=text` where the field is not of its type, else null."""
    return pl.when(pl.col(name).is_null()).then(pl.format(f"{name}={{}}", pl.col(f"_raw_{name}")))
