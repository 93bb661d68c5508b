"""The ledger in an SQL database, SQLite or PostgreSQL: the one that the Iceberg catalogue lives in."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from lakehouse_sdk.archives.ledger import (
    IN_BRONZE,
    LAKE_FORMAT,
    CollectionRun,
    LedgerChange,
    LedgerEntry,
    LedgerEvent,
    LedgerState,
    Listing,
    Revision,
    Sighting,
)
from lakehouse_sdk.archives.ledger_rows import (
    observed_row,
    replaced_row,
    sight,
    storable,
    to_day,
    to_entry,
    to_micros,
    to_moment,
    to_seconds,
    to_seconds_up,
)
from lakehouse_sdk.archives.ledger_tables import (
    EVENTS,
    FIELDS,
    FORMAT,
    IDENTITY,
    LEDGER,
    LISTINGS,
    METADATA,
    ORDER,
    REVISIONS,
    RUNS,
    SERIES,
)
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Frequency, Series
from lakehouse_sdk.archives.sql_days import SqlDays, record_days
from lakehouse_sdk.archives.sql_select import in_chunks, narrow
from lakehouse_sdk.config import Settings
from lakehouse_sdk.config.database import first_line, is_web_address, parse_database_uri, refuse_database
from lakehouse_sdk.errors import ConfigurationError, StorageError

_PAGE_ROWS = 5000
"""Rows of one short read: a long one would keep SQLite's writers out."""

_WRITERS_LOCK = 7_309_940_817
"""Number of the lock that PostgreSQL's writers take one after the other; any number, as long as all take the same."""


def open_ledger(settings: Settings) -> SqlLedger:
    """Open the ledger in the database of `ledger.uri`, else of `catalog.uri`; its tables are created when missing.

    Raises:
        ConfigurationError: Neither is set, the address is unusable, the catalogue is no database, or a later release made the
            lake.
    """
    if not settings.ledger.uri and is_web_address(settings.catalog.uri):
        raise ConfigurationError(
            "The ledger of archives needs an SQL database, and the catalogue is a REST server.",
            hint="Set ledger.uri (LAKEHOUSE_LEDGER__URI), for example sqlite:////path/ledger.db.",
        )
    uri = parse_database_uri(settings.ledger.uri or settings.catalog.uri)
    if uri.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            f"The ledger cannot live in {uri.get_backend_name()}.", hint="Let catalog.uri name an SQLite file or PostgreSQL."
        )
    try:
        engine = _connect(uri)
        if not set(METADATA.tables) <= set(sa.inspect(engine).get_table_names()):  # one of an older release gets the rest
            _create_tables(engine)
    except (SQLAlchemyError, ImportError) as error:
        raise refuse_database("The ledger", uri, error) from error
    ledger = SqlLedger(engine)
    if (found := ledger.lake_format) > LAKE_FORMAT:
        ledger.close()
        raise ConfigurationError(
            f"This lake has format {found}, and this release knows up to {LAKE_FORMAT}: it would misread what is there.",
            hint="Update lakehouse-sdk.",
        )
    return ledger


