"""Stage 2, moving bytes: list, plan, run, verify, report.

Belongs here: plans over two ends, strategies, runners, what a run did. Must not: what the bytes mean (`archives`, `tables`),
single-object calls (`storage`, `filesystem`). Read `TransferPlan` first, then `run_transfer`.
"""

from lakehouse_sdk.transfer.context.cancel import CancelToken
from lakehouse_sdk.transfer.model import Action, Outcome, PlannedObject, PlanTotals, Status
from lakehouse_sdk.transfer.plan.diff import CompareMode
from lakehouse_sdk.transfer.plan.handle import TransferPlan
from lakehouse_sdk.transfer.plan.make import plan_transfer
from lakehouse_sdk.transfer.plan.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.proof.etags import compare_etags
from lakehouse_sdk.transfer.proof.prover import VerifyMode
from lakehouse_sdk.transfer.run.audit import Finding, FindingKind, VerifyReport, verify_transfer
from lakehouse_sdk.transfer.run.engine import run_transfer
from lakehouse_sdk.transfer.run.handle import RunProgress, TransferRun, start_transfer
from lakehouse_sdk.transfer.run.manifest import write_manifest
from lakehouse_sdk.transfer.run.report import TransferReport
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
