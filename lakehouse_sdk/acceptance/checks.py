"""What a validation notebook records: one check after the other, each with its evidence."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lakehouse_sdk.acceptance.output import show
from lakehouse_sdk.display import html_table, render
from lakehouse_sdk.errors import UsageError

CHECK_MIMETYPE = "application/vnd.lakehouse.check+json"
"""Type of the notebook output that carries one check."""

CheckStatus = Literal["passed", "failed", "not-decidable-here"]

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to be true.

    Attributes:
        id: Name in words and hyphens, unique in its notebook, stable between runs.
        title: What has to be true, one sentence.
        passed: True, False, or None where this machine or this run cannot decide it; then `why` says what is missing.
        requirement: Where it is demanded, for example `FR007`; empty where nowhere in particular.
        measured: What was found; plain values for JSON.
        expected: What had to be found, or the threshold.
        why: What a reader has to know to believe the result.
        seconds: Wall time since the check before it, or since the `Checks` were made.
    """

    id: str
    title: str
    passed: bool | None
    requirement: str = ""
    measured: Any = None
    expected: Any = None
    why: str = ""
    seconds: float = 0.0

    @property
    def status(self) -> CheckStatus:
        """The result as a word."""
        return "not-decidable-here" if self.passed is None else "passed" if self.passed else "failed"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with `status` in place of `passed`."""
        values = asdict(self)
        del values["passed"]
        return {"id": values.pop("id"), "title": values.pop("title"), "status": self.status, **values}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Check:
        """The reverse of `to_dict`.

        Raises:
            KeyError, TypeError: Not such a dict.
        """
        passed = {"passed": True, "failed": False, "not-decidable-here": None}[values["status"]]
        return cls(passed=passed, **{name: value for name, value in values.items() if name != "status"})

    def _repr_html_(self) -> str:
        return render("acceptance", "check.html.j2", check=self)

    def __str__(self) -> str:
        evidence = f" (measured {self.measured}, expected {self.expected})" if self.measured is not None else ""
        return f"{self.status}: {self.title}{evidence}{f' {self.why}' if self.why else ''}"


class Checks:
    """Collects the checks of one notebook and shows each where it is recorded.

    The output carries the check itself under `application/vnd.lakehouse.check+json`, so whoever runs the notebook finds it;
    outside of IPython the checks are collected and nothing is shown.

    ```python
    checks = Checks()
    checks.record("rows-add-up", title="Every row is accounted for", passed=a == b, measured=a, expected=b)
    ```
    """

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._since_s = time.perf_counter()

    def record(
        self,
        check_id: str,
        *,
        title: str,
        passed: bool | None,
        requirement: str = "",
        measured: object = None,
        expected: object = None,
        why: str = "",
    ) -> Check:
        """Record one check and show it; never raises for a check that failed, so that the ones after it are made too.

        Args:
            check_id: Lower-case words joined by hyphens, unique in this notebook.
            title: What has to be true.
            passed: True, False, or None where it cannot be decided here.
            requirement: Where it is demanded.
            measured: What was found; values that JSON does not know are recorded as text.
            expected: What had to be found.
            why: Reason or explanation; needed with `passed=None`.

        Raises:
            UsageError: The id is malformed or taken, or `passed=None` comes without a reason.
        """
        if not _ID.fullmatch(check_id):
            raise UsageError(f"{check_id!r} is no check id.", hint="Write lower-case words joined by hyphens: rows-add-up.")
        if check_id in self._checks:
            raise UsageError(f"The check {check_id!r} is recorded already.", hint="Every check of a notebook has its own id.")
        if passed is None and not why:
            raise UsageError(f"The check {check_id!r} is left undecided without a reason.", hint="Say in why= what is missing.")
        now_s = time.perf_counter()
        decided = None if passed is None else bool(passed)
        check = Check(
            check_id, title, decided, requirement, _plain(measured), _plain(expected), why, round(now_s - self._since_s, 4)
        )
        self._since_s = now_s
        self._checks[check_id] = check
        show(check._repr_html_(), str(check), CHECK_MIMETYPE, check.to_dict())
        return check

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks.values())

    def __len__(self) -> int:
        return len(self._checks)

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self if check.passed is False]

    @property
    def undecided(self) -> list[Check]:
        """The checks that cannot be decided here."""
        return [check for check in self if check.passed is None]

    def __str__(self) -> str:
        decided = len(self) - len(self.undecided)
        text = f"{decided - len(self.failed)} of {decided} checks passed"
        return f"{text}, {len(self.undecided)} cannot be decided here" if self.undecided else text

    def _repr_html_(self) -> str:
        rows = [(check.id, check.title, check.status, check.measured, check.expected) for check in self]
        return html_table(rows, ["id", "title", "status", "measured", "expected"], caption=str(self), max_rows=500)


def _plain(value: object) -> object:
    """The value as JSON knows it: numbers of numpy and Arrow become Python's, anything unknown becomes text."""
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, str | int | float | bool):
        value = item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        members = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(member) for member in members]
    return str(value)
