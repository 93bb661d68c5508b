"""Progress as a person sees it: lines in a log, bars on a terminal, one output in a notebook; never an error."""

from __future__ import annotations

import io
import sys
import threading
import types
from typing import Any

import pytest

from lakehouse_sdk.events import Event, ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.notebook import observer, progress
from lakehouse_sdk.notebook.board import Board
from lakehouse_sdk.notebook.cell import CellSink
from lakehouse_sdk.notebook.lines import LineSink
from lakehouse_sdk.notebook.terminal import TerminalSink

HOSTILE = "<script>alert(1)</script>\x1b[2J"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run(sink: Any, clock: Clock, *events: tuple[float, Event]) -> None:
    """Show each event after its seconds have passed."""
    board = Board(clock)
    for seconds, event in events:
        clock.now_s += seconds
        sink.show(board, board.take(event), event)


class TestBoard:
    def test_amount_pace_and_time_left_come_from_bytes_where_they_are_known(self, clock: Clock) -> None:
        board = Board(clock)
        board.take(StageStarted("copy", "archives", total_objects=10, total_bytes=4 * 1024**2))
        clock.now_s += 2
        view = board.take(StageProgress("copy", 3, 1024**2, failed_objects=1, note="a.zip"))
        assert view.describe_amount() == "3 of 10, 1.0 MiB of 4.0 MiB"
        assert view.describe_pace(clock()) == "512.0 KiB/s, 6.0 s left"
        assert view.describe_failures() == "1 failed"
        assert view.fraction == 0.25
        assert view.state == "running"

    def test_without_totals_there_is_a_pace_and_no_promise(self, clock: Clock) -> None:
        board = Board(clock)
        view = board.take(StageProgress("discover", 50))
        assert (view.describe_pace(clock()), view.fraction) == ("", None)
        clock.now_s += 5
        assert view.describe_pace(clock()) == "10 objects/s"
        board.take(StageProgress("discover", 50, 1024))
        assert view.describe_amount() == "50, 1.0 KiB"

    def test_counts_never_shrink_and_a_stage_that_starts_again_is_a_new_one(self, clock: Clock) -> None:
        board = Board(clock)
        board.take(StageStarted("copy", "one", total_objects=4))
        board.take(StageProgress("copy", 3))
        view = board.take(StageProgress("copy", 2))
        assert view.describe_amount() == "3 of 4"
        assert view.fraction == 0.75
        assert not board.idle
        board.take(StageFinished("copy", 1.0, "4 copied", ok=False))
        assert (board.idle, view.state, view.fraction) == (True, "failed", 1.0)
        board.take(StageStarted("copy", "two"))
        assert [item.subject for item in board.views] == ["one", "two"]

    def test_failures_are_counted_in_full_and_kept_in_part(self, clock: Clock) -> None:
        board = Board(clock)
        for number in range(30):
            board.take(ObjectFailed("copy", str(number), "gone"))
        view = board.views[0]
        assert len(view.failures) == 20
        assert view.failed_objects >= 20


class TestLines:
    def test_without_an_end_in_sight_the_stage_itself_says_how_far_it_is(self, clock: Clock) -> None:
        log = io.StringIO()
        run(
            LineSink(log),
            clock,
            (0, StageStarted("build-minio", "about three minutes")),
            (6, StageProgress("build-minio", 534, note=f"534 packages compiled, 6 s{HOSTILE}")),
        )
        assert log.getvalue().splitlines()[1] == rf"build-minio: 534 packages compiled, 6 s{HOSTILE}".replace("\x1b", r"\x1b")

    def test_a_log_gets_start_end_failures_and_a_line_every_five_seconds(self, clock: Clock) -> None:
        log = io.StringIO()
        run(
            LineSink(log),
            clock,
            (0, StageStarted("copy", "214 archives", total_objects=214, total_bytes=2048)),
            (1, StageProgress("copy", 10, 100)),
            (4.5, StageProgress("copy", 100, 1024)),
            (1, StageProgress("copy", 120, 1100)),
            (0, ObjectFailed("copy", HOSTILE, "checksum differs")),
            (1, StageFinished("copy", 7.5, "213 copied", ok=False)),
        )
        assert log.getvalue().splitlines() == [
            "copy: 214 archives (214, 2.0 KiB)",
            "copy: 100 of 214, 1.0 KiB of 2.0 KiB, 186 B/s, 5.5 s left",
            r"copy: FAILED '<script>alert(1)</script>\x1b[2J': checksum differs",
            "copy: not all went well: 213 copied (7.5 s)",
        ]

    def test_a_flood_of_failures_is_cut_with_a_word(self, clock: Clock) -> None:
        log = io.StringIO()
        run(LineSink(log), clock, *((0.0, ObjectFailed("copy", str(number), "gone")) for number in range(50)))
        lines = log.getvalue().splitlines()
        assert len(lines) == 21
        assert lines[-1] == "copy: further failures are in the report"


