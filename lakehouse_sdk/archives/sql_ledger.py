"""The ledger in an SQL database, SQLite or PostgreSQL: the one that the Iceberg catalogue lives in."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, RowMapping
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from lakehouse_sdk.archives.ledger import (
    IN_BRONZE,
    CollectionRun,
    LedgerChange,
    LedgerEntry,
    LedgerEvent,
    LedgerState,
    Revision,
    Sighting,
)
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Frequency, Series
from lakehouse_sdk.config import Settings
from lakehouse_sdk.config.database import first_line, parse_database_uri, refuse_database
from lakehouse_sdk.errors import ConfigurationError, StorageError

_KEYS_AT_ONCE = 1000
"""Keys in one statement; SQLite takes 32,766 variables."""
_PAGE_ROWS = 5000
"""Rows of one short read: a long one would keep SQLite's writers out."""

_WRITERS_LOCK = 7_309_940_817
"""Number of the lock that PostgreSQL's writers take one after the other; any number, as long as all take the same."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL takes no NUL in a text, and no database half of a surrogate pair."""
_Item = TypeVar("_Item")
_metadata = sa.MetaData()
# Ordered by bytes, as SQLite and the sources do, whatever the language of the database.
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _entry_columns() -> list[sa.Column[Any]]:
    text, number = _TEXT, sa.BigInteger
    return [
        sa.Column("source", text, nullable=False),
        sa.Column("market", text, nullable=False),
        sa.Column("data_type", text, nullable=False),
        sa.Column("symbol", text, nullable=False),
        sa.Column("interval", text, nullable=False),
        sa.Column("frequency", text, nullable=False),
        sa.Column("period_start", number, nullable=False),  # seconds since 1970, as all days
        sa.Column("period_end", number, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("etag", text, nullable=False),
        sa.Column("size_bytes", number, nullable=False),
        sa.Column("last_modified", number, nullable=False),  # microseconds since 1970, as all moments
        sa.Column("checksum_etag", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("published_sha256", text),
        sa.Column("sha256", text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("changed_at", number, nullable=False),
    ]


_LEDGER = sa.Table("lakehouse_ledger", _metadata, *_entry_columns(), sa.PrimaryKeyConstraint("source", "key"))
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts up by itself there
_EVENTS = sa.Table(
    "lakehouse_ledger_events",
    _metadata,
    sa.Column("event_id", _ID, primary_key=True, autoincrement=True),
    *_entry_columns(),
    sqlite_autoincrement=True,
)
_REVISIONS = sa.Table(
    "lakehouse_ledger_revisions",
    _metadata,
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("key", _TEXT, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text),
    sa.Column("replaced_at", sa.BigInteger, nullable=False),
    sa.Column("kept_key", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("source", "key", "revision"),
)
_RUNS = sa.Table(
    "lakehouse_collections",
    _metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)
_IDENTITY = sa.Table("lakehouse_ledger_identity", _metadata, sa.Column("ledger_id", sa.Text, primary_key=True))
_SERIES = (_LEDGER.c.market, _LEDGER.c.data_type, _LEDGER.c.symbol, _LEDGER.c.interval)
_ORDER = (*_SERIES, _LEDGER.c.frequency, _LEDGER.c.period_start, _LEDGER.c.key)
sa.Index("lakehouse_ledger_by_series", _LEDGER.c.source, *_ORDER)
_FIELDS = tuple(column.name for column in _LEDGER.columns)


def open_ledger(settings: Settings) -> SqlLedger:
    """Open the ledger in the database of `catalog.uri`; its tables are created when missing.

    Raises:
        ConfigurationError: `catalog.uri` is not set or unusable.
    """
    uri = parse_database_uri(settings.catalog.uri)
    if uri.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            f"The ledger cannot live in {uri.get_backend_name()}.", hint="Let catalog.uri name an SQLite file or PostgreSQL."
        )
    try:
        engine = _connect(uri)
        if not sa.inspect(engine).has_table(_IDENTITY.name):
            _create_tables(engine)
    except (SQLAlchemyError, ImportError) as error:
        raise refuse_database("The ledger", uri, error) from error
    return SqlLedger(engine)


class SqlLedger:
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
            return str(connection.execute(sa.select(_IDENTITY)).scalar_one())

    def compare(self, archives: Sequence[ArchiveObject]) -> list[Sighting]:
        """As `Ledger.compare`."""
        with self._reading() as connection:
            return _compare(connection, archives)

    def observe(self, archives: Sequence[ArchiveObject]) -> list[Sighting]:
        """As `Ledger.observe`; nothing is written where nothing is new."""
        sightings = self.compare(archives)
        if all(sighting.change == "same" for sighting in sightings):
            return sightings
        now = _micros(datetime.now(UTC))
        with self._writing() as connection:
            observed, rows, replaced = [], [], []
            for sighting in _compare(connection, archives):  # again: what is decided on may not change any more
                if sighting.change == "same":
                    observed.append(sighting)
                    continue
                row = _observed_row(sighting, now)
                rows.append(row)
                observed.append(Sighting(sighting.archive, _to_entry(row), sighting.change))
                if sighting.change == "republished" and sighting.entry is not None:
                    replaced.append(_replaced_row(sighting.entry, now))
            if not rows:  # another process saw them all meanwhile
                return observed
            insert = self._insert(_LEDGER)
            changed = {name: insert.excluded[name] for name in _FIELDS if name not in {"source", "key"}}
            connection.execute(insert.on_conflict_do_update(index_elements=["source", "key"], set_=changed), rows)
            connection.execute(sa.insert(_EVENTS), rows)
            if replaced:
                connection.execute(self._insert(_REVISIONS).on_conflict_do_nothing(), replaced)
        return observed

    def begin(self, source: str, keys: Iterable[str]) -> None:
        """As `Ledger.begin`."""
        for chunk in _chunks(keys):
            with self._writing() as connection:
                update = sa.update(_LEDGER).where(_LEDGER.c.source == source, _LEDGER.c.key.in_(chunk))
                connection.execute(update.values(attempt=_LEDGER.c.attempt + 1))

    def record(self, source: str, changes: Iterable[LedgerChange]) -> None:
        """As `Ledger.record`."""
        for chunk in _chunks(changes):
            now = _micros(datetime.now(UTC))
            rows = [
                {
                    "at_key": change.key,
                    "to_state": change.state.value,
                    "to_reason": _storable(change.reason),
                    "to_published": change.published_sha256,
                    "to_sha256": change.sha256,
                    "only_in_bronze": int(change.state in IN_BRONZE and change.state is not LedgerState.PUBLISHED),
                }
                for change in chunk
            ]
            with self._writing() as connection:
                connection.execute(_RECORD, [{**row, "at_source": source, "now": now} for row in rows])
                told = (
                    sa.select(*_LEDGER.columns)
                    .where(_LEDGER.c.source == source, _LEDGER.c.changed_at == now)
                    .where(_LEDGER.c.key.in_([change.key for change in chunk]))
                )
                connection.execute(sa.insert(_EVENTS).from_select(list(_FIELDS), told))

    def find(self, source: str, key: str) -> LedgerEntry | None:
        """As `Ledger.find`."""
        with self._reading() as connection:
            row = (
                connection.execute(sa.select(_LEDGER).where(_LEDGER.c.source == source, _LEDGER.c.key == key))
                .mappings()
                .first()
            )
        return None if row is None else _to_entry(row)

    def entries(
        self, source: str, query: ArchiveQuery | None = None, *, states: Iterable[LedgerState] = ()
    ) -> Iterator[LedgerEntry]:
        """As `Ledger.entries`; read in pages, so that nobody else has to wait for a slow consumer."""
        select = sa.select(_LEDGER).where(_LEDGER.c.source == source).order_by(*_ORDER).limit(_PAGE_ROWS)
        if wanted := [state.value for state in states]:
            select = select.where(_LEDGER.c.state.in_(wanted))
        if query is not None:
            select = _narrow(select, query)
        page = select
        while True:
            with self._reading() as connection:
                rows = connection.execute(page).mappings().all()
            for row in rows:
                if query is None or query.wants_symbol(row["symbol"]):
                    yield _to_entry(row)
            if len(rows) < _PAGE_ROWS:
                return
            last = [rows[-1][column.name] for column in _ORDER]
            page = select.where(sa.tuple_(*_ORDER) > sa.tuple_(*last))

    def newest(self, source: str, query: ArchiveQuery) -> Mapping[tuple[Series, Frequency], datetime]:
        """As `Ledger.newest`."""
        group = (*_SERIES, _LEDGER.c.frequency)
        select = sa.select(*group, sa.func.max(_LEDGER.c.period_end)).where(_LEDGER.c.source == source).group_by(*group)
        with self._reading() as connection:
            rows = connection.execute(_narrow(select, query)).all()
        return {((source, row[0], row[1], row[2], row[3]), row[4]): _day(row[5]) for row in rows if query.wants_symbol(row[2])}

    def count(self, source: str) -> int:
        """As `Ledger.count`."""
        with self._reading() as connection:
            counted = sa.select(sa.func.count()).select_from(_LEDGER).where(_LEDGER.c.source == source)
            return int(connection.execute(counted).scalar_one())

    def revisions(self, source: str, keys: Iterable[str]) -> list[Revision]:
        """As `Ledger.revisions`."""
        found: list[Revision] = []
        with self._reading() as connection:
            for chunk in _chunks(keys):
                select = sa.select(_REVISIONS).where(_REVISIONS.c.source == source, _REVISIONS.c.key.in_(chunk))
                rows = connection.execute(select.order_by(_REVISIONS.c.key, _REVISIONS.c.revision)).mappings()
                found.extend(Revision(**{**row, "replaced_at": _moment(row["replaced_at"])}) for row in rows)
        return found

    def keep_revision(self, revision: Revision, kept_key: str) -> None:
        """As `Ledger.keep_revision`."""
        at = (_REVISIONS.c.source == revision.source, _REVISIONS.c.key == revision.key)
        with self._writing() as connection:
            update = sa.update(_REVISIONS).where(*at, _REVISIONS.c.revision == revision.revision)
            connection.execute(update.values(kept_key=kept_key))

    def take_events(self, limit: int) -> list[LedgerEvent]:
        """As `Ledger.take_events`."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(_EVENTS).order_by(_EVENTS.c.event_id).limit(limit)).mappings().all()
        return [LedgerEvent(row["event_id"], _moment(row["changed_at"]), _to_entry(row)) for row in rows]

    def drop_events(self, up_to: int) -> None:
        """As `Ledger.drop_events`."""
        with self._writing() as connection:
            connection.execute(sa.delete(_EVENTS).where(_EVENTS.c.event_id <= up_to))

    def add_run(self, run: CollectionRun) -> None:
        """As `Ledger.add_run`."""
        with self._writing() as connection:
            values = {"source": run.source, "seconds": run.seconds, "objects": run.objects, "size_bytes": run.size_bytes}
            connection.execute(sa.insert(_RUNS).values(**values, finished_at=_micros(run.finished_at)))

    def last_run(self, source: str) -> CollectionRun | None:
        """As `Ledger.last_run`."""
        select = sa.select(_RUNS).where(_RUNS.c.source == source, _RUNS.c.objects > 0).order_by(_RUNS.c.id.desc()).limit(1)
        with self._reading() as connection:
            row = connection.execute(select).first()
        if row is None:
            return None
        return CollectionRun(row.source, _moment(row.finished_at), row.seconds, row.objects, row.size_bytes)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _explained(), self._engine.connect().execution_options(lakehouse_writes=True) as connection, connection.begin():
            yield connection


_RECORD = (
    sa.update(_LEDGER)
    .where(_LEDGER.c.source == sa.bindparam("at_source"), _LEDGER.c.key == sa.bindparam("at_key"))
    .where(
        sa.or_(
            _LEDGER.c.state != LedgerState.PUBLISHED.value,
            sa.bindparam("only_in_bronze", type_=sa.Integer) == 0,
        )
    )
    .values(
        state=sa.bindparam("to_state", type_=sa.Text),
        reason=sa.bindparam("to_reason"),
        published_sha256=sa.func.coalesce(sa.bindparam("to_published", type_=sa.Text), _LEDGER.c.published_sha256),
        sha256=sa.func.coalesce(sa.bindparam("to_sha256", type_=sa.Text), _LEDGER.c.sha256),
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
        _metadata.create_all(connection)
        if connection.execute(sa.select(_IDENTITY)).first() is None:
            connection.execute(sa.insert(_IDENTITY).values(ledger_id=uuid4().hex))


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
        for chunk in _chunks(archive.key for archive in archives if archive.source == source):
            select = sa.select(_LEDGER).where(_LEDGER.c.source == source, _LEDGER.c.key.in_(chunk))
            for row in connection.execute(select).mappings():
                known[source, row["key"]] = _to_entry(row)
    return [_sight(archive, known.get((archive.source, archive.key))) for archive in archives]


def _sight(archive: ArchiveObject, entry: LedgerEntry | None) -> Sighting:
    if entry is None:
        return Sighting(archive, None, "new")
    if entry.etag != archive.etag or (entry.size_bytes != archive.size_bytes and not archive.virtual):
        return Sighting(archive, entry, "republished")
    return Sighting(archive, entry, "same" if entry.checksum_etag == archive.checksum_etag else "checksum")


def _observed_row(sighting: Sighting, now: int) -> dict[str, Any]:
    """The row of an archive that is new, has new bytes, or has another checksum file, which judges it anew."""
    archive, entry = sighting.archive, sighting.entry
    fresh = entry is None or sighting.change == "republished" or not entry.in_bronze
    return {
        "source": archive.source,
        "market": archive.market,
        "data_type": archive.data_type,
        "symbol": archive.symbol,
        "interval": archive.interval or "",
        "frequency": archive.frequency,
        "period_start": _seconds(archive.period_start),
        "period_end": _seconds(archive.period_end),
        "key": archive.key,
        "etag": archive.etag,
        "size_bytes": archive.size_bytes,
        "last_modified": _micros(archive.last_modified),
        "checksum_etag": archive.checksum_etag,
        "state": LedgerState.DISCOVERED.value if fresh or entry is None else entry.state.value,
        "reason": "",
        "published_sha256": None if fresh or entry is None else entry.published_sha256,
        "sha256": None if fresh or entry is None else entry.sha256,
        "attempt": 0 if fresh or entry is None else entry.attempt,
        "revision": 1 if entry is None else entry.revision + (sighting.change == "republished"),
        "changed_at": now,
    }


def _replaced_row(entry: LedgerEntry, now: int) -> dict[str, Any]:
    return {
        "source": entry.source,
        "key": entry.key,
        "revision": entry.revision,
        "etag": entry.etag,
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "replaced_at": now,
        "kept_key": "",
    }


def _to_entry(row: RowMapping | dict[str, Any]) -> LedgerEntry:
    values: Any = row
    return LedgerEntry(
        values["source"],
        values["market"],
        values["data_type"],
        values["symbol"],
        values["interval"] or None,
        values["frequency"],
        _day(values["period_start"]),
        _day(values["period_end"]),
        values["key"],
        values["etag"],
        values["size_bytes"],
        _moment(values["last_modified"]),
        values["checksum_etag"],
        LedgerState(values["state"]),
        values["reason"],
        values["published_sha256"],
        values["sha256"],
        values["attempt"],
        values["revision"],
        _moment(values["changed_at"]),
    )


def _narrow(select: sa.Select[Any], query: ArchiveQuery) -> sa.Select[Any]:
    columns = _LEDGER.c
    select = select.where(columns.market.in_(query.markets), columns.data_type.in_(query.data_types))
    if query.frequencies != ("daily", "monthly"):
        select = select.where(columns.frequency.in_(query.frequencies))
    if (symbols := query.exact_symbols()) is not None:
        select = select.where(columns.symbol.in_(symbols))
    if query.intervals is not None:
        select = select.where(columns.interval.in_([*query.intervals, ""]))
    if query.start is not None:
        select = select.where(columns.period_end > _seconds(query.start))
    if query.end is not None:
        select = select.where(columns.period_start < _seconds(query.end))
    return select


def _storable(reason: str) -> str:
    """What a server or a connector said, as any database takes it."""
    return _UNSTORABLE.sub("\ufffd", reason)


def _chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    waiting = iter(items)
    while chunk := list(islice(waiting, _KEYS_AT_ONCE)):
        yield chunk


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _day(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
