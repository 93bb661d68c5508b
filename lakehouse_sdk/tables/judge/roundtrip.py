"""How many published numbers float64 cannot hold: counted, so that nobody has to wonder; the bytes are in bronze.

Fifteen significant digits always survive, so nearly every file is done after one look for a field that is longer. Only the
columns of such a file are read again, as text.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt
import polars as pl

from lakehouse_sdk.tables.judge.lines import read_texts, unquote
from lakehouse_sdk.tables.layout.decimals import to_decimals
from lakehouse_sdk.tables.layout.formats import FormatSpec, Kind

_LONG = 17
"""Bytes of the shortest field with a point and more than fifteen digits."""
_WHOLE_LIMIT = 2**53
"""Whole numbers up to here survive, however many digits they have."""
_BLOCK = 256 * 1024
"""Bytes that are looked at together; few enough for the processor's cache."""
_FIRST_OF_NUMBERS = ord("-")
"""What separates fields, in CSV and between the words of JSON, comes before the characters of numbers."""
_WIDE = pl.Decimal(38, 18)


def count_rounded(body: bytes, rows: pl.DataFrame, spec: FormatSpec) -> int:
    """Numbers whose text is not the decimal that their float64 stands for, `Decimal(text) != Decimal(repr(float))`.

    Args:
        body: Lines of a file, without its header.
        rows: What was read from them: `spec.kept`.
        spec: Their format.
    """
    names = spec.names(Kind.FLOAT)
    if not may_be_rounded(body, rows, spec):
        return 0
    body = unquote(body) if spec.content == "csv" else body
    texts = None if b'"' in body else _read_columns(body, spec)
    if texts is None:
        texts = read_texts(body, spec)
    return sum(_count_lost(texts[name]) for name in names)


_FINER = re.compile(rb"[ T]\d\d:\d\d:\d\d\.\d{6}0*[1-9]")


def count_truncated(body: bytes, spec: FormatSpec) -> int:
    """Times whose text says more than microseconds; the rest of their digits is cut off, never rounded to a later time."""
    return len(_FINER.findall(body)) if spec.names(Kind.TEXT_INSTANT) else 0


def may_be_rounded(body: bytes, rows: pl.DataFrame, spec: FormatSpec) -> bool:
    """False where no number can be; quickly found out."""
    names = spec.names(Kind.FLOAT)
    return bool(names and rows.height) and (_has_long_field(body) or _has_large_number(rows, names))


def _has_long_field(body: bytes) -> bool:
    data = np.frombuffer(body, np.uint8)
    return any(_has_run(data[max(start - _LONG, 0) : start + _BLOCK]) for start in range(0, len(data), _BLOCK))


def _has_run(data: npt.NDArray[np.uint8]) -> bool:
    """True where `_LONG` characters of a number follow each other: each step doubles the length that is known to."""
    runs = data >= _FIRST_OF_NUMBERS
    for step in (1, 2, 4, 8, 1):
        runs = runs[step:] & runs[:-step]
    return bool(runs.any())


def _has_large_number(rows: pl.DataFrame, names: tuple[str, ...]) -> bool:
    return bool(rows.select(pl.any_horizontal((pl.col(name).abs() > _WHOLE_LIMIT).any() for name in names)).item())


def _read_columns(body: bytes, spec: FormatSpec) -> pl.DataFrame | None:
    """The columns of numbers as text; None where that is not to be had in one pass."""
    if spec.content == "json":
        return None
    places = [place for place, column in enumerate(spec.columns) if column.kind is Kind.FLOAT]
    try:
        texts = pl.read_csv(body, has_header=False, columns=places, infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    return texts.rename(dict(zip(texts.columns, spec.names(Kind.FLOAT), strict=True)))


def _count_lost(texts: pl.Series) -> int:
    frame = pl.DataFrame({"text": texts.str.strip_chars()}).with_columns(
        pl.col("text").cast(pl.Float64, strict=False).alias("number")
    )
    doubtful = (pl.col("text").str.len_bytes() >= _LONG) | (pl.col("number").abs() > _WHOLE_LIMIT)
    frame = frame.filter(doubtful & pl.col("number").is_finite())
    if frame.is_empty():
        return 0
    said, kept = to_decimals(frame["text"], _WIDE), to_decimals(frame["number"].cast(pl.String), _WIDE)
    is_clear = said.is_not_null() & kept.is_not_null()
    rest = frame.filter(~is_clear)
    return int((said != kept).filter(is_clear).sum()) + sum(_is_lost(*row) for row in rest.iter_rows())


def _is_lost(text: str, number: float) -> bool:
    try:
        return Decimal(text) != Decimal(repr(number))
    except InvalidOperation:
        return False  # no number; the row is rejected
