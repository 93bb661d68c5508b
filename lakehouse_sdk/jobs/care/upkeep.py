"""Keeping tables small and quick: the same care for one table, several, or all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from lakehouse_sdk.archives.instruments import read_symbol
from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    from lakehouse_sdk.tables.iceberg.care.compaction import CompactionReport, TableCompaction
    from lakehouse_sdk.tables.iceberg.care.expiry import ExpiryReport, TableExpiry
    from lakehouse_sdk.tables.iceberg.care.orphans import OrphanReport, TableOrphans
    from lakehouse_sdk.tables.iceberg.care.relabel import RelabelReport
    from lakehouse_sdk.tables.iceberg.retry import LoadTable

_Result = TypeVar("_Result")


def expire_snapshots(
    tables: Sequence[str] | None = None,
    *,
    settings: Settings,
    older_than: timedelta | None = None,
    keep_last: int = 1,
    dry_run: bool = False,
    observer: Observer = ignore_events,
) -> ExpiryReport:
    """Let old snapshots expire and delete the files that only they needed; tags, branches and their states stay.

    Args:
        tables: Full names; None for all tables.
        settings: Where lake and catalogue are.
        older_than: Least age of what goes; default: 7 days.
        keep_last: Snapshots of each branch that stay whatever their age.
        dry_run: True to count only.
        observer: Told as stage `expire`.

    Raises:
        NotFoundError: No such table.
        UsageError: Nothing would be left to read.
        TableError: A table was changed by others again and again; what was done before stands.
        ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
    """
    from lakehouse_sdk.tables.iceberg.care.expiry import DEFAULT_AGE, ExpiryReport, expire_table  # noqa: PLC0415 (loads Iceberg)

    age = DEFAULT_AGE if older_than is None else older_than

    with _Upkeep("expire", tables, settings, observer) as upkeep:

        def expire(name: str, load: LoadTable) -> TableExpiry:
            return expire_table(load, name, upkeep.client, older_than=age, keep_last=keep_last, dry_run=dry_run)

        return ExpiryReport(upkeep.each(expire), dry_run)


def compact_tables(
    tables: Sequence[str] | None = None,
    *,
    settings: Settings,
    target_bytes: int | None = None,
    dry_run: bool = False,
    observer: Observer = ignore_events,
) -> CompactionReport:
    """Make few files of the planned size out of the small ones of each partition; the same rows, counted and compared by hash.

    One commit for each partition; what others append or replace meanwhile stands. A second run finds nothing to do.

    Args:
        tables: Full names; None for all tables.
        settings: Where lake and catalogue are.
        target_bytes: Planned size of a file; default: `tables.target_file_mib` of the settings.
        dry_run: True to plan only.
        observer: Told as stage `compact`.

    Raises:
        NotFoundError: No such table.
        UsageError: The planned size is not positive.
        TableError: A commit lost its race too often, or rows would have changed; what was done before stands.
        ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
    """
    from lakehouse_sdk.tables.iceberg.care.compaction import CompactionReport, compact_table  # noqa: PLC0415 (loads Iceberg)

    size = settings.tables.target_file_mib * 1024**2 if target_bytes is None else target_bytes
    with _Upkeep("compact", tables, settings, observer) as upkeep:

        def compact(name: str, load: LoadTable) -> TableCompaction:
            return compact_table(load, name, target_bytes=size, dry_run=dry_run, note=upkeep.add_bytes)

        return CompactionReport(upkeep.each(compact), dry_run)


def remove_orphans(
    tables: Sequence[str] | None = None,
    *,
    settings: Settings,
    older_than: timedelta | None = None,
    force: bool = False,
    dry_run: bool = False,
    observer: Observer = ignore_events,
) -> OrphanReport:
    """Delete files below the locations of tables that none of their states, branches and tags names.

    Args:
        tables: Full names; None for all tables.
        settings: Where lake and catalogue are.
        older_than: Least age of what goes; default: 3 days.
        force: True to allow less than an hour, while nothing writes to the lake.
        dry_run: True to count only.
        observer: Told as stage `orphans`.

    Raises:
        NotFoundError: No such table.
        UsageError: The age is less than an hour, or the place of a table holds another one.
        ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
    """
    from lakehouse_sdk.tables.iceberg.care import orphans  # noqa: PLC0415 (loads Iceberg)

    age = orphans.DEFAULT_AGE if older_than is None else older_than
    orphans.check_age(age, force=force)
    with _Upkeep("orphans", tables, settings, observer) as upkeep:
        places = {name: upkeep.catalog.table(name).location for name in upkeep.catalog.list_tables()}

        def remove(name: str, load: LoadTable) -> TableOrphans:
            others = [place for other, place in places.items() if other != name]
            return orphans.remove_orphans(load, name, upkeep.client, older_than=age, dry_run=dry_run, others=others)

        return orphans.OrphanReport(upkeep.each(remove), dry_run)


def relabel_tables(
    tables: Sequence[str] | None = None,
    *,
    settings: Settings | Session,
    dry_run: bool = False,
    observer: Observer = ignore_events,
) -> RelabelReport:
    """Give every row the canonical name that its symbol has by today's rules, without collecting or building anything anew.

    One commit for each file that changes; what others append or replace meanwhile stands. A second run finds nothing to do.

    Args:
        tables: Full names; None for all tables.
        settings: Where lake and catalogue are.
        dry_run: True to count only.
        observer: Told as stage `relabel`.

    Raises:
        NotFoundError: No such table.
        TableError: A commit lost its race too often; what was done before stands.
        ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
    """
    from lakehouse_sdk.tables.iceberg.care.relabel import RelabelReport, TableRelabelling, relabel_table  # noqa: PLC0415 (loads Iceberg)
    from lakehouse_sdk.tables.layout.schemas import LAYOUTS  # noqa: PLC0415

    def find_name(source: str, market: str, symbol: str, at: datetime) -> str | None:
        return read_symbol(source, market, symbol, at).canonical or None

    with _Upkeep("relabel", tables, settings, observer) as upkeep:

        def relabel(name: str, load: LoadTable) -> TableRelabelling:
            if name not in LAYOUTS:  # a user's own table, or a view, has what its owner gave it
                return TableRelabelling(name)
            return relabel_table(load, name, LAYOUTS[name].row_time, find_name, dry_run=dry_run)

        return RelabelReport(upkeep.each(relabel), dry_run)


class _Upkeep:
    """One kind of care for several tables, told to the observer; opens catalogue and storage in `with`."""

    def __init__(self, stage: str, tables: Sequence[str] | None, settings: Settings | Session, observer: Observer) -> None:
        self._stage = stage
        self._tables = tables
        self._observer = observer
        self._done = self._bytes = 0
        self._settings = settings

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            session = stack.enter_context(open_session(self._settings))
            self.catalog, self.client = session.catalog, session.client
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def each(self, work: Callable[[str, LoadTable], _Result]) -> tuple[_Result, ...]:
        """The results of the work on each table, in order."""
        names = list(self.catalog.list_tables() if self._tables is None else self._tables)
        for name in names:
            self.catalog.load(name)  # a wrong name is refused before anything is done
        started = time.perf_counter()
        self._observer(StageStarted(self._stage, f"{len(names)} tables", total_objects=len(names)))
        results = []
        for name in names:
            with self.catalog.storage_errors():
                results.append(work(name, partial(self.catalog.load, name)))
            self._done += 1
            self._tell(name)
        self._observer(StageFinished(self._stage, time.perf_counter() - started, f"{len(names)} tables"))
        return tuple(results)

    def add_bytes(self, size_bytes: int) -> None:
        """Tell that so many bytes more were worked on."""
        self._bytes += size_bytes
        self._tell("")

    def _tell(self, note: str) -> None:
        self._observer(StageProgress(self._stage, self._done, self._bytes, note=note))
