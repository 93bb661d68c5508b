"""Capacity: what the lake holds, how it grows, and when the server is full."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.storage import ListingOrderError, ObjectInfo, S3Client
from lakehouse_sdk.storage.room import find_room

ZONES = ("bronze", "revisions", "tables", "manifests", "other")
_WINDOW = timedelta(days=30)
"""Growth is measured over the last month: long enough to even out weeks, short enough to follow a change."""
_LEAST_WINDOW = timedelta(days=1)
"""A lake younger than this says nothing about its growth."""
_EVERY = 10_000
_MANIFESTS = "_manifests/"


@dataclass(frozen=True, slots=True)
class ZoneUsage:
    """What one part of the lake holds.

    Attributes:
        zone: `bronze` (archives), `revisions` (bytes that a source replaced), `tables`, `manifests` (of transfers), `other`.
        objects: Objects in it.
        size_bytes: Their size.
        growth_bytes_per_day: Bytes written within the window that are still there, by day; None for a lake younger than a day.
    """

    zone: str
    objects: int
    size_bytes: int
    growth_bytes_per_day: float | None


@dataclass(frozen=True, slots=True)
class CapacityReport:
    """What the lake holds, how it grows, and when the server is full.

    Attributes:
        zones: One entry for each zone, also for empty ones.
        tables: Bytes below the place of each table, by full name.
        window_days: Days over which growth was measured.
        free_bytes: What is left; None where nobody knows.
        free_from: Who says so: `argument`, `server` or `unknown`.
    """

    zones: tuple[ZoneUsage, ...]
    tables: dict[str, int]
    window_days: float
    free_bytes: int | None
    free_from: str

    @property
    def size_bytes(self) -> int:
        """All bytes of the lake."""
        return sum(zone.size_bytes for zone in self.zones)

    @property
    def growth_bytes_per_day(self) -> float | None:
        """Bytes a day, all zones; None for a lake younger than a day.

        What compaction writes anew counts until expiry has removed what it replaced: so the estimate errs to the safe side.
        """
        known = [zone.growth_bytes_per_day for zone in self.zones if zone.growth_bytes_per_day is not None]
        return sum(known) if known else None

    @property
    def days_until_full(self) -> float | None:
        """Days until nothing is left at this pace; None where that is unknown, or nothing grows."""
        growth = self.growth_bytes_per_day
        return None if self.free_bytes is None or not growth else self.free_bytes / growth

    @property
    def summary(self) -> str:
        """One line for a person."""
        growth, days = self.growth_bytes_per_day, self.days_until_full
        pace = "growth unknown yet" if growth is None else f"{format_bytes(round(growth))} more each day"
        free = "free space unknown" if self.free_bytes is None else f"{format_bytes(self.free_bytes)} free"
        end = "" if days is None else f", full in about {format_count(round(days))} days"
        return f"{format_bytes(self.size_bytes)} in the lake, {pace}, {free}{end}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        sums = {"size_bytes": self.size_bytes, "growth_bytes_per_day": self.growth_bytes_per_day}
        return {**asdict(self), **sums, "days_until_full": self.days_until_full}

    def _repr_html_(self) -> str:
        def pace(value: float | None) -> str:
            return "unknown" if value is None else format_bytes(round(value))

        zones = [(z.zone, z.objects, format_bytes(z.size_bytes), pace(z.growth_bytes_per_day)) for z in self.zones]
        body = html_table(zones, ["zone", "objects", "size", "growth a day"])
        largest = sorted(self.tables.items(), key=lambda item: -item[1])
        body += html_table([(name, format_bytes(size)) for name, size in largest], ["table", "size"])
        days = self.days_until_full
        return html_card("Capacity", {"": self.summary}, body, tone="warn" if days is not None and days < _WINDOW.days else "")


def measure_capacity(
    *, settings: Settings, capacity_bytes: int | None = None, observer: Observer = ignore_events
) -> CapacityReport:
    """Count what the lake's bucket holds, by zone and table, and estimate when the server is full; one listing.

    Args:
        settings: Where the lake is.
        capacity_bytes: Bytes that the lake may take in all, instead of asking the server for its free space.
        observer: Told as stage `capacity`.

    Raises:
        NotFoundError: There is no such bucket yet.
        ConnectError, AccessError, StorageError: The lake cannot be listed.
    """
    started, bucket = time.perf_counter(), settings.lake.bucket
    observer(StageStarted("capacity", bucket))
    with S3Client(settings.storage) as client:
        counted = _count(client, settings, observer)
    if capacity_bytes is not None:
        report = counted.report(max(capacity_bytes - counted.size_bytes, 0), "argument")
    elif (room := find_room(settings.storage)) is not None:
        report = counted.report(room.free_bytes, "server")
    else:
        report = counted.report(None, "unknown")
    observer(StageFinished("capacity", time.perf_counter() - started, report.summary))
    return report


class Usage:
    """Adds up a listing by zone and table; pure."""

    def __init__(self, bronze_prefix: str, warehouse_prefix: str, now: datetime) -> None:
        self._prefixes = (
            (f"{bronze_prefix}/_revisions/", "revisions"),
            (f"{bronze_prefix}/", "bronze"),
            (f"{warehouse_prefix.strip('/')}/", "tables"),
            (_MANIFESTS, "manifests"),
        )
        self._now = now
        self._first = now
        self._counts = {zone: [0, 0, 0] for zone in ZONES}
        self._tables: dict[str, int] = defaultdict(int)

    @property
    def size_bytes(self) -> int:
        """Bytes so far."""
        return sum(size for _, size, _ in self._counts.values())

    def add(self, info: ObjectInfo) -> None:
        """Count one object."""
        prefix, zone = next((found for found in self._prefixes if info.key.startswith(found[0])), ("", "other"))
        count = self._counts[zone]
        count[0] += 1
        count[1] += info.size_bytes
        if info.last_modified > self._now - _WINDOW:
            count[2] += info.size_bytes
        self._first = min(self._first, info.last_modified)
        if zone == "tables":
            parts = info.key.removeprefix(prefix).split("/", 2)
            self._tables[".".join(parts[:2])] += info.size_bytes

    def report(self, free_bytes: int | None, free_from: str) -> CapacityReport:
        """The sums, with the growth that they tell."""
        window = min(self._now - self._first, _WINDOW)
        days = window / timedelta(days=1) if window >= _LEAST_WINDOW else None
        zones = (
            ZoneUsage(zone, objects, size, None if days is None else recent / days)
            for zone, (objects, size, recent) in self._counts.items()
        )
        return CapacityReport(tuple(zones), dict(sorted(self._tables.items())), days or 0.0, free_bytes, free_from)


def _count(client: S3Client, settings: Settings, observer: Observer) -> Usage:
    bucket = settings.lake.bucket
    try:
        return _add_up(client.list_parallel(bucket), settings, observer)
    except ListingOrderError:  # an odd server; its pages are taken as they come
        return _add_up(client.list_objects(bucket), settings, ignore_events)


def _add_up(listing: Iterable[ObjectInfo], settings: Settings, observer: Observer) -> Usage:
    usage = Usage(settings.lake.bronze_prefix, settings.lake.warehouse_prefix, datetime.now(UTC))
    for number, info in enumerate(listing, 1):
        usage.add(info)
        if number % _EVERY == 0:
            observer(StageProgress("capacity", number, usage.size_bytes))
    return usage
