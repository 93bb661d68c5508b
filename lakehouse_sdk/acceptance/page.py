"""The report's page: one file without scripts that needs nothing beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lakehouse_sdk.acceptance.collection import collect_panels, point_to_panels
from lakehouse_sdk.acceptance.report import ValidationReport
from lakehouse_sdk.acceptance.sanitising import CONTENT_POLICY, remove_active
from lakehouse_sdk.display import format_bytes, render

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(report: ValidationReport, notebook: Any, environment: Mapping[str, Any], command: str) -> str:
    """The page of a report.

    Args:
        report: Verdict and checks.
        notebook: The executed notebook; its panels come first, the notebook itself last, code folded.
        environment: As `describe_environment` gives it.
        command: What runs the same again.
    """
    # Markup: the panels and the notebook, of which nothing is left that runs; everything else is escaped by the template.
    return render(
        "acceptance",
        "report.html.j2",
        report=report,
        panels=[(panel, Markup(remove_active(panel.html))) for panel in collect_panels(notebook)],  # noqa: S704
        notebook=Markup(remove_active(_notebook_html(notebook))),  # noqa: S704
        content_policy=CONTENT_POLICY,
        failed_source=_failed_source(report, notebook),
        traceback=_traceback(report),
        machine=_machine(environment),
        packages=environment["packages"],
        command=command,
    )


def _notebook_html(notebook: Any) -> str:
    from nbconvert import HTMLExporter  # noqa: PLC0415 (heavy)

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="executed",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    html: str = exporter.from_notebook_node(point_to_panels(copy.deepcopy(notebook)))[0]
    return html


def _traceback(report: ValidationReport) -> str:
    """The traceback without colours, which are made for a terminal's background and not for a page's."""
    from nbconvert.filters import strip_ansi  # noqa: PLC0415 (heavy)

    return str(strip_ansi(report.error.traceback)) if report.error else ""  # type: ignore[no-untyped-call]


def _failed_source(report: ValidationReport, notebook: Any) -> str:
    if report.error is None or report.error.cell_index is None:
        return ""
    return str(notebook.cells[report.error.cell_index].source)


def _machine(environment: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Python": environment["python"],
        "System": f"{environment['system']}, {environment['architecture']}",
        "Cores": str(environment["cores"]),
        "Memory": format_bytes(environment["memory_bytes"]),
    }
