"""How every command prints: one JSON object a line, or a table for a person."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_WIDTH_IN_A_FILE = 240
"""Columns of a table that goes into a file or a pipe, where nothing has to fit a screen."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def print_json(value: object) -> None:
    """Print one value as one line of JSON; paths, times and enums become text."""
    line = json.dumps(value, default=str, ensure_ascii=False)
    # A file name that is not UTF-8 holds surrogates, which can only be printed as escapes; so is all that a terminal lacks.
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(line if is_utf8 and not _SURROGATE.search(line) else json.dumps(value, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their column names; long cells wrap, nothing is cut."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False)
    console.print(table, width=None if console.is_terminal else _WIDTH_IN_A_FILE, crop=False)
