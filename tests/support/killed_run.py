"""What a run leaves that is killed at the worst moment: open uploads with a part in them, and the journal that says so."""

from __future__ import annotations

import os

from lakehouse_sdk.storage import OpenUpload, S3Client
from lakehouse_sdk.transfer.context.journal import RunJournal


def leave_uploads(client: S3Client, bucket: str, key: str, count: int = 2) -> list[OpenUpload]:
    """Uploads to `key` that a run of this user began and never ended; nobody holds its journal any more."""
    journal, left = RunJournal(), []
    for _ in range(count):
        upload = client.start_upload(bucket, key)
        client.put_part(bucket, upload, 1, bytes(5 * 1024**2))
        journal.begin(client.profile, bucket, key=key, upload_id=upload.upload_id)
        left.append(upload)
    for descriptor in journal._files.values():
        assert descriptor is not None
        os.close(descriptor)  # as the kernel does for a process that was killed
    return left
