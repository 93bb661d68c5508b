"""Stage 2, moving bytes: list, plan, run, verify, report.

Belongs here: plans over two ends, strategies, runners, what a run did. Must not: what the bytes mean (`archives`, `tables`),
single-object calls (`storage`, `filesystem`). Read `TransferPlan` first, then `run_transfer`.
"""

from lakehouse_sdk.transfer.model.cancel import CancelToken
from lakehouse_sdk.transfer.model.objects import Action, Outcome, PlannedObject, PlanTotals, Status, StrategyName
from lakehouse_sdk.transfer.model.report import TransferReport
from lakehouse_sdk.transfer.model.running import RunProgress, TransferRun
from lakehouse_sdk.transfer.plan.diff import CompareMode
from lakehouse_sdk.transfer.plan.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.plan.transfer_plan import TransferPlan
from lakehouse_sdk.transfer.proof.etags import compare_etags
from lakehouse_sdk.transfer.proof.prover import VerifyMode
from lakehouse_sdk.transfer.run.audit import Finding, FindingKind, VerifyReport, verify_transfer
from lakehouse_sdk.transfer.run.driver import PlanDriver, start_transfer
from lakehouse_sdk.transfer.run.engine import run_transfer
from lakehouse_sdk.transfer.run.manifest import write_manifest
from lakehouse_sdk.transfer.run.planning import plan_transfer

__all__ = [
    "SELECT_ALL",
    "Action",
    "CancelToken",
    "CompareMode",
    "Finding",
    "FindingKind",
    "Outcome",
    "PlanDriver",
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
