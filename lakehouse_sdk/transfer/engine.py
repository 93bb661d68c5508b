"""The two verbs: plan a transfer, run it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.transfer.cancel import CancelToken
from lakehouse_sdk.transfer.model import TransferPlan
from lakehouse_sdk.transfer.report import TransferReport
from lakehouse_sdk.uris import Address

StrategyName = Literal["auto", "direct", "staged"]


def plan_transfer(
    source: str | Path | Address, target: str | Path | Address, *, settings: Settings, observer: Observer = ignore_events
) -> TransferPlan:
    """Plan to copy the contents of a prefix or folder into a prefix or folder."""
    raise NotImplementedError


def run_transfer(
    plan: TransferPlan,
    *,
    settings: Settings,
    strategy: StrategyName = "auto",
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> TransferReport:
    """Carry a plan out."""
    raise NotImplementedError
