"""Quality with the judgement of completeness: a day that could have rows and lacks them counts, wherever it lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveQuery
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.jobs.collect.knowledge import SeriesKnowledge
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    from lakehouse_sdk.tables import QualityReport


def measure_quality(
    *,
    settings: Settings | Session,
    source: str | None = None,
    market: str | None = None,
    data_types: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> QualityReport:
    """Report on the archives that overlap a time, from the books and the ledger; see `Lakehouse.quality`.

    Raises:
        NotFoundError: Nothing was built yet, or no archive is meant.
    """
    from lakehouse_sdk.tables import read_quality  # noqa: PLC0415 (loads polars)

    with open_session(settings) as session:

        def find_holes(kinds: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str, str, str | None, datetime]]:
            of_source: dict[str, list[tuple[str, str]]] = defaultdict(list)
            for publisher, of_market, data_type in kinds:
                of_source[publisher].append((of_market, data_type))
            found = []
            for publisher, pairs in of_source.items():
                markets, types = (tuple(sorted({pair[place] for pair in pairs})) for place in (0, 1))
                try:
                    known = SeriesKnowledge(session, publisher, ArchiveQuery(markets, types))
                except ConfigurationError:  # a catalogue without a ledger
                    continue
                found += [(*series[:4], series[4] or None, day) for series, day in known.holes()]
            return found

        return read_quality(
            session.catalog,
            source=source,
            market=market,
            data_types=data_types,
            symbols=symbols,
            start=start,
            end=end,
            find_holes=find_holes,
        )
