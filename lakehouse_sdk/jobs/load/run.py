"""One call for the researcher: what is in the tables is read, what is missing is named or fetched.

Guarantee: where the ledger knows the archives of the asked time to be in the tables, no request goes to the source. Of a fetch
only what is missing is collected, and rows are there once, however many callers fetch the same at the same time.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from lakehouse_sdk.archives import ArchiveQuery, Cadence, Dataset, Series
from lakehouse_sdk.archives.cadence import check_cadence
from lakehouse_sdk.archives.instruments import read_symbol, spell_symbol
from lakehouse_sdk.archives.ledger import Ledger, LedgerEntry
from lakehouse_sdk.archives.readiness import Gap, ReadyState, find_gaps
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConfigurationError, NotFoundError, UsageError
from lakehouse_sdk.events import Notice, Observer, ignore_events
from lakehouse_sdk.instants import to_instant
from lakehouse_sdk.jobs.build.run import build_tables
from lakehouse_sdk.jobs.collect.discover import Discovery
from lakehouse_sdk.jobs.collect.knowledge import SeriesKnowledge
from lakehouse_sdk.jobs.collect.plan import CollectOptions
from lakehouse_sdk.jobs.collect.run import collect
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    from lakehouse_sdk.jobs.load.series import LoadedScan
    from lakehouse_sdk.tables import TableScan

Missing = Literal["error", "report", "fetch"]
_FETCHES = 3
"""Rounds of a fetch: months, the days that they lack, and once more for what was listed meanwhile."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for, with everything checked.

    Attributes:
        source: Name of the connector.
        dataset: The type of the market, with the one interval.
        symbols: Native symbols, each once.
        start: First instant.
        end: First instant that is left out.
    """

    source: str
    dataset: Dataset
    symbols: tuple[str, ...]
    start: datetime
    end: datetime

    @property
    def interval(self) -> str | None:
        """The bar length, of types that have one."""
        return self.dataset.intervals[0] if self.dataset.intervals else None

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"{self.source} {self.dataset.market} {self.dataset.data_type}" + (f" {self.interval}" if self.interval else "")

    @property
    def query(self) -> ArchiveQuery:
        """The archives that hold it."""
        intervals = None if self.interval is None else (self.interval,)
        names = ((self.dataset.market,), (self.dataset.data_type,), self.symbols, intervals)
        return ArchiveQuery(*names, start=self.start, end=self.end)

    def series(self, symbol: str) -> Series:
        """The series of one symbol."""
        return self.source, self.dataset.market, self.dataset.data_type, symbol, self.interval or ""


def load_series(
    data_type: str,
    *,
    settings: Settings | Session,
    market: str,
    symbols: str | Iterable[str],
    start: datetime | str,
    end: datetime | str,
    source: str = "binance",
    interval: str | None = None,
    missing: Missing = "error",
    columns: Sequence[str] | None = None,
    cadence: Cadence = "auto",
    observer: Observer = ignore_events,
) -> LoadedScan:
    """A scan of the rows of some series, after what is missing was named or fetched; see `Lakehouse.load`.

    Raises:
        UsageError: No such source, market, data type, interval or option; a time is naive.
        NotFoundError: Archives are missing (`missing="error"`), the source has no such symbol, or nothing is in the tables.
        ConfigurationError, ConnectError, AccessError, StorageError, TransferError, TableError: As `collect`, `build_tables`.
    """
    from lakehouse_sdk.jobs.load.series import LoadedScan  # noqa: PLC0415 (loads Iceberg and Arrow)
    from lakehouse_sdk.tables import get_format  # noqa: PLC0415

    if missing not in get_args(Missing):
        raise UsageError(f"missing={missing!r} is not known.", hint=f"Choose one of {', '.join(get_args(Missing))}.")
    check_cadence(cadence)
    spec = get_format(source, market, data_type)
    with open_session(settings) as session:
        request = _check(data_type, session, market, symbols, start, end, source, interval)
        fetched = 0
        if missing == "fetch":  # rows may lie a little outside of their archive's period
            asked = replace(request, start=request.start - spec.late, end=request.end + spec.early)
            fetched = _fetch_all(session, asked, cadence, observer)
        gaps = _chart(session, request)
        _tell_gaps(request, gaps, missing, observer)
        scan = _scan(session, spec.table, request, columns, gaps, missing)
    return LoadedScan.of(scan, gaps, fetched)


def find_lacking(
    *,
    settings: Settings | Session,
    source: str,
    market: str,
    table: str,
    symbols: Sequence[str],
    interval: str | None,
    start: datetime,
    end: datetime,
) -> list[Gap]:
    """The times of some series of a table whose rows are not all there, by the judgement of `load`; asks no source.

    Nothing where no connector publishes what the table holds, or there is no ledger.
    """
    from lakehouse_sdk.tables.layout.formats import list_formats  # noqa: PLC0415 (loads polars)

    wanted = (source, market, table)
    types = [spec.data_type for spec in list_formats() if (spec.source, spec.market, spec.table) == wanted]
    with open_session(settings) as session:
        gaps: list[Gap] = []
        for data_type in types:
            intervals = None if interval is None else (interval,)
            with suppress(UsageError, ConfigurationError):
                query = ArchiveQuery((market,), (data_type,), intervals=intervals, start=start, end=end)
                (dataset,) = session.connector(source).capabilities().select(query)
                gaps += _chart(session, _Request(source, dataset, tuple(symbols), start, end))
    return gaps


def _tell_gaps(request: _Request, gaps: list[Gap], missing: Missing, observer: Observer) -> None:
    """Say what is lacking, as loud as was asked for."""
    from lakehouse_sdk.jobs.load.series import name_gaps  # noqa: PLC0415 (loads Arrow)

    lacking = [gap for gap in gaps if gap.state is ReadyState.MISSING]
    what = request.name
    if lacking and missing == "error":
        raise NotFoundError(
            f"{what} is not all in the tables: {name_gaps(lacking)}.",
            hint='missing="fetch" collects and builds it, missing="report" reads what is there.',
        )
    if lacking:
        observer(Notice("load", f"{what} is not all in the tables: {name_gaps(lacking)}."))
    if short := [gap for gap in gaps if gap.state is ReadyState.SHORT]:
        observer(Notice("load", f"{what} has fewer rows than the calendar expects: {name_gaps(short)}."))
    if others := [gap for gap in gaps if gap.state not in {ReadyState.MISSING, ReadyState.SHORT}]:
        observer(Notice("load", f"{what} is not published for all of the time: {name_gaps(others)}."))


def _scan(
    session: Session, table: str, request: _Request, columns: Sequence[str] | None, gaps: list[Gap], missing: Missing
) -> TableScan:
    """The read of the request's rows."""
    from lakehouse_sdk.jobs.load.series import name_gaps  # noqa: PLC0415 (loads Arrow)

    if table not in session.catalog.list_tables():
        hint = 'missing="fetch" collects and builds it.' if missing != "fetch" else "Ask for another time."
        raise NotFoundError(f"Nothing of {request.name} is in the tables: {name_gaps(gaps)}.", hint=hint)
    return session.catalog.table(table).scan_series(
        source=request.source,
        market=request.dataset.market,
        symbols=request.symbols,
        interval=request.interval,
        start=request.start,
        end=request.end,
        columns=columns,
    )


