"""Ground: several calls at once, results in order.

Belongs here: one way to map a function over items in a pool with bounded memory. Must not: knowledge of what is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar, cast

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def map_ordered(
    pool: Executor,
    function: Callable[[_In], _Out],
    items: Iterable[_In],
    *,
    window: int,
    weigh: Callable[[_In], int] = lambda _: 1,
) -> Iterator[_Out]:
    """`function` of each item, computed in `pool`, yielded lazily in the order of the items.

    Items are taken ahead of the consumer until they weigh `window` together, by default until there are so many; so an endless
    input is fine and memory is bounded. The first exception of `function` is raised at its item's place; what was not begun is
    cancelled then, and when the consumer stops.
    """
    pending: deque[tuple[Future[_Out], int]] = deque()
    weight = 0
    try:
        for item in items:
            pending.append((pool.submit(function, item), weigh(item)))
            weight += pending[-1][1]
            while pending and weight >= window:
                future, relief = pending.popleft()
                yield future.result()
                weight -= relief
        while pending:
            yield pending.popleft()[0].result()
    finally:
        for future, _ in pending:
            future.cancel()


def take_ahead(items: Iterator[_Out]) -> Iterator[_Out]:
    """The same items; while the consumer works on one, a thread takes the next. What `items` raises is raised at its place."""
    with ThreadPoolExecutor(1, "ahead") as pool:
        end = object()
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield cast("_Out", item)


def resolve_ordered(items: Iterable[_Out | Future[_Out]], *, window: int) -> Iterator[_Out]:
    """`items` in order, futures among them replaced by their results; lazily, at most `window` items ahead of the consumer.

    For work of which most is done at once and some takes a pool. What was not begun is cancelled when the consumer stops.
    """
    waiting: deque[_Out | Future[_Out]] = deque()
    try:
        for item in items:
            if not waiting and not isinstance(item, Future):
                yield item
                continue
            waiting.append(item)
            while waiting and (len(waiting) > window or _is_ready(waiting[0])):
                yield _resolve(waiting.popleft())
        while waiting:
            yield _resolve(waiting.popleft())
    finally:
        for item in waiting:
            if isinstance(item, Future):
                item.cancel()


def _is_ready(item: object) -> bool:
    return not isinstance(item, Future) or item.done()


def _resolve(item: _Out | Future[_Out]) -> _Out:
    return item.result() if isinstance(item, Future) else item
