"""CI fails when a test is skipped that is not on the list; elsewhere a skip is just told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def run_pytest(folder: Path, *options: str, ci: bool, allowed: str = "") -> tuple[int, str]:
    shutil.copy(TESTS / "conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS / 'support'}\n")
    (folder / "allowed-skips.txt").write_text(allowed)
    (folder / "test_skips.py").write_text(
        "import pytest\n\n@pytest.mark.skip(reason='no such server here')\ndef test_one(): ...\n\ndef test_two(): ...\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout


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
