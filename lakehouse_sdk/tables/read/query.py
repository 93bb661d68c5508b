"""SQL over all tables, by DuckDB: read only, on Arrow datasets that give it the columns and files it needs.

DuckDB's own access to files and networks is off, so SQL sees the tables of the catalogue and nothing else; what it reads of
them comes from Arrow, with the catalogue's credentials.
"""

from __future__ import annotations

import difflib
import json
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pyarrow as pa

from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.errors import CapacityError, LakehouseError, StorageError, UsageError
from lakehouse_sdk.tables.iceberg.refusals import storage_errors
from lakehouse_sdk.tables.read.cells import exact_cell

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow.dataset as ds

    from lakehouse_sdk.tables.read.table import AsOf, Table

QueryAsOf = str | datetime | Mapping[str, "AsOf"]
"""A tag or an aware datetime for every table, or a state (snapshot id, tag or datetime) by full name for some of them."""

_SHOWN = 20
_BATCH_ROWS = 10_000
_STREAM = "reading the stream registered as "
"""So DuckDB begins to say what Arrow told it."""
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may take of the machine.

    Attributes:
        memory_mib: Memory, MiB; None for half of the machine's.
        temp_mib: Temporary files, MiB.
    """

    memory_mib: int | None = None
    temp_mib: int = 10_240

    def to_config(self) -> dict[str, str | bool | int | float | list[str]]:
        """The options of a connection; its temporary files are in a folder of its own, which goes with it."""
        memory_mib = self.memory_mib or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 // 1024**2
        return {
            **_CONFIG,
            "memory_limit": f"{memory_mib}MiB",
            "temp_directory": str(Path(tempfile.gettempdir()) / f"lakehouse-query-{uuid.uuid4().hex}"),
        }


_NO_LIMITS_SET = QueryLimits()


class QueryResult:
    """Rows of one SELECT; each `to_…` runs it again, at the states of the tables when it was made, and gives the same rows.

    Times are in UTC. It may be used from several threads, one after the other.

    Attributes:
        sql: The SELECT.
        tables: Full names of the tables that it reads, and the snapshot of each (None for a table without rows).
    """

    def __init__(
        self,
        sql: str,
        tables: dict[str, int | None],
        connect: Callable[[], duckdb.DuckDBPyConnection],
        properties: Mapping[str, Any],
    ) -> None:
        self.sql = sql
        self.tables = tables
        self._connect = connect
        self._connection = connect()
        self._properties = properties
        self._lock = threading.Lock()
        with self._running() as relation:
            self.columns: tuple[str, ...] = tuple(relation.columns)
            self.types: tuple[str, ...] = tuple(str(type_) for type_ in relation.types)

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        with self._running() as relation:
            return relation.to_arrow_table()

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in parts of some ten thousand; several may be read at the same time, and left at any point."""
        # A connection of its own: a lock that is held between two batches would block whoever looks at the result meanwhile.
        with closing(self._connect()) as connection, explained(), storage_errors(self._properties):
            yield from connection.sql(self.sql).to_arrow_reader(_BATCH_ROWS)

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a pandas frame with a plain index; times are aware UTC."""
        return cast("pd.DataFrame", self.to_arrow().to_pandas())

    def to_polars(self) -> pl.DataFrame:
        """All rows as a polars frame."""
        with self._running() as relation:
            return cast("pl.DataFrame", relation.pl())

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows as tuples."""
        with self._running() as relation:
            return relation.fetchall()

    def head(self, rows: int = _SHOWN) -> list[tuple[Any, ...]]:
        """The first rows as tuples; DuckDB stops when it has them."""
        with self._running() as relation:
            return relation.limit(rows).fetchall()

    def __repr__(self) -> str:
        with self._running() as relation:
            return repr(relation)

    def _repr_html_(self) -> str:
        rows = self.head(_SHOWN + 1)
        more = "at least " if len(rows) > _SHOWN else ""
        facts = {"rows": f"{more}{format_count(len(rows))}", **{name: f"snapshot {at}" for name, at in self.tables.items()}}
        headings = [f"{name} ({type_.lower()})" for name, type_ in zip(self.columns, self.types, strict=True)]
        return html_card("Query", facts, html_table([[exact_cell(value) for value in row] for row in rows[:_SHOWN]], headings))

    @contextmanager
    def _running(self) -> Iterator[duckdb.DuckDBPyRelation]:
        """The query, for one run; a connection serves one at a time."""
        with self._lock, explained(), storage_errors(self._properties):
            yield self._connection.sql(self.sql)


