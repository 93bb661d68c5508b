"""Ground: the one way to try again.

Belongs here: how often, how long between, and for which errors. Must not: knowledge of what is tried. Read `RetryPolicy` first.

What may pass by itself is said by the error (`LakehouseError.is_transient`), not by each caller. Attempts do not multiply: an
error that came out of `call_with_retry` after its last attempt says so (`is_exhausted`), and no outer retry takes it up again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from lakehouse_sdk.errors import LakehouseError

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is tried, and how long it waits in between: exponential backoff with full jitter.

    Attributes:
        attempts: How often in all.
        first_delay_s: The longest wait after the first attempt, seconds; it doubles with each further one.
        max_delay_s: No wait is longer, seconds.
    """

    attempts: int = 5
    first_delay_s: float = 0.2
    max_delay_s: float = 8.0

    def choose_delay_s(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) was in vain."""
        return random.uniform(0, min(self.max_delay_s, self.first_delay_s * 2 ** (attempt - 1)))  # noqa: S311 (jitter, not a secret)


def may_pass(error: Exception) -> bool:
    """True where the same call may succeed later and nobody has tried that already."""
    return isinstance(error, LakehouseError) and error.is_transient and not error.is_exhausted


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def call_with_retry(
    work: Callable[[int], _Result],
    policy: RetryPolicy,
    *,
    may_pass: Callable[[Exception], bool] = may_pass,
    note_retry: Callable[[], None] = lambda: None,
    wait: Callable[[float], bool] = _sleep,
) -> _Result:
    """What `work` gives, tried again from its beginning while it fails for a reason that may pass; its last error is raised.

    Args:
        work: Called with the number of the attempt, from 1.
        policy: How often and how soon.
        may_pass: Which errors are worth another attempt; default: what the error itself says.
        note_retry: Called before each further attempt.
        wait: Sleeps for so many seconds; True where it was interrupted, which ends the attempts. Default: `time.sleep`.

    Example:
        >>> call_with_retry(lambda attempt: attempt, RetryPolicy(attempts=3))
        1
    """
    for attempt in range(1, policy.attempts + 1):
        try:
            return work(attempt)
        except Exception as error:
            if not may_pass(error):
                raise
            if attempt == policy.attempts:
                if isinstance(error, LakehouseError):
                    error.is_exhausted = True
                raise
            if wait(policy.choose_delay_s(attempt)):
                raise
        note_retry()
    raise AssertionError


async def call_async_with_retry(
    work: Callable[[], Awaitable[_Result]], policy: RetryPolicy, *, may_pass: Callable[[Exception], bool] = may_pass
) -> _Result:
    """As `call_with_retry`, for a coroutine function; its waits can be cancelled."""
    for attempt in range(1, policy.attempts + 1):
        try:
            return await work()
        except Exception as error:
            if not may_pass(error):
                raise
            if attempt == policy.attempts:
                if isinstance(error, LakehouseError):
                    error.is_exhausted = True
                raise
            await asyncio.sleep(policy.choose_delay_s(attempt))
    raise AssertionError


def call_until(work: Callable[[], _Result], accept: Callable[[_Result], bool], policy: RetryPolicy) -> _Result:
    """The first result that `accept` takes, else the last; for answers that are no error and yet not the whole truth."""
    for attempt in range(1, policy.attempts + 1):
        result = work()
        if accept(result) or attempt == policy.attempts:
            return result
        time.sleep(policy.choose_delay_s(attempt))
    raise AssertionError
