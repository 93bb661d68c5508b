"""The report on quality, for a notebook's eye and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.tables.views.quality.facts import QualityFacts


@dataclass(frozen=True, repr=False)
class QualityReport(QualityFacts):
    """How good the rows of some archives are; `rows_in` = accepted + duplicate + quarantined in every line of it.

    The score is accepted ÷ expected rows of the days that can be scored: those of which calendar or ids expect rows. Days
    before a series' first row and after its last one are left out, and so are its first and last day where they are partial: a
    symbol may be listed at noon. They are in `days` all the same, and `note` says what they are. The days of an archive that
    could not be read count as days without rows.

    Attributes:
        title: What was asked for.
        archives: One row for each archive: the columns of `silver.quality`, with `table`, the full name of its table.
        days: One row for each series and day: `source`, `market`, `data_type`, `symbol`, `interval`, `table`, `day` (UTC),
            `rows_accepted`, `rows_expected`, `score` (null where nothing is expected), `rows_flagged`, `rows_quarantined`,
            `first_time`, `last_time`, `is_scored`, `note` (`first day`, `last day`, `unreadable`, or empty).
        examples: A few rows of `silver.quarantine` for each rule.
    """

    def to_html(self, path: str | Path) -> Path:
        """Write the whole report as one page that needs nothing beside it and runs no script; returns where it is."""
        from lakehouse_sdk.tables.views.quality.page import render_page  # noqa: PLC0415 (templates load when they are shown)

        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render_page(self), encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        from lakehouse_sdk.tables.views.quality.page import render_card  # noqa: PLC0415 (templates load when they are shown)

        return render_card(self)
