"""What the engine costs without any request: planning, and a run whose runner does nothing; CPU microseconds for each object.

The runner is put in place of the one that copies inside a server; no server is contacted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.events import Event
from lakehouse_sdk.transfer import Outcome, PlannedObject, Status, TransferPlan, run_transfer
from lakehouse_sdk.transfer.model.objects import Entry
from lakehouse_sdk.transfer.plan.diff import plan_to_s3
from lakehouse_sdk.transfer.run import engine
from lakehouse_sdk.transfer.strategies import direct
from lakehouse_sdk.uris import parse_address

OBJECTS = 50_000


class NoRunner:
    """Says done at once."""

    name = "none"

    def __init__(self, *_: object) -> None: ...

    def run(self, rows: Iterable[PlannedObject]) -> Iterator[Outcome]:
        for row in rows:
            yield Outcome(row, Status.DONE, runner=self.name, etag=row.etag)


def list_nothing_new() -> Iterator[Entry]:
    modified = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(OBJECTS):
        name = f"d{number // 1000:02}/object-{number:06}"
        yield Entry(name, name, 10_240, f"{number:032x}", modified)


def watch(_: Event) -> None: ...


def main() -> None:
    setattr(direct, "NativeRunner", NoRunner)  # noqa: B010 (a name that is not the module's own)
    setattr(engine, "_check_target", lambda *_: None)  # noqa: B010 (there is no server to ask)
    settings = load_settings(storage={"endpoint_url": "http://127.0.0.1:9", "access_key": "nobody", "secret_key": "nothing"})
    entries = list(list_nothing_new())
    best = []
    for _ in range(3):
        began_s = time.process_time()
        rows = (row for row in plan_to_s3(entries, iter(()), "") if isinstance(row, PlannedObject))
        plan = TransferPlan.from_rows(parse_address("s3://from-here"), parse_address("s3://to-there"), rows)
        planned_s = time.process_time()
        report = run_transfer(plan, settings=settings, observer=watch)
        ended_s = time.process_time()
        if report.count(Status.DONE) != OBJECTS:
            sys.exit("not every object was done")
        best.append(((planned_s - began_s) / OBJECTS * 1e6, (ended_s - planned_s) / OBJECTS * 1e6))
    plan_us, run_us = min(best, key=sum)
    print(json.dumps({"plan_us": plan_us, "run_us": run_us, "objects": OBJECTS}))


if __name__ == "__main__":
    main()
