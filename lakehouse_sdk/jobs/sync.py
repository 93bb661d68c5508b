"""Copies between two addresses, and of bronze into another bucket."""

from __future__ import annotations

from pathlib import Path

from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import CancelToken, StrategyName, TransferReport, plan_transfer, run_transfer
from lakehouse_sdk.uris import Address, S3Address


def sync(
    source: str | Path | Address,
    target: str | Path | Address,
    *,
    settings: Settings,
    strategy: StrategyName = "auto",
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> TransferReport:
    """Make the contents of prefix `target` hold those of prefix `source`; copies what is missing or differs, deletes nothing.

    Raises:
        ConnectError, AccessError, NotFoundError: An end cannot be used; nothing was copied.
    """
    plan = plan_transfer(source, target, settings=settings, observer=observer)
    return run_transfer(plan, settings=settings, strategy=strategy, observer=observer, cancel=cancel)


def replicate_bronze(
    bucket: str, *, settings: Settings, observer: Observer = ignore_events, cancel: CancelToken | None = None
) -> TransferReport:
    """Copy all of bronze into another bucket of the same server, created when missing; no byte passes this machine."""
    with S3Client(settings.storage) as client:
        client.ensure_bucket(bucket)
    prefix = f"{settings.lake.bronze_prefix}/"
    source, target = S3Address(settings.lake.bucket, prefix), S3Address(bucket, prefix)
    return sync(source, target, settings=settings, observer=observer, cancel=cancel)
