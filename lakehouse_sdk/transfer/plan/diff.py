"""Pure planning: two listings in one order become rows, each with an action and the reason for it.

No file, no request: what exists comes in as entries, what to do goes out as rows. Memory is bounded whatever the number of
keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lakehouse_sdk.transfer.model.objects import Action, Entry, PlannedObject, SkipCount
from lakehouse_sdk.transfer.plan.names import find_key_obstacle
from lakehouse_sdk.transfer.plan.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.proof.etags import compare_etags

CompareMode = Literal["auto", "size-time", "sha256", "always"]
"""When an object counts as already there.

`auto`: equal size and ETag, where the ETags can be compared; else equal SHA-256, where both servers recorded one; else equal
size and a target that is not older. `size-time`: equal size and a target that is not older. `sha256`: equal size and SHA-256,
as recorded by a server or computed from a local file; what has none is copied. `always`: never.
"""

_OWN_FOLDERS = ("_incoming/", "_manifests/")
"""At the root of a bucket: the SDK's own, never deleted by a plan."""


class Undecided(NamedTuple):
    """A pair of which size and ETags do not tell whether it is the same; `decide_by_hash` does, once hashes are known.

    Where `etags_differ`, both ETags are MD5s or look like it; if they are, `decide_by_etags` is right.
    """

    entry: Entry
    existing: Entry
    target_key: str
    etags_differ: bool = False


@dataclass(frozen=True, slots=True)
class PlanRules:
    """How two listings become a plan.

    Attributes:
        selection: What it is about.
        compare: When an object counts as already there.
        hashes: True where both ends may know hashes, so that pairs which need one come out undecided.
        delete: True for a row for each object that only the target has.
        server: What the target's server calls itself; some cannot hold names that S3 can.
        skipped: Counts the skipped objects instead of making rows for them; None makes the rows.
    """

    selection: Selection = SELECT_ALL
    compare: CompareMode = "auto"
    hashes: bool = False
    delete: bool = False
    server: str = ""
    skipped: SkipCount | None = None


SKIPPED_BY_TIME = "same size, target not older; their contents were not compared"
"""Why an object is skipped that may differ all the same: an older file that was restored has an old time."""


class OutOfOrderError(Exception):
    """A listing is not in the order of the UTF-8 bytes of its names; sort it and plan again."""


PlannedItems = Iterator[PlannedObject | Undecided]


def plan_to_s3(source: Iterable[Entry], target: Iterable[Entry], prefix: str, rules: PlanRules | None = None) -> PlannedItems:
    """Rows that bring `source` to `prefix` of a bucket which holds `target`.

    Rows come in the order of the names, but for names with a leading slash at the root of a bucket, which come last.

    Raises:
        OutOfOrderError: One of the listings is not in the order of its names.
    """
    rules = rules or PlanRules()
    slashes = _LeadingSlashes(rules) if not prefix else None
    for entry, existing in pair_entries(source, target, rules.selection):
        if slashes is not None and slashes.hold(entry, existing):
            continue
        if entry is None:
            if existing is not None and rules.delete and _may_delete(existing, prefix):
                yield _delete(existing)
        elif existing is None:
            yield _add(entry, f"{prefix}{entry.name}", find_key_obstacle(entry.name, prefix, server=rules.server))
        elif item := _compare(entry, existing, f"{prefix}{entry.name}", rules):
            yield item
    if slashes is not None:
        yield from slashes.items()


def plan_to_folder(
    source: Iterable[Entry],
    target: Iterable[Entry],
    folder: str,
    conflicts: Mapping[str, str],
    rules: PlanRules | None = None,
) -> PlannedItems:
    """Rows that bring `source` to the local `folder` (absolute, no trailing slash) which holds `target`.

    No row leads out of the folder, and no two rows to one file on any usual file system: `conflicts`, by
    `names.find_folder_conflicts`, says which names would; nothing is deleted for their sake.

    Raises:
        OutOfOrderError: One of the listings is not in the order of its names.
    """
    rules = rules or PlanRules()
    for entry, existing in pair_entries(source, target, rules.selection):
        if entry is None:
            if existing is not None and rules.delete and not existing.obstacle and existing.name not in conflicts:
                yield _delete(existing)
            continue
        target_key = f"{folder}/{entry.name}"
        item: PlannedObject | Undecided | None
        if is_marker(entry):
            item = _skip(entry, target_key, "a folder marker: folders appear with their files", rules)
        elif entry.name in conflicts:
            item = _row(entry, target_key, Action.CONFLICT, conflicts[entry.name])
        else:
            item = _add(entry, target_key) if existing is None else _compare(entry, existing, target_key, rules)
        if item:
            yield item


