"""Discover → plan → copy → verify: archives of a source into bronze, each visible only when its published checksum held.

Guarantee: an archive under its key below `bronze/<source>/` has the SHA-256 that the source publishes for it (or the source
publishes none, and the report says so). Running the same call again brings only what is missing or was published anew; bytes
that the source replaced are kept below `bronze/_revisions/`. What became of every archive is in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse_sdk.archives.ledger import CollectionRun
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageStarted, ignore_events
from lakehouse_sdk.jobs.collect.bronze import keep_replaced
from lakehouse_sdk.jobs.collect.discover import Discovery
from lakehouse_sdk.jobs.collect.materialise import make_archives
from lakehouse_sdk.jobs.collect.plan import DEFAULT_OPTIONS, CollectOptions, plan_collection
from lakehouse_sdk.jobs.collect.report import (
    ArchiveState,
    CollectedArchive,
    CollectionPlan,
    CollectReport,
    PlannedArchive,
    Task,
)
from lakehouse_sdk.jobs.collect.settle import Settler
from lakehouse_sdk.jobs.session import Session, open_session
from lakehouse_sdk.transfer import CancelToken, TransferReport, run_transfer


@dataclass(frozen=True)
class CopiedArchives:
    """What bringing the archives of a plan did.

    Attributes:
        transfer: The copy's own report; archives that were read through their connector are not in it.
        settled: Every archive that was to be brought, by key.
        seconds: Wall time.
    """

    transfer: TransferReport
    settled: dict[str, CollectedArchive]
    seconds: float


def collect(
    discovery: Discovery,
    *,
    settings: Settings | Session,
    options: CollectOptions = DEFAULT_OPTIONS,
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> CollectReport:
    """Bring discovered archives into bronze, verified; idempotent.

    Raises:
        ConfigurationError: `catalog.uri` is not set: the ledger lives there.
        ConnectError, AccessError, NotFoundError: The source or the lake's server cannot be used; nothing was copied.
    """
    started = time.perf_counter()
    with open_session(settings) as session:
        plan = plan_collection(discovery, settings=session, options=options, observer=observer)
        copied = copy_archives(plan, settings=session, observer=observer, cancel=cancel)
    return verify_archives(plan, copied, seconds=time.perf_counter() - started, observer=observer)


def copy_archives(
    plan: CollectionPlan,
    *,
    settings: Settings | Session,
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> CopiedArchives:
    """Bring the archives of a plan; one whose bytes do not have the wanted SHA-256 never becomes visible.

    Killed at any moment it leaves a ledger from which the next run goes on: what arrived in the last second before is found
    again in bronze.

    Raises:
        ConnectError, AccessError, NotFoundError, CapacityError: Nothing can be copied at all.
        StorageError: The ledger or a checksum file cannot be written; what arrived is found again by the next run.
    """
    started = time.perf_counter()
    brought = [item for item in plan.archives if item.task in {Task.COPY, Task.MAKE}]
    with open_session(settings) as session:
        settings, client, ledger = session.settings, session.client, session.ledger
        connector = session.connector(plan.source)
        client.ensure_bucket(settings.lake.bucket)
        replaced = (item.archive.key for item in brought if item.revision > 1)
        keep_replaced(client, settings, ledger, plan.source, replaced)
        ledger.begin(plan.source, (item.archive.key for item in brought))
        with Settler(plan.archives, connector, client, settings, ledger, observer) as settler:
            for item in plan.archives:
                if item.task is Task.ADOPT:
                    settler.take_adopted(item)
            transfer = run_transfer(plan.transfer, settings=settings, observer=observer, cancel=cancel, on_outcome=settler.take)
            settler.take_rest(transfer.outcomes)
            makes = [item for item in brought if item.task is Task.MAKE]
            for made in make_archives(connector, makes, client=client, settings=settings, cancel=cancel):
                settler.take_made(made)
                if made.reason and made.state is not None:
                    observer(ObjectFailed("copy", made.item.archive.key, made.reason))
        seconds = time.perf_counter() - started
        arrived = [item for item in settler.settled.values() if item.in_bronze and item.state is not ArchiveState.PRESENT]
        size_bytes = sum(item.archive.size_bytes for item in arrived)
        if arrived:
            ledger.add_run(CollectionRun(plan.source, datetime.now(UTC), seconds, len(arrived), size_bytes))
    return CopiedArchives(transfer, settler.settled, seconds)


def verify_archives(
    plan: CollectionPlan, copied: CopiedArchives, *, seconds: float, observer: Observer = ignore_events
) -> CollectReport:
    """Reconcile every selected archive with its end: each has exactly one state, none is dropped."""
    started = time.perf_counter()
    observer(StageStarted("verify", f"{len(plan.archives)} archives", total_objects=len(plan.archives)))
    collected = tuple(_conclude(plan, copied))
    result = CollectReport(plan.source, collected, plan.oddities, copied.transfer, seconds, plan.terms_url, plan.vanished)
    counts = result.counts()
    summary = ", ".join(f"{format_count(count)} {state}" for state, count in counts.items() if count)
    ok = not result.problems
    observer(StageFinished("verify", time.perf_counter() - started, summary or "nothing selected", ok=ok))
    return result


def _conclude(plan: CollectionPlan, copied: CopiedArchives) -> Iterator[CollectedArchive]:
    for item in plan.archives:
        yield copied.settled.get(item.archive.key) or _conclude_unmoved(item)


def _conclude_unmoved(item: PlannedArchive) -> CollectedArchive:
    archive, revision = item.archive, item.revision
    match item.task:
        case Task.KEEP:
            return CollectedArchive(archive, ArchiveState.PRESENT, item.sha256, "", revision, item.published)
        case Task.LEAVE:
            return CollectedArchive(archive, ArchiveState.DROPPED, item.sha256, "", revision, published=True)
        case Task.REFUSE:
            return CollectedArchive(archive, ArchiveState.QUARANTINED, item.sha256, item.reason, revision)
        case Task.FAIL:
            return CollectedArchive(archive, ArchiveState.FAILED, None, item.reason, revision)
        case _:
            return CollectedArchive(archive, ArchiveState.FAILED, None, "it was not brought", revision)
