"""The two lists beside the tests hold: what may be skipped in CI, and what is left to the deep run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def run_pytest(folder: Path, *options: str, ci: bool, allowed: str = "", deep: str = "") -> tuple[int, str]:
    shutil.copy(TESTS / "conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS / 'support'}\n")
    (folder / "allowed-skips.txt").write_text(allowed)
    (folder / "deep-tests.txt").write_text(deep)
    (folder / "test_skips.py").write_text(
        "import pytest\n\n@pytest.mark.skip(reason='no such server here')\ndef test_one(): ...\n\ndef test_two(): ...\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one process", "workers"])
def test_unlisted_skip_fails_the_run_in_ci(tmp_path: Path, options: list[str]) -> None:
    code, told = run_pytest(tmp_path, *options, ci=True)
    assert code == 1
    assert "test_skips.py::test_one: no such server here" in told


def test_listed_skip_is_accepted_in_ci(tmp_path: Path) -> None:
    code, _ = run_pytest(tmp_path, ci=True, allowed="test_skips.py::test_o* # needs a server\n")
    assert code == 0


def test_skip_is_only_told_elsewhere(tmp_path: Path) -> None:
    code, told = run_pytest(tmp_path, "-rs", ci=False)
    assert code == 0
    assert "no such server here" in told


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one process", "workers"])
def test_a_pattern_that_means_no_deep_test_fails_the_run(tmp_path: Path, options: list[str]) -> None:
    """A renamed test would otherwise be in the fast suite again, and nobody would know why it is slow."""
    patterns = "test_skips.py::test_o* # kept by another\ntest_skips.py::test_gone # kept by another\n"
    code, told = run_pytest(tmp_path, *options, ci=False, deep=patterns)
    assert code == 1
    assert "No test is meant by test_skips.py::test_gone in" in told
    assert "test_o*" not in told


def test_a_deep_test_is_left_out_and_a_part_of_all_tests_proves_no_pattern_wrong(tmp_path: Path) -> None:
    patterns = "test_skips.py::test_t* # kept by another\nsomewhere.py::* # kept by another\n"
    code, told = run_pytest(tmp_path, "test_skips.py", "-m", "deep", ci=False, deep=patterns)
    assert code == 0
    assert "1 passed, 1 deselected" in told
