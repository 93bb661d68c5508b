"""Which of the daily and monthly archives of the same data to take; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Literal, get_args

from lakehouse_sdk.archives.model import ArchiveObject
from lakehouse_sdk.errors import UsageError

Cadence = Literal["auto", "daily", "monthly", "reconcile"]


def select_cadence(
    archives: Iterable[ArchiveObject],
    cadence: Cadence = "auto",
    *,
    unusable: Collection[tuple[str, str]] = (),
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

    Raises:
        UsageError: No such cadence.
    """
    check_cadence(cadence)
    if cadence == "reconcile":
        return iter(archives)
    if cadence != "auto":
        return (archive for archive in archives if archive.frequency == cadence)
    return _select_auto(archives, unusable)


def check_cadence(cadence: str) -> None:
    """Do nothing where there is such a cadence.

    Raises:
        UsageError: There is none; names those there are.
    """
    if cadence not in get_args(Cadence):
        raise UsageError(f"There is no cadence {cadence!r}.", hint=f"Choose one of {', '.join(get_args(Cadence))}.")


def _select_auto(archives: Iterable[ArchiveObject], unusable: Collection[tuple[str, str]]) -> Iterator[ArchiveObject]:
    for _, group in groupby(archives, key=lambda archive: archive.series):
        found = list(group)
        months = (archive for archive in found if archive.frequency == "monthly")
        covered = {_month(archive.period_start) for archive in months if (archive.key, archive.etag) not in unusable}
        for archive in found:
            if archive.frequency == "monthly" or _month(archive.period_start) not in covered:
                yield archive


def _month(moment: datetime) -> tuple[int, int]:
    return moment.year, moment.month
