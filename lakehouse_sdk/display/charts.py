"""Small charts as HTML with inline SVG: no script, no font, no file beside the page.

The drawing stretches with the page, the words stay HTML: so a chart is readable on a phone, on paper and by a screen reader.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_sdk.display.html import render
from lakehouse_sdk.display.numbers import format_count

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: What it stands for.
        value: Its length; negative and missing values draw nothing.
        note: Small print beside the label.
        tone: `good`, `bad`, `warn`, or empty for the accent colour.
    """

    label: str
    value: float | None
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a heat strip.

    Attributes:
        title: What the pointer shows, for example the day and its rows.
        level: From 0 (pale) to 1 (full); None where there is nothing, drawn as a thin line.
        tone: As in `Bar`.
    """

    title: str
    level: float | None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One strip: a label and its cells, oldest first."""

    label: str
    cells: Sequence[HeatCell]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One station of a flow.

    Attributes:
        name: What happens there.
        amount: How much left it: `214`, `52.9 MiB`.
        unit: Of what: `archives`.
        note: Small print below: what stayed behind, and why.
        tone: As in `Bar`.
    """

    name: str
    amount: str
    unit: str = ""
    note: str = ""
    tone: str = ""


def html_steps(steps: Sequence[Step], *, caption: str = "") -> Markup:
    """Stations of a flow from left to right with what passed each; on a narrow page from top to bottom."""
    return render("display", "steps.html.j2", steps=steps, caption=caption)


def html_bars(bars: Sequence[Bar], *, show: Callable[[float | None], str] = format_count, caption: str = "") -> Markup:
    """Horizontal bars on one scale, each with its value in words of `show`, for example `format_duration`."""
    longest = max((_length(bar.value) for bar in bars), default=0.0) or 1.0
    rows = [(bar, 100 * _length(bar.value) / longest, show(bar.value)) for bar in bars]
    return render("display", "bars.html.j2", rows=rows, caption=caption)


def html_line(
    values: Sequence[float | None],
    *,
    below: Sequence[float | None] = (),
    title: str = "",
    ends: tuple[str, str] = ("", ""),
    show: Callable[[float | None], str] = format_count,
    below_title: str = "",
) -> Markup:
    """A line over equally spaced points, with an optional row of columns below it, such as a price with its volume.

    Args:
        values: The line; None breaks it, so a gap in the data is a gap in the picture.
        below: Heights of the columns, from zero; as long as `values`.
        title: Heading, also what a screen reader says.
        ends: Labels of the first and last point.
        show: How the highest and the lowest value are written.
        below_title: What the columns are.
    """
    present = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(present), max(present)) if present else (0.0, 0.0)
    return render(
        "display",
        "line.html.j2",
        title=title,
        ends=ends,
        points=len(values),
        high=show(high) if present else "",
        low=show(low) if present else "",
        last=show(present[-1]) if present else "",
        line=_line_path(values, low, high),
        columns=_column_path(below),
        below_title=below_title,
    )


def html_heat_strip(
    rows: Sequence[HeatRow], *, ends: tuple[str, str] = ("", ""), caption: str = "", legend: str = ""
) -> Markup:
    """One strip of cells for each row, such as the days that a symbol's data covers."""
    strips = [
        (
            row,
            [
                (cell, round(0.25 + 0.75 * min(max(cell.level, 0.0), 1.0), 2) if cell.level is not None else None)
                for cell in row.cells
            ],
        )
        for row in rows
    ]
    return render("display", "heat.html.j2", strips=strips, ends=ends, caption=caption, legend=legend)


def _length(value: float | None) -> float:
    """What is drawn of a value: nothing for missing, negative and endless ones."""
    return value if value is not None and math.isfinite(value) and value > 0 else 0.0


def _line_path(values: Sequence[float | None], low: float, high: float) -> str:
    """An SVG path in a box of 1000 by 100; points without a neighbour become short strokes, so that they are seen."""
    step = 1000 / max(len(values) - 1, 1)
    span = (high - low) or 1.0
    parts: list[str] = []
    open_stroke = False
    for position, value in enumerate(values):
        if value is None or not math.isfinite(value):
            open_stroke = False
            continue
        y = 50.0 if high == low else 100 - 100 * (value - low) / span
        parts.append(f"{'L' if open_stroke else 'M'}{position * step:.1f} {y:.1f}")
        if not open_stroke:
            parts.append("h.1")
        open_stroke = True
    return "".join(parts)


def _column_path(heights: Sequence[float | None]) -> str:
    """Columns as one SVG path in a box of 1000 by 100."""
    lengths = [_length(height) for height in heights]
    highest = max(lengths, default=0.0)
    step = 1000 / max(len(lengths), 1)
    return "".join(
        f"M{position * step:.1f} 100v{-100 * length / highest:.1f}h{step * 0.8:.2f}V100z"
        for position, length in enumerate(lengths)
        if length
    )
