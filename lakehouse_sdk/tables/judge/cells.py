"""The text of a field to its value: one expression for each kind, shared by every way of reading, so that they agree."""

from __future__ import annotations

import polars as pl

from lakehouse_sdk.tables.layout.decimals import PREFIX, exact_types, to_decimals
from lakehouse_sdk.tables.layout.formats import INSTANT_LIMIT, Column, FormatSpec, Kind

_INTEGER = r"^[+-]?\d+$"
_ZERO_FRACTION = r"\.0*$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TEXT_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,12})?(Z|\+00:00)?$"
_WORD = r"^[^\x00-\x1F\x7F\x{FFFD}]+$"
"""No control characters, and not the character that stands for bytes that are no UTF-8."""
_DAY_US = 86_400_000_000

TYPES: dict[Kind, type[pl.DataType]] = {
    Kind.INTEGER: pl.Int64,
    Kind.FLOAT: pl.Float64,
    Kind.BOOLEAN: pl.Boolean,
    Kind.INSTANT: pl.Int64,
    Kind.TEXT_INSTANT: pl.Int64,
    Kind.DATE: pl.Int64,
    Kind.HOUR: pl.Int64,
    Kind.TEXT: pl.String,
    Kind.SIDE: pl.String,
    Kind.IGNORED: pl.String,
}
"""What a field of each kind is read as; instants are integers until the whole file is read."""


def read_cell(column: Column, text: pl.Expr) -> pl.Expr:
    """The field's value, named as its column; null where the text is not of its kind."""
    text = text.str.strip_chars()
    return _readers(column.kind, text).alias(column.name)


def _readers(kind: Kind, text: pl.Expr) -> pl.Expr:
    if kind is Kind.BOOLEAN:
        lower = text.str.to_lowercase()
        return pl.when(lower == "true").then(pl.lit(value=True)).when(lower == "false").then(pl.lit(value=False))
    if kind is Kind.FLOAT:
        number = text.cast(pl.Float64, strict=False)
        return pl.when(text.str.contains(_NUMBER) & number.is_finite()).then(number)
    if kind is Kind.TEXT:
        return pl.when(text.str.contains(_WORD)).then(text)
    if kind is Kind.SIDE:
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(["buy", "sell"])).then(lower)
    if kind is Kind.DATE:
        return pl.when(text.str.contains(_DATE)).then(_midnight(text))
    if kind is Kind.TEXT_INSTANT:
        return pl.when(text.str.contains(_TEXT_INSTANT)).then(_text_instant(text))
    # `12.0` is the whole number that it says; `1.2E9` may be what a spreadsheet left of an id or a time, and is none.
    if kind is Kind.INTEGER:
        text = text.str.replace(_ZERO_FRACTION, "")
    number = text.cast(pl.Int64, strict=False)
    valid = text.str.contains(_INTEGER)
    limit = {Kind.INSTANT: INSTANT_LIMIT, Kind.HOUR: 24}.get(kind)
    if limit is not None:
        valid &= number.is_between(0, limit, closed="left")
    return pl.when(valid).then(number)


def _midnight(text: pl.Expr) -> pl.Expr:
    """Microseconds since the epoch; null where there is no such day, or it lies before the epoch."""
    days = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Int64)
    return pl.when(days >= 0).then(days * _DAY_US)


def _text_instant(text: pl.Expr) -> pl.Expr:
    def number(start: int) -> pl.Expr:
        return text.str.slice(start, 2).cast(pl.Int64, strict=False)

    fraction = text.str.extract(r"\.([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    return _midnight(text) + (number(11) * 3600 + number(14) * 60 + number(17)) * 1_000_000 + fraction


def read_decimals(rows: pl.DataFrame, spec: FormatSpec, prefix: str) -> list[pl.Series]:
    """The exact columns of the format, out of columns of text whose names begin with `prefix`."""
    return [to_decimals(rows[f"{prefix}{name}"], type_).alias(f"{PREFIX}{name}") for name, type_ in exact_types(spec).items()]


def empty_rows(spec: FormatSpec, line: str) -> pl.DataFrame:
    """No rows, with the types of those that were read, instants as integers."""
    kinds = {column.name: column.kind for column in spec.columns}
    exact = {f"{PREFIX}{name}": type_ for name, type_ in exact_types(spec).items()}
    return pl.DataFrame(schema={line: pl.Int64, **{name: TYPES[kinds[name]] for name in spec.kept}, **exact})
