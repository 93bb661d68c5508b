"""Lengths of bars and the grids they lie on; pure.

Every grid is in UTC and counts from 1970-01-01, but weeks begin on Monday and months on their first day. A bar is labelled by
its first instant and holds the half-open time up to the next bar's (label left, closed left).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from lakehouse_sdk.errors import UsageError

DAY = timedelta(days=1)
INSTANT = pl.Datetime("us", "UTC")
"""Type of every time in a frame."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = timedelta(days=4)  # the epoch was a Thursday
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": DAY,
}
_TEXT = re.compile(r"([1-9]\d{0,4})([smhd])", re.ASCII)


@dataclass(frozen=True, slots=True)
class BarInterval:
    """The length of a bar.

    Attributes:
        text: As users write it: `1s`, `5m`, `1h`, `1d`, `1w`, `1mo`.
        length: Its length; None for a calendar month.
    """

    text: str
    length: timedelta | None

    def __str__(self) -> str:
        return self.text

    @property
    def order(self) -> timedelta:
        """By this intervals sort from short to long."""
        return self.length or 30 * DAY

    def is_made_of(self, other: BarInterval) -> bool:
        """True where whole bars of `other` fill a bar of this one, or both are the same."""
        if self == other:
            return True
        if other.length is None or self.order <= other.length:
            return False
        if self.text in {"1w", "1mo"}:  # these begin at a midnight, and at no multiple of anything longer
            return DAY % other.length == timedelta(0)
        return other.text != "1w" and self.length is not None and self.length % other.length == timedelta(0)

    def floor(self, times: pl.Expr) -> pl.Expr:
        """The first instant of the bar that holds each time."""
        if self.length is None:
            return times.dt.truncate("1mo")
        unit, shift = self.length // _MICROSECOND, self._shift // _MICROSECOND
        ticks = times.cast(INSTANT).to_physical()
        return ((ticks - shift) // unit * unit + shift).cast(INSTANT)

    def following(self, opens: pl.Expr) -> pl.Expr:
        """The first instant of the next bar, for first instants of bars."""
        return opens.dt.offset_by("1mo") if self.length is None else opens + self.length

    def previous(self, opens: pl.Expr) -> pl.Expr:
        """The first instant of the bar before, for first instants of bars."""
        return opens.dt.offset_by("-1mo") if self.length is None else opens - self.length

    def floor_time(self, time: datetime) -> datetime:
        """As `floor`, for one aware time."""
        if self.length is None:
            return time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        start = _EPOCH + self._shift
        return start + (time - start) // self.length * self.length

    def ceil_time(self, time: datetime) -> datetime:
        """The first instant of the first bar that does not begin before this aware time."""
        start = self.floor_time(time)
        return start if start == time else self.next_time(start)

    def next_time(self, start: datetime) -> datetime:
        """As `following`, for one first instant."""
        return self.floor_time(start + 31 * DAY) if self.length is None else start + self.length

    def previous_time(self, start: datetime) -> datetime:
        """As `previous`, for one first instant."""
        return self.floor_time(start - DAY) if self.length is None else start - self.length

    @property
    def _shift(self) -> timedelta:
        return _MONDAY if self.text == "1w" else timedelta(0)


def parse_interval(text: str) -> BarInterval:
    """The interval that `text` names.

    Raises:
        UsageError: It names none.
    """
    if text == "1mo":
        return BarInterval(text, None)
    if text == "1w":
        return BarInterval(text, 7 * DAY)
    match = _TEXT.fullmatch(text)
    if match is None:
        raise UsageError(f"There are no bars of {text!r}.", hint="Write a number with s, m, h or d, such as 5m, or 1w or 1mo.")
    return BarInterval(text, int(match[1]) * _UNITS[match[2]])
