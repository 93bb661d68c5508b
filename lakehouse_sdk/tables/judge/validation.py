"""Checks the rows of one archive: accepted, duplicate or quarantined, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables.judge.container import ArchiveDefect
from lakehouse_sdk.tables.judge.enrich import enrich
from lakehouse_sdk.tables.judge.lines import REJECTED_SCHEMA
from lakehouse_sdk.tables.judge.parse import LINE, ParsedArchive
from lakehouse_sdk.tables.judge.rules import (
    CONFLICTING_DUPLICATE,
    EXACT_SCALE,
    SENTENCES,
    TIME_TRUNCATED,
    UNUSUAL_KEY,
    Given,
    Rule,
    Severity,
    apply_rules,
    explain_breach,
    explain_values,
    reject,
    select_installed,
)
from lakehouse_sdk.tables.layout.days import DayCount, count_days
from lakehouse_sdk.tables.layout.decimals import PREFIX, exact_types
from lakehouse_sdk.tables.layout.formats import FormatSpec
from lakehouse_sdk.tables.layout.source import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_sdk.tables.layout.schemas import TableLayout


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """The rows of one archive after all checks; `rows_in` = accepted + duplicate + quarantined, always.

    Attributes:
        file: The archive.
        table: Full name of the table that takes the accepted rows.
        accepted: Good rows with every column of the table but `_ingested_at`, ascending by time and natural key.
        quarantined: Rejected rows: `line` (the first of the CSV is 1), `rule`, `value`, `text`, ascending by line.
        rows_duplicate: Exact repetitions; of each set the first row is among the accepted ones.
        rows_flagged: Accepted rows that break at least one rule of severity W.
        flags: The same by rule id; rules that no row breaks are left out.
        rule_failures: Rules of other packages that raised, with what they raised; the rows were judged without them.
        days: One row for each day of the archive, as `count_days` returns them.
        has_header: True where the CSV begins with the column names.
        time_unit: `s`, `ms`, `us`, `mixed` or `text`; None without rows.
        first_time: Time of the first accepted row.
        last_time: Time of the last accepted row.
        defect: Why the archive could not be read at all; then there are no rows.
        scope: The archive with the whole period in which its format allows rows: what a newer revision must replace.
        layout: The table where it is a user's own; None for the SDK's.
        withdraws: Archives whose rows within a time (start, end) these rows take the place of: a month that gives way to a day.
        numbers_rounded: Numbers of the file whose text has more digits than float64 holds.
    """

    file: SourceFile
    table: str
    accepted: pa.Table = field(repr=False)
    quarantined: pl.DataFrame = field(repr=False)
    rows_duplicate: int
    rows_flagged: int
    flags: dict[str, int]
    rule_failures: dict[str, str]
    days: tuple[DayCount, ...] = field(repr=False)
    has_header: bool
    time_unit: str | None
    first_time: datetime | None
    last_time: datetime | None
    defect: ArchiveDefect | None
    scope: SourceFile
    withdraws: tuple[tuple[str, datetime, datetime], ...] = ()
    numbers_rounded: int = 0
    layout: TableLayout | None = field(default=None, repr=False)

    @property
    def rows_in(self) -> int:
        """Data lines of the file."""
        return self.rows_accepted + self.rows_duplicate + self.rows_quarantined

    @property
    def rows_accepted(self) -> int:
        """Rows that go into the table."""
        return int(self.accepted.num_rows)

    @property
    def rows_quarantined(self) -> int:
        """Rows that go into quarantine."""
        return self.quarantined.height

    @property
    def rejects(self) -> dict[str, int]:
        """Quarantined rows by rule id."""
        if self.quarantined.is_empty():
            return {}
        return dict(self.quarantined.group_by("rule").len().sort("rule").iter_rows())


_DEFAULT_LIMITS = QualitySettings()
_MASK = "_breaks"
_FAILURE_LIMIT = 300
"""Characters that are kept of what a rule raised."""


def validate(parsed: ParsedArchive, limits: QualitySettings = _DEFAULT_LIMITS) -> CheckedBatch:
    """Apply every rule of the format; pure and picklable, so that threads and processes can run it.

    Rows are first judged one by one; a row that breaks several rules is quarantined for the first. Among the rest, rows with
    the same natural key and different content are quarantined, all of them: none is more credible than the other. Exact
    repetitions are counted and dropped. Flags are counted on what is accepted, and reject nothing. A rule of another package
    that raises is named in `rule_failures` and judges nothing; the archive is not lost for it.

    Args:
        parsed: What the archive says.
        limits: Thresholds of the rules.
    """
    judged = judge_rows(parsed, limits)
    good, flagged, quarantined = judged.good, judged.flagged, judged.quarantined
    days = count_days(good, flagged, quarantined["line"], parsed.spec, parsed.file, LINE)
    good = judged.ordered(parsed.spec)
    times = good[parsed.spec.row_time]
    return CheckedBatch(
        file=parsed.file,
        table=parsed.spec.table,
        accepted=enrich(good, parsed.spec, [(parsed.file, good.height)]),
        quarantined=quarantined,
        rows_duplicate=judged.rows_duplicate,
        rows_flagged=judged.rows_flagged,
        flags=judged.flags,
        rule_failures=judged.rule_failures,
        days=days,
        has_header=parsed.has_header,
        time_unit=parsed.time_unit,
        first_time=times[0] if len(times) else None,
        last_time=times[-1] if len(times) else None,
        defect=parsed.defect,
        scope=find_scope(parsed.file, parsed.spec),
        numbers_rounded=parsed.numbers_rounded,
    )


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """What the rules say of some rows of one archive.

    Attributes:
        good: Rows that reject nothing, in the order of the file, with the number of their line.
        flagged: True for each of them that breaks a rule of severity W; None where none does.
        flags: How many do, by rule id.
        quarantined: `REJECTED_SCHEMA`, ascending by line.
        rows_duplicate: Exact repetitions that were dropped.
        rule_failures: As `CheckedBatch` has them.
    """

    good: pl.DataFrame
    flagged: pl.Series | None
    flags: dict[str, int]
    quarantined: pl.DataFrame
    rows_duplicate: int
    rule_failures: dict[str, str]

    @property
    def rows_flagged(self) -> int:
        """Good rows that break any rule of severity W."""
        return 0 if self.flagged is None else int(self.flagged.sum())

    def ordered(self, spec: FormatSpec) -> pl.DataFrame:
        """The good rows ascending by time and natural key."""
        step = _least_step(self.good[spec.row_time])
        if step > 0 or (step == 0 and _is_ascending(self.good, list(spec.natural_key))):
            return self.good
        return self.good.sort(list(dict.fromkeys((spec.row_time, *spec.natural_key))), maintain_order=True)


def judge_rows(parsed: ParsedArchive, limits: QualitySettings, before: pl.DataFrame | None = None) -> JudgedRows:
    """Apply every rule of the format to these rows.

    Args:
        parsed: The rows, and the lines that are none. Without `data` the text of rows that a rule rejects stays null.
        limits: Thresholds of the rules.
        before: The good row before the first one, where the rows are a part of their archive: for rules about neighbours.
    """
    given = Given(parsed.spec, parsed.file, limits)
    failures: dict[str, str] = {}
    good, rejected = _reject(parsed, given, failures)
    good, conflicts, rows_duplicate = _deduplicate(good, parsed)
    flags, flagged = _flag(good, given, failures, before)
    if parsed.times_truncated:
        flags = {**flags, TIME_TRUNCATED: parsed.times_truncated}
    if parsed.file.is_unusual and good.height:
        flags, flagged = {**flags, UNUSUAL_KEY: good.height}, pl.repeat(True, good.height, eager=True)  # noqa: FBT003
    quarantined = _with_text(parsed, pl.concat([rejected, conflicts]))
    return JudgedRows(good, flagged, flags, quarantined, rows_duplicate, failures)


def find_scope(file: SourceFile, spec: FormatSpec) -> SourceFile:
    """The archive with the whole period in which its format allows rows."""
    return replace(file, period_start=file.period_start - spec.early, period_end=file.period_end + spec.late)


_BREACHES = {"line": pl.Int64, "rule": pl.String, "value": pl.String}


def _reject(parsed: ParsedArchive, given: Given, failures: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that break no rejecting rule, and `_BREACHES` of the others."""
    rows, spec = parsed.rows, parsed.spec
    own = apply_rejecting(given)
    rules, breaks = tuple(rule for rule, _ in own), [mask for _, mask in own]
    installed = _apply_installed(rows, Severity.REJECT, given, failures)
    clean = not breaks or rows.is_empty() or not any(rows.select(mask.any() for mask in breaks).row(0))
    if clean and not any(mask.any() for _, mask in installed):
        return rows, pl.DataFrame(schema=_BREACHES)
    rules = (*rules, *(rule for rule, _ in installed))
    masks = rows.select(*breaks, *(mask for _, mask in installed))
    broken = masks.select(pl.any_horizontal(pl.all())).to_series()
    # polars 2.1 panics where it makes text of rows of which the first chunk is empty.
    bad = rows.filter(broken).hstack(masks.filter(broken)).rechunk()
    breaches = bad.select(
        pl.col(LINE).alias("line"),
        pl.coalesce(pl.when(pl.col(rule.id)).then(pl.lit(rule.id)) for rule in rules).alias("rule"),
        pl.coalesce(pl.when(pl.col(rule.id)).then(explain_breach(rule, spec)) for rule in rules).alias("value"),
    )
    return rows.filter(~broken), breaches


