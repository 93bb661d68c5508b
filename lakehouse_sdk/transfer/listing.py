"""What an end holds, in the order of names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from stat import S_ISREG

from lakehouse_sdk.errors import AccessError, LakehouseError, NotFoundError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer.plan import Entry
from lakehouse_sdk.transfer.staging import is_staging_name


def list_s3(client: S3Client, bucket: str, prefix: str) -> Iterator[Entry]:
    """The objects below `prefix` (empty, or ending with a slash), lazily, in the server's order; its own marker is left out."""
    start = len(prefix)
    for info in client.list_objects(bucket, prefix):
        name = info.key[start:]
        if name:
            yield Entry(name, info.key, info.size_bytes, info.etag, info.last_modified)


def list_folder(folder: str) -> Iterator[Entry]:
    """The files below `folder`, lazily, in the order of their relative names' UTF-8 bytes; names use `/`.

    Links to files count as files. Links to folders are not followed: they, sockets and the like are entries with an
    obstacle. Staging folders of the SDK are left out.

    Raises:
        NotFoundError: There is no such folder.
        AccessError: A folder cannot be read; without it the listing would look complete and not be.
    """
    return _walk(folder, "")


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
