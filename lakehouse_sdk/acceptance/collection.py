"""What an executed notebook tells: its checks, its panels, how long its cells took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakehouse_sdk.acceptance.checks import CHECK_MIMETYPE, Check
from lakehouse_sdk.acceptance.panels import PANEL_MIMETYPE
from lakehouse_sdk.acceptance.report import CellError

_PAPERMILLS_OWN = "papermill-error-cell-tag"
"""Tag of the cells that papermill adds to a failed notebook; the report says the same in its own words."""


def load_notebook(path: Path) -> Any:
    """A notebook as nbformat's node, in format 4."""
    import nbformat  # noqa: PLC0415 (heavy)

    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def write_notebook(notebook: Any, path: Path) -> None:
    """Write a notebook; its folder is there."""
    import nbformat  # noqa: PLC0415 (heavy)

    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the page that the notebook made.

    Attributes:
        anchor: Name of its place in the page.
        title: Its heading.
        lead: What stands above it; may be empty.
        html: The part itself.
    """

    anchor: str
    title: str
    lead: str
    html: str


def checks_of(cell: Any) -> Iterator[Check]:
    """The checks in the outputs of one cell."""
    for output in cell.get("outputs", ()):
        payload = output.get("data", {}).get(CHECK_MIMETYPE)
        if payload is not None:
            yield Check.from_dict(dict(payload))


def collect_checks(notebook: Any) -> Iterator[Check]:
    """The checks of a notebook in their order."""
    for cell in notebook.cells:
        yield from checks_of(cell)


def collect_panels(notebook: Any) -> list[Panel]:
    """The panels of a notebook in their order."""
    panels: list[Panel] = []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        data = output.get("data", {})
        if PANEL_MIMETYPE in data:
            about = data[PANEL_MIMETYPE]
            panels.append(Panel(f"panel-{len(panels) + 1}", about["title"], about["lead"], _text(data["text/html"])))
    return panels


def point_to_panels(notebook: Any) -> Any:
    """The notebook with a link in place of each panel, for a page that shows the panels already; changes its argument."""
    number = 0
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        data = output.get("data", {})
        if PANEL_MIMETYPE in data:
            number += 1
            data["text/html"] = f'<p class="see"><a href="#panel-{number}">↑ shown above</a></p>'
    return notebook


def time_cells(notebook: Any) -> list[dict[str, Any]]:
    """Index, first line and wall time of each code cell that ran."""
    return [
        {"index": index, "begins": (cell.source.splitlines() or [""])[0], "seconds": _seconds(cell)}
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and _began(cell)
    ]


def locate(error: CellError, notebook: Any) -> CellError:
    """Name the cell that a timeout or a dying kernel stopped: the last one that began."""
    if error.cell_index is not None:
        return error
    began = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and _began(cell)]
    return replace(error, cell_index=began[-1]) if began else error


def tidy(notebook: Any) -> Any:
    """The executed notebook without what is papermill's own business; changes its argument.

    Papermill marks every cell of a notebook that died as completed; those that never began say so again. Absolute paths of the
    run's scratch folder go.
    """
    notebook.cells = [cell for cell in notebook.cells if _PAPERMILLS_OWN not in cell.metadata.get("tags", ())]
    for cell in notebook.cells:
        if cell.cell_type == "code" and not _began(cell) and "papermill" in cell.metadata:
            cell.metadata["papermill"]["status"] = "pending"
    for name in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(name, None)
    return notebook


def _began(cell: Any) -> bool:
    return bool(cell.metadata.get("papermill", {}).get("start_time"))


def _seconds(cell: Any) -> float:
    return float(cell.metadata["papermill"].get("duration") or 0.0)


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)
