"""`lakehouse ls`, `du` and `rm`: what a bucket holds, how much, and away with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_sdk.cli.options import JsonOption
from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.cli.stopping import StoppedError, finish_call
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.display import format_bytes, format_count, printable_text
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.jobs import list_contents, measure_usage, plan_removal, remove
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.uris import S3Address, parse_s3_address

if TYPE_CHECKING:
    from lakehouse_sdk.jobs import Removal, RemoveReport, UsageReport
    from lakehouse_sdk.storage import ObjectInfo

_S3_HELP = "lakehouse://\\[profile@]bucket/prefix or s3://bucket/prefix"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (ls, du, rm):
        app.command()(command)


def ls(
    address: Annotated[str | None, typer.Argument(help=f"{_S3_HELP}; none: the buckets.", show_default=False)] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All objects below, not one level.")] = False,
    long: Annotated[bool, typer.Option("--long", "-l", help="Sizes and times (UTC) too.")] = False,
    profile: Annotated[str, typer.Option("--profile", help="Whose buckets to list, without ADDRESS.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List buckets, or what lies below an address: sub-prefixes (with a slash) and objects.

    Exit code 0: listed; 1: there is nothing at the address, or the server
    does not answer; 2: address or setting wrong.

    Examples:
      1. The buckets of the lakehouse's server, and of another one:
         lakehouse ls
         lakehouse ls --profile office
      2. One level, with sizes and times:
         lakehouse ls -l s3://lakehouse/bronze
      3. Everything below a prefix of a public bucket, for a tool:
         lakehouse ls -r --json lakehouse://binance@data.binance.vision/data/spot/daily/klines/BTCUSDT/1d
    """
    settings = load_settings()
    if address is None:
        _list_buckets(settings, profile, as_json=as_json)
        return
    if profile:
        raise UsageError("--profile is for the list of buckets.", hint="Write lakehouse://PROFILE@bucket/prefix.")
    place = parse_s3_address(address)
    objects = folders = size_bytes = 0
    for item in list_contents(place, settings=settings, recursive=recursive):
        if isinstance(item, str):
            folders += 1
        else:
            objects, size_bytes = objects + 1, size_bytes + item.size_bytes
        _print_item(item, place, long=long, as_json=as_json)
    if as_json:
        print_json({"type": "summary", "objects": objects, "folders": folders, "size_bytes": size_bytes})


