"""Many small archives at once: those without a fault are read and judged in one pass, all others one by one.

A small archive takes longer to prepare than to check: calls and expressions cost the same for a thousand rows as for fifty
thousand. So archives of one series are laid end to end. Whatever is not in perfect order, a line that does not fit, a row that
a rule rejects, a repetition, an unusual order, sends its archive to `parse_archive` and `validate`, which alone say what is
wrong. The outcome is theirs for every archive.

What holds several rows of one time, like snapshots of a book, comes in large files and is not looked at here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables.judge.container import UnreadableError, cut_lines, unpack
from lakehouse_sdk.tables.judge.enrich import enrich
from lakehouse_sdk.tables.judge.large import LARGE_BYTES, check_large
from lakehouse_sdk.tables.judge.lines import REJECTED_SCHEMA
from lakehouse_sdk.tables.judge.parse import (
    LINE,
    find_spec,
    name_time_unit,
    parse_archive,
    read_beginning,
    read_fast,
    to_instants,
    verify,
)
from lakehouse_sdk.tables.judge.roundtrip import count_rounded, count_truncated, may_be_rounded
from lakehouse_sdk.tables.judge.rules import ARCHIVE, SYMBOL, TIME_TRUNCATED, Given, Severity, apply_rules, select_installed
from lakehouse_sdk.tables.judge.validation import CheckedBatch, apply_rejecting, find_scope, validate
from lakehouse_sdk.tables.layout.days import count_days
from lakehouse_sdk.tables.layout.formats import FormatSpec

if TYPE_CHECKING:
    from lakehouse_sdk.tables.layout.source import SourceFile

SMALL_BYTES = 256 * 1024
"""Archives of this size or more are checked one by one: their rows take longer than what is saved."""

_MOST_TEXT_BYTES = 4 * 1024**2
"""The same for what comes out of them; a small archive can hold a large file."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_Integers = npt.NDArray[np.int64]
_Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Body:
    """The lines of one archive, each ended."""

    file: SourceFile
    text: bytes
    has_header: bool
    rows: int


@dataclass(frozen=True, slots=True)
class _Lengths:
    """How the rows of several archives follow each other."""

    starts: _Integers
    stops: _Integers

    def total(self, values: npt.NDArray[Any]) -> _Integers:
        """The sum over each archive."""
        return cast("_Integers", np.add.reduceat(values, self.starts, dtype=np.int64))

    def least_step(self, values: _Integers) -> _Integers:
        """The smallest difference between neighbours within each archive; the largest number there is where it has one row."""
        steps = np.full(len(values), np.iinfo(np.int64).max)
        steps[:-1] = values[1:] - values[:-1]
        steps[self.stops - 1] = np.iinfo(np.int64).max
        return cast("_Integers", np.minimum.reduceat(steps, self.starts))


def check_archives(
    archives: Sequence[tuple[bytes, SourceFile]], limits: QualitySettings, *, exact: bool = False
) -> list[CheckedBatch]:
    """`validate(parse_archive(data, file, exact=exact), limits)` of each archive, in their order, and quicker for small ones.

    Pure and picklable, so that threads and processes can run it.

    Args:
        archives: The bytes of each archive and what it is said to be. Small ones gain where many are of one series.
        limits: Thresholds of the rules.
        exact: True to read numbers as decimals as well, for a table that holds them.

    Raises:
        UsageError: No format is known for a source, market and data type.
        IntegrityError: The bytes of an archive do not have its `sha256`.
    """
    checked: dict[int, CheckedBatch] = {}
    for spec, places in _group(archives, exact=exact):
        bodies = {}
        for place in places:
            data, file = archives[place]
            verify(data, file)
            body = _read_body(data, file, spec)
            if body is not None:
                bodies[place] = body
        checked |= _check_bodies(bodies, spec, limits)
    return [
        checked[place] if place in checked else _check_one(data, file, limits, exact=exact)
        for place, (data, file) in enumerate(archives)
    ]


