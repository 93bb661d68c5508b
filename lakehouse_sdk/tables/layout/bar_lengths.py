"""How long the bars of an interval are."""

from __future__ import annotations

from datetime import timedelta

INTERVALS: dict[str, timedelta] = {
    **{f"{n}s": timedelta(seconds=n) for n in (1, 15)},
    **{f"{n}m": timedelta(minutes=n) for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": timedelta(hours=n) for n in (1, 2, 4, 6, 8, 12)},
    **{f"{n}d": timedelta(days=n) for n in (1, 3)},
    "1w": timedelta(weeks=1),
}
"""Length of a bar; `1mo` is a calendar month and has none."""
