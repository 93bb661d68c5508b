"""From a query to the prefixes to list, and from listed keys to archives; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from lakehouse_sdk.archives.binance.layout import (
    CHECKSUM_SUFFIX,
    ArchiveKey,
    format_folder,
    format_period,
    format_stem,
    parse_key,
)
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Dataset, Frequency, Oddity
from lakehouse_sdk.storage import ObjectInfo

SOURCE = "binance"


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the tree that is still to be listed; daily and monthly folders of the same data are one branch.

    Attributes:
        dataset: What lies there; `frequencies` are those that are wanted, and may exist, here.
        symbol: Symbol folder; None above the symbols.
        interval: Interval folder; None where there is none, or above it.
    """

    dataset: Dataset
    symbol: str | None = None
    interval: str | None = None

    def prefix(self, frequency: Frequency, root: str) -> str:
        """Where, trailing slash included."""
        below = "".join(f"{part}/" for part in (self.symbol, self.interval) if part)
        return format_folder(self.dataset.market, frequency, self.dataset.data_type, root) + below

    def below(self, folder: str, frequencies: tuple[Frequency, ...]) -> Branch:
        """The branch of a direct sub-folder: a symbol, and below that an interval; with the frequencies that have it."""
        dataset = replace(self.dataset, frequencies=frequencies) if frequencies != self.dataset.frequencies else self.dataset
        return Branch(dataset, folder) if self.symbol is None else Branch(dataset, self.symbol, folder)


def find_start_after(branch: Branch, frequency: Frequency, query: ArchiveQuery, root: str) -> str:
    """A key that sorts directly before the first archive asked for, so that older ones are not even listed; or empty."""
    if branch.symbol is None:
        return ""
    dataset = branch.dataset
    start = query.start_of((SOURCE, dataset.market, dataset.data_type, branch.symbol, branch.interval or ""), frequency)
    if start is None:
        return ""
    period = format_period(start.astimezone(UTC).date(), frequency)
    return f"{branch.prefix(frequency, root)}{format_stem(branch.symbol, branch.interval or dataset.data_type)}{period}"


def describe_objects(infos: Iterable[ObjectInfo], query: ArchiveQuery, root: str) -> Iterator[ArchiveObject | Oddity]:
    """The archives that are asked for among the listed objects of one folder, and the oddities, in the order listed.

    A checksum file becomes a property of its archive; it is an oddity where the archive is not there.
    """
    listed = {info.key: info for info in infos}
    folder, place = "", None
    for key, info in listed.items():
        if key.endswith(CHECKSUM_SUFFIX):
            if key.removesuffix(CHECKSUM_SUFFIX) not in listed:
                yield Oddity(key, "It is the checksum of an archive that is not there.")
            continue
        own_folder = key[: key.rfind("/") + 1]
        if own_folder != folder or place is None:
            parsed = parse_key(key, root)
            if isinstance(parsed, Oddity):
                yield parsed
                continue
            folder, place = own_folder, parsed
            start, end = parsed.period_start, parsed.period_end
        else:  # the folder is known: what is left to read is the period
            found = _find_period(key[len(folder) :], place.symbol, place.interval or place.data_type, place.frequency)
            if found is None:
                parsed = parse_key(key, root)
                assert isinstance(parsed, Oddity), key  # noqa: S101 (both read the same layout; a property test compares them)
                yield parsed
                continue
            start, end = found
        if query.wants_period(start, end):
            checksum = listed.get(f"{key}{CHECKSUM_SUFFIX}")
            archive = ArchiveObject(
                SOURCE,
                place.market,
                place.data_type,
                place.symbol,
                place.interval,
                place.frequency,
                start,
                end,
                key,
                info.size_bytes,
                info.etag,
                info.last_modified,
                checksum.key if checksum else None,
                checksum.etag if checksum else "",
            )
            if not query.since or _is_since(archive, query):
                yield archive


def _is_since(archive: ArchiveObject, query: ArchiveQuery) -> bool:
    start = query.start_of(archive.series, archive.frequency)
    return start is None or archive.period_end > start


def _find_period(file: str, symbol: str, kind: str, frequency: Frequency) -> tuple[datetime, datetime] | None:
    stem = format_stem(symbol, kind)
    if not file.startswith(stem):
        return None
    return _read_period(file[len(stem) :], frequency)


@lru_cache(maxsize=8192)
def _read_period(text: str, frequency: Frequency) -> tuple[datetime, datetime] | None:
    """First and last instant of `2024-01-31.zip`; the same few thousand periods come again for every symbol."""
    parsed = parse_key(f"spot/{frequency}/trades/X/X-trades-{text}", "")
    return (parsed.period_start, parsed.period_end) if isinstance(parsed, ArchiveKey) else None
