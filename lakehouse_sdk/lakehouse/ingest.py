"""What the façade says about files of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.jobs import IngestReport
    from lakehouse_sdk.tables import TableSchema


class IngestCalls:
    """The part of `Lakehouse` that is about files of the user's own."""

    settings: Settings
    _observer: Observer

    def ingest(
        self,
        paths: str | Path | Iterable[str | Path],
        table: str,
        *,
        schema: TableSchema | Mapping[str, Any] | str | None = None,
        again: bool = False,
    ) -> IngestReport:
        """Read CSV, JSON lines and Parquet of your own into a table with a declared schema. Idempotent by name and SHA-256.

        The rows are checked like archives': what is not as declared goes to `silver.quarantine` with its line, and a file with
        other columns is named as unreadable. A file with other bytes replaces its rows. The bytes are kept in bronze.

        Args:
            paths: Files, folders or prefixes: local, `lakehouse://[profile@]bucket/prefix` or `s3://…`; `.csv`, `.jsonl`,
                `.ndjson`, `.json` (each also with `.gz`), `.zip` with one CSV of any name, `.parquet`, `.feather`.
            table: Full name, for example `silver.my_signals`; created when missing.
            schema: `TableSchema`, its plain values, or a preset: `freqtrade`, `cryptodatadownload`, `kraken`, `kraken-trades`,
                `lean-minute`, `lean-daily`, `backtesting`; None for the one that the table was created with.
            again: True to judge also files anew whose bytes the table has, after a rule or threshold changed.

        Raises:
            UsageError: The schema contradicts itself or the table's, or two files have the same name.
            NotFoundError: There is nothing at a path.
            TableError: A commit lost its race too often.
        """
        from lakehouse_sdk.jobs import ingest_files  # noqa: PLC0415

        return ingest_files(paths, table=table, settings=self.settings, schema=schema, again=again, observer=self._observer)
