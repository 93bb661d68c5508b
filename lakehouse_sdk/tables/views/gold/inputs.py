"""Bars and trades of silver tables as they are read for a view: in parts that fit into memory, as bars of one interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from lakehouse_sdk.tables.layout.formats import AGG_TRADES, KLINES, TRADES
from lakehouse_sdk.tables.views.gold.intervals import DAY, BarInterval, parse_interval
from lakehouse_sdk.tables.views.gold.resample import AMOUNTS, COMPLETE, PRICES, SAMPLES, empty_bars, trades_to_bars

if TYPE_CHECKING:
    from lakehouse_sdk.tables.read.scan import TableScan

PART_ROWS = 2_000_000
"""Rows of a table that are held at once, as far as they can be cut by time: about 200 MiB of trades."""

TRADE_TABLES = {
    TRADES: ("symbol", "trade_time", "trade_id", "price", "quantity", "side", "contract_quantity"),
    AGG_TRADES: (
        "symbol",
        "transact_time",
        "agg_trade_id",
        "first_trade_id",
        "last_trade_id",
        "price",
        "quantity",
        "side",
        "contract_quantity",
    ),
}
"""What is read of each table of trades."""

_WORTHWHILE = 0.75
"""A part is cut again where that saves at least a quarter of the rows that its files hold."""
_UNITS = tuple(parse_interval(text) for text in ("1d", "12h", "6h", "1h", "1m", "1s"))


@dataclass(frozen=True, slots=True)
class BarInput:
    """A read of a table of bars or of trades.

    Attributes:
        scan: The read, of any time.
        interval: Length of its bars; None for trades.
    """

    scan: TableScan
    interval: BarInterval | None

    def unit(self, length: BarInterval) -> BarInterval:
        """The bars that `read_bars` is to give, so that bars of `length` can be made of them: of trades at most a day's."""
        if self.interval is not None:
            return self.interval
        if length.length is not None and length.length <= DAY:
            return length
        return next(unit for unit in _UNITS if length.is_made_of(unit))

    def empty(self) -> pl.DataFrame:
        """No bars, with the columns that reading gives."""
        return empty_bars(amounts_of(self.scan.table))


def amounts_of(table: str) -> tuple[str, ...]:
    """The amounts that bars of this silver table have."""
    return AMOUNTS if table in {KLINES, TRADES, AGG_TRADES} else (SAMPLES,)


def bar_columns(table: str) -> tuple[str, ...]:
    """What is read of a table of bars."""
    return ("symbol", "open_time", *PRICES, *amounts_of(table))


def read_bars(source: BarInput, unit: BarInterval, first: datetime, last: datetime) -> pl.DataFrame:
    """Bars of `unit` whose time lies in `first` to `last`, both on its grid; in any order.

    Trades are read part by part, so that memory holds one part and the bars.
    """
    parts = [_to_bars(part.to_polars(), source, unit) for part in _split(source.scan.during(first, last), unit, first, last)]
    return pl.concat([source.empty(), *parts])


def _to_bars(rows: pl.DataFrame, source: BarInput, unit: BarInterval) -> pl.DataFrame:
    if source.interval is None:
        return trades_to_bars(rows, unit)
    unknown = [pl.lit(None, pl.Float64).alias(name) for name in amounts_of(source.scan.table) if name not in rows.columns]
    bars = rows.with_columns(*unknown, pl.lit(value=True).alias(COMPLETE))
    return bars.select(source.empty().columns)


def _split(scan: TableScan, unit: BarInterval, first: datetime, last: datetime) -> Iterator[TableScan]:
    """The scan, cut on the grid of `unit` into parts of about `PART_ROWS`; not where all parts would read the same files."""
    rows = scan.plan().row_count
    middle = unit.floor_time(_find_middle(first, last))
    if rows > PART_ROWS and first < middle:
        halves = [(first, middle), (middle, last)]
        if min(scan.during(*half).plan().row_count for half in halves) < _WORTHWHILE * rows:
            for start, end in halves:
                yield from _split(replace(scan, start=start, end=end), unit, start, end)
            return
    if rows:
        yield scan


def _find_middle(first: datetime, last: datetime) -> datetime:
    """About the middle of a span: a midnight where one lies inside, because files end there."""
    middle = first + (last - first) / 2
    midnight = _UNITS[0].floor_time(middle)
    return midnight if first < midnight else middle
