"""What archives are, as pandas sees them; the only part of the jobs that loads pandas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

import pandas as pd

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.archives.coverage import CoveredPeriod
from lakehouse_sdk.archives.instruments import Instrument

_CATEGORIES = ("market", "data_type", "symbol", "interval", "frequency")
_TIMES = ("period_start", "period_end", "last_modified")


def archives_to_pandas(archives: Sequence[ArchiveObject]) -> pd.DataFrame:
    """As `Discovery.to_pandas`."""
    columns: dict[str, pd.Series] = {}
    for name in _CATEGORIES:
        columns[name] = pd.Series(pd.Categorical([getattr(archive, name) for archive in archives]))
    for name in _TIMES:
        columns[name] = pd.Series(pd.to_datetime([getattr(archive, name) for archive in archives], utc=True))
    columns["size_bytes"] = pd.Series([archive.size_bytes for archive in archives], dtype="int64")
    columns["has_checksum"] = pd.Series([archive.checksum_key is not None for archive in archives], dtype="bool")
    for name in ("etag", "key"):
        columns[name] = pd.Series(list(map(attrgetter(name), archives)), dtype="str")
    return pd.DataFrame(columns)


def periods_to_pandas(periods: Sequence[CoveredPeriod]) -> pd.DataFrame:
    """As `Coverage.to_pandas`."""
    columns: dict[str, pd.Series] = {}
    for position, name in enumerate(("market", "data_type", "symbol", "interval"), 1):
        columns[name] = pd.Series(pd.Categorical([period.series[position] for period in periods]))
    columns["state"] = pd.Series(pd.Categorical([period.state.value for period in periods]))
    for name in ("start", "end"):
        columns[name] = pd.Series(pd.to_datetime([getattr(period, name) for period in periods], utc=True))
    for name in ("reason", "key"):
        columns[name] = pd.Series(list(map(attrgetter(name), periods)), dtype="str")
    return pd.DataFrame(columns)


def instruments_to_pandas(instruments: Sequence[Instrument]) -> pd.DataFrame:
    """As `Instruments.to_pandas`."""
    columns = {field.name: pd.Series([getattr(item, field.name) for item in instruments]) for field in fields(Instrument)}
    for name in ("first", "last", "last_trade"):
        columns[name] = pd.Series(pd.to_datetime([getattr(item, name) for item in instruments], utc=True))
    columns["contract_size"] = columns["contract_size"].astype("float64")
    return pd.DataFrame(columns)
