"""Iceberg row filters, as the commit and the scan both need them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThan,
    NotEqualTo,
    Or,
)

# pyiceberg's predicates are pydantic models with a constructor that the mypy plugin does not see: hence the ignores, all of
# them in this module.


def equals(column: str, value: str) -> BooleanExpression:
    """`column = value`."""
    return EqualTo(column, value)  # type: ignore[misc, call-arg]


def differs(column: str, value: str) -> BooleanExpression:
    """`column <> value`."""
    return NotEqualTo(column, value)  # type: ignore[misc, call-arg]


def one_of(column: str, values: Sequence[str]) -> BooleanExpression:
    """`column IN (values)`; there is at least one."""
    return In(column, values) if len(values) > 1 else equals(column, values[0])  # type: ignore[misc, call-arg]


def within(column: str, start: datetime | None, end: datetime | None) -> BooleanExpression:
    """`start <= column < end`; None leaves a side open."""
    return all_of(
        [
            *([GreaterThanOrEqual(column, start.isoformat())] if start else []),  # type: ignore[misc, call-arg]
            *([LessThan(column, end.isoformat())] if end else []),  # type: ignore[misc, call-arg]
        ]
    )


def all_of(parts: Sequence[BooleanExpression]) -> BooleanExpression:
    """All parts; everything where there is none."""
    return And(*parts) if len(parts) > 1 else (parts[0] if parts else AlwaysTrue())


def any_of(parts: Sequence[BooleanExpression]) -> BooleanExpression:
    """Any part; there is at least one."""
    return Or(*parts) if len(parts) > 1 else parts[0]
