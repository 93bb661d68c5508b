"""From a tree by day to archives by series.

What is wanted of one data type (of candles: one interval) is listed as a whole before its first archive is yielded, because a
series lies in as many folders as it has days. Kept of each file are its day, size, ETag and time: about 0.4 KB a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import NamedTuple

from lakehouse_sdk.archives.ftx.layout import (
    CHECKSUM_SUFFIX,
    SOURCE,
    ArchiveKey,
    Layout,
    format_folder,
    format_key,
    parse_day,
    parse_key,
)
from lakehouse_sdk.archives.ftx.mirror import Mirror
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Dataset, Oddity
from lakehouse_sdk.parallel import map_ordered

WORKERS = 16
"""Day folders that are listed at once."""

_ONE_DAY = timedelta(days=1)


class _File(NamedTuple):
    """What is kept of one archive until its series is complete; a tuple, because a mirror has a million of them."""

    day: date
    size_bytes: int
    etag: str
    last_modified: datetime
    checksum_etag: str


_Index = dict[tuple[str, str], list[_File]]
"""Market and symbol → files."""


class Walk:
    """One discovery.

    Args:
        mirror: Where the files are.
        layout: How they are named.
        query: What is asked for.
        datasets: What of it the layout has.
    """

    def __init__(self, mirror: Mirror, layout: Layout, query: ArchiveQuery, datasets: Iterable[Dataset]) -> None:
        self._mirror = mirror
        self._layout = layout
        self._query = query
        self._markets: dict[str, set[str]] = {}
        self._intervals: dict[str, tuple[str, ...]] = {}
        self._strays: set[str] = set()  # reported beside the intervals; one of them may have an interval's name
        for dataset in datasets:
            self._markets.setdefault(dataset.data_type, set()).add(dataset.market)
            self._intervals[dataset.data_type] = dataset.intervals

    def run(self) -> Iterator[ArchiveObject | Oddity]:
        """All archives by data type, interval, market, symbol and day, each data type's oddities before its archives."""
        with ThreadPoolExecutor(WORKERS, "ftx-discover") as pool:
            try:
                for data_type, intervals in self._intervals.items():
                    if intervals and self._query.intervals is None:
                        yield from self._find_strays(data_type, intervals)
                    for interval in intervals or (None,):
                        yield from self._run_folder(pool, data_type, interval)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _run_folder(self, pool: ThreadPoolExecutor, data_type: str, interval: str | None) -> Iterator[ArchiveObject | Oddity]:
        index: _Index = {}
        read = partial(self._read_day, data_type)
        for found in map_ordered(pool, read, self._list_days(data_type, interval), window=4 * WORKERS):
            for entry in found:
                if isinstance(entry, Oddity):
                    yield entry
                else:
                    index.setdefault(entry[0], []).append(entry[1])
        for place in sorted(index):
            yield from self._describe(data_type, interval, *place, index.pop(place))

    def _list_days(self, data_type: str, interval: str | None) -> Iterator[str | Oddity]:
        """The day folders that are wanted, in order; and all that lies beside the folders of years, months and days."""
        top = format_folder(data_type, interval)
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            depth = folder.count("/") - top.count("/")
            if depth == 3:
                yield folder
                continue
            content = self._mirror.read_folder(folder)
            yield from (oddity for oddity in content.oddities if oddity.key not in self._strays)
            yield from (self._refuse(info.key) for info in content.files)
            below = []
            for child in content.folders:
                days = parse_day(tuple(child.removeprefix(top).split("/")[:-1]))
                if days is None:
                    yield from self._walk(child)
                elif self._wants(*days):
                    below.append(child)
            waiting += reversed(below)

    def _wants(self, first: date, last: date) -> bool:
        end = _midnight(last) + _ONE_DAY if last < date.max else datetime.max.replace(tzinfo=UTC)
        return self._query.wants_period(_midnight(first), end)

    def _read_day(self, data_type: str, folder: str | Oddity) -> list[tuple[tuple[str, str], _File] | Oddity]:
        """The archives in one day folder that are asked for, and what else lies there."""
        if isinstance(folder, Oddity):
            return [folder]
        content = self._mirror.read_folder(folder)
        files = {info.key: info for info in content.files}
        found: list[tuple[tuple[str, str], _File] | Oddity] = [*content.oddities]
        for key, info in files.items():
            if key.endswith(CHECKSUM_SUFFIX) and key.removesuffix(CHECKSUM_SUFFIX) in files:
                continue
            parsed = self._judge(key)
            if isinstance(parsed, Oddity):
                found.append(parsed)
            elif parsed.market in self._markets[data_type] and self._query.wants_symbol(parsed.symbol):
                checksum = files.get(f"{key}{CHECKSUM_SUFFIX}")
                checksum_etag = checksum.etag if checksum else ""
                place = (parsed.market, parsed.symbol)
                found.append((place, _File(parsed.day, info.size_bytes, info.etag, info.last_modified, checksum_etag)))
        for child in content.folders:
            found += self._walk(child)
        return found

    def _walk(self, folder: str) -> Iterator[Oddity]:
        """Everything below a folder that belongs to no layout, at any depth."""
        waiting = [folder]
        while waiting:
            content = self._mirror.read_folder(waiting.pop())
            yield from content.oddities
            yield from (self._refuse(info.key) for info in content.files)
            waiting += reversed(content.folders)

    def _find_strays(self, data_type: str, intervals: tuple[str, ...]) -> Iterator[Oddity]:
        """What lies beside the folders of the intervals."""
        content = self._mirror.read_folder(format_folder(data_type, None))
        self._strays = {oddity.key for oddity in content.oddities} | {info.key for info in content.files}
        yield from content.oddities
        yield from (self._refuse(info.key) for info in content.files)
        for child in content.folders:
            if child.split("/")[1] not in intervals:
                yield from self._walk(child)

    def _judge(self, key: str) -> ArchiveKey | Oddity:
        if key.endswith(CHECKSUM_SUFFIX):
            archive = parse_key(key.removesuffix(CHECKSUM_SUFFIX), self._layout)
            if isinstance(archive, ArchiveKey):
                return Oddity(key, "It is the checksum of an archive that is not there.")
        return parse_key(key, self._layout)

    def _refuse(self, key: str) -> Oddity:
        judged = self._judge(key)
        return judged if isinstance(judged, Oddity) else Oddity(key, "It lies where no archive does.")

    def _describe(
        self, data_type: str, interval: str | None, market: str, symbol: str, files: list[_File]
    ) -> Iterator[ArchiveObject]:
        since = self._query.start_of((SOURCE, market, data_type, symbol, interval or ""), "daily")
        for file in files:
            place = ArchiveKey(data_type, interval, symbol, file.day)
            if since is not None and place.period_end <= since:
                continue
            key = format_key(place, self._layout)
            yield ArchiveObject(
                SOURCE,
                market,
                data_type,
                symbol,
                interval,
                "daily",
                place.period_start,
                place.period_end,
                key,
                file.size_bytes,
                file.etag,
                file.last_modified,
                f"{key}{CHECKSUM_SUFFIX}" if file.checksum_etag else None,
                file.checksum_etag,
                container="gz",
            )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
