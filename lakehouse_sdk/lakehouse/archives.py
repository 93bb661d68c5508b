"""What the façade says about archives: discover, collect, coverage, instruments, build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, overload

from lakehouse_sdk.instants import to_instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from lakehouse_sdk.archives import ArchiveQuery, Cadence
    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.jobs import BuildReport, CollectionPlan, CollectReport, Coverage, Discovery, Instruments
    from lakehouse_sdk.tables import Gate


class ArchiveCalls:
    """The part of `Lakehouse` that is about archives."""

    settings: Settings
    _observer: Observer

    def discover(
        self,
        source: str = "binance",
        *,
        markets: Iterable[str],
        data_types: Iterable[str],
        symbols: Iterable[str] | None = None,
        intervals: Iterable[str] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
    ) -> Discovery:
        """The archives that a public source publishes: iterate them as they are listed, or see `archives` and `to_pandas`.

        Args:
            source: Name of a connector.
            markets: For Binance `spot`, `um`, `cm`, `option`.
            data_types: For example `klines`, `aggTrades`.
            symbols: Native symbols, None for all.
            intervals: Bar intervals, None for all.
            start: Archives that end before this time are left out: an aware datetime, or ISO text, which without a zone is UTC.
            end: Archives that start at or after this time are left out.

        Raises:
            UsageError: No such connector, or it has no such market or data type. What listing raises, iterating raises.
        """
        from lakehouse_sdk.jobs import discover_archives  # noqa: PLC0415

        query = _make_query(markets, data_types, symbols, intervals, start, end)
        return discover_archives(query, settings=self.settings, source=source, observer=self._observer)

    @overload
    def collect(
        self,
        discovery: Discovery,
        *,
        cadence: Cadence = ...,
        incremental: bool = ...,
        audit: bool = ...,
        repair: bool = ...,
        restore: bool = ...,
        dry_run: Literal[False] = ...,
    ) -> CollectReport: ...

    @overload
    def collect(
        self,
        discovery: Discovery,
        *,
        cadence: Cadence = ...,
        incremental: bool = ...,
        audit: bool = ...,
        repair: bool = ...,
        restore: bool = ...,
        dry_run: Literal[True],
    ) -> CollectionPlan: ...

    def collect(
        self,
        discovery: Discovery,
        *,
        cadence: Cadence = "auto",
        incremental: bool = False,
        audit: bool = False,
        repair: bool = False,
        restore: bool = False,
        dry_run: bool = False,
    ) -> CollectReport | CollectionPlan:
        """Bring discovered archives into bronze; each becomes visible only when its published checksum held. Idempotent.

        What is listed is compared with the ledger: archives that bronze holds are left alone, those that the source published
        anew replace their predecessors, whose bytes are kept below `bronze/_revisions/`.

        Args:
            discovery: What `discover` found, or will find.
            cadence: `auto` takes the monthly archive of each month that has one and daily ones for the rest; `daily`,
                `monthly`; `reconcile` takes both.
            incremental: True to list only what is newer than what the ledger knows, less 35 days (monthly archives: two
                months), for a run every night.
            audit: True to compare also what bronze itself holds with the ledger, for a run every week.
            repair: True to bring only what `coverage` calls missing or wrong, what was quarantined before included.
            restore: True to bring again also what `retain` dropped from bronze.
            dry_run: True for the plan alone: objects, bytes, requests and an estimate of time; remembers nothing.

        Raises:
            ConfigurationError: `catalog.uri` is not set: the ledger lives there.
            ConnectError, AccessError: Source or lake cannot be used. Failed copies are in the report.
        """
        from lakehouse_sdk.jobs import CollectOptions, collect, plan_collection, plan_repair  # noqa: PLC0415

        options = CollectOptions(cadence, incremental=incremental, audit=audit, restore=restore, dry_run=dry_run)
        if repair:
            discovery, options = plan_repair(discovery, settings=self.settings, options=options)
        if dry_run:
            return plan_collection(discovery, settings=self.settings, options=options, observer=self._observer)
        return collect(discovery, settings=self.settings, options=options, observer=self._observer)

    def coverage(
        self,
        source: str = "binance",
        *,
        markets: Iterable[str],
        data_types: Iterable[str],
        symbols: Iterable[str] | None = None,
        intervals: Iterable[str] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        cadence: Cadence = "auto",
    ) -> Coverage:
        """What is in bronze of what should be there: a calendar of every series, compared with the ledger; asks no source.

        Args:
            source: Name of a connector.
            markets: As in `discover`, as are the next three.
            data_types: Data types.
            symbols: Native symbols, None for all that the ledger knows.
            intervals: Bar intervals, None for all.
            start: First day of the calendar, as in `discover`; None: the first that the source publishes of each series.
            end: End of the calendar, exclusive; None: the last.
            cadence: Which archives count, as in `collect`.

        Raises:
            UsageError: No such connector, or it has no such market or data type.
            ConfigurationError: `catalog.uri` is not set: the ledger lives there.
        """
        from lakehouse_sdk.jobs import measure_coverage  # noqa: PLC0415

        query = _make_query(markets, data_types, symbols, intervals, start, end)
        return measure_coverage(query, settings=self.settings, source=source, cadence=cadence)

    def instruments(
        self,
        source: str = "binance",
        *,
        markets: Iterable[str],
        data_type: str = "klines",
        symbols: Iterable[str] | None = None,
    ) -> Instruments:
        """Every symbol that the source ever published, delisted ones included, with its first and last period.

        Args:
            source: Name of a connector.
            markets: As in `discover`.
            data_type: Whose archives tell when a symbol began and ended; of bars the longest daily ones are asked.
            symbols: Native symbols or patterns, None for all.

        Raises:
            UsageError, ConnectError, AccessError, StorageError: As `discover`.
        """
        from lakehouse_sdk.jobs import list_instruments  # noqa: PLC0415

        wanted = None if symbols is None else tuple(symbols)
        return list_instruments(
            tuple(markets), data_type, wanted, settings=self.settings, source=source, observer=self._observer
        )

    def build(self, collected: CollectReport, *, rebuild: bool = False, gate: Gate | None = None) -> BuildReport:
        """Turn collected archives into Iceberg tables: parse, validate, commit. Idempotent.

        Args:
            collected: From `collect`.
            rebuild: True to read also archives whose rows the ledger knows to be in the tables.
            gate: Conditions of the batch: it lands on a branch, and is published only where they hold; `gate` of the report
                says what came of it. Default: none.

        Raises:
            ConfigurationError: No catalogue is set, or the extra `tables` is not installed.
            TableError: A commit lost its race too often.
        """
        from lakehouse_sdk.jobs import build_tables, build_through_gate  # noqa: PLC0415

        if gate is not None:
            return build_through_gate(collected, gate, settings=self.settings, rebuild=rebuild, observer=self._observer)
        return build_tables(collected, settings=self.settings, rebuild=rebuild, observer=self._observer)


def _make_query(
    markets: Iterable[str],
    data_types: Iterable[str],
    symbols: Iterable[str] | None,
    intervals: Iterable[str] | None,
    start: datetime | str | None,
    end: datetime | str | None,
) -> ArchiveQuery:
    """The query of any iterables."""
    from lakehouse_sdk.archives import ArchiveQuery  # noqa: PLC0415 (the stages load when they are used)

    return ArchiveQuery(
        _as_tuple(markets),
        _as_tuple(data_types),
        symbols=None if symbols is None else _as_tuple(symbols),
        intervals=None if intervals is None else _as_tuple(intervals),
        start=to_instant("start", start),
        end=to_instant("end", end),
    )


def _as_tuple(names: Iterable[str]) -> tuple[str, ...]:
    """Any iterable; a single text stays what it is, so that the query says what is wrong with it."""
    return cast("tuple[str, ...]", names) if isinstance(names, str) else tuple(names)
