"""A generated file, and the row of one of its lines."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

DAY_US = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOS_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One line and what it says.

    Attributes:
        line: The line as the publisher writes it.
        truth: Column of the table → value; what it does not name is null there or a constant of the archive.
    """

    line: str
    truth: dict[str, Any]


Rows = Iterator[Row]


@dataclass(frozen=True, slots=True)
class Sample:
    """A file of one data type in the shape that its publisher gives it, with made-up numbers.

    Attributes:
        source: Publisher.
        market: Market.
        data_type: Type as the publisher spells it.
        symbol: Symbol.
        interval: Bar length; None where the type has none.
        period_start: First instant covered.
        period_end: First instant after it.
        suffix: What the key ends with: `.zip`, `.csv.gz` or `.json.gz`.
        header: The column names; None for JSON lines.
        is_headed: True where the publisher writes them.
        rows: The rows, in the order of time.
    """

    source: str
    market: str
    data_type: str
    symbol: str
    interval: str | None
    period_start: datetime
    period_end: datetime
    suffix: str
    header: str | None
    is_headed: bool
    rows: tuple[Row, ...]

    @property
    def stem(self) -> str:
        """Name of the file without suffix."""
        return f"{self.symbol}-{self.interval or self.data_type}-{self.period_start:%Y-%m-%d}"

    @property
    def key(self) -> str:
        """A key that names market, type and file."""
        return f"{self.market}/daily/{self.data_type}/{self.symbol}/{self.stem}{self.suffix}"

    @property
    def lines(self) -> list[str]:
        """The data lines."""
        return [row.line for row in self.rows]

    def text(self, lines: Iterable[str] | None = None, *, newline: str = "\n", headed: bool | None = None) -> bytes:
        """The file's text: these lines (default: all), below the header where there is one."""
        with_header = self.header is not None and (self.is_headed if headed is None else headed)
        whole = [*([self.header or ""] if with_header else []), *(self.lines if lines is None else lines)]
        return "".join(f"{line}{newline}" for line in whole).encode()

    def pack(self, text: bytes | None = None) -> bytes:
        """The archive around a text (default: `text()`); equal texts give equal bytes."""
        content = self.text() if text is None else text
        if self.suffix.endswith(".gz"):
            return gzip.compress(content, mtime=0)
        if not self.suffix.endswith(".zip"):
            return content
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(f"{self.stem}.csv", _DOS_EPOCH), content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()


def epoch_us(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def to_instant(microseconds: int) -> datetime:
    """The inverse of `epoch_us`."""
    return _EPOCH + timedelta(microseconds=microseconds)


def plain(value: Decimal) -> str:
    """Digits without an exponent."""
    return f"{value:f}"


def trimmed(value: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def padded(value: Decimal) -> str:
    """Eight decimals, as Binance's spot files have them."""
    return f"{value:.8f}"


def line_of(*cells: object) -> str:
    """Cells as a line of CSV."""
    return ",".join(str(cell) for cell in cells)
