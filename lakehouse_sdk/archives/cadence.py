"""Which of the daily and monthly archives of the same data to take; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Literal, get_args

from lakehouse_sdk.archives.model import ArchiveObject, Series
from lakehouse_sdk.errors import UsageError

Cadence = Literal["auto", "daily", "monthly", "reconcile"]


def select_cadence(
    archives: Iterable[ArchiveObject],
    cadence: Cadence = "auto",
    *,
    unusable: Collection[tuple[str, str]] = (),
    held: Callable[[Series], Collection[str]] | None = None,
) -> Iterator[ArchiveObject]:
    """The archives to collect, lazily, in the order given; one series is held at a time.

    Args:
        archives: Discovered archives, those of one series without others between them, as `SourceConnector.discover` gives
            them.
        cadence: `auto` takes the monthly archive of every month that has one and the daily ones of all other days, because
            one file instead of thirty is a thirtieth of the requests; `daily` and `monthly` take only those; `reconcile` takes
            both, so that the tables can compare them and let the daily one win.
        unusable: Monthly archives, as key and ETag, that are known to be defective: with `auto` the daily archives of their
            months are taken too.
        held: Keys in bronze of a series that has both kinds. With `auto` a month of which days are in bronze stays with its
            days where they are all published, and days of a month that is in bronze are not needed any more; what is in
            bronze stays.

    Raises:
        UsageError: No such cadence.
    """
    check_cadence(cadence)
    if cadence == "reconcile":
        return iter(archives)
    if cadence != "auto":
        return (archive for archive in archives if archive.frequency == cadence)
    return _select_auto(archives, unusable, held)


def check_cadence(cadence: str) -> None:
    """Do nothing where there is such a cadence.

    Raises:
        UsageError: There is none; names those there are.
    """
    if cadence not in get_args(Cadence):
        raise UsageError(f"There is no cadence {cadence!r}.", hint=f"Choose one of {', '.join(get_args(Cadence))}.")


def _select_auto(
    archives: Iterable[ArchiveObject],
    unusable: Collection[tuple[str, str]],
    held: Callable[[Series], Collection[str]] | None,
) -> Iterator[ArchiveObject]:
    for series, group in groupby(archives, key=lambda archive: archive.series):
        found = list(group)
        months = {_month(archive.period_start): archive for archive in found if archive.frequency == "monthly"}
        have = held(series) if held is not None and months and len(months) < len(found) else ()
        days = defaultdict[tuple[int, int], list[ArchiveObject]](list)
        for archive in found:
            if archive.frequency == "daily":
                days[_month(archive.period_start)].append(archive)
        for archive in found:
            month = months.get(_month(archive.period_start))
            good = month is not None and (month.key, month.etag) not in unusable
            if archive.key in have:
                yield archive
            elif archive.frequency == "monthly":
                if not _is_held_by_days(archive, days[_month(archive.period_start)], have):
                    yield archive
            elif (
                month is None
                or not good
                or (month.key not in have and _is_held_by_days(month, days[_month(archive.period_start)], have))
            ):
                yield archive


def _is_held_by_days(month: ArchiveObject, days: list[ArchiveObject], have: Collection[str]) -> bool:
    """True where days of the month are in bronze and all of them are published: the month would bring nothing."""
    return any(day.key in have for day in days) and len(days) == (month.period_end - month.period_start).days


def _month(moment: datetime) -> tuple[int, int]:
    return moment.year, moment.month
