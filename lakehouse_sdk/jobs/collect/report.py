"""What a collection is about: the archives chosen, what is to be done with each, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from lakehouse_sdk.archives import ArchiveObject, Checksum, Oddity
from lakehouse_sdk.display import format_bytes, format_count, format_duration, html_card, html_table
from lakehouse_sdk.errors import TransferError
from lakehouse_sdk.transfer import TransferPlan, TransferReport


class Task(StrEnum):
    """What a plan does with an archive."""

    COPY = "copy"
    """`transfer` brings it from where the source keeps it."""
    MAKE = "make"
    """It is read through the connector: no file of it exists that could be copied."""
    ADOPT = "adopt"
    """In bronze already, as listed, and the ledger does not know: a run was killed, or the ledger is new."""
    KEEP = "keep"
    """In bronze already, as listed."""
    LEAVE = "leave"
    """Its rows are in the tables, and its bytes were dropped from bronze on request."""
    REFUSE = "refuse"
    """Its checksum file, or what an earlier run found, contradicts what is published."""
    FAIL = "fail"
    """Its checksum could not be read for a reason that may pass."""


@dataclass(frozen=True, slots=True)
class PlannedArchive:
    """One archive of a plan.

    Attributes:
        archive: As listed.
        task: What will be done.
        reason: Why, one line.
        checksum: What the source publishes; None where that is nothing, or was not asked for.
        sha256: SHA-256 that the bytes in bronze have, for `keep`, where it is known.
        revision: Which bytes under its key these are, from 1.
        published: True where its rows are in the tables already.
    """

    archive: ArchiveObject
    task: Task
    reason: str
    checksum: Checksum | None = None
    sha256: str | None = None
    revision: int = 1
    published: bool = False


@dataclass(frozen=True)
class CollectionPlan:
    """What a collection would do; nothing has moved yet.

    Attributes:
        source: Name of the connector.
        terms_url: Where the source states the terms under which its data may be used.
        first_time: True where nothing was ever collected from this source.
        archives: Every archive that the cadence chose, in the order of discovery.
        oddities: Keys that fit no layout.
        transfer: The copies, each archive with its wanted SHA-256.
        requests: S3 requests, or calls of an API's connector, that carrying it out will take.
        estimated_s: Wall time that it will take, seconds: by the pace of the latest collection from this source; None where
            there was none.
        vanished: Keys that the source listed once and lists no longer; only of an audit.
    """

    source: str
    terms_url: str
    first_time: bool
    archives: tuple[PlannedArchive, ...] = field(repr=False)
    oddities: tuple[Oddity, ...] = field(repr=False)
    transfer: TransferPlan
    requests: int
    estimated_s: float | None
    vanished: tuple[str, ...] = ()

    def count(self, task: Task) -> int:
        """Archives with this task."""
        return sum(item.task is task for item in self.archives)

    @property
    def objects(self) -> int:
        """Archives that will be brought."""
        return self.count(Task.COPY) + self.count(Task.MAKE)

    @property
    def size_bytes(self) -> int:
        """Their size as listed; virtual archives count 0, nobody knows theirs."""
        return self.transfer.totals.copy_bytes

    @property
    def summary(self) -> str:
        """One line for a person."""
        time = "unknown" if self.estimated_s is None else format_duration(self.estimated_s)
        refused = self.count(Task.REFUSE) + self.count(Task.FAIL)
        kept = self.count(Task.KEEP) + self.count(Task.ADOPT)
        dropped = f", {format_count(count)} dropped before" if (count := self.count(Task.LEAVE)) else ""
        return (
            f"{format_count(self.objects)} to bring ({format_bytes(self.size_bytes)}, {format_count(self.requests)} requests,"
            f" time {time}), {format_count(kept)} already in bronze{dropped}, {format_count(refused)} refused"
        )

    def __repr__(self) -> str:
        return f"<CollectionPlan {self.source}: {self.summary}>"

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, the archives only counted."""
        return {
            "source": self.source,
            "terms_url": self.terms_url,
            "tasks": {task.value: self.count(task) for task in Task},
            "objects": self.objects,
            "size_bytes": self.size_bytes,
            "requests": self.requests,
            "estimated_s": self.estimated_s,
            "oddities": len(self.oddities),
        }

    def _repr_html_(self) -> str:
        facts = {
            "to bring": format_count(self.objects),
            "size": format_bytes(self.size_bytes),
            "requests": format_count(self.requests),
            "time": format_duration(self.estimated_s),
            "in bronze": format_count(self.count(Task.KEEP) + self.count(Task.ADOPT)),
            "terms": self.terms_url,
        }
        rows = [(item.archive.key, item.reason) for item in self.archives if item.task in {Task.REFUSE, Task.FAIL}]
        return html_card(f"Collection from {self.source}, planned", facts, html_table(rows, ["key", "reason"]) if rows else "")


