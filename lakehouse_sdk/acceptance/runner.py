"""Run a validation notebook and write its report."""

from __future__ import annotations

import errno
import itertools
import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehouse_sdk.acceptance.checks import Check
from lakehouse_sdk.acceptance.collection import (
    checks_of,
    collect_checks,
    load_notebook,
    locate,
    tidy,
    time_cells,
    write_notebook,
)
from lakehouse_sdk.acceptance.environment import describe_environment
from lakehouse_sdk.acceptance.execution import execute_notebook
from lakehouse_sdk.acceptance.notebooks import check_parameters, find_notebook, is_shipped
from lakehouse_sdk.acceptance.page import render_page
from lakehouse_sdk.acceptance.report import ValidationReport
from lakehouse_sdk.acceptance.timeouts import Timeouts
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events

_STAGE = "validate"


def run_validation(
    name: str = "acceptance",
    *,
    parameters: Mapping[str, object] | None = None,
    output_dir: Path | str | None = None,
    observer: Observer = ignore_events,
    timeouts: Timeouts | None = None,
) -> ValidationReport:
    """Run a validation notebook in a kernel of its own and write `<output_dir>/<UTC time>/`.

    The folder appears in one step when everything in it is complete: the executed notebook, `report.html`, `summary.json`. A
    notebook that fails or takes too long is a report that says so, not an exception. No process and nothing in the home folder
    is left behind, also after Ctrl-C. The kernel runs in the current folder with this process's environment, so it finds the
    settings that the caller finds; parameters are saved in the notebook and must hold no secret.

    Args:
        name: A notebook of `validation/`, or the path of an `.ipynb` file with a cell tagged `parameters`.
        parameters: Values for that cell; None keeps its defaults.
        output_dir: Folder of all reports, created when missing; default `validation/reports` in the current folder.
        observer: Told of every cell and every failed check.
        timeouts: Limits of a cell and of the whole; default `Timeouts()`.

    Raises:
        NotFoundError: There is no such notebook.
        UsageError: It has no such parameter, or a value cannot or must not be saved.
        ConfigurationError: The extra `report` is not installed, or the folder cannot be written.
        KeyboardInterrupt: Ctrl-C; nothing is kept of the run.
    """
    notebook = find_notebook(name)
    given = check_parameters(notebook, parameters or {})
    started = datetime.now(UTC)
    folder = Path(output_dir) if output_dir is not None else Path("validation") / "reports"
    work = _make_work_folder(folder)
    try:
        report = _run(notebook, given, work, started, observer, timeouts or Timeouts())
        _write(report, notebook, given)
        return replace(report, path=_publish(work, folder, started))
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _run(
    notebook: Path, parameters: dict[str, Any], work: Path, started: datetime, observer: Observer, timeouts: Timeouts
) -> ValidationReport:
    output = work / notebook.name
    source = load_notebook(notebook)
    write_notebook(source, output)  # what a kernel that never starts leaves to look at
    total = sum(cell.cell_type == "code" for cell in source.cells)
    observer(StageStarted(_STAGE, notebook.stem, total_objects=total))
    begun_s = time.perf_counter()
    watch = _Watch(observer)
    error = execute_notebook(notebook, output, parameters, timeouts=timeouts, on_cell=watch)
    seconds = time.perf_counter() - begun_s
    executed = tidy(load_notebook(output))
    write_notebook(executed, output)
    if error is not None:
        error = locate(error, executed)
    report = ValidationReport(notebook.stem, work, tuple(collect_checks(executed)), error, started, seconds)
    observer(StageFinished(_STAGE, seconds, report.verdict, ok=report.passed))
    return report


class _Watch:
    """Tells of each cell as it has run, and of each check that failed in it."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._done = 0
        self._failed = 0

    def __call__(self, index: int, cell: Any) -> None:
        del index
        self._done += 1
        failed = [check for check in checks_of(cell) if check.passed is False]
        self._failed += len(failed)
        for check in failed:
            self._observer(ObjectFailed(_STAGE, check.id, f"{check.title} {_evidence(check)}".strip()))
        self._observer(StageProgress(_STAGE, self._done, failed_objects=self._failed))


def _evidence(check: Check) -> str:
    return f"(measured {check.measured}, expected {check.expected})" if check.measured is not None else check.why


def _write(report: ValidationReport, notebook: Path, parameters: Mapping[str, Any]) -> None:
    executed = load_notebook(report.notebook_path)
    environment = describe_environment()
    cells = time_cells(executed)
    summary = {**report.to_dict(), "environment": environment, "cells": cells}
    report.summary_path.write_text(json.dumps(summary, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    command = _command(notebook, parameters)
    report.html_path.write_text(render_page(report, executed, environment, command), encoding="utf-8")


def _command(notebook: Path, parameters: Mapping[str, Any]) -> str:
    """The command line that runs the same again."""
    name = notebook.stem if is_shipped(notebook) else str(notebook)
    given = [f"-p {shlex.quote(f'{key}={_as_text(value)}')}" for key, value in parameters.items()]
    return " ".join(["lakehouse validate", shlex.quote(name), *given])


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _make_work_folder(folder: Path) -> Path:
    """A hidden sibling of the report to be, so that the last step is a rename on one file system."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".incomplete-", dir=folder))
    except OSError as error:
        raise ConfigurationError(
            f"The report cannot be written to {folder}: {error.strerror}.", hint="Name another folder: output_dir=, --output."
        ) from error


def _publish(work: Path, folder: Path, started: datetime) -> Path:
    """Give the folder its name; a second report of the same minute gets `-2`."""
    work.chmod(0o755)
    stamp = started.strftime("%Y-%m-%dT%H%MZ")
    for number in itertools.count(1):
        target = folder / (stamp if number == 1 else f"{stamp}-{number}")
        if target.exists():
            continue
        try:
            return work.rename(target)
        except OSError as error:  # another run took the name in between
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
    raise AssertionError
