"""The second verb: run a planned transfer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import AccessError, ConfigurationError, LakehouseError, NotFoundError, StorageError
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer.context.ends import End, Ends, resolve_ends
from lakehouse_sdk.transfer.context.partial import PartialProgress
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.context.staging import remove_stale, staging_parent
from lakehouse_sdk.transfer.model.cancel import CancelToken
from lakehouse_sdk.transfer.model.objects import Action, Outcome, PlannedObject, Status, StrategyName
from lakehouse_sdk.transfer.model.outcomes import OutcomeStore
from lakehouse_sdk.transfer.model.report import Fallback, TransferReport
from lakehouse_sdk.transfer.plan.transfer_plan import TransferPlan
from lakehouse_sdk.transfer.proof.prover import Prover, VerifyMode
from lakehouse_sdk.transfer.proof.verify import prove_outcomes, verify_s3
from lakehouse_sdk.transfer.run.deletes import keep_all, run_deletes
from lakehouse_sdk.transfer.run.manifest import write_manifest
from lakehouse_sdk.transfer.run.memory import PeakMemory
from lakehouse_sdk.transfer.runners.leftovers import INCOMING_PREFIX, clear_abandoned, clear_incoming
from lakehouse_sdk.transfer.strategies import (
    Choice,
    DirectStrategy,
    FallbackRun,
    StagedStrategy,
    Strategy,
    StreamingStrategy,
    plan_fallbacks,
)

_VERIFIED_AT_ONCE = 20_000
"""Outcomes whose objects are looked for together; as many are held in memory."""
_PROGRESS_S = 0.1
"""Between two progress events: quicker than an eye, and no cost for each object."""
_STRATEGIES: dict[str, Callable[[Ends, RunContext], Strategy]] = {
    "direct": DirectStrategy,
    "streaming": StreamingStrategy,
    "staged": StagedStrategy,
}


def run_transfer(
    plan: TransferPlan,
    *,
    settings: Settings,
    strategy: StrategyName = "auto",
    verify: VerifyMode = "auto",
    manifest: bool = False,
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> TransferReport:
    """Carry out a plan and report what became of every row.

    Each object appears under its target key complete or not at all. Objects that fail do not stop the others; look at the
    report, or call its `raise_for_failures`. Running the same transfer again copies only what is missing. After a cancel the
    report comes back within a second or two; no process and no unfinished upload is left. So it is after an exception such as
    KeyboardInterrupt, which is passed on.

    Args:
        plan: From `plan_transfer` or `TransferPlan.from_rows`.
        settings: Where profiles and limits come from.
        strategy: `auto` chooses by what is true of the two ends; the report says which and why.
        verify: How much proof is asked for after the copy, beyond what costs no reading.
        manifest: True to keep the outcomes as a Parquet file in the lake (`write_manifest`); the report says where.
        observer: Told as stage `copy`.
        cancel: Stops the run when set.
        on_outcome: Called for each copy that is done and has the SHA-256 that its row wants, as it ends, in the thread of the
            caller; so a killed run leaves a trace. What is proven only afterwards is in the report alone.

    Raises:
        DeleteRefusedError: The plan would delete more than its limit; nothing was copied.
        NotFoundError: The target's bucket does not exist.
        UsageError: The strategy cannot join these ends.
        ConnectError: Nobody answers at the target.
        ConfigurationError: The target's profile asks for an encryption that its server does not have.
        KeyServiceError: The target's server cannot encrypt, because its key service fails.
        StorageError: All of this happened, but the manifest could not be written.
    """
    plan.check_deletes()
    ends = resolve_ends(plan.source, plan.target, settings)
    choices = plan_fallbacks(ends, strategy)
    started_s = time.monotonic()
    progress = _Progress(plan, observer)
    with PeakMemory() as memory, RunContext(settings.transfer, cancel, progress.partial, patient=True) as context:
        travel = FallbackRun(choices, lambda choice: _STRATEGIES[choice.name](ends, context))
        _clear_leftovers(plan, ends, choices[0], context)
        outcomes = OutcomeStore(_settle(row) for action in (Action.SKIP, Action.CONFLICT) for row in plan.rows(action))
        if plan.totals.copy_objects:
            _check_target(ends.target, context)
            _check_encryption(ends.target, context)
            moved = _copy(plan.rows(Action.COPY), travel, progress, on_outcome)
            for outcome in _verify(moved, ends, verify, context, progress):
                outcomes.append(outcome)
        if plan.totals.delete_objects:
            for outcome in _delete(plan.rows(Action.DELETE), ends, outcomes.counts, context):
                outcomes.append(outcome)
    report = _report(plan, choices[0], travel.fallbacks, outcomes, context, time.monotonic() - started_s)
    report = replace(report, peak_memory_bytes=memory.peak_bytes)
    if manifest:
        report = _keep_manifest(report, settings)
    progress.finish(report)
    return report


def _keep_manifest(report: TransferReport, settings: Settings) -> TransferReport:
    try:
        return replace(report, manifest=write_manifest(report, settings=settings))
    except LakehouseError as error:
        raise StorageError(
            f"The transfer ended ({report.summary}), but its manifest could not be written: {error.message}", hint=error.hint
        ) from error


def _settle(row: PlannedObject) -> Outcome:
    return Outcome(row, Status.SKIPPED if row.action is Action.SKIP else Status.CONFLICT, row.reason)


def _check_target(target: End, context: RunContext) -> None:
    """Say that the bucket is missing once and before the first byte, not once for each object."""
    if target.profile is None:
        return
    # By a client that gives up soon: nobody at the target is said within seconds. Who may write need not be allowed to look.
    with suppress(AccessError), S3Client(target.profile) as client:
        there = client.bucket_exists(target.bucket)
        context.tally.requests_of_looks += client.requests_sent
        if not there:
            raise NotFoundError(
                f"There is no bucket {target.bucket!r} at {target.profile.resolved_endpoint_url}.",
                hint="Check the name, or create it.",
            )


def _check_encryption(target: End, context: RunContext) -> None:
    """Say before the first object that the server cannot encrypt as the profile asks; some take the wish and do nothing."""
    profile = target.profile
    if profile is None or not profile.encryption:
        return
    key = f"{INCOMING_PREFIX}{context.journal.run_id}-encrypted"
    with suppress(AccessError), S3Client(profile) as client:  # who may write the keys need not be allowed to write this one
        number = context.journal.begin(profile, target.bucket, prefix=key)
        try:
            client.put_bytes(target.bucket, key, b"?")
            found = client.get_encryption(target.bucket, key).encrypted_by
            client.delete(target.bucket, key)
            context.journal.end(profile, number)
        finally:
            context.tally.requests_of_looks += client.requests_sent
        if not found.startswith(profile.encryption):
            raise ConfigurationError(
                f"{profile.resolved_endpoint_url} does not encrypt: {profile.encryption} was asked for, and an object has "
                f"{found or 'no encryption'}.",
                hint="Leave out encryption of the profile, or use a server that has it; nothing was copied.",
            )


def _clear_leftovers(plan: TransferPlan, ends: Ends, choice: Choice, context: RunContext) -> None:
    """Remove what runs that were killed left: in temporary folders, open uploads, and what rests below `_incoming/`."""
    remove_stale(staging_parent(context.settings.staging_dir))
    if ends.target.profile is None:
        remove_stale(Path(ends.target.folder or "/"))
        return
    client = context.client(ends.target.profile)
    clear_abandoned(ends.target.profile, client)
    if plan.wants_hashes and choice.name == "direct" and ends.source.profile is not None:
        clear_incoming(client, ends.target.bucket, context.settings.abandoned_after_h)


def _copy(
    rows: Iterable[PlannedObject],
    travel: FallbackRun,
    progress: _Progress,
    on_outcome: Callable[[Outcome], None] | None,
) -> OutcomeStore:
    moved = OutcomeStore()
    with closing(travel.run(rows)) as running:
        for outcome in running:
            moved.append(outcome)
            progress.add(outcome)
            if on_outcome is not None and outcome.status is Status.DONE and outcome.row.sha256 is not None:
                on_outcome(outcome)
    return moved


def _verify(moved: OutcomeStore, ends: Ends, mode: VerifyMode, context: RunContext, progress: _Progress) -> Iterator[Outcome]:
    """Outcomes as the target confirms them, in order; some thousands at a time are held."""
    prover, verified = Prover(ends.source, ends.target, context), iter(moved)
    if ends.target.profile is not None:
        client: S3Client = context.client(ends.target.profile)
        confirm = partial(verify_s3, client, ends.target.bucket, etags_tell=prover.etags_tell)
        verified = chain.from_iterable(map(confirm, _in_parts(verified)))
    for before, after in zip(moved, prove_outcomes(prover, verified, mode), strict=True):
        if after.status is Status.FAILED and before.status is not Status.FAILED:
            progress.fail(after)
        yield after


def _in_parts(outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
    while part := list(islice(outcomes, _VERIFIED_AT_ONCE)):
        yield part


def _delete(rows: Iterable[PlannedObject], ends: Ends, settled: Mapping[Status, int], context: RunContext) -> Iterable[Outcome]:
    if context.cancel.cancelled:
        return keep_all(rows, "the run was cancelled")
    missing = sum(count for status, count in settled.items() if status not in {Status.DONE, Status.SKIPPED})
    if missing:
        return keep_all(rows, f"{missing:,} objects of the source are not at the target")
    return run_deletes(rows, ends.target, context)


def _report(
    plan: TransferPlan,
    choice: Choice,
    fallbacks: list[Fallback],
    outcomes: OutcomeStore,
    context: RunContext,
    seconds: float,
) -> TransferReport:
    tally = context.tally
    carried = dict.fromkeys(outcome.strategy for outcome in outcomes if outcome.strategy)
    strategies = {choice.name: None, **carried}
    if fallbacks and choice.name not in carried:
        del strategies[choice.name]
    return TransferReport(
        source=plan.source,
        target=plan.target,
        strategy=" + ".join(strategies),
        strategy_reason="; ".join(
            [
                choice.reason,
                *(f"{item.objects:,} objects by {item.to_strategy}: {item.reason}" for item in fallbacks),
            ]
        ),
        fallbacks=tuple(fallbacks),
        outcomes=outcomes,
        seconds=seconds,
        bytes_copied=outcomes.bytes_done,
        bytes_through_client=tally.bytes_through_client,
        s5cmd_processes=tally.s5cmd_processes,
        s5cmd_commands=tally.s5cmd_commands,
        s3_requests=context.s3_requests,
        s3_requests_of_s5cmd=tally.s3_requests_of_s5cmd,
        retries=tally.retries + context.request_repeats,
        peak_staging_bytes=tally.peak_staging_bytes,
        skips_counted=plan.counted_skips.objects,
        cancelled=context.cancel.cancelled and outcomes.counts[Status.CANCELLED] > 0,
    )


class _Progress:
    """Turns outcomes and the bytes of large objects before them into events, a few a second; without an observer into nothing.

    Done bytes never shrink: what an attempt that is repeated moved is not counted again until as much has moved once more.
    """

    def __init__(self, plan: TransferPlan, observer: Observer) -> None:
        self._observer = observer
        self._silent = observer is ignore_events
        self.partial = PartialProgress() if self._silent else PartialProgress(self._show)
        self._done = self._bytes = self._failed = self._told_bytes = 0
        self._next_s = 0.0
        if not self._silent:
            totals = plan.totals
            observer(StageStarted("copy", f"{plan.source} → {plan.target}", totals.copy_objects, totals.copy_bytes))

    def add(self, outcome: Outcome) -> None:
        """One more object ended."""
        self.partial.end(outcome.row)
        if self._silent:
            return
        self._done += 1
        self._bytes += outcome.row.size_bytes
        if outcome.status is Status.FAILED:
            self.fail(outcome)
        if self._is_due():
            self._tell(outcome.row.relative_key)

    def fail(self, outcome: Outcome) -> None:
        """One object failed for good."""
        if not self._silent:
            self._failed += 1
            self._observer(ObjectFailed("copy", outcome.row.relative_key, outcome.reason))

    def finish(self, report: TransferReport) -> None:
        """The run ended."""
        if not self._silent:
            if self._done:
                self._tell("")
            self._observer(StageFinished("copy", report.seconds, report.summary, report.ok))

    def _show(self) -> None:
        """Nothing ended; tell of the bytes that came meanwhile."""
        if self._count_bytes() > self._told_bytes and self._is_due():
            self._tell("")

    def _is_due(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + _PROGRESS_S
        return True

    def _count_bytes(self) -> int:
        return self._bytes + self.partial.done_bytes

    def _tell(self, note: str) -> None:
        self._told_bytes = max(self._told_bytes, self._count_bytes())
        self._observer(StageProgress("copy", self._done, self._told_bytes, self._failed, note))
