"""`lakehouse plan`, `sync`, `cp` and `verify`: what is to be copied, copying it, and proof that it is there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_sdk.cli.options import (
    ADDRESS_HELP,
    Compare,
    ExcludeOption,
    IncludeOption,
    JsonOption,
    MaxSizeOption,
    MinSizeOption,
    NewerOption,
    OlderOption,
    SelectionOptions,
    Strategy,
    Verify,
)
from lakehouse_sdk.cli.output import print_json
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.cli.stopping import StoppedError, finish
from lakehouse_sdk.display import format_bytes, format_count, format_duration, printable_text
from lakehouse_sdk.errors import DeleteRefusedError, UsageError
from lakehouse_sdk.jobs import plan_copies
from lakehouse_sdk.lakehouse import Lakehouse, connect
from lakehouse_sdk.transfer import Status

if TYPE_CHECKING:
    from lakehouse_sdk.transfer import TransferPlan, TransferReport, VerifyReport

_CompareOption = Annotated[Compare, typer.Option("--compare", help="When an object counts as already there.")]
_DeleteOption = Annotated[bool, typer.Option("--delete", help="Delete what only TARGET holds, once every copy succeeded.")]
_MaxDeletesOption = Annotated[
    int | None,
    typer.Option("--max-deletes", min=0, help="Most deletes; default: the smaller of 1,000 and 10 % of TARGET."),
]
_StrategyOption = Annotated[
    Strategy, typer.Option("--strategy", help="How bytes travel; auto chooses by what is true of the two ends.")
]
_VerifyOption = Annotated[
    Verify, typer.Option("--verify", help="Proof after the copy: auto reads nothing back, sha256 reads all of it.")
]
_ManifestOption = Annotated[
    bool, typer.Option("--manifest", help="Keep the outcomes as Parquet below _manifests/ in the lake's bucket.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (plan, sync, cp, verify):
        app.command()(command)


def plan(
    source: Annotated[str, typer.Argument(help=ADDRESS_HELP)],
    target: Annotated[str, typer.Argument(help="As SOURCE.")],
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    min_size: MinSizeOption = None,
    max_size: MaxSizeOption = None,
    newer_than: NewerOption = None,
    older_than: OlderOption = None,
    compare: _CompareOption = Compare.AUTO,
    delete: _DeleteOption = False,
    max_deletes: _MaxDeletesOption = None,
    keep_skips: Annotated[
        bool, typer.Option("--keep-skips", help="Show skipped objects too, instead of counting them.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save the plan (.parquet) for `lakehouse sync --plan`.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what `lakehouse sync` would do, object by object and why, and what it would cost; nothing is changed.

    Exit code 0: this is the plan; 1: an end cannot be listed, or there are
    more deletes than are believed; 2: an address or option is wrong.

    Examples:
      1. What is missing or differs in a backup:
         lakehouse plan s3://lakehouse/bronze s3://backup/bronze
      2. The same, with deletes, a week's worth of changes and no temporary files:
         lakehouse plan s3://lakehouse/bronze s3://backup/bronze --delete --newer-than 7d --exclude '*.tmp'
      3. Keep the plan, look at it, run exactly that:
         lakehouse plan ./data s3://lakehouse/data --output plan.parquet
         lakehouse sync --plan plan.parquet
    """
    selection = SelectionOptions(include, exclude, min_size, max_size, newer_than, older_than).to_selection()
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {str(output.absolute().parent)!r} to save the plan in.", hint="Make it first.")
    with _connect(as_json).plan(
        source,
        target,
        selection=selection,
        compare=compare.value,
        delete=delete,
        max_deletes=max_deletes,
        keep_skips=keep_skips,
    ) as made:
        _print_plan(made, as_json=as_json)
        if output is not None:
            made.save(output)
            if not as_json and not made.delete_refusal:
                print(f"saved as {printable_text(str(output))}; `lakehouse sync --plan {printable_text(str(output))}` runs it")
        _check_deletes(made)


