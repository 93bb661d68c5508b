"""Gold views: bars with what belongs to them, computed from silver tables when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, cast

import polars as pl

from lakehouse_sdk.display import html_card, html_table
from lakehouse_sdk.tables.read.tables import Tables
from lakehouse_sdk.tables.views.gold.features import add_imbalance, add_returns, add_vwap
from lakehouse_sdk.tables.views.gold.fill import fill_gaps
from lakehouse_sdk.tables.views.gold.inputs import BarInput, read_bars
from lakehouse_sdk.tables.views.gold.intervals import BarInterval
from lakehouse_sdk.tables.views.gold.joins import FUNDING_AGE, join_funding, join_price, pair_of
from lakehouse_sdk.tables.views.gold.resample import FILLED, bars_to_bars

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lakehouse_sdk.tables.iceberg.report import TableCommit
from lakehouse_sdk.tables.read.scan import TableScan

_NAMED = 3
Gaps = Literal["none", "fill"]
Feature = Literal["vwap", "returns", "imbalance", "funding", "mark", "index", "premium"]


@dataclass(frozen=True, slots=True)
class GoldInput:
    """A silver table that a view is computed from, in the state that it reads.

    Attributes:
        role: `bars`, or the feature that it serves.
        table: Full name.
        snapshot_id: The state; None where the table has no rows.
        interval: Length of the bars that are read; None where the table has none.
    """

    role: str
    table: str
    snapshot_id: int | None
    interval: str | None


class ViewStore(Tables, Protocol):
    """Where views are opened and saved; `tables.catalog.TableCatalog` is one."""

    def save_view(self, name: str, view: GoldView) -> TableCommit:
        """Write a view into the table of this name; as `GoldView.save`."""


@dataclass(frozen=True)
class GoldView:
    """Bars of one market, with features; nothing is read before one of its `to_…` methods, and each gives the same rows.

    The silver tables are read in the state that they were in when the view was made, in parts of about two million rows, so
    that only the bars themselves have to fit into memory. Columns: `source`, `market`, `symbol`, `interval` (String),
    `open_time` (Datetime us UTC), `open`, `high`, `low`, `close` (Float64), amounts (Float64, counts Int64), `is_complete`,
    `is_filled` (Boolean), then those of the features; sorted by symbol and time.

    Attributes:
        source: Publisher.
        market: Market of the publisher.
        symbols: As the publisher spells them; None for all.
        interval: Length of the bars.
        start: First instant, inclusive; None from the first bar that there is.
        end: First instant that is left out; None to the last bar that there is.
        gaps: `none` leaves missing bars out, `fill` puts flat ones in their place.
        features: What is added, in order.
        inputs: Where everything comes from.
        lacking: What is known to lack of the rows that the bars are made of, one line each; known where symbols and both ends
            are named, and no state of the past is read. Empty where all that was published is there.
    """

    source: str
    market: str
    symbols: tuple[str, ...] | None
    interval: str
    start: datetime | None
    end: datetime | None
    gaps: Gaps
    features: tuple[Feature, ...]
    inputs: tuple[GoldInput, ...]
    _length: BarInterval = field(repr=False)
    _bars: BarInput = field(repr=False)
    _prices: Mapping[str, BarInput] = field(repr=False)
    _funding: TableScan | None = field(repr=False)
    _catalog: ViewStore = field(repr=False)
    lacking: tuple[str, ...] = ()

    @property
    def made_from(self) -> str:
        """The table of the bars or trades, without its namespace: `klines`, `agg_trades`, …."""
        return self._bars.scan.table.partition(".")[2]

    @property
    def made_from_table(self) -> str:
        """Full name of that table."""
        return self._bars.scan.table

    @property
    def made_from_interval(self) -> str | None:
        """Length of the bars that are read; None of trades."""
        return str(self._bars.interval) if self._bars.interval else None

    @property
    def kind(self) -> dict[str, object]:
        """What makes two views alike: everything but market, symbols, span and states; plain values."""
        return {
            "interval": self.interval,
            "made_from": self.made_from,
            "made_from_interval": self.made_from_interval,
            "gaps": self.gaps,
            "features": list(self.features),
        }

    @property
    def lineage(self) -> dict[str, object]:
        """What these rows are computed from, and how; plain values, equal for equal rows."""
        return {
            **self.kind,
            "source": self.source,
            "market": self.market,
            "symbols": None if self.symbols is None else sorted(self.symbols),
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "inputs": [
                {"role": item.role, "table": item.table, "snapshot_id": item.snapshot_id, "interval": item.interval}
                for item in self.inputs
            ],
        }

    @cached_property
    def schema(self) -> pl.Schema:
        """Columns and types of the result, without reading anything."""
        return self._finish(self._bars.empty(), {name: one.empty() for name, one in self._prices.items()}, None).schema

    def to_polars(self) -> pl.DataFrame:
        """The view as a polars frame."""
        span = self._span()
        if span is None:
            return pl.DataFrame(schema=self.schema)
        first, last = span
        before = self._length.previous_time(first) if "returns" in self.features else first
        bars = self._longer(self._bars, before, last)
        if "returns" in self.features:
            bars = add_returns(bars, self._length).filter(pl.col("open_time") >= first)
        prices = {name: self._longer(price, first, last) for name, price in self._prices.items()}
        return self._finish(bars, prices, (first, last))

    def to_arrow(self) -> pa.Table:
        """The view as an Arrow table; times are `timestamp[us, tz=UTC]`."""
        return self.to_polars().to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """The view as a pandas frame with a plain index; times are aware UTC."""
        return cast("pd.DataFrame", self.to_arrow().to_pandas())

    def lazy(self) -> pl.LazyFrame:
        """The view as a polars lazy frame, which computes it when it is collected."""
        return pl.defer(self.to_polars, schema=self.schema)

    def save(self, name: str) -> TableCommit:
        """Write the view into an Iceberg table of the namespace `gold`, which `lake.table(name)` then reads.

        One commit replaces what the table holds of this market, these symbols and this span; the rest of it stays. The same
        view saved again changes nothing. The table's properties say what it was computed from (`lakehouse.gold.lineage`).

        Args:
            name: Full name, for example `gold.klines_5m`; the table is made when it is missing.

        Raises:
            UsageError: The name is not of the namespace `gold`, or the table holds views of another kind.
            TableError: Too many races against other writers were lost; nothing was changed.
        """
        return self._catalog.save_view(name, self)

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """The whole bars between `start` and `end`: first instants of the first bar and of the one behind the last."""
        first = None if self.start is None else self._length.ceil_time(self.start)
        return first, None if self.end is None else self._length.floor_time(self.end)

    def _span(self) -> tuple[datetime, datetime] | None:
        """`bounds`, an open end put where the silver table ends; None where there is no bar."""
        first, last = self.bounds
        if first is None or last is None:
            extent = self._bars.scan.extent()
            if extent is None:
                return None
            first = first or self._length.floor_time(extent[0])
            last = last or self._length.next_time(self._length.floor_time(extent[1]))
        return (first, last) if first < last else None

    def _longer(self, source: BarInput, first: datetime, last: datetime) -> pl.DataFrame:
        """Bars of the view's interval out of those that the input gives."""
        made_of = source.unit(self._length)
        return bars_to_bars(read_bars(source, made_of, first, last), self._length, made_of)

    def _finish(
        self, bars: pl.DataFrame, prices: Mapping[str, pl.DataFrame], span: tuple[datetime, datetime] | None
    ) -> pl.DataFrame:
        if "returns" in self.features and "return" not in bars.columns:
            bars = add_returns(bars, self._length)
        bars = fill_gaps(bars, self._length) if self.gaps == "fill" else bars.with_columns(pl.lit(value=False).alias(FILLED))
        order = [name for name in bars.columns if name not in {"return", "log_return"}]
        for feature in self.features:
            known = set(bars.columns)
            bars = self._add(feature, bars, prices, span)
            order += ["return", "log_return"] if feature == "returns" else [n for n in bars.columns if n not in known]
        named = {"source": self.source, "market": self.market, "interval": self.interval}
        bars = bars.with_columns(pl.lit(value).alias(name) for name, value in named.items())
        return bars.select("source", "market", "symbol", "interval", *(name for name in order if name != "symbol"))

    def _add(
        self, feature: Feature, bars: pl.DataFrame, prices: Mapping[str, pl.DataFrame], span: tuple[datetime, datetime] | None
    ) -> pl.DataFrame:
        if feature == "vwap":
            return add_vwap(bars)
        if feature == "imbalance":
            return add_imbalance(bars)
        if feature == "funding":
            return join_funding(bars, self._read_funding(span), self._length)
        if feature in {"mark", "premium"}:
            return join_price(bars, prices[feature], f"{feature}_close")
        if feature == "index":
            return _join_index(bars, prices[feature])
        return bars  # returns are there already: they need the bar before the first

    def _read_funding(self, span: tuple[datetime, datetime] | None) -> pl.DataFrame:
        if span is None or self._funding is None:
            instant = pl.Datetime("us", "UTC")
            return pl.DataFrame(schema={"symbol": pl.String, "funding_time": instant, "rate": pl.Float64})
        first, last = span
        return self._funding.during(first - FUNDING_AGE, last).to_polars()

    def _repr_html_(self) -> str:
        facts = {
            "market": f"{self.source} {self.market}",
            "symbols": "all" if self.symbols is None else ", ".join(self.symbols),
            "from": "the first bar" if self.start is None else self.start.strftime("%Y-%m-%d %H:%M UTC"),
            "to": "the last bar" if self.end is None else self.end.strftime("%Y-%m-%d %H:%M UTC"),
            "gaps": "filled" if self.gaps == "fill" else "left open",
            "features": ", ".join(self.features) or "none",
            **({"lacking": "; ".join(self.lacking[:_NAMED])} if self.lacking else {}),
        }
        rows = [(item.role, item.table, item.interval, str(item.snapshot_id)) for item in self.inputs]
        return html_card(f"Bars of {self.interval}", facts, html_table(rows, ["what", "from", "bars of", "snapshot"]))


def _join_index(bars: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """The bars with `index_close` and `basis`, the close less the index; an index is published by the pair of the future."""
    names = {symbol: pair_of(symbol) for symbol in bars["symbol"].unique()}
    pairs = bars.with_columns(
        pl.col("symbol").alias("_symbol"), pl.col("symbol").replace_strict(names, return_dtype=pl.String).alias("symbol")
    )
    joined = join_price(pairs, index, "index_close").with_columns(pl.col("_symbol").alias("symbol")).drop("_symbol")
    return joined.with_columns((pl.col("close") - pl.col("index_close")).alias("basis"))
