"""A lake that an older release made, brought to the format of this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.archives.ledger import LAKE_FORMAT, DayRows, LedgerChange, LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.build.outcome import read_short_days
from lakehouse_sdk.jobs.care.upkeep import relabel_tables
from lakehouse_sdk.jobs.session import Session, open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

_STAGE = "upgrade"
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """One thing that an upgrade does.

    Attributes:
        name: What it is.
        changed: How many archives, or rows of tables, it changed, or would.
    """

    name: str
    changed: int


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What an upgrade did, or would.

    Attributes:
        before: Format of the lake until now.
        after: Format from now on.
        steps: What was done, in order; none where the lake has the format of this release.
        dry_run: True where nothing was changed.
        seconds: Wall time.
    """

    before: int
    after: int
    steps: tuple[UpgradeStep, ...]
    dry_run: bool
    seconds: float

    @property
    def summary(self) -> str:
        """One line for a person."""
        if self.before == self.after:
            return f"The lake has format {self.after}, the one of this release."
        verb = "would go" if self.dry_run else "went"
        steps = ", ".join(f"{format_count(step.changed)} {step.name}" for step in self.steps)
        return f"The lake {verb} from format {self.before} to {self.after}: {steps}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = [(step.name, format_count(step.changed)) for step in self.steps]
        return html_card("Upgrade", {"": self.summary}, html_table(rows, ["what", "changed"]) if rows else "")


def upgrade_lake(*, settings: Settings | Session, dry_run: bool = False, observer: Observer = ignore_events) -> UpgradeReport:
    """Bring a lake that an older release made to the format of this one. Idempotent: killed, the same call does the rest.

    From format 1: the ledger learns, from the books, which days each archive did not fill, so that completeness is judged by
    rows; and every row gets the canonical name that its symbol has by today's rules. No archive is collected or read anew.

    Args:
        settings: Where lake and catalogue are.
        dry_run: True to count only.
        observer: Told as stage `upgrade`.

    Raises:
        ConfigurationError: A later release made the lake, or no catalogue is set.
        TableError: A commit lost its race too often; what was done before stands.
        ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
    """
    started = time.perf_counter()
    with open_session(settings) as session:
        before = session.ledger.lake_format
        steps: list[UpgradeStep] = []
        if before < LAKE_FORMAT:
            observer(StageStarted(_STAGE, f"format {before} to {LAKE_FORMAT}", total_objects=len(_STEPS)))
            for number, (name, work) in enumerate(_STEPS, 1):
                steps.append(UpgradeStep(name, work(session, observer, dry_run=dry_run)))
                observer(StageProgress(_STAGE, number, note=name))
            if not dry_run:
                session.ledger.set_lake_format(LAKE_FORMAT)
    report = UpgradeReport(before, LAKE_FORMAT, tuple(steps), dry_run, time.perf_counter() - started)
    observer(StageFinished(_STAGE, report.seconds, report.summary))
    return report


def _record_days(session: Session, observer: Observer, *, dry_run: bool) -> int:
    """Tell the ledger the days that published archives did not fill; returns how many archives those are."""
    from lakehouse_sdk.archives import list_connector_names  # noqa: PLC0415

    del observer
    changed = 0
    for source in list_connector_names():
        short = {key: days for key, days in read_short_days(session.catalog, source).items() if days}
        entries = session.ledger.entries(source, states=(LedgerState.PUBLISHED,))
        changes = [_change(entry.key, entry.state, entry.revision, short) for entry in entries if entry.key in short]
        changed += len(changes)
        for start in range(0, len(changes) if not dry_run else 0, _AT_ONCE):
            session.ledger.record(source, changes[start : start + _AT_ONCE])
    return changed


def _change(key: str, state: LedgerState, revision: int, short: Mapping[str, tuple[DayRows, ...]]) -> LedgerChange:
    return LedgerChange(key, state, revision=revision, days=short[key])


def _forget_listings(session: Session, observer: Observer, *, dry_run: bool) -> int:
    """Releases before this one did not write down which daily archives they passed over: what they listed proves nothing."""
    del observer
    return session.ledger.forget_listings(dry_run=dry_run)


def _relabel(session: Session, observer: Observer, *, dry_run: bool) -> int:
    report = relabel_tables(settings=session, dry_run=dry_run, observer=observer)
    return sum(table.rows for table in report.tables)


_STEPS: tuple[tuple[str, Callable[..., int]], ...] = (
    ("archives with days that they did not fill", _record_days),
    ("listings to be made anew", _forget_listings),
    ("rows with another canonical name", _relabel),
)
