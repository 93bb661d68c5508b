"""What became of each archive, written into the ledger while it becomes so."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from lakehouse_sdk.archives import SourceConnector
from lakehouse_sdk.archives.ledger import Ledger, LedgerChange, LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import ObjectPublished, Observer
from lakehouse_sdk.jobs.collect.bronze import bronze_key
from lakehouse_sdk.jobs.collect.materialise import Made, find_problems
from lakehouse_sdk.jobs.collect.report import ArchiveState, CollectedArchive, PlannedArchive, Task
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Outcome, Status

_WRITERS = 16
"""Checksum files on their way to bronze at once, beside the archives."""
_SECONDS_BETWEEN_WRITES = 1.0
"""What a killed run may have to look up again in bronze."""
_STATES = {
    LedgerState.VERIFIED: ArchiveState.VERIFIED,
    LedgerState.COPIED: ArchiveState.UNVERIFIED,
    LedgerState.QUARANTINED: ArchiveState.QUARANTINED,
    LedgerState.ABSENT: ArchiveState.ABSENT,
    LedgerState.FAILED: ArchiveState.FAILED,
}


class Settler:
    """Takes the ends of copies as they come; a context manager that has written down everything when it is left.

    An archive that arrived gets its checksum file beside it, a line in the ledger and an event, in this order.

    Args:
        items: The archives of the plan.
        connector: Where they come from.
        client: The lake's server.
        settings: Where bronze is.
        ledger: Told in small batches.
        observer: Told of each archive that arrived.
    """

    def __init__(
        self,
        items: Iterable[PlannedArchive],
        connector: SourceConnector,
        client: S3Client,
        settings: Settings,
        ledger: Ledger,
        observer: Observer,
    ) -> None:
        self._items = {item.archive.key: item for item in items if item.task in {Task.COPY, Task.MAKE, Task.ADOPT}}
        self._connector = connector
        self._client = client
        self._settings = settings
        self._ledger = ledger
        self._observer = observer
        self._pool = ThreadPoolExecutor(_WRITERS, "checksum-files")
        self._changes: list[tuple[LedgerChange, Future[str] | None]] = []
        self._next_s = 0.0
        self.settled: dict[str, CollectedArchive] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._flush(wait=True)
        finally:
            self._pool.shutdown()

    def take(self, outcome: Outcome) -> None:
        """One copy is done, with the SHA-256 that the source publishes."""
        item = self._items[outcome.row.relative_key]
        self._settle(item, LedgerState.VERIFIED, "", outcome.row.sha256)

    def take_adopted(self, item: PlannedArchive) -> None:
        """One archive was there already: it became visible only when it was right."""
        sha256 = item.checksum.sha256 if item.checksum else None
        self._settle(item, LedgerState.VERIFIED if sha256 else LedgerState.COPIED, "", sha256)
        self.settled[item.archive.key] = self._collected(item, ArchiveState.PRESENT, sha256, "")

    def take_made(self, made: Made) -> None:
        """One archive was read through its connector, or not."""
        if made.state is None:
            self.settled[made.item.archive.key] = self._collected(made.item, ArchiveState.FAILED, None, made.reason)
        else:
            self._settle(made.item, made.state, made.reason, made.sha256, size_bytes=made.size_bytes)

    def take_rest(self, outcomes: Iterable[Outcome]) -> None:
        """What only the end of the transfer tells: failures, and copies without a published checksum."""
        failed: list[tuple[PlannedArchive, str]] = []
        for outcome in outcomes:
            key = outcome.row.relative_key
            item = self._items.get(key)
            if item is None or (key in self.settled and outcome.status is Status.DONE):
                continue
            published = item.checksum.sha256 if item.checksum else None
            if outcome.status is Status.DONE:
                self._settle(item, LedgerState.VERIFIED if published else LedgerState.COPIED, "", outcome.sha256)
            elif outcome.status is Status.CANCELLED:
                self.settled[key] = self._collected(item, ArchiveState.FAILED, None, outcome.reason or "cancelled")
            elif published and outcome.sha256 and outcome.sha256 != published:
                reason = f"checksum-mismatch: published {published}, received {outcome.sha256}"
                self._settle(item, LedgerState.QUARANTINED, reason, published)
            else:
                failed.append((item, outcome.reason))
        problems = find_problems(self._connector, [item.archive for item, _ in failed])
        for (item, reason), state in zip(failed, problems, strict=True):
            self._settle(item, state, reason, None)

    def _settle(
        self, item: PlannedArchive, state: LedgerState, reason: str, sha256: str | None, *, size_bytes: int | None = None
    ) -> None:
        archive, key = item.archive, item.archive.key
        collected = self._collected(item, _STATES[state], sha256, reason)
        self.settled[key] = collected
        published = item.checksum.sha256 if item.checksum else None
        in_bronze = collected.in_bronze
        proof = self._keep_checksum(item) if in_bronze else None
        self._changes.append((LedgerChange(key, state, reason, published, sha256 if in_bronze else None, item.revision), proof))
        if in_bronze:
            uri = f"s3://{self._settings.lake.bucket}/{bronze_key(self._settings, archive.source, key)}"
            size_bytes = archive.size_bytes if size_bytes is None else size_bytes
            self._observer(ObjectPublished("copy", archive.source, key, uri, size_bytes, sha256, item.revision))
        if time.monotonic() >= self._next_s:
            self._flush(wait=False)

    def _keep_checksum(self, item: PlannedArchive) -> Future[str] | None:
        """Begin to write the published checksum file beside the archive; None where there is none."""
        checksum_key = item.archive.checksum_key
        if item.checksum is None or checksum_key is None or not item.checksum.content:
            return None
        target = bronze_key(self._settings, self._connector.name, checksum_key)
        return self._pool.submit(self._client.put_bytes, self._settings.lake.bucket, target, item.checksum.content)

    def _collected(self, item: PlannedArchive, state: ArchiveState, sha256: str | None, reason: str) -> CollectedArchive:
        return CollectedArchive(item.archive, state, sha256, reason, item.revision)

    def _flush(self, *, wait: bool) -> None:
        """Write down what is complete: what the ledger calls verified has its proof beside it.

        In mid-run nothing is waited for, because the copies wait meanwhile; what is not complete yet is written down next time.
        """
        changes, self._changes = self._changes, []
        complete = []
        for change, proof in changes:
            if proof is None or wait or proof.done():
                if proof is not None:
                    proof.result()
                complete.append(change)
            else:
                self._changes.append((change, proof))
        self._ledger.record(self._connector.name, complete)
        self._next_s = time.monotonic() + _SECONDS_BETWEEN_WRITES
