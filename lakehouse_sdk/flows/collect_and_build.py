"""The main job as a Prefect flow: discover → plan → copy → verify → build (parse, validate, commit) → replicate."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.utilities.annotations import quote

from lakehouse_sdk import jobs
from lakehouse_sdk.archives import ArchiveQuery, Cadence
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.flows.artifacts import RunObserver, write_summary
from lakehouse_sdk.flows.report import RunReport, StepTime
from lakehouse_sdk.transfer import TransferReport


def is_worth_retrying(task: object, run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Retry what may pass by itself: an unreachable server, a 5xx. Refused credentials and wrong settings do not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, LakehouseError) and error.is_transient


P = ParamSpec("P")
R = TypeVar("R")


def _task(run_name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task of this flow: retried when that may help, never cached.

    Idempotency lives in bronze and in the tables' rows, where a lost Prefect database cannot lose it.
    """
    return task(
        task_run_name=run_name,
        retries=2,
        retry_delay_seconds=[2, 10],
        retry_jitter_factor=0.5,
        retry_condition_fn=is_worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


@_task("discover {source}")
def discover(query: ArchiveQuery, settings: Settings, source: str, options: jobs.CollectOptions) -> jobs.Discovery:
    """List what the source publishes."""
    found = jobs.discover_archives(query, settings=settings, source=source, observer=RunObserver())
    return (jobs.narrow_to_news(found, settings=settings) if options.incremental else found).listed()


@_task("plan {discovery.source}")
def plan(discovery: jobs.Discovery, settings: Settings, options: jobs.CollectOptions) -> jobs.CollectionPlan:
    """Choose archives, compare with the ledger, read published checksums."""
    return jobs.plan_collection(discovery, settings=settings, options=options, observer=RunObserver())


@_task("copy {plan.source} to bronze")
def copy(plan: jobs.CollectionPlan, settings: Settings) -> jobs.CopiedArchives:
    """Move the archives; one whose SHA-256 is not the published one never becomes visible."""
    return jobs.copy_archives(plan, settings=settings, observer=RunObserver())


@_task("verify {plan.source}")
def verify(plan: jobs.CollectionPlan, copied: jobs.CopiedArchives, seconds: float) -> jobs.CollectReport:
    """Give every selected archive exactly one state."""
    return jobs.verify_archives(plan, copied, seconds=seconds, observer=RunObserver())


@_task("build tables from {collected.source}")
def build(collected: jobs.CollectReport, settings: Settings, rebuild: bool) -> jobs.BuildReport:  # noqa: FBT001
    """Parse, validate and commit what is in bronze."""
    return jobs.build_tables(collected, settings=settings, rebuild=rebuild, observer=RunObserver())


@_task("replicate bronze to {bucket}")
def replicate(bucket: str, settings: Settings) -> TransferReport:
    """Copy bronze into a second bucket of the same server."""
    return jobs.replicate_bronze(bucket, settings=settings, observer=RunObserver())


def _run_name() -> str:
    given = flow_run.parameters
    first, last = (f"{given[name]:%Y-%m-%d}" if given[name] else name for name in ("start", "end"))
    period = f"{first} to {last}"
    return f"{given['source']} {'+'.join(given['data_types'])} {'+'.join(given['markets'])}, {period}"


# The tasks are called, never submitted: in the main thread a cancelled run ends its s5cmd process at once; in a worker
# thread Prefect leaves it alive (measured: 30 s and an orphan).
@flow(name="collect_and_build", flow_run_name=_run_name, persist_result=False)
def collect_and_build(
    markets: tuple[str, ...] = ("spot", "um"),
    data_types: tuple[str, ...] = ("klines", "aggTrades"),
    symbols: tuple[str, ...] | None = None,
    intervals: tuple[str, ...] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    source: str = "binance",
    cadence: Cadence = "auto",
    incremental: bool = False,  # noqa: FBT001, FBT002 (Prefect shows parameters by name)
    rebuild: bool = False,  # noqa: FBT001, FBT002 (as above)
    replica_bucket: str | None = None,
) -> RunReport:
    """Bring archives into bronze, turn them into tables; idempotent, so a failed run is simply run again.

    Settings are those of the process that runs it (`LAKEHOUSE_CONFIG` names their file). They are no parameters: Prefect stores
    parameters, and whoever may start a run could have it talk to a server of theirs.

    Args:
        markets: `spot`, `um`.
        data_types: `klines`, `aggTrades`.
        symbols: Native symbols, None for all.
        intervals: Bar intervals of klines, None for all.
        start: First instant, aware; None from the first archive.
        end: First instant that is no longer wanted, aware; None to the last.
        source: Name of the connector.
        cadence: `auto` takes monthly archives where a month has one and daily ones for the rest.
        incremental: True to list only what is newer than what the ledger knows of each series, less 35 days (monthly archives:
            two months): for a schedule every night.
        rebuild: True to read also archives whose rows the ledger knows to be in the tables.
        replica_bucket: Second bucket on the lake's server that gets a copy of bronze; None for none.

    Raises:
        TransferError: Copies failed; what succeeded stays, and the next run goes on from there.
        TableError: An archive could not be read, or lost more than `quality.max_rejected_share` of its rows; the others are in
            the tables, and a next run leaves it alone.
    """
    settings = load_settings()
    query = ArchiveQuery(markets, data_types, symbols=symbols, intervals=intervals, start=start, end=end)
    steps: list[StepTime] = []

    def timed(name: str, step: Callable[..., R], *arguments: Any) -> R:
        started = time.perf_counter()
        result = step(*map(quote, arguments))  # Prefect otherwise walks through every archive in search of futures
        steps.append(StepTime(name, time.perf_counter() - started))
        return result

    options = jobs.CollectOptions(cadence=cadence, incremental=incremental)
    discovery = timed("discover", discover, query, settings, source, options)
    planned = timed("plan", plan, discovery, settings, options)
    copied = timed("copy", copy, planned, settings)
    so_far_s = sum(step.seconds for step in steps)
    collected = timed("verify", verify, planned, copied, so_far_s)
    collected.raise_for_failures()
    built = timed("build", build, collected, settings, rebuild)
    replica = timed("replicate", replicate, replica_bucket, settings) if replica_bucket else None
    report = RunReport(str(flow_run.id), str(flow_run.name), collected, built, replica, tuple(steps))
    write_summary(report)
    if replica is not None:
        replica.raise_for_failures()
    built.raise_for_losses()
    return report
