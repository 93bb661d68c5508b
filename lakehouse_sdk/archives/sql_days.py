"""The part of the SQL ledger that knows days: what each archive gave of them, and which daily archives were passed over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lakehouse_sdk.archives.ledger import DayRows, LedgerChange
from lakehouse_sdk.archives.ledger_rows import to_day, to_seconds, to_seconds_up
from lakehouse_sdk.archives.ledger_tables import DAYS, LEDGER, PASSED_OVER, SERIES
from lakehouse_sdk.archives.model import ArchiveQuery, Series
from lakehouse_sdk.archives.sql_select import in_chunks, narrow

_DAY_S = 24 * 3600


class SqlDays:
    """See `ledger.Ledger`; the engine and the transactions are those of `sql_ledger.SqlLedger`."""

    if TYPE_CHECKING:
        _insert: Callable[[sa.Table], Any]
        _reading: Callable[[], AbstractContextManager[Connection]]
        _writing: Callable[[], AbstractContextManager[Connection]]

    def note_passed_over(self, source: str, days: Mapping[str, Sequence[datetime]]) -> None:
        """As `Ledger.note_passed_over`."""
        for chunk in in_chunks(days.items()):
            rows = [{"source": source, "key": key, "days": sum(1 << (day.day - 1) for day in listed)} for key, listed in chunk]
            insert = self._insert(PASSED_OVER)
            newer = insert.on_conflict_do_update(index_elements=["source", "key"], set_={"days": insert.excluded["days"]})
            with self._writing() as connection:
                connection.execute(newer, rows)

    def passed_over(self, source: str, query: ArchiveQuery) -> Mapping[str, frozenset[datetime]]:
        """As `Ledger.passed_over`."""
        both = sa.and_(LEDGER.c.source == PASSED_OVER.c.source, LEDGER.c.key == PASSED_OVER.c.key)
        columns = (LEDGER.c.key, LEDGER.c.symbol, LEDGER.c.period_start, PASSED_OVER.c.days)
        select = narrow(sa.select(*columns).join_from(PASSED_OVER, LEDGER, both).where(PASSED_OVER.c.source == source), query)
        with self._reading() as connection:
            rows = connection.execute(select).all()
        return {
            key: frozenset(to_day(first + number * _DAY_S) for number in range(31) if days >> number & 1)
            for key, symbol, first, days in rows
            if query.wants_symbol(symbol)
        }

    def short_days(self, source: str, query: ArchiveQuery) -> Mapping[Series, Mapping[datetime, Mapping[str, DayRows]]]:
        """As `Ledger.short_days`."""
        both = sa.and_(LEDGER.c.source == DAYS.c.source, LEDGER.c.key == DAYS.c.key)
        counts = (DAYS.c.day, DAYS.c.accepted, DAYS.c.expected, DAYS.c.rejected)
        select = sa.select(*SERIES, DAYS.c.key, *counts).join_from(DAYS, LEDGER, both).where(DAYS.c.source == source)
        if query.start is not None:
            select = select.where(DAYS.c.day > to_seconds(query.start) - _DAY_S)
        if query.end is not None:
            select = select.where(DAYS.c.day < to_seconds_up(query.end))
        found: dict[Series, dict[datetime, dict[str, DayRows]]] = {}
        with self._reading() as connection:
            rows = connection.execute(narrow(select, replace(query, start=None, end=None))).all()
        for market, data_type, symbol, interval, key, day, *values in rows:
            if query.wants_symbol(symbol):
                of_series = found.setdefault((source, market, data_type, symbol, interval), {})
                of_series.setdefault(to_day(day), {})[key] = DayRows(to_day(day), *values)
        return found

    def withdraw_days(self, source: str, key: str, start: datetime, end: datetime) -> None:
        """As `Ledger.withdraw_days`."""
        first, stop = to_seconds(start), to_seconds_up(end)
        days = [DayRows(to_day(day), 0, None, 0) for day in range(first - first % _DAY_S, stop, _DAY_S)]
        insert = self._insert(DAYS)
        gone = insert.on_conflict_do_update(index_elements=["source", "key", "day"], set_={"accepted": 0})
        with self._writing() as connection:
            connection.execute(gone, [_day_row(source, key, day) for day in days])


def record_days(connection: Connection, source: str, changes: Iterable[LedgerChange], applied: Collection[str]) -> None:
    """Write down the days of the changes that were applied, in the transaction that applied them."""
    told = [change for change in changes if change.days is not None and change.key in applied]
    if not told:
        return
    of_key = sa.delete(DAYS).where(DAYS.c.source == source, DAYS.c.key.in_([change.key for change in told]))
    connection.execute(of_key)
    rows = [_day_row(source, change.key, day) for change in told for day in change.days or ()]
    if rows:
        connection.execute(sa.insert(DAYS), rows)


def _day_row(source: str, key: str, day: DayRows) -> dict[str, Any]:
    counts = {"accepted": day.accepted, "expected": day.expected, "rejected": day.rejected}
    return {"source": source, "key": key, "day": to_seconds(day.day), **counts}
