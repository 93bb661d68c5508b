"""What can go wrong with a folder on disk, in words that name it and the next step."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from lakehouse_sdk.errors import AccessError, CapacityError, LakehouseError, ServerError

_ELSEWHERE = "Choose another folder"


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system says while `folder` is worked on into an error that names it and the next step.

    Raises:
        CapacityError: The disk or the quota is full.
        AccessError: The folder cannot be written.
        ServerError: Anything else, for example a file where a folder should be.
    """
    try:
        yield
    except LakehouseError:
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(folder) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            message = f"The folder {folder} cannot be written ({error.strerror})."
            raise AccessError(message, hint=f"{_ELSEWHERE}, or change its permissions.") from error
        raise ServerError(f"The folder {folder} cannot be used ({error.strerror}).", hint=f"{_ELSEWHERE}.") from error


def disk_full(folder: Path, detail: str = "") -> CapacityError:
    """The error for a disk without room."""
    return CapacityError(f"The disk of {folder} is full{detail}.", hint="Free space, or choose a folder on another disk.")


def measure_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`; files that vanish meanwhile count as nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 (a million paths)
    return total


def read_tail(file: Path, lines: int = 15) -> str:
    """The last lines of a text file, empty where there is none."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 16_384))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
