"""What a rule is, and the rules that every table has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import polars as pl

from lakehouse_sdk.tables.formats import FormatSpec
from lakehouse_sdk.tables.source import SourceFile


class Severity(StrEnum):
    """What happens to a row that breaks a rule."""

    REJECT = "E"
    FLAG = "W"


Breaks = Callable[[FormatSpec, SourceFile], pl.Expr]


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement about rows.

    Attributes:
        id: Fixed name, as it stands in the quarantine and quality tables.
        sentence: What holds for a good row.
        severity: What happens to a bad one.
        shows: Columns that the rule reads, whose values explain a breach; empty where `FormatSpec` names them.
        breaks: Builds the expression that is true for a bad row of this file. A null counts as good.
        partial: True where the rule is about those of the columns that a format has; else it needs them all.
    """

    id: str
    sentence: str
    severity: Severity
    shows: tuple[str, ...]
    breaks: Breaks
    partial: bool = False

    def shown(self, spec: FormatSpec) -> tuple[str, ...]:
        """The columns of this format that explain a breach."""
        return tuple(name for name in self.shows if name in spec.kept) or (spec.row_time,)

    def applies(self, spec: FormatSpec) -> bool:
        """True where the format has the columns that the rule is about."""
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

    def breaks(spec: FormatSpec, _file: SourceFile) -> pl.Expr:
        return pl.min_horizontal(name for name in names if name in spec.kept) <= 0

    return reject("price-positive", "Prices are greater than 0.", names, breaks, partial=True)


def not_negative(*names: str) -> Rule:
    """Amounts and counts of these columns, as far as the format has them."""

    def breaks(spec: FormatSpec, _file: SourceFile) -> pl.Expr:
        # One by one: a common type of volumes and counts would round large counts.
        return pl.any_horizontal((pl.col(name) < 0).fill_null(value=False) for name in names if name in spec.kept)

    return reject("volume-nonnegative", "Volumes and counts are not negative.", names, breaks, partial=True)


def _outside_period(spec: FormatSpec, file: SourceFile) -> pl.Expr:
    return ~pl.col(spec.row_time).is_between(file.period_start - spec.early, file.period_end + spec.late, closed="left")


def _row_order(spec: FormatSpec, _file: SourceFile) -> pl.Expr:
    return (pl.col(spec.row_time).diff() < timedelta(0)).fill_null(value=False)


def _other_archive(spec: FormatSpec, file: SourceFile) -> pl.Expr:
    wanted = {"source": file.source, "symbol": file.symbol}
    return pl.any_horizontal(
        # A mirror's file names have `-` for the slash in a symbol.
        pl.col(column.name).str.replace_all("/", "-", literal=True) != wanted[column.repeats]
        for column in spec.repeated
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
