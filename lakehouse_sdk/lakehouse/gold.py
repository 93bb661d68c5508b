"""What the façade says about gold views: bars of any length, and whether trades and bars agree."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.tables import GoldView, TableCatalog
    from lakehouse_sdk.tables.views.gold import CrossCheck, Feature, Gaps, MadeFrom


class GoldCalls:
    """The part of `Lakehouse` that is about gold views."""

    settings: Settings
    _observer: Observer

    if TYPE_CHECKING:

        @cached_property
        def catalog(self) -> TableCatalog:
            """The Iceberg catalogue."""

    def bars(
        self,
        symbols: str | Sequence[str] | None = None,
        *,
        interval: str,
        source: str = "binance",
        market: str = "um",
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        made_from: MadeFrom = "auto",
        gaps: Gaps = "none",
        features: Sequence[Feature] = (),
        as_of: datetime | str | None = None,
    ) -> GoldView:
        """Bars of any length with what belongs to them, out of silver tables; read it with `to_pandas()` and others.

        Labelled by their first instant, closed on the left, in UTC. Nothing looks ahead: rows that come later change no bar
        before them. Only whole bars between `start` and `end` are given; one that lacks a part of itself is not complete and
        says so (`is_complete`). What the tables lack of the named symbols and time is in `lacking`, and a `Notice`.

        Args:
            symbols: One or more symbols, as the publisher spells them (`BTCUSDT`) or as ccxt does (`BTC/USDT:USDT`); None for
                all.
            interval: Length of the bars: a number of `s`, `m`, `h` or `d`, `1w` (from Monday) or `1mo`.
            source: Publisher.
            market: Market of the publisher.
            start: First instant, inclusive; an aware datetime, or ISO text, which without a zone is UTC. None from the first.
            end: First instant that is left out; as `start`. None to the last.
            made_from: Table of `silver` that the bars are made from: `klines`, `agg_trades`, `trades`, or for computed prices
                `mark_klines`, `index_klines`, `premium_klines`. `auto` takes published bars of the very interval, else the
                longest shorter ones of which it can be made, else aggregate trades, else trades.
            gaps: `none` leaves missing bars out; `fill` puts a flat one at the last close in the place of each that is missing
                between two others, without volume and marked by `is_filled`.
            features: What to add: `vwap`, `returns` (`return`, `log_return`; null where the bar before is missing),
                `imbalance` (`taker_imbalance`), `funding` (`funding_rate`, `funding_time`, `funding_paid`), `mark`
                (`mark_close`), `index` (`index_close`, `basis`), `premium` (`premium_close`).
            as_of: An aware datetime, or the name of a tag that every table has: the tables as they were then.

        Raises:
            UsageError: An argument is wrong, or the market has no such feature.
            NotFoundError: A table that is needed does not exist or holds nothing that fits.
        """
        from lakehouse_sdk.tables import BarQuery, open_bars  # noqa: PLC0415 (loads polars and Iceberg)

        query = BarQuery(
            interval=interval,
            symbols=symbols,
            source=source,
            market=market,
            start=start,
            end=end,
            made_from=made_from,
            gaps=gaps,
            features=tuple(features),
            as_of=as_of,
        )
        view = open_bars(self.catalog, query)
        return view if as_of is not None else self._note_lacking(view)

    def _note_lacking(self, view: GoldView) -> GoldView:
        """The view with what its rows lack, by the same judgement as `load`, which is said once."""
        from lakehouse_sdk.archives.readiness import ReadyState  # noqa: PLC0415
        from lakehouse_sdk.events import Notice  # noqa: PLC0415
        from lakehouse_sdk.jobs import find_lacking  # noqa: PLC0415

        if view.symbols is None or view.start is None or view.end is None:
            return view
        gaps = find_lacking(
            settings=self.settings,
            source=view.source,
            market=view.market,
            table=view.made_from_table,
            symbols=view.symbols,
            interval=view.made_from_interval,
            start=view.start,
            end=view.end,
        )
        lacking = tuple(str(gap) for gap in gaps if gap.state in {ReadyState.MISSING, ReadyState.SHORT})
        if lacking:
            more = f", and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            self._observer(Notice("bars", f"Not all rows are in the tables: {'; '.join(lacking[:3])}{more}."))
        return replace(view, lacking=lacking)

    def cross_check(
        self,
        symbols: str | Sequence[str] | None = None,
        *,
        interval: str = "1m",
        source: str = "binance",
        market: str = "um",
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        made_from: Literal["auto", "agg_trades", "trades"] = "auto",
        as_of: datetime | str | None = None,
    ) -> CrossCheck:
        """Whether published bars are what the trades of the same time make; every bar and column that differs is named.

        Compared are the days of which both tables have rows; the others are counted. Prices must be the same, amounts but for
        the rounding of sums. Changes nothing.

        Args:
            symbols: As in `bars`.
            interval: Length of the published bars, at most a day.
            source: Publisher.
            market: Market of the publisher.
            start: As in `bars`.
            end: As in `bars`.
            made_from: Which trades; `auto` takes aggregate trades before single ones.
            as_of: As in `bars`.

        Raises:
            UsageError: An argument is wrong.
            NotFoundError: There are no published bars of this interval, or no trades. What differs is in the report
                (`raise_for_differences`).
        """
        from lakehouse_sdk.tables import BarQuery  # noqa: PLC0415 (loads polars and Iceberg)
        from lakehouse_sdk.tables.views.gold import cross_check  # noqa: PLC0415

        query = BarQuery(
            interval=interval,
            symbols=symbols,
            source=source,
            market=market,
            start=start,
            end=end,
            made_from=made_from,
            as_of=as_of,
        )
        return cross_check(self.catalog, query)
