"""The report's page: self-contained, honest, and safe against hostile text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lakehouse_sdk.acceptance import CellError, Check, ValidationReport
from lakehouse_sdk.acceptance.checks import CHECK_MIMETYPE
from lakehouse_sdk.acceptance.collection import collect_checks, collect_panels, locate, tidy, time_cells
from lakehouse_sdk.acceptance.environment import describe_environment
from lakehouse_sdk.acceptance.page import render_page
from lakehouse_sdk.acceptance.panels import PANEL_MIMETYPE

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def executed() -> Any:
    """A notebook as papermill leaves it: a check, a panel, a stream, and a cell that never ran."""
    check = Check("rows-add-up", f"Rows {HOSTILE}", passed=False, measured=HOSTILE, expected=2, requirement="FR007")
    ran = {"papermill": {"start_time": "2026-01-01T00:00:00", "duration": 1.25, "status": "completed"}}
    cells = [
        new_markdown_cell("# A heading\n\nSome *prose*."),
        new_markdown_cell("papermill says", metadata={"tags": ["papermill-error-cell-tag"]}),
        new_code_cell(
            f"print({HOSTILE!r})",
            metadata=ran,
            outputs=[
                new_output("display_data", {CHECK_MIMETYPE: check.to_dict(), "text/html": "<p>row</p>"}),
                new_output("display_data", {PANEL_MIMETYPE: {"title": HOSTILE, "lead": "lead"}, "text/html": "<p>figure</p>"}),
                new_output("stream", name="stdout", text=HOSTILE),
            ],
        ),
        new_code_cell("never()", metadata={"papermill": {"start_time": None, "status": "completed"}}),
        new_code_cell(""),
    ]
    return new_notebook(cells=cells, metadata={"papermill": {"output_path": "/scratch/x", "input_path": "/y"}})


def page(error: CellError | None = None, *checks: Check) -> str:
    notebook = tidy(executed())
    found = tuple(checks or collect_checks(notebook))
    report = ValidationReport("trial", Path("/r"), found, error, datetime(2026, 11, 20, 23, 14, tzinfo=UTC), 75.0)
    return render_page(report, notebook, describe_environment(), f"lakehouse validate {HOSTILE}")


def test_hostile_text_in_checks_titles_and_tracebacks_stays_text() -> None:
    html = page(CellError("ValueError", HOSTILE, 1, f"\x1b[31m{HOSTILE}\x1b[0m"))
    tags = [tag for tag, _ in Elements(html).found]
    assert not {"script", "img"} & set(tags)
    assert "\x1b" not in html


def test_the_page_loads_nothing_from_anywhere() -> None:
    html = page()
    assert not re.search(r"(src|href)=[\"'](https?:)?//|url\(|@import", html)
    links = [attributes.get("href") or "" for tag, attributes in Elements(html).found if tag in {"a", "link"}]
    assert set(links) >= {"#checks", "#notebook", "summary.json", "trial.ipynb"}
    assert all(link.startswith(("#", "summary.json", "trial.ipynb")) for link in links)


def test_every_link_inside_the_page_has_its_target() -> None:
    found = Elements(page()).found
    ids = {attributes["id"] for _, attributes in found if attributes.get("id")}
    wanted = {
        (attributes.get("href") or "")[1:]
        for tag, attributes in found
        if tag == "a" and (attributes.get("href") or "").startswith("#")
    }
    assert wanted <= ids


def test_failures_come_first_and_open_questions_are_named_as_such() -> None:
    html = page(None, Check("a", "Good one", True), Check("b", "Bad one", False), Check("c", "10 GB/s", None, why="one disk"))
    assert "✗ Failed" in html
    assert html.index("Bad one") < html.index("Good one")
    assert "What this machine cannot decide" in html
    assert "one disk" in html
    assert "✓ Passed" in page(None, Check("a", "Good one", True))


def test_a_stopped_notebook_shows_the_cell_and_why() -> None:
    html = page(CellError("Timeout", "A cell took longer than 1 s and was ended.", 2))
    assert "Failed before the end" in html
    assert "never()" in html
    assert "no check" in page_without_checks()


def page_without_checks() -> str:
    report = ValidationReport("trial", Path("/r"), (), None, datetime(2026, 1, 1, tzinfo=UTC), 1.0)
    return render_page(report, new_notebook(), describe_environment(), "lakehouse validate trial")


def test_the_notebook_is_shown_with_code_folded_and_panels_once() -> None:
    html = page()
    assert html.count("<details") == 2  # the empty cell has none
    assert html.count("<p>figure</p>") == 1
    assert "shown above" in html
    assert "1.2 s" in html or "1.3 s" in html


def test_collection_finds_checks_panels_and_times() -> None:
    notebook = executed()
    assert [check.id for check in collect_checks(notebook)] == ["rows-add-up"]
    assert [(panel.anchor, panel.html) for panel in collect_panels(notebook)] == [("panel-1", "<p>figure</p>")]
    assert [(cell["index"], cell["seconds"]) for cell in time_cells(notebook)] == [(2, 1.25)]
    notebook.cells[2].outputs[1].data["text/html"] = ["<p>", "x</p>"]  # multi-line text as a list, as files have it
    assert collect_panels(notebook)[0].html == "<p>x</p>"


def test_tidying_removes_papermills_own_marks_and_tells_what_never_ran() -> None:
    notebook = tidy(executed())
    assert "papermill says" not in nbformat.writes(notebook)
    assert "/scratch" not in nbformat.writes(notebook)
    assert [cell.metadata["papermill"]["status"] for cell in notebook.cells[1:3]] == ["completed", "pending"]


def test_an_error_without_a_cell_is_placed_in_the_last_one_that_began() -> None:
    notebook = executed()
    assert locate(CellError("Timeout", "m"), notebook).cell_index == 2
    assert locate(CellError("E", "m", 0), notebook).cell_index == 0
    assert locate(CellError("E", "m"), new_notebook()).cell_index is None


def test_the_environment_names_versions_and_the_machine_and_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_STORAGE__SECRET_KEY", "hush-hush")
    environment = describe_environment()
    assert environment["packages"]["lakehouse-sdk"]
    assert "hush-hush" not in str(environment)
    assert Path.home().name not in {"", *environment}
