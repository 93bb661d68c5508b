"""Keeping tables small and quick: the same care for one table, several, or all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.storage import S3Client

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from lakehouse_sdk.tables import TableCatalog
    from lakehouse_sdk.tables.care.expiry import ExpiryReport

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
    from lakehouse_sdk.tables.care.expiry import DEFAULT_AGE, ExpiryReport, expire_table  # noqa: PLC0415 (loads Iceberg)

    age = DEFAULT_AGE if older_than is None else older_than

    def expire(name: str, load: Callable[[], Table], client: S3Client) -> object:
        return expire_table(load, name, client, older_than=age, keep_last=keep_last, dry_run=dry_run)

    with _open(settings) as (catalog, client):
        done = _each("expire", tables, catalog, client, expire, observer)
    return ExpiryReport(tuple(done), dry_run)


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[TableCatalog, S3Client]]:
    from lakehouse_sdk.tables import open_catalog  # noqa: PLC0415 (loads Iceberg and Arrow)

    with open_catalog(settings) as catalog, S3Client(settings.storage) as client:
        yield catalog, client


def _each(
    stage: str,
    tables: Sequence[str] | None,
    catalog: TableCatalog,
    client: S3Client,
    work: Callable[[str, Callable[[], Table], S3Client], _Result],
    observer: Observer,
) -> list[_Result]:
    """The results of the work on each table, in order, told to the observer."""
    names = list(catalog.list_tables() if tables is None else tables)
    for name in names:
        catalog.load(name)  # a wrong name is refused before anything is done
    started = time.perf_counter()
    observer(StageStarted(stage, f"{len(names)} tables", total_objects=len(names)))
    results = []
    for number, name in enumerate(names, 1):
        with catalog.storage_errors():
            results.append(work(name, partial(catalog.load, name), client))
        observer(StageProgress(stage, number, note=name))
    observer(StageFinished(stage, time.perf_counter() - started, f"{len(names)} tables"))
    return results
