"""Numbers kept to the last published digit: decimals beside or in the place of float64, made of the text alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, DoubleType, NestedField

from lakehouse_sdk.tables.layout.formats import AGG_TRADES, METRICS, OPTION_SUMMARY, TRADES, FormatSpec, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehouse_sdk.tables.layout.schemas import TableLayout

EXACT = "lakehouse.exact"
"""Table property: `true` where the table holds decimals."""
PREFIX = "_exact_"
"""Before the name of a column in parsed rows: its decimals, beside the float64 that the rules look at."""

_AMOUNT = (28, 10)
"""Prices, quantities, rates: eight decimals are published, and the product of two still fits the 38 digits of SQL engines."""
_RATIO = (38, 18)
"""Numbers that are quotients themselves, published with up to 16 decimals."""
_RATIOS = {
    METRICS: {
        "count_toptrader_long_short_ratio",
        "sum_toptrader_long_short_ratio",
        "count_long_short_ratio",
        "sum_taker_long_short_vol_ratio",
    },
    OPTION_SUMMARY: {"best_buy_iv", "best_sell_iv", "mark_iv", "delta", "gamma", "vega", "theta"},
}
_DERIVED = {(TRADES, "notional"), (AGG_TRADES, "notional")}
"""Products that the SDK adds; exact ones are made of the exact columns where they are needed."""


def is_exact(properties: Mapping[str, str]) -> bool:
    """True where the table with these properties holds decimals."""
    return properties.get(EXACT) == "true"


def exact_layout(layout: TableLayout) -> TableLayout:
    """The layout with decimals in the place of float64, but for what the SDK derives itself."""
    fields = [_to_decimal_field(layout.name, field) for field in layout.schema.fields]
    return replace(layout, schema=Schema(*fields))


def exact_types(spec: FormatSpec) -> dict[str, pl.Decimal]:
    """Decimal type of each column of numbers; none where the format is not read exactly."""
    return {name: pl.Decimal(*_size_of(spec.table, name)) for name in spec.names(Kind.FLOAT)} if spec.exact else {}


def to_decimals(text: pl.Series, type_: pl.Decimal) -> pl.Series:
    """The numbers that the text says, to the last digit; null where it is none, or the type cannot hold it whole.

    Never through float64, and never rounded, which polars' own cast does without a word.
    """
    text = text.str.strip_chars()
    plain = ~text.str.contains_any(["e", "E"])
    digits = text.str.strip_chars_end("0")
    decimals = digits.str.len_bytes().cast(pl.Int64) - digits.str.find(".", literal=True).cast(pl.Int64) - 1
    fits = plain & (decimals.fill_null(0) <= type_.scale)
    numbers = text.cast(type_, strict=False)
    if fits.fill_null(value=True).all():
        return numbers
    rest = text.filter(~plain.fill_null(value=True)).unique()
    scientific = {value: number for value in rest if (number := _read_scientific(value, type_)) is not None}
    written = text.replace_strict(scientific, default=None, return_dtype=type_)
    return pl.select(pl.when(fits).then(numbers).otherwise(written).alias(text.name)).to_series()


def to_floats(rows: pa.Table) -> pa.Table:
    """The rows with float64 in the place of decimals, each the nearest one, as if it had been read from the text."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_decimal(field.type):
            # By polars: Arrow's own cast divides two rounded numbers, and every eighth result is the neighbour.
            numbers = pl.Series(rows.column(position)).cast(pl.Float64).to_arrow()
            rows = rows.set_column(position, field.with_type(pa.float64()), numbers)
    return rows


def _read_scientific(text: str, type_: pl.Decimal) -> Decimal | None:
    try:
        number = Decimal(text)
        whole = number.quantize(Decimal(1).scaleb(-type_.scale))
    except InvalidOperation:
        return None
    fits = whole == number and abs(number) < Decimal(10) ** ((type_.precision or 38) - type_.scale)
    return whole if fits else None


def _to_decimal_field(table: str, field: NestedField) -> NestedField:
    if not isinstance(field.field_type, DoubleType) or (table, field.name) in _DERIVED:
        return field
    return field.model_copy(update={"field_type": DecimalType(*_size_of(table, field.name))})


def _size_of(table: str, column: str) -> tuple[int, int]:
    return _RATIO if column in _RATIOS.get(table, ()) else _AMOUNT
