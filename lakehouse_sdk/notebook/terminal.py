"""Progress as bars on a terminal."""

from __future__ import annotations

import atexit
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from lakehouse_sdk.events import Event, Notice, ObjectFailed, StageFinished, StageStarted
from lakehouse_sdk.notebook.board import Board, StageView
from lakehouse_sdk.notebook.lines import describe_end, describe_progress

_SHOWN_FAILURES = 20


class TerminalSink:
    """One bar for each running stage; a finished one leaves a line, and the terminal is whole again between stages."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[stage]}", style="bold", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[int, TaskID] = {}
        atexit.register(self._bars.stop)  # gives the cursor back when an error ends the process between two events

    def show(self, board: Board, view: StageView, event: Event) -> None:
        """Move the bar of `view`; print what stays."""
        if isinstance(event, ObjectFailed) and view.failed_objects <= _SHOWN_FAILURES:
            self._console.print(Text.assemble((f"  ✗ {event.key!r}", "red"), f" {event.reason}"))
        if isinstance(event, Notice):
            self._console.print(Text(f"  {event.text}"))
        if isinstance(event, StageFinished):
            self._finish(board, view)
            return
        words = view.subject if isinstance(event, StageStarted) else describe_progress(view, board.clock())
        fraction = view.fraction
        total = None if fraction is None else 1.0
        if id(view) not in self._tasks:
            self._tasks[id(view)] = self._bars.add_task("", total=total, stage=view.stage, words=words)
            self._bars.start()
        self._bars.update(self._tasks[id(view)], total=total, completed=fraction or 0.0, words=words)

    def _finish(self, board: Board, view: StageView) -> None:
        task = self._tasks.pop(id(view), None)
        if task is not None:
            self._bars.remove_task(task)
        if board.idle:
            self._bars.stop()
        mark, colour = ("✓", "green") if view.ok else ("!", "yellow")
        self._console.print(Text.assemble((f"{mark} {view.stage}", colour), f"  {describe_end(view)}"))
