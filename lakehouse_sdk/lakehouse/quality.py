"""What the façade says about quality."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.tables import QualityReport, TableCatalog


class QualityCalls:
    """The part of `Lakehouse` that is about quality."""

    settings: Settings
    _observer: Observer

    if TYPE_CHECKING:

        @cached_property
        def catalog(self) -> TableCatalog:
            """The catalogue of this lakehouse, from the façade."""

    def quality(
        self,
        source: str | None = None,
        *,
        market: str | None = None,
        data_types: Sequence[str] | None = None,
        symbols: Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> QualityReport:
        """How good what was built is: rows accepted, duplicate, quarantined and flagged, the rules, a score for each day.

        Reads the books (`silver.quality`, `silver.quality_days`, `silver.quarantine`) and nothing else.

        Args:
            source: Publisher; None for all.
            market: Market; None for all.
            data_types: Types as the publisher spells them, for example `klines`; None for all.
            symbols: Native symbols; None for all.
            start: Archives and days that end before this aware time are left out.
            end: Archives and days that start at or after this aware time are left out.

        Raises:
            NotFoundError: Nothing was built yet, or no archive is meant.
        """
        from lakehouse_sdk.tables import read_quality  # noqa: PLC0415 (loads polars)

        return read_quality(
            self.catalog, source=source, market=market, data_types=data_types, symbols=symbols, start=start, end=end
        )
