"""What a notebook records: checks with their evidence, panels; malformed ones are refused where they are made."""

from __future__ import annotations

import json
import math
import types
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lakehouse_sdk.acceptance import CellError, Check, Checks, ValidationReport, show_panel
from lakehouse_sdk.acceptance.checks import CHECK_MIMETYPE
from lakehouse_sdk.acceptance.panels import PANEL_MIMETYPE
from lakehouse_sdk.errors import AcceptanceError, UsageError

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Outputs as a kernel would get them."""
    import IPython

    bundles: list[dict[str, Any]] = []
    monkeypatch.setattr(IPython, "get_ipython", types.SimpleNamespace)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def test_a_check_is_shown_as_html_and_text_and_travels_as_json(shown: list[dict[str, Any]]) -> None:
    checks = Checks()
    check = checks.record("rows-add-up", title=f"Rows {HOSTILE}", passed=np.bool_(False), measured=np.int64(5), expected=6)
    (bundle,) = shown
    assert HOSTILE not in bundle["text/html"]
    assert "✗" in bundle["text/html"]
    assert bundle["text/plain"].startswith("failed: Rows")
    assert Check.from_dict(json.loads(json.dumps(bundle[CHECK_MIMETYPE]))) == check
    assert check.passed is False


def test_outside_of_ipython_checks_are_collected_and_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    checks = Checks()
    checks.record("a", title="t", passed=True)
    show_panel("Title", "<p>x</p>")
    assert capsys.readouterr().out == ""
    assert len(checks) == 1


def test_a_summary_counts_what_failed_and_what_is_open() -> None:
    checks = Checks()
    checks.record("a", title="first", passed=True)
    assert str(checks) == "1 of 1 checks passed"
    checks.record("b", title="second", passed=False)
    checks.record("c", title="third", passed=None, why="no hardware")
    assert str(checks) == "1 of 2 checks passed, 1 cannot be decided here"
    assert [check.id for check in checks.failed] == ["b"]
    assert [check.id for check in checks.undecided] == ["c"]
    assert "third" in checks._repr_html_()


@pytest.mark.parametrize(
    ("value", "recorded"),
    [
        (np.float64(1.5), 1.5),
        (math.inf, "inf"),
        (Decimal("1.10"), "1.10"),
        (Path("/a"), "/a"),
        ({"b", "a"}, ["a", "b"]),
        ({1: (True, None)}, {"1": [True, None]}),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01 00:00:00+00:00"),
    ],
)
def test_values_become_what_json_knows(value: object, recorded: object) -> None:
    assert Checks().record("a", title="t", passed=True, measured=value).measured == recorded


@pytest.mark.parametrize(
    ("check_id", "arguments", "hint"),
    [
        ("Rows add up", {"passed": True}, "rows-add-up"),
        ("taken", {"passed": True}, "own id"),
        ("open", {"passed": None}, "why="),
    ],
)
def test_a_malformed_check_is_refused_with_the_next_step(check_id: str, arguments: dict[str, Any], hint: str) -> None:
    checks = Checks()
    checks.record("taken", title="t", passed=True)
    with pytest.raises(UsageError, match=hint):
        checks.record(check_id, title="t", **arguments)


def test_a_panel_carries_its_heading_beside_its_html(shown: list[dict[str, Any]]) -> None:
    show_panel("Timing", "<p>a</p>", "<p>b</p>", lead="How long")
    assert shown == [
        {
            "text/html": "<p>a</p><p>b</p>",
            "text/plain": "[Timing]",
            PANEL_MIMETYPE: {"title": "Timing", "lead": "How long"},
        }
    ]


class TestReport:
    def report(self, *passed: bool | None, error: CellError | None = None) -> ValidationReport:
        checks = tuple(Check(f"c{number}", f"Check {number}", value, why="w") for number, value in enumerate(passed))
        return ValidationReport("trial", Path("/r"), checks, error, datetime(2026, 1, 1, tzinfo=UTC), 1.0)

    def test_it_passes_only_when_something_was_decided_and_nothing_failed(self) -> None:
        assert self.report(True, None).passed
        assert self.report(True, None).verdict == "1 of 1 checks passed; 1 cannot be decided here."
        for silent in (
            self.report(),
            self.report(None),
            self.report(True, False),
            self.report(True, error=CellError("E", "m", 3)),
        ):
            assert not silent.passed
            with pytest.raises(AcceptanceError):
                silent.raise_for_failures()
        self.report(True).raise_for_failures()

    def test_the_verdict_says_what_is_wrong(self) -> None:
        assert "proves nothing" in self.report().verdict
        assert "nothing is proved" in self.report(None).verdict
        stopped = self.report(True, error=CellError("ValueError", "boom", 3))
        assert (
            stopped.verdict
            == "The notebook did not reach its end: ValueError in cell 3: boom. Before that, 1 of 1 checks passed."
        )
        assert str(CellError("Timeout", "")) == "Timeout"
        with pytest.raises(AcceptanceError, match="c1: Check 1"):
            self.report(True, False).raise_for_failures()

    def test_it_shows_what_is_wanting(self) -> None:
        html = self.report(True, False, None)._repr_html_()
        assert "Check 1" in html
        assert "Check 0" not in html
        assert "card bad" in html
        assert "1 of 2" in repr(self.report(True, False))

    def test_json_counts_agree_with_the_checks(self) -> None:
        values = self.report(True, False, None, error=CellError("E", "m")).to_dict()
        assert values["counts"] == {"passed": 1, "failed": 1, "not-decidable-here": 1}
        assert [check["status"] for check in values["checks"]] == ["passed", "failed", "not-decidable-here"]
        assert values["error"] == {"name": "E", "message": "m", "cell_index": None}
        assert values["passed"] is False
