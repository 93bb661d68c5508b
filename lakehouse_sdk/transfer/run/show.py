"""Plans and reports as tables: for a notebook's eye, and for pandas."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING

from lakehouse_sdk.display import NOTHING, format_bytes, format_count, format_duration, format_rate, html_card, html_table
from lakehouse_sdk.transfer.model import Action, Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.plan.handle import TransferPlan
from lakehouse_sdk.transfer.run.report import TransferReport

if TYPE_CHECKING:
    import pandas as pd

    from lakehouse_sdk.transfer.run.handle import TransferRun

_SHOWN_ROWS = 20
_SHOWN_ACTIONS = (Action.CONFLICT, Action.DELETE, Action.COPY)


def plan_to_html(plan: TransferPlan) -> str:
    """A card with the totals, then the first rows of what is not simply there already."""
    totals = plan.totals
    facts = {
        "to copy": f"{format_count(totals.copy_objects)} ({format_bytes(totals.copy_bytes)})",
        "to skip": format_count(totals.skip_objects),
        "conflicts": format_count(totals.conflict_objects),
    }
    if totals.delete_objects:
        facts["to delete"] = f"{format_count(totals.delete_objects)} ({format_bytes(totals.delete_bytes)})"
    if plan.delete_refusal:
        facts["deletes refused"] = plan.delete_refusal
    if not plan.selection.is_everything:
        facts["selection"] = plan.selection.describe()
    shown = list(islice(chain.from_iterable(plan.rows(action) for action in _SHOWN_ACTIONS), _SHOWN_ROWS))
    rows = [(row.action.value, row.relative_key, format_bytes(row.size_bytes), row.reason) for row in shown]
    changes = totals.conflict_objects + totals.delete_objects + totals.copy_objects
    caption = f"The first {len(shown)} of {format_count(changes)}" if changes > len(shown) else ""
    body = html_table(rows, ["action", "object", "size", "why"], caption=caption) if rows else plan.summary
    return str(
        html_card(
            f"{plan.source} → {plan.target}", facts, body, tone="warn" if totals.conflict_objects or plan.delete_refusal else ""
        )
    )


def report_to_html(report: TransferReport) -> str:
    """A card with what happened and through where, then the first failures and how many more there are."""
    failures = report.failures
    facts = {"done": f"{format_count(report.count(Status.DONE))} ({format_bytes(report.bytes_copied)})"}
    if deleted := report.count(Status.DELETED):
        facts["deleted"] = format_count(deleted)
    facts |= {
        "skipped": format_count(report.count(Status.SKIPPED)),
        "cancelled, not all done" if report.cancelled else "not done": format_count(len(failures)),
        "time": format_duration(report.seconds),
        "throughput": format_rate(report.bytes_copied, report.seconds) if report.bytes_copied else NOTHING,
        "strategy": f"{report.strategy}: {report.strategy_reason}",
        "through this machine": format_bytes(report.bytes_through_client),
        "tried again": format_count(report.retries),
        "client commands": f"{format_count(report.s5cmd_commands)} in {format_count(report.s5cmd_processes)} s5cmd processes",
        "S3 requests": f"{format_count(report.s3_requests)} own, {format_count(report.s3_requests_of_s5cmd)} of s5cmd",
        "peak memory": format_bytes(report.peak_memory_bytes) if report.peak_memory_bytes else NOTHING,
    }
    rows = [(item.status.value, item.row.relative_key, item.reason) for item in failures]
    body = html_table(rows, ["state", "object", "why"], max_rows=_SHOWN_ROWS) if rows else ""
    return str(html_card(f"{report.source} → {report.target}", facts, body, tone="good" if report.ok else "bad"))


def run_to_html(run: TransferRun) -> str:
    """A run as it stands: its report, its error, or how far it is."""
    if not run.done():
        now = run.progress
        facts = {
            "objects": f"{format_count(now.done_objects)} of {format_count(now.total_objects)}",
            "bytes": f"{format_bytes(now.done_bytes)} of {format_bytes(now.total_bytes)}",
            "failed": format_count(now.failed_objects),
            "rate": format_rate(now.done_bytes, now.seconds),
            "time left": format_duration(now.eta_s),
        }
        return str(html_card(f"Transfer under way: {now.stage or 'waiting'}", facts))
    error = run.exception()
    return str(html_card("Transfer failed", {}, str(error), tone="bad")) if error is not None else report_to_html(run.result())


def rows_to_pandas(rows: Iterable[PlannedObject]) -> pd.DataFrame:
    """One line for each planned object."""
    import pandas as pd  # noqa: PLC0415 (loads when it is asked for)

    columns = ["relative_key", "source_key", "target_key", "size_bytes", "etag", "action", "reason", "sha256", "last_modified"]
    lines = [
        (*(getattr(row, name) for name in columns[:5]), row.action.value, row.reason, row.sha256, row.last_modified)
        for row in rows
    ]
    return pd.DataFrame(lines, columns=columns)


def outcomes_to_pandas(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """One line for each outcome."""
    import pandas as pd  # noqa: PLC0415 (loads when it is asked for)

    columns = ["relative_key", "status", "reason", "runner", "size_bytes", "target_key", "sha256", "attempts"]
    lines = [
        (
            item.row.relative_key,
            item.status.value,
            item.reason,
            item.runner,
            item.row.size_bytes,
            item.row.target_key,
            item.sha256,
            item.attempts,
        )
        for item in outcomes
    ]
    return pd.DataFrame(lines, columns=columns)
