"""How often the API is asked: one budget of requests for all threads."""

from __future__ import annotations

import math
import time
from threading import Lock

_BURST = 10
"""Requests that may leave at once after a pause; the API bears 15."""


class RequestLimit:
    """A token bucket that all threads of a connector draw from; never more than `requests_per_s`, after a pause 10 at once.

    Args:
        requests_per_s: Requests a second in the long run.
    """

    def __init__(self, requests_per_s: float) -> None:
        self._spacing_s = 1 / requests_per_s
        # A rate of less than the burst a second is somebody's wish to be gentle: no more than a second's worth at once.
        self._burst_s = min(_BURST, math.ceil(requests_per_s)) * self._spacing_s
        self._lock = Lock()
        self._next_s = 0.0
        self._paused_until_s = 0.0

    def take(self) -> None:
        """Wait until one more request may leave."""
        with self._lock:
            self._next_s = max(self._next_s, time.monotonic() - self._burst_s) + self._spacing_s
            turn_s = self._next_s
        while True:
            with self._lock:  # a pause that began meanwhile holds for those who wait already, too
                wait_s = max(turn_s, self._paused_until_s) - time.monotonic()
            if wait_s <= 0:
                return
            time.sleep(wait_s)

    @property
    def is_paused(self) -> bool:
        """True while nobody asks."""
        with self._lock:
            return time.monotonic() < self._paused_until_s

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long; after that requests leave one by one, without a burst."""
        with self._lock:
            self._paused_until_s = max(self._paused_until_s, time.monotonic() + seconds)
            self._next_s = max(self._next_s, self._paused_until_s)
