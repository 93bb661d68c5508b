"""Own signed requests in threads: what s5cmd cannot do, with the same outcomes.

Pinned to the planned ETag, and the only runner that keeps a wanted SHA-256: an upload is signed with it, so that
the server refuses other bytes; a copy goes to a key below `_incoming/` first, where the server says what it hashes to.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from io import FileIO
from threading import Lock

from lakehouse_sdk.errors import ConnectError, IntegrityError, LakehouseError
from lakehouse_sdk.transfer.context import RunContext
from lakehouse_sdk.transfer.hashing import READ_BYTES, hash_file
from lakehouse_sdk.transfer.model import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.runners.protocol import Direction, Leg, Outcomes, find_mismatch

INCOMING_PREFIX = "_incoming/"
_MAX_SINGLE_BYTES = 5 * 1024**3
_POLL_S = 0.2
_MAX_DEAD = 8
"""Connections that fail in a row before the server counts as gone; each was tried five times."""


class NativeRunner:
    """Carries out rows with requests of this process, `settings.max_concurrent` at once.

    Args:
        leg: Which way.
        context: What the run shares.
    """

    name = "native"

    def __init__(self, leg: Leg, context: RunContext) -> None:
        self._leg = leg
        self._context = context
        self._client = context.client(leg.profile)
        self._move = {Direction.COPY: self._copy, Direction.UPLOAD: self._upload, Direction.DOWNLOAD: self._download}[
            leg.direction
        ]
        self._dead_in_a_row = 0
        self._lock = Lock()
        self._abandoned = False

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Runner.run`; after a cancel, what has not begun is `cancelled`."""
        waiting = iter(rows)
        first = next(waiting, None)
        if first is None:
            return
        workers = self._context.settings.max_concurrent
        pool = ThreadPoolExecutor(workers, thread_name_prefix="lakehouse-copy")
        pending: set[Future[Outcome]] = {pool.submit(self._attempt, first)}
        try:
            while pending:
                while len(pending) < 2 * workers and (row := next(waiting, None)) is not None:
                    pending.add(pool.submit(self._attempt, row))
                done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            self._abandoned = bool(pending)  # the threads see it at their next read or row
            pool.shutdown(wait=True, cancel_futures=True)

    def _attempt(self, row: PlannedObject) -> Outcome:
        if self._stopped():
            return Outcome(row, Status.CANCELLED, "cancelled before it began", self.name)
        if self._dead_in_a_row >= _MAX_DEAD:
            endpoint = self._leg.profile.resolved_endpoint_url
            return Outcome(row, Status.FAILED, f"No S3 server answers at {endpoint}; not tried any more.", self.name)
        try:
            outcome = self._move(row)
        except ConnectError as error:
            self._count_connection(alive=False)
            return Outcome(row, Status.FAILED, str(error), self.name)
        except _CancelledError:
            return Outcome(row, Status.CANCELLED, "cancelled on the way", self.name)
        except LakehouseError as error:
            outcome = Outcome(row, Status.FAILED, str(error), self.name)
        except OSError as error:
            outcome = Outcome(row, Status.FAILED, f"{type(error).__name__}: {error}", self.name)
        self._count_connection(alive=True)
        return outcome

    def _stopped(self) -> bool:
        return self._abandoned or self._context.cancel.cancelled

    def _check_running(self) -> None:
        if self._stopped():
            raise _CancelledError

    def _count_connection(self, *, alive: bool) -> None:
        with self._lock:
            self._dead_in_a_row = 0 if alive else self._dead_in_a_row + 1

    def _copy(self, row: PlannedObject) -> Outcome:
        if row.size_bytes > _MAX_SINGLE_BYTES:
            return Outcome(row, Status.REFUSED, "larger than the 5 GiB that one CopyObject carries", self.name)
        if row.sha256 is not None:
            return self._copy_checked(row)
        leg, pin = self._leg, row.etag or None
        result = self._client.copy(leg.source_bucket, row.source_key, leg.target_bucket, row.target_key, if_match=pin)
        return Outcome(row, Status.DONE, runner=self.name, etag=result.etag)

    def _copy_checked(self, row: PlannedObject) -> Outcome:
        """Copy to `_incoming/`, compare hashes, copy on; the second copy is pinned to what was hashed."""
        leg, client = self._leg, self._client
        incoming = f"{INCOMING_PREFIX}{hashlib.sha256(row.target_key.encode()).hexdigest()}"
        pin = row.etag or None
        try:
            first = client.copy(leg.source_bucket, row.source_key, leg.target_bucket, incoming, if_match=pin, sha256=True)
            actual = first.sha256 or client.get_info(leg.target_bucket, incoming).sha256 or self._hash_object(incoming)
            if mismatch := find_mismatch(row, actual):
                return Outcome(row, Status.FAILED, mismatch, self.name, sha256=actual)
            second = client.copy(leg.target_bucket, incoming, leg.target_bucket, row.target_key, if_match=first.etag or None)
        finally:
            with suppress(LakehouseError):
                client.delete(leg.target_bucket, incoming)
        return Outcome(row, Status.DONE, runner=self.name, etag=second.etag, sha256=actual)

    def _hash_object(self, key: str) -> str:
        """For servers that compute no SHA-256 themselves: read the object back."""
        return self._read(self._leg.target_bucket, key, None, None)[1]

    def _upload(self, row: PlannedObject) -> Outcome:
        if row.size_bytes > _MAX_SINGLE_BYTES:
            return Outcome(row, Status.REFUSED, "larger than the 5 GiB that one PutObject carries", self.name)
        with _WatchedFile(row.source_key, self._check_running) as file:
            size_bytes, actual = hash_file(file)
            if size_bytes != row.size_bytes:
                return Outcome(row, Status.FAILED, f"changed since it was planned: {size_bytes:,} bytes", self.name)
            if mismatch := find_mismatch(row, actual):
                return Outcome(row, Status.FAILED, mismatch, self.name, sha256=actual)
            headers = self._leg.headers.get(row.target_key) or _guess_headers(row.target_key)
            etag = self._client.put_file(
                self._leg.target_bucket, row.target_key, file, size_bytes=size_bytes, sha256=actual, headers=headers
            )
        self._context.count_bytes(size_bytes)
        return Outcome(row, Status.DONE, runner=self.name, etag=etag, sha256=actual)

    def _download(self, row: PlannedObject) -> Outcome:
        size_bytes, actual = self._read(self._leg.source_bucket, row.source_key, row.etag or None, row.target_key)
        if size_bytes != row.size_bytes:
            raise IntegrityError(f"{row.source_key!r} came with {size_bytes:,} bytes, planned were {row.size_bytes:,}.")
        if mismatch := find_mismatch(row, actual):
            return Outcome(row, Status.FAILED, mismatch, self.name, sha256=actual)
        return Outcome(row, Status.DONE, runner=self.name, sha256=actual)

    def _read(self, bucket: str, key: str, if_match: str | None, path: str | None) -> tuple[int, str]:
        """Read an object, into a file where a path is given; its size and SHA-256."""
        digest, size_bytes = hashlib.sha256(), 0
        stream = self._client.open_stream(bucket, key, if_match=if_match)
        try:
            with open(path or "/dev/null", "wb") as file:  # noqa: PTH123
                while block := stream.read(READ_BYTES):
                    self._check_running()
                    digest.update(block)
                    file.write(block)
                    size_bytes += len(block)
        finally:
            stream.close()
            self._context.count_bytes(size_bytes)
        return size_bytes, digest.hexdigest()


class _CancelledError(Exception):
    """The run was cancelled while an object was on its way."""


class _WatchedFile(FileIO):
    """A file open for reading that stops being readable when the run is cancelled."""

    def __init__(self, path: str, check_running: Callable[[], None]) -> None:
        super().__init__(path)
        self._check_running = check_running

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_running()
        return super().read(size) or b""


def _guess_headers(key: str) -> dict[str, str]:
    return {"content-type": mimetypes.guess_type(key)[0] or "application/octet-stream"}
