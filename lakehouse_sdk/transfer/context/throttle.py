"""A limit to the bytes per second of one run."""

from __future__ import annotations

import time
from threading import Lock

from lakehouse_sdk.transfer.model.cancel import CancelToken

_BURST_S = 0.25
"""So much of a second's bytes may pass at once after a pause."""


class Throttle:
    """A token bucket that all threads of a run draw from; without a limit it costs nothing.

    Args:
        max_bytes_per_s: The limit, None for none.
        cancel: Ends waiting early.
    """

    def __init__(self, max_bytes_per_s: int | None, cancel: CancelToken) -> None:
        self._rate = max_bytes_per_s
        self._cancel = cancel
        self._lock = Lock()
        self._free_at_s = time.monotonic()

    def take(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more may pass."""
        if self._rate is None:
            return
        with self._lock:
            now_s = time.monotonic()
            self._free_at_s = max(self._free_at_s, now_s - _BURST_S) + size_bytes / self._rate
            wait_s = self._free_at_s - now_s
        if wait_s > 0:
            self._cancel.wait(wait_s)
