"""What the façade says about reading: load."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from lakehouse_sdk.archives import Cadence
    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.jobs.load.run import Missing
    from lakehouse_sdk.jobs.load.series import LoadedScan
    from lakehouse_sdk.tables import TableCatalog
    from lakehouse_sdk.tables.read.query import QueryAsOf, QueryResult


class ReadingCalls:
    """The part of `Lakehouse` that reads tables."""

    settings: Settings
    _observer: Observer
    if TYPE_CHECKING:

        @cached_property
        def catalog(self) -> TableCatalog:
            """The Iceberg catalogue."""

    def load(
        self,
        data_type: str,
        *,
        source: str = "binance",
        market: str,
        symbols: str | Iterable[str],
        interval: str | None = None,
        start: datetime | str,
        end: datetime | str,
        missing: Missing = "error",
        columns: Sequence[str] | None = None,
        cadence: Cadence = "auto",
    ) -> LoadedScan:
        """The rows of some series as a scan: `.to_pandas()`, `.to_polars()`, `.lazy()`, `.to_arrow()`, `.to_duckdb()`.

        What the ledger knows to be in the tables is read without any request to the source. Idempotent; callers that fetch the
        same at the same time get the same rows, once.

        Args:
            data_type: As the source spells it, for example `klines`, `aggTrades`, `fundingRate`.
            source: Name of a connector.
            market: For Binance `spot`, `um`, `cm`, `option`.
            symbols: One or more, as the source spells them (`BTCUSDT`) or as ccxt does (`BTC/USDT:USDT`).
            interval: Bar length, of types that have one.
            start: First instant, inclusive; an aware datetime, or ISO text, which without a zone is UTC. Any instant will do.
            end: First instant that is left out; as `start`.
            missing: What to do about archives that are not in the tables: `error` names them; `report` reads what is there and
                says the rest in `gaps` and as a `Notice`; `fetch` discovers, collects and builds just them. What the source
                never published, and a day that is not over yet, is never an error: it is said in `gaps`.
            columns: Names in the order wanted; default: all but the lineage.
            cadence: Which archives a fetch takes, as in `collect`; what is in the tables is read whatever brought it.

        Raises:
            UsageError: No such source, market, data type, interval or option; a time is naive.
            NotFoundError: With `error`, names what is missing; the source has no such symbol; or nothing is in the tables.
            TransferError: A fetch could not copy an archive; the same call goes on where it was.
            ConfigurationError, ConnectError, AccessError, TableError: As `collect` and `build`.
        """
        from lakehouse_sdk.jobs import load_series  # noqa: PLC0415 (the stages load when they are used)

        return load_series(
            data_type,
            settings=self.settings,
            source=source,
            market=market,
            symbols=symbols,
            interval=interval,
            start=start,
            end=end,
            missing=missing,
            columns=columns,
            cadence=cadence,
            observer=self._observer,
        )

    def query(self, sql: str, *, as_of: QueryAsOf | None = None, exact: bool = False) -> QueryResult:
        """The rows of one SELECT over any tables, by DuckDB: `.to_pandas()`, `.to_polars()`, `.to_arrow()`, `.fetchall()`.

        Nothing is read before that. Then columns, filters and files are chosen by the query, in bounded memory as far as the
        SELECT itself allows it: at most `tables.query_memory_mib` (half of the machine's), and `tables.query_temp_mib` (10 GiB)
        of temporary files. Times are in UTC. SQL can only read, and only tables: no files, no network.

        Args:
            sql: One SELECT of DuckDB's SQL; tables are named in full, as `silver.klines`.
            as_of: Every table as it was at an aware datetime or tag; or states by table: `{"silver.klines": "study-1"}`.
            exact: True for the decimals of exact tables as they are stored; otherwise they are DOUBLE.

        Raises:
            UsageError: Not a single SELECT, a syntax error, an unknown table or column, or something that SQL may not do here.
            NotFoundError: A table has no such tag, or had no snapshot at that time.
            ConfigurationError: The extra `tables` is not installed.
        """
        tables = self.settings.tables
        memory_mib, temp_mib = tables.query_memory_mib, tables.query_temp_mib
        return self.catalog.query(sql, as_of, exact=exact, memory_mib=memory_mib, temp_mib=temp_mib)
