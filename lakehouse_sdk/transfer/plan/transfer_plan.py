"""The plan that a person holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from lakehouse_sdk.errors import DeleteRefusedError, UsageError
from lakehouse_sdk.transfer.model.objects import Action, PlannedObject, PlanTotals, SkipCount, StrategyName
from lakehouse_sdk.transfer.model.report import TransferReport
from lakehouse_sdk.transfer.model.rows import MEMORY_ROWS, RowStore
from lakehouse_sdk.transfer.model.running import TransferRun
from lakehouse_sdk.transfer.plan.diff import SKIPPED_BY_TIME
from lakehouse_sdk.transfer.plan.saved import PlanHead, open_saved, save_plan
from lakehouse_sdk.transfer.plan.selection import SELECT_ALL, Selection
from lakehouse_sdk.transfer.proof.prover import VerifyMode
from lakehouse_sdk.uris import Address

if TYPE_CHECKING:
    import pandas as pd

    from lakehouse_sdk.transfer.model.report import TransferReport
    from lakehouse_sdk.transfer.model.running import TransferRun
    from lakehouse_sdk.transfer.proof.prover import VerifyMode


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will take, estimated from the sizes of a plan's objects; retries come on top.

    Attributes:
        strategy: The strategy that it holds for.
        reason: Why this one, for people.
        bytes_through_client: Bytes that will cross this machine's network.
        s3_requests: Requests to all servers, verification and deletes included.
    """

    strategy: str
    reason: str
    bytes_through_client: int
    s3_requests: int


class Driver(Protocol):
    """Who carries plans out, for plans that are to run by themselves; `transfer.run.driver.PlanDriver` is the one."""

    def forecast(self, plan: TransferPlan, strategy: StrategyName) -> Forecast:
        """Bytes and requests that `plan` takes."""

    def run(self, plan: TransferPlan, *, strategy: StrategyName, verify: VerifyMode, manifest: bool) -> TransferReport:
        """Carry `plan` out."""

    def start(self, plan: TransferPlan, *, strategy: StrategyName, verify: VerifyMode, manifest: bool) -> TransferRun:
        """Carry `plan` out in a thread of its own."""


