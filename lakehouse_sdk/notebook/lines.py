"""Progress as lines of text, for logs, pipes and CI."""

from __future__ import annotations

from typing import TextIO

from lakehouse_sdk.display import format_duration
from lakehouse_sdk.events import Event, Notice, ObjectFailed, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.notebook.board import Board, StageView

_SECONDS_BETWEEN_LINES = 5.0
_SHOWN_FAILURES = 20


class LineSink:
    """Start and end of a stage, failures as they happen (the first 20), and how far it is at most every five seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._written_s: dict[int, float] = {}

    def show(self, board: Board, view: StageView, event: Event) -> None:
        """Write the line that `event` is worth, if any."""
        match event:
            case StageStarted():
                self._write(board, view, view.subject + _describe_total(view))
            case StageProgress():
                if board.clock() - self._written_s.get(id(view), view.started_s) >= _SECONDS_BETWEEN_LINES:
                    self._write(board, view, describe_progress(view, board.clock()))
            case StageFinished():
                self._write(board, view, describe_end(view))
            case ObjectFailed():
                self._write_failure(board, view, event)
            case Notice():
                self._write(board, view, event.text)

    def _write_failure(self, board: Board, view: StageView, event: ObjectFailed) -> None:
        if view.failed_objects <= _SHOWN_FAILURES:
            self._write(board, view, f"FAILED {event.key!r}: {event.reason}")
        if view.failed_objects == _SHOWN_FAILURES:
            self._write(board, view, "further failures are in the report")

    def _write(self, board: Board, view: StageView, text: str) -> None:
        self._written_s[id(view)] = board.clock()
        print(f"{view.stage}: {text}", file=self._stream, flush=True)


def describe_progress(view: StageView, now_s: float) -> str:
    """How far a running stage is, in one line."""
    if view.note and not view.total_objects and not view.total_bytes:
        return _printable(view.note)  # without an end in sight a bare count says less than the stage itself
    parts = [view.describe_amount(), view.describe_pace(now_s), view.describe_failures()]
    return ", ".join(part for part in parts if part)


def describe_end(view: StageView) -> str:
    """What a finished stage did, in one line."""
    mark = "" if view.ok else "not all went well: "
    return f"{mark}{view.summary or 'done'} ({format_duration(view.seconds)})"


def _printable(text: str) -> str:
    """The text with control characters spelt out: a note may hold an object's key."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _describe_total(view: StageView) -> str:
    total = view.describe_amount() if view.total_objects else ""
    return f" ({total.replace('0 of ', '').replace('0 B of ', '')})" if total else ""
