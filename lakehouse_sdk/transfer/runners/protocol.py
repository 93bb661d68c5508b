"""The one seam for execution."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status


class Direction(StrEnum):
    """Which way bytes go."""

    COPY = "copy"
    """From bucket to bucket inside one server."""
    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True)
class Leg:
    """One way over one server that rows go; a strategy is one or two of them.

    Attributes:
        direction: Which way.
        profile: The server and its credentials.
        source_bucket: Bucket that is read, empty for an upload.
        target_bucket: Bucket that is written, empty for a download.
        headers: For an upload, by target key: content type and the like, metadata; what is not named is guessed.
        passes: Legs that the strategy sends its rows over, one after the other; for progress.
        passed: How many of them lie before this one.
    """

    direction: Direction
    profile: S3Profile
    source_bucket: str = ""
    target_bucket: str = ""
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    passes: int = 1
    passed: int = 0


Outcomes = Generator[Outcome, None, None]
"""Outcomes as they come; closing it early stops the work behind it."""


class Runner(Protocol):
    """Carries out rows over one leg.

    `run` takes rows lazily, a bounded number ahead, and yields exactly one outcome for each, in the order in which they end:
    `done`, `failed`, `refused` (this runner cannot; nothing happened, or nothing that another attempt would not replace),
    or `unknown` (begun when the run was cancelled). Closing the iterator early stops all work and leaves no process and no
    open multipart upload. Local target files are written in place: the caller gives names that nobody looks at.
    """

    name: str

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """Carry out rows."""


def run_in_turn(runners: Sequence[Runner], rows: Iterable[PlannedObject], *, otherwise: Status = Status.FAILED) -> Outcomes:
    """Give the rows to the first runner, what it refuses to the next, and so on; what all refuse ends as `otherwise`.

    Yields one outcome for each row; the reason of a row that was refused on the way is kept where the last one fails too, and
    its tries are counted.
    """
    reasons: dict[str, str] = {}
    tried: dict[str, int] = {}
    waiting = rows
    for runner in runners:
        refused: list[PlannedObject] = []
        with closing(runner.run(waiting)) as outcomes:
            for outcome in outcomes:
                key = outcome.row.target_key
                attempts = outcome.attempts + tried.pop(key, 0) if tried else outcome.attempts
                if outcome.status is Status.REFUSED:
                    refused.append(outcome.row)
                    reasons[key] = f"{outcome.runner}: {outcome.reason}"
                    tried[key] = attempts
                else:
                    yield outcome if attempts == outcome.attempts else replace(outcome, attempts=attempts)
        waiting = refused
    for row in waiting:
        yield Outcome(row, otherwise, reasons[row.target_key], attempts=tried[row.target_key])


def find_mismatch(row: PlannedObject, actual: str) -> str:
    """Why bytes with the SHA-256 `actual` must not be published as this row; empty where they may."""
    if row.sha256 is None or row.sha256 == actual:
        return ""
    return f"SHA-256 is {actual}, wanted is {row.sha256}: not published"


def find_change(row: PlannedObject, status: os.stat_result) -> str:
    """Why the file of a local source is not what was planned; empty where it is."""
    if status.st_size != row.size_bytes:
        return f"changed since it was planned: {status.st_size:,} bytes, planned were {row.size_bytes:,}"
    if not row.has_time(status.st_mtime):
        return "changed since it was planned: its time is another"
    return ""
