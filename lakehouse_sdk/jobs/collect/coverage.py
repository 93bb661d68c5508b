"""What is there of what should be there, and a collection of what is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveQuery, Cadence, Series
from lakehouse_sdk.archives.coverage import CoveredPeriod, PeriodState, chart_coverage
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import HeatCell, HeatRow, format_count, html_card, html_heat_strip
from lakehouse_sdk.jobs.collect.discover import Discovery
from lakehouse_sdk.jobs.collect.knowledge import SeriesKnowledge
from lakehouse_sdk.jobs.collect.plan import CollectOptions
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_SERIES = 60
_SHOWN_CELLS = 120
"""Cells in a strip of the heat map at most; longer calendars are drawn by week or month."""
WRONG = frozenset({PeriodState.PENDING, PeriodState.REJECTED, PeriodState.DEFECTIVE, PeriodState.MISSING})
"""What a repair is about."""


@dataclass(frozen=True)
class Coverage:
    """A calendar of what should be there, and what is.

    Attributes:
        source: Name of the connector.
        cadence: Which archives count.
        periods: Every period of every series, in order.
    """

    source: str
    cadence: Cadence
    periods: tuple[CoveredPeriod, ...]

    def counts(self) -> dict[str, int]:
        """Periods by state; every state is there, also with 0."""
        counted = Counter(period.state for period in self.periods)
        return {state.value: counted[state] for state in PeriodState}

    @property
    def holes(self) -> tuple[CoveredPeriod, ...]:
        """The periods that a repair is about: pending, rejected, defective or missing."""
        return tuple(period for period in self.periods if period.state in WRONG)

    def by_series(self) -> Iterator[tuple[Series, tuple[CoveredPeriod, ...]]]:
        """The periods of each series."""
        for series, group in groupby(self.periods, key=lambda period: period.series):
            yield series, tuple(group)

    def to_pandas(self) -> pd.DataFrame:
        """One line for each period.

        Columns: `market`, `data_type`, `symbol`, `interval`, `state` (categories), `start`, `end` (UTC), `reason`, `key`.
        """
        from lakehouse_sdk.jobs.collect.frames import periods_to_pandas  # noqa: PLC0415 (pandas loads when it is asked for)

        return periods_to_pandas(self.periods)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: counts, and each hole."""
        return {
            "source": self.source,
            "cadence": self.cadence,
            "periods": self.counts(),
            "holes": [
                {"series": "/".join(hole.series), "start": hole.start.isoformat(), "state": hole.state, "reason": hole.reason}
                for hole in self.holes
            ],
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{format_count(count)} {state}" for state, count in self.counts().items() if count)
        return f"<Coverage {self.source}: {counts or 'nothing known'}>"

    def _repr_html_(self) -> str:
        series = list(self.by_series())
        facts = {state: format_count(count) for state, count in self.counts().items()}
        if not series:
            return html_card(f"Coverage of {self.source}", {**facts, "known": "nothing yet: collect something first"})
        first = min(periods[0].start for _, periods in series)
        last = max(periods[-1].end for _, periods in series)
        worst_first = sorted(series, key=lambda item: -sum(period.state in WRONG for period in item[1]))
        step = max(1, -(-(last - first).days // _SHOWN_CELLS))
        rows = [_heat_row(name, periods, first, last, step) for name, periods in worst_first[:_SHOWN_SERIES]]
        hidden = len(series) - len(rows)
        body = html_heat_strip(
            rows,
            ends=(f"{first:%Y-%m-%d}", f"{last - timedelta(days=1):%Y-%m-%d}"),
            caption=f"{step} day{'s' if step > 1 else ''} a cell"
            + (f"; {format_count(hidden)} more series have fewer holes" if hidden else ""),
            legend="Red: pending, rejected, defective or missing. Pale: outside what the source publishes of the series.",
        )
        return html_card(f"Coverage of {self.source}", facts, body)


def measure_coverage(
    query: ArchiveQuery, *, settings: Settings | Session, source: str = "binance", cadence: Cadence = "auto"
) -> Coverage:
    """Compare the calendar with the ledger; asks the source nothing.

    Raises:
        UsageError: No such connector, or it does not have what the query names.
        ConfigurationError: `catalog.uri` is not set.
    """
    with open_session(settings) as session:
        return _measure(session, query, source, cadence)


def _measure(session: Session, query: ArchiveQuery, source: str, cadence: Cadence) -> Coverage:
    capabilities = session.connector(source).capabilities()
    datasets = {(dataset.market, dataset.data_type): dataset for dataset in capabilities.datasets}
    capabilities.select(query)
    known = SeriesKnowledge(session, source, query)
    entries = session.ledger.entries(source, replace(query, start=None, end=None))
    return Coverage(source, cadence, tuple(chart_coverage(entries, query, datasets, cadence=cadence, records=known.record)))


def plan_repair(
    discovery: Discovery, *, settings: Settings | Session, options: CollectOptions
) -> tuple[Discovery, CollectOptions]:
    """The discovery and options of a collection that brings just what `measure_coverage` calls a hole.

    Only the series with holes are listed, between their first and last hole.
    """
    coverage = measure_coverage(discovery.query, settings=settings, source=discovery.source, cadence=options.cadence)
    holes = _by_series(coverage.holes)
    starts = [start for spans in holes.values() for start, _ in spans]
    ends = [end for spans in holes.values() for _, end in spans]
    options = replace(options, spans=holes, retry=True)
    if not holes:
        return discovery.nothing(), options
    symbols = tuple(sorted({series[3] for series in holes}))
    return discovery.narrowed(symbols=symbols, start=min(starts), end=max(ends)), options


def _by_series(periods: Iterable[CoveredPeriod]) -> dict[Series, list[tuple[datetime, datetime]]]:
    spans: dict[Series, list[tuple[datetime, datetime]]] = defaultdict(list)
    for period in periods:
        spans[period.series].append((period.start, period.end))
    return dict(spans)


def _heat_row(series: Series, periods: tuple[CoveredPeriod, ...], first: datetime, last: datetime, step: int) -> HeatRow:
    """One strip on the calendar of all; a cell's level is the share of its periods that are present."""
    cells: dict[int, list[CoveredPeriod]] = defaultdict(list)
    for period in periods:
        for day in range((period.end - period.start).days):
            cells[((period.start - first).days + day) // step].append(period)
    count = -(-(last - first).days // step)
    strip = [_heat_cell(cells.get(number, [])) for number in range(count)]
    present = sum(period.state is PeriodState.PRESENT for period in periods)
    _, market, data_type, symbol, interval = series
    label = " ".join(part for part in (symbol, data_type, interval, market) if part)
    return HeatRow(label, strip, f"{format_count(present)} of {format_count(len(periods))}")


def _heat_cell(periods: list[CoveredPeriod]) -> HeatCell:
    inside = [period for period in periods if period.state is not PeriodState.UNPUBLISHED]
    if not inside:
        return HeatCell("not published", 0.0)
    wrong = [period for period in inside if period.state in WRONG]
    title = ", ".join(f"{period.start:%Y-%m-%d} {period.state}" for period in (wrong or inside)[:5])
    return HeatCell(title, None if wrong else 1.0)
