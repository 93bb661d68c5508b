"""How far large objects are before they end, so that progress does not stand still while they travel."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from lakehouse_sdk.transfer.model.objects import PlannedObject

_LEAST_BYTES = 1024**2
"""Smaller objects count when they end: they do so soon, and there may be millions of them."""


class ObjectProgress:
    """Bytes that one attempt at one object has moved; safe to share between threads.

    Args:
        size_bytes: Size of the object.
        passes: How often each byte passes on the whole way, for example 2: it comes, and it goes.
        passed: How many of these passes lie behind already.
    """

    __slots__ = ("_all_bytes", "_lock", "_moved_bytes", "_passes", "_start_bytes")

    def __init__(self, size_bytes: int, passes: int, passed: int) -> None:
        self._passes = passes
        self._all_bytes = passes * size_bytes
        self._start_bytes = self._moved_bytes = passed * size_bytes
        self._lock = Lock()

    def add(self, size_bytes: int) -> None:
        """So many bytes more have passed once; less than none where they have to pass again."""
        with self._lock:
            self._moved_bytes += size_bytes

    def reach(self, size_bytes: int) -> None:
        """So many bytes have passed in this attempt."""
        self._moved_bytes = self._start_bytes + size_bytes

    @property
    def done_bytes(self) -> int:
        """Bytes of the object that count as done, between 0 and its size."""
        return min(max(0, self._moved_bytes), self._all_bytes) // self._passes


class _Uncounted(ObjectProgress):
    """For small objects: costs nothing."""

    __slots__ = ()

    def add(self, size_bytes: int) -> None:
        pass

    def reach(self, size_bytes: int) -> None:
        pass


_UNCOUNTED = _Uncounted(0, 1, 0)


class PartialProgress:
    """The objects of one run that are under way; runners tell of bytes from any thread.

    Args:
        show: Called by `show`, in the thread that waits for outcomes.
    """

    def __init__(self, show: Callable[[], None] = lambda: None) -> None:
        self.show = show
        self._objects: dict[str, ObjectProgress] = {}

    def begin(self, row: PlannedObject, *, passes: int = 1, passed: int = 0) -> ObjectProgress:
        """Where an attempt at an object tells how far it is; in place of an earlier attempt, whose bytes are forgotten."""
        if row.size_bytes < _LEAST_BYTES:
            return _UNCOUNTED
        # By the name that rows keep when a strategy gives them other keys on the way. Two rows of one name count as one.
        progress = self._objects[row.relative_key] = ObjectProgress(row.size_bytes, passes, passed)
        return progress

    def end(self, row: PlannedObject) -> None:
        """An object ended: whoever ends it counts it whole."""
        if self._objects:
            self._objects.pop(row.relative_key, None)

    @property
    def done_bytes(self) -> int:
        """Bytes that are done of objects that have not ended."""
        return sum(progress.done_bytes for progress in list(self._objects.values()))
