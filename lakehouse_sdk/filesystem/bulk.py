"""Many objects at once: pairs of paths become rows of a transfer plan, and fsspec's callbacks listen to its events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from fsspec.callbacks import Callback, NoOpCallback

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConflictError, NotFoundError, UsageError
from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import PlannedObject, Status, TransferPlan, TransferReport, run_transfer
from lakehouse_sdk.uris import Address, LocalAddress, S3Address

SplitPath = Callable[[str], tuple[str, str, Any]]
_HEADS_AT_ONCE = 16


class MoveOne(Protocol):
    """Moves one object, through s3fs."""

    def __call__(self, source: str, target: str, *, callback: Callback) -> object:
        """Move it and tell the callback about its bytes."""


@dataclass(frozen=True, slots=True)
class BulkCopy:
    """One file to move.

    Attributes:
        source_bucket: Bucket of the source, empty for a local file.
        target_bucket: Bucket of the target, empty for a local file.
        row: The plan's row for it.
    """

    source_bucket: str
    target_bucket: str
    row: PlannedObject

    @property
    def source(self) -> str:
        """Path of the source, as fsspec writes it."""
        return f"{self.source_bucket}/{self.row.source_key}" if self.source_bucket else self.row.source_key

    @property
    def target(self) -> str:
        """Path of the target, as fsspec writes it."""
        return f"{self.target_bucket}/{self.row.target_key}" if self.target_bucket else self.row.target_key


def plan_local_sources(pairs: Iterable[tuple[str, str]], split: SplitPath) -> list[BulkCopy]:
    """Uploads of local files; folders among the sources are left out.

    Raises:
        FileNotFoundError: A source is not there.
    """
    return [_plan_upload(Path(source).absolute(), split(target)) for source, target in pairs if not os.path.isdir(source)]  # noqa: PTH112


def _plan_upload(source: Path, target: tuple[str, str, Any]) -> BulkCopy:
    status = source.stat()
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    row = PlannedObject(str(source), str(source), target[1], status.st_size, last_modified=modified)
    return BulkCopy("", target[0], row)


class RemoteSources:
    """Sizes and ETags of remote sources: from a listing where there was one, else by HEAD, several at once.

    Args:
        client: Requests to the server that holds them.
        split: Bucket and key of a path.
        infos: What listings said, by path.
    """

    def __init__(self, client: S3Client, split: SplitPath, infos: dict[str, dict[str, Any]]) -> None:
        self._client = client
        self._split = split
        self._infos = infos

    def plan(self, pairs: Iterable[tuple[str, str]], *, local_target: bool, skip_missing: bool = False) -> list[BulkCopy]:
        """Copies or downloads for pairs of paths.

        Args:
            pairs: Source and target.
            local_target: True where the targets are local files; folder markers (`folder/`) are left out then.
            skip_missing: Leave out sources that are not there, instead of raising.

        Raises:
            NotFoundError: A source is not there.
            ConflictError: A source that ends with a slash has content, and the target is local; nothing was moved.
        """

        def plan_one(pair: tuple[str, str]) -> BulkCopy | None:
            return self._plan_one(*pair, local_target=local_target, skip_missing=skip_missing)

        pairs = list(pairs)
        if local_target:
            self._refuse_full_markers(source for source, _ in pairs)
        wanted = [(source, target) for source, target in pairs if self._is_object(source, local_target=local_target)]
        with ThreadPoolExecutor(_HEADS_AT_ONCE) as pool:
            return [copy for copy in pool.map(plan_one, wanted) if copy is not None]

    def _refuse_full_markers(self, sources: Iterable[str]) -> None:
        """An object `folder/` with content is no marker: left out like one, its bytes were lost without a word."""
        for source in sources:
            size_bytes = self._infos.get(source, {}).get("size", 0) if self._split(source)[1].endswith("/") else 0
            if size_bytes:
                raise ConflictError(
                    f"{source!r} holds {size_bytes:,} bytes, and its name ends with a slash, as no file's can.",
                    hint="Copy the other objects by name, and read this one with cat_file.",
                )

    def _is_object(self, source: str, *, local_target: bool) -> bool:
        key = self._split(source)[1]
        return bool(key) and not (local_target and key.endswith("/"))

    def _plan_one(self, source: str, target: str, *, local_target: bool, skip_missing: bool) -> BulkCopy | None:
        bucket, key, _ = self._split(source)
        try:
            size_bytes, etag, modified = self._describe(source, bucket, key)
        except NotFoundError:
            if skip_missing:
                return None
            raise
        target_bucket, target_key = ("", str(Path(target).absolute())) if local_target else self._split(target)[:2]
        return BulkCopy(bucket, target_bucket, PlannedObject(key, key, target_key, size_bytes, etag, last_modified=modified))

    def _describe(self, path: str, bucket: str, key: str) -> tuple[int, str, datetime]:
        info = self._infos.get(path)
        if info is not None:
            return info["size"], info.get("ETag", "").strip('"'), info["LastModified"]
        found = self._client.get_info(bucket, key)
        return found.size_bytes, found.etag, found.last_modified


def run_bulk(copies: list[BulkCopy], *, settings: Settings, profile: str, callback: Callback) -> None:
    """Move files, several at once, and wait for all of them.

    Args:
        copies: What to move; those of one pair of buckets go in one transfer.
        settings: The lakehouse's settings.
        profile: Profile of the remote side, or of both.
        callback: Told how many files there are, and of each that ended, failed ones included. Each file that arrived has a
            child with its size and bytes: of a single file as they move, of many when all have ended.

    Raises:
        UsageError: Two of them have the same target; nothing was moved.
        TransferError: Some failed; the others are at their targets. Its message names the first that failed, and why.
    """
    _check_targets(copies)
    callback.set_size(len(copies))
    reports = [_run(members, plan, settings, callback) for members, plan in _plans(copies, profile)]
    for report in reports:
        report.raise_for_failures()


def _run(copies: list[BulkCopy], plan: TransferPlan, settings: Settings, callback: Callback) -> TransferReport:
    if isinstance(callback, NoOpCallback):
        return run_transfer(plan, settings=settings)
    if len(copies) == 1:
        return _run_one(copies[0], plan, settings, callback)
    ended = 0

    def step(event: Event) -> None:
        nonlocal ended
        if isinstance(event, StageProgress):
            for _ in range(event.done_objects - ended):
                callback.relative_update(1)
            ended = event.done_objects

    report = run_transfer(plan, settings=settings, observer=step)
    members = {copy.row.target_key: copy for copy in copies}
    for outcome in report.outcomes:  # events name no single file, so its child hears of it when all is over
        if outcome.status is Status.DONE:
            copy = members[outcome.row.target_key]
            with callback.branched(copy.source, copy.target) as child:
                child.set_size(copy.row.size_bytes)
                child.relative_update(copy.row.size_bytes)
    return report


def _run_one(copy: BulkCopy, plan: TransferPlan, settings: Settings, callback: Callback) -> TransferReport:
    """As `_run`, its bytes told to the child as they move, where they are known before the end."""
    moved = 0
    with callback.branched(copy.source, copy.target) as child:
        child.set_size(copy.row.size_bytes)

        def step(event: Event) -> None:
            nonlocal moved
            if isinstance(event, StageProgress) and not event.done_objects:
                child.relative_update(event.done_bytes - moved)
                moved = event.done_bytes

        report = run_transfer(plan, settings=settings, observer=step)
        if report.ok:
            child.relative_update(copy.row.size_bytes - moved)
    callback.relative_update(1)
    return report


def _check_targets(copies: list[BulkCopy]) -> None:
    """Refuse to lose a file: by fsspec's rules a list of sources is flattened into one folder."""
    sources: dict[str, str] = {}
    for copy in copies:
        other = sources.setdefault(copy.target, copy.source)
        if other != copy.source:
            raise UsageError(
                f"{other} and {copy.source} would both become {copy.target}.",
                hint="Copy a folder with recursive=True, or give a list of targets.",
            )


def _plans(copies: list[BulkCopy], profile: str) -> Iterator[tuple[list[BulkCopy], TransferPlan]]:
    def ends(copy: BulkCopy) -> tuple[str, str]:
        return copy.source_bucket, copy.target_bucket

    for (source, target), group in groupby(sorted(copies, key=ends), key=ends):
        members = list(group)
        rows = [member.row for member in members]
        yield (
            members,
            TransferPlan.from_rows(
                _end(source, profile, [row.source_key for row in rows]),
                _end(target, profile, [row.target_key for row in rows]),
                rows,
            ),
        )


def _end(bucket: str, profile: str, keys: list[str]) -> Address:
    """One end of a transfer: the bucket, or the deepest local folder that holds all files."""
    if bucket:
        return S3Address(bucket, "", profile)
    return LocalAddress(Path(os.path.commonpath([os.path.dirname(key) for key in keys])))  # noqa: PTH120
