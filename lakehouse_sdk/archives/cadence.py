"""Which of the daily and monthly archives of the same data to take; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

from lakehouse_sdk.archives.model import ArchiveObject
from lakehouse_sdk.errors import UsageError

Cadence = Literal["auto", "daily", "monthly"]


def select_cadence(archives: Iterable[ArchiveObject], cadence: Cadence = "auto") -> list[ArchiveObject]:
    """The archives to collect so that no period is read twice, in the order given.

    Args:
        archives: Discovered archives of any number of series.
        cadence: `auto` takes the monthly archive of every month that has one and the daily ones of all other days, because
            one file instead of thirty is a thirtieth of the requests; `daily` and `monthly` take only those.

    Raises:
        UsageError: No such cadence.
    """
    if cadence not in get_args(Cadence):
        raise UsageError(f"There is no cadence {cadence!r}.", hint=f"Choose one of {', '.join(get_args(Cadence))}.")
    found = list(archives)
    if cadence != "auto":
        return [archive for archive in found if archive.frequency == cadence]
    covered = {_month(archive) for archive in found if archive.frequency == "monthly"}
    return [archive for archive in found if archive.frequency == "monthly" or _month(archive) not in covered]


def _month(archive: ArchiveObject) -> tuple[tuple[str, ...], datetime]:
    return archive.series, archive.period_start.replace(day=1)
