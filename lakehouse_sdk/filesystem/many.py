"""`get`, `put`, `copy`, `mv` and `rm` of many objects: fsspec's rules say what, `transfer` and `storage` do it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fsspec.asyn import sync
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import stringify_path

from lakehouse_sdk.config.encryption import botocore_arguments
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.filesystem.bulk import BulkCopy, MoveOne, RemoteSources, plan_local_sources, run_bulk
from lakehouse_sdk.filesystem.rules import Paths, expand_remote, find_copy_pairs, find_get_pairs, find_put_pairs
from lakehouse_sdk.storage import DeleteFailure, Refusal, S3Client

if TYPE_CHECKING:
    from lakehouse_sdk.config import S3Profile, Settings


_OF_ENCRYPTION = botocore_arguments("aws:kms", "any", "").keys() | botocore_arguments("SSE-C", None, "eA==").keys()


class ManyObjects:
    """The synchronous bulk calls of `LakehouseFileSystem`.

    `get`, `put`, `copy` and `mv` of many objects, or of one larger than a part, run through `transfer`; `rm` deletes a thousand
    objects a request. They run in the calling thread, so that Ctrl-C stops them. A single smaller object stays with s3fs.
    """

    if TYPE_CHECKING:
        settings: Settings
        profile: str
        s3_additional_kwargs: dict[str, Any]
        _server: S3Profile
        version_aware: bool
        endpoint_url: str
        loop: Any
        split_path: Any
        get_file: Any
        put_file: Any
        cp_file: Any
        invalidate_cache: Any
        _get: Any
        _put: Any
        _copy: Any
        _strip_protocol: Any

    @cached_property
    def _s3_client(self) -> S3Client:
        return S3Client(self._server)

    def get(
        self,
        rpath: Paths,
        lpath: Paths,
        recursive: bool = False,  # noqa: FBT001, FBT002 (fsspec's signature)
        callback: Callback = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy to local files by fsspec's copy rules; each file appears when it is whole.

        `kwargs` are arguments of S3 requests; a call with some is s3fs's from beginning to end.

        Raises:
            NotFoundError: A source is not there; nothing was copied.
            TransferError: Some files failed; the others are there.
        """
        if self._is_for_s3fs(kwargs):
            sync(self.loop, self._get, rpath, lpath, recursive=recursive, callback=callback, maxdepth=maxdepth, **kwargs)
            return
        found = find_get_pairs(self, _text(rpath), _text(lpath), recursive=recursive, maxdepth=maxdepth)
        copies = self._remote_sources(found.infos).plan(found.pairs, local_target=True)
        for source, target in found.pairs:
            folder = target if source.endswith("/") else os.path.dirname(target)  # noqa: PTH120
            os.makedirs(folder or ".", exist_ok=True)  # noqa: PTH103
        self._move(copies, self.get_file, callback)

    def put(
        self,
        lpath: Paths,
        rpath: Paths,
        recursive: bool = False,  # noqa: FBT001, FBT002 (fsspec's signature)
        callback: Callback = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy local files by fsspec's copy rules; each object appears when it is whole.

        `kwargs` are arguments of S3 requests, for example `ContentType`; a call with some is s3fs's from beginning to end.

        Raises:
            FileNotFoundError: A source is not there; nothing was copied.
            TransferError: Some files failed; the others are there.
        """
        if self._is_for_s3fs(kwargs):
            sync(self.loop, self._put, lpath, rpath, recursive=recursive, callback=callback, maxdepth=maxdepth, **kwargs)
            return
        found = find_put_pairs(self, _text(lpath), _text(rpath), recursive=recursive, maxdepth=maxdepth)
        self._move(plan_local_sources(found.pairs, self.split_path), self.put_file, callback)

    def copy(
        self,
        path1: Paths,
        path2: Paths,
        recursive: bool = False,  # noqa: FBT001, FBT002 (fsspec's signature)
        maxdepth: int | None = None,
        on_error: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy inside the server by fsspec's copy rules; no byte passes this machine.

        `kwargs` are arguments of S3 requests; a call with some is s3fs's from beginning to end.

        Raises:
            NotFoundError: A source is not there and `on_error` is not `ignore`; nothing was copied.
            TransferError: Some objects failed; the others are there.
        """
        if self._is_for_s3fs(kwargs):
            sync(self.loop, self._copy, path1, path2, recursive=recursive, maxdepth=maxdepth, on_error=on_error, **kwargs)
            return
        found = find_copy_pairs(self, _text(path1), _text(path2), recursive=recursive, maxdepth=maxdepth)
        skip_missing = (on_error or ("ignore" if recursive else "raise")) == "ignore"
        copies = self._remote_sources(found.infos).plan(found.pairs, local_target=False, skip_missing=skip_missing)
        self._move(copies, self._copy_one, DEFAULT_CALLBACK)

    def mv(
        self,
        path1: Paths,
        path2: Paths,
        recursive: bool = False,  # noqa: FBT001, FBT002 (fsspec's signature)
        maxdepth: int | None = None,
    ) -> None:
        """Copy, then delete exactly the objects that were copied.

        What another program adds to the source meanwhile stays there; fsspec's own `mv` would delete it uncopied. Not atomic:
        after a failure some objects may be at both places, none at neither.

        Raises:
            As `copy`; nothing was deleted then.
        """
        found = find_copy_pairs(self, _text(path1), _text(path2), recursive=recursive, maxdepth=maxdepth)
        pairs = [(source, target) for source, target in found.pairs if source != self._strip_protocol(target)]
        copies = self._remote_sources(found.infos).plan(pairs, local_target=False)
        self._move(copies, self._copy_one, DEFAULT_CALLBACK)
        self._delete((copy.source_bucket, copy.row.source_key) for copy in copies)

    def rm(self, path: Paths, recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: FBT001, FBT002
        """Delete objects, a thousand a request; a bucket's own path deletes the bucket, with `recursive` its objects first.

        DeleteObjects is what s5cmd would send too, without a process, and it says which key failed and why.

        Raises:
            NotFoundError: `recursive`, and there is nothing.
            LakehouseError: Some objects were not deleted; the others are gone.
        """
        names, found = expand_remote(self, _text(path), recursive=recursive, maxdepth=maxdepth)
        objects = [self.split_path(name)[:2] for name in names if name in found.infos or name not in found.folders]
        self._delete((bucket, key) for bucket, key in objects if key)
        for name in names:
            bucket, key, _ = self.split_path(name)
            if not key:
                self._s3_client.delete_bucket(bucket)
        self.invalidate_cache()

    def _copy_one(self, source: str, target: str, *, callback: Callback) -> None:
        del callback  # no byte passes here
        self.cp_file(source, target)

    def _is_for_s3fs(self, request_arguments: dict[str, Any]) -> bool:
        request_arguments.pop("batch_size", None)  # how many s3fs would do at once; transfer has its own setting
        others = self.s3_additional_kwargs.keys() - _OF_ENCRYPTION  # `transfer` knows these by the profile
        return bool(request_arguments) or bool(others) or self.version_aware

    def _remote_sources(self, infos: dict[str, dict[str, Any]]) -> RemoteSources:
        return RemoteSources(self._s3_client, self.split_path, infos)

    def _move(self, copies: list[BulkCopy], move_one: MoveOne, callback: Callback) -> None:
        """Through s3fs where it is one small object, else through `transfer`."""
        part_size_bytes = self.settings.transfer.part_size_mib * 1024**2
        try:
            if len(copies) == 1 and copies[0].row.size_bytes <= part_size_bytes:
                _move_with_callback(copies[0], move_one, callback)
            else:
                run_bulk(copies, settings=self._settings_here, profile=self.profile, callback=callback)
        finally:  # what fails in part has changed something too
            self.invalidate_cache()

    @cached_property
    def _settings_here(self) -> Settings:
        """The settings with this filesystem's own profile, which may have an encryption that was asked for in its options."""
        if not self.profile:
            return self.settings.model_copy(update={"storage": self._server})
        return self.settings.model_copy(update={"profiles": {**self.settings.profiles, self.profile: self._server}})

    def _delete(self, objects: Iterable[tuple[str, str]]) -> None:
        keys: dict[str, list[str]] = {}
        for bucket, key in objects:
            keys.setdefault(bucket, []).append(key)
        for bucket, members in keys.items():
            try:
                failures = self._s3_client.delete_objects(bucket, members)
            finally:
                self.invalidate_cache()
            if failures:
                raise self._not_deleted(bucket, failures, len(members))

    def _not_deleted(self, bucket: str, failures: list[DeleteFailure], total: int) -> LakehouseError:
        first = failures[0]
        message = f"{first.message.rstrip('.')}; {len(failures)} of {total} objects were not deleted"
        return Refusal(0, first.code, message, "DeleteObjects", bucket, first.key, self.endpoint_url).to_error()


def _move_with_callback(copy: BulkCopy, move_one: MoveOne, callback: Callback) -> None:
    callback.set_size(1)
    with callback.branched(copy.source, copy.target) as child:
        move_one(copy.source, copy.target, callback=child)
    callback.absolute_update(1)


def _text(paths: Any) -> Paths:
    """Paths as text; fsspec's copy rules tell one path from a list by its type."""
    return [stringify_path(member) for member in paths] if isinstance(paths, list | tuple) else stringify_path(paths)
