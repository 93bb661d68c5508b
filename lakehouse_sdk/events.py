"""Ground: what the stages tell while they work.

Belongs here: frozen event values and the `Observer` protocol. Must not: anything that shows, stores or sends an event
(those are sinks: `notebook`, `cli`, `observability`). Read `Observer` first.

The core never prints. A stage calls `observer(event)` for each event; without an observer it builds none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage knows what it is about to do.

    Attributes:
        stage: `discover`, `plan`, `copy`, `verify`, `delete`, `parse`, `commit`, `publish`, `validate`,
            `expire`, `compact`, `orphans`, `retain`, `capacity`, `load`, `build-minio`, `start-minio` or
            `start-prefect`.
        subject: What it works on, readable by a person.
        total_objects: Objects it will handle, None where that is not known before the end.
        total_bytes: Bytes it will handle, None where that is not known before the end.
    """

    stage: str
    subject: str
    total_objects: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a stage is; counts are cumulative and never shrink.

    Attributes:
        stage: As in `StageStarted`.
        done_objects: Objects finished, failed ones included.
        done_bytes: Bytes of those objects, and of large ones on their way what has moved already.
        failed_objects: Objects finished without success.
        note: A short text for a person, for example the object in work.
    """

    stage: str
    done_objects: int
    done_bytes: int = 0
    failed_objects: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ended.

    Attributes:
        stage: As in `StageStarted`.
        seconds: Wall time of the stage.
        summary: One line for a person.
        ok: False where some of its objects failed or were quarantined.
    """

    stage: str
    seconds: float
    summary: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class ObjectFailed:
    """One object failed for good; told as it happens.

    Attributes:
        stage: As in `StageStarted`.
        key: The object.
        reason: Why, one line.
    """

    stage: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class ObjectPublished:
    """One object can be read by others from now on; told as it happens, once for each, ready for a broker.

    Attributes:
        stage: As in `StageStarted`.
        source: Where it comes from, for example the name of a connector.
        key: Its key at the source.
        uri: Where it can be read, `s3://bucket/key`.
        size_bytes: Its size.
        sha256: SHA-256 of its bytes, hex; None where nobody computed it.
        revision: Which bytes under its key these are, from 1.
    """

    stage: str
    source: str
    key: str
    uri: str
    size_bytes: int
    sha256: str | None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should read once, for example the terms of a source's data.

    Attributes:
        stage: As in `StageStarted`.
        text: One line.
    """

    stage: str
    text: str


Event = StageStarted | StageProgress | StageFinished | ObjectFailed | ObjectPublished | Notice


class Observer(Protocol):
    """Receives every event of a run, in order, in the thread that does the work; must be quick and must not raise."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""


def ignore_events(event: Event, /) -> None:
    """The observer that costs nothing: drops every event."""
