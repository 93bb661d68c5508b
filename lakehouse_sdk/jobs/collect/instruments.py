"""The universe of a source: every symbol that it ever published, those that are gone included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Dataset
from lakehouse_sdk.archives.instruments import Instrument, read_symbol
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.jobs.collect.discover import Discovery
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    import pandas as pd

_SILENCE = {"daily": timedelta(days=7), "monthly": timedelta(days=62)}
"""How long after a symbol's last period others of its market go on before it counts as delisted."""
_FLAT = timedelta(days=7)
"""How long bars go on without a trade before the last one with a trade is taken for the symbol's end."""
_KLINES = "silver.klines"
_LENGTHS = {
    "1d": "1 DAY",
    "12h": "12 HOURS",
    "8h": "8 HOURS",
    "6h": "6 HOURS",
    "4h": "4 HOURS",
    "2h": "2 HOURS",
    "1h": "1 HOUR",
}
_LONG = tuple(_LENGTHS)
"""Intervals to ask, first that exists: the longest that is published daily, whose archives are the smallest."""


@dataclass(frozen=True)
class Instruments:
    """Symbols of a source, by market and symbol.

    Attributes:
        source: Name of the connector.
        instruments: The symbols.
    """

    source: str
    instruments: tuple[Instrument, ...]

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.instruments)

    def __len__(self) -> int:
        return len(self.instruments)

    def active_at(self, moment: datetime) -> tuple[Instrument, ...]:
        """The symbols that could be traded at this aware time, by what was published: a universe without survivorship bias.

        Raises:
            UsageError: The time has no time zone.
        """
        if moment.tzinfo is None:
            raise UsageError(f"{moment} has no time zone.", hint="Archives are cut by UTC: pass tzinfo=UTC.")
        return tuple(item for item in self.instruments if item.first <= moment < (item.last_trade or item.last))

    def to_pandas(self) -> pd.DataFrame:
        """One line for each symbol, columns as the fields of `Instrument`."""
        from lakehouse_sdk.jobs.collect.frames import instruments_to_pandas  # noqa: PLC0415 (pandas loads when it is asked for)

        return instruments_to_pandas(self.instruments)

    def __repr__(self) -> str:
        gone = sum(item.delisted for item in self.instruments)
        return f"<Instruments {self.source}: {format_count(len(self))} symbols, {format_count(gone)} delisted>"

    def _repr_html_(self) -> str:
        gone = sum(item.delisted for item in self.instruments)
        rows = [
            (i.market, i.symbol, i.canonical, i.kind, f"{i.first:%Y-%m-%d}", f"{i.last:%Y-%m-%d}", "yes" if i.delisted else "")
            for i in self.instruments
        ]
        body = html_table(rows, ["market", "symbol", "canonical", "kind", "first", "end", "delisted"])
        facts = {"symbols": format_count(len(self)), "delisted": format_count(gone)}
        return html_card(f"Instruments of {self.source}", facts, body)


def list_instruments(
    markets: Sequence[str],
    data_type: str,
    symbols: tuple[str, ...] | None = None,
    *,
    settings: Settings | Session,
    source: str = "binance",
    observer: Observer = ignore_events,
) -> Instruments:
    """List a source's archives of one type and read from them which symbols there were, and when.

    Raises:
        UsageError: No such connector, market or data type.
        ConnectError, AccessError, StorageError: The source cannot be listed.
    """
    with open_session(settings) as session:
        return _list(session, markets, data_type, symbols, source, observer)


def _list(
    session: Session,
    markets: Sequence[str],
    data_type: str,
    symbols: tuple[str, ...] | None,
    source: str,
    observer: Observer,
) -> Instruments:
    capabilities = session.connector(source).capabilities()
    datasets = capabilities.select(ArchiveQuery(tuple(markets), (data_type,)))
    spans: dict[tuple[str, str], tuple[datetime, datetime, timedelta]] = {}
    for dataset in datasets:
        query = ArchiveQuery((dataset.market,), (data_type,), symbols=symbols, intervals=_longest(dataset))
        for found in Discovery(source, query, settings=session, observer=observer):
            if isinstance(found, ArchiveObject):
                place = (found.market, found.symbol)
                first, last, silence = spans.get(place, (found.period_start, found.period_end, _SILENCE[found.frequency]))
                silence = min(silence, _SILENCE[found.frequency])
                spans[place] = min(first, found.period_start), max(last, found.period_end), silence
    trades = _find_last_trades(session, source, markets)
    newest = {market: max(last for (of, _), (_, last, _) in spans.items() if of == market) for market, _ in spans}
    listed = []
    for (market, symbol), (first, last, silence) in sorted(spans.items()):
        said = asdict(read_symbol(source, market, symbol))
        ended = trades.get((market, symbol))
        delisted = not capabilities.frozen and ((ended or last) + silence < newest[market])
        listed.append(Instrument(source, market, symbol, **said, first=first, last=last, delisted=delisted, last_trade=ended))
    return Instruments(source, tuple(listed))


def _find_last_trades(session: Session, source: str, markets: Sequence[str]) -> dict[tuple[str, str], datetime]:
    """By market and symbol the end of trading, of those whose bars in the tables go on without a trade."""
    if not session.settings.catalog.uri:
        return {}
    with suppress(ConfigurationError):  # tables are an extra
        if _KLINES not in session.catalog.list_tables():
            return {}
        lengths = " ".join(f"WHEN '{name}' THEN INTERVAL {length}" for name, length in _LENGTHS.items())
        among = ", ".join(f"'{name}'" for name in _LENGTHS)
        rows = session.catalog.query(
            f"SELECT source, market, symbol, max(open_time), max(open_time + CASE interval {lengths} END)"  # noqa: S608 (constants)
            f" FILTER (volume > 0) FROM {_KLINES} WHERE interval IN ({among}) GROUP BY ALL"
        ).fetchall()
        return {
            (market, symbol): traded
            for publisher, market, symbol, last, traded in rows
            if publisher == source and market in markets and traded is not None and last - traded > _FLAT
        }
    return {}


def _longest(dataset: Dataset) -> tuple[str, ...] | None:
    if not dataset.intervals:
        return None
    return (next((interval for interval in _LONG if interval in dataset.intervals), dataset.intervals[-1]),)
