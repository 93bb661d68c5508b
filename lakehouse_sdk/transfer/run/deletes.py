"""Deletes of a plan: last, only where everything was copied, and only what still is as planned."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer.context.ends import End
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.proof.verify import find_all

_BATCH = 1000
_RUNNER = "native"
_CHANGED = "not deleted: it changed since it was planned"


def keep_all(rows: Iterable[PlannedObject], reason: str) -> Iterator[Outcome]:
    """Outcomes of deletes that are not carried out."""
    return (Outcome(row, Status.CANCELLED, f"not deleted: {reason}", attempts=0) for row in rows)


def run_deletes(rows: Iterable[PlannedObject], target: End, context: RunContext) -> Iterator[Outcome]:
    """Delete at the target what the rows name, in batches; each is looked at once more right before.

    What has another size, ETag or (a local file) time than planned is kept and failed; what is gone already counts as deleted.
    After a cancel the rest is cancelled.
    """
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        if context.is_stopped():
            yield from keep_all(batch, "the run was cancelled")
        elif target.profile is None:
            yield from (_delete_file(row, target.folder) for row in batch)
        else:
            yield from _delete_batch(batch, context.client(target.profile), target.bucket)


def _delete_batch(rows: list[PlannedObject], client: S3Client, bucket: str) -> Iterator[Outcome]:
    found = find_all(client, bucket, sorted(row.target_key for row in rows))
    doomed: list[PlannedObject] = []
    for row in rows:
        now = found[row.target_key]
        if isinstance(now, LakehouseError):
            yield Outcome(row, Status.FAILED, f"not deleted: {now}", _RUNNER)
        elif now is None:
            yield Outcome(row, Status.DELETED, "gone already", _RUNNER)
        elif now.size_bytes != row.size_bytes or (row.etag and now.etag != row.etag):
            yield Outcome(row, Status.FAILED, _CHANGED, _RUNNER)
        else:
            doomed.append(row)
    try:
        failures = {item.key: item for item in client.delete_objects(bucket, [row.target_key for row in doomed])}
    except LakehouseError as error:
        yield from (Outcome(row, Status.FAILED, f"not deleted: {error}", _RUNNER) for row in doomed)
        return
    for row in doomed:
        failure = failures.get(row.target_key)
        if failure is None:
            yield Outcome(row, Status.DELETED, "", _RUNNER)
        else:
            yield Outcome(row, Status.FAILED, f"not deleted: {failure.code} {failure.message}", _RUNNER)


def _delete_file(row: PlannedObject, root: str) -> Outcome:
    path = row.target_key
    if os.path.normpath(path) != path or not path.startswith(f"{root}/"):
        return Outcome(row, Status.FAILED, f"not deleted: it is not inside {root!r}", _RUNNER)
    try:
        found = Path(path).lstat()
        if found.st_size != row.size_bytes or not row.has_time(found.st_mtime):
            return Outcome(row, Status.FAILED, _CHANGED, _RUNNER)
        Path(path).unlink()
    except FileNotFoundError:
        return Outcome(row, Status.DELETED, "gone already", _RUNNER)
    except OSError as error:
        return Outcome(row, Status.FAILED, f"not deleted: {error.strerror}", _RUNNER)
    _remove_empty_folders(Path(path).parent, root)
    return Outcome(row, Status.DELETED, "", _RUNNER)


def _remove_empty_folders(folder: Path, root: str) -> None:
    """Folders come with their files and go with the last of them; the root stays."""
    with suppress(OSError):
        while str(folder).startswith(f"{root}/"):
            folder.rmdir()
            folder = folder.parent
