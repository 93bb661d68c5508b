"""What each defect does to an archive, and what must become of the archive then; pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from lakehouse_sdk.testing.spec import DefectKind

CHECKSUM_DEFECTS: Mapping[DefectKind, str | None] = {
    "checksum-missing": None,
    "checksum-uppercase": None,
    "checksum-mismatch": "checksum-mismatch",
    "checksum-other-file": "checksum-malformed",
}
"""Defects of the checksum file → why the archive must be refused, or None."""

ZIP_DEFECTS: Mapping[DefectKind, str] = {"zip-truncated": "zip-unreadable", "zip-two-members": "zip-members"}
"""Defects of the zip file, whose checksum is right → why the archive must be refused."""

_DAY_S = 86_400
_TIME_COLUMNS = {"klines": (0, 6), "aggTrades": (5,)}
_MILLISECOND_DIGITS = 13


@dataclass(frozen=True, slots=True)
class Damage:
    """The data rows of a file after a defect, and what must become of them.

    Attributes:
        lines: All rows, without line feeds.
        duplicates: Rows that only repeat an accepted one.
        quarantined: Rule → rows that must be refused for it; each planted row breaks exactly one rule.
        lost: Indexes into the undamaged rows of those that are no longer accepted.
    """

    lines: list[bytes]
    duplicates: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    lost: tuple[int, ...] = ()


def damage_rows(kind: DefectKind | None, data_type: str, lines: list[bytes]) -> Damage | None:
    """Plant a defect of the rows; None where this kind leaves them as they are.

    The row in question is the one at a third of the file, so that it is neither the first nor the last.
    """
    plant = _ROW_DEFECTS.get(kind) if kind else None
    return plant(data_type, lines) if plant else None


def _double(data_type: str, lines: list[bytes]) -> Damage:
    del data_type
    return Damage([line for line in lines for _ in range(2)], duplicates=len(lines))


def _shuffle(data_type: str, lines: list[bytes]) -> Damage:
    shuffled = list(lines)
    random.Random(data_type).shuffle(shuffled)  # noqa: S311 (the same disorder every time is what is wanted)
    return Damage(shuffled)


def _append_next_day(data_type: str, lines: list[bytes]) -> Damage:
    cells = lines[-1].split(b",")
    for column in _TIME_COLUMNS[data_type]:
        unit = 1_000 if len(cells[column]) == _MILLISECOND_DIGITS else 1_000_000
        cells[column] = b"%d" % (int(cells[column]) + _DAY_S * unit)
    if data_type == "aggTrades":
        for column in (0, 3, 4):  # ids beyond all that the file holds
            cells[column] = b"%d" % (int(cells[column]) + 1_000_000)
    return Damage([*lines, b",".join(cells)], quarantined={"outside-period": 1})


def _contradict(data_type: str, lines: list[bytes]) -> Damage:
    """The row appears again with another trade count (klines) or quantity: valid by itself, but not beside the first."""
    index = len(lines) // 3
    cells = lines[index].split(b",")
    if data_type == "klines":
        cells[8] = b"%d" % (int(cells[8]) + 1)
    else:
        cells[2] = b"%s" % str(Decimal(cells[2].decode()) * 2).encode()
    damaged = [*lines[: index + 1], b",".join(cells), *lines[index + 1 :]]
    return Damage(damaged, quarantined={"conflicting-duplicate": 2}, lost=(index,))


def _spoil(rule: str, change: Callable[[str, list[bytes]], list[bytes]]) -> Callable[[str, list[bytes]], Damage]:
    def plant(data_type: str, lines: list[bytes]) -> Damage:
        index = len(lines) // 3
        damaged = list(lines)
        damaged[index] = b",".join(change(data_type, lines[index].split(b",")))
        return Damage(damaged, quarantined={rule: 1}, lost=(index,))

    return plant


def _replaced(cells: list[bytes], column: int, value: bytes) -> list[bytes]:
    return [*cells[:column], value, *cells[column + 1 :]]


def _invert(data_type: str, cells: list[bytes]) -> list[bytes]:
    del data_type
    return _replaced(cells, 2, str(Decimal(cells[3].decode()) / 2).encode())  # high = half of low


def _free(data_type: str, cells: list[bytes]) -> list[bytes]:
    return _replaced(cells, 3 if data_type == "klines" else 1, b"0")  # low, or price


def _negate(data_type: str, cells: list[bytes]) -> list[bytes]:
    return _replaced(cells, 8, b"-1") if data_type == "klines" else _replaced(cells, 2, b"-" + cells[2])  # count, or quantity


def _exceed(data_type: str, cells: list[bytes]) -> list[bytes]:
    del data_type
    return _replaced(cells, 9, str(Decimal(cells[5].decode()) + 1).encode())  # taker buys = volume + 1


def _garble(data_type: str, cells: list[bytes]) -> list[bytes]:
    return _replaced(cells, 4 if data_type == "klines" else 1, b"n/a")  # close, or price


def _shorten(data_type: str, cells: list[bytes]) -> list[bytes]:
    del data_type
    return cells[:-1]


_ROW_DEFECTS: Mapping[DefectKind, Callable[[str, list[bytes]], Damage]] = {
    "rows-doubled": _double,
    "rows-shuffled": _shuffle,
    "row-of-next-day": _append_next_day,
    "conflicting-duplicate": _contradict,
    "high-below-low": _spoil("ohlc-order", _invert),
    "price-zero": _spoil("price-positive", _free),
    "negative-amount": _spoil("volume-nonnegative", _negate),
    "taker-exceeds-volume": _spoil("taker-within-volume", _exceed),
    "number-garbled": _spoil("number", _garble),
    "field-missing": _spoil("column-count", _shorten),
}
