"""Numbers as a person reads them; None, NaN and infinity are shown as a dash, never as an error."""

from __future__ import annotations

import math

NOTHING = "\N{EN DASH}"
"""Stands where there is no value."""

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_bytes(size_bytes: float | None) -> str:
    """A number of bytes in binary units: `0 B`, `1,023 B`, `1.5 KiB`, `12.0 MiB`; negative differences keep their sign."""
    value = _finite(size_bytes)
    if value is None:
        return NOTHING
    sign, value = ("-" if value < 0 else ""), abs(value)
    if round(value) < 1024:
        return f"{sign}{round(value):,} B"
    power = 1
    while power < len(_BINARY) - 1 and value / 1024**power >= 1023.95:
        power += 1
    return f"{sign}{value / 1024**power:,.1f} {_BINARY[power]}"


def format_count(count: float | None) -> str:
    """A number of things with thousands separators: `1,234,567`; fractions keep one digit."""
    value = _finite(count)
    if value is None:
        return NOTHING
    return f"{int(value):,}" if value == int(value) else f"{value:,.1f}"


def format_duration(seconds: float | None) -> str:
    """A span of time in the two units that matter: `0 ms`, `34 ms`, `1.2 s`, `48 s`, `2 min 05 s`, `1 h 02 min`, `3 d 04 h`."""
    value = _finite(seconds)
    if value is None:
        return NOTHING
    sign, value = ("-" if value < 0 else ""), abs(value)
    if value < 0.9995:
        return f"{sign}{value * 1000:.0f} ms"
    if value < 9.95:
        return f"{sign}{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{sign}{whole} s"
    if whole < 3600:
        return f"{sign}{whole // 60} min {whole % 60:02} s"
    minutes = round(value / 60)
    if minutes < 24 * 60:
        return f"{sign}{minutes // 60} h {minutes % 60:02} min"
    hours = round(value / 3600)
    return f"{sign}{hours // 24} d {hours % 24:02} h"


def format_rate(amount: float | None, seconds: float | None, unit: str = "B") -> str:
    """Amount per second: `12.0 MiB/s` for bytes (`unit="B"`), `1,020 objects/s` for `unit="objects"`; a dash without time."""
    value, time = _finite(amount), _finite(seconds)
    if value is None or time is None or time <= 0:
        return NOTHING
    rate = value / time
    if unit == "B":
        return f"{format_bytes(rate)}/s"
    return f"{format_count(round(rate) if rate >= 10 else round(rate, 1))} {unit}/s"


def format_share(part: float | None, whole: float | None) -> str:
    """A part in percent: `0 %`, `0.04 %`, `12.5 %`, `100 %`; only nothing is `0 %`, only all is `100 %`; of nothing a dash."""
    value, total = _finite(part), _finite(whole)
    if value is None or not total:
        return NOTHING
    share = 100 * value / total
    if share in {0.0, 100.0}:
        return f"{share:.0f} %"
    if share < 0.01:
        return "< 0.01 %"
    if 99.99 < share < 100:
        return "> 99.99 %"
    return f"{share:.2f}".rstrip("0").rstrip(".") + " %"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
