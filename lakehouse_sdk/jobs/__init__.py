"""Where the stages meet: discover, plan, copy, verify, build and replicate as plain functions.

Belongs here: joining archives, transfer and tables, which do not know each other; façade, flows and CLI all call these. Must
not: Prefect, printing, a second way to do what a stage does. Read `collect` first, it calls the others in order.

Every function takes plain values and `Settings`, reports through an observer and returns a frozen report.
"""

from lakehouse_sdk.jobs.build import BuildReport, BuiltFile, RowCounts, build_tables
from lakehouse_sdk.jobs.check import check_archive
from lakehouse_sdk.jobs.collect import CopiedArchives, collect, copy_archives, verify_archives
from lakehouse_sdk.jobs.collection import (
    ArchiveState,
    CollectedArchive,
    CollectionPlan,
    CollectReport,
    PlannedArchive,
    Task,
)
from lakehouse_sdk.jobs.contents import FolderUsage, UsageReport, list_contents, measure_usage
from lakehouse_sdk.jobs.copy import plan_copies
from lakehouse_sdk.jobs.coverage import Coverage, measure_coverage, plan_repair
from lakehouse_sdk.jobs.discover import Discovery, discover_archives
from lakehouse_sdk.jobs.ingest import IngestedFile, IngestReport, ingest_files
from lakehouse_sdk.jobs.instruments import Instruments, list_instruments
from lakehouse_sdk.jobs.load import load_series
from lakehouse_sdk.jobs.plan_collection import CollectOptions, narrow_to_news, plan_collection
from lakehouse_sdk.jobs.remove import Removal, RemoveReport, plan_removal, remove
from lakehouse_sdk.jobs.replay import ReplayedArchive, ReplayReport, replay_archives
from lakehouse_sdk.jobs.sync import SyncOptions, replicate_bronze, start_sync, sync

__all__ = [
    "ArchiveState",
    "BuildReport",
    "BuiltFile",
    "CollectOptions",
    "CollectReport",
    "CollectedArchive",
    "CollectionPlan",
    "CopiedArchives",
    "Coverage",
    "Discovery",
    "FolderUsage",
    "IngestReport",
    "IngestedFile",
    "Instruments",
    "PlannedArchive",
    "Removal",
    "RemoveReport",
    "ReplayReport",
    "ReplayedArchive",
    "RowCounts",
    "SyncOptions",
    "Task",
    "UsageReport",
    "build_tables",
    "check_archive",
    "collect",
    "copy_archives",
    "discover_archives",
    "ingest_files",
    "list_contents",
    "list_instruments",
    "load_series",
    "measure_coverage",
    "measure_usage",
    "narrow_to_news",
    "plan_collection",
    "plan_copies",
    "plan_removal",
    "plan_repair",
    "remove",
    "replay_archives",
    "replicate_bronze",
    "start_sync",
    "sync",
    "verify_archives",
]
