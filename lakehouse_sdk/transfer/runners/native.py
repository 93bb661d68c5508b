"""Own signed requests in threads: what s5cmd cannot do, with the same outcomes.

Pinned to the planned ETag, and the only runner of a single server that keeps a wanted SHA-256: an upload is signed with it, so
that the server refuses other bytes; a download is hashed before it is published; copies are `server_side`'s.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Callable, Iterable
from functools import partial
from io import FileIO
from threading import local

from lakehouse_sdk.errors import ConflictError, IntegrityError
from lakehouse_sdk.transfer.context.partial import ObjectProgress
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.proof.hashing import hash_file
from lakehouse_sdk.transfer.runners.attempts import CancelledError, ObjectAttempts
from lakehouse_sdk.transfer.runners.protocol import Direction, Leg, Outcomes, find_change, find_mismatch
from lakehouse_sdk.transfer.runners.server_side import ServerSideCopy
from lakehouse_sdk.transfer.runners.workers import Workers

_MAX_SINGLE_BYTES = 5 * 1024**3
_BUFFER_BYTES = 256 * 1024
_POLL_S = 0.2


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
        self._objects = ObjectAttempts(self.name, context)
        self._of_thread = local()
        self._server_side = ServerSideCopy(self.name, leg, context, self._objects)
        moves = {Direction.COPY: self._server_side.copy, Direction.UPLOAD: self._upload, Direction.DOWNLOAD: self._download}
        self._move: Callable[[PlannedObject], Outcome] = moves[leg.direction]

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Runner.run`; after a cancel, what had begun is `unknown`, what had not is `cancelled`."""
        waiting = iter(rows)
        at_once = self._context.settings.max_concurrent
        workers: Workers[PlannedObject, Outcome] = Workers(at_once, self._context.interrupt)
        under_way: dict[str, PlannedObject] = {}
        try:
            while not self._context.cancel.cancelled:
                while len(under_way) < 2 * at_once and (row := next(waiting, None)) is not None:
                    under_way[row.target_key] = row
                    workers.submit(row, partial(self._objects.run, row, partial(self._move, row)))
                if not under_way:
                    return
                self._context.partial.show()
                for row, outcome in workers.collect(_POLL_S):
                    del under_way[row.target_key]
                    yield outcome
            for row, outcome in workers.stop():
                if outcome.status is not Status.CANCELLED:
                    del under_way[row.target_key]
                    yield outcome
            yield from (Outcome(row, Status.UNKNOWN, "cancelled on the way", self.name) for row in under_way.values())
            yield from (Outcome(row, Status.CANCELLED, "cancelled before it began", self.name) for row in waiting)
        finally:
            workers.stop()
            if self._leg.direction is Direction.COPY:  # the threads' own cleaning may have been interrupted
                for row in under_way.values():
                    self._server_side.discard(row)
            self._server_side.close()

    def _upload(self, row: PlannedObject) -> Outcome:
        if row.size_bytes > _MAX_SINGLE_BYTES:
            return Outcome(row, Status.REFUSED, "larger than the 5 GiB that one PutObject carries", self.name)
        with _WatchedFile(row.source_key, self._check_running) as file:
            if reason := find_change(row, os.fstat(file.fileno())):
                return Outcome(row, Status.FAILED, reason, self.name)
            size_bytes, actual = hash_file(file)
            if size_bytes != row.size_bytes:
                return Outcome(row, Status.FAILED, f"changed while it was read: {size_bytes:,} bytes", self.name)
            if mismatch := find_mismatch(row, actual):
                return Outcome(row, Status.FAILED, mismatch, self.name, sha256=actual)
            headers = self._leg.headers.get(row.target_key) or _guess_headers(row.target_key)
            progress = self._begin(row)

            def pace(size_bytes: int) -> None:
                self._let_pass(size_bytes)
                progress.reach(file.tell())  # a request that is repeated reads the file from its beginning

            file.pace = pace
            written = self._client.put_file(
                self._leg.target_bucket, row.target_key, file, size_bytes=size_bytes, sha256=actual, headers=headers
            )
        self._context.count_bytes(size_bytes)
        encryption = ("", written.encrypted_by)
        return Outcome(row, Status.DONE, runner=self.name, etag=written.etag, sha256=actual, encryption=encryption)

    def _download(self, row: PlannedObject) -> Outcome:
        """One object into a new file at the place that the caller chose."""
        digest, size_bytes, progress = hashlib.sha256(), 0, self._begin(row)
        buffer = self._get_buffer()
        stream = self._client.open_stream(self._leg.source_bucket, row.source_key, if_match=row.etag or None)
        etag = stream.headers.get("etag", "").strip('"')
        try:
            if row.etag and etag != row.etag:  # a server that knows no If-Match
                raise ConflictError(
                    f"{row.source_key!r} has ETag {etag}, planned was {row.etag}: changed since it was planned."
                )
            with open(row.target_key, "wb", buffering=0) as file:  # noqa: PTH123 (keys and paths are strings in the copy loop)
                while count := stream.readinto(buffer):
                    block = buffer[:count]
                    self._let_pass(count)
                    digest.update(block)
                    _write_all(file, block)
                    size_bytes += count
                    progress.add(count)
        finally:
            stream.close()
            self._context.count_bytes(size_bytes)
        if size_bytes != row.size_bytes:
            raise IntegrityError(f"{row.source_key!r} came with {size_bytes:,} bytes, planned were {row.size_bytes:,}.")
        actual = digest.hexdigest()
        if mismatch := find_mismatch(row, actual):
            return Outcome(row, Status.FAILED, mismatch, self.name, sha256=actual)
        return Outcome(row, Status.DONE, runner=self.name, etag=etag, sha256=actual)

    def _get_buffer(self) -> memoryview:
        """Memory of the calling thread's own to read into: fresh memory for each object would cost more than the reading."""
        buffer: memoryview | None = getattr(self._of_thread, "buffer", None)
        if buffer is None:
            buffer = self._of_thread.buffer = memoryview(bytearray(_BUFFER_BYTES))
        return buffer

    def _begin(self, row: PlannedObject) -> ObjectProgress:
        return self._context.partial.begin(row, passes=self._leg.passes, passed=self._leg.passed)

    def _check_running(self, size_bytes: int = 0) -> None:
        """Called for bytes that are read and stay here."""
        del size_bytes
        if self._context.is_stopped():
            raise CancelledError

    def _let_pass(self, size_bytes: int) -> None:
        """Called for bytes that go over the network."""
        self._context.throttle.take(size_bytes)
        self._check_running()


class _WatchedFile(FileIO):
    """A file open for reading that tells `pace` of every block; what is told may wait, or raise to end the reading."""

    def __init__(self, path: str, pace: Callable[[int], None]) -> None:
        super().__init__(path)
        self.pace = pace

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size) or b""
        self.pace(len(block))
        return block


def _write_all(file: FileIO, block: memoryview) -> None:
    """Write all of a block: an unbuffered file may take a part of it."""
    while block:
        block = block[file.write(block) :]


def _guess_headers(key: str) -> dict[str, str]:
    return {"content-type": mimetypes.guess_type(key)[0] or "application/octet-stream"}
