"""A run that a person watches and cancels: a widget in a notebook, lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import Event, ObjectFailed, Observer, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.notebook import watch
from lakehouse_sdk.notebook.observer import GuardedSink
from lakehouse_sdk.notebook.widget import RunWidget
from lakehouse_sdk.transfer import CancelToken, TransferReport, TransferRun
from lakehouse_sdk.transfer.model.outcomes import OutcomeStore
from lakehouse_sdk.uris import S3Address

HOSTILE = "<script>alert(1)</script>"
MIB = 1024**2


def report(*, cancelled: bool = False) -> TransferReport:
    return TransferReport(S3Address("from"), S3Address("to"), "direct", "because", OutcomeStore(), 1.0, cancelled=cancelled)


class Scripted:
    """A run whose work is told step by step; ends when it is told to, or cancelled."""

    def __init__(self) -> None:
        self.tell: Observer
        self._begun = threading.Event()
        self._end = threading.Event()
        self._error: Exception | None = None
        self.run = TransferRun(self._work)
        assert self._begun.wait(10)

    def _work(self, observer: Observer, cancel: CancelToken) -> TransferReport:
        self.tell = observer
        self._begun.set()
        while not self._end.wait(0.01):
            if cancel.cancelled:
                break
        if self._error is not None:
            raise self._error
        observer(StageFinished("copy", 1.0, "2 done"))
        return report(cancelled=cancel.cancelled)

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._end.set()
        self.run.exception(10)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.end()


@pytest.fixture
def widget(scripted: Scripted) -> RunWidget:
    """Attached as `watch` attaches it."""
    made = RunWidget(scripted.run)
    scripted.run.add_observer(GuardedSink(made))
    scripted.run.add_done_callback(made.finish)
    return made


def wait_for(condition: Callable[[], Any]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


class TestWidget:
    def test_a_click_cancels_the_run(self, scripted: Scripted, widget: RunWidget) -> None:
        scripted.tell(StageStarted("copy", "a → b", 2, 10 * MIB))
        widget.button.click()
        assert scripted.run.cancelled()
        assert scripted.run.result(10).cancelled
        assert widget.button.disabled

    def test_the_bar_moves_and_failures_appear_as_they_happen(self, scripted: Scripted, widget: RunWidget) -> None:
        scripted.tell(StageStarted("copy", "a → b", 4, 10 * MIB))
        widget._updated_s = 0.0
        scripted.tell(StageProgress("copy", 1, 5 * MIB))
        assert widget.bar.value == 0.5
        assert "1 of 4, 5.0 MiB of 10.0 MiB" in widget.words.value
        assert "/s" in widget.words.value
        assert "left" in widget.words.value
        scripted.tell(ObjectFailed("copy", HOSTILE, "denied"))
        assert "denied" in widget.words.value
        assert HOSTILE not in widget.words.value
        assert widget.bar.bar_style == "warning"
        scripted.end()
        wait_for(lambda: widget.bar.bar_style == "success")
        assert widget.bar.value == 1.0
        assert widget.button.disabled

    def test_of_many_failures_it_shows_some_and_counts_all(self, scripted: Scripted, widget: RunWidget) -> None:
        for number in range(50):
            scripted.tell(ObjectFailed("copy", str(number), "denied"))
        scripted.tell(StageProgress("copy", 50, 0, 50))
        scripted.tell(ObjectFailed("copy", "last", "denied"))
        assert widget.words.value.count("denied") == 20
        assert "and 30 more failures" in widget.words.value

    def test_a_run_that_raises_says_why(self, scripted: Scripted, widget: RunWidget) -> None:
        scripted.end(UsageError(f"no such thing: {HOSTILE}"))
        wait_for(lambda: widget.bar.bar_style == "danger")
        assert "no such thing" in widget.words.value
        assert HOSTILE not in widget.words.value

    def test_a_click_after_the_end_changes_nothing(self, scripted: Scripted, widget: RunWidget) -> None:
        scripted.end()
        widget.button.click()
        assert not scripted.run.cancelled()


class TestLateObserver:
    def test_it_is_told_what_it_missed_and_then_what_comes(self, scripted: Scripted) -> None:
        missed: list[Event] = [
            StageStarted("plan", "a → b"),
            StageProgress("plan", 7),
            StageFinished("plan", 0.1, "2 to copy"),
            StageStarted("copy", "a → b", 40, 10),
            *(ObjectFailed("copy", str(number), "denied") for number in range(30)),
            StageProgress("copy", 31, 5, 30),
        ]
        for event in missed:
            scripted.tell(event)
        seen: list[Event] = []
        scripted.run.add_observer(seen.append)
        assert seen == [missed[0], *missed[2:24], missed[-1]]
        scripted.tell(StageProgress("copy", 32, 6, 30))
        assert seen[-1] == StageProgress("copy", 32, 6, 30)
        scripted.end()
        assert seen[-1] == StageFinished("copy", 1.0, "2 done")


class TestElsewhere:
    def test_outside_jupyter_it_writes_lines_until_the_end(
        self, scripted: Scripted, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scripted.tell(StageStarted("copy", "a → b", 2, 10))
        scripted.tell(ObjectFailed("copy", "x", "denied"))
        threading.Timer(0.1, scripted.end).start()
        watch(scripted.run)
        assert scripted.run.done()
        assert capsys.readouterr().err.splitlines() == [
            "copy: a → b (2, 10 B)",
            "copy: FAILED 'x': denied",
            "copy: 2 done (1.0 s)",
        ]

    def test_its_html_is_how_far_it_is_then_its_report_or_its_error(self, scripted: Scripted) -> None:
        scripted.tell(StageStarted("copy", "a → b", 4, 10 * MIB))
        scripted.tell(StageProgress("copy", 1, 5 * MIB))
        assert "5.0 MiB of 10.0 MiB" in scripted.run._repr_html_()
        assert "Transfer under way: copy" in scripted.run._repr_html_()
        scripted.end()
        assert "because" in scripted.run._repr_html_()
        failing = Scripted()
        failing.end(UsageError(HOSTILE))
        assert "&lt;script&gt;" in failing.run._repr_html_()
