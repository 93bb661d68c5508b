"""What was found out about a server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from lakehouse_sdk.display import html_card, html_table, text_table

Outcome = Literal["conforms", "differs", "refuses"]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found.

    Attributes:
        name: Its name, `listing-order`.
        title: What is asked of a server.
        outcome: `conforms`, `differs` or `refuses`.
        detail: What was found where it does not conform.
        consequence: What the SDK does about that; empty where it conforms.
    """

    name: str
    title: str
    outcome: Outcome
    detail: str = ""
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """What a server does of what S3 does.

    Attributes:
        endpoint_url: The server.
        server: What it calls itself, empty where it does not.
        results: One for each probe, in their order.
        seconds: Wall time.
    """

    endpoint_url: str
    server: str
    results: tuple[ProbeResult, ...]
    seconds: float

    def holds(self, name: str) -> bool:
        """True where the server conforms to this probe; raises KeyError for an unknown name."""
        return {result.name: result.outcome == "conforms" for result in self.results}[name]

    @property
    def gaps(self) -> tuple[ProbeResult, ...]:
        """Those to which it does not conform."""
        return tuple(result for result in self.results if result.outcome != "conforms")

    @property
    def summary(self) -> str:
        """One line for people."""
        good = len(self.results) - len(self.gaps)
        return f"{self.server or 'The server'} at {self.endpoint_url} conforms to {good} of {len(self.results)} probes."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Probe, outcome, what was found, what the SDK does about it."""
        return [(one.name, one.outcome, one.detail, one.consequence) for one in self.results]

    def __repr__(self) -> str:
        table = text_table(self.rows(), ["probe", "outcome", "what was found", "what the SDK does"], width=140)
        return f"{self.summary}\n\n{table}"

    def _repr_html_(self) -> str:
        body = html_table(self.rows(), ["probe", "outcome", "what was found", "what the SDK does"], max_rows=100)
        return html_card("S3 conformance", {"": self.summary}, body, tone="warn" if self.gaps else "good")