def _check_one(data: bytes, file: SourceFile, limits: QualitySettings, *, exact: bool) -> CheckedBatch:
    most = round(limits.max_unpacked_gib * 1024**3)
    if len(data) >= LARGE_BYTES and (batch := check_large(data, file, limits, exact=exact, max_bytes=most)) is not None:
        return batch
    return validate(parse_archive(data, file, exact=exact, max_bytes=most), limits)


def _group(archives: Sequence[tuple[bytes, SourceFile]], *, exact: bool) -> list[tuple[FormatSpec, list[int]]]:
    """Places of small archives that can be read and judged together, two or more each."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    specs: dict[tuple[object, ...], FormatSpec] = {}
    for place, (data, file) in enumerate(archives):
        if len(data) >= SMALL_BYTES or file.is_unusual:
            continue
        spec = find_spec(file, exact=exact)
        series = (spec.content, file.source, file.market, file.data_type, file.interval, file.instrument is None)
        groups[series].append(place)
        specs[series] = spec
    return [(specs[series], places) for series, places in groups.items() if len(places) > 1 and _is_eligible(specs[series])]


def _is_eligible(spec: FormatSpec) -> bool:
    """Rules of other packages may look at neighbours, and do not know of other archives."""
    return spec.content == "csv" and not any(select_installed(spec, severity) for severity in Severity)


def _read_body(data: bytes, file: SourceFile, spec: FormatSpec) -> _Body | None:
    """The lines of an archive, or None where there are none, where they are too many, or where it cannot be read."""
    try:
        pieces = cut_lines(unpack(data, file.stem, file.container))
        begins = read_beginning(pieces, spec)
        text = b""
        for piece in chain((begins.text,), pieces):
            text += piece
            if len(text) > _MOST_TEXT_BYTES:
                return None
    except UnreadableError:
        return None
    if begins.defect is not None or not text:
        return None
    if not text.endswith(b"\n"):
        text += b"\n"
    return _Body(file, text, begins.has_header, text.count(b"\n"))


def _check_bodies(bodies: dict[int, _Body], spec: FormatSpec, limits: QualitySettings) -> dict[int, CheckedBatch]:
    """The archives that have no fault; halves are tried where the whole cannot be read."""
    if not bodies:
        return {}
    text = b"".join(body.text for body in bodies.values())
    rows = read_fast(text, 1, spec)
    if rows is not None and rows.height == sum(body.rows for body in bodies.values()):
        return _judge(list(bodies.items()), text, rows, spec, limits)
    if len(bodies) == 1:
        return {}
    places = list(bodies)
    halves = places[: len(places) // 2], places[len(places) // 2 :]
    left, right = (_check_bodies({place: bodies[place] for place in half}, spec, limits) for half in halves)
    return left | right


def _judge(
    bodies: list[tuple[int, _Body]], text: bytes, raw: pl.DataFrame, spec: FormatSpec, limits: QualitySettings
) -> dict[int, CheckedBatch]:
    """Judge well-formed rows; `raw` has instants as integers."""
    files = [body.file for _, body in bodies]
    counts = [body.rows for _, body in bodies]
    stops = np.fromiter(accumulate(counts), np.int64, len(counts))
    lengths = _Lengths(stops - counts, stops)
    rows = to_instants(raw, spec).with_columns(
        pl.Series(ARCHIVE, np.repeat(np.arange(len(counts), dtype=np.uint32), counts)).set_sorted()
    )
    if spec.repeated:
        rows = rows.with_columns(pl.Series(SYMBOL, [file.symbol for file in files]).gather(rows[ARCHIVE]))
    given = Given(spec, files[0], limits, together=True)
    is_clean = _is_in_order(rows, lengths, files, spec) & ~_is_rejected(rows, lengths, given)
    flags, flagged = _count_flags(rows, lengths, given)
    enriched = enrich(rows.drop(ARCHIVE, SYMBOL, strict=False), spec, list(zip(files, counts, strict=True)))
    times = raw[spec.row_time].to_numpy()
    least, most = (reduce(times, lengths.starts).tolist() for reduce in (np.minimum.reduceat, np.maximum.reduceat))
    rows_flagged = [0] * len(files) if flagged is None else lengths.total(flagged.to_numpy()).tolist()
    is_rounded = may_be_rounded(text, rows, spec)
    is_finer = count_truncated(text, spec) > 0
    first_times = rows[spec.row_time].gather(lengths.starts).to_list()
    last_times = rows[spec.row_time].gather(lengths.stops - 1).to_list()
    none = pl.DataFrame(schema=REJECTED_SCHEMA)
    checked = {}
    for number, (place, body) in enumerate(bodies):
        if not is_clean[number]:
            continue
        start, count = int(lengths.starts[number]), body.rows
        own = rows.slice(start, count)
        marks = None if flagged is None else flagged.slice(start, count)
        checked[place] = CheckedBatch(
            file=body.file,
            table=spec.table,
            accepted=enriched.slice(start, count),
            quarantined=none,
            rows_duplicate=0,
            rows_flagged=rows_flagged[number],
            flags={rule_id: found[number] for rule_id, found in flags.items() if found[number]}
            | ({TIME_TRUNCATED: cut} if (cut := count_truncated(body.text, spec) if is_finer else 0) else {}),
            rule_failures={},
            days=count_days(own, marks, none["line"], spec, body.file, LINE),
            has_header=body.has_header,
            time_unit=name_time_unit(least[number], most[number], spec),
            first_time=first_times[number],
            last_time=last_times[number],
            defect=None,
            scope=find_scope(body.file, spec),
            numbers_rounded=count_rounded(body.text, own, spec) if is_rounded else 0,
        )
    return checked


def _is_in_order(rows: pl.DataFrame, lengths: _Lengths, files: list[SourceFile], spec: FormatSpec) -> _Truths:
    """True for archives whose rows rise in time and natural key, without repetition, within their periods."""
    times = rows[spec.row_time].to_physical().to_numpy()
    step = lengths.least_step(times)
    first = rows[spec.natural_key[0]]
    rising = None
    if first.dtype.is_integer() or first.dtype.is_temporal():
        rising = (lengths.least_step(first.to_physical().to_numpy()) > 0) & (step >= 0)
    if rising is not None and (len(spec.natural_key) == 1 or rising.all()):
        in_order = rising
    else:
        repeated = rows.select(ARCHIVE, *spec.natural_key).is_duplicated().to_numpy()
        in_order = (lengths.total(repeated) == 0) & (step > 0)
    scopes = [find_scope(file, spec) for file in files]
    least = np.array([(scope.period_start - _EPOCH) // _MICROSECOND for scope in scopes])
    limit = np.array([(scope.period_end - _EPOCH) // _MICROSECOND for scope in scopes])
    return in_order & (times[lengths.starts] >= least) & (times[lengths.stops - 1] < limit)


def _is_rejected(rows: pl.DataFrame, lengths: _Lengths, given: Given) -> _Truths:
    """True for archives with a row that a rule rejects."""
    masks = [mask for _, mask in apply_rejecting(given)]
    if not masks or not any(rows.select(mask.any() for mask in masks).row(0)):
        return np.zeros(len(lengths.starts), dtype=bool)
    return lengths.total(rows.select(pl.any_horizontal(masks)).to_series().to_numpy()) > 0


def _count_flags(rows: pl.DataFrame, lengths: _Lengths, given: Given) -> tuple[dict[str, list[int]], pl.Series | None]:
    """Rows of each archive by the flagging rule that they break, and which rows break any; None where none does."""
    masks = [mask for _, mask in apply_rules(Severity.FLAG, given)]
    if not masks:
        return {}, None
    broken = rows.select(masks)
    broken = broken.select(mask.name for mask in broken if mask.any())
    if not broken.width:
        return {}, None
    flags = {mask.name: lengths.total(mask.to_numpy()).tolist() for mask in broken}
    return flags, broken.select(pl.any_horizontal(pl.all())).to_series()
