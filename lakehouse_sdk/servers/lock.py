"""Locks that the kernel releases when their last holder dies, so none is ever stale."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lakehouse_sdk.servers.folders import explained

_POLL_S = 0.2


def find_lock(file: Path) -> int | None:
    """Lock `file` (created when missing) and return the descriptor that holds the lock; None where another one holds it.

    The lock lasts until every copy of the descriptor is closed; a child that inherits it keeps it locked.

    Raises:
        LakehouseError: The folder of `file` cannot be written, or its disk is full.
    """
    with explained(file.parent):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def locked(file: Path, on_wait: Callable[[float], None]) -> Iterator[int]:
    """Hold the lock on `file`, waiting for as long as another process or thread holds it; yields its descriptor.

    Args:
        file: The lock, created when missing.
        on_wait: Called with the seconds waited so far, five times a second.
    """
    began = time.monotonic()
    while (descriptor := find_lock(file)) is None:
        on_wait(time.monotonic() - began)
        time.sleep(_POLL_S)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