def is_marker(entry: Entry) -> bool:
    """True for an empty object that stands for a folder: a local one appears with its files."""
    return not entry.size_bytes and entry.name.endswith("/")


def decide_by_etags(pair: Undecided) -> PlannedObject:
    """The row of a pair whose ETags differ and are MD5s."""
    return _row(pair.entry, pair.target_key, Action.COPY, "same size, other MD5")


def decide_by_hash(pair: Undecided, ours: str | None, theirs: str | None, rules: PlanRules) -> PlannedObject | None:
    """The row of an undecided pair by SHA-256 (hex, None where there is none); None where it is only counted."""
    entry, existing, target_key, _ = pair
    if ours and theirs:
        if ours == theirs:
            return _skip(entry, target_key, "same size and SHA-256", rules)
        return _row(entry, target_key, Action.COPY, "same size, other SHA-256")
    if rules.compare == "sha256":
        lacking = "the target" if ours else "the source"
        return _row(entry, target_key, Action.COPY, f"same size, but {lacking} has no SHA-256 on record")
    return _compare_times(entry, existing, target_key, rules)


def _compare(entry: Entry, existing: Entry, target_key: str, rules: PlanRules) -> PlannedObject | Undecided | None:
    if entry.obstacle or existing.obstacle:
        side = f"the source is {entry.obstacle}" if entry.obstacle else f"the target is {existing.obstacle}"
        return _row(entry, target_key, Action.CONFLICT, side)
    if rules.compare == "always":
        return _row(entry, target_key, Action.COPY, "copied always")
    if entry.size_bytes != existing.size_bytes:
        return _row(entry, target_key, Action.COPY, f"the target has {existing.size_bytes} bytes")
    if rules.compare == "auto":
        same = compare_etags(entry.etag, existing.etag)
        if same:
            return _skip(entry, target_key, "same size and ETag", rules)
        if same is False:
            pair = Undecided(entry, existing, target_key, etags_differ=True)
            return pair if rules.hashes else decide_by_etags(pair)
    if rules.compare != "size-time" and rules.hashes:
        return Undecided(entry, existing, target_key)
    return _compare_times(entry, existing, target_key, rules)


def _compare_times(entry: Entry, existing: Entry, target_key: str, rules: PlanRules) -> PlannedObject | None:
    if entry.last_modified <= existing.last_modified:
        if rules.skipped is not None:
            rules.skipped.by_time += 1
        return _skip(entry, target_key, SKIPPED_BY_TIME, rules)
    return _row(entry, target_key, Action.COPY, "same size, source newer")


def _add(entry: Entry, target_key: str, obstacle: str = "") -> PlannedObject:
    if entry.obstacle:
        return _row(entry, target_key, Action.CONFLICT, f"the source is {entry.obstacle}")
    if obstacle:
        return _row(entry, target_key, Action.CONFLICT, obstacle)
    return _row(entry, target_key, Action.COPY, "not at the target")


def _skip(entry: Entry, target_key: str, reason: str, rules: PlanRules) -> PlannedObject | None:
    if rules.skipped is None:
        return _row(entry, target_key, Action.SKIP, reason)
    rules.skipped.add(entry.size_bytes)
    return None


def _row(entry: Entry, target_key: str, action: Action, reason: str) -> PlannedObject:
    return PlannedObject(
        entry.name, entry.key, target_key, entry.size_bytes, entry.etag, action, reason, None, entry.last_modified
    )