def _check(
    data_type: str,
    session: Session,
    market: str,
    symbols: str | Iterable[str],
    start: datetime | str,
    end: datetime | str,
    source: str,
    interval: str | None,
) -> _Request:
    first, last = to_instant("start", start), to_instant("end", end)
    if first is None or last is None or first >= last:
        raise UsageError(f"start={start} is not before end={end}.", hint="The span is half-open, and needs both ends.")
    wanted = (symbols,) if isinstance(symbols, str) else tuple(dict.fromkeys(symbols))
    if not wanted or any(sign in symbol for symbol in wanted for sign in "*?["):
        raise UsageError("Name the symbols, at least one and without patterns.", hint="lake.instruments() lists them.")
    capabilities = session.connector(source).capabilities()
    query = ArchiveQuery((market,), (data_type,), intervals=None if interval is None else (interval,), start=first, end=last)
    (dataset,) = capabilities.select(query)
    if dataset.intervals and interval is None:
        raise UsageError(f"{data_type} have an interval.", hint=f"Choose one of {', '.join(dataset.intervals)}.")
    if interval is not None and not dataset.intervals:
        raise UsageError(f"{data_type} have no interval.", hint="Leave it out.")
    natives = _to_native(session.ledger, source, query, wanted)
    return _Request(source, dataset, tuple(dict.fromkeys(natives)), first, last)