class ArchiveState(StrEnum):
    """What became of one archive on its way into bronze."""

    VERIFIED = "verified"
    """Brought in this run; its SHA-256 is the published one."""
    UNVERIFIED = "unverified"
    """Brought in this run; the source publishes no checksum for it."""
    PRESENT = "present"
    """Already in bronze; an earlier run brought these very bytes."""
    DROPPED = "dropped"
    """No longer in bronze, on request; the rows of these very bytes are in the tables."""
    QUARANTINED = "quarantined"
    """Not in bronze: the bytes or the checksum file contradict what is published."""
    ABSENT = "absent"
    """Not in bronze: the source listed it and does not have it."""
    FAILED = "failed"
    """Not in bronze: the copy failed; running again may help."""


@dataclass(frozen=True, slots=True)
class CollectedArchive:
    """One archive after a collection.

    Attributes:
        archive: As discovered.
        state: What became of it.
        sha256: SHA-256 of its bytes in bronze, hex; where it is quarantined the published one; None where nobody knows it.
        reason: Why it is not in bronze; empty otherwise.
        revision: Which bytes under its key these are, from 1.
        published: True where an earlier run put the rows of these very bytes into the tables.
    """

    archive: ArchiveObject
    state: ArchiveState
    sha256: str | None = None
    reason: str = ""
    revision: int = 1
    published: bool = False

    @property
    def in_bronze(self) -> bool:
        """True where the archive can be read from bronze."""
        return self.state in {ArchiveState.VERIFIED, ArchiveState.UNVERIFIED, ArchiveState.PRESENT}


@dataclass(frozen=True)
class CollectReport:
    """What a collection did; `archives` = verified + unverified + present + dropped + quarantined + absent + failed.

    Attributes:
        source: Name of the connector.
        archives: Every selected archive with its state, in the order of discovery.
        oddities: Keys that fit no layout.
        transfer: The copy's own report.
        seconds: Wall time from discovery to verification.
        terms_url: Where the source states the terms under which its data may be used.
        vanished: Keys that the source listed once and lists no longer; only of an audit. What bronze has of them stays.
    """

    source: str
    archives: tuple[CollectedArchive, ...]
    oddities: tuple[Oddity, ...]
    transfer: TransferReport
    seconds: float
    terms_url: str = ""
    vanished: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Archives by state; every state is there, also with 0."""
        counted = Counter(item.state for item in self.archives)
        return {state.value: counted[state] for state in ArchiveState}

    @property
    def in_bronze(self) -> tuple[CollectedArchive, ...]:
        """The archives that can be read from bronze now."""
        return tuple(item for item in self.archives if item.in_bronze)

    @property
    def problems(self) -> tuple[CollectedArchive, ...]:
        """The archives that are not in bronze and should be."""
        return tuple(item for item in self.archives if not item.in_bronze and item.state is not ArchiveState.DROPPED)

    def raise_for_failures(self) -> None:
        """Turn failed or cancelled copies into an error; quarantined and absent archives are a finding, not a failure.

        Raises:
            TransferError: Names the first failed archive and how many there are.
        """
        failed = [item for item in self.archives if item.state is ArchiveState.FAILED]
        if failed:
            raise TransferError(
                f"{len(failed)} of {len(self.archives)} archives were not copied, first {failed[0].archive.key}:"
                f" {failed[0].reason or 'cancelled'}.",
                hint="Run the same call again: what is in bronze already is skipped.",
            )

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: counts, problems, oddities and the transfer's summary."""
        return {
            "source": self.source,
            "counts": self.counts(),
            "problems": [{"key": item.archive.key, "state": item.state.value, "reason": item.reason} for item in self.problems],
            "unverified": [item.archive.key for item in self.archives if item.state is ArchiveState.UNVERIFIED],
            "oddities": [{"key": oddity.key, "reason": oddity.reason} for oddity in self.oddities],
            "vanished": list(self.vanished),
            "transfer": self.transfer.to_dict(),
            "seconds": self.seconds,
            "terms_url": self.terms_url,
        }

    def _repr_html_(self) -> str:
        facts = {state: format_count(count) for state, count in self.counts().items()}
        rows = [(item.archive.key, item.state.value, item.reason) for item in self.problems]
        rows += [(oddity.key, "odd key", oddity.reason) for oddity in self.oddities]
        body = html_table(rows, ["key", "state", "reason"]) if rows else ""
        return html_card(f"Collected from {self.source}", {**facts, "terms": self.terms_url}, body)
