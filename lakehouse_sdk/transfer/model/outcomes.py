"""What became of every object of a run, kept in order: the first ones in memory, many of them in a temporary file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, overload

from lakehouse_sdk.transfer.model.objects import Outcome, Status
from lakehouse_sdk.transfer.model.rows import MEMORY_ROWS, decode_row, encode_row
from lakehouse_sdk.transfer.model.spill import CHUNK_ITEMS, Chunk, SpillFile


class OutcomeStore(Sequence[Outcome]):
    """A sequence of outcomes that is only appended to; memory is bounded whatever their number.

    Counting needs no reading: `counts` and `bytes_done` are kept while outcomes come. It compares as the tuple of its outcomes
    does, and pickles as its outcomes.

    Args:
        outcomes: The first ones.
        memory_items: Outcomes held in memory before they go to a file in the system's temporary folder.

    Attributes:
        counts: How many ended in each status.
        bytes_done: Size of the objects that are `done`.
        encryption: How many of them have which encryption at source and target.

    Raises:
        CapacityError: The disk of the temporary folder is full.
    """

    def __init__(self, outcomes: Iterable[Outcome] = (), *, memory_items: int = MEMORY_ROWS) -> None:
        self._memory_items = memory_items
        self._tail: list[Outcome] = []
        self._chunks: list[Chunk] = []
        self._file: SpillFile | None = None
        self._count = 0
        self.counts: Counter[Status] = Counter()
        self.bytes_done = 0
        self.encryption: Counter[tuple[str, str]] = Counter()
        for outcome in outcomes:
            self.append(outcome)

    def append(self, outcome: Outcome) -> None:
        """Add one at the end."""
        self._tail.append(outcome)
        self._count += 1
        self.counts[outcome.status] += 1
        if outcome.status is Status.DONE:
            self.bytes_done += outcome.row.size_bytes
            if outcome.encryption != ("", ""):
                self.encryption[outcome.encryption] += 1
        if len(self._tail) >= (CHUNK_ITEMS if self._chunks else self._memory_items):
            self._file = self._file or SpillFile()
            for start in range(0, len(self._tail), CHUNK_ITEMS):
                self._chunks.append(self._file.write([_encode(item) for item in self._tail[start : start + CHUNK_ITEMS]]))
            self._tail = []

    @property
    def spilled_bytes(self) -> int:
        """Bytes in the temporary file; 0 where all are in memory."""
        return self._file.size_bytes if self._file else 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Outcome]:
        file, tail = self._file, tuple(self._tail)
        for chunk in tuple(self._chunks):
            assert file is not None  # noqa: S101 (chunks are in it)
            yield from map(_decode, file.read(chunk))
        yield from tail

    @overload
    def __getitem__(self, index: int) -> Outcome: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Outcome, ...]: ...

    def __getitem__(self, index: int | slice) -> Outcome | tuple[Outcome, ...]:
        """By position; reads what stands before it, so iterate where more than a few are wanted."""
        if isinstance(index, slice):
            start, stop, step = index.indices(self._count)
            return tuple(islice(self, start, stop, step)) if step > 0 else tuple(self)[index]
        at = index + self._count if index < 0 else index
        if not 0 <= at < self._count:
            raise IndexError(f"There are {self._count} outcomes, and none at {index}.")
        return next(islice(self, at, None))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return self._count == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((self._count, self.bytes_done))

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {status.value}" for status, count in self.counts.items())
        return f"<{self._count:,} outcomes: {counts or 'none'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (OutcomeStore, (list(self),))


def _encode(outcome: Outcome) -> tuple[object, ...]:
    return (
        encode_row(outcome.row),
        outcome.status.value,
        outcome.reason,
        outcome.runner,
        outcome.etag,
        outcome.sha256,
        outcome.attempts,
        outcome.strategy,
        outcome.encryption,
    )


def _decode(values: list[Any]) -> Outcome:
    row, status, *rest, encryption = values
    return Outcome(decode_row(row), Status(status), *[*rest, tuple(encryption)])
