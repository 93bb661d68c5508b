"""What a report on quality says: rows, scores, rules, defects, from the books alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse_sdk.display import format_count, format_share
from lakehouse_sdk.errors import TableError
from lakehouse_sdk.tables.judge.rules import describe_rule
from lakehouse_sdk.tables.read.series import SERIES, format_score, name_series

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("rows_in", "rows_accepted", "rows_duplicate", "rows_quarantined", "rows_flagged", "numbers_rounded")

_EXPECTED = pl.col("rows_expected").filter(pl.col("is_scored")).sum()
_PRESENT = pl.min_horizontal("rows_accepted", "rows_expected").filter(pl.col("is_scored")).sum()
_NAMED_SERIES = 5


@dataclass(frozen=True)
class QualityFacts:
    """What the books say of some archives; attributes and meaning as in `report.QualityReport`, which shows them."""

    title: str
    archives: pl.DataFrame = field(repr=False)
    days: pl.DataFrame = field(repr=False)
    examples: pl.DataFrame = field(repr=False)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Sums over all archives: `archives`, the rows in, accepted, duplicate, quarantined, flagged, the numbers rounded."""
        sums = self.archives.select(pl.col(COUNTS).sum()).row(0, named=True)
        return {"archives": self.archives.height, **{name: int(value) for name, value in sums.items()}}

    @cached_property
    def score(self) -> float | None:
        """Accepted ÷ expected rows of all scored days; None where nothing can be expected."""
        return _share(*self.days.select(_PRESENT.alias("present"), _EXPECTED.alias("expected")).row(0))

    @cached_property
    def tables(self) -> pl.DataFrame:
        """One row for each table: `table`, `archives`, the counts, `score`."""
        return self._sum_up(["table"]).sort("table")

    @cached_property
    def series(self) -> pl.DataFrame:
        """One row for each series, the worst score first: its names, counts, `days`, `score`, first and last time."""
        spans = self.days.group_by(SERIES).agg(pl.len().alias("days"), pl.col("first_time").min(), pl.col("last_time").max())
        found = self._sum_up(list(SERIES)).join(spans, on=SERIES, how="left", nulls_equal=True)
        return found.sort(["score", *SERIES], nulls_last=True)

    @cached_property
    def rules(self) -> pl.DataFrame:
        """One row for each broken rule: `rule`, `severity` (E before W), `rows`, `archives`, `sentence`."""
        parts = [
            self.archives.select(pl.lit(severity).alias("severity"), pl.col(column).alias("broken"))
            .explode("broken", empty_as_null=False)
            .unnest("broken")
            for severity, column in (("E", "rejects"), ("W", "flags"))
        ]
        found = (
            pl.concat(parts).group_by("severity", "key").agg(pl.col("value").sum().alias("rows"), pl.len().alias("archives"))
        )
        sentences = pl.Series("sentence", [_sentence(rule) for rule in found["key"]], dtype=pl.String)
        return (
            found.with_columns(sentences)
            .rename({"key": "rule"})
            .select("rule", "severity", "rows", "archives", "sentence")
            .sort(["severity", "rows", "rule"], descending=[False, True, False])
        )

    @cached_property
    def failures(self) -> pl.DataFrame:
        """One row for each rule of another package that raised: `rule`, `error`, `archives`."""
        raised = self.archives.select(pl.col("rule_failures").alias("failed")).drop_nulls()
        raised = raised.explode("failed", empty_as_null=False).unnest("failed").rename({"key": "rule", "value": "error"})
        return raised.group_by("rule", "error").agg(pl.len().alias("archives")).sort("rule", "error")

    @cached_property
    def defects(self) -> pl.DataFrame:
        """One row for each archive that could not be read: `key`, `defect`, `defect_detail`."""
        found = self.archives.filter(pl.col("defect").is_not_null())
        return found.select(pl.col("_source_key").alias("key"), "defect", "defect_detail").sort("key")

    @cached_property
    def edge_days(self) -> pl.DataFrame:
        """The partial first and last days of series, which are not scored."""
        return self.days.filter(pl.col("note").is_in(["first day", "last day"])).sort("score", "day", *SERIES)

    def worst_days(self, count: int = 20) -> pl.DataFrame:
        """The scored days below 1, worst first."""
        low = self.days.filter(pl.col("is_scored") & (pl.col("score") < 1))
        return low.sort("score", "day", *SERIES, nulls_last=True).head(count)

    def raise_for_score(self, minimum: float) -> None:
        """Do nothing where every series that can be scored has at least this score.

        Raises:
            TableError: One has less; names the worst, and the worst day.
        """
        low = self.series.filter(pl.col("score") < minimum)
        if low.is_empty():
            return
        named = [f"{name_series(row)} {format_score(row['score'])}" for row in low.head(_NAMED_SERIES).iter_rows(named=True)]
        more = f", and {format_count(low.height - len(named))} more" if low.height > len(named) else ""
        days = self.worst_days(1).iter_rows(named=True)
        worst = "".join(f" The worst day is {day['day']:%Y-%m-%d} of {name_series(day)}." for day in days)
        said = f"The score of {format_count(low.height)} series is below {format_score(minimum)}"
        raise TableError(
            f"{said}: {', '.join(named)}{more}.{worst}",
            hint="`lake.quality(…)` shows the days and the rules; `lake.coverage(…)` says what could be collected still.",
        )

    @property
    def summary(self) -> str:
        """One line for a person."""
        counts = self.counts
        return (
            f"{format_count(counts['archives'])} archives ({self.defects.height} unreadable): {format_count(counts['rows_in'])}"
            f" rows = {format_count(counts['rows_accepted'])} accepted + {format_count(counts['rows_duplicate'])} duplicate +"
            f" {format_count(counts['rows_quarantined'])} quarantined;"
            f" {format_share(counts['rows_flagged'], counts['rows_accepted'])} flagged; score {format_score(self.score)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the sums, by table, by series, by rule, the defects."""
        return {
            "title": self.title,
            **self.counts,
            "score": self.score,
            "tables": self.tables.to_dicts(),
            "series": self.series.to_dicts(),
            "rules": self.rules.to_dicts(),
            "defects": self.defects.to_dicts(),
            "rule_failures": self.failures.to_dicts(),
        }

    def to_pandas(self) -> pd.DataFrame:
        """`days` as a DataFrame of pandas."""
        return self.days.to_pandas()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.title}: {self.summary}>"

    def _sum_up(self, by: list[str]) -> pl.DataFrame:
        rows = self.archives.group_by(by).agg(pl.len().alias("archives"), pl.col(COUNTS).sum())
        scores = self.days.group_by(by).agg(_PRESENT.alias("present"), _EXPECTED.alias("expected"))
        score = pl.when(pl.col("expected") > 0).then(pl.col("present") / pl.col("expected")).alias("score")
        return rows.join(scores, on=by, how="left", nulls_equal=True).with_columns(score).drop("present", "expected")


def _share(part: int | None, whole: int | None) -> float | None:
    return (part or 0) / whole if whole else None


def _sentence(rule: str) -> str:
    try:
        return describe_rule(rule)
    except KeyError:
        return "A rule of a package that is not installed here."
