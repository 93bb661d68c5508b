"""Published bars against the trades that they were made of: every difference named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.errors import NotFoundError, TableError, UsageError
from lakehouse_sdk.tables.views.gold.intervals import DAY, parse_interval
from lakehouse_sdk.tables.views.gold.opening import BarQuery, open_bars
from lakehouse_sdk.tables.views.gold.resample import AMOUNTS, PRICES
from lakehouse_sdk.tables.views.gold.view import GoldInput, ViewStore

BAR = "bar"
"""In the place of a column's name: one side lacks the whole bar."""

_KEY = ("symbol", "open_time")
_ROUNDING = 1e-10
"""Of a sum of float64, relative; far above what a day's trades add up to."""
_CENT = 1e-8
"""Venues publish eight decimals, so that a sum over trades may be off by so much for each."""
_SHOWN = 20


@dataclass(frozen=True)
class CrossCheck:
    """How far published bars agree with the trades.

    Attributes:
        source: Publisher.
        market: Market of the publisher.
        interval: Length of the bars.
        bars: Bars that were compared.
        days: Days of symbols that were compared: those of which both tables have rows.
        days_skipped: Days of symbols of which only one table has rows.
        differences: What differs: `symbol`, `open_time`, `column` (or `bar` where one side lacks it), `published`, `computed`
            (Float64); by symbol and time.
        inputs: The two tables in the states that were read.
    """

    source: str
    market: str
    interval: str
    bars: int
    days: int
    days_skipped: int
    differences: pl.DataFrame = field(repr=False)
    inputs: tuple[GoldInput, ...]

    @property
    def agrees(self) -> bool:
        """True where something was compared, and nothing differs."""
        return self.days > 0 and self.differences.is_empty()

    @property
    def bars_differing(self) -> int:
        """Bars in which at least one column differs."""
        return self.differences.select(_KEY).n_unique()

    @property
    def summary(self) -> str:
        """One line for a person."""
        skipped = f"; {format_count(self.days_skipped)} days are in one table only" if self.days_skipped else ""
        return (
            f"{format_count(self.bars)} bars of {format_count(self.days)} days compared,"
            f" {format_count(self.bars_differing)} differ{skipped}"
        )

    def raise_for_differences(self) -> None:
        """Nothing where both agree.

        Raises:
            TableError: They differ, or there was nothing to compare.
        """
        if self.agrees:
            return
        first = self.differences.head(1).to_dicts()
        where = f" First: {first[0]['symbol']} {first[0]['open_time']:%Y-%m-%d %H:%M:%S} {first[0]['column']}." if first else ""
        raise TableError(
            f"Bars and trades of {self.source} {self.market}: {self.summary}.{where}",
            hint="`differences` lists them; the archives of these days may be worth collecting again.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "source": self.source,
            "market": self.market,
            "interval": self.interval,
            "agrees": self.agrees,
            "bars": self.bars,
            "bars_differing": self.bars_differing,
            "days": self.days,
            "days_skipped": self.days_skipped,
            "differences": [
                row | {"open_time": row["open_time"].isoformat()} for row in self.differences.iter_rows(named=True)
            ],
        }

    def _repr_html_(self) -> str:
        facts = {
            "market": f"{self.source} {self.market}",
            "bars compared": format_count(self.bars),
            "bars that differ": format_count(self.bars_differing),
            "days": format_count(self.days),
            "days in one table only": format_count(self.days_skipped),
            "of": " and ".join(item.table for item in self.inputs),
        }
        rows = self.differences.head(_SHOWN).with_columns(pl.col("open_time").dt.strftime("%Y-%m-%d %H:%M:%S")).to_dicts()
        body = html_table(rows) if rows else ""
        tone = "good" if self.agrees else "bad" if rows else "warn"
        return html_card(f"Bars of {self.interval} against trades", facts, body, tone=tone)


