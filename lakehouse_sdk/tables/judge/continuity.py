"""Rows judged against the last ones of the archive before: halts, gaps and jumps do not care where a file ends; pure.

Archives of one bar hold no run and no neighbour at all. So what is known of the end of a series is carried from archive to
archive, and the first row of the next is judged against it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables.judge.validation import CheckedBatch
from lakehouse_sdk.tables.layout.bar_lengths import INTERVALS
from lakehouse_sdk.tables.layout.formats import (
    AGG_TRADES,
    BOOK_DEPTH,
    FUNDING,
    INDEX_KLINES,
    KLINES,
    MARK_KLINES,
    METRICS,
    PREMIUM_KLINES,
    TRADES,
)

_STEP = timedelta(minutes=5)
_BARS = frozenset({KLINES, MARK_KLINES, INDEX_KLINES, PREMIUM_KLINES})
_NUMBERS = {TRADES: ("trade_id", "trade-id-gap"), AGG_TRADES: ("agg_trade_id", "agg-id-gap")}
TAIL_COLUMNS: dict[str, tuple[str, ...]] = {
    KLINES: ("open_time", "close", "open", "high", "low", "volume"),
    **dict.fromkeys((MARK_KLINES, INDEX_KLINES, PREMIUM_KLINES), ("open_time",)),
    METRICS: ("create_time", "sum_open_interest"),
    BOOK_DEPTH: ("depth_time", "percentage", "depth", "notional"),
    FUNDING: ("funding_time", "interval_hours"),
    TRADES: ("trade_time", "trade_id"),
    AGG_TRADES: ("transact_time", "agg_trade_id"),
}
"""What is looked at of each table, its time first; other tables have nothing that follows from row to row."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a series so far.

    Attributes:
        time: When its last row was.
        value: What may jump: the last close, open interest or price of the book; None where nothing can.
        flat: How many bars without a trade it ends with.
        number: Id of its last trade.
        hours: Hours until the next funding payment.
    """

    time: datetime
    value: float | None = None
    flat: int = 0
    number: int | None = None
    hours: int | None = None


def find_lookback(table: str, interval: str | None, limits: QualitySettings) -> timedelta | None:
    """How long before an archive the rows lie that it is judged against; None for tables where nothing follows."""
    if table in _BARS:
        length = INTERVALS.get(interval or "")
        return None if length is None else limits.halt_bars * length
    return {METRICS: timedelta(hours=1), BOOK_DEPTH: timedelta(minutes=10), FUNDING: timedelta(hours=25)}.get(
        table, timedelta(minutes=10) if table in _NUMBERS else None
    )


def read_tail(table: str, rows: pa.Table, before: Tail | None = None) -> Tail | None:
    """The end of a series behind these rows, ascending by time; None where there are none and nothing was known before."""
    if table not in TAIL_COLUMNS or not rows.num_rows:
        return before
    if table in _NUMBERS:  # only the last row counts, and there may be many
        rows = rows.slice(rows.num_rows - 1)
    frame = pl.DataFrame(pl.from_arrow(rows.select([n for n in TAIL_COLUMNS[table] if n in rows.column_names])))
    time = frame[TAIL_COLUMNS[table][0]]
    last = frame.row(-1, named=True)
    if table == KLINES:
        lively = frame.select(~_is_flat()).to_series().arg_true()
        carried = before.flat if before is not None else 0
        flat = frame.height - 1 - lively[-1] if len(lively) else frame.height + carried
        return Tail(time[-1], last["close"], int(flat))
    if table == METRICS:
        return Tail(time[-1], last["sum_open_interest"])
    if table == BOOK_DEPTH:
        return Tail(time[-1], _price_of_book(frame.filter(time == time[-1])))
    if table == FUNDING:
        return Tail(time[-1], hours=last.get("interval_hours"))
    number = _NUMBERS[table][0] if table in _NUMBERS else None
    return Tail(time[-1], number=None if number is None else last[number])


def judge_after(tail: Tail | None, batch: CheckedBatch, limits: QualitySettings) -> CheckedBatch:
    """The batch with the flags of its first rows, as they follow on what was before; rows that are flagged are counted once."""
    if tail is None or not batch.accepted.num_rows or batch.table not in TAIL_COLUMNS or batch.defect is not None:
        return batch
    names = [name for name in TAIL_COLUMNS[batch.table] if name in batch.accepted.column_names]
    head = batch.accepted.select(names).slice(0, limits.halt_bars)
    frame = pl.DataFrame(pl.from_arrow(head))
    lookback = find_lookback(batch.table, batch.file.interval, limits) or timedelta(0)
    first = frame.row(0, named=True)
    passed = first[names[0]] - tail.time
    if not timedelta(0) < passed <= lookback:  # a day that is not there at all is a matter of completeness
        return batch
    found = _find_breaches(_Joint(tail, batch, frame, first, passed, limits))
    if not found:
        return batch
    flags = {**batch.flags, **{rule: batch.flags.get(rule, 0) + count for rule, count in found.items()}}
    more = min(max(found.values()), batch.rows_accepted - batch.rows_flagged)
    days = batch.days
    if days and more:
        days = (replace(days[0], rows_flagged=days[0].rows_flagged + more), *days[1:])
    return replace(batch, flags=flags, rows_flagged=batch.rows_flagged + more, days=days)


@dataclass(frozen=True, slots=True)
class _Joint:
    """Where one archive follows on another.

    Attributes:
        tail: The end before.
        batch: The archive.
        rows: Its first rows, of `TAIL_COLUMNS`.
        first: The first of them.
        passed: Time from the one to the other.
        limits: Thresholds.
    """

    tail: Tail
    batch: CheckedBatch
    rows: pl.DataFrame
    first: dict[str, Any]
    passed: timedelta
    limits: QualitySettings


def _find_breaches(joint: _Joint) -> dict[str, int]:
    """Rows by the rule that they break only together with what was before."""
    table = joint.batch.table
    if table in _BARS:
        found = _judge_bars(joint)
    elif table in _NUMBERS:
        found = _judge_numbers(joint)
    else:
        found = {METRICS: _judge_metrics, BOOK_DEPTH: _judge_book, FUNDING: _judge_funding}[table](joint)
    return {rule: count for rule, count in found.items() if count}


def _judge_bars(joint: _Joint) -> dict[str, int]:
    tail, file, limits = joint.tail, joint.batch.file, joint.limits
    length = INTERVALS.get(file.interval or "")
    gap = length is not None and file.source == "binance" and joint.passed > length
    if joint.batch.table != KLINES:
        return {"bar-gap": gap}
    flat = joint.rows.select(_is_flat()).to_series()
    run = joint.rows.height if flat.all() else int(flat.arg_min() or 0)
    # From so many on a run is flagged within the archive already.
    halted = run if run < limits.halt_bars <= run + tail.flat else 0
    return {"bar-gap": gap, "price-jump": _jumps(tail.value, joint.first["open"], limits.price_jump), "halt": halted}


def _judge_metrics(joint: _Joint) -> dict[str, int]:
    jumps = _jumps(joint.tail.value, joint.first["sum_open_interest"], joint.limits.open_interest_jump)
    return {"stamp-gap": joint.passed > _STEP, "open-interest-jump": jumps}


def _judge_book(joint: _Joint) -> dict[str, int]:
    time = joint.rows.columns[0]
    price = _price_of_book(joint.rows.filter(pl.col(time) == joint.first[time]))
    return {"implied-price-jump": _jumps(joint.tail.value, price, joint.limits.price_jump)}


def _judge_funding(joint: _Joint) -> dict[str, int]:
    hours = joint.tail.hours
    late = hours is not None and joint.passed > timedelta(hours=hours, seconds=joint.limits.funding_tolerance_s)
    return {"funding-gap": late}


def _judge_numbers(joint: _Joint) -> dict[str, int]:
    number, rule = _NUMBERS[joint.batch.table]
    last = joint.tail.number
    return {rule: joint.batch.file.source != "ftx" and last is not None and joint.first[number] > last + 1}


def _is_flat() -> pl.Expr:
    return (pl.col("volume") == 0) & (pl.col("high") == pl.col("low"))


def _price_of_book(bands: pl.DataFrame) -> float | None:
    """What one unit costs in the innermost band; one of them stands for all."""
    inner = bands.filter(pl.col("depth") > 0).sort(pl.col("percentage").abs()).head(1)
    return None if inner.is_empty() else float(inner["notional"][0] / inner["depth"][0])


def _jumps(before: float | None, now: float | None, share: float) -> bool:
    return bool(before) and now is not None and abs(now - float(before or 0)) > share * abs(float(before or 0))
