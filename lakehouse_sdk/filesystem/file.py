"""Files that appear whole or not at all: the file object that `open` returns, and the local file that `get` writes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from s3fs.core import S3File


class LakehouseFile(S3File):  # type: ignore[misc]
    """An S3 object being read or written; a write becomes visible at once, when the file is closed, and not before.

    s3fs commits in `close()`, whatever led there: an exception inside `with fs.open(path, "wb")` would leave the beginning of
    the object under its final key. Here the exception discards it.
    """

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and self.writable() and not self.closed:
            self.discard()
            self.closed: bool = True
        super().__exit__(kind, error, trace)


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
