"""What an end holds, in the order of names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from stat import S_ISREG
from typing import Any

from lakehouse_sdk.errors import AccessError, LakehouseError, NotFoundError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer.context.ends import End
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.context.staging import is_staging_name
from lakehouse_sdk.transfer.model.objects import Entry
from lakehouse_sdk.transfer.model.spill import CHUNK_ITEMS, SORT_ITEMS, Chunk, SpillFile, sort_outside


def list_end(end: End, context: RunContext, *, sort: bool = False) -> Iterator[Entry]:
    """What an end holds, in the order of names where its server lists so, and in any case with `sort`.

    Raises:
        ListingOrderError: Without `sort`, a server that lists in another order and was noticed at it.
    """
    if end.profile is None:
        return list_folder(end.folder)
    client = context.client(end.profile)
    if sort:
        return sort_entries(list_s3(client, end.bucket, end.prefix, parallel=False))
    return list_s3(client, end.bucket, end.prefix)


def list_s3(client: S3Client, bucket: str, prefix: str, *, parallel: bool = True) -> Iterator[Entry]:
    """The objects below `prefix` (empty, or ending with a slash), lazily, in the server's order; its own marker is left out.

    Args:
        client: Requests to the server.
        bucket: The bucket.
        prefix: Where to begin.
        parallel: Several requests at once, for servers that list in the order of keys; False takes pages as they come.

    Raises:
        ListingOrderError: With `parallel`, a server that does not.
    """
    start = len(prefix)
    infos = client.list_parallel(bucket, prefix) if parallel else client.list_objects(bucket, prefix)
    for key, size_bytes, etag, last_modified, _ in infos:
        if len(key) > start:
            yield Entry(key[start:] if start else key, key, size_bytes, etag, last_modified)


def list_folder(folder: str) -> Iterator[Entry]:
    """The files below `folder`, lazily, in the order of their relative names' UTF-8 bytes; names use `/`.

    Links to files count as files. Links to folders are not followed: they, sockets and the like are entries with an
    obstacle. Staging folders of the SDK are left out.

    Raises:
        NotFoundError: There is no such folder.
        AccessError: A folder cannot be read; without it the listing would look complete and not be.
    """
    return _walk(folder, "")


def sort_entries(entries: Iterable[Entry], *, memory_items: int = SORT_ITEMS) -> Iterator[Entry]:
    """Entries in the order of their names, however many and in whatever order they come; memory is bounded."""
    return map(_to_entry, sort_outside(map(_to_values, entries), tuple, memory_items=memory_items))


class KeptEntries:
    """A listing that is read a second time without being asked for again; memory is bounded.

    Args:
        entries: The listing; `read` it once to its end, then `again` as often as wanted.
        memory_items: More entries than that go to a temporary file.
    """

    def __init__(self, entries: Iterable[Entry], *, memory_items: int = SORT_ITEMS) -> None:
        self._entries = entries
        self._memory_items = memory_items
        self._file: SpillFile | None = None
        self._chunks: list[Chunk] = []
        self._tail: list[Entry] = []

    def read(self) -> Iterator[Entry]:
        """The entries as they come."""
        for entry in self._entries:
            self._tail.append(entry)
            if len(self._tail) == self._memory_items:
                self._spill()
            yield entry

    def again(self) -> Iterator[Entry]:
        """The entries that `read` gave."""
        for chunk in self._chunks:
            assert self._file is not None  # noqa: S101 (chunks are in it)
            yield from map(_to_entry, self._file.read(chunk))
        yield from self._tail

    def _spill(self) -> None:
        self._file = self._file or SpillFile()
        for at in range(0, len(self._tail), CHUNK_ITEMS):
            self._chunks.append(self._file.write([_to_values(entry) for entry in self._tail[at : at + CHUNK_ITEMS]]))
        self._tail = []


def sort_names(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pairs of names in order, however many; memory is bounded."""
    return sort_outside(names, _to_pair)


def _to_values(entry: Entry) -> tuple[Any, ...]:
    return (*entry[:4], (entry.last_modified - _EPOCH) // _MICROSECOND, entry.obstacle)


def _to_entry(values: Sequence[Any]) -> Entry:
    name, key, size_bytes, etag, modified, obstacle = values
    return Entry(name, key, size_bytes, etag, _EPOCH + modified * _MICROSECOND, obstacle)


def _to_pair(values: list[Any]) -> tuple[str, str]:
    return values[0], values[1]


def _walk(folder: str, prefix: str) -> Iterator[Entry]:
    try:
        with os.scandir(folder or "/") as found:
            # A folder sorts by its name with the slash that its files' names have behind it.
            items = sorted((f"{item.name}/" if item.is_dir(follow_symlinks=False) else item.name, item) for item in found)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"There is no folder {folder!r}.", hint="Check the path.") from None
    except OSError as error:
        raise AccessError(f"The folder {folder!r} cannot be read: {error.strerror}.", hint="Ask for the permission.") from error
    for name, item in items:
        if is_staging_name(item.name):
            continue
        if name.endswith("/"):
            yield from _walk(item.path, f"{prefix}{name}")
        else:
            yield _entry(item, f"{prefix}{name}")


def _entry(item: os.DirEntry[str], name: str) -> Entry:
    try:
        status = item.stat()
    except FileNotFoundError:
        return Entry(name, item.path, 0, "", _EPOCH, "a link to nothing")
    except OSError as error:
        raise AccessError(f"The file {item.path!r} cannot be read: {error.strerror}.") from error
    obstacle = ""
    if not S_ISREG(status.st_mode):
        obstacle = "a link to a folder" if item.is_symlink() else "not a regular file"
    modified = datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC)
    return Entry(name, item.path, status.st_size, "", modified, obstacle)


def find_empty_reason(client: S3Client, bucket: str, prefix: str) -> str:
    """Why nothing is below a prefix, for people: it may be the key of one object."""
    key = prefix.removesuffix("/")
    with suppress(LakehouseError):  # whoever may list need not be allowed to read
        if key and client.find_info(bucket, key) is not None:
            return f"{key!r} is one object, not a prefix; copy copies single objects"
    return "there is no object below it"


_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
