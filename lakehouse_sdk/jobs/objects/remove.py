"""Objects that a person wants gone: first counted, then deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.objects.contents import find_object, folder_prefix, is_prefix, nothing_at
from lakehouse_sdk.storage import ListingOrderError, ObjectInfo, S3Client
from lakehouse_sdk.transfer import Action, CancelToken, Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.context.ends import End
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.rows import RowStore
from lakehouse_sdk.transfer.run.deletes import run_deletes
from lakehouse_sdk.uris import S3Address

_EVERY = 1000
"""Objects between two progress events: as many as one request deletes."""


class Removal:
    """Objects that would be deleted; nothing is gone yet. Iterate over the rows as often as wanted; memory is bounded.

    Attributes:
        address: What was asked for.
        objects: How many.
        size_bytes: Their size.
    """

    def __init__(self, address: S3Address, infos: Iterator[ObjectInfo], start: int) -> None:
        self.address = address
        self.objects = self.size_bytes = 0
        self._rows = RowStore()
        for info in infos:
            self.objects += 1
            self.size_bytes += info.size_bytes
            self._rows.append(_to_row(info, start))

    def __iter__(self) -> Iterator[PlannedObject]:
        return iter(self._rows)


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """What became of a removal.

    Attributes:
        address: What was asked for.
        objects: How many objects were to go.
        deleted_objects: How many are gone.
        deleted_bytes: Their size.
        failures: Those that are not: refused by the server, or changed since they were counted.
        cancelled_objects: Those that were not begun when the run was cancelled.
    """

    address: S3Address
    objects: int
    deleted_objects: int
    deleted_bytes: int
    failures: tuple[Outcome, ...]
    cancelled_objects: int = 0

    @property
    def ok(self) -> bool:
        """True where all are gone."""
        return not self.failures and not self.cancelled_objects

    @property
    def summary(self) -> str:
        """One line for people."""
        parts = [f"{self.deleted_objects:,} of {self.objects:,} deleted ({self.deleted_bytes:,} bytes)"]
        parts += [f"{len(self.failures):,} failed"] if self.failures else []
        parts += [f"{self.cancelled_objects:,} not begun"] if self.cancelled_objects else []
        return f"{', '.join(parts)}."


def plan_removal(address: S3Address, *, settings: Settings, recursive: bool = False) -> Removal:
    """Count what deleting an address takes; reads only.

    Args:
        address: One object; with `recursive`, a prefix (`a` and `a/` are the same) or a bucket's contents. Where an object
            has the very name of the prefix, it goes only where nothing lies below.
        settings: Where profiles come from.
        recursive: True for everything below the address.

    Raises:
        NotFoundError: There is no such bucket, or nothing at the address.
        UsageError: Without `recursive`, a prefix or a bucket.
    """
    with S3Client(settings.profile(address.profile)) as client:
        if recursive:
            return _count_below(client, address)
        info = client.find_info(address.bucket, address.key) if address.key else None
        if info is None and is_prefix(client, address):
            raise UsageError(
                f"{address} is not one object but a {'prefix' if address.key else 'bucket'}.",
                hint="Add --recursive (in Python recursive=True) for everything below it.",
            )
        if info is None:
            raise nothing_at(address)
        return Removal(address, iter([info]), _name_start(address.key))


def _count_below(client: S3Client, address: S3Address) -> Removal:
    prefix = folder_prefix(address)
    try:
        removal = Removal(address, client.list_parallel(address.bucket, prefix), len(prefix))
    except ListingOrderError:  # an odd server; its pages are taken as they come
        removal = Removal(address, client.list_objects(address.bucket, prefix), len(prefix))
    if not removal.objects and prefix:
        return Removal(address, iter([find_object(client, address)]), _name_start(address.key))
    return removal


def _name_start(key: str) -> int:
    return key.rstrip("/").rfind("/") + 1


def _to_row(info: ObjectInfo, start: int) -> PlannedObject:
    key, size_bytes, etag, modified, _ = info
    return PlannedObject(key[start:] or key, "", key, size_bytes, etag, Action.DELETE, "asked for", None, modified)


def remove(
    removal: Removal, *, settings: Settings, observer: Observer = ignore_events, cancel: CancelToken | None = None
) -> RemoveReport:
    """Delete what was counted and nothing else, a thousand at a time; open multipart uploads are left alone.

    An object that changed since it was counted is kept and reported as failed. In a bucket with versions the older ones stay.
    After a cancel the batch under way ends, and the report says what is left.

    Raises:
        ConnectError, AccessError: The server cannot be used at all.
    """
    address, started_s = removal.address, time.monotonic()
    tally = _Tally(removal, observer)
    with RunContext(settings.transfer, cancel) as context:
        end = End(address, settings.profile(address.profile))
        for outcome in run_deletes(removal, end, context):
            tally.add(outcome)
    report = tally.to_report()
    if observer is not ignore_events:
        observer(StageFinished("delete", time.monotonic() - started_s, report.summary, report.ok))
    return report


class _Tally:
    """Adds up outcomes and tells of them."""

    def __init__(self, removal: Removal, observer: Observer) -> None:
        self._removal = removal
        self._observer = observer
        self._seen = self._deleted = self._bytes = self._cancelled = 0
        self._failures: list[Outcome] = []
        if observer is not ignore_events:
            observer(StageStarted("delete", str(removal.address), removal.objects, removal.size_bytes))

    def add(self, outcome: Outcome) -> None:
        """One more object ended."""
        self._seen += 1
        if outcome.status is Status.DELETED:
            self._deleted += 1
            self._bytes += outcome.row.size_bytes
        elif outcome.status is Status.CANCELLED:
            self._cancelled += 1
        else:
            self._failures.append(outcome)
            if self._observer is not ignore_events:
                self._observer(ObjectFailed("delete", outcome.row.relative_key, outcome.reason))
        if self._observer is not ignore_events and not self._seen % _EVERY:
            self._observer(StageProgress("delete", self._seen, self._bytes, len(self._failures), outcome.row.relative_key))

    def to_report(self) -> RemoveReport:
        """What was added up."""
        return RemoveReport(
            self._removal.address,
            self._removal.objects,
            self._deleted,
            self._bytes,
            tuple(self._failures),
            self._cancelled,
        )