class SqlLedger(SqlDays):
    """`Ledger` in an SQL database; open it with `open_ledger`.

    It holds database connections until `close`, the end of a `with` block, or the end of its life.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._finalizer = weakref.finalize(self, engine.dispose)
        self._insert: Callable[[sa.Table], Any] = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections."""
        self._finalizer()

    @property
    def ledger_id(self) -> str:
        """As `Ledger.ledger_id`."""
        with self._reading() as connection:
            return str(connection.execute(sa.select(IDENTITY)).scalar_one())

    @property
    def lake_format(self) -> int:
        """As `Ledger.lake_format`."""
        with self._reading() as connection:
            return int(connection.execute(sa.select(FORMAT)).scalar_one())

    def set_lake_format(self, version: int) -> None:
        """As `Ledger.set_lake_format`."""
        with self._writing() as connection:
            connection.execute(sa.update(FORMAT).values(version=version))

    def compare(self, archives: Sequence[ArchiveObject]) -> list[Sighting]:
        """As `Ledger.compare`."""
        with self._reading() as connection:
            return _compare(connection, archives)

    def observe(self, archives: Sequence[ArchiveObject]) -> list[Sighting]:
        """As `Ledger.observe`; nothing is written where nothing is new."""
        sightings = self.compare(archives)
        if all(sighting.change == "same" for sighting in sightings):
            return sightings
        now = to_micros(datetime.now(UTC))
        with self._writing() as connection:
            observed, rows, replaced = [], [], []
            for sighting in _compare(connection, archives):  # again: what is decided on may not change any more
                if sighting.change == "same":
                    observed.append(sighting)
                    continue
                row = observed_row(sighting, now)
                rows.append(row)
                observed.append(Sighting(sighting.archive, to_entry(row), sighting.change))
                if sighting.change == "republished" and sighting.entry is not None:
                    replaced.append(replaced_row(sighting.entry, now))
            if not rows:  # another process saw them all meanwhile
                return observed
            insert = self._insert(LEDGER)
            changed = {name: insert.excluded[name] for name in FIELDS if name not in {"source", "key"}}
            connection.execute(insert.on_conflict_do_update(index_elements=["source", "key"], set_=changed), rows)
            connection.execute(sa.insert(EVENTS), rows)
            if replaced:
                connection.execute(self._insert(REVISIONS).on_conflict_do_nothing(), replaced)
        return observed

    def begin(self, source: str, keys: Iterable[str]) -> None:
        """As `Ledger.begin`."""
        for chunk in in_chunks(keys):
            with self._writing() as connection:
                update = sa.update(LEDGER).where(LEDGER.c.source == source, LEDGER.c.key.in_(chunk))
                connection.execute(update.values(attempt=LEDGER.c.attempt + 1))

    def record(self, source: str, changes: Iterable[LedgerChange]) -> None:
        """As `Ledger.record`."""
        for chunk in in_chunks(changes):
            now = to_micros(datetime.now(UTC))
            rows = [
                {
                    "at_key": change.key,
                    "to_state": change.state.value,
                    "to_reason": storable(change.reason),
                    "to_published": change.published_sha256,
                    "to_sha256": change.sha256,
                    "of_revision": change.revision,
                    "only_in_bronze": int(change.state in IN_BRONZE and change.state is not LedgerState.PUBLISHED),
                }
                for change in chunk
            ]
            with self._writing() as connection:
                connection.execute(_RECORD, [{**row, "at_source": source, "now": now} for row in rows])
                told = (
                    sa.select(*LEDGER.columns)
                    .where(LEDGER.c.source == source, LEDGER.c.changed_at == now)
                    .where(LEDGER.c.key.in_([change.key for change in chunk]))
                )
                connection.execute(sa.insert(EVENTS).from_select(list(FIELDS), told))
                if any(change.days is not None for change in chunk):
                    record_days(connection, source, chunk, set(connection.scalars(told.with_only_columns(LEDGER.c.key))))

    def find(self, source: str, key: str) -> LedgerEntry | None:
        """As `Ledger.find`."""
        with self._reading() as connection:
            row = connection.execute(sa.select(LEDGER).where(LEDGER.c.source == source, LEDGER.c.key == key)).mappings().first()
        return None if row is None else to_entry(row)

    def entries(
        self, source: str, query: ArchiveQuery | None = None, *, states: Iterable[LedgerState] = ()
    ) -> Iterator[LedgerEntry]:
        """As `Ledger.entries`; read in pages, so that nobody else has to wait for a slow consumer."""
        select = sa.select(LEDGER).where(LEDGER.c.source == source).order_by(*ORDER).limit(_PAGE_ROWS)
        if wanted := [state.value for state in states]:
            select = select.where(LEDGER.c.state.in_(wanted))
        if query is not None:
            select = narrow(select, query)
        page = select
        while True:
            with self._reading() as connection:
                rows = connection.execute(page).mappings().all()
            for row in rows:
                if query is None or query.wants_symbol(row["symbol"]):
                    yield to_entry(row)
            if len(rows) < _PAGE_ROWS:
                return
            last = [rows[-1][column.name] for column in ORDER]
            page = select.where(sa.tuple_(*ORDER) > sa.tuple_(*last))

    def newest(self, source: str, query: ArchiveQuery) -> Mapping[tuple[Series, Frequency], datetime]:
        """As `Ledger.newest`."""
        group = (*SERIES, LEDGER.c.frequency)
        select = sa.select(*group, sa.func.max(LEDGER.c.period_end)).where(LEDGER.c.source == source).group_by(*group)
        with self._reading() as connection:
            rows = connection.execute(narrow(select, query)).all()
        return {
            ((source, row[0], row[1], row[2], row[3]), row[4]): to_day(row[5]) for row in rows if query.wants_symbol(row[2])
        }

    def note_listing(self, series: Iterable[Series], listing: Listing) -> None:
        """As `Ledger.note_listing`; a wider and later one takes the place of others."""
        start, end, at = to_seconds_up(listing.start), to_seconds(listing.end), to_micros(listing.listed_at)
        columns, names = LISTINGS.c, ("source", "market", "data_type", "symbol", "interval")
        within = (columns.span_start >= start, columns.span_end <= end, columns.listed_at <= at)
        for chunk in in_chunks(series):
            rows = [
                {**dict(zip(names, one, strict=True)), "span_start": start, "span_end": end, "listed_at": at} for one in chunk
            ]
            by_name = [columns[name] == sa.bindparam(f"of_{name}") for name in names]
            with self._writing() as connection:
                parameters = [{f"of_{name}": row[name] for name in names} for row in rows]
                connection.execute(sa.delete(LISTINGS).where(*by_name, *within), parameters)
                connection.execute(self._insert(LISTINGS).on_conflict_do_nothing(), rows)

    def forget_listings(self, *, dry_run: bool = False) -> int:
        """As `Ledger.forget_listings`."""
        with self._writing() as connection:
            known = int(connection.execute(sa.select(sa.func.count()).select_from(LISTINGS)).scalar_one())
            if not dry_run:
                connection.execute(sa.delete(LISTINGS))
        return known

    def listings(self, source: str, query: ArchiveQuery) -> Mapping[Series, Sequence[Listing]]:
        """As `Ledger.listings`."""
        columns = LISTINGS.c
        select = sa.select(LISTINGS).where(columns.source == source, columns.market.in_(query.markets))
        select = select.where(columns.data_type.in_(query.data_types))
        if (symbols := query.exact_symbols()) is not None:
            select = select.where(columns.symbol.in_(symbols))
        found: dict[Series, list[Listing]] = {}
        with self._reading() as connection:
            for row in connection.execute(select).mappings():
                listing = Listing(to_day(row["span_start"]), to_day(row["span_end"]), to_moment(row["listed_at"]))
                series = (source, row["market"], row["data_type"], row["symbol"], row["interval"])
                found.setdefault(series, []).append(listing)
        return found

    def count(self, source: str) -> int:
        """As `Ledger.count`."""
        with self._reading() as connection:
            counted = sa.select(sa.func.count()).select_from(LEDGER).where(LEDGER.c.source == source)
            return int(connection.execute(counted).scalar_one())

    def revisions(self, source: str, keys: Iterable[str]) -> list[Revision]:
        """As `Ledger.revisions`."""
        found: list[Revision] = []
        with self._reading() as connection:
            for chunk in in_chunks(keys):
                select = sa.select(REVISIONS).where(REVISIONS.c.source == source, REVISIONS.c.key.in_(chunk))
                rows = connection.execute(select.order_by(REVISIONS.c.key, REVISIONS.c.revision)).mappings()
                found.extend(Revision(**{**row, "replaced_at": to_moment(row["replaced_at"])}) for row in rows)
        return found

    def keep_revision(self, revision: Revision, kept_key: str) -> None:
        """As `Ledger.keep_revision`."""
        at = (REVISIONS.c.source == revision.source, REVISIONS.c.key == revision.key)
        with self._writing() as connection:
            update = sa.update(REVISIONS).where(*at, REVISIONS.c.revision == revision.revision)
            connection.execute(update.values(kept_key=kept_key))

    def take_events(self, limit: int) -> list[LedgerEvent]:
        """As `Ledger.take_events`."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(EVENTS).order_by(EVENTS.c.event_id).limit(limit)).mappings().all()
        return [LedgerEvent(row["event_id"], to_moment(row["changed_at"]), to_entry(row)) for row in rows]

    def drop_events(self, up_to: int) -> None:
        """As `Ledger.drop_events`."""
        with self._writing() as connection:
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.event_id <= up_to))

    def add_run(self, run: CollectionRun) -> None:
        """As `Ledger.add_run`."""
        with self._writing() as connection:
            values = {"source": run.source, "seconds": run.seconds, "objects": run.objects, "size_bytes": run.size_bytes}
            connection.execute(sa.insert(RUNS).values(**values, finished_at=to_micros(run.finished_at)))

    def last_run(self, source: str) -> CollectionRun | None:
        """As `Ledger.last_run`."""
        select = sa.select(RUNS).where(RUNS.c.source == source, RUNS.c.objects > 0).order_by(RUNS.c.id.desc()).limit(1)
        with self._reading() as connection:
            row = connection.execute(select).first()
        if row is None:
            return None
        return CollectionRun(row.source, to_moment(row.finished_at), row.seconds, row.objects, row.size_bytes)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _explained(), self._engine.connect().execution_options(lakehouse_writes=True) as connection, connection.begin():
            yield connection


_RECORD = (
    sa.update(LEDGER)
    .where(LEDGER.c.source == sa.bindparam("at_source"), LEDGER.c.key == sa.bindparam("at_key"))
    .where(
        sa.or_(
            LEDGER.c.state != LedgerState.PUBLISHED.value,
            sa.bindparam("only_in_bronze", type_=sa.Integer) == 0,
        )
    )
    .where(
        sa.or_(
            sa.bindparam("of_revision", type_=sa.Integer).is_(None),
            LEDGER.c.revision == sa.bindparam("of_revision", type_=sa.Integer),
        )
    )
    .values(
        state=sa.bindparam("to_state", type_=sa.Text),
        reason=sa.bindparam("to_reason"),
        published_sha256=sa.func.coalesce(sa.bindparam("to_published", type_=sa.Text), LEDGER.c.published_sha256),
        sha256=sa.func.coalesce(sa.bindparam("to_sha256", type_=sa.Text), LEDGER.c.sha256),
        changed_at=sa.bindparam("now"),
    )
)
"""A published archive stays published: what is in bronze and in the tables is not merely verified again by a second run."""


def _connect(uri: sa.URL) -> Engine:
    engine = sa.create_engine(uri)
    # A transaction that reads first and then writes decides on what others may just change. One that says at its beginning that
    # it will write waits its turn; so none deadlocks, and events become visible in the order of their numbers.
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin)
    else:
        sa.event.listen(engine, "begin", _wait_for_other_writers)
    return engine


def _create_tables(engine: Engine) -> None:
    """All of them or none."""
    try:
        _create_all(engine)
    except (OperationalError, IntegrityError, ProgrammingError):  # another process may just have created them
        _create_all(engine)


def _create_all(engine: Engine) -> None:
    with engine.connect().execution_options(lakehouse_writes=True) as connection, connection.begin():
        METADATA.create_all(connection)
        if connection.execute(sa.select(IDENTITY)).first() is None:
            connection.execute(sa.insert(IDENTITY).values(ledger_id=uuid4().hex))
        if connection.execute(sa.select(FORMAT)).first() is None:  # archives without a number are of the time before numbers
            is_old = connection.execute(sa.select(LEDGER.c.key).limit(1)).first() is not None
            connection.execute(sa.insert(FORMAT).values(version=1 if is_old else LAKE_FORMAT))


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lakehouse_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _wait_for_other_writers(connection: Connection) -> None:
    if connection.get_execution_options().get("lakehouse_writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageError(
            f"The ledger's database does not do what is asked: {first_line(error)}.",
            hint="Check that catalog.uri can be reached and written, then run the same call again.",
        ) from error


def _compare(connection: Connection, archives: Sequence[ArchiveObject]) -> list[Sighting]:
    known: dict[tuple[str, str], LedgerEntry] = {}
    for source in {archive.source for archive in archives}:
        for chunk in in_chunks(archive.key for archive in archives if archive.source == source):
            select = sa.select(LEDGER).where(LEDGER.c.source == source, LEDGER.c.key.in_(chunk))
            for row in connection.execute(select).mappings():
                known[source, row["key"]] = to_entry(row)
    return [sight(archive, known.get((archive.source, archive.key))) for archive in archives]
