"""What running a plan will take, before it runs."""

from __future__ import annotations

from collections.abc import Callable

from lakehouse_sdk.config import Settings
from lakehouse_sdk.transfer.context.ends import resolve_ends
from lakehouse_sdk.transfer.model.objects import Action, StrategyName
from lakehouse_sdk.transfer.plan.transfer_plan import Forecast, TransferPlan
from lakehouse_sdk.transfer.runners.stream import WHOLE_BYTES
from lakehouse_sdk.transfer.strategies import choose_strategy

_PAGE = 1000
_MAX_SINGLE_BYTES = 5 * 1024**3
"""Most that a server copies in one request."""


def forecast_plan(plan: TransferPlan, settings: Settings, strategy: StrategyName = "auto") -> Forecast:
    """Bytes and requests that `plan` takes by `strategy`; reads the rows, sends nothing.

    Raises:
        UsageError: The strategy cannot join the plan's ends.
        ConfigurationError: These settings do not know a profile of the plan.
    """
    ends = resolve_ends(plan.source, plan.target, settings)
    choice = choose_strategy(ends, strategy)
    crossings, requests_of = _describe(choice.name, ends.source.profile is None, ends.target.profile is None)
    part_bytes = settings.transfer.part_size_mib * 1024**2
    requests = sum(requests_of(row.size_bytes, part_bytes) for row in plan.rows(Action.COPY))
    if ends.target.profile is not None:
        requests += -(-plan.totals.copy_objects // _PAGE) + -(-plan.totals.delete_objects // _PAGE)
    return Forecast(choice.name, choice.reason, crossings * plan.totals.copy_bytes, requests)


def _describe(strategy: str, from_local: bool, to_local: bool) -> tuple[int, Callable[[int, int], int]]:  # noqa: FBT001 (both named by their type)
    """How often a byte crosses the network, and the requests of an object by its size and that of parts."""
    if from_local and to_local:
        return 0, lambda _size, _part: 0
    if from_local:
        return 1, _count_writes
    if to_local:
        return 1, _count_reads
    if strategy == "direct":
        return 0, lambda size, part: 1 if size <= _MAX_SINGLE_BYTES else _count_writes(size, part) + 1
    # Between two servers: the bytes, and the same bytes to the other one; of a large object its headers first.
    return 2, lambda size, part: 2 if size <= WHOLE_BYTES else 1 + _count_reads(size, part) + _count_writes(size, part)


def _count_reads(size_bytes: int, part_bytes: int) -> int:
    return 1 if size_bytes <= part_bytes else -(-size_bytes // part_bytes) + 1


def _count_writes(size_bytes: int, part_bytes: int) -> int:
    return 1 if size_bytes <= part_bytes else -(-size_bytes // part_bytes) + 2