def apply_rejecting(given: Given) -> list[tuple[Rule, pl.Expr]]:
    """The SDK's own rules that reject, as `apply_rules` gives them."""
    own = apply_rules(Severity.REJECT, given)
    if given.spec.exact:
        exact = _exact_scale(given.spec)
        own.append((exact, exact.breaks(given).alias(exact.id)))
    return own


def _exact_scale(spec: FormatSpec) -> Rule:
    """Numbers that the table's decimals cannot hold whole; they are never rounded."""
    names = tuple(exact_types(spec))

    def breaks(_given: Given) -> pl.Expr:
        return pl.any_horizontal(pl.col(f"{PREFIX}{name}").is_null() & pl.col(name).is_not_null() for name in names)

    return reject(EXACT_SCALE, SENTENCES[EXACT_SCALE], names, breaks)


def _apply_installed(
    rows: pl.DataFrame, severity: Severity, given: Given, failures: dict[str, str]
) -> list[tuple[Rule, pl.Series]]:
    """Rules of other packages with one truth value for each row, named as the rule; those that fail are noted."""
    applied: list[tuple[Rule, pl.Series]] = []
    for rule in select_installed(given.spec, severity):
        try:
            mask = rows.with_columns(rule.breaks(given).alias(_MASK))[_MASK].alias(rule.id)
            if mask.dtype != pl.Boolean:
                raise TypeError(f"it is of type {mask.dtype} and not true or false for each row.")  # noqa: TRY301
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 (whatever someone else's rule raises)
            failures[rule.id] = f"{type(error).__name__}: {error}"[:_FAILURE_LIMIT]
            continue
        applied.append((rule, mask.fill_null(value=False)))
    return applied


def _deduplicate(rows: pl.DataFrame, parsed: ParsedArchive) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Unique rows, `_BREACHES` of the conflicting ones, and how many exact repetitions were dropped."""
    spec = parsed.spec
    key = list(spec.natural_key)
    none = pl.DataFrame(schema=_BREACHES)
    if _is_ascending(rows, key) or not rows.select(key).is_duplicated().any():
        return rows, none, 0
    content = [*spec.kept, *(f"{PREFIX}{name}" for name in exact_types(spec))]
    unique = rows.unique(content, keep="first", maintain_order=True)
    ambiguous = unique.filter(unique.select(key).is_duplicated()).select(key).unique()
    conflicting = rows.join(ambiguous, on=key, how="semi")
    kept = unique.join(ambiguous, on=key, how="anti", maintain_order="left")
    breaches = conflicting.select(
        pl.col(LINE).alias("line"),
        pl.lit(CONFLICTING_DUPLICATE).alias("rule"),
        explain_values(spec.natural_key).alias("value"),
    )
    return kept, breaches, rows.height - kept.height - conflicting.height


def _is_ascending(rows: pl.DataFrame, key: list[str]) -> bool:
    """True where the first column of the key rises strictly, so that no two rows are alike: the usual case, in one pass."""
    if not (rows.schema[key[0]].is_integer() or rows.schema[key[0]].is_temporal()):
        return False
    return _least_step(rows[key[0]]) > 0


def _least_step(values: pl.Series) -> int:
    """The smallest difference between neighbours; 1 where there are none."""
    numbers = values.to_physical().to_numpy()
    return int((numbers[1:] - numbers[:-1]).min()) if len(numbers) > 1 else 1


def _flag(
    rows: pl.DataFrame, given: Given, failures: dict[str, str], before: pl.DataFrame | None
) -> tuple[dict[str, int], pl.Series | None]:
    """Rows by the flagging rule that they break, and which rows break any; None where none does."""
    if rows.is_empty():
        return {}, None
    skipped = 0 if before is None else before.height
    seen = rows if before is None else pl.concat([before, rows])
    breaks = {rule.id: mask.slice(skipped) for rule, mask in apply_rules(Severity.FLAG, given)}
    found = seen.select(mask.sum() for mask in breaks.values()).row(0) if breaks else ()
    counts = {rule_id: int(count) for rule_id, count in zip(breaks, found, strict=True) if count}
    installed = [mask for _, mask in _apply_installed(rows, Severity.FLAG, given, failures) if mask.any()]
    flags = counts | {mask.name: int(mask.sum()) for mask in installed}
    if not flags:
        return {}, None
    masks = seen.select(breaks[rule_id] for rule_id in counts)
    masks = masks.hstack(installed) if counts else pl.DataFrame(installed)
    return flags, masks.select(pl.any_horizontal(pl.all())).to_series()


def _with_text(parsed: ParsedArchive, breaches: pl.DataFrame) -> pl.DataFrame:
    """All rejected rows of the archive with the text of their lines."""
    if breaches.is_empty():
        return parsed.rejected
    lines = breaches["line"].to_list()
    text = pl.Series("text", parsed.find_text(lines) if parsed.data else [None] * len(lines), dtype=pl.String)
    return pl.concat([parsed.rejected, breaches.with_columns(text)]).select(*REJECTED_SCHEMA).sort("line")
