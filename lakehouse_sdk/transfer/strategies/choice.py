"""Which strategy fits two ends, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.transfer.context.ends import Ends
from lakehouse_sdk.transfer.model.objects import PlannedObject, StrategyName
from lakehouse_sdk.transfer.runners import Outcomes

_Name = Literal["direct", "streaming", "staged"]
_IN_ORDER: tuple[_Name, ...] = ("direct", "streaming", "staged")
"""The fewer bytes pass this machine, the earlier."""


class Strategy(Protocol):
    """Carries out the rows of a plan that are to be copied."""

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """One outcome for each row, in the order in which they end; closing the iterator early leaves nothing behind."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy and the reason for it, for people."""

    name: _Name
    reason: str


def choose_strategy(ends: Ends, wanted: StrategyName = "auto") -> Choice:
    """The strategy that fits two ends, or the one that the caller forces where it is possible.

    Raises:
        UsageError: The forced strategy cannot join these ends.
    """
    fitting = _find_fitting(ends)
    if wanted in {"auto", fitting.name}:
        return fitting
    source, target = ends.source.profile, ends.target.profile
    if wanted != "direct":
        if source is None or target is None:
            raise UsageError(f"A local folder needs no {wanted} copy.", hint="Leave the strategy to auto.")
        return Choice(wanted, f"asked for instead of {fitting.name}")
    raise UsageError(
        f"{ends.source.address} and {ends.target.address} cannot be joined directly: {fitting.reason}.",
        hint="Leave the strategy to auto, or use streaming or staged.",
    )


def plan_fallbacks(ends: Ends, wanted: StrategyName = "auto") -> list[Choice]:
    """The strategy to begin with, and those that take over what it cannot carry; a forced one has none.

    Raises:
        UsageError: The forced strategy cannot join these ends.
    """
    first = choose_strategy(ends, wanted)
    if wanted != "auto" or ends.source.profile is None or ends.target.profile is None:
        return [first]
    names = list(_IN_ORDER[_IN_ORDER.index(first.name) + 1 :])
    return [first, *(Choice(name, "for what the others could not carry") for name in names)]


def _find_fitting(ends: Ends) -> Choice:
    source, target = ends.source.profile, ends.target.profile
    if source is None and target is None:
        return Choice("direct", "between two local folders files are copied under another name and renamed into place")
    if source is None:
        return Choice("direct", "from a local folder each byte goes to the server once")
    if target is None:
        return Choice("direct", "into a local folder each byte comes from the server once")
    if source.sees_same_server_as(target):
        return Choice(
            "direct", "one server and one credential see both ends, so the server copies and no byte passes this machine"
        )
    if source.resolved_endpoint_url == target.resolved_endpoint_url:
        return Choice("streaming", "the two ends are one server but need different credentials, which one request cannot carry")
    return Choice("streaming", "the two ends are different servers, and no server copies from another")
