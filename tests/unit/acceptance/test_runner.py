"""How a report gets its folder, and the command that repeats it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse_sdk.acceptance import runner

MOMENT = datetime(2026, 11, 20, 23, 14, 59, tzinfo=UTC)


def test_two_reports_of_one_minute_do_not_overwrite_each_other(tmp_path: Path) -> None:
    names = []
    for number in range(3):
        work = runner._make_work_folder(tmp_path)
        (work / "report.html").write_text(str(number))
        names.append(runner._publish(work, tmp_path, MOMENT).name)
    assert names == ["2026-11-20T2314Z", "2026-11-20T2314Z-2", "2026-11-20T2314Z-3"]
    assert [(tmp_path / name / "report.html").read_text() for name in names] == ["0", "1", "2"]


def test_a_name_that_another_run_takes_in_between_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = runner._make_work_folder(tmp_path)
    (tmp_path / "2026-11-20T2314Z" / "theirs").mkdir(parents=True)
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "2026-11-20T2314Z" and real(path))
    assert runner._publish(work, tmp_path, MOMENT).name == "2026-11-20T2314Z-2"


def test_any_other_fault_of_the_disk_is_not_taken_for_a_race(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        runner._publish(tmp_path / "gone" / "work", tmp_path / "gone", MOMENT)


def test_the_command_repeats_the_run_whatever_the_values_are(tmp_path: Path) -> None:
    command = runner._command(tmp_path / "my own.ipynb", {"path": "a b; rm", "tables": ["x"], "n": None})
    assert command == f"lakehouse validate '{tmp_path}/my own.ipynb' -p 'path=a b; rm' -p 'tables=[\"x\"]' -p n=null"
