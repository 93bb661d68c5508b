"""`lakehouse archives`: what public sources publish, and bringing it into bronze and tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.display import format_bytes, format_count
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.lakehouse import Lakehouse, connect

if TYPE_CHECKING:
    from lakehouse_sdk.jobs import Discovery

group = typer.Typer(no_args_is_help=True, help="Public exchange archives: discover, collect, build tables.")

_Source = Annotated[str, typer.Option(help="Name of the connector.")]
_Markets = Annotated[list[str], typer.Option("--market", help="spot, um, …; repeat for several.")]
_Types = Annotated[list[str], typer.Option("--type", help="klines, aggTrades, …; repeat for several.")]
_Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="Native symbol or pattern; repeat. Default: all.")]
_Intervals = Annotated[list[str] | None, typer.Option("--interval", help="Bar length such as 1m; repeat. Default: all.")]
_Start = Annotated[str | None, typer.Option(help="First day, UTC, as 2024-01-31.")]
_End = Annotated[str | None, typer.Option(help="Day after the last, UTC.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    app.add_typer(group, name="archives")


@group.command()
def discover(
    market: _Markets,
    data_type: _Types,
    symbol: _Symbols = None,
    interval: _Intervals = None,
    start: _Start = None,
    end: _End = None,
    source: _Source = "binance",
    as_json: _Json = False,
) -> None:
    """List what a source publishes; nothing is copied.

    Examples:
      1. One symbol's bars:
         lakehouse archives discover --market um --type klines --symbol BTCUSDT --interval 1m
      2. As JSON for a tool:
         lakehouse archives discover --market spot --type aggTrades --symbol 'ETH*' --json
    """
    lake = connect(observer=ignore_events if as_json else progress())
    found = _discover(lake, source, market, data_type, symbol, interval, start, end)
    if as_json:
        for item in found.archives:
            values = {"key": item.key, "symbol": item.symbol, "frequency": item.frequency, "size_bytes": item.size_bytes}
            print_json(
                {"type": "archive", **values, "start": item.period_start.isoformat(), "end": item.period_end.isoformat()}
            )
        for oddity in found.oddities:
            print_json({"type": "oddity", "key": oddity.key, "reason": oddity.reason})
        return
    print_table(["size", "key"], [[format_bytes(item.size_bytes), item.key] for item in found.archives])
    for oddity in found.oddities:
        print(f"odd key {oddity.key}: {oddity.reason}")
    print(f"{format_count(len(found.archives))} archives, {format_bytes(found.total_bytes)}")


@group.command()
def collect(
    market: _Markets,
    data_type: _Types,
    symbol: _Symbols = None,
    interval: _Intervals = None,
    start: _Start = None,
    end: _End = None,
    source: _Source = "binance",
    build: Annotated[bool, typer.Option("--build/--no-build", help="Also turn what was collected into tables.")] = True,
    as_json: _Json = False,
) -> None:
    """Bring archives into bronze, each verified by its published checksum, and build tables from them; idempotent.

    Exit code 1 where copies failed; quarantined archives and rows are reported and do not fail the command.

    Examples:
      1. A month of bars into silver.klines:
         lakehouse archives collect --market um --type klines --symbol BTCUSDT --interval 1m --start 2025-01-01 --end 2025-02-01
    """
    lake = connect(observer=ignore_events if as_json else progress())
    collected = lake.collect(_discover(lake, source, market, data_type, symbol, interval, start, end))
    built = lake.build(collected) if build else None
    if as_json:
        print_json({"collect": collected.to_dict(), "build": built.to_dict() if built else None})
    else:
        print_table(["state", "archives"], [[state, format_count(count)] for state, count in collected.counts().items()])
        for item in collected.problems:
            print(f"{item.state.value}: {item.archive.key}: {item.reason}")
        if built:
            print(built.summary)
    collected.raise_for_failures()


def _discover(
    lake: Lakehouse,
    source: str,
    markets: list[str],
    data_types: list[str],
    symbols: list[str] | None,
    intervals: list[str] | None,
    start: str | None,
    end: str | None,
) -> Discovery:
    return lake.discover(
        source,
        markets=markets,
        data_types=data_types,
        symbols=symbols or None,
        intervals=intervals or None,
        start=_parse_day("--start", start),
        end=_parse_day("--end", end),
    )


def _parse_day(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a day.", hint="Write it as 2024-01-31.") from None
