"""A run as a widget: a bar, rate and time left, failures as they happen, and a button that cancels it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ipywidgets
from IPython.display import display

from lakehouse_sdk.display import render
from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.notebook.board import Board, StageView
from lakehouse_sdk.notebook.lines import describe_end, describe_progress

if TYPE_CHECKING:
    from lakehouse_sdk.transfer import TransferRun

_SECONDS_BETWEEN_UPDATES = 0.4


class RunWidget:
    """Draws one run; at its end its report takes the widget's place, which a saved notebook keeps.

    Args:
        run: What is watched.

    Attributes:
        box: What is displayed.
        bar: How much is done, 0 to 1.
        words: Amount, rate, time left and failures, as HTML.
        button: Cancels the run.
    """

    def __init__(self, run: TransferRun) -> None:
        self._run = run
        self._handle: Any = None
        self._updated_s = 0.0
        self.bar = ipywidgets.FloatProgress(min=0.0, max=1.0, bar_style="info", layout={"flex": "1"})
        self.button = ipywidgets.Button(description="Cancel", tooltip="Stop the transfer; what is done stays")
        self.words = ipywidgets.HTML(value="waiting")
        self.box = ipywidgets.VBox([ipywidgets.HBox([self.bar, self.button]), self.words])
        self.button.on_click(self._cancel)

    def display(self) -> None:
        """Show it as output of this cell."""
        self._handle = display(self.box, display_id=True)  # type: ignore[no-untyped-call]

    def show(self, board: Board, view: StageView, event: Event) -> None:
        """Redraw, at most every 0.4 s for mere progress."""
        if isinstance(event, StageProgress) and board.clock() - self._updated_s < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated_s = board.clock()
        self.bar.value = view.fraction or 0.0
        self.bar.bar_style = "warning" if view.failed_objects else "info"
        words = describe_progress(view, board.clock()) if view.running else describe_end(view)
        self._write(f"{view.stage}: {words or view.subject}", view)

    def finish(self, run: TransferRun) -> None:
        """The run ended, in whichever way; called in its thread, where nobody would see an error of showing."""
        self.button.disabled = True
        error = run.exception()
        if error is not None:
            self._write(f"The transfer failed. {error}")
            self.bar.bar_style = "danger"  # last: who sees red can read why
            return
        report = run.result()
        self.bar.bar_style = "success" if report.ok else "warning"
        if self._handle is not None:
            with suppress(Exception):
                self._handle.update(report)

    def _cancel(self, _: object) -> None:
        self.button.disabled = True
        self.button.description = "Cancelling" if self._run.cancel() else "Ended"

    def _write(self, words: str, view: StageView | None = None) -> None:
        failures = view.failures if view is not None else []
        hidden = view.failed_objects - len(failures) if view is not None else 0
        self.words.value = str(render("notebook", "run.html.j2", words=words, failures=failures, hidden=hidden))
