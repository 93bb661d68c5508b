"""The validation report in a real browser: it shows its verdict, needs nothing from outside and fits a phone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from lakehouse_sdk.acceptance import ValidationReport, run_validation

pytestmark = [pytest.mark.deep, pytest.mark.needs_debian("chromium")]

_CELL = """
from lakehouse_sdk.acceptance import Checks, show_panel
from lakehouse_sdk.display import html_table
checks = Checks()
checks.record("holds", title="What was promised holds", requirement="FR007", passed=True, measured="7", expected="7")
checks.record("fails", title="This one does not", passed=False, measured="<b>6</b>", expected="7")
checks.record("open", title="Nobody knows here", passed=None, why="needs a larger machine")
show_panel("A wide table", html_table([{f"a long column name {n}": n * 10**12 for n in range(14)}]))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ValidationReport:
    """The report of a small notebook with a check of each kind."""
    folder = tmp_path_factory.mktemp("report")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_CELL)], metadata=kernel)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("day = None", metadata={"tags": ["parameters"]}))
    nbformat.write(notebook, folder / "small.ipynb")
    return run_validation(str(folder / "small.ipynb"), output_dir=folder / "reports")


def open_page(page: Path, profile: Path, width: int) -> tuple[str, str]:
    """The page's document after its scripts ran, and what the browser complained of; no name resolves."""
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            f"--window-size={width},900",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout, done.stderr


def test_the_page_shows_its_verdict_and_needs_nothing_from_outside(report: ValidationReport, tmp_path: Path) -> None:
    """One file: verdict and checks are in it, hostile values are text, and the browser has nothing to complain of."""
    document, complaints = open_page(report.html_path, tmp_path, 1200)
    text = re.sub(r"<[^>]+>", " ", document)
    for shown in ("What was promised holds", "This one does not", "Nobody knows here", "needs a larger machine", "Failed"):
        assert shown in text
    assert "<b>6</b>" not in document
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", document)
    assert "CONSOLE" not in complaints


def test_the_page_fits_a_phone(report: ValidationReport, tmp_path: Path) -> None:
    """However wide a table is, the page itself does not scroll sideways."""
    page = tmp_path / "measured.html"
    script = "<script>document.title = `${document.documentElement.scrollWidth} of ${innerWidth}`</script>"
    own = report.html_path.read_text(encoding="utf-8").replace("</body>", f"{script}</body>")
    page.write_text(own, encoding="utf-8")
    document, complaints = open_page(page, tmp_path / "refused", 500)
    assert not re.search(r"<title>\d+ of", document), "the page's own policy lets no script run, wherever it comes from"
    assert "Content Security Policy" in complaints
    page.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", own), encoding="utf-8")
    document, _ = open_page(page, tmp_path / "profile", 500)
    measured = re.search(r"<title>(\d+) of (\d+)</title>", document)
    assert measured is not None
    assert int(measured[1]) <= int(measured[2])
