"""The first verb: plan a transfer. Reads both ends, changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lakehouse_sdk.config import Settings, TransferSettings
from lakehouse_sdk.errors import DeleteRefusedError, LakehouseError
from lakehouse_sdk.events import Observer, StageFinished, StageStarted, ignore_events
from lakehouse_sdk.parallel import resolve_ordered
from lakehouse_sdk.storage import ListingOrderError
from lakehouse_sdk.transfer.context.ends import End, Ends, check_apart, resolve_ends
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Entry, PlannedObject, SkipCount
from lakehouse_sdk.transfer.plan.diff import (
    CompareMode,
    OutOfOrderError,
    PlannedItems,
    PlanRules,
    Undecided,
    decide_by_etags,
    decide_by_hash,
    is_marker,
    plan_to_folder,
    plan_to_s3,
)
from lakehouse_sdk.transfer.plan.listing import KeptEntries, find_empty_reason, list_end, sort_names
from lakehouse_sdk.transfer.plan.names import find_folder_conflicts
from lakehouse_sdk.transfer.plan.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.plan.transfer_plan import TransferPlan
from lakehouse_sdk.transfer.proof.hashing import hash_path
from lakehouse_sdk.transfer.proof.prover import Prover
from lakehouse_sdk.transfer.run.driver import PlanDriver
from lakehouse_sdk.uris import Address

_HASHES_AT_ONCE = 16
_MAX_WAITING = 4 * _HASHES_AT_ONCE


def plan_transfer(
    source: str | Path | Address,
    target: str | Path | Address,
    *,
    settings: Settings,
    selection: Selection = SELECT_ALL,
    compare: CompareMode = "auto",
    delete: bool = False,
    max_deletes: int | None = None,
    keep_skips: bool = False,
    observer: Observer = ignore_events,
) -> TransferPlan:
    """Plan to bring the contents of a prefix or folder to a prefix or folder; reads both, changes nothing.

    Every object of the source is *copy* where the target lacks it or holds something else, *skip* where it holds the same,
    *conflict* where the target cannot hold it, or not apart from another. What only the target holds is left alone, unless
    `delete` makes it *delete*. An empty source makes an empty plan that says so in its `summary`. Memory is bounded whatever
    the number of objects.

    Deletes beyond their limit make a plan that can be looked at and not be run (`delete_refusal`): more than the smaller of
    `transfer.max_deletes` (1,000) and `transfer.max_delete_percent` (10 %) of what the target holds, or any where the source
    is empty.

    Args:
        source: Prefix or folder; `a` and `a/` mean the same.
        target: Prefix or folder; the folder need not exist, the bucket must.
        settings: Where profiles and limits come from.
        selection: Which objects the plan is about; default: all.
        compare: When an object counts as already there: `auto` by size and ETag, where the ETags can be compared, else by
            SHA-256, where both servers recorded one, else by size and time; `size-time`; `sha256`; `always` copies.
        delete: True for deletes of what only the target holds.
        max_deletes: The limit of deletes, instead of the settings' two.
        keep_skips: True for a row for each skipped object too; otherwise they are counted only.
        observer: Told as stage `plan`.

    Raises:
        NotFoundError: The source folder, or a bucket, does not exist.
        UsageError: One end contains the other.
        ConnectError, AccessError, StorageError: A listing failed; without it there is no plan.
        DeleteRefusedError: With `delete`, the listing of the source failed.
    """
    ends = resolve_ends(source, target, settings)
    check_apart(ends)
    started_s = time.monotonic()
    if observer is not ignore_events:
        observer(StageStarted("plan", f"{ends.source.address} → {ends.target.address}"))
    rules = PlanRules(selection, compare, delete=delete)
    with RunContext(settings.transfer) as context:
        planner = _Planner(ends, context, rules, settings, observer, keep_skips=keep_skips)
        try:
            plan = planner.plan(max_deletes)
        except (OutOfOrderError, ListingOrderError):  # an odd server; its listings are taken page by page, and sorted
            plan = planner.plan(max_deletes, sort=True)
    if observer is not ignore_events:
        observer(StageFinished("plan", time.monotonic() - started_s, plan.summary))
    return plan


@dataclass(frozen=True, slots=True)
class _Planner:
    """Joins listings, pure planning and hashes of one plan."""

    ends: Ends
    context: RunContext
    rules: PlanRules
    settings: Settings
    observer: Observer
    keep_skips: bool

    def plan(self, max_deletes: int | None, *, sort: bool = False) -> TransferPlan:
        ends, rules = self.ends, self.rules
        skipped = None if self.keep_skips else SkipCount()
        rules = replace(rules, hashes=self._may_need_hashes(), server=self._name_target_server(), skipped=skipped)
        source = _Listing(self._list_source(sort=sort))
        target = _Listing(self._list_target(sort=sort))
        items = self._plan_items(source, target, rules)
        plan = TransferPlan(
            ends.source.address,
            ends.target.address,
            self._settle(items, rules),
            skipped=skipped,
            selection=rules.selection,
            driver=PlanDriver(self.settings, self.observer),
        )
        if not plan.totals.objects:
            plan.note = self._find_empty_reason(source.count)
        plan.delete_refusal = _find_delete_refusal(plan, source.count, target.count, max_deletes, self.context.settings)
        return plan

    def _plan_items(self, source: Iterable[Entry], target: Iterable[Entry], rules: PlanRules) -> PlannedItems:
        if self.ends.target.profile is not None:
            return plan_to_s3(source, target, self.ends.target.prefix, rules)
        # Both listings are read twice: for the conflicts between names, then for the plan. They are kept meanwhile.
        sources, targets = KeptEntries(source), KeptEntries(target)
        selects = rules.selection.selects_name
        names = (entry.name for entry in sources.read() if not is_marker(entry) and selects(entry.name))
        conflicts = find_folder_conflicts(names, (entry.name for entry in targets.read()), sort_names)
        return plan_to_folder(sources.again(), targets.again(), self.ends.target.folder, conflicts, rules)

    def _list_source(self, *, sort: bool) -> Iterator[Entry]:
        try:
            yield from list_end(self.ends.source, self.context, sort=sort)
        except LakehouseError as error:
            if not self.rules.delete or isinstance(error, ListingOrderError):
                raise
            raise DeleteRefusedError(
                f"Nothing is deleted at {self.ends.target.address}, because {self.ends.source.address} could not be listed: "
                f"{error.message}",
                hint=error.hint,
            ) from error

    def _list_target(self, *, sort: bool) -> Iterator[Entry]:
        end = self.ends.target
        if end.profile is None and not Path(end.folder or "/").exists():
            return iter(())
        return list_end(end, self.context, sort=sort)

    def _may_need_hashes(self) -> bool:
        between_servers = self.ends.source.profile is not None and self.ends.target.profile is not None
        return self.rules.compare == "sha256" or (self.rules.compare == "auto" and between_servers)

    def _name_target_server(self) -> str:
        end = self.ends.target
        with suppress(LakehouseError):  # whoever may write need not be allowed to look
            if end.profile is not None:
                return self.context.client(end.profile).get_server_name(end.bucket)
        return ""

    def _settle(self, items: PlannedItems, rules: PlanRules) -> Iterator[PlannedObject]:
        """Rows, in order; hashes of undecided pairs are asked for a few at once."""
        with ExitStack() as stack:
            pool: list[ThreadPoolExecutor] = []  # most plans need none
            prover = Prover(self.ends.source, self.ends.target, self.context)
            etags_tell: list[bool] = []  # the first pair that differs speaks for all: a bucket has one setting

            def decide(item: PlannedObject | Undecided) -> PlannedObject | Future[PlannedObject | None] | None:
                if isinstance(item, PlannedObject):
                    return item
                if item.etags_differ:
                    if not etags_tell:
                        etags_tell.append(prover.etags_tell(item.entry.key, item.existing.key))
                    if etags_tell[0]:
                        return decide_by_etags(item)
                if not pool:
                    pool.append(stack.enter_context(ThreadPoolExecutor(_HASHES_AT_ONCE, thread_name_prefix="lakehouse-hash")))
                return pool[0].submit(self._decide, item, rules)

            for row in resolve_ordered(map(decide, items), window=_MAX_WAITING):
                if row is not None:
                    yield row

    def _decide(self, pair: Undecided, rules: PlanRules) -> PlannedObject | None:
        ours = self._find_hash(self.ends.source, pair.entry)
        theirs = self._find_hash(self.ends.target, pair.existing) if ours else None
        return decide_by_hash(pair, ours, theirs, rules)

    def _find_hash(self, end: End, entry: Entry) -> str | None:
        if end.profile is None:
            return hash_path(entry.key)[1]
        info = self.context.client(end.profile).find_info(end.bucket, entry.key)
        return info.sha256 if info is not None else None

    def _find_empty_reason(self, listed: int) -> str:
        source = self.ends.source
        if listed:
            return f"{source.address}: the selection leaves nothing of {listed:,} objects ({self.rules.selection.describe()})"
        if source.profile is None:
            return f"the folder {source.folder!r} holds no file"
        client = self.context.client(source.profile)
        return f"{source.address}: {find_empty_reason(client, source.bucket, source.prefix)}"


def _find_delete_refusal(
    plan: TransferPlan, source_objects: int, target_objects: int, max_deletes: int | None, settings: TransferSettings
) -> str:
    """Why the deletes are not believed; empty where they are."""
    totals = plan.totals
    if not totals.delete_objects:
        return ""
    if totals.objects == totals.delete_objects:
        what = "is empty" if not source_objects else "has nothing that the selection lets in"
        return f"Nothing is deleted at {plan.target}: {plan.source} {what}, and {totals.delete_objects:,} objects would go."
    share = target_objects * settings.max_delete_percent // 100
    limit = min(settings.max_deletes, share) if max_deletes is None else max_deletes
    if totals.delete_objects <= limit:
        return ""
    bound = (
        f"more than the {limit:,} that were allowed"
        if max_deletes is not None
        else f"more than {settings.max_deletes:,} or {settings.max_delete_percent} % of them"
    )
    return f"{totals.delete_objects:,} of {target_objects:,} objects at {plan.target} would be deleted, {bound}."


class _Listing:
    """A listing that counts what it gave; iterate once.

    Attributes:
        count: Entries so far.
    """

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            yield entry
