"""`lakehouse validate`: run a validation notebook, write its report, exit with its verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lakehouse_sdk.acceptance import Timeouts, ValidationReport, run_validation
from lakehouse_sdk.cli.output import print_json
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.errors import UsageError

_MARKS = {"passed": "✓", "failed": "✗", "not-decidable-here": "○"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(validate)


def validate(
    name: Annotated[str, typer.Argument(help="A notebook of validation/, or the path of an .ipynb file.")] = "acceptance",
    output: Annotated[Path | None, typer.Option(help="Folder of the reports.", show_default="validation/reports")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds for the whole notebook.", show_default=f"{Timeouts().total_s:g}")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="name=value; numbers, true, false, null and JSON lists are understood."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Prove what a lakehouse holds: run a notebook of checks against it and write a report.

    Exit code 0: every check that can be decided here passed. 1: a check failed, or the notebook did not reach its end.

    Examples:
      1. The acceptance notebook against the running lakehouse:
         lakehouse validate
      2. Another settings file, report elsewhere:
         lakehouse validate -p lakehouse_config=lake.toml --output /tmp/reports
      3. A notebook of your own:
         lakehouse validate checks/mine.ipynb -p day=2026-01-02
    """
    limits = Timeouts() if timeout is None else Timeouts(cell_s=timeout, total_s=timeout)
    report = run_validation(
        name,
        parameters=dict(map(parse_parameter, parameter or [])),
        output_dir=output,
        observer=progress(quiet=as_json),
        timeouts=replace(limits, start_s=min(limits.start_s, limits.total_s)),
    )
    if as_json:
        print_json({**report.to_dict(), "path": report.path})
    else:
        _print(report)
    if not report.passed:
        raise typer.Exit(1)


def parse_parameter(text: str) -> tuple[str, object]:
    """`name=value` as name and value; a value that is JSON is taken as such, anything else as text.

    Raises:
        UsageError: There is no `=`, or no name before it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is no parameter.", hint="Write -p name=value.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print(report: ValidationReport) -> None:
    for check in report.checks:
        print(f"{_MARKS[check.status]} {check.title}" + (f": {check.why}" if check.passed is not True and check.why else ""))
        if check.passed is False and check.measured is not None:
            print(f"    measured {check.measured}, expected {check.expected}")
    print(f"\n{report.verdict}\nReport:  {report.html_path}\nSummary: {report.summary_path}")
