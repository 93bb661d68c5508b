"""The values of a transfer: what is planned for each object, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from lakehouse_sdk.uris import Address

if TYPE_CHECKING:
    import pandas as pd


class Action(StrEnum):
    """What a plan does with an object."""

    COPY = "copy"
    SKIP = "skip"
    CONFLICT = "conflict"
    """Not copied: the target cannot hold it, or cannot hold it apart from another."""


class Status(StrEnum):
    """What became of a planned object."""

    DONE = "done"
    """At the target, with the planned size."""
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
        source_key: Whole key in the source bucket, or absolute path of the source file.
        target_key: Whole key in the target bucket, or absolute path of the target file.
        size_bytes: Size that the source had when it was planned.
        etag: ETag that the source had when it was planned, empty where there is none (local files).
        action: What the plan does with it.
        reason: Why, for people.
        sha256: SHA-256 (hex) that the bytes must have; other bytes never become visible under the target key.
        last_modified: Time of the source's last change; a downloaded file keeps it.
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    Attributes:
        row: The planned object.
        status: How it ended.
        reason: Why, where it did not end well; for people.
        runner: Who carried it out: `s5cmd` or `native`; empty where nobody did.
        etag: ETag at the target where the runner learned it.
        sha256: SHA-256 (hex) of the bytes where it was computed.
        attempts: How often it was tried.
    """

    row: PlannedObject
    status: Status
    reason: str = ""
    runner: str = ""
    etag: str = ""
    sha256: str | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """How much a plan is; all counts are objects, all sizes bytes of the source."""

    copy_objects: int = 0
    copy_bytes: int = 0
    skip_objects: int = 0
    skip_bytes: int = 0
    conflict_objects: int = 0

    @property
    def objects(self) -> int:
        """All rows."""
        return self.copy_objects + self.skip_objects + self.conflict_objects


class TransferPlan:
    """What a transfer will do, object by object, with reasons; nothing has moved yet.

    Iterating gives the rows in the order in which they will be carried out. A plan is a value: running it does not change
    it, and it can be run again.

    Attributes:
        source: Prefix or folder that is read.
        target: Prefix or folder that is written.
        totals: How much it is.
        note: Why there is nothing to do, where there is no row; for people.
    """

    def __init__(self, source: Address, target: Address, rows: Iterable[PlannedObject], *, note: str = "") -> None:
        self.source = source
        self.target = target
        self.note = note
        self._rows = tuple(rows)
        self.totals = count_rows(self._rows)

    @classmethod
    def from_rows(cls, source: Address, target: Address, rows: Iterable[PlannedObject]) -> Self:
        """A plan of rows that the caller chose; keys are whole keys in the buckets of the two addresses.

        With a local target every path must lie below `target`.
        """
        return cls(source, target, rows)

    def __iter__(self) -> Iterator[PlannedObject]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, action: Action) -> Iterator[PlannedObject]:
        """The rows with this action, in order."""
        return (row for row in self._rows if row.action is action)

    @property
    def summary(self) -> str:
        """One line for people."""
        totals = self.totals
        if not totals.objects:
            return f"Nothing to do: {self.note or 'the plan has no rows'}."
        text = f"{totals.copy_objects:,} to copy ({totals.copy_bytes:,} bytes), {totals.skip_objects:,} to skip"
        return f"{text}, {totals.conflict_objects:,} in conflict." if totals.conflict_objects else f"{text}."

    def __repr__(self) -> str:
        return f"<TransferPlan {self.source} -> {self.target}: {self.summary}>"

    def to_pandas(self) -> pd.DataFrame:
        """One line for each row, columns as the fields of `PlannedObject`, in the order of the plan."""
        from lakehouse_sdk.transfer.show import rows_to_pandas  # noqa: PLC0415 (pandas loads when it is asked for)

        return rows_to_pandas(self._rows)

    def _repr_html_(self) -> str:
        from lakehouse_sdk.transfer.show import plan_to_html  # noqa: PLC0415 (templates load when they are shown)

        return plan_to_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Addresses and totals as plain values for JSON; rows are left out."""
        totals = self.totals
        return {
            "source": str(self.source),
            "target": str(self.target),
            "objects": totals.objects,
            "copy_objects": totals.copy_objects,
            "copy_bytes": totals.copy_bytes,
            "skip_objects": totals.skip_objects,
            "skip_bytes": totals.skip_bytes,
            "conflict_objects": totals.conflict_objects,
        }


def count_rows(rows: Iterable[PlannedObject]) -> PlanTotals:
    """Add up a plan's rows."""
    objects = dict.fromkeys(Action, 0)
    sizes = dict.fromkeys(Action, 0)
    for row in rows:
        objects[row.action] += 1
        sizes[row.action] += row.size_bytes
    return PlanTotals(
        objects[Action.COPY], sizes[Action.COPY], objects[Action.SKIP], sizes[Action.SKIP], objects[Action.CONFLICT]
    )
