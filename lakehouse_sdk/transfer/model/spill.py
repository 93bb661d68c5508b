"""What does not fit into memory: lists of plain values in a file without a name, and sorting by way of it.

The file is in no folder: whatever ends this process, `kill -9` included, takes the file with it.
"""

from __future__ import annotations

import errno
import heapq
import json
import os
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from lakehouse_sdk.errors import CapacityError

CHUNK_ITEMS = 2_000
"""Items written and read at once."""
SORT_ITEMS = 50_000
"""Items sorted in memory at once, some 25 MiB of entries."""

_Item = TypeVar("_Item", bound=tuple[Any, ...])


class Chunk(NamedTuple):
    """A list of values in the file."""

    offset: int
    length: int


class SpillFile:
    """Lists of JSON values, compressed, in the system's temporary folder; gone when nobody holds it any more.

    Raises:
        CapacityError: The disk is full.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile(prefix="lakehouse-") as file:
            self._descriptor = os.dup(file.fileno())
        self.close: Callable[[], object] = weakref.finalize(self, os.close, self._descriptor)
        self.size_bytes = 0

    def write(self, values: Sequence[object]) -> Chunk:
        """Add a list; `read` gives it back, tuples in it as lists."""
        block = zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 1)
        chunk = Chunk(self.size_bytes, len(block))
        rest = memoryview(block)
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, self.size_bytes)
                self.size_bytes += written
                rest = rest[written:]
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise CapacityError(
                f"The disk of {tempfile.gettempdir()} is full: a plan of this size does not fit.",
                hint="Free space there, or point TMPDIR at another disk.",
            ) from error
        return chunk

    def read(self, chunk: Chunk) -> list[Any]:
        """The list at `chunk`; from any thread."""
        block = bytearray()
        while len(block) < chunk.length:
            block += os.pread(self._descriptor, chunk.length - len(block), chunk.offset + len(block))
        values: list[Any] = json.loads(zlib.decompress(block))
        return values


def sort_outside(
    items: Iterable[_Item], make: Callable[[list[Any]], _Item], *, memory_items: int = SORT_ITEMS
) -> Iterator[_Item]:
    """`items` (tuples of JSON values) in order, however many; memory is bounded, equal items stay apart.

    Args:
        items: What to sort.
        make: Turns the list that came back from the file into an item.
        memory_items: More of them than that go through a file.
    """
    file: SpillFile | None = None
    runs: list[list[Chunk]] = []
    held: list[_Item] = []
    for item in items:
        held.append(item)
        if len(held) == memory_items:
            file = file or SpillFile()
            held.sort()
            runs.append([file.write(held[at : at + CHUNK_ITEMS]) for at in range(0, len(held), CHUNK_ITEMS)])
            held = []
    held.sort()
    if file is None:
        return iter(held)
    return heapq.merge(*(_read_run(file, run, make) for run in runs), held)


def _read_run(file: SpillFile, run: list[Chunk], make: Callable[[list[Any]], _Item]) -> Iterator[_Item]:
    for chunk in run:
        yield from map(make, file.read(chunk))
