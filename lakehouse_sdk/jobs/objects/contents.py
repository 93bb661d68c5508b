"""What a prefix of a bucket holds: one level, all of it, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.storage import ListingOrderError, ObjectInfo, S3Client
from lakehouse_sdk.uris import S3Address


@dataclass(frozen=True, slots=True)
class FolderUsage:
    """How much lies below one prefix.

    Attributes:
        prefix: The prefix as whole key, trailing slash included.
        objects: Objects below it, at any depth.
        size_bytes: Their size.
    """

    prefix: str
    objects: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """How much an address holds.

    Attributes:
        address: What was measured.
        objects: All objects.
        size_bytes: Their size.
        folders: The prefixes below it as deep as was asked for, sorted.
    """

    address: S3Address
    objects: int
    size_bytes: int
    folders: tuple[FolderUsage, ...]


def folder_prefix(address: S3Address) -> str:
    """The prefix that an address stands for as a folder; `a` and `a/` are the same, empty for a whole bucket."""
    return f"{address.key.removesuffix('/')}/" if address.key else ""


def list_contents(address: S3Address, *, settings: Settings, recursive: bool = False) -> Iterator[str | ObjectInfo]:
    """What lies below an address, lazily: sub-prefixes (whole keys with their slash) and objects; memory is bounded.

    The address of a single object gives that object. The empty object that stands for the folder itself is left out.

    Args:
        address: Prefix, bucket or object.
        settings: Where profiles come from.
        recursive: True for all objects and no sub-prefixes, instead of one level.

    Raises:
        NotFoundError: There is no such bucket, or nothing at the address.
        ListingOrderError: With `recursive`, a server that does not list in the order of keys.
    """
    prefix = folder_prefix(address)
    with S3Client(settings.profile(address.profile)) as client:
        listing = client.list_parallel if recursive else client.list_children
        empty = True
        for item in listing(address.bucket, prefix):
            empty = False
            if isinstance(item, str) or item.key != prefix:
                yield item
        if empty and prefix:
            yield find_object(client, address)


def find_object(client: S3Client, address: S3Address) -> ObjectInfo:
    """The object whose key is that of the address.

    Raises:
        NotFoundError: There is none.
    """
    info = None if address.key.endswith("/") else client.find_info(address.bucket, address.key)
    if info is None:
        raise nothing_at(address)
    return info


def nothing_at(address: S3Address) -> NotFoundError:
    """The error for an address that leads nowhere."""
    pattern = any(sign in address.key for sign in "*?[")
    hint = "Patterns are for `lakehouse sync --include`." if pattern else "`lakehouse ls` shows what a bucket or prefix holds."
    return NotFoundError(f"There is nothing at {address}.", hint=hint)


def is_prefix(client: S3Client, address: S3Address) -> bool:
    """True where objects lie below the address as a folder; one request."""
    return next(client.list_objects(address.bucket, folder_prefix(address)), None) is not None


def measure_usage(address: S3Address, *, settings: Settings, depth: int = 1) -> UsageReport:
    """Count objects and bytes below an address; memory grows with the sub-prefixes that are told apart only.

    Args:
        address: Prefix, bucket or object.
        settings: Where profiles come from.
        depth: How many levels of sub-prefixes are told apart; 0 for the total alone.

    Raises:
        NotFoundError: There is no such bucket, or nothing at the address.
    """
    prefix = folder_prefix(address)
    with S3Client(settings.profile(address.profile)) as client:
        count: _Count | None = None
        with suppress(ListingOrderError):
            count = _Count(client.list_parallel(address.bucket, prefix), len(prefix), depth)
        if count is None:  # an odd server; its pages are taken as they come
            count = _Count(client.list_objects(address.bucket, prefix), len(prefix), depth)
        if not count.objects and prefix:
            count = _Count(iter([find_object(client, address)]), len(address.key), 0)
    folders = (FolderUsage(f"{prefix}{name}", objects, size) for name, (objects, size) in sorted(count.folders.items()))
    return UsageReport(address, count.objects, count.size_bytes, tuple(folders))


class _Count:
    """Adds up a listing, in total and by sub-prefix."""

    def __init__(self, infos: Iterator[ObjectInfo], start: int, depth: int) -> None:
        self.objects = self.size_bytes = 0
        self.folders: dict[str, list[int]] = {}
        for info in infos:
            self.objects += 1
            self.size_bytes += info.size_bytes
            end = start
            for _ in range(depth):
                end = info.key.find("/", end) + 1
                if not end:
                    break
                total = self.folders.setdefault(info.key[start:end], [0, 0])
                total[0] += 1
                total[1] += info.size_bytes
