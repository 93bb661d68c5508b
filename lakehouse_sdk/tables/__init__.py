"""Stage 3, meaning: parse, validate, enrich, commit to Iceberg, read back.

Belongs here: formats, rules, tables; the only importer of pyiceberg. Must not: fetching archives. Read `FormatSpec` first, then
follow one archive: `parse_archive` → `validate` → `TableCatalog.commit` → `Table.scan`.

Names load on first use: polars, pyarrow and pyiceberg come with them, and not before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lakehouse_sdk.extras import needs_extra

if TYPE_CHECKING:
    from lakehouse_sdk.tables.catalog import TableCatalog as TableCatalog
    from lakehouse_sdk.tables.catalog import open_catalog as open_catalog
    from lakehouse_sdk.tables.iceberg.care.restore import RestoreReport as RestoreReport
    from lakehouse_sdk.tables.iceberg.report import CommitReport as CommitReport
    from lakehouse_sdk.tables.iceberg.report import TableCommit as TableCommit
    from lakehouse_sdk.tables.judge.container import ArchiveDefect as ArchiveDefect
    from lakehouse_sdk.tables.judge.declared import TableSchema as TableSchema
    from lakehouse_sdk.tables.judge.declared import check_file as check_file
    from lakehouse_sdk.tables.judge.declared.presets import get_preset as get_preset
    from lakehouse_sdk.tables.judge.declared.read import find_content as find_content
    from lakehouse_sdk.tables.judge.declared.read import make_file as make_file
    from lakehouse_sdk.tables.judge.many import check_archives as check_archives
    from lakehouse_sdk.tables.judge.neighbours import drop_rows_of_next as drop_rows_of_next
    from lakehouse_sdk.tables.judge.neighbours import has_first_instant as has_first_instant
    from lakehouse_sdk.tables.judge.neighbours import has_margin as has_margin
    from lakehouse_sdk.tables.judge.neighbours import has_rows_behind as has_rows_behind
    from lakehouse_sdk.tables.judge.parse import ParsedArchive as ParsedArchive
    from lakehouse_sdk.tables.judge.parse import parse_archive as parse_archive
    from lakehouse_sdk.tables.judge.reconcile import Reconciliation as Reconciliation
    from lakehouse_sdk.tables.judge.reconcile import drop_covered_days as drop_covered_days
    from lakehouse_sdk.tables.judge.reconcile import give_way as give_way
    from lakehouse_sdk.tables.judge.rules import describe_rule as describe_rule
    from lakehouse_sdk.tables.judge.validation import CheckedBatch as CheckedBatch
    from lakehouse_sdk.tables.judge.validation import validate as validate
    from lakehouse_sdk.tables.layout.formats import FormatSpec as FormatSpec
    from lakehouse_sdk.tables.layout.formats import find_format as find_format
    from lakehouse_sdk.tables.layout.formats import get_format as get_format
    from lakehouse_sdk.tables.layout.source import SourceFile as SourceFile
    from lakehouse_sdk.tables.read.description import TableDescription as TableDescription
    from lakehouse_sdk.tables.read.query import QueryResult as QueryResult
    from lakehouse_sdk.tables.read.scan import ScanPlan as ScanPlan
    from lakehouse_sdk.tables.read.scan import TableScan as TableScan
    from lakehouse_sdk.tables.read.series import SeriesInfo as SeriesInfo
    from lakehouse_sdk.tables.read.table import Table as Table
    from lakehouse_sdk.tables.views.day_counts import read_day_counts as read_day_counts
    from lakehouse_sdk.tables.views.gate import Gate as Gate
    from lakehouse_sdk.tables.views.gate import GateResult as GateResult
    from lakehouse_sdk.tables.views.gold import BarQuery as BarQuery
    from lakehouse_sdk.tables.views.gold import GoldView as GoldView
    from lakehouse_sdk.tables.views.gold import open_bars as open_bars
    from lakehouse_sdk.tables.views.quality import QualityReport as QualityReport
    from lakehouse_sdk.tables.views.quality import read_quality as read_quality
    from lakehouse_sdk.tables.views.replay import QuarantinedArchive as QuarantinedArchive
    from lakehouse_sdk.tables.views.replay import find_replayable as find_replayable
    from lakehouse_sdk.tables.views.replay import holds as holds
    from lakehouse_sdk.tables.views.search import SearchResult as SearchResult

_HOMES = {
    "ArchiveDefect": "judge.container",
    "BarQuery": "views.gold",
    "CheckedBatch": "judge.validation",
    "CommitReport": "iceberg.report",
    "FormatSpec": "layout.formats",
    "Gate": "views.gate",
    "GateResult": "views.gate",
    "GoldView": "views.gold",
    "ParsedArchive": "judge.parse",
    "QualityReport": "views.quality",
    "QuarantinedArchive": "views.replay",
    "QueryResult": "read.query",
    "Reconciliation": "judge.reconcile",
    "RestoreReport": "iceberg.care.restore",
    "ScanPlan": "read.scan",
    "SearchResult": "views.search",
    "SeriesInfo": "read.series",
    "SourceFile": "layout.source",
    "Table": "read.table",
    "TableCatalog": "catalog",
    "TableCommit": "iceberg.report",
    "TableDescription": "read.description",
    "TableScan": "read.scan",
    "TableSchema": "judge.declared",
    "check_archives": "judge.many",
    "check_file": "judge.declared",
    "describe_rule": "judge.rules",
    "find_content": "judge.declared.read",
    "find_format": "layout.formats",
    "find_replayable": "views.replay",
    "get_format": "layout.formats",
    "drop_covered_days": "judge.reconcile",
    "drop_rows_of_next": "judge.neighbours",
    "has_first_instant": "judge.neighbours",
    "has_margin": "judge.neighbours",
    "has_rows_behind": "judge.neighbours",
    "get_preset": "judge.declared.presets",
    "give_way": "judge.reconcile",
    "read_day_counts": "views.day_counts",
    "holds": "views.replay",
    "make_file": "judge.declared.read",
    "open_bars": "views.gold",
    "open_catalog": "catalog",
    "parse_archive": "judge.parse",
    "read_quality": "views.quality",
    "validate": "judge.validation",
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
    "drop_covered_days",
    "drop_rows_of_next",
    "find_content",
    "find_format",
    "find_replayable",
    "get_format",
    "get_preset",
    "give_way",
    "has_first_instant",
    "has_margin",
    "has_rows_behind",
    "holds",
    "make_file",
    "open_bars",
    "open_catalog",
    "parse_archive",
    "read_day_counts",
    "read_quality",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_extra():
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
