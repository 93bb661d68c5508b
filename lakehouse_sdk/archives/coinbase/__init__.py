"""Coinbase Exchange: candles and trades made into daily archives from its public REST API; there is no published archive.

Belongs here: the layout of those archives (`layout`, pure), the API with its limits, pages turned into rows, the connector.
Must not: what the rows mean (`tables`). Read `DATASETS` in `layout` first, then `CoinbaseConnector`.
"""

from lakehouse_sdk.archives.coinbase.connector import CoinbaseConnector
from lakehouse_sdk.archives.coinbase.layout import DATASETS, ArchiveKey, format_key, parse_key

__all__ = ["DATASETS", "ArchiveKey", "CoinbaseConnector", "format_key", "parse_key"]
