"""A run that is under way, shown where the person is."""

from __future__ import annotations

import sys
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from lakehouse_sdk.events import Event
from lakehouse_sdk.notebook.lines import LineSink
from lakehouse_sdk.notebook.observer import GuardedSink, in_kernel, is_attended, progress

if TYPE_CHECKING:
    from lakehouse_sdk.transfer import TransferRun

_POLL_S = 0.2


def watch(run: TransferRun) -> None:
    """Show a run that is under way, from its beginning: bar, rate, time left, failures as they happen.

    In Jupyter it is a widget with a button that cancels the run, and this returns at once. A kernel hands clicks on between
    cells, so do not wait for the run in the same cell. Elsewhere this returns when the run has ended: a notebook that is
    executed without a person (papermill, nbconvert) has lines of text in its output, a terminal has bars, a log has lines.
    Interrupting it leaves the run alone. What the run raised is for `run.result()`.

    The lake's own observer shows a run too: watch runs of a lake that has none.
    """
    if in_kernel() and is_attended():
        from lakehouse_sdk.notebook.widget import RunWidget  # noqa: PLC0415 (only there is a front end)

        widget = RunWidget(run)
        widget.display()
        run.add_observer(GuardedSink(widget))
        run.add_done_callback(widget.finish)
        return
    # In this thread: what others print after the end of their cell is in no output.
    shown = GuardedSink(LineSink(sys.stdout)) if in_kernel() else progress()
    events: SimpleQueue[Event] = SimpleQueue()
    run.add_observer(events.put)
    while not (run.done() and events.empty()):
        try:
            shown(events.get(timeout=_POLL_S))
        except Empty:
            continue
