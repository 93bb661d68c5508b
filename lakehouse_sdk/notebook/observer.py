"""The observer that a person passes in; it finds out by itself where it is."""

from __future__ import annotations

import os
import sys
import threading
from typing import TextIO

from lakehouse_sdk.events import Event, ObjectPublished, Observer
from lakehouse_sdk.notebook.board import Board, StageView
from lakehouse_sdk.notebook.lines import LineSink
from lakehouse_sdk.notebook.sink import Sink


def progress(stream: TextIO | None = None) -> Observer:
    """An observer that shows stages as they run: pass it as `observer=` to anything that takes one.

    In a Jupyter kernel it updates one HTML output in place, with the same as plain text for runs without a front end; on a
    terminal it draws bars; everywhere else it writes a line at the start and end of a stage and every few seconds between.
    Safe to call from several threads. Never raises: where showing fails, it goes silent and the work goes on.

    Args:
        stream: Where terminals and logs are written, `sys.stderr` by default; not used in a kernel.
    """
    return GuardedSink(_choose_sink(stream or sys.stderr, kernel=stream is None and in_kernel()))


class GuardedSink:
    """An observer that hands events to a sink: one at a time, and no error of showing ever reaches the work."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Sink | None = sink
        self._board = Board()
        self._lock = threading.Lock()

    def __call__(self, event: Event, /) -> None:
        """Show one event, or nothing any more once showing has failed."""
        with self._lock:
            if self._sink is None or isinstance(event, ObjectPublished):  # that one is for programs
                return
            try:
                view: StageView = self._board.take(event)
                self._sink.show(self._board, view, event)
            except Exception:  # noqa: BLE001 (a closed terminal or a dead front end must not end a transfer)
                self._sink = None


def _choose_sink(stream: TextIO, *, kernel: bool) -> Sink:
    # Each sink loads only what it draws with: rich on a terminal, IPython in a kernel.
    if kernel:
        from lakehouse_sdk.notebook.cell import CellSink  # noqa: PLC0415

        return CellSink()
    if _is_terminal(stream):
        from lakehouse_sdk.notebook.terminal import TerminalSink  # noqa: PLC0415

        return TerminalSink(stream)
    return LineSink(stream)


def in_kernel() -> bool:
    """True inside a Jupyter kernel; IPython on a terminal is a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def is_attended() -> bool:
    """True where the front end that runs this kernel's cell has a person before it.

    Front ends tell the kernel whether somebody can answer a question; nbclient, and so papermill and nbconvert, says nobody.
    """
    from IPython import get_ipython  # noqa: PLC0415 (only there is a kernel)

    request = get_ipython().kernel.get_parent("shell")
    return bool(request.get("content", {}).get("allow_stdin"))


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
