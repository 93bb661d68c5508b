"""What Prefect still holds in memory: the logs and events that it sends to its server in the background."""

from __future__ import annotations

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker


def send_pending(timeout_s: float = 5.0) -> None:
    """Send Prefect's queued logs and events now; for a process that is about to stop the server it reported to.

    Prefect sends them at the interpreter's exit otherwise, and waits a minute for a server that is gone by then.

    Args:
        timeout_s: Most seconds for each of the two; what was not sent by then is left to Prefect.
    """
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=timeout_s)