def du(
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help=f"{_S3_HELP}.")],
    depth: Annotated[int, typer.Option("--depth", min=0, help="Levels of sub-prefixes to tell apart; 0: the total.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Count objects and bytes below each address, in total and by sub-prefix.

    Exit code 0: counted; 1: there is nothing at an address, or the server
    does not answer; 2: an address or setting is wrong.

    Examples:
      1. A bucket by its top-level prefixes:
         lakehouse du s3://lakehouse
      2. Two levels deep:
         lakehouse du s3://lakehouse/bronze --depth 2
      3. Two totals, for a tool:
         lakehouse du --depth 0 --json s3://lakehouse/bronze s3://backup/bronze
    """
    settings = load_settings()
    for address in [parse_s3_address(text) for text in addresses]:
        _print_usage(measure_usage(address, settings=settings, depth=depth), as_json=as_json)


def rm(
    target: Annotated[str, typer.Argument(help=f"{_S3_HELP}; local files are for the system's own tools.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Everything below the prefix or bucket.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can be asked.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; delete nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete one object, or everything below a prefix, in S3; asks first, saying how much it is.

    Only what was counted goes: an object that changed or came since is kept.
    The bucket stays, and so do open multipart uploads and, where a bucket has
    versions, the older ones.

    Exit code 0: all of it is gone; 1: something is not, there is nothing at
    TARGET, or the answer was no; 2: the address or an option is wrong, a
    prefix without --recursive, or nobody to ask without --yes; 130:
    interrupted (143: by SIGTERM).

    Examples:
      1. One object:
         lakehouse rm s3://lakehouse/data/bars.csv
      2. What would go below a prefix:
         lakehouse rm -r --dry-run s3://lakehouse/data/old
      3. In a script:
         lakehouse rm -r --yes s3://lakehouse/data/old
    """
    settings = load_settings()
    found = plan_removal(_parse_doomed(target), settings=settings, recursive=recursive)
    if dry_run:
        _print_removal(found, as_json=as_json)
        return
    if found.objects and not yes:
        _ask(found)
    report, signal_code = finish_call(
        lambda token: remove(found, settings=settings, observer=progress(quiet=as_json), cancel=token)
    )
    _print_removed(report, as_json=as_json)
    if signal_code and report.cancelled_objects:
        raise StoppedError("What was not begun is still there; the same command deletes the rest.", signal_code)
    if not report.ok:
        raise typer.Exit(1)


def _parse_doomed(target: str) -> S3Address:
    if "://" not in target:
        raise UsageError(
            f"{target!r} is not an S3 address; rm deletes objects only.", hint="Delete files with the system's rm."
        )
    return parse_s3_address(target)


def _list_buckets(settings: Settings, profile: str, *, as_json: bool) -> None:
    with S3Client(settings.profile(profile)) as client:
        names = client.list_buckets()
    for name in names:
        if as_json:
            print_json({"type": "bucket", "name": name})
        else:
            print(name)
    if as_json:
        print_json({"type": "summary", "buckets": len(names)})


def _print_item(item: str | ObjectInfo, place: S3Address, *, long: bool, as_json: bool) -> None:
    if as_json:
        _print_item_json(item)
        return
    key = item if isinstance(item, str) else item.key
    below = place.child("").key
    name = printable_text(key.removeprefix(below) if key.startswith(below) else key.rpartition("/")[2])
    if not long:
        print(name)
    elif isinstance(item, str):
        print(f"{'':>10}  {'':19}  {name}")
    else:
        print(f"{format_bytes(item.size_bytes):>10}  {item.last_modified:%Y-%m-%d %H:%M:%S}  {name}")


def _print_item_json(item: str | ObjectInfo) -> None:
    if isinstance(item, str):
        print_json({"type": "folder", "key": item})
        return
    times = {"last_modified": item.last_modified.isoformat(), "etag": item.etag}
    print_json({"type": "object", "key": item.key, "size_bytes": item.size_bytes, **times})


def _print_usage(report: UsageReport, *, as_json: bool) -> None:
    if as_json:
        for item in report.folders:
            values = {"key": item.prefix, "objects": item.objects, "size_bytes": item.size_bytes}
            print_json({"type": "folder", "address": str(report.address), **values})
        totals = {"objects": report.objects, "size_bytes": report.size_bytes}
        print_json({"type": "summary", "address": str(report.address), **totals})
        return
    rows = [[format_count(item.objects), format_bytes(item.size_bytes), printable_text(item.prefix)] for item in report.folders]
    total = [format_count(report.objects), format_bytes(report.size_bytes), printable_text(str(report.address))]
    print_table(["objects", "size", "prefix"], [*rows, total])


def _ask(found: Removal) -> None:
    """Go on only where a person says so.

    Raises:
        UsageError: There is nobody to ask.
        typer.Exit: The answer was no.
    """
    amount = f"{_count_objects(found.objects)} ({format_bytes(found.size_bytes)}) at {printable_text(str(found.address))}"
    if not sys.stdin.isatty():
        raise UsageError(
            f"{amount} would be deleted, and there is no terminal to ask at.", hint="Add --yes, or look with --dry-run."
        )
    if not typer.confirm(f"Delete {amount}?", err=True):
        print("Nothing was deleted.", file=sys.stderr)
        raise typer.Exit(1)


def _print_removal(found: Removal, *, as_json: bool) -> None:
    for row in found:
        if as_json:
            print_json({"type": "object", "key": row.target_key, "action": "delete", "size_bytes": row.size_bytes})
        else:
            print(f"{format_bytes(row.size_bytes):>10}  {printable_text(row.target_key)}")
    if as_json:
        values = {"address": str(found.address), "objects": found.objects, "size_bytes": found.size_bytes}
        print_json({"type": "summary", **values, "dry_run": True})
    else:
        print(f"{_count_objects(found.objects)} would be deleted, {format_bytes(found.size_bytes)}.")


def _count_objects(objects: int) -> str:
    return "1 object" if objects == 1 else f"{format_count(objects)} objects"


def _print_removed(report: RemoveReport, *, as_json: bool) -> None:
    for item in report.failures:
        if as_json:
            print_json({"type": "object", "key": item.row.target_key, "status": item.status.value, "reason": item.reason})
        else:
            print(f"{item.status.value}: {printable_text(item.row.target_key)}: {item.reason}")
    if as_json:
        values = {"objects": report.objects, "deleted_objects": report.deleted_objects, "deleted_bytes": report.deleted_bytes}
        left = {"failed_objects": len(report.failures), "cancelled_objects": report.cancelled_objects}
        print_json({"type": "summary", "address": str(report.address), **values, **left, "ok": report.ok})
    else:
        print(report.summary)
