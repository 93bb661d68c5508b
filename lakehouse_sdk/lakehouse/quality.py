"""What the façade says about quality."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lakehouse_sdk.instants import to_instant

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.jobs import ReplayReport
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
        start: datetime | str | None = None,
        end: datetime | str | None = None,
    ) -> QualityReport:
        """How good what was built is: rows accepted, duplicate, quarantined and flagged, the rules, a score for each day.

        Reads the books (`silver.quality`, `silver.quality_days`, `silver.quarantine`) and the ledger. A series' first and last
        day do not count where they are partial, unless rows were rejected or another archive has them (`coverage` says so).

        Args:
            source: Publisher; None for all.
            market: Market; None for all.
            data_types: Types as the publisher spells them, for example `klines`; None for all.
            symbols: Native symbols; None for all.
            start: Archives and days that end before this time are left out: an aware datetime, or ISO text, which without a
                zone is UTC.
            end: Archives and days that start at or after this time are left out.

        Raises:
            NotFoundError: Nothing was built yet, or no archive is meant.
        """
        from lakehouse_sdk.jobs import measure_quality  # noqa: PLC0415 (loads polars)

        return measure_quality(
            settings=self.settings,
            source=source,
            market=market,
            data_types=data_types,
            symbols=symbols,
            start=to_instant("start", start),
            end=to_instant("end", end),
        )

    def replay(
        self, source: str | None = None, *, rule: str | None = None, keys: Collection[str] | None = None
    ) -> ReplayReport:
        """Judge archives with rows in quarantine again, by today's rules and thresholds, from the bytes in bronze. Idempotent.

        For after a fix: rows that pass now enter the table and leave the quarantine, and the books change with them; each
        archive whose outcome changed is put in place anew, the others are not touched. Two replays at once double nothing; one
        that was killed is completed by the same call.

        Args:
            source: Publisher; None for all.
            rule: Only archives with a row that was rejected for this rule.
            keys: Only these archives; without `rule` also those without a row in quarantine, when a flag's threshold changed.

        Raises:
            ConfigurationError: No catalogue is set.
            TableError: A commit lost its race too often.
        """
        from lakehouse_sdk.jobs import replay_archives  # noqa: PLC0415

        return replay_archives(settings=self.settings, source=source, rule=rule, keys=keys, observer=self._observer)