def cross_check(catalog: ViewStore, query: BarQuery) -> CrossCheck:
    """Compare the published bars that the query asks for with those that its trades make.

    Args:
        catalog: Where the tables are.
        query: As for a view; `made_from` names the trades, `auto` takes aggregate trades before single ones.

    Raises:
        UsageError: An argument is wrong, or bars of this length are made of other bars.
        NotFoundError: There are no published bars of this interval, or no trades.
    """
    length = parse_interval(query.interval).length
    if length is None or length > DAY:
        raise UsageError(f"Bars of {query.interval} cannot be checked against trades.", hint="Check those of a day or less.")
    if query.made_from not in {"auto", "agg_trades", "trades"}:
        raise UsageError(f"{query.made_from} are no trades.", hint="Name agg_trades or trades.")
    published = open_bars(catalog, replace(query, made_from="klines"))
    if published.inputs[0].interval != query.interval:
        raise NotFoundError(
            f"silver.klines has no published bars of {query.interval}, only of {published.inputs[0].interval}.",
            hint="Check those, or collect the others.",
        )
    computed = None
    if query.made_from != "trades":
        try:
            computed = open_bars(catalog, replace(query, made_from="agg_trades"))
        except NotFoundError:
            if query.made_from != "auto":
                raise
    computed = computed or open_bars(catalog, replace(query, made_from="trades"))
    theirs, ours = published.to_polars(), computed.to_polars()
    known = _days(theirs).join(_days(ours), on=["symbol", "_day"])
    either = pl.concat([_days(theirs), _days(ours)]).unique().height
    theirs, ours = (_with_day(side).join(known, on=["symbol", "_day"], how="semi") for side in (theirs, ours))
    return CrossCheck(
        source=query.source,
        market=query.market,
        interval=query.interval,
        bars=pl.concat([theirs.select(_KEY), ours.select(_KEY)]).unique().height,
        days=known.height,
        days_skipped=either - known.height,
        differences=compare_bars(theirs, ours),
        inputs=(published.inputs[0], computed.inputs[0]),
    )


def compare_bars(published: pl.DataFrame, computed: pl.DataFrame) -> pl.DataFrame:
    """Every difference between two frames of bars; pure.

    Prices must be the same, amounts but for the rounding of their sums. What one side does not know is no difference, nor is a
    bar in which nothing was traded and which only the venue has.

    Args:
        published: `symbol`, `open_time`, `PRICES`, `AMOUNTS`.
        computed: The same columns.

    Returns:
        `symbol`, `open_time`, `column`, `published`, `computed` (Float64), sorted.
    """
    columns = [*PRICES, *AMOUNTS]
    renamed = computed.select(*_KEY, *(pl.col(name).alias(f"{name}_") for name in columns))
    both = published.select(*_KEY, *columns).join(renamed, on=_KEY, how="full", coalesce=True)
    missing_here, missing_there = pl.col("close").is_null(), pl.col("close_").is_null()
    idle = missing_there & (pl.coalesce("count", "volume", "quote_volume", "contract_volume") == 0)
    both = both.filter(~idle.fill_null(value=False))
    found = [
        both.filter(missing_here | missing_there).select(
            *_KEY, pl.lit(BAR).alias("column"), pl.col("close").alias("published"), pl.col("close_").alias("computed")
        )
    ]
    trades = pl.max_horizontal(pl.col("count").fill_null(1), pl.col("count_").fill_null(1)).cast(pl.Float64)
    for name in columns:
        one, other = pl.col(name).cast(pl.Float64), pl.col(f"{name}_").cast(pl.Float64)
        allowed = 0.0 if name in PRICES else _CENT * trades + _ROUNDING * one.abs()
        values = (pl.lit(name).alias("column"), one.alias("published"), other.alias("computed"))
        found.append(both.filter((one - other).abs() > allowed).select(*_KEY, *values))
    return pl.concat(found).sort(*_KEY, maintain_order=True)


def _with_day(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.with_columns(pl.col("open_time").dt.truncate("1d").alias("_day"))


def _days(bars: pl.DataFrame) -> pl.DataFrame:
    return _with_day(bars).select("symbol", "_day").unique()
