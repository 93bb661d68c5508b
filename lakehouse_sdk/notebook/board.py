"""What is known of every stage so far; the sinks only draw it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lakehouse_sdk.display import NOTHING, format_bytes, format_count, format_duration, format_rate
from lakehouse_sdk.events import Event, Notice, ObjectFailed, StageFinished, StageProgress, StageStarted

_KEPT_FAILURES = 20
"""Failures kept for display; all of them are in the stage's own report."""


@dataclass
class StageView:
    """One stage as it stands.

    Attributes:
        stage: Its name.
        subject: What it works on.
        started_s: Monotonic time of its start.
        seconds: Wall time in all, None while it runs.
        failures: `(key, reason)` of the first failures.
        failed_objects: All failures so far.
        notices: What a person should read once.
    """

    stage: str
    subject: str
    started_s: float
    total_objects: int | None = None
    total_bytes: int | None = None
    done_objects: int = 0
    done_bytes: int = 0
    failed_objects: int = 0
    note: str = ""
    summary: str = ""
    ok: bool = True
    seconds: float | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """True until the stage has finished."""
        return self.seconds is None

    @property
    def state(self) -> str:
        """`running`, `done` or `failed`, for words and colours."""
        return "running" if self.running else "done" if self.ok else "failed"

    @property
    def fraction(self) -> float | None:
        """Share that is done, 0 to 1, by bytes where they are known; None where no total is known."""
        if not self.running:
            return 1.0
        if self.total_bytes and self.done_bytes:
            return min(1.0, self.done_bytes / self.total_bytes)
        if self.total_objects:
            return min(1.0, self.done_objects / self.total_objects)
        return None

    def describe_amount(self) -> str:
        """How much is done: `120 of 214, 3.0 MiB of 5.1 MiB`."""
        objects = format_count(self.done_objects)
        parts = [f"{objects} of {format_count(self.total_objects)}" if self.total_objects else objects]
        if self.total_bytes:
            parts.append(f"{format_bytes(self.done_bytes)} of {format_bytes(self.total_bytes)}")
        elif self.done_bytes:
            parts.append(format_bytes(self.done_bytes))
        return ", ".join(parts)

    def describe_pace(self, now_s: float) -> str:
        """Rate and time left: `12.0 MiB/s, 34 s left`; empty before anything is done."""
        elapsed_s = now_s - self.started_s
        if self.done_bytes:
            rate = format_rate(self.done_bytes, elapsed_s)
        elif self.done_objects:
            rate = format_rate(self.done_objects, elapsed_s, "objects")
        else:
            return ""
        fraction = self.fraction
        if not fraction or rate == NOTHING:
            return "" if rate == NOTHING else rate
        return f"{rate}, {format_duration(elapsed_s * (1 - fraction) / fraction)} left"

    def describe_failures(self) -> str:
        """`3 failed`, or nothing."""
        return f"{format_count(self.failed_objects)} failed" if self.failed_objects else ""


class Board:
    """All stages in the order in which they started; a stage that starts again gets a new entry."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.views: list[StageView] = []

    @property
    def idle(self) -> bool:
        """True where no stage is running."""
        return not any(view.running for view in self.views)

    def take(self, event: Event) -> StageView:
        """Note one event and return the stage that it changed."""
        if isinstance(event, StageStarted):
            return self._start(event.stage, event.subject, event.total_objects, event.total_bytes)
        view = self._running(event.stage)
        match event:
            case StageProgress():
                view.done_objects = max(view.done_objects, event.done_objects)
                view.done_bytes = max(view.done_bytes, event.done_bytes)
                view.failed_objects = max(view.failed_objects, event.failed_objects)
                view.note = event.note or view.note
            case StageFinished():
                view.seconds, view.summary, view.ok = event.seconds, event.summary, event.ok
            case ObjectFailed():
                view.failed_objects = max(view.failed_objects, len(view.failures) + 1)
                if len(view.failures) < _KEPT_FAILURES:
                    view.failures.append((event.key, event.reason))
            case Notice():
                view.notices.append(event.text)
        return view

    def _start(self, stage: str, subject: str, total_objects: int | None = None, total_bytes: int | None = None) -> StageView:
        view = StageView(stage, subject, self.clock(), total_objects, total_bytes)
        self.views.append(view)
        return view

    def _running(self, stage: str) -> StageView:
        """The latest entry of a stage; one that was never announced is entered now."""
        for view in reversed(self.views):
            if view.stage == stage and view.running:
                return view
        return self._start(stage, "")
