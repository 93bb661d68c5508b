"""Files that appear whole or not at all: the file object that `open` returns, and the local file that `get` writes."""

from __future__ import annotations

import io
import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from s3fs.core import FileExpired, S3File

from lakehouse_sdk.errors import ConflictError


class DiscardedWriteWarning(ResourceWarning):
    """A write was given up: its file was never closed, or closed while an exception was under way."""


class FileChangedError(ConflictError, FileExpired):  # type: ignore[misc]
    """An object is not any more what it was when its file was opened; also s3fs's `FileExpired`."""


class LakehouseFile(S3File):  # type: ignore[misc]
    """An S3 object being read or written; a write becomes visible at once, when the file is closed in peace, and not before.

    s3fs commits in `close()`, whatever led there, so an exception left the beginning of an object under its final key: in
    `with fs.open(…)`, and through everything that wraps a file and closes it without saying why (`fsspec.open`, text files,
    compression, pandas, pyarrow, `BufferedWriter`). Here `close` looks: while an exception is being handled that was not so
    when the file was opened, and when a wrapper or the file itself is only being collected, the write is discarded.
    """

    _handled_at_open: BaseException | None = None
    _abandoned = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._give_up()
        super().__exit__(kind, error, trace)

    def _fetch_range(self, start: int, end: int) -> bytes:
        try:
            return bytes(super()._fetch_range(start, end))
        except ConflictError as error:
            raise FileChangedError(
                f"{self.path} was replaced or changed since it was opened.", hint="Open it again."
            ) from error

    def close(self) -> None:
        """Make what was written visible; discard it where an exception led here, or nobody closed the file."""
        error = sys.exception()
        if error is not None and error is not self._handled_at_open and self._give_up():
            # Whoever handles the exception and closes the file on purpose has to hear of it.
            self._warn(f"it was closed while {type(error).__name__} was being handled")
        elif self._abandoned and self._give_up():
            self._warn("it was never closed")
        self._handled_at_open = None
        super().close()

    def __del__(self) -> None:
        self._abandoned = True
        with suppress(Exception):  # at the interpreter's end there may be nobody left to ask
            self.close()

    def _dealloc_warn(self, _source: object) -> None:
        """What `TextIOWrapper` and `BufferedWriter` call when they are collected without having been closed."""
        self._abandoned = True

    def _give_up(self) -> bool:
        """Discard a write that is under way; True where there was one."""
        if self.closed or not self.writable():
            return False
        self.closed: bool = True  # whatever becomes of the request: nothing may be committed any more
        self._handled_at_open = None
        self.discard()
        return True

    def _warn(self, why: str) -> None:
        message = f"Nothing was written to {self.path}: {why}. Close the file, or use `with`, outside of the handler."
        warnings.warn(message, DiscardedWriteWarning, stacklevel=3)


class CompressedWrite(io.BufferedIOBase):
    """What is compressed on its way into a file; closing it closes both.

    fsspec closes the compressor only and leaves the file to the collector, which is no place to commit from.

    Args:
        compressor: Writes into `file`.
        file: Where the compressed bytes go.
    """

    def __init__(self, compressor: Any, file: LakehouseFile) -> None:
        self._compressor = compressor
        self._file = file

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any, /) -> int:
        """Compress some more."""
        return int(self._compressor.write(data))

    def flush(self) -> None:
        """Nothing: parts are sent when they are full, the rest at the end."""

    def close(self) -> None:
        """Finish the compressed stream, and with it the object."""
        if not self.closed:
            try:
                self._compressor.close()
            finally:
                super().close()
                self._file.close()

    def _dealloc_warn(self, source: object) -> None:
        self._file._dealloc_warn(source)  # noqa: SLF001 (its own kind)

    def __del__(self) -> None:
        if not self.closed:
            self._file._dealloc_warn(self)  # noqa: SLF001
            self.close()


@contextmanager
def whole_or_nothing(path: str) -> Iterator[str]:
    """A path to write to; what was written there takes the place of `path` at the end, and vanishes after an exception.

    A folder, pipe or device is handed out as it is: nothing may take its place.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield path
        return
    scratch = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield str(scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
