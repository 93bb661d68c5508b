"""The gate: what a batch must be like before everybody sees it; light, because settings of a build name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_sdk.display import format_share
from lakehouse_sdk.errors import UsageError

if TYPE_CHECKING:
    from lakehouse_sdk.tables.iceberg.report import CommitReport
    from lakehouse_sdk.tables.read.scan import TableScan

ScanBatch = Callable[[str], "TableScan"]
"""Scans a table by its full name as it would be with the batch."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Conditions of a batch; it lands on a branch of each table, and on `main` only where all of them hold.

    Attributes:
        max_quarantined_share: Most rows in quarantine, as a share of all rows; None: any.
        max_flagged_share: Most flagged rows, as a share of the accepted ones; None: any.
        max_defective: Most archives that cannot be read at all; None: any.
        check: Called last with a function that scans a table by its full name, the batch included; says why the batch must not
            pass, or None where it may. What it raises is raised, and the batch stays on its branch.
    """

    max_quarantined_share: float | None = None
    max_flagged_share: float | None = None
    max_defective: int | None = None
    check: Callable[[ScanBatch], str | None] | None = None

    def __post_init__(self) -> None:
        limits = (self.max_quarantined_share, self.max_flagged_share, self.max_defective)
        if any(limit is not None and limit < 0 for limit in limits):
            raise UsageError("A limit of the gate is negative.", hint="Give shares between 0 and 1, and a count from 0.")
        if self.check is None and all(limit is None for limit in limits):
            raise UsageError("The gate has no condition.", hint="Set a limit or a check, or build without a gate.")

    def judge(self, commit: CommitReport, scan: ScanBatch) -> tuple[str, ...]:
        """Why the batch must not pass; empty where it may."""
        reasons = []
        quarantined, flagged = commit.rows_quarantined, commit.rows_flagged
        if _exceeds(quarantined, commit.rows_in, self.max_quarantined_share):
            limit = f"{self.max_quarantined_share:.4%}"
            reasons.append(f"{format_share(quarantined, commit.rows_in)} of the rows are in quarantine, more than {limit}")
        if _exceeds(flagged, commit.rows_accepted, self.max_flagged_share):
            limit = f"{self.max_flagged_share:.4%}"
            reasons.append(f"{format_share(flagged, commit.rows_accepted)} of the rows are flagged, more than {limit}")
        if self.max_defective is not None and len(commit.defects) > self.max_defective:
            reasons.append(f"{len(commit.defects)} archives cannot be read, more than {self.max_defective}")
        said = self.check(scan) if self.check is not None and not reasons else None
        return (*reasons, said) if said else tuple(reasons)


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate said of a batch.

    Attributes:
        branch: Where the batch landed; `scan(as_of=branch)` reads it until it is published or discarded.
        passed: True where it is on `main` now, and the branch is gone.
        reasons: Why it did not pass.
    """

    branch: str
    passed: bool
    reasons: tuple[str, ...] = ()


def _exceeds(count: int, total: int, limit: float | None) -> bool:
    return limit is not None and count > limit * total
