"""Parts of the report's page that the notebook makes: figures and tables with a heading."""

from __future__ import annotations

from lakehouse_sdk.acceptance.output import show

PANEL_MIMETYPE = "application/vnd.lakehouse.panel+json"
"""Type of the notebook output that the report's page takes up."""


def show_panel(title: str, *parts: str, lead: str = "") -> None:
    """Show HTML in the notebook and let the report's page carry it, in the order of the notebook.

    Args:
        title: Heading of the panel.
        *parts: HTML, for example of `lakehouse_sdk.display`.
        lead: One or two sentences above it: what the reader sees, and what it says.
    """
    show("".join(parts), f"[{title}]", PANEL_MIMETYPE, {"title": title, "lead": lead})