class TestTerminal:
    def test_bars_while_it_runs_and_one_line_when_it_is_over(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        terminal = Terminal()
        run(
            TerminalSink(terminal),
            clock,
            (0, StageStarted("copy", "[bold]archives", total_objects=2)),
            (1, StageProgress("copy", 1)),
            (0, StageStarted("verify", "archives")),
            (0, ObjectFailed("copy", HOSTILE, "gone")),
            (1, StageFinished("copy", 2.0, "1 copied", ok=False)),
            (1, StageFinished("verify", 1.0, "1 verified")),
            (0, StageFinished("never-announced", 1.0, "x")),
        )
        shown = terminal.getvalue()
        assert "not all went well: 1 copied (2.0 s)" in shown
        assert "1 verified (1.0 s)" in shown
        assert r"\x1b[2J" in shown
        assert "\x1b[2J" not in shown
        assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


class FakeHandle:
    def __init__(self, bundle: dict[str, str]) -> None:
        self.bundles = [bundle]

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.bundles.append(bundle)


class TestCell:
    @pytest.fixture
    def outputs(self, monkeypatch: pytest.MonkeyPatch) -> list[FakeHandle]:
        made: list[FakeHandle] = []

        def display(bundle: dict[str, str], *, raw: bool, display_id: bool) -> FakeHandle:
            assert raw
            assert display_id
            made.append(FakeHandle(bundle))
            return made[-1]

        monkeypatch.setattr("IPython.display.display", display)
        return made

    def test_one_output_is_updated_in_place_and_carries_html_and_text(self, clock: Clock, outputs: list[FakeHandle]) -> None:
        run(
            CellSink(),
            clock,
            (0, StageStarted("copy", "archives", total_objects=4)),
            (1, StageProgress("copy", 1, note="a.zip")),
            (0.1, StageProgress("copy", 2)),
            (0.1, ObjectFailed("copy", HOSTILE, "gone")),
            (0.1, StageFinished("copy", 1.0, "3 copied", ok=False)),
        )
        (output,) = outputs
        assert len(output.bundles) == 4  # one update came too soon after another
        assert 'value="25.0"' in output.bundles[1]["text/html"]
        assert "a.zip" in output.bundles[1]["text/html"]
        last = output.bundles[-1]
        assert "<script>" not in last["text/html"]
        assert last["text/plain"].startswith("copy: not all went well: 3 copied (1.0 s)\n  FAILED ")

    def test_a_later_cell_gets_an_output_of_its_own(
        self, clock: Clock, outputs: list[FakeHandle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shell = types.SimpleNamespace(execution_count=1)
        monkeypatch.setattr("IPython.get_ipython", lambda: shell)
        board, sink = Board(clock), CellSink()
        for event in (StageStarted("copy", "one"), StageFinished("copy", 1.0, "first")):
            sink.show(board, board.take(event), event)
        shell.execution_count = 2
        event = StageStarted("copy", "two")
        sink.show(board, board.take(event), event)
        assert len(outputs) == 2
        assert "first" not in outputs[1].bundles[0]["text/html"]


class TestProgress:
    def test_it_finds_out_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        assert isinstance(observer._choose_sink(io.StringIO(), kernel=False), LineSink)
        assert isinstance(observer._choose_sink(Terminal(), kernel=False), TerminalSink)
        assert isinstance(observer._choose_sink(Terminal(), kernel=True), CellSink)
        monkeypatch.setenv("TERM", "dumb")
        assert isinstance(observer._choose_sink(Terminal(), kernel=False), LineSink)

    def test_a_kernel_is_told_from_ipython_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shells: list[object] = [None, types.SimpleNamespace(), types.SimpleNamespace(kernel=1)]
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shells.pop(0)))
        assert [observer.in_kernel() for _ in range(3)] == [False, False, True]

    def test_it_never_raises_even_when_nothing_can_be_shown(self) -> None:
        class Closed(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        shown = progress(Closed())
        for event in (StageStarted("copy", "x"), StageFinished("copy", 1.0, "y")):
            shown(event)

    def test_several_threads_may_tell_it_at_once(self) -> None:
        log = io.StringIO()
        shown: Observer = progress(log)

        def tell(name: str) -> None:
            shown(StageStarted(name, "x", total_objects=100))
            for number in range(100):
                shown(StageProgress(name, number))
            shown(StageFinished(name, 1.0, "over"))

        threads = [threading.Thread(target=tell, args=(f"stage-{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(log.getvalue().splitlines()) == sorted(
            line for number in range(8) for line in (f"stage-{number}: x (100)", f"stage-{number}: over (1.0 s)")
        )

    def test_the_command_line_writes_to_standard_error_or_not_at_all(self, capsys: pytest.CaptureFixture[str]) -> None:
        from lakehouse_sdk.cli.progress import progress as cli_progress

        cli_progress()(StageStarted("copy", "x"))
        assert capsys.readouterr() == ("", "copy: x\n")
        assert cli_progress(quiet=True) is ignore_events
