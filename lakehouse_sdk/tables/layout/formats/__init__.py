"""What published files look like: tables of data, one row for each (source, market, data type).

Belongs here: columns, keys, units of every publisher's files. Must not: reading them (`parse`), rules, Iceberg. Read
`FormatSpec` first, then the publisher's module. A further type is a further row there and, where it has a table of its own, a
schema in `schemas` and a few rules in `rules`.
"""

from lakehouse_sdk.tables.layout.formats.model import (
    AGG_TRADES,
    BOOK_DEPTH,
    BOOK_TICKER,
    BVOL_INDEX,
    DATA_TABLES,
    FUNDING,
    INDEX_KLINES,
    INSTANT_LIMIT,
    KLINES,
    LIQUIDATIONS,
    MARK_KLINES,
    METRICS,
    MICROSECONDS_FROM,
    MILLISECONDS_FROM,
    OPTION_SUMMARY,
    PREMIUM_KLINES,
    TRADES,
    Column,
    FormatSpec,
    Kind,
)
from lakehouse_sdk.tables.layout.formats.registry import FORMATS, FormatWarning, find_format, get_format, list_formats

__all__ = [
    "AGG_TRADES",
    "BOOK_DEPTH",
    "BOOK_TICKER",
    "BVOL_INDEX",
    "DATA_TABLES",
    "FORMATS",
    "FUNDING",
    "INDEX_KLINES",
    "INSTANT_LIMIT",
    "KLINES",
    "LIQUIDATIONS",
    "MARK_KLINES",
    "METRICS",
    "MICROSECONDS_FROM",
    "MILLISECONDS_FROM",
    "OPTION_SUMMARY",
    "PREMIUM_KLINES",
    "TRADES",
    "Column",
    "FormatSpec",
    "FormatWarning",
    "Kind",
    "find_format",
    "get_format",
    "list_formats",
]
