"""Validation notebooks in a real kernel: what is written, how failures look, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lakehouse_sdk.acceptance import SCHEMA, Timeouts, run_validation
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.events import Event, ObjectFailed, StageFinished, StageProgress, StageStarted

SECRET = "hush-7f3a9c-not-for-any-report"
QUICK = Timeouts(cell_s=60, total_s=120)

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A validation notebook from the text of its cells; the first one holds the parameters."""

    def made(*cells: str, parameters: str = "x = 1") -> Path:
        path = tmp_path / "trial.ipynb"
        notebook = new_notebook(metadata={"kernelspec": {"name": "no-such-kernel", "display_name": "P", "language": "python"}})
        notebook.cells = [
            new_markdown_cell("# Trial"),
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            new_code_cell("from lakehouse_sdk.acceptance import Checks, show_panel\nchecks = Checks()"),
            *map(new_code_cell, cells),
        ]
        nbformat.write(notebook, path)
        return path

    return made


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without anything in it, and none of the variables that lead elsewhere."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("JUPYTER", "IPYTHON", "XDG_", "MPL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for a socket below it, which pytest's own is not everywhere."""
    with tempfile.TemporaryDirectory(prefix="lk-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def kernels_below(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children(recursive=True) if "ipykernel_launcher" in child.cmdline()]


def test_a_run_writes_notebook_page_and_summary_and_nothing_else(make: Make, tmp_path: Path, empty_home: Path) -> None:
    """The kernel is this interpreter, without any kernelspec of the user; the home folder stays empty, no process is left."""
    path = make(
        "import sys, os\nchecks.record('same-python', title='This interpreter', passed=True, measured=sys.executable)",
        "checks.record('fast', title='10 GB/s', passed=None, why='one machine')\nshow_panel('Figure', '<p>drawn</p>')",
        "checks.record('given', title='x arrived', passed=(x == 7), measured=x, expected=7)",
    )
    events: list[Event] = []
    report = run_validation(
        str(path), parameters={"x": 7}, output_dir=tmp_path / "reports", observer=events.append, timeouts=QUICK
    )
    assert report.passed, report.verdict
    assert report.checks[0].measured == sys.executable
    assert [check.status for check in report.checks] == ["passed", "not-decidable-here", "passed"]
    assert report.path.parent == tmp_path / "reports"
    assert {file.name for file in report.path.iterdir()} == {"trial.ipynb", "report.html", "summary.json"}
    assert list((tmp_path / "reports").iterdir()) == [report.path]
    assert list(empty_home.iterdir()) == []
    assert kernels_below(os.getpid()) == []

    summary = json.loads(report.summary_path.read_text())
    assert summary["schema"] == SCHEMA
    assert summary["counts"] == {"passed": 2, "failed": 0, "not-decidable-here": 1}
    assert summary["environment"]["packages"]["lakehouse-sdk"]
    assert len(summary["cells"]) == 6  # the parameters that papermill injects are a cell of their own
    page = report.html_path.read_text()
    assert "✓ Passed" in page
    assert page.count("<p>drawn</p>") == 1
    assert "-p x=7" in page
    executed = nbformat.read(report.notebook_path, as_version=4)
    assert str(tmp_path) not in executed.metadata.papermill.get("output_path", "")

    assert isinstance(events[0], StageStarted)
    assert sum(isinstance(event, StageProgress) for event in events) == 6
    assert isinstance(events[-1], StageFinished)


def test_a_failed_check_fails_the_report_and_is_told_at_once(make: Make, tmp_path: Path) -> None:
    events: list[Event] = []
    path = make(
        "checks.record('sum', title='Sums agree', passed=False, measured=1, expected=2)",
        "checks.record('after', title='t', passed=True)",
    )
    report = run_validation(str(path), output_dir=tmp_path / "r", observer=events.append, timeouts=QUICK)
    assert not report.passed
    assert [check.id for check in report.failed] == ["sum"]
    assert len(report.checks) == 2
    told = [event for event in events if isinstance(event, ObjectFailed)]
    assert [(event.key, event.reason) for event in told] == [("sum", "Sums agree (measured 1, expected 2)")]
    assert events.index(told[0]) < len(events) - 2


def test_an_error_in_a_cell_is_a_report_with_its_traceback(make: Make, tmp_path: Path) -> None:
    path = make("checks.record('a', title='t', passed=True)", "def divide():\n    return 1 / 0\ndivide()", "never = 1")
    report = run_validation(str(path), output_dir=tmp_path / "r", timeouts=QUICK)
    assert not report.passed
    assert report.error is not None
    assert (report.error.name, report.error.message) == ("ZeroDivisionError", "division by zero")
    assert [check.id for check in report.checks] == ["a"]
    page = report.html_path.read_text()
    assert "What stopped the notebook" in page
    assert "divide" in page.split("Traceback</p>")[1].split("</section>")[0]
    executed = nbformat.read(report.notebook_path, as_version=4)
    assert executed.cells[report.error.cell_index or 0].source.startswith("def divide")
    assert executed.cells[-1].metadata.papermill.status == "pending"
    assert not any("papermill-error-cell-tag" in cell.metadata.get("tags", ()) for cell in executed.cells)


@pytest.mark.parametrize(
    ("cell", "timeouts", "name"),
    [
        ("import time; time.sleep(60)", Timeouts(cell_s=1, total_s=60), "Timeout"),
        ("import time; time.sleep(60)", Timeouts(cell_s=60, total_s=6), "Timeout"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", QUICK, "Kernel died"),
    ],
    ids=["cell", "whole", "killed"],
)
def test_a_notebook_that_hangs_or_dies_is_ended_and_reported(
    make: Make, tmp_path: Path, cell: str, timeouts: Timeouts, name: str
) -> None:
    path = make("checks.record('a', title='t', passed=True)", cell, "checks.record('b', title='t', passed=True)")
    began = time.monotonic()
    report = run_validation(str(path), output_dir=tmp_path / "r", timeouts=timeouts)
    assert time.monotonic() - began < 45
    assert report.error is not None
    assert report.error.name == name
    assert [check.id for check in report.checks] == ["a"]
    executed = nbformat.read(report.notebook_path, as_version=4)
    assert executed.cells[report.error.cell_index or 0].source == cell
    assert kernels_below(os.getpid()) == []


@pytest.mark.parametrize(
    ("launcher", "passed"),
    [
        ("sys.exit('no kernel today')", False),
        ("atexit.register(os.write, 2, b'cut')\nfrom ipykernel import kernelapp\nkernelapp.launch_new_instance()", True),
    ],
    ids=["does not start", "chatters at its end"],
)
def test_what_a_kernel_says_outside_of_cells_is_for_the_report_and_not_for_the_terminal(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], launcher: str, passed: bool
) -> None:
    path = make("checks.record('a', title='t', passed=True)")
    (tmp_path / "ipykernel_launcher.py").write_text(f"import atexit, os, sys\nsys.path.pop(0)\n{launcher}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    report = run_validation(str(path), output_dir=tmp_path / "r", timeouts=QUICK)
    assert report.passed == passed
    assert capfd.readouterr().err == ""
    if not passed:
        assert report.error is not None
        assert "no kernel today" in report.error.traceback
        assert "no kernel today" in report.html_path.read_text().split("Traceback</p>")[1]


def test_no_secret_of_the_settings_reaches_any_file(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook gets the path of the settings file; what it shows of the settings is masked."""
    config = tmp_path / "lakehouse.toml"
    config.write_text(f'[storage]\nendpoint_url = "http://127.0.0.1:1"\naccess_key = "{SECRET}"\nsecret_key = "{SECRET}"\n')
    monkeypatch.setenv("LAKEHOUSE_STORAGE__SESSION_TOKEN", SECRET)
    path = make(
        "from lakehouse_sdk.config import load_settings\nimport os\nos.environ['LAKEHOUSE_CONFIG'] = lakehouse_config",
        "settings = load_settings()\nprint(settings, settings.storage)\nsettings",
        "known = settings.storage.credentials()[0].startswith('hush')\nchecks.record('read', title='read', passed=known)",
        "settings.profile('nothing')",
        parameters="lakehouse_config = None",
    )
    report = run_validation(str(path), parameters={"lakehouse_config": config}, output_dir=tmp_path / "r", timeouts=QUICK)
    assert [check.passed for check in report.checks] == [True]
    assert report.error is not None
    files = list(report.path.iterdir())
    assert len(files) == 3
    assert [file.name for file in files if SECRET in file.read_text()] == []


def test_a_wrong_call_runs_nothing_and_leaves_nothing(make: Make, tmp_path: Path) -> None:
    path = make()
    with pytest.raises(UsageError, match="no parameter 'y'"):
        run_validation(str(path), parameters={"y": 1}, output_dir=tmp_path / "r")
    assert not (tmp_path / "r").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        run_validation(str(path), output_dir=tmp_path / "file")


SCRIPT = """
import sys
from lakehouse_sdk.acceptance import run_validation
run_validation(sys.argv[1], output_dir=sys.argv[2])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_an_interrupted_run_leaves_no_kernel_and_ctrl_c_nothing_at_all(
    make: Make, tmp_path: Path, short_folder: Path, how: signal.Signals
) -> None:
    """Ctrl-C also ends what a cell has started; when the runner is killed outright, the kernel notices by itself."""
    mark = tmp_path / "running"
    path = make(
        "import pathlib, subprocess, time",
        f"child = subprocess.Popen(['sleep', '600'])\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(600)",
    )
    reports, log = tmp_path / "r", tmp_path / "log"
    with log.open("wb") as stderr:
        env = {**os.environ, "TMPDIR": str(short_folder)}  # a killed runner cannot remove the kernel's folder
        runner = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path), str(reports)], stderr=stderr, env=env)
    family: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 60
        while not mark.exists():
            assert runner.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (kernel,) = kernels_below(runner.pid)
        family += [kernel, *kernel.children(recursive=True)]
        assert len(family) == 2  # it lands in mid-flight: the kernel and its child are there
        runner.send_signal(how)
        runner.wait(timeout=40)
        _, alive = psutil.wait_procs(family if how is signal.SIGINT else [kernel], timeout=20)
        assert alive == []
    finally:
        for process in (runner, *family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    if how is signal.SIGINT:
        assert list(short_folder.iterdir()) == []
        assert "KeyboardInterrupt" in log.read_text()
        assert list(reports.iterdir()) == []
