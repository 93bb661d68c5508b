"""What the statements of the ledger share: which archives a query means, and how many keys go into one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from lakehouse_sdk.archives.ledger_rows import to_seconds, to_seconds_up
from lakehouse_sdk.archives.ledger_tables import LEDGER
from lakehouse_sdk.archives.model import ArchiveQuery

_KEYS_AT_ONCE = 1000
"""Keys in one statement; SQLite takes 32,766 variables."""
_Item = TypeVar("_Item")


def narrow(select: sa.Select[Any], query: ArchiveQuery) -> sa.Select[Any]:
    """The rows of the ledger that the query means, but for patterns in its symbols."""
    columns = LEDGER.c
    select = select.where(columns.market.in_(query.markets), columns.data_type.in_(query.data_types))
    if query.frequencies != ("daily", "monthly"):
        select = select.where(columns.frequency.in_(query.frequencies))
    if (symbols := query.exact_symbols()) is not None:
        select = select.where(columns.symbol.in_(symbols))
    if query.intervals is not None:
        select = select.where(columns.interval.in_([*query.intervals, ""]))
    if query.start is not None:
        select = select.where(columns.period_end > to_seconds(query.start))
    if query.end is not None:
        select = select.where(columns.period_start < to_seconds_up(query.end))
    return select


def in_chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """As many as one statement takes."""
    waiting = iter(items)
    while chunk := list(islice(waiting, _KEYS_AT_ONCE)):
        yield chunk
