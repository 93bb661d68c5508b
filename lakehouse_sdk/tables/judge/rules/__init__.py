"""What a row must be: small vectorised rules over columns, without any I/O.

Belongs here: statements about rows, by table. Must not: I/O, and anything about files as a whole. Read `Rule` first.

A rule is data: an id that never changes its meaning, a sentence for the report, a severity, and an expression that is true
where a row breaks it. `REJECT` sends the row to quarantine, `FLAG` only counts it. The order within `RULES` decides which rule
a row is quarantined for when it breaks several; rules of other packages come last. Thresholds come in with `Given`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import polars as pl

from lakehouse_sdk.tables.judge.rules import bars, derivatives, trades
from lakehouse_sdk.tables.judge.rules.model import ARCHIVE, OUTSIDE_PERIOD, SYMBOL, Given, Rule, Severity, reject
from lakehouse_sdk.tables.judge.rules.registry import RuleWarning, load_installed
from lakehouse_sdk.tables.layout.formats import FormatSpec

COLUMN_COUNT = "column-count"
NUMBER = "number"
CONFLICTING_DUPLICATE = "conflicting-duplicate"
DIFFERS_FROM_DAILY = "differs-from-daily"
ONLY_IN_DAILY = "only-in-daily"
ONLY_IN_MONTHLY = "only-in-monthly"
EXACT_SCALE = "exact-scale"
IN_TWO_ARCHIVES = "in-two-archives"
TIME_TRUNCATED = "time-truncated"
UNUSUAL_KEY = "unusual-key"
SENTENCES = {
    COLUMN_COUNT: "A line has exactly the columns of its format.",
    NUMBER: "Every field is what its column asks for: a finite number, an instant, a truth value, a side or a word.",
    CONFLICTING_DUPLICATE: "Rows with the same natural key have the same content.",
    EXACT_SCALE: "Every number fits the decimals of an exact table whole: 10 after the point, of ratios 18.",
    TIME_TRUNCATED: "Times are written in microseconds or less finely; finer digits are cut off.",
    UNUSUAL_KEY: "The archive's symbol and day are of a form that is known of its source.",
    IN_TWO_ARCHIVES: "A row is in the archive of its own day only.",
    DIFFERS_FROM_DAILY: "A month says of a row what the day's archive says.",
    ONLY_IN_DAILY: "A month has the rows that the day's archive has.",
    ONLY_IN_MONTHLY: "A day's archive has the rows that the month has.",
}
"""Rules about lines, about several rows and about several archives at once, which no expression over single rows can state."""

RULES: dict[str, tuple[Rule, ...]] = {**bars.RULES, **trades.RULES, **derivatives.RULES}
"""Rules of each table, in the order in which they are applied."""
_OWN_SENTENCES = SENTENCES | {rule.id: rule.sentence for rules in RULES.values() for rule in rules}
_OWN_IDS = frozenset(_OWN_SENTENCES)
_DAY_ONE, _DAY_TWO = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)

__all__ = [
    "ARCHIVE",
    "COLUMN_COUNT",
    "CONFLICTING_DUPLICATE",
    "DIFFERS_FROM_DAILY",
    "EXACT_SCALE",
    "IN_TWO_ARCHIVES",
    "NUMBER",
    "ONLY_IN_DAILY",
    "ONLY_IN_MONTHLY",
    "RULES",
    "SENTENCES",
    "SYMBOL",
    "TIME_TRUNCATED",
    "UNUSUAL_KEY",
    "Given",
    "Rule",
    "RuleWarning",
    "Severity",
    "apply_rules",
    "describe_rule",
    "explain_breach",
    "explain_values",
    "reject",
    "select_installed",
]


def _select_rules(spec: FormatSpec, severity: Severity) -> tuple[Rule, ...]:
    """The rules of the format's table that are about its columns and have this severity, in order."""
    return tuple(rule for rule in RULES.get(spec.table, ()) if rule.severity is severity and rule.applies(spec))


def apply_rules(severity: Severity, given: Given) -> list[tuple[Rule, pl.Expr]]:
    """Those rules with the expression that is true for a bad row, named as the rule, a null counted as good.

    What does not depend on the archive's period is made once for a series: making expressions takes longer than a small
    archive's rows take to be judged. Where several archives are judged together, who asks looks at their periods.
    """
    anytime = replace(given.file, key="", sha256="", period_start=_DAY_ONE, period_end=_DAY_TWO)
    if given.together:
        anytime = replace(anytime, symbol="", instrument=None)
    shared = _make_masks(_select_rules(given.spec, severity), replace(given, file=anytime))
    if given.together:
        return [(rule, mask) for rule, mask in shared if rule is not OUTSIDE_PERIOD]
    return [(rule, _mask(rule, given) if rule is OUTSIDE_PERIOD else mask) for rule, mask in shared]


@lru_cache(1024)
def _make_masks(rules: tuple[Rule, ...], given: Given) -> tuple[tuple[Rule, pl.Expr], ...]:
    return tuple((rule, _mask(rule, given)) for rule in rules)


def _mask(rule: Rule, given: Given) -> pl.Expr:
    return rule.breaks(given).fill_null(value=False).alias(rule.id)


def select_installed(spec: FormatSpec, severity: Severity) -> tuple[Rule, ...]:
    """The rules of other packages that are about the format and have this severity; they may raise when they are applied."""
    return tuple(rule for rule in load_installed(_OWN_IDS) if rule.severity is severity and rule.applies(spec))


def describe_rule(rule_id: str) -> str:
    """The sentence of a rule; a rule that several tables have says the same in each.

    Raises:
        KeyError: No rule has this id.
    """
    if rule_id in _OWN_SENTENCES:
        return _OWN_SENTENCES[rule_id]
    return {rule.id: rule.sentence for rule in load_installed(_OWN_IDS)}[rule_id]


def explain_breach(rule: Rule, spec: FormatSpec) -> pl.Expr:
    """`column=value, …` of the columns that the rule shows."""
    return explain_values(rule.shown(spec)).alias("value")


def explain_values(names: tuple[str, ...]) -> pl.Expr:
    """`column=value, …` as text; an empty field shows as nothing."""
    values = (pl.col(name).cast(pl.String).fill_null("") for name in names)
    return pl.format(", ".join(f"{name}={{}}" for name in names), *values)
