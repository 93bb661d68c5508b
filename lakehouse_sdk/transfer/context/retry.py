"""Which failures pass by themselves, and how long to wait for that."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from lakehouse_sdk.errors import ConnectError, StorageError
from lakehouse_sdk.transfer.model.cancel import CancelToken

_PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_DELAY_S = 0.5
_MAX_DELAY_S = 8.0
_Result = TypeVar("_Result")


def is_passing(error: Exception) -> bool:
    """True where the same request may succeed later: no answer, a cut body, a server in trouble."""
    return isinstance(error, ConnectError) or (isinstance(error, StorageError) and error.status in _PASSING_STATUS)


def choose_delay_s(attempt: int) -> float:
    """Seconds to wait after the failed attempt number `attempt` (from 1): exponential, with full jitter."""
    return random.uniform(0, min(_MAX_DELAY_S, _FIRST_DELAY_S * 2 ** (attempt - 1)))  # noqa: S311 (jitter, not a secret)


def run_attempts(work: Callable[[], _Result], *, attempts: int, cancel: CancelToken, note_retry: Callable[[], None]) -> _Result:
    """`work`, up to `attempts` times while it fails for a reason that passes; its last error is raised.

    Args:
        work: Done again from its beginning.
        attempts: How often at most.
        cancel: Ends the waiting.
        note_retry: Called before each further attempt.
    """
    for attempt in range(1, attempts + 1):
        try:
            return work()
        except Exception as error:
            if attempt == attempts or not is_passing(error) or cancel.wait(choose_delay_s(attempt)):
                raise
        note_retry()
    raise AssertionError
