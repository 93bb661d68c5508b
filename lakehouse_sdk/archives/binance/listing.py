"""From a query to the prefixes to list, and from listed keys to archives; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC

from lakehouse_sdk.archives.binance.layout import CHECKSUM_SUFFIX, DATASETS, format_period, format_stem, parse_key
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Dataset, Frequency, Oddity
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.storage import ObjectInfo

SOURCE = "binance"


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the tree that is still to be listed.

    Attributes:
        dataset: What lies there.
        frequency: `daily` or `monthly`.
        prefix: Where, trailing slash included.
        symbol: Symbol folder that the prefix is in; None above the symbols.
        interval: Interval folder that the prefix is; None where there is none, or where the prefix is above it.
    """

    dataset: Dataset
    frequency: Frequency
    prefix: str
    symbol: str | None = None
    interval: str | None = None

    def below(self, folder: str) -> Branch:
        """The branch of a direct sub-folder: a symbol, and below that an interval."""
        prefix = f"{self.prefix}{folder}/"
        if self.symbol is None:
            return Branch(self.dataset, self.frequency, prefix, folder)
        return Branch(self.dataset, self.frequency, prefix, self.symbol, folder)


def plan_datasets(query: ArchiveQuery) -> list[tuple[Dataset, Frequency]]:
    """The data types and file periods to look through, in the order of discovery.

    Raises:
        UsageError: A market, data type, interval or frequency that the archive does not have.
    """
    _check_known("market", query.markets, [dataset.market for dataset in DATASETS])
    markets = [dataset for dataset in DATASETS if dataset.market in query.markets]
    _check_known("data type", query.data_types, [dataset.data_type for dataset in markets])
    wanted = [dataset for dataset in markets if dataset.data_type in query.data_types]
    intervals = [interval for dataset in wanted for interval in dataset.intervals]
    if intervals:
        _check_known("interval", query.intervals or (), intervals)
    _check_known("frequency", query.frequencies, ["daily", "monthly"])
    return [(dataset, frequency) for dataset in wanted for frequency in dataset.frequencies if frequency in query.frequencies]


def _check_known(what: str, asked: Iterable[str], known: Iterable[str]) -> None:
    names = list(dict.fromkeys(known))
    for name in asked:
        if name not in names:
            raise UsageError(f"The Binance archive has no {what} {name!r} there.", hint=f"Known: {', '.join(names)}.")


def find_start_after(branch: Branch, query: ArchiveQuery) -> str:
    """A key that sorts directly before the first archive asked for, so that older ones are not even listed; or empty."""
    if query.start is None or branch.symbol is None:
        return ""
    period = format_period(query.start.astimezone(UTC).date(), branch.frequency)
    return f"{branch.prefix}{format_stem(branch.symbol, branch.interval or branch.dataset.data_type)}{period}"


def describe_objects(infos: Iterable[ObjectInfo], query: ArchiveQuery, root: str) -> Iterator[ArchiveObject | Oddity]:
    """The archives that are asked for among the listed objects of one folder, and the oddities, in the order listed.

    A checksum file becomes a property of its archive; it is an oddity where the archive is not there.
    """
    listed = {info.key: info for info in infos}
    for key, info in listed.items():
        if key.endswith(CHECKSUM_SUFFIX):
            if key.removesuffix(CHECKSUM_SUFFIX) not in listed:
                yield Oddity(key, "It is the checksum of an archive that is not there.")
            continue
        parsed = parse_key(key, root)
        if isinstance(parsed, Oddity):
            yield parsed
        elif query.wants_period(parsed.period_start, parsed.period_end):
            checksum = listed.get(f"{key}{CHECKSUM_SUFFIX}")
            yield ArchiveObject(
                SOURCE,
                parsed.market,
                parsed.data_type,
                parsed.symbol,
                parsed.interval,
                parsed.frequency,
                parsed.period_start,
                parsed.period_end,
                key,
                info.size_bytes,
                info.etag,
                info.last_modified,
                checksum.key if checksum else None,
                checksum.size_bytes if checksum else 0,
                checksum.etag if checksum else "",
            )
