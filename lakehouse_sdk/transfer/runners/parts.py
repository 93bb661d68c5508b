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
    """Memory for bytes on their way: bounded, and given back to the machine instead of to an allocator that keeps it.

    Args:
        limit_bytes: Most bytes that are out at once.
        freed: Called when some came back.
    """

    def __init__(self, limit_bytes: int, freed: Callable[[], None]) -> None:
        self.limit_bytes = limit_bytes
        self._freed = freed
        self._used_bytes = 0
        self._lock = Lock()

    def reserve(self, size_bytes: int) -> bool:
        """Take part of the limit where that much is left; something larger than the limit has to have all of it."""
        with self._lock:
            if self._used_bytes and self._used_bytes + size_bytes > self.limit_bytes:
                return False
            self._used_bytes += size_bytes
            return True

    def release(self, size_bytes: int) -> None:
        """Give part of the limit back."""
        with self._lock:
            self._used_bytes -= size_bytes
        self._freed()


def allocate(size_bytes: int) -> memoryview:
    """Memory of this size that the machine has back as soon as nobody holds it."""
    return memoryview(bytearray(size_bytes) if size_bytes < MIB else mmap.mmap(-1, size_bytes))


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

    def hexdigest(self) -> str:
        """The hash of all parts, once all were added and hashed."""
        return self._digest.hexdigest()
