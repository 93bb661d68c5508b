"""A transfer under way: watch it, stop it, wait for its report."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from threading import RLock, Thread

from lakehouse_sdk.events import Event, ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.transfer.model.cancel import CancelToken
from lakehouse_sdk.transfer.model.report import TransferReport

_EXIT_S = 10.0
"""At the interpreter's exit runs are cancelled, and waited for so long."""
_KEPT_FAILURES = 20
"""Failures that an observer who comes late is told of."""
_running: weakref.WeakSet[TransferRun] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is; a value, taken at one moment.

    Attributes:
        stage: `plan`, `copy`, or empty before the first.
        done_objects: Objects that ended, failed ones included.
        total_objects: Objects to copy, None until they are known.
        done_bytes: Bytes of the objects that ended, and of large ones on their way what has moved already.
        total_bytes: Bytes to copy, None until they are known.
        failed_objects: Objects that failed so far.
        seconds: Since the copying began.
        bytes_per_s: On average since then.
        eta_s: Seconds until the end at that rate, None where nothing can be said.
    """

    stage: str = ""
    done_objects: int = 0
    total_objects: int | None = None
    done_bytes: int = 0
    total_bytes: int | None = None
    failed_objects: int = 0
    seconds: float = 0.0

    @property
    def bytes_per_s(self) -> float:
        """On average."""
        return self.done_bytes / self.seconds if self.seconds else 0.0

    @property
    def eta_s(self) -> float | None:
        """By bytes where there are any, else by objects."""
        done, total = (self.done_bytes, self.total_bytes) if self.total_bytes else (self.done_objects, self.total_objects)
        if total is None or not done or not self.seconds:
            return None
        return max(0.0, (total - done) * self.seconds / done)

    def __str__(self) -> str:
        of = f" of {self.total_objects:,}" if self.total_objects is not None else ""
        failed = f", {self.failed_objects:,} failed" if self.failed_objects else ""
        return f"{self.stage or 'waiting'}: {self.done_objects:,}{of} objects, {self.done_bytes:,} bytes{failed}"


class TransferRun:
    """A transfer that runs in a thread of its own; its methods are those of `concurrent.futures.Future`.

    As the value of a notebook's cell it shows how far it is at that moment; `lakehouse_sdk.notebook.watch(run)` shows it live.

    Leaving the interpreter cancels it and waits for it to end in order, as Ctrl-C does with a call that blocks.

    Args:
        work: What to do, given an observer and a cancel token.
        observer: Told of every event, in the run's thread.
    """

    def __init__(self, work: Callable[[Observer, CancelToken], TransferReport], *, observer: Observer = ignore_events) -> None:
        self._work = work
        self._observers = () if observer is ignore_events else (observer,)
        self._told: list[Event] = []
        self._last: StageProgress | None = None
        self._failures = 0
        self._cancel = CancelToken()
        self._future: Future[TransferReport] = Future()
        self._progress = RunProgress()
        self._copying_since_s = 0.0
        self._lock = RLock()
        self._future.set_running_or_notify_cancel()
        self._thread = Thread(target=self._run, name="lakehouse-transfer", daemon=True)
        _running.add(self)
        self._thread.start()

    @property
    def progress(self) -> RunProgress:
        """How far it is now."""
        with self._lock:
            return self._progress

    def cancel(self) -> bool:
        """Ask it to stop; within a second or two it ends in a report that says what was done. False where it has ended."""
        if self.done():
            return False
        self._cancel.cancel()
        return True

    def cancelled(self) -> bool:
        """True once `cancel` was asked for before its end."""
        return self._cancel.cancelled

    def running(self) -> bool:
        """True until it has ended."""
        return not self._future.done()

    def done(self) -> bool:
        """True once it has ended, in whichever way."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> TransferReport:
        """Wait for the report; a cancelled run has one too.

        Interrupting the wait does not stop the run; `cancel` does.

        Raises:
            TimeoutError: It has not ended after `timeout` seconds.
            LakehouseError: As planning and running raise.
        """
        return self._future.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result`; what it raised, None where it ended in a report."""
        return self._future.exception(timeout)

    def add_done_callback(self, function: Callable[[TransferRun], object]) -> None:
        """Call `function` with this run when it has ended, in its thread; at once where it has."""
        self._future.add_done_callback(lambda _: function(self))

    def add_observer(self, observer: Observer) -> None:
        """Tell `observer` of all events from now on; first, before this returns, of what it has missed.

        That is the stages, how far the last one is, and the first 20 failures; it may come after the end too.
        """
        with self._lock:
            for event in [*self._told, *([self._last] if self._last is not None else [])]:
                observer(event)
            self._observers = (*self._observers, observer)

    def __repr__(self) -> str:
        if not self.done():
            return f"<TransferRun {self.progress}>"
        error = self.exception()
        return f"<TransferRun failed: {error}>" if error is not None else f"<TransferRun {self.result().summary}>"

    def _repr_html_(self) -> str:
        from lakehouse_sdk.display import (  # noqa: PLC0415 (templates load when they are shown)
            format_bytes,
            format_count,
            format_duration,
            format_rate,
            html_card,
        )

        if not self.done():
            now = self.progress
            facts = {
                "objects": f"{format_count(now.done_objects)} of {format_count(now.total_objects)}",
                "bytes": f"{format_bytes(now.done_bytes)} of {format_bytes(now.total_bytes)}",
                "failed": format_count(now.failed_objects),
                "rate": format_rate(now.done_bytes, now.seconds),
                "time left": format_duration(now.eta_s),
            }
            return str(html_card(f"Transfer under way: {now.stage or 'waiting'}", facts))
        error = self.exception()
        return (
            str(html_card("Transfer failed", {}, str(error), tone="bad")) if error is not None else self.result()._repr_html_()
        )

    def _run(self) -> None:
        try:
            report = self._work(self._note, self._cancel)
        except BaseException as error:  # noqa: BLE001 (raised by result)
            self._future.set_exception(error)
        else:
            self._future.set_result(report)

    def _note(self, event: Event) -> None:
        with self._lock:
            self._progress = self._advance(event)
            self._keep(event)
            observers = self._observers
        for observer in observers:
            observer(event)

    def _keep(self, event: Event) -> None:
        """Remember what an observer who comes late has to know."""
        if isinstance(event, StageProgress):
            self._last = event
            return
        self._failures += isinstance(event, ObjectFailed)
        if not isinstance(event, ObjectFailed):
            self._last = None
        elif self._failures > _KEPT_FAILURES:
            return
        self._told.append(event)

    def _advance(self, event: Event) -> RunProgress:
        now_s, was = time.monotonic(), self._progress
        if isinstance(event, StageStarted):
            self._copying_since_s = now_s
            return RunProgress(event.stage, total_objects=event.total_objects, total_bytes=event.total_bytes)
        failed = was.failed_objects + isinstance(event, ObjectFailed)
        done_objects, done_bytes = was.done_objects, was.done_bytes
        if isinstance(event, StageProgress):
            done_objects, done_bytes, failed = event.done_objects, event.done_bytes, max(failed, event.failed_objects)
        if isinstance(event, StageFinished) and event.stage == "plan":
            return RunProgress(event.stage)
        seconds = now_s - self._copying_since_s
        return RunProgress(was.stage, done_objects, was.total_objects, done_bytes, was.total_bytes, failed, seconds)


@atexit.register
def _end_all() -> None:
    """Nothing that a run began may be left half-way by leaving the interpreter."""
    runs = [run for run in _running if run.cancel()]
    for run in runs:
        try:
            run.exception(_EXIT_S)
        except (TimeoutError, CancelledError):
            continue
