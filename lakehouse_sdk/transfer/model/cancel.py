"""The one way to stop a run from outside."""

from __future__ import annotations

from threading import Event


class CancelToken:
    """A flag that the caller sets and the run obeys within a second or two; safe between threads and in signal handlers.

    A cancelled run ends normally: its report says which objects were finished and which were not begun. A token is not
    reset; make a new one for each run.
    """

    def __init__(self) -> None:
        self._event = Event()

    def cancel(self) -> None:
        """Ask the run to stop; repeated calls change nothing."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """True once `cancel` was called."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep for `timeout_s` seconds or until cancelled; True where cancelled."""
        return self._event.wait(timeout_s)
