"""Where the stages meet: discover, plan, copy, verify, build and replicate as plain functions.

Belongs here: joining archives, transfer and tables, which do not know each other; façade, flows and CLI all call these. Must
not: Prefect, printing, a second way to do what a stage does. Read `collect` first, it calls the others in order.

Every function takes plain values and `Settings`, reports through an observer and returns a frozen report.
"""

from lakehouse_sdk.jobs.build.check import check_collected
from lakehouse_sdk.jobs.build.gate import PublishReport, build_through_gate, discard_batch, publish_batch
from lakehouse_sdk.jobs.build.ingest import IngestedFile, IngestReport, ingest_files
from lakehouse_sdk.jobs.build.replay import ReplayedArchive, ReplayReport, replay_archives
from lakehouse_sdk.jobs.build.run import BuildReport, BuiltFile, RowCounts, build_tables
from lakehouse_sdk.jobs.build.scores import measure_quality
from lakehouse_sdk.jobs.care.capacity import CapacityReport, ZoneUsage, measure_capacity
from lakehouse_sdk.jobs.care.retention import RetentionReport, retain_bronze
from lakehouse_sdk.jobs.care.upgrade import UpgradeReport, upgrade_lake
from lakehouse_sdk.jobs.care.upkeep import compact_tables, expire_snapshots, relabel_tables, remove_orphans
from lakehouse_sdk.jobs.collect.coverage import Coverage, measure_coverage, plan_repair
from lakehouse_sdk.jobs.collect.discover import Discovery, discover_archives
from lakehouse_sdk.jobs.collect.instruments import Instruments, list_instruments
from lakehouse_sdk.jobs.collect.plan import CollectOptions, narrow_to_news, plan_collection
from lakehouse_sdk.jobs.collect.report import (
    ArchiveState,
    CollectedArchive,
    CollectionPlan,
    CollectReport,
    PlannedArchive,
    Task,
)
from lakehouse_sdk.jobs.collect.run import CopiedArchives, collect, copy_archives, verify_archives
from lakehouse_sdk.jobs.load.run import find_lacking, load_series
from lakehouse_sdk.jobs.objects.contents import FolderUsage, UsageReport, list_contents, measure_usage
from lakehouse_sdk.jobs.objects.copy import plan_copies
from lakehouse_sdk.jobs.objects.remove import Removal, RemoveReport, plan_removal, remove
from lakehouse_sdk.jobs.objects.sync import SyncOptions, replicate_bronze, start_sync, sync

__all__ = [
    "ArchiveState",
    "BuildReport",
    "BuiltFile",
    "CapacityReport",
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
    "PublishReport",
    "Removal",
    "RemoveReport",
    "ReplayReport",
    "ReplayedArchive",
    "RetentionReport",
    "RowCounts",
    "SyncOptions",
    "Task",
    "UpgradeReport",
    "UsageReport",
    "ZoneUsage",
    "build_tables",
    "build_through_gate",
    "check_collected",
    "collect",
    "compact_tables",
    "copy_archives",
    "discard_batch",
    "discover_archives",
    "expire_snapshots",
    "find_lacking",
    "ingest_files",
    "list_contents",
    "list_instruments",
    "load_series",
    "measure_capacity",
    "measure_coverage",
    "measure_quality",
    "measure_usage",
    "narrow_to_news",
    "plan_collection",
    "plan_copies",
    "plan_removal",
    "plan_repair",
    "publish_batch",
    "relabel_tables",
    "remove",
    "remove_orphans",
    "replay_archives",
    "replicate_bronze",
    "retain_bronze",
    "start_sync",
    "sync",
    "upgrade_lake",
    "verify_archives",
]
