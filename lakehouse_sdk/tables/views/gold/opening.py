"""Which silver tables a view is made of: chosen once, in the state that they are in then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.tables.layout.formats import (
    AGG_TRADES,
    FUNDING,
    INDEX_KLINES,
    KLINES,
    MARK_KLINES,
    PREMIUM_KLINES,
    TRADES,
)
from lakehouse_sdk.tables.views.gold.inputs import TRADE_TABLES, BarInput, bar_columns
from lakehouse_sdk.tables.views.gold.intervals import BarInterval, parse_interval
from lakehouse_sdk.tables.views.gold.joins import pair_of
from lakehouse_sdk.tables.views.gold.view import Feature, Gaps, GoldInput, GoldView, ViewStore

if TYPE_CHECKING:
    from lakehouse_sdk.tables.read.scan import TableScan

MadeFrom = Literal["auto", "klines", "agg_trades", "trades", "mark_klines", "index_klines", "premium_klines"]

_TRADED = frozenset({KLINES, AGG_TRADES, TRADES})
_PRICES = {"mark": MARK_KLINES, "index": INDEX_KLINES, "premium": PREMIUM_KLINES}
_OF_AMOUNTS = frozenset({"vwap", "imbalance"})
_SPOT = "spot"
_COLLECT = "Collect and build them first, or ask for another time, market or made_from."


@dataclass(frozen=True, slots=True)
class GoldDefinition:
    """What gold views are made of, for whoever describes a table.

    Attributes:
        name: `bars`, or a feature of bars.
        sentence: What it is.
        columns: What it adds.
        tables: Silver tables that it derives from.
    """

    name: str
    sentence: str
    columns: tuple[str, ...]
    tables: tuple[str, ...]


_BARS_FROM = (KLINES, AGG_TRADES, TRADES)
DEFINITIONS: tuple[GoldDefinition, ...] = (
    GoldDefinition(
        "bars",
        "Bars of any interval, out of published ones or of trades.",
        ("open", "high", "low", "close", "is_complete", "is_filled"),
        (*_BARS_FROM, MARK_KLINES, INDEX_KLINES, PREMIUM_KLINES),
    ),
    GoldDefinition("vwap", "Average price, weighted by volume.", ("vwap",), _BARS_FROM),
    GoldDefinition("returns", "Change of the close from bar to bar.", ("return", "log_return"), _BARS_FROM),
    GoldDefinition("imbalance", "Takers' buys less their sells, by the whole.", ("taker_imbalance",), _BARS_FROM),
    GoldDefinition(
        "funding",
        "The newest rate when the bar began, and what was paid within it.",
        ("funding_rate", "funding_time", "funding_paid"),
        (FUNDING,),
    ),
    GoldDefinition("mark", "The mark price at the end of the bar.", ("mark_close",), (MARK_KLINES,)),
    GoldDefinition(
        "index", "The index at the end of the bar, and the close less it.", ("index_close", "basis"), (INDEX_KLINES,)
    ),
    GoldDefinition("premium", "The published premium at the end of the bar.", ("premium_close",), (PREMIUM_KLINES,)),
)
"""Every gold view and feature, in the order of the documentation."""


@dataclass(frozen=True, slots=True)
class BarQuery:
    """Which bars are asked for; as the arguments of `Lakehouse.bars`."""

    interval: str
    symbols: str | Sequence[str] | None = None
    source: str = "binance"
    market: str = "um"
    start: datetime | str | None = None
    end: datetime | str | None = None
    made_from: MadeFrom = "auto"
    gaps: Gaps = "none"
    features: Sequence[Feature] = ()
    as_of: datetime | str | None = None


def open_bars(catalog: ViewStore, query: BarQuery) -> GoldView:
    """The view that the query describes, on the tables as they are now, or were at `as_of`; nothing is computed yet.

    Raises:
        UsageError: An argument is wrong, or the market has no such feature.
        NotFoundError: A table that is needed does not exist, or holds nothing that fits.
    """
    length = parse_interval(query.interval)
    _check(query)
    bars = _choose_bars(catalog, query, length)
    wanted = bars.scan.symbols
    inputs = [_describe("bars", bars.scan, bars.interval)]
    prices: dict[str, BarInput] = {}
    funding: TableScan | None = None
    for feature in dict.fromkeys(query.features):
        if feature in _PRICES:
            symbols = tuple(dict.fromkeys(map(pair_of, wanted))) if wanted and feature == "index" else wanted
            prices[feature] = _find_bars(catalog, query, length, _PRICES[feature], symbols)
            inputs.append(_describe(feature, prices[feature].scan, prices[feature].interval))
        elif feature == "funding":
            funding = _scan(catalog, query, FUNDING, wanted, ("symbol", "funding_time", "rate"))
            inputs.append(_describe(feature, funding, None))
    return GoldView(
        source=query.source,
        market=query.market,
        symbols=wanted,
        interval=query.interval,
        start=bars.scan.start,
        end=bars.scan.end,
        gaps=query.gaps,
        features=tuple(dict.fromkeys(query.features)),
        inputs=tuple(inputs),
        _length=length,
        _bars=bars,
        _prices=prices,
        _funding=funding,
        _catalog=catalog,
    )


def _check(query: BarQuery) -> None:
    for what, value, known in (
        ("made_from", query.made_from, get_args(MadeFrom)),
        ("gaps", query.gaps, get_args(Gaps)),
        *(("features", feature, get_args(Feature)) for feature in query.features),
    ):
        if value not in known:
            raise UsageError(f"{what} cannot be {value!r}.", hint=f"Known: {', '.join(known)}.")
    computed = query.made_from.endswith("_klines")
    for feature in query.features:
        if query.market == _SPOT and (feature in _PRICES or feature == "funding"):
            raise UsageError(f"A spot market has no {feature}.", hint="Ask for the bars of the future.")
        if computed and (feature in _OF_AMOUNTS or query.made_from == "premium_klines"):
            raise UsageError(
                f"{query.made_from} have no {feature}.",
                hint="Nothing is traded at a computed price, and a premium is no price; make the bars from klines or trades.",
            )


def _choose_bars(catalog: ViewStore, query: BarQuery, length: BarInterval) -> BarInput:
    """The first that has every symbol: published bars of the very interval, longest shorter ones, aggregate trades, trades."""
    if query.made_from != "auto":
        return _find_bars(catalog, query, length, f"silver.{query.made_from}", query.symbols)
    failures: list[NotFoundError] = []
    for table in _BARS_FROM:
        try:
            return _find_bars(catalog, query, length, table, query.symbols)
        except NotFoundError as error:
            failures.append(error)
    raise failures[0]


def _find_bars(
    catalog: ViewStore, query: BarQuery, length: BarInterval, table: str, symbols: str | Sequence[str] | None
) -> BarInput:
    if table in TRADE_TABLES:
        scan = _scan(catalog, query, table, symbols, TRADE_TABLES[table])
        if scan.extent() is not None:
            return BarInput(scan, None)
        raise NotFoundError(f"{table} holds no trade of {query.source} {query.market} in this time.", hint=_COLLECT)
    whole = _scan(catalog, query, table, symbols, bar_columns(table))
    stored = sorted(map(parse_interval, whole.partitions("interval")), key=lambda one: one.order, reverse=True)
    fitting = [one for one in stored if length.is_made_of(one)]
    for one in fitting:
        if len(fitting) == 1 or _holds_all(catalog, query, table, whole.symbols, one):
            return BarInput(_scan(catalog, query, table, symbols, bar_columns(table), one.text), one)
    there = f"it has {', '.join(one.text for one in reversed(stored))}" if stored else "it has none in this time"
    every = " for every symbol" if fitting else ""
    raise NotFoundError(
        f"{table} has no bars of {query.source} {query.market} that make up {length}{every}; {there}.", hint=_COLLECT
    )


def _holds_all(catalog: ViewStore, query: BarQuery, table: str, symbols: tuple[str, ...] | None, interval: BarInterval) -> bool:
    """True where every symbol has bars of the interval in the time asked for."""
    probes = (_scan(catalog, query, table, symbol, ("symbol",), interval.text) for symbol in symbols or ())
    return all(probe.head(1).num_rows for probe in probes)


def _scan(
    catalog: ViewStore,
    query: BarQuery,
    table: str,
    symbols: str | Sequence[str] | None,
    columns: tuple[str, ...],
    interval: str | None = None,
) -> TableScan:
    known = catalog.table(table)
    names = {column.name for column in known.columns}
    natives = None if symbols is None else known.native_symbols(symbols, source=query.source, market=query.market)
    return known.scan(
        symbols=natives,
        start=query.start,
        end=query.end,
        columns=[name for name in columns if name in names],
        interval=interval,
        market=query.market,
        as_of=query.as_of,
        source=query.source,
    )


def _describe(role: str, scan: TableScan, interval: BarInterval | None) -> GoldInput:
    return GoldInput(role, scan.table, scan.snapshot_id, interval.text if interval else None)
