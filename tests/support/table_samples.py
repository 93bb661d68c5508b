"""Generated files of every data type, for the tests of `tables`: what they are, and how one cell of them is changed."""

from __future__ import annotations

import hashlib
import json

from lakehouse_sdk.tables import CheckedBatch, FormatSpec, SourceFile, get_format, parse_archive, validate
from lakehouse_sdk.testing.samples import Sample

NEUTRAL: dict[str, tuple[str, str]] = {
    "klines": ("volume", "99999999"),
    "markPriceKlines": ("high", "99999999"),
    "indexPriceKlines": ("high", "99999999"),
    "premiumIndexKlines": ("high", "99999999"),
    "aggTrades": ("quantity", "7.125"),
    "trades": ("qty", "7.125"),
    "bookTicker": ("best_bid_qty", "7.125"),
    "bookDepth": ("depth", "7.125"),
    "metrics": ("sum_open_interest", "7.125"),
    "fundingRate": ("last_funding_rate", "0.0125"),
    "liquidationSnapshot": ("average_price", "7.125"),
    "BVOLIndex": ("index_value", "7.125"),
    "EOHSummary": ("mark_iv", "7.125"),
    "candles": ("volume", "7.125"),
    "funding": ("rate", "0.0125"),
    "coinbase trades": ("size", "7.125"),
    "ftx trades .csv.gz": ("amount", "7.125"),
    "ftx trades .json.gz": ("size", "7.125"),
}
"""Data type → a column of decimal numbers, as the publisher heads it, and another value with which a row is as good."""


def neutral(sample: Sample) -> tuple[str, str]:
    """The entry of `NEUTRAL` for this file."""
    names = (f"{sample.source} {sample.data_type} {sample.suffix}", f"{sample.source} {sample.data_type}", sample.data_type)
    return next(NEUTRAL[name] for name in names if name in NEUTRAL)


def spec_of(sample: Sample) -> FormatSpec:
    """The format that reads this file."""
    return get_format(sample.source, sample.market, sample.data_type).for_key(sample.key)


def source_file(sample: Sample, data: bytes) -> SourceFile:
    """What an archive with these bytes is said to be."""
    sha256 = hashlib.sha256(data).hexdigest()
    place = (sample.source, sample.market, sample.data_type, sample.symbol, sample.interval)
    return SourceFile(*place, sample.period_start, sample.period_end, sample.key, sha256)


def check(sample: Sample, text: bytes | None = None) -> CheckedBatch:
    """Parse and validate the file, or another text in its place."""
    data = sample.pack(text)
    return validate(parse_archive(data, source_file(sample, data)))


def get_cell(sample: Sample, line: str, name: str) -> str:
    """The text of one cell."""
    if sample.header is None:
        return str(json.loads(line)[name])
    return line.split(",")[sample.header.split(",").index(name)]


def with_cell(sample: Sample, line: str, name: str, text: str) -> str:
    """The line with another text in one cell; in JSON it stands where a number stood, without quotes."""
    if sample.header is None:
        values = {key: json.dumps(value) for key, value in json.loads(line).items()} | {name: text}
        return "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}"
    cells = line.split(",")
    cells[sample.header.split(",").index(name)] = text
    return ",".join(cells)
