"""Iceberg row filters, as the commit and the scan both need them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

# pyiceberg's predicates are pydantic models with a constructor that mypy does not always see (it depends on the order in which
# it reads the modules): hence these names with an open signature.
_Constructor = Callable[..., BooleanExpression]
_equal_to: _Constructor = EqualTo
_not_equal_to: _Constructor = NotEqualTo
_in: _Constructor = In
_at_least: _Constructor = GreaterThanOrEqual
_less_than: _Constructor = LessThan


def equals(column: str, value: str) -> BooleanExpression:
    """`column = value`."""
    return _equal_to(column, value)


def differs(column: str, value: str) -> BooleanExpression:
    """`column <> value`."""
    return _not_equal_to(column, value)


def one_of(column: str, values: Sequence[str]) -> BooleanExpression:
    """`column IN (values)`; there is at least one."""
    return _in(column, values) if len(values) > 1 else equals(column, values[0])


def within(column: str, start: datetime | None, end: datetime | None) -> BooleanExpression:
    """`start <= column < end`; None leaves a side open."""
    return all_of(
        [
            *([_at_least(column, start.isoformat())] if start else []),
            *([_less_than(column, end.isoformat())] if end else []),
        ]
    )


def between(column: str, low: int, high: int) -> BooleanExpression:
    """`low <= column <= high`."""
    return And(_at_least(column, low), _less_than(column, high + 1))


def all_of(parts: Sequence[BooleanExpression]) -> BooleanExpression:
    """All parts; everything where there is none."""
    return And(*parts) if len(parts) > 1 else (parts[0] if parts else AlwaysTrue())


def any_of(parts: Sequence[BooleanExpression]) -> BooleanExpression:
    """Any part; there is at least one."""
    return Or(*parts) if len(parts) > 1 else parts[0]
