"""Copies that the server makes: no byte passes this machine, whatever the size.

Pinned to the planned ETag. A wanted SHA-256 is kept by way of a key below `_incoming/`, where the server says what the object
hashes to before it is copied on. Above the size that one request carries an object is copied in the parts that it was
uploaded in, so that its ETag stays, with its headers, metadata, tags, storage class and encryption.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import BoundedSemaphore, Lock

from lakehouse_sdk.errors import AccessError, ConflictError, LakehouseError, StorageError
from lakehouse_sdk.storage import CopyResult, ObjectEncryption, OpenUpload
from lakehouse_sdk.transfer.context.partial import ObjectProgress
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.proof.hashing import hash_file
from lakehouse_sdk.transfer.runners.attempts import CancelledError, ObjectAttempts
from lakehouse_sdk.transfer.runners.leftovers import INCOMING_PREFIX, OwnUploads
from lakehouse_sdk.transfer.runners.parts import choose_part_bytes, keeps_layout
from lakehouse_sdk.transfer.runners.protocol import Leg, find_mismatch
from lakehouse_sdk.transfer.runners.workers import Workers

_PARTS_AT_ONCE = 8
"""Part copies under way at once, of all objects together: each keeps the server's disks busy by itself."""
_NOT_MADE = frozenset({405, 501})
"""Statuses of a server that has no such request; one without the permission answers 403."""
_MAX_REFUSED = 4
_POLL_S = 0.2


