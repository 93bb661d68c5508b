"""Threads that do a run's work, and give it back as it is done.

Unlike an executor's, waiting for the next result costs the same however many are outstanding, and a thread that hangs in a
request that nothing can end does not hold the interpreter at its exit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

_Tag = TypeVar("_Tag")
_Result = TypeVar("_Result")
_STEP_S = 0.05
_PATIENCE_S = 10.0
"""For threads to notice that they are to stop; a server that accepts a connection takes no longer."""


class Workers(Generic[_Tag, _Result]):
    """Up to `count` threads, started as work comes.

    Work must not raise: what it returns, or the exception that escapes it, comes back from `collect` with its tag.

    Args:
        count: Threads at most.
        interrupt: Ends what the threads wait for; called until they have stopped.
    """

    def __init__(self, count: int, interrupt: Callable[[], None]) -> None:
        self._count = count
        self._interrupt = interrupt
        self._work: SimpleQueue[tuple[_Tag, Callable[[], _Result]] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[_Tag, _Result | BaseException] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self.outstanding = 0

    def submit(self, tag: _Tag, work: Callable[[], _Result]) -> None:
        """Queue work."""
        self.outstanding += 1
        self._work.put((tag, work))
        if len(self._threads) < min(self._count, self.outstanding):
            thread = Thread(target=self._run, name=f"lakehouse-copy-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """Make `collect` return, from any thread."""
        self._results.put(None)

    def collect(self, timeout_s: float) -> list[tuple[_Tag, _Result]]:
        """What was done since the last call; waits for the first result up to `timeout_s`, empty after that.

        Raises:
            BaseException: What escaped from work.
        """
        done: list[tuple[_Tag, _Result]] = []
        try:
            item = self._results.get(timeout=timeout_s)
            while True:
                if item is not None:
                    tag, result = item
                    self.outstanding -= 1
                    if isinstance(result, BaseException):
                        raise result
                    done.append((tag, result))
                item = self._results.get_nowait()
        except Empty:
            return done

    def stop(self) -> list[tuple[_Tag, _Result]]:
        """End all threads, what they do included; what was done meanwhile."""
        while not self._work.empty():
            try:
                self._work.get_nowait()
                self.outstanding -= 1
            except Empty:
                break
        for _ in self._threads:
            self._work.put(None)
        deadline_s = time.monotonic() + _PATIENCE_S
        alive = self._threads
        while alive and time.monotonic() < deadline_s:
            if self.outstanding:
                self._interrupt()
            alive[0].join(_STEP_S)
            alive = [thread for thread in alive if thread.is_alive()]
        done: list[tuple[_Tag, _Result]] = []
        while not self._results.empty():
            item = self._results.get_nowait()
            if item is not None and not isinstance(item[1], BaseException):
                done.append((item[0], item[1]))
        self._threads = []
        self.outstanding = 0
        return done

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            tag, work = item
            try:
                result: _Result | BaseException = work()
            except BaseException as error:  # noqa: BLE001 (it is raised in the thread that collects)
                result = error
            del item, work  # memory that the work holds is not kept while there is none
            self._results.put((tag, result))
