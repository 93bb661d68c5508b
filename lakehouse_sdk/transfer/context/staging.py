"""Temporary folders that bytes pass through: owned by one process, removed in all cases, never mistaken for data.

Guarantee: a folder belongs to the process that holds its lock. The lock dies with the process, however it ends, so what a
killed run left is recognised and removed by the next one in the same place, and a living one's folder never is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from lakehouse_sdk.errors import CapacityError

_PREFIX = ".lakehouse-staging-"
_LOCK = "lock"


def is_staging_name(name: str) -> bool:
    """True for the name of a staging folder."""
    return name.startswith(_PREFIX)


class StagingFolder:
    """A fresh folder below `parent` (created when missing; default: the system's temporary folder) for numbered files.

    Files are numbered instead of named by key: a key may be too long, or not a file name at all.

    Raises:
        CapacityError: There is no room to make it.
    """

    def __init__(self, parent: Path | None) -> None:
        self._parent = staging_parent(parent)
        self._numbers = count(1)

    def __enter__(self) -> Self:
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            remove_stale(self._parent)
            self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent)
            self._lock = _lock(os.path.join(self.path, _LOCK))  # noqa: PTH118 (paths are strings in the copy loop)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise self.full() from error
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def new_path(self) -> str:
        """A path in the folder that was not given out before."""
        return f"{self.path}/{next(self._numbers):08d}"

    def clear(self) -> None:
        """Remove the files, keep the folder."""
        with os.scandir(self.path) as found:
            for item in found:
                if item.name != _LOCK:
                    os.unlink(item.path)  # noqa: PTH108

    def free_bytes(self) -> int:
        """Bytes that still fit on its disk."""
        return shutil.disk_usage(self._parent).free

    def full(self, needed_bytes: int | None = None) -> CapacityError:
        """The error that says that this folder's disk is full."""
        with suppress(OSError):
            needs = f", {needed_bytes:,} are needed" if needed_bytes is not None else ""
            return CapacityError(
                f"The disk of {self._parent} is full: {self.free_bytes():,} bytes are free{needs}.",
                hint="Free space there, or point transfer.staging_dir at another disk.",
            )
        return CapacityError(f"The disk of {self._parent} is full.", hint="Point transfer.staging_dir at another disk.")


def staging_parent(configured: Path | None) -> Path:
    """Where staging folders are made: as configured, else the system's temporary folder."""
    return configured or Path(tempfile.gettempdir())


def remove_stale(parent: Path) -> None:
    """Remove staging folders in `parent` whose process is gone; those of living processes stay."""
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = _lock(str(folder / _LOCK), create=False)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(path: str, *, create: bool = True) -> int | None:
    """Hold the lock at `path` and return its descriptor; None where another process holds it or there is none yet."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if create else 0), 0o600)
    except OSError:  # not there yet, or another user's, in a shared temporary folder
        if create:
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def publish_file(temporary: str, final: str, modified_s: float | None) -> None:
    """Make a complete file visible under its final name in one step, replacing what is there, with its source's time.

    The caller has made the folder. Across file systems the bytes are copied beside the final name first.
    """
    if modified_s is not None:
        os.utime(temporary, (modified_s, modified_s))
    try:
        os.replace(temporary, final)  # noqa: PTH105 (the hot path of a download)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        folder = os.path.dirname(final)  # noqa: PTH120
        with tempfile.NamedTemporaryFile(prefix=_PREFIX, dir=folder, delete=False) as beside:
            pass
        try:
            shutil.copy2(temporary, beside.name)
            os.replace(beside.name, final)  # noqa: PTH105
        except BaseException:
            os.unlink(beside.name)  # noqa: PTH108
            raise
        os.unlink(temporary)  # noqa: PTH108
