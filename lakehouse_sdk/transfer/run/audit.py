"""Whether a target holds what a source holds: asked on its own, at any time, changing nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_bytes, format_count, format_duration, html_card, html_table
from lakehouse_sdk.errors import IntegrityError, LakehouseError
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.parallel import resolve_ordered
from lakehouse_sdk.storage import ListingOrderError
from lakehouse_sdk.transfer.context.ends import resolve_ends
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Entry
from lakehouse_sdk.transfer.plan.diff import OutOfOrderError, is_marker, pair_entries
from lakehouse_sdk.transfer.plan.listing import list_end
from lakehouse_sdk.transfer.plan.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.proof.prover import SAMPLE_EVERY, Prover, Verdict, VerifyMode
from lakehouse_sdk.uris import Address

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 16
_PROGRESS_S = 0.1
_SHOWN = 20


class FindingKind(StrEnum):
    """What is wrong with an object, or noteworthy."""

    MISSING = "missing"
    """Only the source has it."""
    DIFFERS = "differs"
    """Both have it, with other bytes."""
    UNREADABLE = "unreadable"
    """One of the two could not be looked at."""
    EXTRA = "extra"
    """Only the target has it; no failure."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not simply the same at both ends.

    Attributes:
        relative_key: Name below the prefix or folder.
        kind: What it is.
        detail: What told, for people.
        source_value: The source's size, ETag or SHA-256, where that told.
        target_value: The target's.
    """

    relative_key: str
    kind: FindingKind
    detail: str = ""
    source_value: str = ""
    target_value: str = ""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        source: Prefix or folder that counts as right.
        target: Prefix or folder that was looked at.
        mode: How much proof was asked for.
        proven_by: Objects that are the same, by what told: `sha256`, `etag`, or `empty` of those without a byte.
        unproven: Objects of which only the sizes were compared and are equal: they may differ in every byte.
        findings: All the others.
        seconds: Wall time.
        bytes_read: Bytes read back over the network.
        s3_requests: Requests that it took.
    """

    source: Address
    target: Address
    mode: VerifyMode
    proven_by: dict[str, int]
    findings: tuple[Finding, ...]
    seconds: float
    bytes_read: int
    s3_requests: int
    unproven: int = 0

    @property
    def ok(self) -> bool:
        """True where nothing was found wrong: what the target holds besides, and what is not proven, does not matter here."""
        return all(finding.kind is FindingKind.EXTRA for finding in self.findings)

    @property
    def is_proven(self) -> bool:
        """True where the target holds all that the source holds, and each object was proven to be the same."""
        return self.ok and not self.unproven

    def count(self, kind: FindingKind) -> int:
        """Findings of this kind."""
        return sum(finding.kind is kind for finding in self.findings)

    @property
    def same_objects(self) -> int:
        """Objects that were proven to be the same."""
        return sum(self.proven_by.values())

    @property
    def summary(self) -> str:
        """One line for people."""
        by = ", ".join(f"{count:,} by {what}" for what, count in sorted(self.proven_by.items()) if count)
        parts = [f"{self.same_objects:,} the same{f' ({by})' if by else ''}"]
        if self.unproven:
            parts.append(f"{self.unproven:,} not proven, only their sizes are equal")
        parts += [f"{count:,} {kind.value}" for kind in FindingKind if (count := self.count(kind))]
        return f"{'; '.join(parts)}."

    def raise_for_findings(self, *, strict: bool = False) -> None:
        """Turn a report with failures into an error.

        Args:
            strict: True to take what was not proven for a failure too.

        Raises:
            IntegrityError: Something is missing, differs or could not be looked at; names the first few.
        """
        if strict and self.ok and self.unproven:
            raise IntegrityError(
                f"Of {self.unproven:,} objects of {self.target} only the sizes were compared with {self.source}.",
                hint="Prove them: mode='etag' reads the local files, mode='sha256' both sides.",
            )
        bad = [finding for finding in self.findings if finding.kind is not FindingKind.EXTRA]
        if bad:
            shown = "; ".join(f"{item.relative_key!r} {item.kind.value} {item.detail}".rstrip() for item in bad[:5])
            more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
            raise IntegrityError(
                f"{self.target} does not hold what {self.source} holds: {shown}{more}.",
                hint="Copy again: sync for what is missing, sync with compare='sha256' or 'always' for what differs.",
            )

    def __repr__(self) -> str:
        return f"<VerifyReport {self.source} -> {self.target} by {self.mode}: {self.summary}>"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON, findings one by one."""
        names = ("relative_key", "detail", "source_value", "target_value")
        return {
            "source": str(self.source),
            "target": str(self.target),
            "mode": self.mode,
            "ok": self.ok,
            "proven": self.is_proven,
            "same": dict(self.proven_by),
            "unproven": self.unproven,
            "seconds": round(self.seconds, 3),
            "bytes_read": self.bytes_read,
            "s3_requests": self.s3_requests,
            "findings": [
                {"kind": finding.kind.value, **{name: getattr(finding, name) for name in names}} for finding in self.findings
            ],
        }

    def to_pandas(self) -> pd.DataFrame:
        """One line for each finding."""
        import pandas as pd  # noqa: PLC0415 (loads when it is asked for)

        columns = ["kind", "relative_key", "detail", "source_value", "target_value"]
        return pd.DataFrame(self.to_dict()["findings"], columns=columns)

    def _repr_html_(self) -> str:
        facts = {
            "the same": format_count(self.same_objects),
            **({"not proven": format_count(self.unproven)} if self.unproven else {}),
            **{kind.value: format_count(count) for kind in FindingKind if (count := self.count(kind))},
            "proof": self.mode,
            "read back": format_bytes(self.bytes_read),
            "time": format_duration(self.seconds),
        }
        rows = [
            (item.kind.value, item.relative_key, item.detail, item.source_value, item.target_value) for item in self.findings
        ]
        body = html_table(rows[:_SHOWN], ["state", "object", "why", "source", "target"]) if rows else ""
        tone: Literal["good", "warn", "bad"] = "good" if self.is_proven else "warn" if self.ok else "bad"
        return str(html_card(f"{self.source} → {self.target}", facts, body, tone=tone))


def verify_transfer(
    source: str | Path | Address,
    target: str | Path | Address,
    *,
    settings: Settings,
    mode: VerifyMode = "auto",
    selection: Selection = SELECT_ALL,
    observer: Observer = ignore_events,
) -> VerifyReport:
    """Compare all objects of two prefixes or folders; changes nothing. Memory grows with what is found wrong only.

    Args:
        source: Prefix or folder that counts as right.
        target: Prefix or folder that should hold the same.
        settings: Where profiles and limits come from.
        mode: How much proof: `auto` reads nothing back, `sha256` all.
        selection: Which objects it is about.
        observer: Told as stage `verify`.

    Raises:
        NotFoundError: A folder or bucket does not exist.
        ConnectError, AccessError, StorageError: A listing failed. Single objects that cannot be read are findings.
    """
    ends = resolve_ends(source, target, settings)
    started_s = time.monotonic()
    if observer is not ignore_events:
        observer(StageStarted("verify", f"{ends.source.address} → {ends.target.address}"))
    with RunContext(settings.transfer) as context:
        audit = _Audit(Prover(ends.source, ends.target, context), mode, observer)

        def pairs(*, sort: bool) -> Iterator[tuple[Entry | None, Entry | None]]:
            return pair_entries(list_end(ends.source, context, sort=sort), list_end(ends.target, context, sort=sort), selection)

        try:
            audit.run(pairs(sort=False))
        except (OutOfOrderError, ListingOrderError):  # an odd server
            audit = _Audit(Prover(ends.source, ends.target, context), mode, observer)
            audit.run(pairs(sort=True))
        report = VerifyReport(
            ends.source.address,
            ends.target.address,
            mode,
            audit.proven_by,
            tuple(audit.findings),
            time.monotonic() - started_s,
            context.tally.bytes_through_client,
            context.s3_requests,
            audit.unproven,
        )
    if observer is not ignore_events:
        observer(StageFinished("verify", report.seconds, report.summary, report.ok))
    return report


_UNPROVEN = "not proven"
_Look = tuple[str, int, Finding | str]
"""Name, size, and what is found: what told that both are the same, empty for what does not count."""


class _Audit:
    """Goes through pairs, several at once, and keeps what is found."""

    def __init__(self, prover: Prover, mode: VerifyMode, observer: Observer) -> None:
        self.proven_by: dict[str, int] = {}
        self.unproven = 0
        self.findings: list[Finding] = []
        self._failed = 0
        self._prover = prover
        self._mode = mode
        self._observer = observer

    def run(self, pairs: Iterable[tuple[Entry | None, Entry | None]]) -> None:
        """Look at all pairs."""
        next_s, size_bytes = 0.0, 0
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lakehouse-verify") as pool:
            looks = (self._begin(pool, number, *pair) for number, pair in enumerate(pairs))
            for done, (name, size, found) in enumerate(resolve_ordered(looks, window=8 * _AT_ONCE), 1):
                size_bytes += size
                self._note(name, found)
                if self._observer is not ignore_events and (now_s := time.monotonic()) >= next_s:
                    next_s = now_s + _PROGRESS_S
                    self._observer(StageProgress("verify", done, size_bytes, self._failed, name))

    def _note(self, name: str, found: Finding | str) -> None:
        if isinstance(found, str):
            if found == _UNPROVEN:
                self.unproven += 1
            elif found:
                self.proven_by[found] = self.proven_by.get(found, 0) + 1
            return
        self.findings.append(found)
        if found.kind is not FindingKind.EXTRA:
            self._failed += 1
            if self._observer is not ignore_events:
                self._observer(ObjectFailed("verify", name, f"{found.kind.value} {found.detail}".rstrip()))

    def _begin(self, pool: Executor, number: int, entry: Entry | None, existing: Entry | None) -> _Look | Future[_Look]:
        """What is found about a pair; in the pool where something has to be asked or read."""
        if entry is None:
            assert existing is not None  # noqa: S101 (a pair has at least one)
            return existing.name, 0, Finding(existing.name, FindingKind.EXTRA, "only the target has it")
        if existing is None:
            if is_marker(entry) and self._prover.target_is_folder:
                return entry.name, 0, ""
            return entry.name, 0, Finding(entry.name, FindingKind.MISSING, "the target does not have it")
        mode = "auto" if self._mode == "sha256-sample" and number % SAMPLE_EVERY else self._mode
        verdict = self._prover.compare_listed(entry, existing, mode)
        if verdict is not None:
            return entry.name, entry.size_bytes, self._judge(entry.name, verdict)
        return pool.submit(self._look, entry, existing, mode)

    def _look(self, entry: Entry, existing: Entry, mode: VerifyMode) -> _Look:
        try:
            found = self._judge(entry.name, self._prover.compare(entry, existing, mode))
        except (LakehouseError, OSError) as error:
            found = Finding(entry.name, FindingKind.UNREADABLE, str(error))
        return entry.name, entry.size_bytes, found

    @staticmethod
    def _judge(name: str, verdict: Verdict) -> Finding | str:
        if verdict.same is False:
            return Finding(name, FindingKind.DIFFERS, f"by {verdict.by}", verdict.ours, verdict.theirs)
        return _UNPROVEN if verdict.same is None else verdict.by
