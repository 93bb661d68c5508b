"""`lakehouse demo` as a newcomer runs it: it proves itself, leaves a report and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lakehouse_sdk.config import cache_dir

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]


def start_demo(folder: Path) -> subprocess.Popen[str]:
    """The command in an empty folder with an empty home, except for the MinIO of this user's cache."""
    home = folder / "home"
    cache = home / ".cache"
    cache.mkdir(parents=True)
    (cache / "lakehouse-sdk").symlink_to(cache_dir())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAKEHOUSE_", "PREFECT_", "XDG_"))}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("lakehouse")), "demo"],
        cwd=folder,
        env={**kept, "HOME": str(home), "LAKEHOUSE_STORAGE__ENDPOINT_URL": "http://127.0.0.1:9"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that was started from or works in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(folder) in word for word in words):
            found.append(process)
    return found


def test_the_demo_passes_and_leaves_a_report_and_nothing_else(tmp_path: Path) -> None:
    """Exit code 0, all decidable checks passed, settings of the caller ignored, no process, no data, nothing in the home."""
    process = start_demo(tmp_path)
    out, _ = process.communicate(timeout=800)
    assert process.returncode == 0, out[-4000:]
    (report,) = (tmp_path / "validation" / "reports").iterdir()
    assert {path.name for path in report.iterdir()} == {"acceptance.ipynb", "report.html", "summary.json"}
    checks = json.loads((report / "summary.json").read_text())["checks"]
    assert len(checks) > 20
    assert {check["status"] for check in checks} <= {"passed", "not-decidable-here"}
    assert str(report / "report.html") in str(tmp_path / out.split("Report:")[1].split()[0])
    assert processes_of(tmp_path) == []
    assert not (tmp_path / ".lakehouse" / "demo").exists()
    left = [path for path in (tmp_path / "home").iterdir() if path.name != ".cache"]
    assert left == []


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    """Interrupted while the flow works: exit code 130, one word instead of a traceback, no process, no data."""
    process = start_demo(tmp_path)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "copy:" in line:
            break
    assert processes_of(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, "".join(lines) + rest
    deadline = time.monotonic() + 20
    while processes_of(tmp_path):
        assert time.monotonic() < deadline, processes_of(tmp_path)
        time.sleep(0.2)
    assert not (tmp_path / ".lakehouse" / "demo").exists()
