"""The care of tables, commands of `lakehouse tables`: tags, compaction, expiry, orphans, recovery."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Protocol

import typer

from lakehouse_sdk.cli.options import parse_age, parse_size
from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.display import format_bytes
from lakehouse_sdk.lakehouse import Lakehouse, connect

_Names = Annotated[list[str] | None, typer.Argument(help="Full names, for example silver.klines. Default: all tables.")]
_Name = Annotated[str, typer.Argument(help="Full name, for example silver.klines.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, its kind in `type`.")]


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group of the tables."""
    for command in (tag, untag, compact, relabel, expire, orphans, recover, publish, discard, retain, capacity):
        group.command()(command)


def tag(
    name: _Name,
    label: Annotated[str, typer.Argument(metavar="TAG", help="Begins with a letter; letters, digits, '.', '_', '-'.")],
    snapshot: Annotated[int | None, typer.Option(help="Id of the snapshot. Default: the current one.")] = None,
    as_json: _Json = False,
) -> None:
    """Give a state of a table a name, which keeps it from expiring.

    Examples:
      1. What a study was computed on:
         lakehouse tables tag silver.klines study-1
      2. An earlier state:
         lakehouse tables tag silver.klines before-repair --snapshot 5310972451226394817
    """
    _say_tag(name, label, connect().table(name).tag(label, snapshot), "has the tag", as_json)


def untag(
    name: _Name,
    label: Annotated[str, typer.Argument(metavar="TAG", help="A tag of the table.")],
    as_json: _Json = False,
) -> None:
    """Take a tag away; its state stays until it expires.

    Example:
      1. The study is published:
         lakehouse tables untag silver.klines study-1
    """
    _say_tag(name, label, connect().table(name).untag(label), "no longer has the tag", as_json)


