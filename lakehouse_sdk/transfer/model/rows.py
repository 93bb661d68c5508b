"""Rows of a plan, kept in order: the first ones in memory, many of them in a temporary file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse_sdk.transfer.model.objects import Action, PlannedObject
from lakehouse_sdk.transfer.model.spill import CHUNK_ITEMS, Chunk, SpillFile

MEMORY_ROWS = 20_000
"""Rows held in memory, about 10 MiB; more go to a file."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


class RowStore:
    """Append rows, read them in that order as often as wanted, from any thread; memory is bounded whatever their number.

    Args:
        rows: The first ones.
        memory_rows: Rows held in memory before they go to a file in the system's temporary folder.

    Raises:
        CapacityError: The disk of the temporary folder is full.
    """

    def __init__(self, rows: Iterable[PlannedObject] = (), *, memory_rows: int = MEMORY_ROWS) -> None:
        self._memory_rows = memory_rows
        self._tail: list[PlannedObject] = []
        self._chunks: list[tuple[Chunk, frozenset[Action]]] = []  # the actions let a filter pass over a chunk unread
        self._count = 0
        self._file: SpillFile | None = None
        for row in rows:
            self.append(row)

    def append(self, row: PlannedObject) -> None:
        """Add a row at the end."""
        self._tail.append(row)
        self._count += 1
        if len(self._tail) >= (CHUNK_ITEMS if self._chunks else self._memory_rows):
            self._spill()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[PlannedObject]:
        return self.rows(None)

    def rows(self, action: Action | None) -> Iterator[PlannedObject]:
        """The rows with this action, None for all, in order."""
        file, tail = self._file, tuple(self._tail)
        for chunk, actions in tuple(self._chunks):
            assert file is not None  # noqa: S101 (chunks are in it)
            if action is None or action in actions:
                for row in map(decode_row, file.read(chunk)):
                    if action is None or row.action is action:
                        yield row
        for row in tail:
            if action is None or row.action is action:
                yield row

    @property
    def spilled_bytes(self) -> int:
        """Bytes in the temporary file; 0 where all rows are in memory."""
        return self._file.size_bytes if self._file else 0

    def close(self) -> None:
        """Forget all rows and, when nobody is reading them, the file; happens by itself when nobody holds the store."""
        self._tail, self._chunks, self._count, self._file = [], [], 0, None

    def _spill(self) -> None:
        self._file = self._file or SpillFile()
        for start in range(0, len(self._tail), CHUNK_ITEMS):
            part = self._tail[start : start + CHUNK_ITEMS]
            self._chunks.append((self._file.write([encode_row(row) for row in part]), frozenset(row.action for row in part)))
        self._tail = []


def encode_row(row: PlannedObject) -> tuple[object, ...]:
    """The row in plain values, for a spill file."""
    modified = None if row.last_modified is None else (row.last_modified - _EPOCH) // _MICROSECOND
    return (
        row.relative_key,
        _shorten(row.source_key, row.relative_key),
        _shorten(row.target_key, row.relative_key),
        row.size_bytes,
        row.etag,
        row.action.value,
        row.reason,
        row.sha256,
        modified,
    )


def decode_row(values: list[Any]) -> PlannedObject:
    """The row that `encode_row` wrote."""
    name, source, target, size_bytes, etag, action, reason, sha256, modified = values
    return PlannedObject(
        name,
        source if isinstance(source, str) else f"{source[0]}{name}",
        target if isinstance(target, str) else f"{target[0]}{name}",
        size_bytes,
        etag,
        Action(action),
        reason,
        sha256,
        None if modified is None else _EPOCH + modified * _MICROSECOND,
    )


def _shorten(key: str, name: str) -> str | tuple[str]:
    """Keys mostly end in the row's name: then only what stands before it is kept, in a tuple."""
    return (key[: -len(name)],) if name and key.endswith(name) else key
