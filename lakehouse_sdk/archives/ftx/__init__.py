"""FTX, an exchange that closed in November 2022: a mirror that the user names, on S3 or in a folder.

Belongs here: the mirror's key layouts (`layout`, pure), the places a mirror can be in (`mirror`), how a tree by day becomes
archives by series (`walk`), the connector. Must not: the files' columns (`tables`). Read `layout` first.
"""

from lakehouse_sdk.archives.ftx.connector import FtxConnector
from lakehouse_sdk.archives.ftx.layout import DATASETS, ArchiveKey, Layout, find_market, format_key, is_unusual, parse_key

__all__ = ["DATASETS", "ArchiveKey", "FtxConnector", "Layout", "find_market", "format_key", "is_unusual", "parse_key"]
