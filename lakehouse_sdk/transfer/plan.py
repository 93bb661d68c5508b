"""Pure planning: two listings in one order become rows, each with an action and the reason for it.

No file, no request: what exists comes in as entries, what to do goes out as rows. Memory is bounded for S3 targets whatever
the number of keys; for a local target the names are held, because names that one folder cannot hold apart may lie far apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from lakehouse_sdk.transfer.etags import compare_etags
from lakehouse_sdk.transfer.model import Action, PlannedObject

_MAX_KEY_BYTES = 1024
_MAX_NAME_BYTES = 255


class Entry(NamedTuple):
    """One object or file of a listing.

    Attributes:
        name: Name below the listed prefix or folder; what the two ends are matched by.
        key: Whole key, or absolute path.
        size_bytes: Size.
        etag: ETag, empty for files.
        last_modified: Aware UTC time of the last change.
        obstacle: Why it cannot be copied or replaced (a socket, a link to a folder); empty where it can.
    """

    name: str
    key: str
    size_bytes: int
    etag: str
    last_modified: datetime
    obstacle: str = ""


class OutOfOrderError(Exception):
    """A listing is not in the order of the UTF-8 bytes of its names; sort it and plan again."""


def plan_to_s3(source: Iterable[Entry], target: Iterable[Entry], prefix: str) -> Iterator[PlannedObject]:
    """Rows that bring `source` to `prefix` of a bucket which holds `target`.

    Rows come in the order of the names, but for names with a leading slash, which come last.

    Raises:
        OutOfOrderError: One of the listings is not in the order of its names.
    """
    slashes = _LeadingSlashes() if not prefix else None
    for entry, existing in merge(source, target):
        if slashes is not None and slashes.hold(entry, existing):
            continue
        if entry is not None:
            action, reason = _decide(entry, existing)
            if action is Action.COPY:
                obstacle = find_key_obstacle(entry.name, prefix)
                action, reason = (Action.CONFLICT, obstacle) if obstacle else (action, reason)
            yield _row(entry, f"{prefix}{entry.name}", action, reason)
    if slashes is not None:
        yield from slashes.rows()


def plan_to_folder(source: Iterable[Entry], target: Iterable[Entry], folder: str) -> Iterator[PlannedObject]:
    """Rows that bring `source` to the local `folder` (absolute, no trailing slash) which holds `target`.

    No row leads out of the folder, and no two rows to one file on any usual file system: names with `..`, absolute names,
    names that differ in case or Unicode form only, and names that are file and folder at once are conflicts.

    Raises:
        OutOfOrderError: One of the listings is not in the order of its names.
    """
    entries, existing_entries = list(source), list(target)
    names = (entry.name for entry in entries if not _is_marker(entry))
    conflicts = find_folder_conflicts(names, (entry.name for entry in existing_entries))
    for entry, existing in merge(entries, existing_entries):
        if entry is None:
            continue
        if _is_marker(entry):
            action, reason = Action.SKIP, "a folder marker: folders appear with their files"
        elif entry.name in conflicts:
            action, reason = Action.CONFLICT, conflicts[entry.name]
        else:
            action, reason = _decide(entry, existing)
        yield _row(entry, f"{folder}/{entry.name}", action, reason)


def _row(entry: Entry, target_key: str, action: Action, reason: str) -> PlannedObject:
    return PlannedObject(
        entry.name, entry.key, target_key, entry.size_bytes, entry.etag, action, reason, None, entry.last_modified
    )


def _decide(entry: Entry, existing: Entry | None) -> tuple[Action, str]:
    if entry.obstacle:
        return Action.CONFLICT, f"the source is {entry.obstacle}"
    if existing is None:
        return Action.COPY, "not at the target"
    if existing.obstacle:
        return Action.CONFLICT, f"the target is {existing.obstacle}"
    if entry.size_bytes != existing.size_bytes:
        return Action.COPY, f"the target has {existing.size_bytes} bytes"
    same = compare_etags(entry.etag, existing.etag)
    if same is not None:
        return (Action.SKIP, "same size and ETag") if same else (Action.COPY, "same size, other MD5")
    if entry.last_modified <= existing.last_modified:
        return Action.SKIP, "same size, target not older"
    return Action.COPY, "same size, source newer"


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


def find_key_obstacle(name: str, prefix: str = "") -> str:
    """Why no S3 server can hold `prefix` + `name`; empty where there is no such reason."""
    if name.isascii():
        too_long = len(name) > _MAX_KEY_BYTES - len(prefix) and len(name) + len(prefix.encode()) > _MAX_KEY_BYTES
    else:
        try:
            too_long = len(name.encode()) + len(prefix.encode()) > _MAX_KEY_BYTES
        except UnicodeEncodeError:
            return "the file name is not UTF-8, as a key has to be"
    return f"the key is longer than {_MAX_KEY_BYTES:,} bytes" if too_long else ""


class _LeadingSlashes:
    """Names that begin with a slash, at the root of a bucket: some servers (MinIO) store `/lead` as `lead`.

    They are held back until the end of the listing, to see whether the name without slashes is there too, at either end.
    Only names that sort before `/` have to be remembered for that.
    """

    def __init__(self) -> None:
        self._early: set[str] = set()
        self._held: dict[str, list[tuple[Entry, Entry | None]]] = {}
        self._taken: set[str] = set()

    def hold(self, entry: Entry | None, existing: Entry | None) -> bool:
        """Take note of a pair; True where it is held back."""
        listed = entry or existing
        assert listed is not None  # noqa: S101 (merge never yields two None)
        name = listed.name
        if name[:1] < "/":
            self._early.add(name)
            return False
        if name.startswith("/"):
            bare = name.lstrip("/")
            if entry is not None:
                self._held.setdefault(bare, []).append((entry, existing))
            if bare in self._early:
                self._taken.add(bare)
            return True
        if name in self._held:
            self._taken.add(name)
        return False

    def rows(self) -> Iterator[PlannedObject]:
        """The rows that were held back."""
        for bare, pairs in self._held.items():
            clash = len(pairs) > 1 or bare in self._taken or not bare
            for entry, existing in pairs:
                action, reason = _decide(entry, existing)
                if clash:
                    action, reason = (
                        Action.CONFLICT,
                        f"servers that drop a leading slash hold it as {bare!r}, which is another object",
                    )
                yield _row(entry, entry.name, action, reason)


def find_folder_conflicts(names: Iterable[str], existing: Iterable[str]) -> Mapping[str, str]:
    """Names that a local folder cannot hold, or cannot hold apart, with the reason; `existing` is what it holds already.

    All members of a clash are named, not only the later one; what is already in the folder counts as a member.
    """
    conflicts: dict[str, str] = {}
    holders: dict[str, set[str]] = {}
    for name in names:
        obstacle = _find_path_obstacle(name)
        if obstacle:
            conflicts[name] = obstacle
        else:
            holders.setdefault(_fold(name), set()).add(name)
    for name in existing:
        holders.setdefault(_fold(name), set()).add(name)
    for folded, members in holders.items():
        if len(members) > 1:
            for name in members:
                conflicts.setdefault(name, f"differs from {min(members - {name})!r} in case or Unicode form only")
        for parent in filter(holders.__contains__, _parents(folded)):
            for name in members:
                conflicts.setdefault(name, f"{min(holders[parent])!r} is a file, not a folder")
            for name in holders[parent]:
                conflicts.setdefault(name, "the same name is a folder too")
    return conflicts


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _is_marker(entry: Entry) -> bool:
    return not entry.size_bytes and entry.name.endswith("/")


def _fold(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _find_path_obstacle(name: str) -> str:
    if name.startswith("/"):
        return "an absolute path"
    if "\0" in name:
        return "a NUL character cannot be in a path"
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            return f"{part!r} is no name of a file or folder"
        if len(part) > _MAX_NAME_BYTES // 4 and len(part.encode(errors="surrogateescape")) > _MAX_NAME_BYTES:
            return f"a name longer than {_MAX_NAME_BYTES} bytes"
    return ""
