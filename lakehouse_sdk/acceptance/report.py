"""What a validation ends in: the checks, the verdict, and where the files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lakehouse_sdk.acceptance.checks import Check
from lakehouse_sdk.display import format_duration, html_card, html_table
from lakehouse_sdk.errors import AcceptanceError

SCHEMA = "lakehouse.validation/1"
"""Version of `summary.json`; it changes when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class CellError:
    """What stopped a notebook before its end.

    Attributes:
        name: Class of the exception, or `Timeout`, `Kernel died`.
        message: Its text.
        cell_index: The cell in the notebook, from 0; None where no single cell is known.
        traceback: As the kernel wrote it, with terminal colours; empty where there is none.
    """

    name: str
    message: str
    cell_index: int | None = None
    traceback: str = field(default="", repr=False)

    def __str__(self) -> str:
        place = "" if self.cell_index is None else f" in cell {self.cell_index}"
        return f"{self.name}{place}: {self.message}" if self.message else f"{self.name}{place}"


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """One run of a validation notebook.

    Attributes:
        name: The notebook's name.
        path: Folder of the report.
        checks: What the notebook recorded, in its order.
        error: What stopped the notebook, None where it ran to its end.
        started: When the run began, aware UTC.
        seconds: Wall time of the notebook.
    """

    name: str
    path: Path
    checks: tuple[Check, ...]
    error: CellError | None
    started: datetime
    seconds: float

    @property
    def html_path(self) -> Path:
        """The page to read."""
        return self.path / "report.html"

    @property
    def summary_path(self) -> Path:
        """The same for programs; `validation/README.md` describes it."""
        return self.path / "summary.json"

    @property
    def notebook_path(self) -> Path:
        """The executed notebook."""
        return self.path / f"{self.name}.ipynb"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def undecided(self) -> tuple[Check, ...]:
        """The checks that cannot be decided on this machine or in this run."""
        return tuple(check for check in self.checks if check.passed is None)

    @property
    def passed_count(self) -> int:
        """How many checks passed."""
        return sum(check.passed is True for check in self.checks)

    @property
    def decided_count(self) -> int:
        """How many checks passed or failed."""
        return len(self.checks) - len(self.undecided)

    @property
    def passed(self) -> bool:
        """True where the notebook ran to its end, at least one check was decided, and none failed: silence proves nothing."""
        return self.error is None and not self.failed and self.passed_count > 0

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        count = f"{self.passed_count} of {self.decided_count} checks passed"
        if self.error is not None:
            return f"The notebook did not reach its end: {self.error}. Before that, {count}."
        if not self.checks:
            return "The notebook recorded no check, so it proves nothing."
        if not self.decided_count:
            return "No check could be decided here, so nothing is proved."
        undecided = f"; {len(self.undecided)} cannot be decided here" if self.undecided else ""
        return f"{count}{undecided}."

    def raise_for_failures(self) -> None:
        """Turn a report that did not pass into an error.

        Raises:
            AcceptanceError: Names what failed and where the page is.
        """
        if self.passed:
            return
        failed = "".join(f" {check.id}: {check.title}." for check in self.failed)
        raise AcceptanceError(f"Validation {self.name!r} failed. {self.verdict}{failed}", hint=f"Read {self.html_path}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as in `summary.json` but without environment and cell times."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "passed": self.passed,
            "verdict": self.verdict,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "counts": {
                "passed": self.passed_count,
                "failed": len(self.failed),
                "not-decidable-here": len(self.undecided),
            },
            "error": None
            if self.error is None
            else {"name": self.error.name, "message": self.error.message, "cell_index": self.error.cell_index},
            "checks": [check.to_dict() for check in self.checks],
        }

    def __repr__(self) -> str:
        return f"<ValidationReport {self.name}: {self.verdict} {self.path}>"

    def _repr_html_(self) -> str:
        wanting = [(check.id, check.title, check.status, check.why) for check in (*self.failed, *self.undecided)]
        body = html_table(wanting, ["id", "title", "status", "why"]) if wanting else ""
        facts = {"verdict": self.verdict, "time": format_duration(self.seconds), "report": str(self.html_path)}
        return html_card(f"Validation {self.name}", facts, body, tone="good" if self.passed else "bad")
