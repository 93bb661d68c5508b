"""`lakehouse tables`: what the catalogue holds."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_sdk.cli import care
from lakehouse_sdk.cli.options import parse_time
from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.display import format_bytes, format_count, text_table
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.lakehouse import connect

if TYPE_CHECKING:
    from lakehouse_sdk.tables import Table
    from lakehouse_sdk.tables.read.table import SnapshotInfo

group = typer.Typer(
    no_args_is_help=True, help="Iceberg tables: list, search, look inside, query, restore, keep small and quick."
)

NameArgument = Annotated[str, typer.Argument(help="Full name, for example silver.klines.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="State at a time, UTC (2024-01-31T12:00), an age (7d), or a tag.")
]

_SHOWN_SERIES = 30


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    care.add_commands(group)
    app.add_typer(group, name="tables")


@group.command("list")
def list_tables(as_json: JsonOption = False) -> None:
    """List the tables with rows, size, states and the time of the last commit.

    Exit code 0, also where there is no table yet.

    Example:
      1. All tables:
         lakehouse tables list
    """
    catalog = connect().catalog
    rows = []
    for name in catalog.list_tables():
        table = catalog.table(name)
        states = table.snapshots()
        last = _current(table, states)
        size_bytes, files = (last.size_bytes, last.file_count) if last else (0, 0)
        committed_at = last.committed_at if last else None
        rows.append((name, table.row_count, size_bytes, files, len(states), committed_at))
    if as_json:
        names = ("table", "rows", "size_bytes", "files", "snapshots", "committed_at")
        for row in rows:
            print_json(dict(zip(names, row, strict=True)))
    elif rows:
        shown = [
            [name, format_count(count), format_bytes(size), format_count(files), format_count(states), _when(at)]
            for name, count, size, files, states, at in rows
        ]
        print_table(["table", "rows", "size", "files", "states", "last commit, UTC"], shown)
    else:
        print("There is no table yet; `lakehouse archives collect` builds the first ones.")


@group.command()
def head(
    name: NameArgument,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="How many rows.")] = 10,
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", help="Only these, as BTCUSDT or BTC/USDT:USDT; repeat.")
    ] = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the first rows of a table.

    Examples:
      1. Ten rows:
         lakehouse tables head silver.klines
      2. Of one symbol:
         lakehouse tables head silver.klines --symbol BTCUSDT -n 3
    """
    scan = connect().table(name).scan(symbols=symbol or None, as_of=_parse_state(as_of))
    found = scan.head(rows).to_pylist()
    if as_json:
        for row in found:
            print_json(row)
        return
    print(_text_of(scan.columns, [tuple(row.values()) for row in found]))


