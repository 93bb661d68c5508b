"""The one retry of lost races: a change of a table that is tried again from a fresh look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ValidationException
from pyiceberg.table import Table
from sqlalchemy.exc import OperationalError

from lakehouse_sdk.errors import TableError
from lakehouse_sdk.retry import RetryPolicy, call_with_retry

RACES = RetryPolicy(attempts=30, first_delay_s=0.1, max_delay_s=2.0)
"""Races one commit may lose. Of n writers one wins each round, so this serves about as many at once."""

LOST_RACE = (CommitFailedException, ValidationException)
"""Someone else was first; nothing of ours is visible."""
UNKNOWN = (CommitStateUnknownException, OperationalError)
"""The catalogue did not answer, or stayed locked: the commit may stand or not."""

LoadTable = Callable[[], Table]
"""Loads a table as it is now."""
_Result = TypeVar("_Result")


def retry_races(name: str, change: Callable[[int], _Result], note_retry: Callable[[], None] = lambda: None) -> _Result:
    """What `change` gives; repeated after a lost race or an unknown outcome.

    Args:
        name: The table, for the error.
        change: Called with the number of the attempt, from 1; commits at most once, and must find out by itself what an earlier
            attempt has done.
        note_retry: Called before each further attempt.

    Raises:
        TableError: Too many races were lost.
    """
    try:
        return call_with_retry(change, RACES, may_pass=_is_race, note_retry=note_retry)
    except (*LOST_RACE, *UNKNOWN) as error:
        raise TableError(
            f"{name} could not be committed in {RACES.attempts} attempts: {type(error).__name__}.",
            hint="Others write to it all the time, or the catalogue is locked; run the same call again.",
        ) from error


def commit_afresh(load: LoadTable, change: Callable[[Table], _Result]) -> _Result:
    """What `change` gives, applied to the table as it is now; as `retry_races`."""
    table = load()

    def attempt(number: int) -> _Result:
        return change(table if number == 1 else load())

    return retry_races(".".join(table.name()), attempt)


def _is_race(error: Exception) -> bool:
    return isinstance(error, (*LOST_RACE, *UNKNOWN))
