"""Values as they are shown in a cell."""

from __future__ import annotations


def exact_cell(value: object) -> object:
    """A value of a row as it is shown: fractions are not rounded."""
    return repr(value) if isinstance(value, float) else value
