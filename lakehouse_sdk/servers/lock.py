"""Locks that the kernel releases when their last holder dies, so none is ever stale."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def find_lock(file: Path) -> int | None:
    """Lock `file` (created when missing) and return the descriptor that holds the lock; None where another one holds it.

    The lock lasts until every copy of the descriptor is closed; a child that inherits it keeps it locked.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
