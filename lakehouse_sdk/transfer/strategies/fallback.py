"""From one strategy to the next in mid-run: what one cannot carry, for a reason that another survives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.model.report import Fallback
from lakehouse_sdk.transfer.runners import Outcomes
from lakehouse_sdk.transfer.strategies.choice import Choice, Strategy


class FallbackRun:
    """Carries out rows by the first of several strategies, what it refuses by the next, and so on.

    What the last one refuses is failed. Outcomes name the strategy that they ended in.

    Attributes:
        fallbacks: What went from where to where; complete when `run` has ended.
    """

    def __init__(self, choices: Sequence[Choice], make: Callable[[Choice], Strategy]) -> None:
        self._choices = choices
        self._make = make
        self.fallbacks: list[Fallback] = []

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Strategy.run`."""
        waiting = rows
        tried: dict[str, int] = {}
        for choice, following in zip(self._choices, [*self._choices[1:], None], strict=True):
            refused: list[Outcome] = []
            with closing(self._make(choice).run(waiting)) as outcomes:
                for outcome in outcomes:
                    if tried:
                        outcome = replace(outcome, attempts=outcome.attempts + tried.pop(outcome.row.target_key, 0))  # noqa: PLW2901
                    if outcome.status is not Status.REFUSED:
                        yield replace(outcome, strategy=choice.name)
                    elif following is None:
                        yield replace(outcome, status=Status.FAILED, strategy=choice.name)
                    else:
                        refused.append(outcome)
            if not refused or following is None:
                return
            self.fallbacks.append(Fallback(choice.name, following.name, len(refused), refused[0].reason))
            waiting = [outcome.row for outcome in refused]
            tried = {outcome.row.target_key: outcome.attempts for outcome in refused}
