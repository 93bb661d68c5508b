"""One leg through the memory of this machine, between two servers."""

from __future__ import annotations

from collections.abc import Iterable

from lakehouse_sdk.transfer.context.ends import Ends
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import PlannedObject
from lakehouse_sdk.transfer.runners import Outcomes, StreamRunner


class StreamingStrategy:
    """GET piped into PUT: each byte passes once in and once out, none of them over a disk.

    Args:
        ends: Two S3 ends.
        context: What the run shares.
    """

    def __init__(self, ends: Ends, context: RunContext) -> None:
        self._runner = StreamRunner(ends, context)

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Strategy.run`."""
        return self._runner.run(rows)
