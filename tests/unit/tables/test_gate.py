"""What a gate lets pass, from counts alone."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables import CommitReport, Gate
from lakehouse_sdk.tables.iceberg.report import DefectiveArchive

GOOD = CommitReport(archives=2, rows_in=100, rows_accepted=95, rows_quarantined=5, rows_flagged=19)


def _scan(name: str) -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({"max_quarantined_share": 0.05, "max_flagged_share": 0.2, "max_defective": 0}, []),
        ({"max_quarantined_share": 0.04}, ["of the rows are in quarantine, more than 4.0000%"]),
        ({"max_flagged_share": 0.1}, ["of the rows are flagged, more than 10.0000%"]),
        ({"max_quarantined_share": 0, "max_flagged_share": 0}, ["in quarantine", "flagged"]),
    ],
)
def test_shares_are_of_all_rows_and_of_accepted_rows(limits: dict[str, Any], reasons: list[str]) -> None:
    said = Gate(**limits).judge(GOOD, _scan)
    assert len(said) == len(reasons)
    assert all(part in reason for part, reason in zip(reasons, said, strict=True))


def test_archives_that_cannot_be_read_are_counted() -> None:
    broken = CommitReport(archives=1, defects=(DefectiveArchive("k", "zip-unreadable", ""),))
    assert Gate(max_defective=1).judge(broken, _scan) == ()
    assert Gate(max_defective=0).judge(broken, _scan) == ("1 archives cannot be read, more than 0",)
    assert Gate(max_quarantined_share=0).judge(broken, _scan) == (), "no row is no share"


def test_a_check_is_asked_only_where_the_limits_hold() -> None:
    asked: list[str] = []
    gate = Gate(max_quarantined_share=0.04, check=lambda scan: asked.append("yes") or "never")
    assert len(gate.judge(GOOD, _scan)) == 1
    assert asked == []
    assert Gate(check=lambda scan: "too few bars").judge(GOOD, _scan) == ("too few bars",)
    assert Gate(check=lambda scan: None).judge(GOOD, _scan) == ()


@pytest.mark.parametrize("wrong", [{}, {"max_defective": -1}, {"max_flagged_share": -0.1}])
def test_a_gate_without_a_condition_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Gate(**wrong)