def _to_native(ledger: Ledger, source: str, query: ArchiveQuery, symbols: Sequence[str]) -> list[str]:
    """The symbols as the source spells them: by what the ledger has seen, else by the rule of the source."""
    if not any("/" in symbol for symbol in symbols):
        return list(symbols)
    (market,) = query.markets
    known = sorted({series[3] for series, _ in ledger.newest(source, replace(query, start=None, end=None))})
    by_canonical: dict[str, list[str]] = {}
    for symbol in known:
        by_canonical.setdefault(read_symbol(source, market, symbol).canonical, []).append(symbol)
    found: list[str] = []
    for symbol in symbols:
        spelled = by_canonical.get(symbol) or ([symbol] if symbol in known or "/" not in symbol else None)
        if spelled is None:
            native = spell_symbol(source, market, symbol)
            if native is None:
                raise UsageError(
                    f"{symbol!r} is no symbol of {source} {market}.",
                    hint="Canonical names: BTC/USDT on spot, BTC/USDT:USDT of a linear future, BTC/USD:BTC of an inverse one.",
                )
            spelled = [native]
        found += spelled
    return found


def _chart(session: Session, request: _Request) -> list[Gap]:
    """What of the request is not in the tables, by symbol."""
    query, now = request.query, datetime.now(UTC)
    by_symbol: dict[str, list[LedgerEntry]] = {symbol: [] for symbol in request.symbols}
    before = replace(query, start=request.start - timedelta(days=1))  # whose archive may have the first row of the first day
    for entry in session.ledger.entries(request.source, before):
        by_symbol[entry.symbol].append(entry)
    known = SeriesKnowledge(session, request.source, query)
    gaps: list[Gap] = []
    for symbol, entries in by_symbol.items():
        record = known.record(request.series(symbol), entries)
        gaps += find_gaps(symbol, record, request.start, request.end, request.dataset, now)
    return gaps


def _fetch_all(session: Session, request: _Request, cadence: Cadence, observer: Observer) -> int:
    """Bring what lacks until nothing more comes: an archive that turns out short has its days asked for next."""
    fetched = 0
    for _ in range(_FETCHES):
        gaps = [gap for gap in _chart(session, request) if not gap.final]
        if not gaps:
            break
        brought = _fetch(session, request, gaps, cadence, observer)
        fetched += brought
        _check_known(session, request)
        if not brought:
            break
    return fetched


def _fetch(session: Session, request: _Request, gaps: Sequence[Gap], cadence: Cadence, observer: Observer) -> int:
    """Collect and build what the gaps lack; returns how many archives were built.

    Whole months are listed, so that the cadence can weigh a month against its days; only what fills a gap is brought.
    """
    holes: dict[str, list[Gap]] = {}
    for gap in gaps:
        holes.setdefault(gap.symbol, []).append(gap)
    first = min(gap.start for gap in gaps).replace(day=1)
    last = (max(gap.end for gap in gaps) - timedelta(microseconds=1)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    query = replace(request.query, symbols=tuple(holes), start=first, end=(last + timedelta(days=31)).replace(day=1))
    spans = {request.series(symbol): [(gap.start, gap.end) for gap in of_symbol] for symbol, of_symbol in holes.items()}
    discovery = Discovery(request.source, query, settings=session, observer=observer)
    options = CollectOptions(cadence=cadence, spans=spans)
    collected = collect(discovery, settings=session, options=options, observer=observer)
    collected.raise_for_failures()
    if not collected.in_bronze:
        return 0
    return len(build_tables(collected, settings=session, observer=observer).files)


def _check_known(session: Session, request: _Request) -> None:
    """A symbol of which the source has no archive of any time is nearly always misspelt.

    Raises:
        NotFoundError: Names it, and what is like it.
    """
    everything = replace(request.query, symbols=None, start=None, end=None)
    known = {series[3] for series, _ in session.ledger.newest(request.source, everything)}
    for symbol in request.symbols:
        if symbol in known or any(Discovery(request.source, replace(everything, symbols=(symbol,)), settings=session)):
            continue
        close = difflib.get_close_matches(symbol.upper(), sorted(known), 3, 0.5)
        guess = f"Did you mean {' or '.join(close)}? " if close else ""
        raise NotFoundError(
            f"{request.source} never published {request.dataset.market} {request.dataset.data_type} of {symbol!r}.",
            hint=f"{guess}lake.instruments({request.source!r}, markets=[{request.dataset.market!r}]) lists every symbol.",
        )