class TransferPlan:
    """What a transfer will do, object by object, with reasons; nothing has moved yet.

    A handle over rows: iterating gives them in the order in which they will be carried out, from memory or, beyond 20,000,
    from a temporary file that goes with the plan; memory is bounded whatever their number. Objects that are skipped may be
    counted in `totals` only (`plan_transfer(keep_skips=True)` keeps their rows). A plan is a value: running it does not change
    it, and it can be run again, saved, loaded elsewhere and run there.

    Attributes:
        source: Prefix or folder that is read.
        target: Prefix or folder that is written.
        totals: How much it is, objects counted only included.
        note: Why there is nothing to do, where there is no row; for people.
        delete_refusal: Why the plan's deletes are not believed, for people; such a plan can be looked at and not be run. Empty
            where it has none or they are within their limit.
        selection: Which objects below the source it is about.
        wants_hashes: True where a row asks for the SHA-256 of its bytes.

    `lake.plan` and `lake.load_plan` make plans that know how their ends are reached and can run.
    """

    def __init__(
        self,
        source: Address,
        target: Address,
        rows: Iterable[PlannedObject],
        *,
        note: str = "",
        skipped: SkipCount | None = None,
        delete_refusal: str = "",
        selection: Selection = SELECT_ALL,
        memory_rows: int = MEMORY_ROWS,
        driver: Driver | None = None,
    ) -> None:
        self._driver = driver
        self.source = source
        self.target = target
        self.note = note
        self.delete_refusal = delete_refusal
        self.selection = selection
        self._rows = RowStore(memory_rows=memory_rows)
        counts = _Counts()
        for row in rows:
            counts.add(row)
            self._rows.append(row)
        # After the rows: what is counted only is counted while they are made.
        self.counted_skips = skipped or SkipCount()
        self.totals = counts.to_totals(self.counted_skips)
        self.wants_hashes = counts.wants_hashes

    @classmethod
    def from_rows(cls, source: Address, target: Address, rows: Iterable[PlannedObject]) -> Self:
        """A plan of rows that the caller chose; keys are whole keys in the buckets of the two addresses.

        With a local target every path must lie below `target`. Deletes among them count as the caller's own decision.
        """
        return cls(source, target, rows)

    @classmethod
    def load(cls, path: str | Path, *, driver: Driver | None = None) -> Self:
        """The plan that `save` wrote; it may be run on another machine whose settings know its profiles.

        Args:
            path: The file.
            driver: What `run`, `start` and `forecast` are done by; without, the plan can be looked at.

        Raises:
            NotFoundError: There is no such file.
            IntegrityError: Not a saved plan, or written by a later version of the SDK.
        """
        with open_saved(Path(path)) as (head, rows):
            return cls(
                head.source,
                head.target,
                rows,
                note=head.note,
                skipped=head.skipped,
                delete_refusal=head.delete_refusal,
                selection=head.selection,
                driver=driver,
            )

    def save(self, path: str | Path) -> None:
        """Write the plan to a Parquet file, whole or not at all; columns as the fields of `PlannedObject`, no credentials."""
        head = PlanHead(self.source, self.target, self.note, self.counted_skips, self.delete_refusal, self.selection)
        save_plan(head, self, Path(path))

    def __iter__(self) -> Iterator[PlannedObject]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rows and give their temporary file back; happens by itself when nobody holds the plan any more."""
        self._rows.close()

    @property
    def spilled_bytes(self) -> int:
        """Bytes of rows in a temporary file; 0 where all are in memory."""
        return self._rows.spilled_bytes

    def rows(self, action: Action) -> Iterator[PlannedObject]:
        """The rows with this action, in order."""
        return self._rows.rows(action)

    def forecast(self, strategy: StrategyName = "auto") -> Forecast:
        """Bytes through this machine and S3 requests that running it will take; reads the rows, sends nothing.

        Raises:
            UsageError: The strategy cannot join the plan's ends, or the plan was loaded without settings.
        """
        return self._need_driver().forecast(self, strategy)

    def run(self, *, strategy: StrategyName = "auto", verify: VerifyMode = "auto", manifest: bool = False) -> TransferReport:
        """Carry it out and wait; arguments, guarantees and errors as `Lakehouse.sync`.

        Each object is checked against the source once more: one that changed or went since it was planned fails.

        Raises:
            DeleteRefusedError: The plan would delete more than its limit; nothing was copied.
            UsageError: The plan was loaded without settings.
        """
        return self._need_driver().run(self, strategy=strategy, verify=verify, manifest=manifest)

    def start(self, *, strategy: StrategyName = "auto", verify: VerifyMode = "auto", manifest: bool = False) -> TransferRun:
        """As `run`, in a thread of its own; returns at once with what can be watched, cancelled and waited for."""
        return self._need_driver().start(self, strategy=strategy, verify=verify, manifest=manifest)

    def _need_driver(self) -> Driver:
        if self._driver is None:
            raise UsageError("This plan was loaded without settings.", hint="Load it with lake.load_plan(path).")
        return self._driver

    def check_deletes(self) -> None:
        """Do nothing where the plan's deletes are within their limit.

        Raises:
            DeleteRefusedError: They are not; says why and what to do.
        """
        if self.delete_refusal:
            raise DeleteRefusedError(
                self.delete_refusal,
                hint="Look at plan.rows(Action.DELETE); if they are right, plan again with max_deletes.",
            )

    @property
    def summary(self) -> str:
        """One line for people."""
        totals = self.totals
        if not totals.objects:
            return f"Nothing to do: {self.note or 'the plan has no rows'}."
        by_time = f" ({totals.skip_by_time:,} by size and time alone)" if totals.skip_by_time else ""
        parts = [f"{totals.copy_objects:,} to copy ({totals.copy_bytes:,} bytes)", f"{totals.skip_objects:,} to skip{by_time}"]
        if totals.delete_objects:
            refused = " (refused)" if self.delete_refusal else ""
            parts.append(f"{totals.delete_objects:,} to delete{refused}")
        if totals.conflict_objects:
            parts.append(f"{totals.conflict_objects:,} in conflict")
        return f"{', '.join(parts)}."

    def __repr__(self) -> str:
        return f"<TransferPlan {self.source} -> {self.target}: {self.summary}>"

    def to_pandas(self) -> pd.DataFrame:
        """One line for each row, columns as the fields of `PlannedObject`, in the order of the plan."""
        import pandas as pd  # noqa: PLC0415 (loads when it is asked for)

        columns = [
            "relative_key",
            "source_key",
            "target_key",
            "size_bytes",
            "etag",
            "action",
            "reason",
            "sha256",
            "last_modified",
        ]
        lines = [
            (*(getattr(row, name) for name in columns[:5]), row.action.value, row.reason, row.sha256, row.last_modified)
            for row in self
        ]
        return pd.DataFrame(lines, columns=columns)

    def _repr_html_(self) -> str:
        from lakehouse_sdk.display import (  # noqa: PLC0415 (templates load when they are shown)
            format_bytes,
            format_count,
            html_card,
            html_table,
        )

        totals = self.totals
        facts = {
            "to copy": f"{format_count(totals.copy_objects)} ({format_bytes(totals.copy_bytes)})",
            "to skip": format_count(totals.skip_objects),
            "conflicts": format_count(totals.conflict_objects),
        }
        if totals.delete_objects:
            facts["to delete"] = f"{format_count(totals.delete_objects)} ({format_bytes(totals.delete_bytes)})"
        if self.delete_refusal:
            facts["deletes refused"] = self.delete_refusal
        if not self.selection.is_everything:
            facts["selection"] = self.selection.describe()
        shown = list(islice(chain.from_iterable(self.rows(action) for action in _SHOWN_ACTIONS), _SHOWN_ROWS))
        rows = [(row.action.value, row.relative_key, format_bytes(row.size_bytes), row.reason) for row in shown]
        changes = totals.conflict_objects + totals.delete_objects + totals.copy_objects
        caption = f"The first {len(shown)} of {format_count(changes)}" if changes > len(shown) else ""
        body = html_table(rows, ["action", "object", "size", "why"], caption=caption) if rows else self.summary
        return str(
            html_card(
                f"{self.source} → {self.target}",
                facts,
                body,
                tone="warn" if totals.conflict_objects or self.delete_refusal else "",
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Addresses and totals as plain values for JSON; rows are left out."""
        totals = self.totals
        return {
            "source": str(self.source),
            "target": str(self.target),
            "objects": totals.objects,
            "copy_objects": totals.copy_objects,
            "copy_bytes": totals.copy_bytes,
            "skip_objects": totals.skip_objects,
            "skip_bytes": totals.skip_bytes,
            "conflict_objects": totals.conflict_objects,
            "delete_objects": totals.delete_objects,
            "delete_bytes": totals.delete_bytes,
            "delete_refusal": self.delete_refusal,
        }


_SHOWN_ROWS = 20
_SHOWN_ACTIONS = (Action.CONFLICT, Action.DELETE, Action.COPY)


class _Counts:
    """Adds up rows as they are stored."""

    def __init__(self) -> None:
        self._objects = dict.fromkeys(Action, 0)
        self._bytes = dict.fromkeys(Action, 0)
        self._by_time = 0
        self.wants_hashes = False

    def add(self, row: PlannedObject) -> None:
        self._objects[row.action] += 1
        self._bytes[row.action] += row.size_bytes
        self._by_time += row.reason == SKIPPED_BY_TIME
        self.wants_hashes = self.wants_hashes or row.sha256 is not None

    def to_totals(self, skipped: SkipCount) -> PlanTotals:
        objects, sizes = self._objects, self._bytes
        return PlanTotals(
            copy_objects=objects[Action.COPY],
            copy_bytes=sizes[Action.COPY],
            skip_objects=objects[Action.SKIP] + skipped.objects,
            skip_bytes=sizes[Action.SKIP] + skipped.size_bytes,
            conflict_objects=objects[Action.CONFLICT],
            delete_objects=objects[Action.DELETE],
            delete_bytes=sizes[Action.DELETE],
            skip_by_time=self._by_time + skipped.by_time,
        )
