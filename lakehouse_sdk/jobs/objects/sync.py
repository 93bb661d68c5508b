"""Copies between two addresses, and of bronze into another bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import (
    SELECT_ALL,
    CancelToken,
    CompareMode,
    Selection,
    StrategyName,
    TransferReport,
    TransferRun,
    VerifyMode,
    plan_transfer,
    run_transfer,
)
from lakehouse_sdk.uris import Address, S3Address


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How a sync plans and runs; the defaults copy what is missing or differs and delete nothing.

    Attributes:
        strategy: `auto` chooses by what is true of the two ends and says why in the report.
        selection: Which objects it is about.
        compare: How it is told whether two objects are the same.
        delete: True to delete what only the target holds, after every copy succeeded.
        max_deletes: Most deletes, instead of the settings' limits.
        verify: How much proof is asked for after the copy.
        manifest: True to keep the outcomes in the lake.
    """

    strategy: StrategyName = "auto"
    selection: Selection = SELECT_ALL
    compare: CompareMode = "auto"
    delete: bool = False
    max_deletes: int | None = None
    verify: VerifyMode = "auto"
    manifest: bool = False


def sync(
    source: str | Path | Address,
    target: str | Path | Address,
    *,
    settings: Settings,
    options: SyncOptions = SyncOptions(),
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> TransferReport:
    """Make the contents of prefix `target` hold those of prefix `source`.

    Raises:
        ConnectError, AccessError, NotFoundError: An end cannot be used; nothing was copied.
        DeleteRefusedError: There would be more deletes than are believed; nothing was copied.
    """
    with plan_transfer(
        source,
        target,
        settings=settings,
        selection=options.selection,
        compare=options.compare,
        delete=options.delete,
        max_deletes=options.max_deletes,
        observer=observer,
    ) as plan:
        return run_transfer(
            plan,
            settings=settings,
            strategy=options.strategy,
            verify=options.verify,
            manifest=options.manifest,
            observer=observer,
            cancel=cancel,
        )


def start_sync(
    source: str | Path | Address,
    target: str | Path | Address,
    *,
    settings: Settings,
    options: SyncOptions = SyncOptions(),
    observer: Observer = ignore_events,
) -> TransferRun:
    """As `sync`, planning included, in a thread of its own; returns at once."""

    def work(observer: Observer, cancel: CancelToken) -> TransferReport:
        return sync(source, target, settings=settings, options=options, observer=observer, cancel=cancel)

    return TransferRun(work, observer=observer)


def replicate_bronze(
    bucket: str, *, settings: Settings, observer: Observer = ignore_events, cancel: CancelToken | None = None
) -> TransferReport:
    """Copy all of bronze into another bucket of the same server, created when missing; no byte passes this machine."""
    with S3Client(settings.storage) as client:
        client.ensure_bucket(bucket)
    prefix = f"{settings.lake.bronze_prefix}/"
    source, target = S3Address(settings.lake.bucket, prefix), S3Address(bucket, prefix)
    return sync(source, target, settings=settings, observer=observer, cancel=cancel)
