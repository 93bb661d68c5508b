"""A change of a table's metadata that is tried again from a fresh look whenever another writer was quicker."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ValidationException
from pyiceberg.table import Table
from sqlalchemy.exc import OperationalError

from lakehouse_sdk.errors import TableError

MAX_ATTEMPTS = 20
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0

LOST_RACE = (CommitFailedException, ValidationException)
"""Someone else was first; nothing of ours is visible."""
UNKNOWN = (CommitStateUnknownException, OperationalError)
"""The catalogue did not answer, or stayed locked: the commit may stand or not."""

LoadTable = Callable[[], Table]
"""Loads a table as it is now."""
_Result = TypeVar("_Result")


def commit_afresh(load: LoadTable, change: Callable[[Table], _Result]) -> _Result:
    """What `change` gives, applied to the table as it is now; repeated after a lost race or an unknown outcome.

    Args:
        load: Loads the table as it is now.
        change: Looks at the table and commits at most once; must find out by itself what an earlier attempt has done.

    Raises:
        TableError: Too many races were lost.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        table = load()
        try:
            return change(table)
        except (*LOST_RACE, *UNKNOWN) as error:
            if attempt == MAX_ATTEMPTS:
                name = ".".join(table.name())
                raise TableError(
                    f"{name} could not be changed in {attempt} attempts: {type(error).__name__}.",
                    hint="Others write to it all the time, or the catalogue is locked; run the same call again.",
                ) from error
        time.sleep(random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt)))  # noqa: S311 - spreads writers
    raise AssertionError
