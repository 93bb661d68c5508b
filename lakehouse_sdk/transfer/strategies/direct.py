"""One leg: inside a server, or between it and a local folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from lakehouse_sdk.transfer.context.ends import Ends
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.context.staging import StagingFolder, publish_file
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.proof.hashing import hash_path
from lakehouse_sdk.transfer.proof.verify import confirm_sources
from lakehouse_sdk.transfer.runners import (
    Direction,
    FileRunner,
    Leg,
    NativeRunner,
    Outcomes,
    carry_files,
    run_in_turn,
)
from lakehouse_sdk.transfer.runners.protocol import find_mismatch


class DirectStrategy:
    """Server-side copies, uploads, downloads.

    A downloaded file appears under its name complete, hashed where a hash is wanted, with the time of its source.

    Args:
        ends: Two ends that one request can see, or one of them local.
        context: What the run shares.
    """

    def __init__(self, ends: Ends, context: RunContext) -> None:
        self._ends = ends
        self._context = context

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Strategy.run`."""
        source, target = self._ends.source, self._ends.target
        if target.profile is None and source.profile is None:
            return self._publish_all(FileRunner(self._context).run, target.folder, rows, None)
        if target.profile is None:
            assert source.profile is not None  # noqa: S101 (just asked)
            leg = Leg(Direction.DOWNLOAD, source.profile, source.bucket)
            return self._publish_all(partial(carry_files, leg, self._context), target.folder, rows, leg)
        if source.profile is None:
            leg = Leg(Direction.UPLOAD, target.profile, "", target.bucket)
            return carry_files(leg, self._context, rows)
        leg = Leg(Direction.COPY, target.profile, source.bucket, target.bucket)
        return run_in_turn([NativeRunner(leg, self._context)], rows, otherwise=Status.REFUSED)

    def _publish_all(
        self, carry: Callable[[Iterable[PlannedObject]], Outcomes], root: str, rows: Iterable[PlannedObject], leg: Leg | None
    ) -> Outcomes:
        """Bring each file to a staging folder inside the target, so that it can be renamed into place.

        What comes over `leg` is confirmed by its source first; of a local source the runner knows itself.
        """
        with StagingFolder(Path(root or "/")) as folder:
            publisher = _Publisher(folder, root)
            with closing(carry(publisher.redirect(rows))) as arrived, ExitStack() as stack:
                outcomes: Iterator[Outcome] = arrived
                if leg is not None:
                    client = self._context.client(leg.profile)
                    outcomes = stack.enter_context(closing(confirm_sources(client, leg.source_bucket, arrived)))
                for outcome in outcomes:
                    yield publisher.finish(outcome)
            yield from publisher.refused


class _Publisher:
    """Gives rows a temporary target, and moves what arrived there to the real one."""

    def __init__(self, folder: StagingFolder, root: str) -> None:
        self._folder = folder
        self._inside = f"{root}/"
        self._rows: dict[str, PlannedObject] = {}
        self._made: set[str] = set()
        self.refused: list[Outcome] = []

    def redirect(self, rows: Iterable[PlannedObject]) -> Iterator[PlannedObject]:
        """The rows with temporary targets and without wanted hashes, which `finish` checks."""
        for row in rows:
            if os.path.normpath(row.target_key) != row.target_key or not row.target_key.startswith(self._inside):
                self.refused.append(Outcome(row, Status.FAILED, f"{row.target_key!r} is not inside {self._inside!r}"))
                continue
            path = self._folder.new_path()
            self._rows[path] = row
            yield PlannedObject(
                row.relative_key, row.source_key, path, row.size_bytes, row.etag, last_modified=row.last_modified
            )

    def finish(self, outcome: Outcome) -> Outcome:
        """The outcome of the real row: published where all is as planned."""
        path = outcome.row.target_key
        row = self._rows.pop(path)
        status, reason, sha256 = outcome.status, outcome.reason, outcome.sha256
        if status is Status.DONE:
            try:
                sha256, reason = self._publish(path, row, sha256)
            except OSError as error:
                reason = f"{row.target_key!r} cannot be written: {error.strerror}"
            status = Status.FAILED if reason else Status.DONE
        elif status is Status.UNKNOWN:
            status = Status.CANCELLED
        elif "no space left" in reason.lower():
            reason = str(self._folder.full(row.size_bytes))
        if status is not Status.DONE:
            Path(path).unlink(missing_ok=True)
        return Outcome(row, status, reason, outcome.runner, outcome.etag, sha256)

    def _publish(self, path: str, row: PlannedObject, sha256: str | None) -> tuple[str | None, str]:
        arrived = os.stat(path).st_size  # noqa: PTH116 (once for each object)
        if arrived != row.size_bytes:
            return sha256, f"{arrived:,} bytes arrived, planned were {row.size_bytes:,}: changed since it was planned"
        if row.sha256 is not None:
            sha256 = sha256 or hash_path(path)[1]
            if mismatch := find_mismatch(row, sha256):
                return sha256, mismatch
        parent = os.path.dirname(row.target_key)  # noqa: PTH120 (once for each object)
        if parent not in self._made:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103
            self._made.add(parent)
        publish_file(path, row.target_key, row.last_modified.timestamp() if row.last_modified else None)
        return sha256, ""
