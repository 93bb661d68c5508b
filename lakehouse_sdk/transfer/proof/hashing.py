"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from typing import Protocol

READ_BYTES = 1024**2
"""Bytes read at once: large enough that hashing releases the interpreter for most of the time."""


class Readable(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int, /) -> bytes | None:
        """Up to `size` bytes, empty at the end."""


def hash_file(file: Readable) -> tuple[int, str]:
    """Size and SHA-256 (hex) of an open file, read from where it stands."""
    digest, size_bytes = hashlib.sha256(), 0
    while block := file.read(READ_BYTES):
        digest.update(block)
        size_bytes += len(block)
    return size_bytes, digest.hexdigest()


def hash_path(path: str) -> tuple[int, str]:
    """Size and SHA-256 (hex) of the file at `path`."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (keys and paths are strings in the copy loop)
        return hash_file(file)
