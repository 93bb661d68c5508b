"""Stage 2, moving bytes: list, plan, run, verify, report.

Belongs here: plans over two ends, strategies, runners, what a run did. Must not: what the bytes mean (`archives`, `tables`),
single-object calls (`storage`, `filesystem`). Read `TransferPlan` first, then `run_transfer`.
"""

from lakehouse_sdk.transfer.audit import Finding, FindingKind, VerifyReport, verify_transfer
from lakehouse_sdk.transfer.cancel import CancelToken
from lakehouse_sdk.transfer.engine import run_transfer
from lakehouse_sdk.transfer.etags import compare_etags
from lakehouse_sdk.transfer.handle import TransferPlan
from lakehouse_sdk.transfer.manifest import write_manifest
from lakehouse_sdk.transfer.model import Action, Outcome, PlannedObject, PlanTotals, Status
from lakehouse_sdk.transfer.plan import CompareMode
from lakehouse_sdk.transfer.planning import plan_transfer
from lakehouse_sdk.transfer.proof import VerifyMode
from lakehouse_sdk.transfer.report import TransferReport
from lakehouse_sdk.transfer.run import RunProgress, TransferRun, start_transfer
from lakehouse_sdk.transfer.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.strategies import StrategyName

__all__ = [
    "SELECT_ALL",
    "Action",
    "CancelToken",
    "CompareMode",
    "Finding",
    "FindingKind",
    "Outcome",
    "PlanTotals",
    "PlannedObject",
    "RunProgress",
    "Selection",
    "Status",
    "StrategyName",
    "TransferPlan",
    "TransferReport",
    "TransferRun",
    "VerifyMode",
    "VerifyReport",
    "compare_etags",
    "plan_transfer",
    "run_transfer",
    "start_transfer",
    "verify_transfer",
    "write_manifest",
]
