"""What a run leaves for a person in Prefect's UI: a summary, its progress, a link to the report."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.logging import get_run_logger

from lakehouse_sdk.display import format_bytes, format_count, format_duration
from lakehouse_sdk.events import Event, Notice, ObjectFailed, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.transfer import Status, TransferReport

if TYPE_CHECKING:
    from lakehouse_sdk.flows.report import RunReport

_SECONDS_BETWEEN_UPDATES = 2.0
"""Each update is one request to the Prefect server."""


class RunObserver:
    """Turns the events of one task into log lines and one progress artifact."""

    def __init__(self) -> None:
        self._log = get_run_logger()
        self._total: int | None = None
        self._artifact: UUID | None = None
        self._updated_s = 0.0

    def __call__(self, event: Event, /) -> None:
        """Log the ends and failures of a stage, move its progress artifact at most every two seconds."""
        match event:
            case StageStarted():
                self._total = event.total_objects
                self._log.info("%s: %s", event.stage, event.subject)
                if self._total:
                    made = create_progress_artifact(0.0, key=event.stage, description=event.subject)
                    self._artifact = cast("UUID", made)  # a coroutine only inside an event loop
            case StageProgress():
                self._move(event.done_objects)
            case StageFinished():
                self._log.info("%s: %s (%s)", event.stage, event.summary, format_duration(event.seconds))
                if self._artifact is not None:
                    update_progress_artifact(self._artifact, 100.0, description=event.summary)
            case Notice():
                self._log.info("%s: %s", event.stage, event.text)
            case ObjectFailed():
                self._log.warning("%s: %s: %s", event.stage, event.key, event.reason)

    def _move(self, done: int) -> None:
        now = time.monotonic()
        if self._artifact is None or not self._total or now - self._updated_s < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated_s = now
        update_progress_artifact(self._artifact, min(99.0, 100.0 * done / self._total))


def write_summary(report: RunReport) -> None:
    """The Markdown summary of a run, as an artifact of the run that is under way."""
    create_markdown_artifact(render_summary(report), key="collect-and-build", description="What the run did")


def render_summary(report: RunReport) -> str:
    """Markdown: states of archives, strategies of transfers, rows of tables, what was refused and why."""
    transfers = [_transfer_cells(name, transfer) for name, transfer in report.transfers().items()]
    rows = [
        (name, *map(format_count, (rows.rows_in, rows.accepted, rows.duplicate, rows.quarantined)))
        for name, rows in report.build.rows_by_table().items()
    ]
    refused = [(item.archive.key, item.reason) for item in report.collect.problems]
    refused += [(file.key, file.reason) for file in report.build.defective]
    parts = [
        "# collect_and_build\n",
        _table("Archives", ("state", "archives"), [(k, format_count(n)) for k, n in report.collect.counts().items()]),
        _table("Transfers", ("what", "strategy", "why", "objects", "bytes", "through this machine", "time"), transfers),
        _table("Rows", ("table", "rows in", "accepted", "duplicate", "quarantined"), rows),
        _table("Refused", ("archive", "reason"), refused) if refused else "",
    ]
    return "\n".join(parts)


def _transfer_cells(name: str, transfer: TransferReport) -> tuple[str, ...]:
    return (
        name,
        transfer.strategy,
        transfer.strategy_reason,
        format_count(transfer.count(Status.DONE)),
        format_bytes(transfer.bytes_copied),
        format_bytes(transfer.bytes_through_client),
        format_duration(transfer.seconds),
    )


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"## {title}", "", _line(headings), _line(["---"] * len(headings))]
    return "\n".join([*lines, *(_line([_cell(cell) for cell in row]) for row in rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_SIGNS = re.compile(r"([\\`*_\[\]|~])")
"""What begins markup within a line; what does at the beginning of a line alone never stands there."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def _cell(text: str) -> str:
    """Text as text, whatever somebody called an object: no link, no picture, no markup, and no end of the table's cell."""
    plain = _CONTROL.sub(" ", text).replace("&", "&amp;").replace("<", "&lt;")
    return _SIGNS.sub(r"\\\1", plain).replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")


def link_report(flow_run_id: UUID, link: str, *, passed: bool) -> None:
    """Add a link to the validation report to a run that has ended already.

    Args:
        flow_run_id: The run.
        link: Address of the report's page.
        passed: Whether all its checks passed.
    """
    verdict = "passed" if passed else "FAILED"
    artifact = ArtifactCreate(
        key="validation-report",
        type="markdown",
        description=f"Validation {verdict}",
        data=f"[{link}]({link})",
        flow_run_id=flow_run_id,
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(artifact)
