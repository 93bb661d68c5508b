"""Tables for terminals and logs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from lakehouse_sdk.display.cells import Row, columns_of, is_number, text_of, value_at


def text_table(
    rows: Iterable[Row], columns: Sequence[str] | Mapping[str, str] | None = None, *, width: int | None = None
) -> str:
    """Rows as aligned plain text, numbers to the right; arguments as `html_table`.

    Control characters of a cell are shown as escapes, so that an object key cannot steer the terminal.

    Args:
        rows: Mappings by column name, or sequences in column order.
        columns: Names in order, or name → heading; default: the names of the first row.
        width: Cells are cut with `…` so that no line is wider; default: nothing is cut.
    """
    table = list(rows)
    names = columns_of(table, columns)
    cells = [[printable_text(title) for title in names.values()]]
    numeric = [True] * len(names)
    for row in table:
        values = [value_at(row, name, position) for position, name in enumerate(names)]
        numeric = [was and (value is None or is_number(value)) for was, value in zip(numeric, values, strict=True)]
        cells.append([printable_text(text_of(value)) for value in values])
    widths = _fit([max(map(_width, column)) for column in zip(*cells, strict=True)], width)
    lines = [_line(line, widths, numeric) for line in cells]
    lines.insert(1, "  ".join("─" * size for size in widths))
    return "\n".join(line.rstrip() for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    return "  ".join(_pad(cell, size, right=right) for cell, size, right in zip(cells, widths, numeric, strict=True))


def _fit(widths: list[int], limit: int | None) -> list[int]:
    """Take from the widest column, one by one, until the line fits; no column gets narrower than 4."""
    while limit is not None and sum(widths) + 2 * (len(widths) - 1) > limit and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1
    return widths


def _pad(text: str, size: int, *, right: bool) -> str:
    if _width(text) > size:
        kept = ""
        for character in text:
            if _width(kept + character) > size - 1:
                break
            kept += character
        text = f"{kept}…"
    space = " " * (size - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    """Terminal columns that `text` takes: wide East Asian characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def printable_text(text: str) -> str:
    """The text on one line, control and invisible characters as escapes: an object key cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)
