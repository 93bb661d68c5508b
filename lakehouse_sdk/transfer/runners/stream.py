"""Between two servers through the memory of this machine: GET piped into PUT, small objects whole, large ones in parts.

Guarantees: the source is pinned to its planned ETag; bytes are hashed while they pass; an object whose wanted SHA-256 differs
is never put, or its upload is aborted; memory is bounded whatever the sizes; no disk. Content headers, metadata, tags and
storage class travel along, and an object that was uploaded in even parts is uploaded in the same ones, so its ETag stays.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lakehouse_sdk.errors import ConflictError, IntegrityError, StorageError
from lakehouse_sdk.storage import ObjectDescription, OpenUpload, S3Client, Written
from lakehouse_sdk.storage.signing import UNSIGNED
from lakehouse_sdk.transfer.context.ends import Ends
from lakehouse_sdk.transfer.context.partial import ObjectProgress
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.runners.attempts import ObjectAttempts
from lakehouse_sdk.transfer.runners.leftovers import OwnUploads
from lakehouse_sdk.transfer.runners.parts import MIB, Buffers, OrderedHash, choose_part_bytes, keeps_layout
from lakehouse_sdk.transfer.runners.protocol import Outcomes, find_mismatch
from lakehouse_sdk.transfer.runners.workers import Workers

WHOLE_BYTES = 8 * MIB
"""Objects up to this size are in memory whole and put with one request, which also keeps the ETag of such a one."""
_BLOCK_BYTES = MIB
_MAX_OPEN = 8
"""Large objects under way at once; their parts share the connections."""
_POLL_S = 0.2
_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Large:
    """One object on its way in parts; used by the scheduling thread but for what the class says of its members."""

    row: PlannedObject
    part_bytes: int = 0
    encrypted_by: str = ""
    upload: OpenUpload | None = None
    etags: list[str] = field(default_factory=list)
    next_part: int = 0
    left: int = 0
    digest: OrderedHash = field(default_factory=OrderedHash)
    progress: ObjectProgress | None = None
    problem: Outcome | None = None
    attempts: int = 1

    @property
    def parts(self) -> int:
        return -(-self.row.size_bytes // self.part_bytes)


@dataclass(frozen=True, slots=True)
class _Step:
    """What a thread was asked to do: a whole object, or one step of a large one."""

    row: PlannedObject
    large: _Large | None = None


_Done = Outcome | Callable[[], None]
"""What a thread gives back: the end of an object, or how its large one goes on."""


class StreamRunner:
    """Carries out rows between two S3 ends, `settings.max_concurrent` requests at once.

    Refuses rows that another way could still carry: where the target does not take objects in parts.

    Args:
        ends: Two S3 ends.
        context: What the run shares.
    """

    name = "stream"

    def __init__(self, ends: Ends, context: RunContext) -> None:
        assert ends.source.profile is not None  # noqa: S101 (choose_strategy streams between two servers only)
        assert ends.target.profile is not None  # noqa: S101 (as above)
        self._context = context
        self._source: S3Client = context.client(ends.source.profile)
        self._target: S3Client = context.client(ends.target.profile)
        self._from, self._to = ends.source.bucket, ends.target.bucket
        self._objects = ObjectAttempts(self.name, context)
        self._uploads = OwnUploads(ends.target.profile, self._to, context)
        self._payload = UNSIGNED if ends.target.profile.secure else ""
        self._workers: Workers[_Step, _Done] = Workers(context.settings.max_concurrent, context.interrupt)
        self._buffers = Buffers(context.settings.stream_memory_mib * MIB, self._workers.wake)
        self._ready: deque[_Large] = deque()
        self._under_way: dict[str, PlannedObject] = {}
        self._large: dict[str, _Large] = {}
        self._held: PlannedObject | None = None
        self._ended: list[Outcome] = []

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Runner.run`; after a cancel, what had begun is `unknown`, what had not is `cancelled`."""
        waiting = iter(rows)
        try:
            while not self._context.cancel.cancelled:
                self._fill(waiting)
                if not self._under_way:
                    return
                self._context.partial.show()
                for step, done in self._workers.collect(_POLL_S):
                    self._take(step, done)
                ended, self._ended = self._ended, []
                yield from ended
            self._stop()
            yield from self._ended
            begun = list(self._under_way.values())
            yield from (Outcome(row, Status.UNKNOWN, "cancelled on the way", self.name) for row in begun)
            left = [self._held] if self._held is not None else []
            yield from (Outcome(row, Status.CANCELLED, "cancelled before it began", self.name) for row in (*left, *waiting))
            self._under_way.clear()
        finally:
            self._stop()

    def _fill(self, waiting: Iterator[PlannedObject]) -> None:
        """Hand out work while there are threads and memory for it: parts of what was begun first, then more objects."""
        limit = 2 * self._context.settings.max_concurrent
        while self._workers.outstanding < limit:
            if self._ready:
                if not self._begin_part(self._ready[0]):
                    return
                continue
            row, self._held = self._held or next(waiting, None), None
            if row is None or not self._begin(row):
                self._held = row
                return

    def _begin(self, row: PlannedObject) -> bool:
        """Hand out one object; False where it has to wait."""
        if row.size_bytes <= WHOLE_BYTES:
            block = self._buffers.take(row.size_bytes)
            if block is None:
                return False
            self._under_way[row.target_key] = row
            self._workers.submit(_Step(row), lambda: self._carry_whole(row, block))
            return True
        if len(self._large) >= _MAX_OPEN:
            return False
        large = _Large(row)
        self._under_way[row.target_key] = row
        self._large[row.target_key] = large
        self._workers.submit(_Step(row, large), lambda: self._guard(large, lambda: self._open(large)))
        return True

    def _begin_part(self, large: _Large) -> bool:
        """Hand out the next part of a large object; False where it has to wait."""
        if large.problem is not None:
            self._ready.popleft()
            return True
        index = large.next_part
        first = index * large.part_bytes
        size_bytes = min(large.part_bytes, large.row.size_bytes - first)
        block = self._buffers.take(size_bytes)
        if block is None:
            return False
        large.next_part += 1
        large.left += 1
        if large.next_part == large.parts:
            self._ready.popleft()
        self._workers.submit(_Step(large.row, large), lambda: self._carry_part(large, index, first, size_bytes, block))
        return True

    def _take(self, step: _Step, done: _Done) -> None:
        """Go on with what a thread did."""
        if not isinstance(done, Outcome):
            done()
        elif step.large is None or done.status is Status.DONE:
            self._large.pop(done.row.target_key, None)
            self._end(done)
        else:
            self._fail(step.large, done)

    def _end(self, outcome: Outcome) -> None:
        self._under_way.pop(outcome.row.target_key, None)
        self._ended.append(outcome)

    def _fail(self, large: _Large, outcome: Outcome) -> None:
        """A step of a large object failed: end it when its other parts are back, its upload discarded."""
        large.problem = large.problem or outcome
        self._discard_if_idle(large)

    def _discard_if_idle(self, large: _Large) -> None:
        if large.left == 0 and large.problem is not None and self._large.pop(large.row.target_key, None) is not None:
            problem = large.problem
            large.digest.abandon()
            self._workers.submit(_Step(large.row), lambda: self._discard(large, problem))

    # What follows runs in the threads.

    def _carry_whole(self, row: PlannedObject, block: memoryview) -> _Done:
        try:
            return self._objects.run(row, lambda: self._move_whole(row, block[: row.size_bytes]))
        finally:
            self._buffers.give(block)

    def _move_whole(self, row: PlannedObject, body: memoryview) -> Outcome:
        with self._source.open_stream(self._from, row.source_key, if_match=row.etag or None) as reply:
            description = self._source.describe(self._from, row.source_key, reply.headers)
            self._check_size(row, description)
            self._read(reply.readinto, body, self._begin_progress(row))
        sha256 = hashlib.sha256(body).hexdigest()
        if mismatch := find_mismatch(row, sha256):
            return Outcome(row, Status.FAILED, mismatch, self.name, sha256=sha256)

        def put(headers: dict[str, str]) -> Written:
            return self._target.put_file(
                self._to, row.target_key, body, size_bytes=row.size_bytes, sha256=sha256, headers=headers
            )

        written = _with_headers(put, description)
        self._context.count_bytes(2 * row.size_bytes)
        encryption = (description.encryption.encrypted_by, written.encrypted_by)
        return Outcome(row, Status.DONE, "", self.name, written.etag, sha256, encryption=encryption)

    def _open(self, large: _Large) -> _Done:
        """Look at the source, begin the upload."""
        row, source = large.row, self._source
        description = source.get_description(self._from, row.source_key)
        if row.etag and description.info.etag != row.etag:
            raise ConflictError(f"{row.source_key!r} has another ETag than planned: changed since it was planned.")
        self._check_size(row, description)
        part_bytes = self._choose_part_bytes(row, description)
        if part_bytes > self._buffers.limit_bytes:
            reason = f"its parts of {part_bytes:,} bytes are larger than transfer.stream_memory_mib"
            return Outcome(row, Status.REFUSED, reason, self.name)
        try:
            upload = _with_headers(lambda headers: self._uploads.begin(row.target_key, headers), description)
        except StorageError as error:
            if error.status in {405, 501}:
                return Outcome(row, Status.REFUSED, f"the target takes no objects in parts: {error.message}", self.name)
            raise
        progress = self._begin_progress(row)

        def go_on() -> None:
            large.upload, large.part_bytes, large.progress = upload, part_bytes, progress
            large.encrypted_by = description.encryption.encrypted_by
            large.etags = [""] * large.parts
            self._ready.append(large)

        return go_on

    def _choose_part_bytes(self, row: PlannedObject, description: ObjectDescription) -> int:
        if "-" in description.info.etag:
            first_part_bytes, parts = self._source.get_part_layout(self._from, row.source_key)
            if keeps_layout(row.size_bytes, first_part_bytes, parts) and first_part_bytes <= self._buffers.limit_bytes:
                return first_part_bytes
        return choose_part_bytes(row.size_bytes, self._context.part_bytes)

    def _carry_part(self, large: _Large, index: int, first: int, size_bytes: int, memory: memoryview) -> _Done:
        """One part down, hashed in its turn, and up; its memory is free when it was hashed and sent."""
        block = memory[:size_bytes]
        others: list[None] = []  # who else holds the memory: it also waits to be hashed; list.pop is atomic

        def let_go() -> None:
            try:
                others.pop()
            except IndexError:
                self._buffers.give(memory)

        def move() -> _Done:
            assert large.upload is not None  # noqa: S101 (set before its first part)
            assert large.progress is not None  # noqa: S101 (as above)
            upload, progress = large.upload, large.progress
            self._retry(lambda: self._fetch(large.row, first, block, progress))
            others.append(None)
            large.digest.add(index, block, let_go)
            etag = self._retry(lambda: self._target.put_part(self._to, upload, index + 1, block, sha256=self._payload))
            self._context.count_bytes(2 * size_bytes)
            progress.add(size_bytes)

            def go_on() -> None:
                large.etags[index] = etag
                large.left -= 1
                self._discard_if_idle(large)
                if large.left == 0 and large.next_part == large.parts and large.problem is None:
                    self._workers.submit(_Step(large.row, large), lambda: self._guard(large, lambda: self._close(large)))

            return go_on

        done = self._guard(large, move, attempts=1)
        let_go()
        if isinstance(done, Outcome):
            problem = done

            def give_up() -> None:
                large.left -= 1
                self._fail(large, problem)

            return give_up
        return done

    def _close(self, large: _Large) -> _Done:
        row, actual = large.row, large.digest.hexdigest()
        if mismatch := find_mismatch(row, actual):
            return Outcome(row, Status.FAILED, mismatch, self.name, sha256=actual)
        assert large.upload is not None  # noqa: S101 (its parts were sent)
        written = self._uploads.complete(large.upload, large.etags)
        encryption = (large.encrypted_by, written.encrypted_by)
        return Outcome(row, Status.DONE, "", self.name, written.etag, actual, encryption=encryption)

    def _discard(self, large: _Large, outcome: Outcome) -> Outcome:
        if large.upload is not None:
            self._uploads.abort(large.upload)
        return outcome

    def _guard(self, large: _Large, work: Callable[[], _Done], *, attempts: int | None = None) -> _Done:
        """A step of a large object: failures become outcomes, tries are counted."""
        result: list[_Done] = []

        def move() -> Outcome:
            result.append(work())
            return result[0] if isinstance(result[0], Outcome) else Outcome(large.row, Status.DONE)

        outcome = self._objects.run(large.row, move, attempts=attempts)
        large.attempts += outcome.attempts - 1
        if result and not isinstance(result[0], Outcome):
            return result[0]
        return replace(outcome, attempts=large.attempts)

    def _retry(self, work: Callable[[], _Result]) -> _Result:
        return self._context.try_again(work, note_retry=self._objects.note_retry)

    def _fetch(self, row: PlannedObject, first: int, block: memoryview, progress: ObjectProgress) -> None:
        last = first + len(block) - 1
        pin = row.etag or None
        with self._source.open_stream(self._from, row.source_key, if_match=pin, first_byte=first, last_byte=last) as reply:
            if int(reply.headers.get("content-length", "-1")) != len(block):
                raise IntegrityError(f"{row.source_key!r} did not come in the range that was asked for.")
            self._read(reply.readinto, block, progress)

    def _begin_progress(self, row: PlannedObject) -> ObjectProgress:
        return self._context.partial.begin(row, passes=2)  # what is read is half the way, what is written the other half

    def _read(self, readinto: Callable[[memoryview], int], block: memoryview, progress: ObjectProgress) -> None:
        done = 0
        try:
            while done < len(block) and (count := readinto(block[done : done + _BLOCK_BYTES])):
                self._context.throttle.take(count)
                progress.add(count)
                done += count
        finally:
            if done < len(block):
                progress.add(-done)  # it comes once more, or never
        if done < len(block):
            raise IntegrityError(f"{done:,} bytes came, {len(block):,} were announced.")

    def _check_size(self, row: PlannedObject, description: ObjectDescription) -> None:
        size_bytes = description.info.size_bytes
        if size_bytes != row.size_bytes:
            raise ConflictError(f"{row.source_key!r} has {size_bytes:,} bytes: changed since it was planned.")

    def _stop(self) -> None:
        """End the threads and discard the uploads that are open; what ended meanwhile has ended."""
        for step, done in self._workers.stop():
            if isinstance(done, Outcome) and (
                done.status is Status.DONE or (step.large is None and done.status is Status.FAILED)
            ):
                self._end(done)
        self._uploads.abort_all()
        self._large.clear()


def _with_headers(send: Callable[[dict[str, str]], _Result], description: ObjectDescription) -> _Result:
    """`send` with all that a copy carries; without the storage class where the target does not know it."""
    headers = dict(description.headers)
    try:
        return send(headers)
    except StorageError as error:
        if error.code != "InvalidStorageClass" or headers.pop("x-amz-storage-class", None) is None:
            raise
    return send(headers)
