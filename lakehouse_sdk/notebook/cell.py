"""Progress inside a notebook: one output that is updated in place, HTML with the same as plain text.

No widget: an output of this kind shows in JupyterLab, VS Code and a papermill run alike, and it stays in the saved notebook.
"""

from __future__ import annotations

from typing import Any

from lakehouse_sdk.display import render
from lakehouse_sdk.events import Event, Notice, ObjectFailed, StageFinished, StageStarted
from lakehouse_sdk.notebook.board import Board, StageView
from lakehouse_sdk.notebook.lines import describe_end, describe_progress

_SECONDS_BETWEEN_UPDATES = 0.4
"""A front end is not helped by more, and nbclient gives up on a kernel that floods it."""


class CellSink:
    """Updates the output of the cell in which the stage began; a later cell gets its own."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._board = Board()
        self._execution: object = None
        self._updated_s = 0.0

    def show(self, board: Board, view: StageView, event: Event) -> None:
        """Redraw, at once for what matters and at most every 0.4 s for the rest."""
        matters = isinstance(event, StageStarted | StageFinished | ObjectFailed | Notice)
        if not matters and board.clock() - self._updated_s < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated_s = board.clock()
        self._leave_earlier_cells(board, view)
        bundle = {
            "text/html": str(render("notebook", "progress.html.j2", rows=[_row(item, board) for item in self._board.views])),
            "text/plain": "\n".join(_line(item, board) for item in self._board.views),
        }
        if self._handle is None:
            from IPython.display import display  # noqa: PLC0415 (only there is a kernel)

            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)

    def _leave_earlier_cells(self, board: Board, view: StageView) -> None:
        """What an earlier cell showed stays there; this one shows the stages that began in it."""
        execution = _execution_count()
        if execution != self._execution:
            self._execution, self._handle, self._board = execution, None, Board(board.clock)
        if not any(view is item for item in self._board.views):
            self._board.views.append(view)


def _execution_count() -> object:
    from IPython import get_ipython  # noqa: PLC0415 (only there is a kernel)

    shell = get_ipython()
    return None if shell is None else shell.execution_count


def _row(view: StageView, board: Board) -> dict[str, object]:
    fraction = view.fraction
    return {
        "view": view,
        "percent": None if fraction is None else round(100 * fraction, 1),
        "words": describe_progress(view, board.clock()) if view.running else describe_end(view),
    }


def _line(view: StageView, board: Board) -> str:
    words = describe_progress(view, board.clock()) if view.running else describe_end(view)
    notices = (f"  {notice}" for notice in view.notices)
    return "\n".join([f"{view.stage}: {words}", *notices, *(f"  FAILED {key!r}: {reason}" for key, reason in view.failures)])
