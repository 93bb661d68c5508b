"""The budget of requests; without a server, because one that is slow would hide a burst."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from lakehouse_sdk.archives.coinbase.limits import RequestLimit


def take(limit: RequestLimit, times: int) -> float:
    """Seconds that it takes."""
    began_s = time.monotonic()
    for _ in range(times):
        limit.take()
    return time.monotonic() - began_s


def test_ten_may_leave_at_once_and_the_rest_one_by_one() -> None:
    limit = RequestLimit(10)
    assert take(limit, 10) < 0.5
    assert take(limit, 3) > 0.19  # the bucket filled a little meanwhile


def test_a_slow_rate_has_no_burst() -> None:
    limit = RequestLimit(2.5)
    assert take(limit, 3) < 0.3
    assert take(limit, 1) > 0.09


def test_after_a_pause_requests_leave_one_by_one() -> None:
    limit = RequestLimit(20)
    limit.pause(0.3)
    assert take(limit, 4) > 0.49


def test_a_pause_holds_for_those_who_wait_already() -> None:
    limit = RequestLimit(2)
    take(limit, 2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(take, limit, 1)  # for half a second
        time.sleep(0.2)
        limit.pause(0.8)
        assert waiting.result() > 0.9


def test_threads_share_the_rate() -> None:
    limit = RequestLimit(100)
    began_s = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: take(limit, 10), range(4)))
    assert time.monotonic() - began_s > 0.29
