"""`lakehouse tables ingest`: files of one's own into a table."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lakehouse_sdk.cli.output import print_json
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.cli.tables import group
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.lakehouse import connect


def register(app: typer.Typer) -> None:
    """Nothing of its own: the command belongs to the group `tables`."""
    del app


@group.command()
def ingest(
    table: Annotated[str, typer.Argument(help="Full name, for example silver.my_signals; created when missing.")],
    paths: Annotated[list[str], typer.Argument(help="Files, folders, lakehouse:// or s3:// prefixes.")],
    schema: Annotated[
        str | None,
        typer.Option(
            help="TOML or JSON file with columns, time and key, or a preset: freqtrade, cryptodatadownload, kraken,"
            " kraken-trades, lean-minute, lean-daily, backtesting. Default: the schema the table was created with."
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Judge anew also what the table has, after a rule changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, its kind in `type`.")] = False,
) -> None:
    """Read CSV, JSON lines and Parquet of your own into a table with a declared schema; safe to repeat.

    Exit code 1 where a file could not be read.

    Examples:
      1. A folder, the first time:
         lakehouse tables ingest silver.my_signals ./signals --schema signals.toml
      2. Candles that you have from elsewhere:
         lakehouse tables ingest silver.kraken_hours ./XBTUSD_60.csv --schema kraken
      3. What came since:
         lakehouse tables ingest silver.my_signals ./signals
    """
    lake = connect(observer=ignore_events if as_json else progress())
    report = lake.ingest(paths, table, schema=None if schema is None else _find_schema(schema), again=again)
    for file in report.files:
        if as_json:
            print_json({"type": "file", **asdict(file)})
        elif file.reason:
            print(f"{file.outcome} {file.name}: {file.reason}")
    if as_json:
        print_json({"type": "summary", "table": table, "rows_written": report.commit.rows_written, "seconds": report.seconds})
    else:
        print(report.summary)
    if report.unreadable:
        raise typer.Exit(1)


def _find_schema(name: str) -> dict[str, Any] | str:
    """The values of a schema's file, or the name of a preset."""
    return name if not Path(name).suffix and not Path(name).exists() else _read_schema(Path(name))


def _read_schema(file: Path) -> dict[str, Any]:
    """The plain values of a schema's file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
        values: dict[str, Any] = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        hint = "Write TOML or JSON with columns, time and key."
        raise UsageError(f"The schema {file} cannot be read: {error}.", hint=hint) from None
    return values
