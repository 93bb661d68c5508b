"""`lakehouse validate`: exit codes, what it prints for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lakehouse_sdk.cli.validate import parse_parameter
from lakehouse_sdk.errors import UsageError


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    cells = [
        new_code_cell("wanted = 1", metadata={"tags": ["parameters"]}),
        new_code_cell(
            "from lakehouse_sdk.acceptance import Checks\nchecks = Checks()\n"
            "checks.record('one', title='One is wanted', passed=wanted == 1, measured=wanted, expected=1)\n"
            "checks.record('open', title='Open', passed=None, why='no hardware')"
        ),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), tmp_path / "mine.ipynb")
    return tmp_path / "mine.ipynb"


def lakehouse(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lakehouse")
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    return subprocess.run([program, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_a_passed_validation_exits_0_and_prints_json_alone(notebook: Path, tmp_path: Path) -> None:
    done = lakehouse("validate", "mine.ipynb", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["passed"] is True
    assert Path(report["path"]).parent == Path("validation/reports")
    assert (tmp_path / report["path"] / "report.html").is_file()
    assert done.stderr == ""


def test_a_failed_one_exits_1_and_says_what_and_where(notebook: Path, tmp_path: Path) -> None:
    done = lakehouse("validate", "mine.ipynb", "-p", "wanted=2", "--output", "out", "--timeout", "100", cwd=tmp_path)
    assert done.returncode == 1
    assert "✗ One is wanted\n    measured 2, expected 1" in done.stdout
    assert "○ Open: no hardware" in done.stdout
    assert "0 of 1 checks passed; 1 cannot be decided here." in done.stdout
    assert "Traceback" not in done.stderr
    page = Path(done.stdout.partition("Report:")[2].split()[0])
    assert (tmp_path / page).is_file()


@pytest.mark.parametrize("arguments", [("nothing",), ("mine.ipynb", "-p", "unknown=1"), ("mine.ipynb", "-p", "novalue")])
def test_a_wrong_call_is_one_sentence_and_the_next_step(notebook: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = lakehouse("validate", *arguments, cwd=tmp_path)
    assert done.returncode in {1, 2}
    assert done.stderr.startswith("error: ")
    assert "next: " in done.stderr
    assert not (tmp_path / "validation").exists()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a=1", ("a", 1)),
        ("a=null", ("a", None)),
        ('a=["x", 2]', ("a", ["x", 2])),
        ("a=2026-01-02", ("a", "2026-01-02")),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
    ],
)
def test_values_that_are_json_are_taken_as_such(text: str, parsed: tuple[str, object]) -> None:
    assert parse_parameter(text) == parsed


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_a_parameter_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="name=value"):
        parse_parameter(text)


def test_a_notebook_without_a_kernel_is_a_use_error(tmp_path: Path) -> None:
    """Exit code 2, the notebook's name and what to do, no traceback."""
    cell = new_code_cell("day = None", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "bare.ipynb")
    done = lakehouse("validate", "bare.ipynb", cwd=tmp_path)
    assert done.returncode == 2
    assert "bare.ipynb" in done.stderr
    assert "choose a Python kernel" in done.stderr
    assert "Traceback" not in done.stderr
