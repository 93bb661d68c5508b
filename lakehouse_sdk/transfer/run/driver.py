"""What a plan is driven by: the settings that know its ends, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.transfer.model.cancel import CancelToken
from lakehouse_sdk.transfer.model.objects import StrategyName
from lakehouse_sdk.transfer.model.report import TransferReport
from lakehouse_sdk.transfer.model.running import TransferRun
from lakehouse_sdk.transfer.plan.transfer_plan import Forecast, TransferPlan
from lakehouse_sdk.transfer.proof.prover import VerifyMode
from lakehouse_sdk.transfer.run.engine import run_transfer
from lakehouse_sdk.transfer.run.forecast import forecast_plan


@dataclass(frozen=True, slots=True)
class PlanDriver:
    """Forecasts, runs and starts plans; see `transfer_plan.Driver`.

    Attributes:
        settings: Where profiles and limits come from.
        observer: Told when a plan runs.
    """

    settings: Settings = field(repr=False)
    observer: Observer = ignore_events

    def forecast(self, plan: TransferPlan, strategy: StrategyName) -> Forecast:
        """As `forecast_plan`."""
        return forecast_plan(plan, self.settings, strategy)

    def run(self, plan: TransferPlan, *, strategy: StrategyName, verify: VerifyMode, manifest: bool) -> TransferReport:
        """As `run_transfer`."""
        return run_transfer(
            plan, settings=self.settings, strategy=strategy, verify=verify, manifest=manifest, observer=self.observer
        )

    def start(self, plan: TransferPlan, *, strategy: StrategyName, verify: VerifyMode, manifest: bool) -> TransferRun:
        """As `start_transfer`."""
        return start_transfer(
            plan, settings=self.settings, strategy=strategy, verify=verify, manifest=manifest, observer=self.observer
        )


def start_transfer(
    plan: TransferPlan,
    *,
    settings: Settings,
    strategy: StrategyName = "auto",
    verify: VerifyMode = "auto",
    manifest: bool = False,
    observer: Observer = ignore_events,
) -> TransferRun:
    """As `run_transfer`, in a thread of its own; returns at once."""

    def work(observer: Observer, cancel: CancelToken) -> TransferReport:
        return run_transfer(
            plan, settings=settings, strategy=strategy, verify=verify, manifest=manifest, observer=observer, cancel=cancel
        )

    return TransferRun(work, observer=observer)
