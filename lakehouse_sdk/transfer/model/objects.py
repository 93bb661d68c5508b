"""The values of a transfer: what is planned for each object, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

StrategyName = Literal["auto", "direct", "streaming", "staged"]
"""How bytes travel; `auto` chooses by what is true of the two ends."""


class Action(StrEnum):
    """What a plan does with an object."""

    COPY = "copy"
    SKIP = "skip"
    CONFLICT = "conflict"
    """Not copied: the target cannot hold it, or cannot hold it apart from another."""
    DELETE = "delete"
    """Only the target has it, and the plan was asked to remove such objects."""


class Status(StrEnum):
    """What became of a planned object."""

    DONE = "done"
    """At the target, with the planned size."""
    DELETED = "deleted"
    """Gone from the target, as planned."""
    SKIPPED = "skipped"
    """The plan said skip."""
    CONFLICT = "conflict"
    """The plan said conflict."""
    FAILED = "failed"
    """Not at the target; the reason says why."""
    CANCELLED = "cancelled"
    """Not finished when the run was cancelled."""
    REFUSED = "refused"
    """Between runners: this one cannot do it, the next may. Never in a report."""
    UNKNOWN = "unknown"
    """Between runner and verification: begun, no answer. Never in a report."""


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """One row of a plan.

    Attributes:
        relative_key: Name below the prefix or folder, for people.
        source_key: Whole key in the source bucket, or absolute path of the source file; empty for a delete.
        target_key: Whole key in the target bucket, or absolute path of the target file.
        size_bytes: Size that the source had when it was planned; for a delete, the target.
        etag: ETag that the source (for a delete, the target) had when it was planned, empty where there is none (local files).
        action: What the plan does with it.
        reason: Why, for people.
        sha256: SHA-256 (hex) that the bytes must have; other bytes never become visible under the target key.
        last_modified: Time of the source's (for a delete, the target's) last change; a downloaded file keeps it.
    """

    relative_key: str
    source_key: str
    target_key: str
    size_bytes: int
    etag: str = ""
    action: Action = Action.COPY
    reason: str = ""
    sha256: str | None = None
    last_modified: datetime | None = None

    def has_time(self, modified_s: float) -> bool:
        """True where a file's time (POSIX seconds) is the planned one, as far as both are exact, or where none was planned."""
        return self.last_modified is None or abs(self.last_modified.timestamp() - modified_s) < 1e-5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    Attributes:
        row: The planned object.
        status: How it ended.
        reason: Why, where it did not end well; for people.
        runner: Who carried it out, for example `s5cmd`, `native`, `stream`; empty where nobody did.
        etag: ETag at the target where the runner learned it.
        sha256: SHA-256 (hex) of the bytes where it was computed.
        attempts: How often it, or a part of it, was tried; 0 where it never was.
        strategy: How its bytes travelled: `direct`, `streaming` or `staged`; empty where they did not.
        encryption: How source and target are encrypted by their servers: `AES256`, `aws:kms`, `SSE-C`; empty where that is
            not known, not so, or where there is no server.
    """

    row: PlannedObject
    status: Status
    reason: str = ""
    runner: str = ""
    etag: str = ""
    sha256: str | None = None
    attempts: int = 1
    strategy: str = ""
    encryption: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """How much a plan is; all counts are objects, sizes are bytes of the source, and of the target for deletes."""

    copy_objects: int = 0
    copy_bytes: int = 0
    skip_objects: int = 0
    skip_bytes: int = 0
    conflict_objects: int = 0
    delete_objects: int = 0
    delete_bytes: int = 0
    skip_by_time: int = 0
    """Of those to skip: only size and time were compared."""

    @property
    def objects(self) -> int:
        """All objects that the plan says something about."""
        return self.copy_objects + self.skip_objects + self.conflict_objects + self.delete_objects


class SkipCount:
    """Skipped objects that are counted and not kept.

    Attributes:
        objects: How many.
        size_bytes: Their size.
        by_time: Those of them of which only size and time were compared.
    """

    __slots__ = ("by_time", "objects", "size_bytes")

    def __init__(self, objects: int = 0, size_bytes: int = 0, by_time: int = 0) -> None:
        self.objects = objects
        self.size_bytes = size_bytes
        self.by_time = by_time

    def add(self, size_bytes: int) -> None:
        """One more."""
        self.objects += 1
        self.size_bytes += size_bytes


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
