"""Binance Vision, the public archive of Binance: spot, USD- and coin-margined futures, options.

Belongs here: its key layout (`layout`, pure) and its connector. Must not: the files' columns (`tables`). Read `DATASETS` in
`layout` first.
"""

from lakehouse_sdk.archives.binance.connector import BinanceConnector
from lakehouse_sdk.archives.binance.layout import DATASETS, ArchiveKey, format_folder, format_key, parse_key

__all__ = ["DATASETS", "ArchiveKey", "BinanceConnector", "format_folder", "format_key", "parse_key"]
