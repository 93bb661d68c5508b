"""What a table needs to know of its rows, whatever it is drawn as."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from numbers import Number

from lakehouse_sdk.display.numbers import NOTHING, format_count

_AMOUNT = re.compile(rf"{NOTHING}|-?[\d,.]+(?: \S{{1,8}}){{0,3}}")

Row = Mapping[str, object] | Sequence[object]
"""One row: a mapping by column name, or a sequence in column order."""


def columns_of(rows: Sequence[Row], columns: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """Column name → heading; without `columns`, the names of the first row."""
    if columns is None:
        first = rows[0] if rows else {}
        if not isinstance(first, Mapping):
            return {str(position): str(position) for position in range(len(first))}
        return {name: heading(name) for name in first}
    if isinstance(columns, Mapping):
        return dict(columns)
    return {name: heading(name) for name in columns}


def heading(name: str) -> str:
    """A column name as a heading: `size_bytes` → `size bytes`."""
    return name.replace("_", " ")


def value_at(row: Row, name: str, position: int) -> object:
    """The cell of `row`; None where a mapping has no such name or a sequence is shorter."""
    if isinstance(row, Mapping):
        return row.get(name)
    return row[position] if position < len(row) else None


def is_number(value: object) -> bool:
    """True for what is set to the right: numbers, and not booleans."""
    return isinstance(value, Number) and not isinstance(value, bool)


def is_amount(value: object) -> bool:
    """True for text that `format_bytes` and its kin made: it is set to the right like a number and never broken."""
    return isinstance(value, str) and _AMOUNT.fullmatch(value) is not None


def text_of(value: object) -> str:
    """A cell as text: None a dash, booleans `yes` and `no`, whole numbers with separators, times in UTC."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return format_count(value)
    if isinstance(value, float):
        return NOTHING if value != value else f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"  # noqa: PLR0124
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.strftime("%Y-%m-%d %H:%M:%SZ" if value.tzinfo else "%Y-%m-%d %H:%M:%S")
    return str(value)
