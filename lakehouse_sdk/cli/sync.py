"""`lakehouse sync`: the contents of a prefix into a prefix."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.display import format_bytes, format_count, format_duration
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.lakehouse import connect

if TYPE_CHECKING:
    from lakehouse_sdk.transfer import TransferPlan, TransferReport


class Strategy(StrEnum):
    """How bytes travel."""

    AUTO = "auto"
    DIRECT = "direct"
    STREAMING = "streaming"
    STAGED = "staged"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(sync)


def sync(
    source: Annotated[str, typer.Argument(help="lakehouse://\\[profile@]bucket/prefix, s3://bucket/prefix or a folder.")],
    target: Annotated[str, typer.Argument(help="As SOURCE.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; move nothing.")] = False,
    strategy: Annotated[Strategy, typer.Option(help="auto chooses by what is true of the two ends.")] = Strategy.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: every object, then a summary.")] = False,
) -> None:
    """Copy what is missing or differs below SOURCE into TARGET; nothing is deleted.

    Exit code 0: everything is at the target; 1: some objects are not; 2: an address or setting is wrong.

    Examples:
      1. A folder into a bucket:
         lakehouse sync ./data s3://lakehouse/data
      2. What would be copied, and why:
         lakehouse sync --dry-run s3://lakehouse/bronze s3://backup/bronze
      3. From another server (a profile):
         lakehouse sync lakehouse://office@research/bars s3://lakehouse/bars
    """
    lake = connect(observer=ignore_events if as_json else progress())
    if dry_run:
        _print_plan(lake.plan(source, target), as_json=as_json)
        return
    report = lake.sync(source, target, strategy=strategy.value)
    _print_report(report, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)


def _print_plan(plan: TransferPlan, *, as_json: bool) -> None:
    if as_json:
        for row in plan:
            values = {"key": row.relative_key, "action": row.action.value, "size_bytes": row.size_bytes, "reason": row.reason}
            print_json({"type": "object", **values})
        print_json({"type": "summary", **plan.to_dict()})
        return
    print_table(
        ["action", "size", "key", "reason"],
        [[row.action.value, format_bytes(row.size_bytes), row.relative_key, row.reason] for row in plan],
    )
    print(plan.summary)


def _print_report(report: TransferReport, *, as_json: bool) -> None:
    if as_json:
        for item in report.outcomes:
            values = {"key": item.row.relative_key, "status": item.status.value, "reason": item.reason, "runner": item.runner}
            print_json({"type": "object", **values, "size_bytes": item.row.size_bytes})
        print_json({"type": "summary", **report.to_dict()})
        return
    for item in report.failures:
        print(f"{item.status.value}: {item.row.relative_key}: {item.reason}")
    print(
        f"{report.summary}\nstrategy {report.strategy}: {report.strategy_reason};"
        f" {format_bytes(report.bytes_through_client)} through this machine, {format_count(report.s5cmd_commands)} s5cmd"
        f" commands, {format_duration(report.seconds)}"
    )
