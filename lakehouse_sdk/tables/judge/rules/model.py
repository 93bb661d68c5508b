"""What a rule is, what it is given, and the rules that every table has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables.layout.formats import FormatSpec
from lakehouse_sdk.tables.layout.source import SourceFile

ARCHIVE = "_archive"
"""Column that numbers the archives, where rows of several are judged together."""
SYMBOL = "_symbol"
"""Column with the symbol of the row's archive, where rows of several are judged together."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Severity(StrEnum):
    """What happens to a row that breaks a rule."""

    REJECT = "E"
    FLAG = "W"


@dataclass(frozen=True, slots=True)
class Given:
    """What a rule knows beside the columns.

    Attributes:
        spec: Format of the archive.
        file: The archive.
        limits: Thresholds, from the settings.
        together: True where the frame holds rows of several archives, as columns `ARCHIVE` and `SYMBOL` say; `file` is then one
            of them, and only what they have in common counts.
    """

    spec: FormatSpec
    file: SourceFile
    limits: QualitySettings
    together: bool = False

    @property
    def by(self) -> tuple[str, ...]:
        """What else to group by, for a rule that groups rows."""
        return (ARCHIVE,) if self.together else ()

    def within(self, expr: pl.Expr) -> pl.Expr:
        """`expr` over the rows of one archive, whatever else is in the frame: for all that looks at more than one row."""
        return expr.over(self.by) if self.by else expr

    @property
    def symbol(self) -> pl.Expr:
        """Symbol of the row's archive."""
        return pl.col(SYMBOL) if self.together else pl.lit(self.file.symbol)


Breaks = Callable[[Given], pl.Expr]


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement about rows.

    Attributes:
        id: Fixed name, as it stands in the quarantine and quality tables.
        sentence: What holds for a good row.
        severity: What happens to a bad one.
        shows: Columns that the rule reads, whose values explain a breach; empty where `FormatSpec` names them.
        breaks: Builds the expression that is true for a bad row of this file; pure. A null counts as good.
        partial: True where the rule is about those of the columns that a format has; else it needs them all.
        tables: Full names of the tables it is about; empty for every table with its columns.
        sources: Publishers it is about; empty for all.
    """

    id: str
    sentence: str
    severity: Severity
    shows: tuple[str, ...]
    breaks: Breaks
    partial: bool = False
    tables: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def shown(self, spec: FormatSpec) -> tuple[str, ...]:
        """The columns of this format that explain a breach."""
        return tuple(name for name in self.shows if name in spec.kept) or (spec.row_time,)

    def applies(self, spec: FormatSpec) -> bool:
        """True where the rule is about the format's table and source, and the format has its columns."""
        if (self.tables and spec.table not in self.tables) or (self.sources and spec.source not in self.sources):
            return False
        present = [name in spec.kept for name in self.shows]
        return (any(present) if self.partial else all(present)) or not present


def reject(rule_id: str, sentence: str, shows: tuple[str, ...], breaks: Breaks, *, partial: bool = False) -> Rule:
    """A rule whose breach sends the row to quarantine."""
    return Rule(rule_id, sentence, Severity.REJECT, shows, breaks, partial)


def flag(rule_id: str, sentence: str, shows: tuple[str, ...], breaks: Breaks) -> Rule:
    """A rule whose breach is counted."""
    return Rule(rule_id, sentence, Severity.FLAG, shows, breaks)


def positive(*names: str) -> Rule:
    """Prices of these columns, as far as the format has them."""

    def breaks(given: Given) -> pl.Expr:
        return pl.min_horizontal(name for name in names if name in given.spec.kept) <= 0

    return reject("price-positive", "Prices are greater than 0.", names, breaks, partial=True)


def not_negative(*names: str) -> Rule:
    """Amounts and counts of these columns, as far as the format has them."""

    def breaks(given: Given) -> pl.Expr:
        # One by one: a common type of volumes and counts would round large counts.
        return pl.any_horizontal((pl.col(name) < 0).fill_null(value=False) for name in names if name in given.spec.kept)

    return reject("volume-nonnegative", "Volumes and counts are not negative.", names, breaks, partial=True)


def _outside_period(given: Given) -> pl.Expr:
    # In microseconds: an expression with two times in it takes longer to make than a small archive takes to be judged by it.
    start = (given.file.period_start - given.spec.early - _EPOCH) // _MICROSECOND
    end = (given.file.period_end + given.spec.late - _EPOCH) // _MICROSECOND
    return ~pl.col(given.spec.row_time).cast(pl.Int64).is_between(start, end, closed="left")


def _row_order(given: Given) -> pl.Expr:
    return (given.within(pl.col(given.spec.row_time).diff()) < timedelta(0)).fill_null(value=False)


def _other_archive(given: Given) -> pl.Expr:
    wanted = {"source": pl.lit(given.file.source), "symbol": given.symbol}
    return pl.any_horizontal(
        # A mirror's file names have `-` for the slash in a symbol.
        pl.col(column.name).str.replace_all("/", "-", literal=True) != wanted[column.repeats]
        for column in given.spec.repeated
    )


OUTSIDE_PERIOD = reject("outside-period", "The row's time lies in the half-open period of its archive.", (), _outside_period)
OTHER_ARCHIVE = reject(
    "other-archive",
    "Columns that repeat the publisher or the symbol agree with the archive's name.",
    ("exchange", "symbol", "underlying", "future"),
    _other_archive,
    partial=True,
)
ROW_ORDER = flag("row-order", "Rows follow each other in time.", (), _row_order)