def compact(
    names: _Names = None,
    target_size: Annotated[str | None, typer.Option(help="Planned size of a file. Default: tables.target_file_mib.")] = None,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Make few files of the planned size out of small ones; no row changes.

    Examples:
      1. All tables, every night:
         lakehouse tables compact
      2. What would one table gain:
         lakehouse tables compact silver.klines --target-size 256MiB --dry-run
    """
    size = parse_size("--target-size", target_size)
    report = _connect(as_json).compact(names or None, target_bytes=size, dry_run=dry_run)
    _print_tables(report, as_json, sizes=("bytes_before", "bytes_after"))


def relabel(names: _Names = None, dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Give every row the canonical name that its symbol has by today's rules; nothing is collected anew.

    Examples:
      1. What would change after an update:
         lakehouse tables relabel --dry-run
      2. Correct all tables:
         lakehouse tables relabel
    """
    report = _connect(as_json).relabel(names or None, dry_run=dry_run)
    if not as_json:
        for table in report.tables:
            for name in table.names:
                print(f"{table.table}: {name}")
    _print_tables(report, as_json, sizes=(), hidden=("names",))


def expire(
    names: _Names = None,
    older_than: Annotated[str, typer.Option(help="Least age of what goes: 7d, 12h.")] = "7d",
    keep_last: Annotated[int, typer.Option(min=1, help="Snapshots of each branch that stay whatever their age.")] = 1,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Let old snapshots expire, and delete the files that only they needed.

    Tags and branches keep their states. Exit code 1 where the storage did not delete a file.

    Examples:
      1. All tables, every night:
         lakehouse tables expire
      2. What would go:
         lakehouse tables expire silver.klines --older-than 30d --keep-last 5 --dry-run
    """
    age = parse_age("--older-than", older_than)
    report = _connect(as_json).expire(names or None, older_than=age, keep_last=keep_last, dry_run=dry_run)
    _print_tables(report, as_json, sizes=("size_bytes",))
    _end(any(table.failed_files for table in report.tables))


def orphans(
    names: _Names = None,
    older_than: Annotated[str, typer.Option(help="Least age of what goes: 3d, 12h.")] = "3d",
    delete: Annotated[bool, typer.Option("--delete", help="Delete them. Default: only say what would be deleted.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Allow less than an hour, while nothing writes to the lake.")] = False,
    as_json: _Json = False,
) -> None:
    """Find files of tables that no state of the table names: leftovers of killed writers.

    Exit code 1 where the storage did not delete a file.

    Examples:
      1. What is there:
         lakehouse tables orphans
      2. Remove it:
         lakehouse tables orphans silver.klines --older-than 7d --delete
    """
    age = parse_age("--older-than", older_than)
    report = _connect(as_json).remove_orphans(names or None, older_than=age, force=force, dry_run=not delete)
    _print_tables(report, as_json, sizes=("size_bytes",), hidden=("examples",))
    _end(any(table.failed_files for table in report.tables))


def recover(dry_run: _DryRun = False, as_json: _Json = False) -> None:
    """Register the tables of the lake in a catalogue that lost them.

    Tables that the catalogue knows are left alone.

    Examples:
      1. What is there:
         lakehouse tables recover --dry-run
      2. The database is gone and a new, empty one is set:
         lakehouse tables recover
    """
    _print_tables(connect().recover(dry_run=dry_run), as_json, hidden=("metadata_location", "rivals"))


_Branch = Annotated[str, typer.Argument(help="Branch of a batch that a gate refused: `batch-…`.")]


def publish(branch: _Branch, as_json: _Json = False) -> None:
    """Bring a batch that a gate left on its branch to everybody.

    Example:
      1. Looked at, and good after all:
         lakehouse tables publish batch-1f0c9a52b7de
    """
    report = _connect(as_json).publish(branch)
    if as_json:
        print_json({"type": "publish", **report.to_dict()})
    else:
        print(f"{report.summary}.")


def discard(branch: _Branch, as_json: _Json = False) -> None:
    """Give up a batch that a gate left on its branch; its archives stay in bronze.

    Example:
      1. Looked at, and wrong:
         lakehouse tables discard batch-1f0c9a52b7de
    """
    tables = connect().discard(branch)
    if as_json:
        print_json({"type": "discard", "branch": branch, "tables": tables})
    else:
        print(f"{branch} is gone from {', '.join(tables)}.")


def retain(
    market: Annotated[list[str], typer.Option("--market", help="spot, um, …; repeat for several.")],
    data_type: Annotated[list[str], typer.Option("--type", help="klines, aggTrades, …; repeat for several.")],
    older_than: Annotated[str, typer.Option(help="Least time since the end of an archive's period: 90d.")],
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", help="Native symbol or pattern; repeat. Default: all.")
    ] = None,
    source: Annotated[str, typer.Option(help="Name of the connector.")] = "binance",
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Remove archives from bronze whose rows are in the tables; ledger and hashes stay.

    Exit code 1 where the storage did not delete a file. `lakehouse archives collect --restore` brings them back.

    Example:
      1. Trades of more than a year ago:
         lakehouse tables retain --market um --type aggTrades --older-than 365d --dry-run
    """
    age = parse_age("--older-than", older_than)
    report = _connect(as_json).retain(
        source, markets=market, data_types=data_type, symbols=symbol or None, older_than=age, dry_run=dry_run
    )
    if as_json:
        print_json({"type": "retention", **report.to_dict()})
    else:
        print(f"{report.summary}.")
    _end(report.failed > 0)


def capacity(
    limit: Annotated[
        str | None, typer.Option("--capacity", help="What the lake may take in all: 2TB. Default: the server is asked.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show what the lake holds, how it grows, and when the server is full.

    Examples:
      1. The server tells what is free (MinIO does):
         lakehouse tables capacity
      2. A quota of your own:
         lakehouse tables capacity --capacity 2TB
    """
    report = _connect(as_json).capacity(capacity_bytes=parse_size("--capacity", limit))
    if as_json:
        print_json({"type": "capacity", **report.to_dict()})
        return
    rows = [(zone.zone, f"{zone.objects:,}", zone.size_bytes, zone.growth_bytes_per_day) for zone in report.zones]
    shown = [[*row[:2], format_bytes(row[2]), "unknown" if row[3] is None else format_bytes(round(row[3]))] for row in rows]
    print_table(["zone", "objects", "size", "growth a day"], shown)
    print_table(["table", "size"], [[name, format_bytes(size)] for name, size in report.tables.items()])
    print(f"{report.summary}.")


class _Report(Protocol):
    """What all reports of the care of tables have."""

    @property
    def tables(self) -> tuple[object, ...]: ...

    @property
    def dry_run(self) -> bool: ...

    @property
    def summary(self) -> str: ...


def _print_tables(report: _Report, as_json: bool, sizes: tuple[str, ...] = (), hidden: tuple[str, ...] = ()) -> None:
    rows = [asdict(table) for table in report.tables]  # type: ignore[call-overload]
    if as_json:
        for row in rows:
            print_json({"type": "table", **row, "dry_run": report.dry_run})
        return
    if rows:
        columns = [column for column in rows[0] if column not in hidden]
        shown = [[format_bytes(row[c]) if c in sizes else str(row[c]) for c in columns] for row in rows]
        print_table([column.replace("_", " ") for column in columns], shown)
    print(f"{report.summary}.")


def _say_tag(name: str, label: str, snapshot_id: int, verb: str, as_json: bool) -> None:
    if as_json:
        print_json({"type": "tag", "table": name, "tag": label, "snapshot_id": snapshot_id})
    else:
        print(f"Snapshot {snapshot_id} of {name} {verb} {label}.")


def _connect(as_json: bool) -> Lakehouse:
    """The lake, with progress on standard error unless a program reads the output."""
    return connect(observer=progress(quiet=as_json))


def _end(failed: bool) -> None:
    if failed:
        raise typer.Exit(1)
