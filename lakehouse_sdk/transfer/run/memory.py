"""How much memory this process held while a run went on."""

from __future__ import annotations

import resource
import sys
from threading import Event, Thread
from types import TracebackType
from typing import Self

_SAMPLE_S = 0.1


class PeakMemory:
    """A context manager that watches this process's resident memory, ten times a second, at no cost to the work.

    A shorter peak is missed, unless it is the highest of the process's whole life: that one the system keeps.

    Attributes:
        peak_bytes: The most that was seen so far, interpreter and modules included; programs that it started are not.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._lifelong_bytes = 0
        self._ended = Event()
        self._thread = Thread(target=self._watch, name="lakehouse-memory", daemon=True)

    def __enter__(self) -> Self:
        self._lifelong_bytes = _read_lifelong_peak()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        lifelong_bytes = _read_lifelong_peak()
        if lifelong_bytes > self._lifelong_bytes:
            self.peak_bytes = lifelong_bytes

    def _watch(self) -> None:
        import psutil  # noqa: PLC0415 (planning and listing need none of it)

        process = psutil.Process()
        while True:
            self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
            if self._ended.wait(_SAMPLE_S):
                return


def _read_lifelong_peak() -> int:
    """Most resident bytes since the process began; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
