"""Copies between two folders of this machine, with the same outcomes as any other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.proof.hashing import READ_BYTES
from lakehouse_sdk.transfer.runners.protocol import Outcomes, find_change


class FileRunner:
    """Carries out rows whose two keys are paths; a file that changed since it was planned is a failure.

    Args:
        context: What the run shares.
    """

    name = "files"

    def __init__(self, context: RunContext) -> None:
        self._context = context

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Runner.run`; after a cancel, what has not begun is `cancelled`."""
        for row in rows:
            if self._context.is_stopped():
                yield Outcome(row, Status.CANCELLED, "cancelled before it began", self.name)
                continue
            try:
                yield self._copy(row)
            except OSError as error:
                yield Outcome(row, Status.FAILED, f"{error.filename!r}: {error.strerror}", self.name)

    def _copy(self, row: PlannedObject) -> Outcome:
        digest, block = hashlib.sha256(), memoryview(bytearray(min(READ_BYTES, row.size_bytes + 1)))
        partial = self._context.partial
        progress = partial.begin(row)
        with open(row.source_key, "rb", buffering=0) as source, open(row.target_key, "wb", buffering=0) as target:  # noqa: PTH123
            before = os.fstat(source.fileno())
            if reason := find_change(row, before):
                return Outcome(row, Status.FAILED, reason, self.name)
            while count := source.readinto(block):
                if self._context.is_stopped():
                    return Outcome(row, Status.CANCELLED, "cancelled on the way", self.name)
                digest.update(block[:count])
                target.write(block[:count])
                progress.add(count)
                partial.show()
            after = os.fstat(source.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                return Outcome(row, Status.FAILED, "changed while it was copied", self.name)
            os.fchmod(target.fileno(), before.st_mode & 0o777)
        return Outcome(row, Status.DONE, runner=self.name, sha256=digest.hexdigest())
