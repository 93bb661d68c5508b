"""Stage 3, meaning: parse, validate, enrich, commit to Iceberg, read back.

Belongs here: formats, rules, tables; the only importer of pyiceberg. Must not: fetching archives. Read `FormatSpec` first, then
follow one archive: `parse_archive` → `validate` → `TableCatalog.commit` → `Table.scan`.

Names load on first use: polars, pyarrow and pyiceberg come with them, and not before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lakehouse_sdk.tables.extra import tables_extra

if TYPE_CHECKING:
    from lakehouse_sdk.tables.catalog import TableCatalog as TableCatalog
    from lakehouse_sdk.tables.catalog import open_catalog as open_catalog
    from lakehouse_sdk.tables.container import ArchiveDefect as ArchiveDefect
    from lakehouse_sdk.tables.declared import TableSchema as TableSchema
    from lakehouse_sdk.tables.declared import check_file as check_file
    from lakehouse_sdk.tables.declared.read import find_content as find_content
    from lakehouse_sdk.tables.declared.read import make_file as make_file
    from lakehouse_sdk.tables.describe import TableDescription as TableDescription
    from lakehouse_sdk.tables.formats import FormatSpec as FormatSpec
    from lakehouse_sdk.tables.formats import find_format as find_format
    from lakehouse_sdk.tables.formats import get_format as get_format
    from lakehouse_sdk.tables.gate import Gate as Gate
    from lakehouse_sdk.tables.gate import GateResult as GateResult
    from lakehouse_sdk.tables.gold import BarQuery as BarQuery
    from lakehouse_sdk.tables.gold import GoldView as GoldView
    from lakehouse_sdk.tables.gold import open_bars as open_bars
    from lakehouse_sdk.tables.parse import ParsedArchive as ParsedArchive
    from lakehouse_sdk.tables.parse import parse_archive as parse_archive
    from lakehouse_sdk.tables.quality import QualityReport as QualityReport
    from lakehouse_sdk.tables.quality import read_quality as read_quality
    from lakehouse_sdk.tables.query import QueryResult as QueryResult
    from lakehouse_sdk.tables.reconcile import Reconciliation as Reconciliation
    from lakehouse_sdk.tables.reconcile import give_way as give_way
    from lakehouse_sdk.tables.replay import QuarantinedArchive as QuarantinedArchive
    from lakehouse_sdk.tables.replay import find_replayable as find_replayable
    from lakehouse_sdk.tables.replay import holds as holds
    from lakehouse_sdk.tables.report import CommitReport as CommitReport
    from lakehouse_sdk.tables.report import TableCommit as TableCommit
    from lakehouse_sdk.tables.restore import RestoreReport as RestoreReport
    from lakehouse_sdk.tables.rules import describe_rule as describe_rule
    from lakehouse_sdk.tables.scan import ScanPlan as ScanPlan
    from lakehouse_sdk.tables.scan import TableScan as TableScan
    from lakehouse_sdk.tables.search import SearchResult as SearchResult
    from lakehouse_sdk.tables.series import SeriesInfo as SeriesInfo
    from lakehouse_sdk.tables.source import SourceFile as SourceFile
    from lakehouse_sdk.tables.table import Table as Table
    from lakehouse_sdk.tables.together import check_archives as check_archives
    from lakehouse_sdk.tables.validation import CheckedBatch as CheckedBatch
    from lakehouse_sdk.tables.validation import validate as validate

_HOMES = {
    "ArchiveDefect": "container",
    "BarQuery": "gold",
    "CheckedBatch": "validation",
    "CommitReport": "report",
    "FormatSpec": "formats",
    "Gate": "gate",
    "GateResult": "gate",
    "GoldView": "gold",
    "ParsedArchive": "parse",
    "QualityReport": "quality",
    "QuarantinedArchive": "replay",
    "QueryResult": "query",
    "Reconciliation": "reconcile",
    "RestoreReport": "restore",
    "ScanPlan": "scan",
    "SearchResult": "search",
    "SeriesInfo": "series",
    "SourceFile": "source",
    "Table": "table",
    "TableCatalog": "catalog",
    "TableCommit": "report",
    "TableDescription": "describe",
    "TableScan": "scan",
    "TableSchema": "declared",
    "check_archives": "together",
    "check_file": "declared",
    "describe_rule": "rules",
    "find_content": "declared.read",
    "find_format": "formats",
    "find_replayable": "replay",
    "get_format": "formats",
    "give_way": "reconcile",
    "holds": "replay",
    "make_file": "declared.read",
    "open_bars": "gold",
    "open_catalog": "catalog",
    "parse_archive": "parse",
    "read_quality": "quality",
    "validate": "validation",
}

__all__ = [
    "ArchiveDefect",
    "BarQuery",
    "CheckedBatch",
    "CommitReport",
    "FormatSpec",
    "Gate",
    "GateResult",
    "GoldView",
    "ParsedArchive",
    "QualityReport",
    "QuarantinedArchive",
    "QueryResult",
    "Reconciliation",
    "RestoreReport",
    "ScanPlan",
    "SearchResult",
    "SeriesInfo",
    "SourceFile",
    "Table",
    "TableCatalog",
    "TableCommit",
    "TableDescription",
    "TableScan",
    "TableSchema",
    "check_archives",
    "check_file",
    "describe_rule",
    "find_content",
    "find_format",
    "find_replayable",
    "get_format",
    "give_way",
    "holds",
    "make_file",
    "open_bars",
    "open_catalog",
    "parse_archive",
    "read_quality",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with tables_extra():
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
