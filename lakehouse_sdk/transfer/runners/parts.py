"""Objects in parts: how they are cut, how their bytes are held, how they are hashed in order though they come out of it."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable
from threading import Lock

from lakehouse_sdk.storage.uploads import MAX_PARTS

MIB = 1024**2
_MIN_PART_BYTES = 5 * MIB
"""S3's lower limit; also s5cmd's."""
_PREFERRED_PART_BYTES = 8 * MIB
_PREFERRED_PARTS = 1000
_LEAST_BYTES = 64 * 1024


def choose_part_bytes(size_bytes: int, max_part_bytes: int) -> int:
    """Size of the parts of an object whose source does not prescribe it.

    8 MiB, more beyond 8 GB, at most `max_part_bytes` unless S3's limit of 10,000 parts asks for more.
    """
    wanted = max(_PREFERRED_PART_BYTES, -(-size_bytes // _PREFERRED_PARTS))
    needed = max(_MIN_PART_BYTES, -(-size_bytes // MAX_PARTS))
    chosen = max(needed, min(wanted, max_part_bytes))
    return -(-chosen // MIB) * MIB


def keeps_layout(size_bytes: int, first_part_bytes: int, parts: int) -> bool:
    """True where an object of `parts` parts was cut evenly, so that the same cut gives the same ETag."""
    if parts < 2 or first_part_bytes < _MIN_PART_BYTES:
        return False
    return -(-size_bytes // first_part_bytes) == parts


class Buffers:
    """Memory for bytes on their way: bounded, used again and again, and the machine's again with the last reference to this.

    Fresh memory costs more CPU time than it takes to fill it, because the machine hands it out page by page.

    Args:
        limit_bytes: Most bytes that are held at once, in use or waiting to be used again.
        freed: Called when some came back.
    """

    def __init__(self, limit_bytes: int, freed: Callable[[], None]) -> None:
        self.limit_bytes = limit_bytes
        self._freed = freed
        self._used_bytes = self._idle_bytes = 0
        self._idle: dict[int, list[memoryview]] = {}
        self._lock = Lock()

    def take(self, size_bytes: int) -> memoryview | None:
        """Memory of at least this size, None while too much is out; what is larger than the limit has to have all of it."""
        capacity = _round_up(size_bytes)
        with self._lock:
            if self._used_bytes and self._used_bytes + capacity > self.limit_bytes:
                return None
            self._used_bytes += capacity
            idle = self._idle.get(capacity)
            if idle:
                self._idle_bytes -= capacity
                return idle.pop()
            while self._idle_bytes and self._used_bytes + self._idle_bytes > self.limit_bytes:
                self._drop_one()
        return memoryview(mmap.mmap(-1, capacity))

    def give(self, block: memoryview) -> None:
        """Take back what `take` gave; nobody else may hold on to it."""
        capacity = len(block)
        with self._lock:
            self._used_bytes -= capacity
            self._idle.setdefault(capacity, []).append(block)
            self._idle_bytes += capacity
        self._freed()

    def _drop_one(self) -> None:
        for capacity, blocks in self._idle.items():
            if blocks:
                blocks.pop()
                self._idle_bytes -= capacity
                return


def _round_up(size_bytes: int) -> int:
    """The next power of two or three quarters of one: few sizes, so that memory fits again, and at most a third unused."""
    upper = 1 << (max(size_bytes, _LEAST_BYTES) - 1).bit_length()
    return upper * 3 // 4 if size_bytes <= upper * 3 // 4 and upper > _LEAST_BYTES else upper


class OrderedHash:
    """SHA-256 of an object whose parts come in any order, from any thread.

    A part is hashed as soon as all before it are, by the thread that brought the last one missing; hashing releases the
    interpreter. A part that has to wait is held until then.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._waiting: dict[int, tuple[memoryview, Callable[[], None]]] = {}
        self._next = 0
        self._busy = False
        self._lock = Lock()

    def add(self, index: int, block: memoryview, hashed: Callable[[], None]) -> None:
        """Hash the part number `index` (from 0) when its turn comes, then call `hashed`."""
        with self._lock:
            self._waiting[index] = (block, hashed)
            if self._busy:
                return
            self._busy = True
        while True:
            with self._lock:
                found = self._waiting.pop(self._next, None)
                if found is None:
                    self._busy = False
                    return
                self._next += 1
            self._digest.update(found[0])
            found[1]()

    def abandon(self) -> None:
        """Let go of the parts that wait for one that will not come."""
        with self._lock:
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for _, hashed in waiting:
            hashed()

    def hexdigest(self) -> str:
        """The hash of all parts, once all were added and hashed."""
        return self._digest.hexdigest()
