"""What the façade says about quality, and about files of the user's own."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.jobs import IngestReport, ReplayReport
    from lakehouse_sdk.tables import QualityReport, TableCatalog, TableSchema


class QualityCalls:
    """The part of `Lakehouse` that is about quality, and about files of the user's own."""

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

    def ingest(
        self,
        paths: str | Path | Iterable[str | Path],
        table: str,
        *,
        schema: TableSchema | Mapping[str, Any] | None = None,
        again: bool = False,
    ) -> IngestReport:
        """Read CSV, JSON lines and Parquet of your own into a table with a declared schema. Idempotent by name and SHA-256.

        The rows are checked like archives': what is not as declared goes to `silver.quarantine` with its line, and a file with
        other columns is named as unreadable. A file with other bytes replaces its rows. The bytes are kept in bronze.

        Args:
            paths: Files, folders or prefixes: local, `lakehouse://[profile@]bucket/prefix` or `s3://…`; `.csv`, `.jsonl`,
                `.ndjson`, `.json` (each also with `.gz`), `.zip` with one CSV of its name, `.parquet`.
            table: Full name, for example `silver.my_signals`; created when missing.
            schema: `TableSchema` or its plain values; None for the one that the table was created with.
            again: True to judge also files anew whose bytes the table has, after a rule or threshold changed.

        Raises:
            UsageError: The schema contradicts itself or the table's, or two files have the same name.
            NotFoundError: There is nothing at a path.
            TableError: A commit lost its race too often.
        """
        from lakehouse_sdk.jobs import ingest_files  # noqa: PLC0415

        return ingest_files(paths, table=table, settings=self.settings, schema=schema, again=again, observer=self._observer)
