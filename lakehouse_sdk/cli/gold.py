"""`lakehouse tables bars` and `lakehouse tables cross-check`: gold views from the command line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.tables import group
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.lakehouse import connect

if TYPE_CHECKING:
    import polars as pl

SymbolArgument = Annotated[
    list[str] | None, typer.Argument(help="Symbols, as their publisher or as ccxt writes them. Default: all.")
]
SourceOption = Annotated[str, typer.Option("--source", help="Publisher.")]
MarketOption = Annotated[str, typer.Option("--market", help="Market of the publisher.")]
StartOption = Annotated[str | None, typer.Option("--start", help="First day or instant, UTC. Default: the first there is.")]
EndOption = Annotated[str | None, typer.Option("--end", help="First day or instant left out, UTC. Default: to the last.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(_app: typer.Typer) -> None:
    """Add the commands to the group `tables`."""
    group.command("bars")(bars)
    group.command("cross-check")(cross_check)


def bars(
    symbols: SymbolArgument = None,
    interval: Annotated[str, typer.Option("--interval", "-i", help="Length: 30s, 5m, 4h, 1d, 1w, 1mo.")] = "1h",
    source: SourceOption = "binance",
    market: MarketOption = "um",
    start: StartOption = None,
    end: EndOption = None,
    made_from: Annotated[
        str,
        typer.Option(
            "--from", help="klines, agg_trades, trades, mark_klines, index_klines, premium_klines, or auto for the cheapest."
        ),
    ] = "auto",
    gaps: Annotated[
        str, typer.Option("--gaps", help="none leaves missing bars out, fill puts flat, marked ones there.")
    ] = "none",
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", "-f", help="vwap, returns, imbalance, funding, mark, index or premium; repeat."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write a file: .parquet or .csv.")] = None,
    save: Annotated[str | None, typer.Option("--save", help="Write an Iceberg table, for example gold.klines_5m.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Bars of any length out of silver tables, with features: shown, written to a file, or saved as a table.

    Without --output and --save the last ten bars of each symbol are printed, or with --json all of them with every column.

    Examples:
      1. The last hours:
         lakehouse tables bars BTCUSDT --interval 1h --feature vwap
      2. Five minutes out of aggregate trades, into a file:
         lakehouse tables bars BTCUSDT -i 5m --from agg_trades --start 2024-01-01 --end 2024-02-01 -o bars.parquet
      3. A table that stays:
         lakehouse tables bars -i 1d --gaps fill -f returns -f funding --save gold.days
    """
    if output is not None and output.suffix not in _WRITERS:
        raise UsageError(f"{output} is neither .parquet nor .csv.", hint="Its suffix says what is written.")
    view = connect().bars(
        symbols or None,
        interval=interval,
        source=source,
        market=market,
        start=start,
        end=end,
        made_from=made_from,  # type: ignore[arg-type]  # checked there
        gaps=gaps,  # type: ignore[arg-type]
        features=feature or (),  # type: ignore[arg-type]
    )
    if save is not None:
        commit = view.save(save)
        _tell({"table": commit.table, "rows": commit.rows_written, "snapshot_id": commit.snapshot_id}, as_json=as_json)
    if output is not None:
        frame = view.to_polars()
        _WRITERS[output.suffix](frame, output)
        _tell({"file": str(output), "rows": frame.height}, as_json=as_json)
    if output is None and save is None:
        _show(view.to_polars(), as_json=as_json)


def cross_check(
    symbols: SymbolArgument = None,
    interval: Annotated[str, typer.Option("--interval", "-i", help="Length of the published bars.")] = "1m",
    source: SourceOption = "binance",
    market: MarketOption = "um",
    start: StartOption = None,
    end: EndOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare published bars with those that the trades of the same days make; exit code 1 where they differ.

    Example:
      1. A month:
         lakehouse tables cross-check BTCUSDT --start 2024-01-01 --end 2024-02-01
    """
    found = connect().cross_check(symbols or None, interval=interval, source=source, market=market, start=start, end=end)
    if as_json:
        print_json(found.to_dict())
    else:
        print(found.summary)
        rows = [[str(value) for value in row] for row in found.differences.head(_SHOWN).iter_rows()]
        if rows:
            print_table(found.differences.columns, rows)
    if not found.agrees:
        raise typer.Exit(1)


_SHOWN = 20


def _write_parquet(frame: pl.DataFrame, file: Path) -> None:
    frame.write_parquet(file)


def _write_csv(frame: pl.DataFrame, file: Path) -> None:
    frame.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")


_WRITERS = {".parquet": _write_parquet, ".csv": _write_csv}


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print(", ".join(f"{name}: {value}" for name, value in facts.items()))


def _show(frame: pl.DataFrame, *, as_json: bool) -> None:
    if as_json:
        for row in frame.iter_rows(named=True):
            print_json(row)
        return
    shown = frame.group_by("symbol", maintain_order=True).tail(10)
    features = frame.columns[frame.columns.index("is_filled") + 1 :]
    amount = [name for name in ("volume", "sample_count") if name in frame.columns][:1]
    columns = ["symbol", "open_time", "open", "high", "low", "close", *amount, *features]
    print_table(columns, [[_format(value) for value in row] for row in shown.select(columns).iter_rows()])


def _format(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
