"""Which of the daily and monthly archives of the same data to take; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
    short: Callable[[Series], Collection[datetime]] | None = None,
    pass_over: Callable[[str, Sequence[datetime]], object] | None = None,
    max_month_bytes: int | None = None,
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
        short: Midnights of the days of a series of which the tables hold fewer rows than they should although an archive was
            built. With `auto` such a day's own archive is taken beside its month, and a month whose days are short as well.
        pass_over: With `auto` told of each monthly archive that has daily ones beside it: its key, and the days whose archives
            are not taken.
        max_month_bytes: With `auto` a month of more bytes is left for its days where all of them are published.

    Raises:
        UsageError: No such cadence.
    """
    check_cadence(cadence)
    if cadence == "reconcile":
        return iter(archives)
    if cadence != "auto":
        return (archive for archive in archives if archive.frequency == cadence)
    return _select_auto(archives, unusable, held, short, pass_over, max_month_bytes)


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
    short: Callable[[Series], Collection[datetime]] | None,
    pass_over: Callable[[str, Sequence[datetime]], object] | None,
    max_month_bytes: int | None,
) -> Iterator[ArchiveObject]:
    for series, group in groupby(archives, key=lambda archive: archive.series):
        found = list(group)
        monthly = sum(archive.frequency == "monthly" for archive in found)
        have = held(series) if held is not None and 0 < monthly < len(found) else ()
        lacking = short(series) if short is not None and monthly else ()
        choice = _SeriesChoice(found, unusable, have, lacking, max_month_bytes)
        yield from filter(choice.takes, found)
        if pass_over is not None:
            for month, days in choice.passed_over():
                pass_over(month.key, days)


class _SeriesChoice:
    """Which archives of one series are taken with `auto`."""

    def __init__(
        self,
        archives: Sequence[ArchiveObject],
        unusable: Collection[tuple[str, str]],
        have: Collection[str],
        lacking: Collection[datetime],
        max_month_bytes: int | None,
    ) -> None:
        self._max_month_bytes = max_month_bytes
        self._have = have
        self._lacking = lacking
        self._unusable = unusable
        self._months = {_month(one.period_start): one for one in archives if one.frequency == "monthly"}
        self._days = defaultdict[tuple[int, int], list[ArchiveObject]](list)
        for archive in archives:
            if archive.frequency == "daily":
                self._days[_month(archive.period_start)].append(archive)

    def takes(self, archive: ArchiveObject) -> bool:
        """True for what is in bronze, for months that bring something, and for days that no month takes the place of."""
        if archive.key in self._have:
            return True
        if archive.frequency == "monthly":
            return not self._is_held_by_days(archive) and not self._is_too_large(archive)
        month = self._months.get(_month(archive.period_start))
        if month is None or (month.key, month.etag) in self._unusable or archive.period_start in self._lacking:
            return True
        return month.key not in self._have and (self._is_held_by_days(month) or self._is_too_large(month))

    def _is_too_large(self, month: ArchiveObject) -> bool:
        """True for a month that its days hold in smaller pieces."""
        if self._max_month_bytes is None or month.size_bytes <= self._max_month_bytes:
            return False
        return len(self._days[_month(month.period_start)]) == (month.period_end - month.period_start).days

    def passed_over(self) -> Iterator[tuple[ArchiveObject, list[datetime]]]:
        """Each month with daily archives beside it, and the days of those that are not taken."""
        for place, month in self._months.items():
            if days := self._days[place]:
                yield month, [day.period_start for day in days if not self.takes(day)]

    def _is_held_by_days(self, month: ArchiveObject) -> bool:
        """True where days of the month are in bronze and all of them are published: the month would bring nothing.

        Not where one of those days lacks rows that the month may have.
        """
        days = self._days[_month(month.period_start)]
        if any(day.period_start in self._lacking for day in days):
            return False
        return any(day.key in self._have for day in days) and len(days) == (month.period_end - month.period_start).days


def _month(moment: datetime) -> tuple[int, int]:
    return moment.year, moment.month
