"""What becomes of one object's failures: tried again, counted, turned into an outcome; and when a server counts as gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock, local

from lakehouse_sdk.errors import ConnectError, KeyServiceError, LakehouseError
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status

_MAX_DEAD = 8
"""Objects in a row that found no server, each tried several times, before the rest is not tried any more; of those that its
key service could not encrypt one is enough."""


class CancelledError(Exception):
    """The run was stopped while an object was on its way."""


class ObjectAttempts:
    """Tries objects for the threads of one runner; a circuit breaker ends that where the server is gone.

    Args:
        runner: Its name.
        context: What the run shares.
    """

    def __init__(self, runner: str, context: RunContext) -> None:
        self._runner = runner
        self._context = context
        self._dead_in_a_row = 0
        self._last_error = ""
        self._lock = Lock()
        self._mine = local()

    def run(self, row: PlannedObject, move: Callable[[], Outcome], *, attempts: int | None = None) -> Outcome:
        """The outcome of `move`; its failures become outcomes, of status `cancelled` where the run stops meanwhile.

        Args:
            row: What is carried.
            move: Tried again, from its beginning, while it fails for a reason that passes.
            attempts: How often at most; default: the setting.
        """
        if self._context.is_stopped():
            return Outcome(row, Status.CANCELLED, "cancelled before it began", self._runner)
        if self._dead_in_a_row >= _MAX_DEAD:
            return Outcome(row, Status.FAILED, f"{self._last_error} Not tried any more.", self._runner)
        before = self._repeats()
        try:
            outcome = self._context.try_again(move, note_retry=self.note_retry, attempts=attempts)
        except CancelledError:
            return Outcome(row, Status.CANCELLED, "cancelled on the way", self._runner)
        except ConnectError as error:
            self._count_connection(str(error))
            outcome = Outcome(row, Status.FAILED, str(error), self._runner)
        except KeyServiceError as error:
            with self._lock:
                self._dead_in_a_row, self._last_error = _MAX_DEAD, str(error)
            outcome = Outcome(row, Status.FAILED, str(error), self._runner)
        except LakehouseError as error:
            self._count_connection("")
            outcome = Outcome(row, Status.FAILED, str(error), self._runner)
        except OSError as error:
            outcome = Outcome(row, Status.FAILED, f"{type(error).__name__}: {error}", self._runner)
        else:
            self._count_connection("")
        if outcome.status is Status.FAILED and self._context.is_stopped():
            return Outcome(row, Status.CANCELLED, "cancelled on the way", self._runner)
        tried = 1 + self._repeats() - before
        return outcome if tried == 1 else replace(outcome, attempts=tried)

    def note_retry(self) -> None:
        """Count one more try of the calling thread."""
        self._mine.retries = getattr(self._mine, "retries", 0) + 1
        self._context.count_retry()

    def _repeats(self) -> int:
        return getattr(self._mine, "retries", 0) + self._context.request_repeats_of_thread

    def _count_connection(self, error: str) -> None:
        if not error and not self._dead_in_a_row:
            return
        with self._lock:
            self._dead_in_a_row = self._dead_in_a_row + 1 if error else 0
            self._last_error = error or self._last_error
