"""What `load` returns: a scan that says what of the asked time it cannot give."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from lakehouse_sdk.archives.readiness import Gap, ReadyState
from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.tables.read.scan import TableScan

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 5


@dataclass(frozen=True)
class LoadedScan(TableScan):
    """A scan of one table (see `TableScan`), and what is known of the times that have no rows.

    Attributes:
        gaps: Times, by symbol, whose rows are not in the tables: missing, never published, or not over yet.
        fetched: Archives that were brought and built for this call.
    """

    gaps: tuple[Gap, ...] = ()
    fetched: int = 0

    @classmethod
    def of(cls, scan: TableScan, gaps: Sequence[Gap], fetched: int) -> Self:
        """The scan with what is known of it."""
        values = {field.name: getattr(scan, field.name) for field in fields(TableScan)}
        return cls(**values, gaps=tuple(gaps), fetched=fetched)

    @property
    def missing(self) -> tuple[Gap, ...]:
        """The gaps that the source has rows for, or may have."""
        return tuple(gap for gap in self.gaps if gap.state is ReadyState.MISSING)

    @property
    def unpublished(self) -> tuple[Gap, ...]:
        """The gaps that are nobody's fault: the source published nothing, or no more, or the time is not over yet."""
        return tuple(gap for gap in self.gaps if gap.state is not ReadyState.MISSING)

    @property
    def is_complete(self) -> bool:
        """True where everything is there that the source is known to have published; judged by rows, not by archives."""
        return not any(
            gap.state is ReadyState.MISSING or (gap.state is ReadyState.SHORT and (gap.rejected or not gap.final))
            for gap in self.gaps
        )

    def _repr_html_(self) -> str:
        facts = {
            "symbols": ", ".join((self.symbols or ())[:_NAMED]) + (" …" if len(self.symbols or ()) > _NAMED else ""),
            "from": f"{self.start:%Y-%m-%d %H:%M}" if self.start else "",
            "to": f"{self.end:%Y-%m-%d %H:%M}" if self.end else "",
            "archives fetched": format_count(self.fetched),
            "complete": "yes" if self.is_complete else "no",
        }
        rows = [(g.symbol, f"{g.start:%Y-%m-%d}", f"{g.end:%Y-%m-%d}", g.state.value, g.reason) for g in self.gaps]
        body = html_table(rows, ["symbol", "from", "to", "state", "why"]) if rows else ""
        return html_card(self.table, facts, body, tone="good" if self.is_complete else "warn")


def name_gaps(gaps: Sequence[Gap]) -> str:
    """The first few, for a sentence."""
    more = f" and {len(gaps) - _NAMED} more" if len(gaps) > _NAMED else ""
    return ", ".join(map(str, gaps[:_NAMED])) + more
