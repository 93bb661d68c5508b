"""What a run did, in numbers that add up to its plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.errors import TransferError
from lakehouse_sdk.transfer.model.objects import Outcome, Status
from lakehouse_sdk.transfer.model.outcomes import OutcomeStore
from lakehouse_sdk.uris import Address, S3Address

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_FAILURES = 5
_SHOWN_ROWS = 20


@dataclass(frozen=True, slots=True)
class Fallback:
    """Objects that went from one strategy to another.

    Attributes:
        from_strategy: Where they were refused.
        to_strategy: Where they went.
        objects: How many.
        reason: Why the first of them was refused, for people.
    """

    from_strategy: str
    to_strategy: str
    objects: int
    reason: str


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What became of every row of a plan.

    Attributes:
        source: Prefix or folder that was read.
        target: Prefix or folder that was written.
        strategy: What carried objects: `direct`, `streaming` or `staged`; several, joined by ` + `, after a fallback.
        strategy_reason: Why this one, and why others took over, for people.
        fallbacks: What went from one strategy to another in mid-run, and why.
        outcomes: One for each row of the plan, in the order in which they ended: a sequence that reads itself from a temporary
            file where they are many.
        skips_counted: Skipped objects that the plan only counted; together with `outcomes` they are all of it.
        seconds: Wall time of the run, planning not included.
        bytes_copied: Size of the objects that are `done`.
        bytes_through_client: Bytes that crossed this machine's network: 0 for a server-side copy, once the size for an
            upload or download, twice (in, then out) between two servers. Failed objects count as far as they are known to
            have moved.
        s5cmd_processes: s5cmd processes started.
        s5cmd_commands: Lines handed to them.
        s3_requests: Requests this process sent itself, retries included.
        s3_requests_of_s5cmd: Requests that s5cmd needs for its lines without retries; from the plan, because it does not tell.
        retries: Requests, parts and objects that were tried again, s5cmd's own not included: it does not tell.
        peak_staging_bytes: Most bytes that rested in the staging folder at once; 0 unless `staged`.
        peak_memory_bytes: Most resident memory of this process while it ran, sampled ten times a second: all that the process
            holds counts, the interpreter and what the caller loaded too, s5cmd processes do not.
        cancelled: True where the run was stopped before its end.
        encryption: How the servers encrypt what was copied, and how many objects: `aws:kms`, or `none instead of aws:kms`
            where the target has another than the source had. Only where one of the two says that it encrypts.
        manifest: Where the outcomes were kept as Parquet; None where that was not asked for.
    """

    source: Address
    target: Address
    strategy: str
    strategy_reason: str
    outcomes: OutcomeStore
    seconds: float
    bytes_copied: int = 0
    bytes_through_client: int = 0
    s5cmd_processes: int = 0
    s5cmd_commands: int = 0
    s3_requests: int = 0
    s3_requests_of_s5cmd: int = 0
    retries: int = 0
    peak_staging_bytes: int = 0
    peak_memory_bytes: int = 0
    cancelled: bool = False
    fallbacks: tuple[Fallback, ...] = ()
    skips_counted: int = 0
    manifest: S3Address | None = None

    def count(self, status: Status) -> int:
        """Objects that ended with this status."""
        counted = self.skips_counted if status is Status.SKIPPED else 0
        return counted + self.outcomes.counts[status]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Objects that are not at the target though the plan wanted them there: failed, in conflict or cancelled."""
        if not any(self.outcomes.counts[status] for status in _FAILURES):
            return ()
        return tuple(outcome for outcome in self.outcomes if outcome.status in _FAILURES)

    @property
    def encryption(self) -> dict[str, int]:  # noqa: D102 (the class tells)
        told: Counter[str] = Counter()
        for (at_source, at_target), count in self.outcomes.encryption.items():
            lost = at_source not in {"", at_target}
            told[f"{at_target or 'none'} instead of {at_source}" if lost else at_target] += count
        return dict(told)

    @property
    def ok(self) -> bool:
        """True where nothing failed, conflicted or was cancelled."""
        return not self.cancelled and not any(self.outcomes.counts[status] for status in _FAILURES)

    @property
    def bytes_per_s(self) -> float:
        """Throughput: bytes of the objects that are `done` by wall time, verification included."""
        return self.bytes_copied / self.seconds if self.seconds else 0.0

    @property
    def summary(self) -> str:
        """One line for people."""
        counts = Counter(self.outcomes.counts)
        counts[Status.SKIPPED] += self.skips_counted
        parts = [f"{counts[status]:,} {status.value}" for status in _SHOWN if counts[status]] or ["nothing to do"]
        lost = [f"{how}: {count:,}" for how, count in self.encryption.items() if " instead of " in how]
        kept = f" Encryption {', '.join(lost)}." if lost else ""
        return f"{self.strategy}: {', '.join(parts)}; {self.bytes_copied:,} bytes in {self.seconds:.1f} s.{kept}"

    def raise_for_failures(self) -> None:
        """Turn a report with failures into an error.

        Raises:
            TransferError: Something failed, conflicted or was cancelled; names the first few objects.
        """
        if self.ok:
            return
        failures = self.failures
        shown = "; ".join(
            f"{item.row.relative_key!r}: {item.reason or item.status.value}" for item in failures[:_SHOWN_FAILURES]
        )
        more = f" and {len(failures) - _SHOWN_FAILURES:,} more" if len(failures) > _SHOWN_FAILURES else ""
        objects = len(self.outcomes) + self.skips_counted
        stopped = "The transfer was cancelled. " if self.cancelled else ""
        raise TransferError(
            f"{stopped}{len(failures):,} of {objects:,} objects are not at {self.target}: {shown}{more}.",
            hint="Run the same transfer again: what is done is skipped.",
        )

    def __repr__(self) -> str:
        return f"<TransferReport {self.source} -> {self.target}: {self.summary}>"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the outcomes of single objects as plain values for JSON; failures are included one by one."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "strategy": self.strategy,
            "strategy_reason": self.strategy_reason,
            "seconds": round(self.seconds, 3),
            "objects": {status.value: self.count(status) for status in _SHOWN},
            "bytes_copied": self.bytes_copied,
            "bytes_per_s": round(self.bytes_per_s),
            "bytes_through_client": self.bytes_through_client,
            "s5cmd_processes": self.s5cmd_processes,
            "s5cmd_commands": self.s5cmd_commands,
            "s3_requests": self.s3_requests,
            "s3_requests_of_s5cmd": self.s3_requests_of_s5cmd,
            "retries": self.retries,
            "fallbacks": [asdict(fallback) for fallback in self.fallbacks],
            "peak_staging_bytes": self.peak_staging_bytes,
            "peak_memory_bytes": self.peak_memory_bytes,
            "encryption": self.encryption,
            "cancelled": self.cancelled,
            "ok": self.ok,
            "manifest": None if self.manifest is None else str(self.manifest),
            "failures": [
                {"key": item.row.relative_key, "status": item.status.value, "reason": item.reason} for item in self.failures
            ],
        }

    def to_pandas(self) -> pd.DataFrame:
        """One line for each outcome: key, status, reason, runner, size_bytes, sha256, attempts; in the order they ended."""
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
            for item in self.outcomes
        ]
        return pd.DataFrame(lines, columns=columns)

    def _repr_html_(self) -> str:
        from lakehouse_sdk.display import (  # noqa: PLC0415 (templates load when they are shown)
            NOTHING,
            format_bytes,
            format_count,
            format_duration,
            format_rate,
            html_card,
            html_table,
        )

        failures = self.failures
        facts = {"done": f"{format_count(self.count(Status.DONE))} ({format_bytes(self.bytes_copied)})"}
        if deleted := self.count(Status.DELETED):
            facts["deleted"] = format_count(deleted)
        facts |= {
            "skipped": format_count(self.count(Status.SKIPPED)),
            "cancelled, not all done" if self.cancelled else "not done": format_count(len(failures)),
            "time": format_duration(self.seconds),
            "throughput": format_rate(self.bytes_copied, self.seconds) if self.bytes_copied else NOTHING,
            "strategy": f"{self.strategy}: {self.strategy_reason}",
            "through this machine": format_bytes(self.bytes_through_client),
            "tried again": format_count(self.retries),
            "client commands": f"{format_count(self.s5cmd_commands)} in {format_count(self.s5cmd_processes)} s5cmd processes",
            "S3 requests": f"{format_count(self.s3_requests)} own, {format_count(self.s3_requests_of_s5cmd)} of s5cmd",
            "peak memory": format_bytes(self.peak_memory_bytes) if self.peak_memory_bytes else NOTHING,
        }
        if told := self.encryption:
            facts["encryption"] = ", ".join(f"{how} ({format_count(count)})" for how, count in told.items())
        rows = [(item.status.value, item.row.relative_key, item.reason) for item in failures]
        body = html_table(rows, ["state", "object", "why"], max_rows=_SHOWN_ROWS) if rows else ""
        return str(html_card(f"{self.source} → {self.target}", facts, body, tone="good" if self.ok else "bad"))


_SHOWN = (Status.DONE, Status.DELETED, Status.SKIPPED, Status.CONFLICT, Status.FAILED, Status.CANCELLED)
_FAILURES = frozenset({Status.CONFLICT, Status.FAILED, Status.CANCELLED})