@group.command()
def search(
    words: Annotated[list[str], typer.Argument(help="What to look for: symbol, interval, type, market, source, meaning.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most matches.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Find tables, columns and the series in them by words, the best first.

    Exit code 0: something fits; 1: nothing does.

    Examples:
      1. A symbol's bars:
         lakehouse tables search btc 1m klines
      2. What a column means:
         lakehouse tables search funding rate
    """
    from lakehouse_sdk.tables.views.search import COLUMNS  # noqa: PLC0415 (loads Iceberg and Arrow)

    found = connect().catalog.search(" ".join(words), limit=limit)
    if as_json:
        for match in found.to_dict()["matches"]:
            print_json(match)
    elif found.matches:
        print(text_table(found.rows(), COLUMNS))
        if found.total > len(found):
            print(f"… and {format_count(found.total - len(found))} more")
    else:
        print(f"Nothing fits {found.text!r}; `lakehouse tables list` shows what there is.", file=sys.stderr)
    if not found.matches:
        raise typer.Exit(1)


@group.command()
def describe(name: NameArgument, as_json: JsonOption = False) -> None:
    """Tell what a table is and holds: columns with units, series, freshness, quality, where rows come from.

    Examples:
      1. For a person:
         lakehouse tables describe silver.klines
      2. For a program, one object:
         lakehouse tables describe silver.klines --json
    """
    from lakehouse_sdk.tables.read.description import SERIES_COLUMNS  # noqa: PLC0415 (loads Iceberg and Arrow)

    said = connect().table(name).describe()
    if as_json:
        print_json(said.to_dict())
        return
    print(repr(said))
    if said.series:
        print()
        rows = said.series_rows()
        print(text_table(rows[:_SHOWN_SERIES], SERIES_COLUMNS))
        if len(rows) > _SHOWN_SERIES:
            print(f"… and {format_count(len(rows) - _SHOWN_SERIES)} more; `lakehouse tables search` finds one")
    print()
    for source in said.sources:
        terms = f", terms at {source.terms_url}" if source.terms_url else ""
        print(f"from {source.name}: {format_count(source.archives)} archives{terms}")
    for label, names in (("computed from", said.inputs), ("serves", said.derived)):
        if names:
            print(f"{label} {', '.join(names)}")


@group.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT of DuckDB's SQL; tables are named in full. `-` reads standard input.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Most rows shown; --json prints all.")] = 100,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run one SELECT over any tables; read only, and blind to files and network.

    Exit code 0: it ran; 2: it is no single SELECT, or names what is not there.

    Examples:
      1. Days of a symbol:
         lakehouse tables query "select date_trunc('day', open_time) d, sum(volume) from silver.klines group by d order by d"
      2. As it was, into a file:
         lakehouse tables query --as-of study-1 --json "select * from silver.funding" > funding.jsonl
    """
    text = sys.stdin.read() if sql == "-" else sql
    result = connect().query(text, as_of=_parse_state(as_of))
    if as_json:
        for batch in result.to_batches():
            for row in batch.to_pylist():
                print_json(row)
        return
    found = result.head(rows + 1)
    print(_text_of(result.columns, found[:rows]))
    if len(found) > rows:
        print(f"… and more; --rows shows more than {format_count(rows)}")


@group.command()
def history(name: NameArgument, as_json: JsonOption = False) -> None:
    """List every state of a table that can still be read, oldest first, with its tags.

    Example:
      1. States of a table:
         lakehouse tables history silver.klines
    """
    table = connect().table(name)
    states = table.snapshots()
    if as_json:
        for state in states:
            print_json(
                {
                    "snapshot_id": state.snapshot_id,
                    "committed_at": state.committed_at,
                    "operation": state.operation,
                    "rows": state.row_count,
                    "files": state.file_count,
                    "size_bytes": state.size_bytes,
                    "names": list(state.names),
                    "is_current": state.snapshot_id == table.snapshot_id,
                }
            )
    elif states:
        rows = [
            [
                str(state.snapshot_id),
                _when(state.committed_at),
                state.operation,
                format_count(state.row_count),
                format_count(state.file_count),
                format_bytes(state.size_bytes),
                ", ".join(state.names),
                "current" if state.snapshot_id == table.snapshot_id else "",
            ]
            for state in states
        ]
        print_table(["snapshot", "committed, UTC", "change", "rows", "files", "size", "tags", ""], rows)
    else:
        print(f"{name} has no row and no state yet.")


@group.command()
def restore(
    name: NameArgument,
    snapshot: Annotated[int | None, typer.Option("--snapshot", help="The state with this id.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="The state with this tag.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The state at this time, UTC, or age (7d).")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can be asked.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an older state of a table the current one again; asks first, saying what changes.

    Nothing is lost: the newer states stay readable by their ids until they
    expire. Rows that are not seen any more come back when their archives are
    built again with rebuild=True: the ledger still calls them published.

    Exit code 0: it is current now; 1: there is no such state, or the answer
    was no; 2: not exactly one state is named, or nobody to ask without --yes.

    Examples:
      1. As it was yesterday:
         lakehouse tables restore silver.klines --as-of 1d
      2. A tagged state, in a script:
         lakehouse tables restore silver.klines --tag study-1 --yes
    """
    wanted: list[int | str | datetime] = [state for state in (snapshot, tag, parse_time("--as-of", as_of)) if state is not None]
    if len(wanted) != 1:
        raise UsageError("Name one state.", hint="Give --snapshot, --tag or --as-of; `lakehouse tables history` lists them.")
    table = connect().table(name)
    target = table.find_snapshot(wanted[0])
    states = {state.snapshot_id: state for state in table.snapshots()}
    if target is not None and target != table.snapshot_id and not yes:
        _ask(table, states[target])
    report = table.restore(wanted[0] if target is None else target)
    if as_json:
        print_json(report.to_dict())
    else:
        rows = f"{format_count(report.rows_before)} rows before, {format_count(report.rows_after)} now"
        print(f"{name} is at snapshot {report.snapshot_after}: {rows}. Before it was at {report.snapshot_before}.")


def _ask(table: Table, target: SnapshotInfo) -> None:
    change = (
        f"{table.name} would go from {format_count(table.row_count)} to {format_count(target.row_count)} rows,"
        f" to the state of {_when(target.committed_at)} UTC"
    )
    if not sys.stdin.isatty():
        raise UsageError(f"{change}, and there is no terminal to ask at.", hint="Add --yes.")
    if not typer.confirm(f"{change}. Go on?", err=True):
        print("Nothing was changed.", file=sys.stderr)
        raise typer.Exit(1)


def _current(table: Table, states: list[SnapshotInfo]) -> SnapshotInfo | None:
    return next((state for state in states if state.snapshot_id == table.snapshot_id), None)


def _parse_state(text: str | None) -> str | datetime | None:
    """A time or age where it begins with a digit; else a tag, which begins with a letter."""
    if text is None or not re.match(r"\d", text):
        return text
    return parse_time("--as-of", text)


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _text_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of data as they are: no number is rounded, and nothing stands for what is not there."""
    return text_table(
        [["" if value is None else str(value) for value in row] for row in rows], dict(zip(columns, columns, strict=True))
    )