def _delete(existing: Entry) -> PlannedObject:
    name, key, size_bytes, etag, modified, _ = existing
    return PlannedObject(name, "", key, size_bytes, etag, Action.DELETE, "not at the source", None, modified)


def _may_delete(existing: Entry, prefix: str) -> bool:
    return bool(prefix) or not existing.name.startswith(_OWN_FOLDERS)


def pair_entries(
    source: Iterable[Entry], target: Iterable[Entry], selection: Selection
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """As `merge`, of what the selection lets in; where it leaves a source out, its counterpart is left alone."""
    if selection.has_patterns:
        selects = selection.selects_name
        source = (entry for entry in source if selects(entry.name))
        target = (entry for entry in target if selects(entry.name))
    if not selection.has_limits:
        return merge(source, target)
    return (
        (entry, existing)
        for entry, existing in merge(source, target)
        if entry is None or selection.selects_object(entry.size_bytes, entry.last_modified)
    )


def merge(source: Iterable[Entry], target: Iterable[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Pair two listings by name; lazily, in the order of the names, None where one side has none.

    The order is that of the names' UTF-8 bytes, which Python's comparison of strings equals.

    Raises:
        OutOfOrderError: One of the listings is not in that order, or repeats a name.
    """
    sources, targets = _checked(source), _checked(target)
    left, right = next(sources, None), next(targets, None)
    while left is not None and right is not None:
        if left.name == right.name:
            yield left, right
            left, right = next(sources, None), next(targets, None)
        elif left.name < right.name:
            yield left, None
            left = next(sources, None)
        else:
            yield None, right
            right = next(targets, None)
    while left is not None:
        yield left, None
        left = next(sources, None)
    while right is not None:
        yield None, right
        right = next(targets, None)


def _checked(entries: Iterable[Entry]) -> Iterator[Entry]:
    last = None
    for entry in entries:
        if last is not None and entry.name <= last:
            raise OutOfOrderError(f"{entry.name!r} comes after {last!r}")
        last = entry.name
        yield entry


class _LeadingSlashes:
    """Names that begin with a slash, at the root of a bucket: some servers (MinIO) store `/lead` as `lead`.

    They are held back until the end of the listing, to see whether the name without slashes is there too, at either end.
    Only names that sort before `/` have to be remembered for that.
    """

    def __init__(self, rules: PlanRules) -> None:
        self._rules = rules
        self._early: set[str] = set()
        self._early_strays: list[Entry] = []
        self._held: dict[str, list[tuple[Entry, Entry | None]]] = {}
        self._taken: set[str] = set()

    def hold(self, entry: Entry | None, existing: Entry | None) -> bool:
        """Take note of a pair; True where it is held back."""
        if entry is None:
            return existing is not None and self._hold_stray(existing)
        name = entry.name
        if name[:1] < "/":
            self._early.add(name)
        elif name[:1] == "/":
            bare = name.lstrip("/")
            self._held.setdefault(bare, []).append((entry, existing))
            if bare in self._early:
                self._taken.add(bare)
            return True
        elif name in self._held:
            self._taken.add(name)
        return False

    def _hold_stray(self, existing: Entry) -> bool:
        """An object that only the target has: maybe what it made of a name with a slash, so never deleted too early."""
        name = existing.name
        if name[:1] < "/":
            self._early.add(name)
            if self._rules.delete:
                self._early_strays.append(existing)
            return True
        if name in self._held:
            self._taken.add(name)
            return True
        return False

    def items(self) -> PlannedItems:
        """What was held back."""
        for existing in self._early_strays:
            if existing.name not in self._held and _may_delete(existing, ""):
                yield _delete(existing)
        for bare, pairs in self._held.items():
            clash = len(pairs) > 1 or bare in self._taken or not bare
            for entry, there in pairs:
                if clash:
                    reason = f"servers that drop a leading slash hold it as {bare!r}, which is another object"
                    yield _row(entry, entry.name, Action.CONFLICT, reason)
                elif there is None:
                    yield _add(entry, entry.name, find_key_obstacle(entry.name, server=self._rules.server))
                elif item := _compare(entry, there, entry.name, self._rules):
                    yield item
