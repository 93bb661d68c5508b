"""Unfinished uploads, and whose they are: only a run's own are discarded, those of runs that died, and old ones.

What goes wrong otherwise: another program, or another run, is uploading to the same key, and its upload is gone in mid-flight.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import LakehouseError, NotFoundError
from lakehouse_sdk.storage import OpenUpload, S3Client, Written
from lakehouse_sdk.transfer.context.journal import find_abandoned
from lakehouse_sdk.transfer.context.run import RunContext

INCOMING_PREFIX = "_incoming/"
"""Where objects with a wanted hash rest until it is known."""


class OwnUploads:
    """The unfinished uploads of one run at one bucket; safe to share between threads.

    Args:
        profile: The server.
        bucket: The bucket that is written.
        context: What the run shares.
    """

    def __init__(self, profile: S3Profile, bucket: str, context: RunContext) -> None:
        self._profile = profile
        self._bucket = bucket
        self._context = context
        self._client = context.client(profile)
        self._asked: set[str] = set()
        self._begun: dict[str, tuple[OpenUpload, int]] = {}
        self._expected: dict[str, tuple[Collection[str], int]] = {}

    def look(self, key: str) -> Collection[str] | None:
        """The ids of uploads to `key` that others have begun; those that are too old to live are discarded.

        None where the server does not tell: who may write need not be allowed to list, nor a server able.
        """
        before = datetime.now(UTC) - timedelta(hours=self._context.settings.abandoned_after_h)
        try:
            found = self._client.list_uploads(self._bucket, key)
        except LakehouseError:
            return None
        for upload in found:
            if upload.initiated < before:
                with suppress(LakehouseError):
                    self._client.abort_upload(self._bucket, upload)
        return [upload.upload_id for upload in found]

    def begin(self, key: str, headers: Mapping[str, str]) -> OpenUpload:
        """Begin an object in parts, as `S3Client.start_upload`; from now on it is on record."""
        self.expect(key)  # until its id is on record: a kill may come between the server's answer and that
        seen = self._expected[key][0] if key in self._expected else None
        client, repeats = self._client, self._client.repeats_of_thread
        try:
            upload = client.start_upload(self._bucket, key, headers)
        except BaseException:
            self.discard_expected(key)  # it may have begun, and only its answer was lost
            raise
        number = self._context.journal.begin(self._profile, self._bucket, key=key, upload_id=upload.upload_id)
        self._begun[upload.upload_id] = (upload, number)
        if self._profile.encryption or any("server-side-encryption" in name for name in headers):
            self._asked.add(upload.upload_id)
        if client.repeats_of_thread != repeats:  # an attempt whose answer was lost has begun an upload too
            self._discard_new(key, seen, upload.upload_id)
        self.arrived(key)
        return upload

    def complete(self, upload: OpenUpload, etags: Sequence[str]) -> Written:
        """Join its parts, as `S3Client.complete_upload`, and say how the server keeps the object."""
        etag, encrypted_by = self._client.complete_upload(self._bucket, upload, etags), upload.encrypted_by
        if upload.upload_id in self._asked and not encrypted_by:  # MinIO's answers say nothing of it
            encrypted_by = self._client.get_encryption(self._bucket, upload.key).encrypted_by
        self._end(upload)
        return Written(etag, encrypted_by)

    def _end(self, upload: OpenUpload) -> None:
        if (begun := self._begun.pop(upload.upload_id, None)) is not None:
            self._context.journal.end(self._profile, begun[1])

    def abort(self, upload: OpenUpload) -> None:
        """Discard it; where that fails it stays on record for the next run."""
        with suppress(LakehouseError):
            self._client.abort_upload(self._bucket, upload)
            self._end(upload)

    def abort_all(self) -> None:
        """Discard what was begun and neither completed nor discarded."""
        for upload, _ in list(self._begun.values()):
            self.abort(upload)

    def expect(self, key: str) -> None:
        """Somebody who does not tell ids will begin an upload to `key`: note what was there before."""
        seen = self.look(key)
        if seen is not None:
            number = self._context.journal.begin(self._profile, self._bucket, key=key, seen=list(seen))
            self._expected[key] = (seen, number)

    def arrived(self, key: str) -> None:
        """What was expected is whole, so nothing of it is left."""
        if (expected := self._expected.pop(key, None)) is not None:
            self._context.journal.end(self._profile, expected[1])

    def discard_expected(self, key: str) -> None:
        """Discard what was begun where it was expected and not completed; nobody may be sending any more."""
        expected = self._expected.get(key)
        if expected is not None and self._discard_new(key, expected[0], ""):
            self.arrived(key)

    def _discard_new(self, key: str, seen: Collection[str] | None, own: str) -> bool:
        """Discard the uploads of a key that were not there before and are not `own`; True where that was done."""
        if seen is None:
            return False
        try:
            for upload in self._client.list_uploads(self._bucket, key):
                if upload.upload_id not in seen and upload.upload_id != own:
                    self._client.abort_upload(self._bucket, upload)
        except LakehouseError:
            return False
        return True


def clear_abandoned(profile: S3Profile, client: S3Client) -> None:
    """Discard what runs left at a server that were killed, as far as they wrote it down and the server lets us."""
    for run in find_abandoned(profile):
        cleared = False
        try:
            for entry in run.entries:
                _clear(client, entry)
            cleared = True
        except (LakehouseError, KeyError, TypeError):
            pass
        finally:
            (run.forget if cleared else run.leave)()


def _clear(client: S3Client, entry: Mapping[str, object]) -> None:
    bucket = str(entry["bucket"])
    with suppress(NotFoundError):  # the bucket is gone, and all with it
        if "prefix" in entry:
            prefix = str(entry["prefix"])
            if prefix.startswith(INCOMING_PREFIX):
                client.delete_objects(bucket, [info.key for info in client.list_objects(bucket, prefix)])
        elif "upload_id" in entry:
            client.abort_upload(bucket, OpenUpload(str(entry["key"]), str(entry["upload_id"]), datetime.now(UTC)))
        else:
            seen = entry["seen"]
            for upload in client.list_uploads(bucket, str(entry["key"])):
                if isinstance(seen, list) and upload.upload_id not in seen:
                    client.abort_upload(bucket, upload)


def clear_incoming(client: S3Client, bucket: str, after_h: float) -> None:
    """Delete what anybody left below `_incoming/` longer ago than `after_h` hours; what is younger may belong to a run."""
    with suppress(LakehouseError):  # whoever may write need not be allowed to list
        before = datetime.now(UTC) - timedelta(hours=after_h)
        found = [info.key for info in client.list_objects(bucket, INCOMING_PREFIX) if info.last_modified < before]
        if found:
            client.delete_objects(bucket, found)
