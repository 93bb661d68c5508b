"""What a column of a table is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column of a table.

    Attributes:
        name: Its name.
        type: Its Iceberg type, for example `double` or `timestamptz`.
        required: True where it is never null.
        doc: What it means.
    """

    name: str
    type: str
    required: bool
    doc: str
