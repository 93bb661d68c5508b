"""A runner that answers from a script, and small makers of entries and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse_sdk.transfer import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.model.objects import Entry
from lakehouse_sdk.transfer.runners import Outcomes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class RecordedRunner:
    """Answers each row as the script says, `done` where it says nothing; remembers what it was given."""

    def __init__(self, name: str, script: dict[str, tuple[Status, str]] | None = None) -> None:
        self.name = name
        self.script = script or {}
        self.given: list[str] = []
        self.closed = False

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        try:
            for row in rows:
                self.given.append(row.target_key)
                status, reason = self.script.get(row.target_key, (Status.DONE, ""))
                yield Outcome(row, status, reason, self.name)
        finally:
            self.closed = True


@pytest.fixture
def recorded() -> type[RecordedRunner]:
    return RecordedRunner


@pytest.fixture
def entry() -> Callable[..., Entry]:
    def make(name: str, size: int = 1, etag: str = "", age_s: int = 0, obstacle: str = "") -> Entry:
        return Entry(name, f"from/{name}", size, etag, NOW - timedelta(seconds=age_s), obstacle)

    return make


@pytest.fixture
def planned() -> Callable[..., PlannedObject]:
    def make(key: str, size: int = 1, etag: str = "", sha256: str | None = None) -> PlannedObject:
        return PlannedObject(key, f"source/{key}", key, size, etag, sha256=sha256)

    return make
