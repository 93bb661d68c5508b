"""What a run of the main flow did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse_sdk import jobs
from lakehouse_sdk.transfer import TransferReport


@dataclass(frozen=True)
class StepTime:
    """Wall time of one task of the run, seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class RunReport:
    """What one run of `collect_and_build` did.

    Attributes:
        flow_run_id: Prefect's id of the run, text.
        flow_run_name: Its readable name.
        collect: Archives and the copy into bronze.
        build: Rows and tables.
        replica: The copy of bronze into the second bucket, None where none was asked for.
        steps: Wall time of each task, in their order.
    """

    flow_run_id: str
    flow_run_name: str
    collect: jobs.CollectReport
    build: jobs.BuildReport
    replica: TransferReport | None
    steps: tuple[StepTime, ...]

    def transfers(self) -> dict[str, TransferReport]:
        """The transfers of the run by what they were for."""
        named = {"archives → bronze": self.collect.transfer}
        return {**named, "bronze → replica": self.replica} if self.replica else named

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; no setting, and so no secret, is among them."""
        return {
            "flow_run_id": self.flow_run_id,
            "flow_run_name": self.flow_run_name,
            "collect": self.collect.to_dict(),
            "build": self.build.to_dict(),
            "transfers": {name: report.to_dict() for name, report in self.transfers().items()},
            "steps": [{"name": step.name, "seconds": step.seconds} for step in self.steps],
        }