def run_query(
    sql: str,
    load: Callable[[str], Table],
    list_tables: Callable[[], list[str]],
    as_of: QueryAsOf | None,
    *,
    exact: bool,
    limits: QueryLimits = _NO_LIMITS_SET,
) -> QueryResult:
    """The result of one SELECT over tables named in full, as `silver.klines`.

    Args:
        sql: One SELECT statement; DESCRIBE and SUMMARIZE of a table are some, too.
        load: Gives a table by its full name.
        list_tables: Names of all tables, for who misspelt one.
        as_of: States to read.
        exact: True for decimals of exact tables as they are stored; otherwise they are DOUBLE, as in every other table.
        limits: What it may take of the machine.

    Raises:
        UsageError: Not a single SELECT, a syntax or type error, an unknown table or column.
        NotFoundError: A table has no state of that name or time.
    """
    with closing(duckdb.connect(config=_CONFIG)) as connection, explained():
        wanted = _find_tables(connection, sql)
    known = list_tables()
    unknown = sorted(name for name in wanted if name not in known)
    if unknown:
        raise _refuse_table(unknown[0], known)
    if isinstance(as_of, Mapping) and (unread := sorted(set(as_of) - wanted)):
        raise UsageError(
            f"as_of names {unread[0]!r}, which the SQL does not read.", hint=f"It reads {', '.join(sorted(wanted))}."
        )
    states: dict[str, int | None] = {}
    properties: Mapping[str, Any] = {}
    datasets: dict[str, ds.Dataset] = {}
    for name in sorted(wanted):
        at = as_of.get(name) if isinstance(as_of, Mapping) else as_of
        scan = load(name).scan(as_of=at)
        states[name] = scan.snapshot_id
        properties = scan.storage
        datasets[name] = scan.to_dataset()
    return QueryResult(sql, states, partial(_connect, datasets, exact=exact, limits=limits), properties)


def _connect(datasets: Mapping[str, ds.Dataset], *, exact: bool, limits: QueryLimits) -> duckdb.DuckDBPyConnection:
    """A connection that sees these tables and nothing else."""
    connection = duckdb.connect(config=limits.to_config())
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    # Among the options of a new connection DuckDB 2.0 takes it and does not hold it.
    connection.execute(f"SET max_temp_directory_size = '{limits.temp_mib}MiB'").fetchall()
    for number, (name, rows) in enumerate(datasets.items()):
        schema, _, table = name.rpartition(".")
        connection.register(f"_table_{number}", rows)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quote(schema)}")
        view = f"{_quote(schema)}.{_quote(table)}"
        columns = ", ".join(_select(field, exact=exact) for field in rows.schema)
        connection.execute(f"CREATE VIEW {view} AS SELECT {columns} FROM _table_{number}")  # noqa: S608 (quoted names)
    connection.execute("SET lock_configuration = true")
    return connection


def _find_tables(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """Full names of the tables that a single SELECT names.

    Raises:
        UsageError: It is not one.
    """
    kinds = [statement.type for statement in connection.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        said = f"{len(kinds)} statements" if len(kinds) != 1 else kinds[0].name
        raise UsageError(f"Only a single SELECT can be run here, not {said}.", hint="Tables change by building archives only.")
    (row,) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = json.loads(row[0])
    if tree["error"]:
        raise UsageError(f"The SQL is not understood: {tree['error_message']}.")
    return {f"{schema}.{name}" for schema, name in _walk(tree) if schema}


def _walk(node: object) -> Iterator[tuple[str, str]]:
    """Schema and name of every table in a syntax tree."""
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield ".".join(part for part in (node["catalog_name"], node["schema_name"]) if part), node["table_name"]
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _refuse_table(name: str, known: list[str]) -> UsageError:
    close = difflib.get_close_matches(name, known, 3, 0.5)
    guess = f"Did you mean {' or '.join(close)}? " if close else ""
    shown = f"There are: {', '.join(known)}." if known else "There is no table yet; collect archives and build first."
    return UsageError(f"There is no table {name!r}.", hint=f"{guess}{shown}")


def _select(field: pa.Field, *, exact: bool) -> str:
    name = _quote(field.name)
    return f"CAST({name} AS DOUBLE) AS {name}" if pa.types.is_decimal(field.type) and not exact else name


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


@contextmanager
def explained() -> Iterator[None]:
    """DuckDB's errors as the SDK's.

    Raises:
        UsageError: What DuckDB says about the SQL, or about what it may not do here.
        StorageError: A file of a table cannot be read.
        CapacityError: The query needs more than it may take.
    """
    try:
        yield
    except LakehouseError:
        raise
    except duckdb.CatalogException as error:
        raise UsageError(f"DuckDB: {_first_line(error)}", hint="Name tables in full, as silver.klines.") from error
    except duckdb.PermissionException as error:
        raise UsageError(f"DuckDB: {_first_line(error)}", hint="SQL reads the tables of the catalogue and no files.") from error
    except duckdb.OutOfMemoryException as error:
        said = str(error).partition("\n")[0]
        hint = "Select less, or raise tables.query_memory_mib or tables.query_temp_mib."
        raise CapacityError(f"The query needs more than it may take: {said}", hint=hint) from error
    except duckdb.Error as error:
        if _STREAM in str(error):
            raise StorageError(f"A table could not be read: {_first_line(error).partition(_STREAM)[2]}") from error
        raise UsageError(f"DuckDB: {_first_line(error)}") from error


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().partition("\n\n")[0].replace("\n", " ")