def sync(
    source: Annotated[str | None, typer.Argument(help=f"{ADDRESS_HELP} None with --plan.", show_default=False)] = None,
    target: Annotated[str | None, typer.Argument(help="As SOURCE.", show_default=False)] = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    min_size: MinSizeOption = None,
    max_size: MaxSizeOption = None,
    newer_than: NewerOption = None,
    older_than: OlderOption = None,
    compare: _CompareOption = Compare.AUTO,
    delete: _DeleteOption = False,
    max_deletes: _MaxDeletesOption = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Run the plan that `lakehouse plan --output` saved, and nothing else.")
    ] = None,
    strategy: _StrategyOption = Strategy.AUTO,
    verify: _VerifyOption = Verify.AUTO,
    manifest: _ManifestOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy what is missing or differs below SOURCE into TARGET; nothing is deleted unless --delete says so.

    `lakehouse plan` shows beforehand what it would do. Ctrl-C ends it in
    order; the same command finishes the rest.

    Exit code 0: everything is at the target; 1: some objects are not, or
    there are more deletes than are believed (then nothing was copied); 2: an
    address, option or setting is wrong; 130: interrupted (143: by SIGTERM).

    Examples:
      1. A folder into a bucket:
         lakehouse sync ./data s3://lakehouse/data
      2. From another server (a profile), zip files of the last day only:
         lakehouse sync lakehouse://office@research/bars s3://lakehouse/bars --include '*.zip' --newer-than 1d
      3. An exact copy, every byte read back and compared:
         lakehouse sync s3://lakehouse/bronze s3://backup/bronze --delete --verify sha256
      4. A plan that was looked at before:
         lakehouse sync --plan plan.parquet
    """
    options = SelectionOptions(include, exclude, min_size, max_size, newer_than, older_than)
    lake = _connect(as_json)
    if plan_file is not None:
        _refuse_planning_options(source, target, options, compare, delete=delete, max_deletes=max_deletes)
        made = lake.load_plan(plan_file)
    else:
        if source is None or target is None:
            raise UsageError("sync needs SOURCE and TARGET.", hint="Name both, or a saved plan with --plan.")
        made = lake.plan(
            source,
            target,
            selection=options.to_selection(),
            compare=compare.value,
            delete=delete,
            max_deletes=max_deletes,
        )
    with made:
        _check_deletes(made)
        rest = "the same command does the rest"
        report = _run(made, strategy=strategy, verify=verify, manifest=manifest, rest=rest, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)


def cp(
    sources: Annotated[list[str], typer.Argument(help=f"Objects or files: {ADDRESS_HELP}")],
    target: Annotated[str, typer.Argument(help="As SOURCES.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Copy prefixes and folders with all in them.")] = False,
    strategy: _StrategyOption = Strategy.AUTO,
    verify: _VerifyOption = Verify.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Copy objects and files between any two places, verified; what is at the target is replaced.

    A TARGET that ends with / is a folder: SOURCE appears in it under its own
    name, as with several sources. Any other TARGET is the new name itself,
    unless it is a whole bucket or, for single objects, an existing local
    folder. A SOURCE that ends with / stands for its contents. `lakehouse
    sync` copies only what is missing or differs, and takes patterns.

    Exit code 0: everything is at the target; 1: something is not, or a source
    is not there; 2: an address, option or setting is wrong; 130: interrupted
    (143: by SIGTERM).

    Examples:
      1. A file into a prefix, and an object to a file of another name:
         lakehouse cp bars.csv s3://lakehouse/data/
         lakehouse cp s3://lakehouse/data/bars.csv ./copy.csv
      2. Several files:
         lakehouse cp *.csv s3://lakehouse/data/
      3. A folder under its own name, and its contents without it:
         lakehouse cp -r ./daily s3://lakehouse/data/
         lakehouse cp -r ./daily/ s3://lakehouse/data
      4. Between two servers (a profile):
         lakehouse cp -r lakehouse://office@research/bars/ s3://lakehouse/bars
    """
    observer = progress(quiet=as_json)
    lake = connect(observer=observer)
    plans = plan_copies(sources, target, settings=lake.settings, recursive=recursive, observer=observer)
    rest = "`lakehouse cp` again copies all of it, `lakehouse sync` only the rest of a folder"
    reports = [_run(made, strategy=strategy, verify=verify, manifest=False, rest=rest, as_json=as_json) for made in plans]
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def verify(
    source: Annotated[str, typer.Argument(help=f"What counts as right: {ADDRESS_HELP}")],
    target: Annotated[str, typer.Argument(help="What should hold the same; as SOURCE.")],
    mode: Annotated[
        Verify, typer.Option("--mode", help="How much proof: auto reads nothing back, sha256 all of it.")
    ] = Verify.AUTO,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    min_size: MinSizeOption = None,
    max_size: MaxSizeOption = None,
    newer_than: NewerOption = None,
    older_than: OlderOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 also where only the sizes of an object could be compared.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say whether TARGET holds what SOURCE holds, and what is missing, differs or is there besides; nothing is changed.

    Exit code 0: it does, proven, whatever else it holds; 1: something is missing,
    differs or cannot be read; 2: an address, option or setting is wrong;
    3: nothing is wrong as far as was looked, and of some objects only the sizes
    were compared (a file and an object in one part or more: --mode etag reads the file).

    Examples:
      1. By sizes, ETags and the checksums that the servers keep:
         lakehouse verify s3://lakehouse/bronze s3://backup/bronze
      2. A folder and its copy, each file read once:
         lakehouse verify ./data s3://lakehouse/data --mode etag
      3. By reading all zip files back:
         lakehouse verify ./data s3://lakehouse/data --mode sha256 --include '*.zip'
    """
    selection = SelectionOptions(include, exclude, min_size, max_size, newer_than, older_than).to_selection()
    report = _connect(as_json).verify(source, target, mode=mode.value, selection=selection)
    _print_verification(report, as_json=as_json)
    if not report.ok or (strict and report.unproven):
        raise typer.Exit(1)
    if report.unproven:
        raise typer.Exit(_NOT_PROVEN)


_NOT_PROVEN = 3


def _connect(as_json: bool) -> Lakehouse:
    return connect(observer=progress(quiet=as_json))


def _refuse_planning_options(
    source: str | None,
    target: str | None,
    options: SelectionOptions,
    compare: Compare,
    *,
    delete: bool,
    max_deletes: int | None,
) -> None:
    given = {f"--{name.replace('_', '-')}": value is not None for name, value in asdict(options).items()}
    given |= {"SOURCE": source is not None, "TARGET": target is not None, "--compare": compare is not Compare.AUTO}
    given |= {"--delete": delete, "--max-deletes": max_deletes is not None}
    named = [name for name, is_given in given.items() if is_given]
    if named:
        raise UsageError(
            f"--plan runs a plan as it was saved; it cannot be combined with {', '.join(named)}.",
            hint="Leave that out, or make another plan with `lakehouse plan`.",
        )


def _check_deletes(made: TransferPlan) -> None:
    if made.delete_refusal:
        raise DeleteRefusedError(
            made.delete_refusal,
            hint="Nothing was changed. `lakehouse plan … --delete` shows them; if they are right, add --max-deletes N.",
        )


def _run(made: TransferPlan, *, strategy: Strategy, verify: Verify, manifest: bool, rest: str, as_json: bool) -> TransferReport:
    """Run a plan to its end and print the report; `rest` says how to go on where it is stopped.

    Raises:
        StoppedError: A signal ended it before; what it did is printed all the same.
    """
    report, signal_code = finish(made.start(strategy=strategy.value, verify=verify.value, manifest=manifest))
    if as_json:
        _print_outcomes(report)
    if signal_code and report.cancelled:
        raise StoppedError(f"{_describe_stop(made, report)}; {rest}.", signal_code)
    if not as_json:
        if made.note:
            print(made.summary)
        _print_report(report)
    return report


def _describe_stop(made: TransferPlan, report: TransferReport) -> str:
    done = report.count(Status.DONE)
    return (
        f"{format_count(done)} of {format_count(made.totals.copy_objects)} objects ({format_bytes(report.bytes_copied)} of "
        f"{format_bytes(made.totals.copy_bytes)}) were copied, and nothing is left half-done"
    )


def _print_plan(made: TransferPlan, *, as_json: bool) -> None:
    forecast = made.forecast()
    if as_json:
        for row in made:
            values = {"key": row.relative_key, "action": row.action.value, "size_bytes": row.size_bytes, "reason": row.reason}
            print_json({"type": "object", **values})
        print_json({"type": "summary", **made.to_dict(), "forecast": asdict(forecast)})
        return
    for row in made:  # line by line: a plan may have millions
        print(f"{row.action.value:<8}  {format_bytes(row.size_bytes):>10}  {printable_text(row.relative_key)}  ({row.reason})")
    print(made.summary)
    if made.totals.copy_objects or made.totals.delete_objects:
        print(
            f"strategy {forecast.strategy}: {forecast.reason}; {format_bytes(forecast.bytes_through_client)} through "
            f"this machine, about {format_count(forecast.s3_requests)} S3 requests"
        )


def _print_outcomes(report: TransferReport) -> None:
    for item in report.outcomes:
        values = {"key": item.row.relative_key, "status": item.status.value, "reason": item.reason, "runner": item.runner}
        print_json({"type": "object", **values, "size_bytes": item.row.size_bytes})
    print_json({"type": "summary", **report.to_dict()})


def _print_report(report: TransferReport) -> None:
    for item in report.failures:
        print(f"{item.status.value}: {printable_text(item.row.relative_key)}: {item.reason}")
    print(
        f"{report.summary}\nstrategy {report.strategy}: {report.strategy_reason};"
        f" {format_bytes(report.bytes_through_client)} through this machine, {format_count(report.s5cmd_commands)} s5cmd"
        f" commands, {format_duration(report.seconds)}"
    )
    if report.manifest is not None:
        print(f"manifest {report.manifest}")


def _print_verification(report: VerifyReport, *, as_json: bool) -> None:
    values = report.to_dict()
    findings = values.pop("findings")
    if as_json:
        for finding in findings:
            print_json({"type": "finding", **finding})
        print_json({"type": "summary", **values})
        return
    for item in report.findings:
        sides = (("source", item.source_value), ("target", item.target_value))
        told = "".join(f", {side} {value}" for side, value in sides if value)
        print(f"{item.kind.value:<10}  {printable_text(item.relative_key)}  ({item.detail}{told})")
    print(report.summary)
