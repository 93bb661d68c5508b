"""`lakehouse archives`: what public sources publish, and bringing it into bronze and tables."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_sdk.archives import ArchiveObject, load_connectors
from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.display import format_bytes, format_count
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.lakehouse import Lakehouse, connect

if TYPE_CHECKING:
    from lakehouse_sdk.jobs import BuildReport, CollectionPlan, CollectReport, Coverage, Discovery

group = typer.Typer(no_args_is_help=True, help="Public exchange archives: discover, collect, build tables, find holes.")
_SHOWN_HOLES = 50


class CadenceChoice(StrEnum):
    """Which of daily and monthly archives."""

    AUTO = "auto"
    DAILY = "daily"
    MONTHLY = "monthly"
    RECONCILE = "reconcile"


_Source = Annotated[str, typer.Option(help="Name of the connector.")]
_Markets = Annotated[list[str], typer.Option("--market", help="spot, um, …; repeat for several.")]
_Types = Annotated[list[str], typer.Option("--type", help="klines, aggTrades, …; repeat for several.")]
_Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="Native symbol or pattern; repeat. Default: all.")]
_Intervals = Annotated[list[str] | None, typer.Option("--interval", help="Bar length such as 1m; repeat. Default: all.")]
_Start = Annotated[str | None, typer.Option(help="First day, UTC, as 2024-01-31.")]
_End = Annotated[str | None, typer.Option(help="Day after the last, UTC.")]
_Cadence = Annotated[
    CadenceChoice,
    typer.Option(help="auto: monthly archives where a month has one, else daily; reconcile: both."),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    app.add_typer(group, name="archives")


@group.command()
def sources(
    check: Annotated[bool, typer.Option("--check", help="Ask each source whether it answers.")] = False,
    as_json: _Json = False,
) -> None:
    """List the connectors, what they offer and the terms of their data.

    Exit code 1 where a source that was asked does not answer.

    Examples:
      1. Everything that is installed:
         lakehouse archives sources
      2. Does it answer:
         lakehouse archives sources --check
    """
    ok = True
    rows = []
    for name, connector in load_connectors(connect().settings).items():
        capabilities = connector.capabilities()
        result = connector.check() if check else None
        ok = ok and (result is None or result.ok)
        kinds = sorted({f"{dataset.market}/{dataset.data_type}" for dataset in capabilities.datasets})
        if as_json:
            answer = {} if result is None else {"ok": result.ok, "reason": result.reason}
            values = {"name": name, "title": capabilities.title, "terms_url": capabilities.terms_url, "datasets": kinds}
            print_json({"type": "source", **values, "frozen": capabilities.frozen, **answer})
        said = "" if result is None else f"{'ok' if result.ok else 'NOT OK'}: {result.reason}"
        rows.append([name, capabilities.title, str(len(kinds)), capabilities.terms_url, said])
    if not as_json:
        columns = ["source", "title", "data types", "terms", "check"]
        print_table(columns if check else columns[:-1], [row if check else row[:-1] for row in rows])
    if not ok:
        raise typer.Exit(1)


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
    archives = size_bytes = 0
    for item in _discover(lake, source, market, data_type, symbol, interval, start, end):
        if not isinstance(item, ArchiveObject):
            if as_json:
                print_json({"type": "oddity", "key": item.key, "reason": item.reason})
            else:
                print(f"odd key {item.key}: {item.reason}")
            continue
        archives, size_bytes = archives + 1, size_bytes + item.size_bytes
        if as_json:
            values = {"key": item.key, "symbol": item.symbol, "frequency": item.frequency, "size_bytes": item.size_bytes}
            print_json(
                {"type": "archive", **values, "start": item.period_start.isoformat(), "end": item.period_end.isoformat()}
            )
        else:
            print(f"{format_bytes(item.size_bytes):>10}  {item.key}")
    if not as_json:
        print(f"{format_count(archives)} archives, {format_bytes(size_bytes)}")


@group.command()
def collect(
    market: _Markets,
    data_type: _Types,
    symbol: _Symbols = None,
    interval: _Intervals = None,
    start: _Start = None,
    end: _End = None,
    source: _Source = "binance",
    cadence: _Cadence = CadenceChoice.AUTO,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="List only what is newer than what is known, less 35 days: for every night.")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Compare also what bronze itself holds: for every week.")] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Bring again also what `lakehouse tables retain` dropped from bronze.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Only what `coverage` calls a hole.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    build: Annotated[bool, typer.Option("--build/--no-build", help="Also turn what was collected into tables.")] = True,
    as_json: _Json = False,
) -> None:
    """Bring archives into bronze, each verified by its published checksum, and build tables from them; idempotent.

    Exit code 1 where copies failed, or where an archive lost more than `quality.max_rejected_share` (5 %) of its rows or has
    other columns; other rows in quarantine, and archives that cannot be read, are reported and do not fail the command.

    Examples:
      1. A month of bars into silver.klines:
         lakehouse archives collect --market um --type klines --symbol BTCUSDT --interval 1m --start 2025-01-01 --end 2025-02-01
      2. How much would that be:
         lakehouse archives collect --market um --type klines --interval 1m --dry-run
      3. Every night, and every week:
         lakehouse archives collect --market um --type klines --interval 1m --incremental
         lakehouse archives collect --market um --type klines --interval 1m --audit
    """
    lake = connect(observer=ignore_events if as_json else progress())
    found = _discover(lake, source, market, data_type, symbol, interval, start, end)
    chosen: dict[str, Any] = {
        "cadence": cadence.value,
        "incremental": incremental,
        "audit": audit,
        "repair": repair,
        "restore": restore,
    }
    if dry_run:
        _print_plan(lake.collect(found, **chosen, dry_run=True), as_json=as_json)
        return
    collected = lake.collect(found, **chosen)
    built = lake.build(collected) if build else None
    _print_collected(collected, built, as_json=as_json)
    collected.raise_for_failures()
    if built:
        built.raise_for_losses()


@group.command()
def coverage(
    market: _Markets,
    data_type: _Types,
    symbol: _Symbols = None,
    interval: _Intervals = None,
    start: _Start = None,
    end: _End = None,
    source: _Source = "binance",
    cadence: _Cadence = CadenceChoice.AUTO,
    as_json: _Json = False,
) -> None:
    """Compare the calendar with what was collected and built: what is present, short, rejected, missing; asks no source.

    Exit code 1 where something is pending, rejected, defective or missing; `lakehouse archives collect --repair` brings it.

    Examples:
      1. Holes of one symbol:
         lakehouse archives coverage --market um --type klines --symbol BTCUSDT --interval 1m
      2. A calendar that begins before the data does:
         lakehouse archives coverage --market um --type klines --symbol BTCUSDT --start 2019-01-01
    """
    found = connect().coverage(
        source,
        markets=market,
        data_types=data_type,
        symbols=symbol or None,
        intervals=interval or None,
        start=_parse_day("--start", start),
        end=_parse_day("--end", end),
        cadence=cadence.value,
    )
    if as_json:
        for period in found.periods:
            _, of_market, of_type, of_symbol, of_interval = period.series
            values = {"market": of_market, "data_type": of_type, "symbol": of_symbol, "interval": of_interval or None}
            times = {"start": period.start.isoformat(), "end": period.end.isoformat()}
            print_json({"type": "period", **values, **times, "state": period.state.value, "reason": period.reason})
    else:
        _print_coverage(found)
    if found.holes:
        raise typer.Exit(1)


@group.command()
def instruments(
    market: _Markets,
    data_type: Annotated[str, typer.Option("--type", help="Whose archives tell when a symbol began and ended.")] = "klines",
    symbol: _Symbols = None,
    source: _Source = "binance",
    as_json: _Json = False,
) -> None:
    """List every symbol that a source ever published, those that are gone included, with the time that it covers.

    Example:
      1. The universe of a market:
         lakehouse archives instruments --market um
    """
    lake = connect(observer=ignore_events if as_json else progress())
    found = lake.instruments(source, markets=market, data_type=data_type, symbols=symbol or None)
    rows = []
    for item in found:
        first, last = f"{item.first:%Y-%m-%d}", f"{item.last:%Y-%m-%d}"
        if as_json:
            values = {"market": item.market, "symbol": item.symbol, "canonical": item.canonical, "kind": item.kind}
            print_json({"type": "instrument", **values, "first": first, "end": last, "delisted": item.delisted})
        rows.append([item.market, item.symbol, item.canonical, item.kind, first, last, "yes" if item.delisted else ""])
    if not as_json:
        print_table(["market", "symbol", "canonical", "kind", "first", "end", "delisted"], rows)


def _print_plan(plan: CollectionPlan, *, as_json: bool) -> None:
    if as_json:
        print_json({"type": "plan", **plan.to_dict()})
        return
    print(plan.summary)
    print(f"terms of the data: {plan.terms_url}")


def _print_collected(collected: CollectReport, built: BuildReport | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"collect": collected.to_dict(), "build": built.to_dict() if built else None})
        return
    print_table(["state", "archives"], [[state, format_count(count)] for state, count in collected.counts().items()])
    for item in collected.problems:
        print(f"{item.state.value}: {item.archive.key}: {item.reason}")
    for key in collected.vanished:
        print(f"no longer listed: {key}")
    if built:
        print(built.summary)
        for file in built.alarms:
            print(f"{file.key}: {file.alarm}")
        for found in built.reconciled:
            if not found.agrees:
                print(
                    f"{found.key} and its daily archives disagree: {format_count(found.differing)} rows differ,"
                    f" {format_count(found.only_daily)} only daily, {format_count(found.only_monthly)} only monthly"
                )


def _print_coverage(found: Coverage) -> None:
    print_table(["state", "periods"], [[state, format_count(count)] for state, count in found.counts().items()])
    for hole in found.holes[:_SHOWN_HOLES]:
        print(f"{hole.state.value}: {' '.join(filter(None, hole.series[1:]))} {hole.start:%Y-%m-%d} {hole.reason}".rstrip())
    if len(found.holes) > _SHOWN_HOLES:
        print(f"and {format_count(len(found.holes) - _SHOWN_HOLES)} more; --json lists all")
    if not found.periods:
        print("Nothing is known of this selection yet; `lakehouse archives collect` begins.")


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
