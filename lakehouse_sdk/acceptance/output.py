"""One notebook output that a person and a program can read."""

from __future__ import annotations

import sys
from typing import Any


def show(html: str, text: str, mimetype: str, payload: dict[str, Any]) -> None:
    """Show `html` (or `text`, where HTML cannot be shown), and put `payload` beside it under `mimetype`.

    Outside of IPython nothing is shown.
    """
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        return
    from IPython.display import display  # noqa: PLC0415 (loaded already)

    display({"text/html": html, "text/plain": text, mimetype: payload}, raw=True)  # type: ignore[no-untyped-call]