class ServerSideCopy:
    """Copies of one leg; safe to share between threads.

    Args:
        runner: Name for outcomes.
        leg: From bucket to bucket of one server.
        context: What the run shares.
        objects: Counts what is tried again.
    """

    def __init__(self, runner: str, leg: Leg, context: RunContext, objects: ObjectAttempts) -> None:
        self._runner = runner
        self._leg = leg
        self._context = context
        self._client = context.client(leg.profile)
        self._objects = objects
        self._refused = 0
        self._refusal = ""
        self._part_slots = BoundedSemaphore(_PARTS_AT_ONCE)
        self._uploads = OwnUploads(leg.profile, leg.target_bucket, context)
        self._incoming = f"{INCOMING_PREFIX}{context.journal.run_id}-"
        self._incoming_number: int | None = None
        self._resting: set[str] = set()
        self._lock = Lock()
        self._encrypts: bool | None = None
        self._encrypts_lock = Lock()

    def copy(self, row: PlannedObject) -> Outcome:
        """Copy one object; its outcome, `refused` where the server does not make the copy.

        Once it has refused a few and made none it is not asked for the rest.
        """
        if self._refused >= _MAX_REFUSED:
            return Outcome(row, Status.REFUSED, self._refusal, self._runner, attempts=0)
        try:
            outcome = self._copy_checked(row) if row.sha256 is not None else self._copy_plain(row)
        except (AccessError, StorageError) as error:
            if isinstance(error, StorageError) and error.status not in _NOT_MADE:
                raise
            self._refused += 1
            self._refusal = f"the server does not copy by itself: {error.message}"
            return Outcome(row, Status.REFUSED, self._refusal, self._runner)
        self._refused = 0
        return outcome

    def _copy_plain(self, row: PlannedObject) -> Outcome:
        leg, kept = self._leg, self._find_encryption(row)
        result = self._copy_any(row, leg.source_bucket, row.source_key, row.target_key, row.etag, kept)
        encryption = (kept.encrypted_by, result.encrypted_by)
        return Outcome(row, Status.DONE, runner=self._runner, etag=result.etag, encryption=encryption)

    def _find_encryption(self, row: PlannedObject) -> ObjectEncryption:
        """What a copy has to ask for, because CopyObject keeps no encryption by itself; nothing where the profile says it."""
        if self._leg.profile.encryption or not self._server_encrypts():
            return ObjectEncryption()
        return self._client.get_encryption(self._leg.source_bucket, row.source_key)

    def _server_encrypts(self) -> bool:
        """Asked once a run, because a server without encryption spares a request for each object."""
        with self._encrypts_lock:
            if self._encrypts is None:
                self._encrypts = True  # who may copy need not be allowed to begin such an upload
                with suppress(LakehouseError):
                    self._encrypts = self._client.can_encrypt(self._leg.target_bucket, f"{self._incoming}probe")
            return self._encrypts

    def discard(self, row: PlannedObject) -> None:
        """Remove what a copy of this row that was stopped may have left below `_incoming/`."""
        self._clear(self._incoming_key(row))

    def close(self) -> None:
        """Discard the uploads that are open; no thread may be copying any more."""
        self._uploads.abort_all()
        if self._incoming_number is not None and not self._resting:
            self._context.journal.end(self._leg.profile, self._incoming_number)

    def _incoming_key(self, row: PlannedObject) -> str:
        """Where an object with a wanted hash rests until it is known; no other run has this place."""
        return f"{self._incoming}{hashlib.sha256(row.target_key.encode('utf-8', 'surrogateescape')).hexdigest()}"

    def _begin_incoming(self, row: PlannedObject) -> str:
        key = self._incoming_key(row)
        with self._lock:
            self._resting.add(key)
            if self._incoming_number is None:
                leg = self._leg
                self._incoming_number = self._context.journal.begin(leg.profile, leg.target_bucket, prefix=self._incoming)
        return key

    def _clear(self, incoming: str) -> None:
        if incoming in self._resting:
            with suppress(LakehouseError):
                self._client.delete(self._leg.target_bucket, incoming)
                self._resting.discard(incoming)

    def _copy_checked(self, row: PlannedObject) -> Outcome:
        """Copy to `_incoming/`, compare hashes, copy on; the second copy is pinned to what was hashed."""
        leg, client, kept = self._leg, self._client, self._find_encryption(row)
        incoming = self._begin_incoming(row)
        try:
            first = self._copy_any(row, leg.source_bucket, row.source_key, incoming, row.etag, kept, sha256=True, passes=2)
            actual = first.sha256 or client.get_info(leg.target_bucket, incoming).sha256 or self._hash(incoming)
            if mismatch := find_mismatch(row, actual):
                return Outcome(row, Status.FAILED, mismatch, self._runner, sha256=actual)
            second = self._copy_any(row, leg.target_bucket, incoming, row.target_key, first.etag, kept, passes=2, passed=1)
        finally:
            self._clear(incoming)
        encryption = (kept.encrypted_by, second.encrypted_by)
        return Outcome(row, Status.DONE, runner=self._runner, etag=second.etag, sha256=actual, encryption=encryption)

    def _hash(self, key: str) -> str:
        """For servers that compute no SHA-256 themselves: read the object back."""
        with self._client.open_stream(self._leg.target_bucket, key) as stream:
            size_bytes, actual = hash_file(stream)
        self._context.count_bytes(size_bytes)
        return actual

    def _copy_any(
        self,
        row: PlannedObject,
        bucket: str,
        key: str,
        target_key: str,
        etag: str,
        kept: ObjectEncryption,
        *,
        sha256: bool = False,
        passes: int = 1,
        passed: int = 0,
    ) -> CopyResult:
        target = self._leg.target_bucket
        if row.size_bytes <= self._context.settings.single_copy_max_bytes:
            result = self._client.copy(
                bucket, key, target, target_key, if_match=etag or None, sha256=sha256, encryption=kept.headers
            )
            if (kept.headers or self._leg.profile.encryption) and not result.encrypted_by:  # MinIO's answer says nothing of it
                return replace(result, encrypted_by=self._client.get_encryption(target, target_key).encrypted_by)
            return result
        progress = self._context.partial.begin(row, passes=passes, passed=passed)
        return self._copy_in_parts(row, bucket, key, target_key, etag, kept, progress)

    def _copy_in_parts(
        self,
        row: PlannedObject,
        bucket: str,
        key: str,
        target_key: str,
        etag: str,
        kept: ObjectEncryption,
        progress: ObjectProgress,
    ) -> CopyResult:
        description = self._client.get_description(bucket, key)
        info = description.info
        if info.size_bytes != row.size_bytes or (etag and info.etag != etag):
            raise ConflictError(f"{key!r} changed since it was planned.")
        part_bytes = self._choose_part_bytes(bucket, key, row.size_bytes)
        upload = self._uploads.begin(target_key, {**description.headers, **kept.headers})
        try:
            etags = self._copy_parts(bucket, key, upload, row.size_bytes, part_bytes, info.etag, progress)
            written = self._uploads.complete(upload, etags)
        except BaseException:
            self._uploads.abort(upload)
            raise
        return CopyResult(written.etag, encrypted_by=written.encrypted_by)

    def _choose_part_bytes(self, bucket: str, key: str, size_bytes: int) -> int:
        first_part_bytes, parts = self._client.get_part_layout(bucket, key)
        if keeps_layout(size_bytes, first_part_bytes, parts):
            return first_part_bytes
        return choose_part_bytes(size_bytes, self._context.part_bytes)

    def _copy_parts(
        self,
        bucket: str,
        key: str,
        upload: OpenUpload,
        size_bytes: int,
        part_bytes: int,
        etag: str,
        progress: ObjectProgress,
    ) -> list[str]:
        etags = [""] * -(-size_bytes // part_bytes)
        workers: Workers[int, str | LakehouseError] = Workers(_PARTS_AT_ONCE, lambda: None)

        def copy(index: int) -> str | LakehouseError:
            first = index * part_bytes
            last = min(first + part_bytes, size_bytes) - 1
            try:
                with self._part_slots:
                    return self._context.try_again(
                        partial(self._copy_part, bucket, key, upload, index + 1, first, last, etag),
                        note_retry=self._objects.note_retry,
                    )
            except LakehouseError as error:
                return error

        waiting = iter(range(len(etags)))
        try:
            while True:
                while workers.outstanding < 2 * _PARTS_AT_ONCE and (index := next(waiting, None)) is not None:
                    workers.submit(index, partial(copy, index))
                if not workers.outstanding:
                    return etags
                for index, result in workers.collect(_POLL_S):
                    if isinstance(result, LakehouseError):
                        raise result
                    etags[index] = result
                    progress.add(min(part_bytes, size_bytes - index * part_bytes))
        finally:
            workers.stop()

    def _copy_part(self, bucket: str, key: str, upload: OpenUpload, number: int, first: int, last: int, etag: str) -> str:
        if self._context.is_stopped():
            raise CancelledError
        return self._client.copy_part(
            bucket, key, self._leg.target_bucket, upload, number, first_byte=first, last_byte=last, if_match=etag
        )
