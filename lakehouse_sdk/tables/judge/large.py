"""Large archives of trades, judged day by day: what is held is the packed archive and a few days of rows, however many come.

A month of trades unpacks to gigabytes. Its rows rise in time, and no rule looks further than to the row before; rows are alike
only where time and id are. So it can be cut at every midnight that no row crosses, and each part judged as soon as it is read.
Accepted rows wait for the commit in files that are mapped into memory and already removed from their folder: the system may
drop their pages at any time, and behind a killed process stays at most the part that was being written.

The outcome is that of `validate(parse_archive(…))`, of which the tests make sure. Where rows cross a midnight by more than a
piece, or ids begin anew, the archive is left to those two.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.parallel import take_ahead
from lakehouse_sdk.tables.judge.container import UnreadableError, cut_lines, unpack
from lakehouse_sdk.tables.judge.enrich import enrich
from lakehouse_sdk.tables.judge.lines import REJECTED_SCHEMA
from lakehouse_sdk.tables.judge.parse import (
    LINE,
    ParsedArchive,
    Piece,
    find_spec,
    name_time_unit,
    no_rows,
    read_beginning,
    read_pieces,
    refuse_archive,
    to_instants,
    verify,
)
from lakehouse_sdk.tables.judge.rules import TIME_TRUNCATED, Severity, select_installed
from lakehouse_sdk.tables.judge.validation import CheckedBatch, JudgedRows, find_scope, judge_rows, validate
from lakehouse_sdk.tables.layout.days import DayCount, count_days, list_days
from lakehouse_sdk.tables.layout.formats import AGG_TRADES, TRADES, FormatSpec
from lakehouse_sdk.tables.layout.source import SourceFile

LARGE_BYTES = 64 * 1024**2
"""Packed size from which on archives are judged in parts: about 300 MiB of a CSV, half a GiB of rows."""
_TABLES = frozenset({AGG_TRADES, TRADES})


def check_large(
    data: bytes, file: SourceFile, limits: QualitySettings, *, max_bytes: int, exact: bool = False
) -> CheckedBatch | None:
    """`validate(parse_archive(data, file, exact=exact, max_bytes=max_bytes), limits)` in bounded memory.

    Takes temporary space of about the size of the rows (`TMPDIR` says where).

    Returns:
        None where the archive cannot be judged in parts: of another type, of a day only, with ids that do not rise from part to
        part, with rules of other packages, which may look at all rows, or where there is no temporary space.

    Raises:
        UsageError: No format is known for source, market and data type.
        IntegrityError: `data` does not have `file.sha256`.
    """
    spec = find_spec(file, exact=exact)
    is_month = file.period_end - file.period_start > timedelta(days=1)
    if not is_month or spec.table not in _TABLES or file.source == "ftx" or spec.row_time not in spec.natural_key:
        return None
    if any(select_installed(spec, severity) for severity in Severity):
        return None
    verify(data, file)
    try:
        pieces = take_ahead(cut_lines(unpack(data, file.stem, file.container, max_bytes)))
        begins = read_beginning(pieces, spec)
        if begins.defect is not None:
            return validate(replace(refuse_archive(file, spec, begins.defect), has_header=begins.has_header), limits)
        with tempfile.TemporaryDirectory(prefix="lakehouse-rows-") as folder:
            parts = _Parts(ParsedArchive(file, spec, pl.DataFrame(), has_header=begins.has_header), limits, Path(folder))
            cutter = _Cutter(file, spec)
            for rows, rejected in cutter.cut(read_pieces(begins, pieces, spec)):
                parts.add(rows, rejected)
    except UnreadableError as error:
        return validate(refuse_archive(file, spec, error.defect), limits)
    except (_NotInOrderError, OSError):
        return None
    return parts.join(data, cutter)


class _NotInOrderError(Exception):
    """Parts of the archive overlap in time or id."""


class _Cutter:
    """Cuts the rows of an archive at midnights that none of them crosses.

    Attributes:
        numbers_rounded: Of all rows so far.
        times_truncated: The same.
    """

    def __init__(self, file: SourceFile, spec: FormatSpec) -> None:
        self._file = file
        self._spec = spec
        self._rows: list[pl.DataFrame] = []
        self._rejected: list[pl.DataFrame] = [pl.DataFrame(schema=REJECTED_SCHEMA)]
        self._begin = file.period_start
        self._times: list[int] = []
        self.numbers_rounded = self.times_truncated = 0

    @property
    def time_unit(self) -> str | None:
        """As `ParsedArchive` has it."""
        return name_time_unit(min(self._times), max(self._times), self._spec) if self._times else None

    def cut(self, pieces: Iterator[Piece]) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Rows and rejected lines, part by part; the newest piece is always held back."""
        for piece in pieces:
            self.numbers_rounded += piece.numbers_rounded
            self.times_truncated += piece.times_truncated
            self._rejected.append(piece.rejected)
            rows = to_instants(piece.rows, self._spec)
            if rows.is_empty():
                continue
            written = piece.rows[self._spec.row_time]
            self._times += [cast("int", written.min()), cast("int", written.max())]
            earliest = cast("datetime", rows[self._spec.row_time].min())
            if earliest < self._begin and self._begin > self._file.period_start:
                raise _NotInOrderError
            self._rows.append(rows)
            midnight = earliest.replace(hour=0, minute=0, second=0, microsecond=0)
            if self._begin < midnight < self._file.period_end and (part := self._take_before(midnight)) is not None:
                yield part
        rows = pl.concat(self._rows) if self._rows else no_rows(self._spec)
        yield rows, pl.concat(self._rejected)

    def _take_before(self, midnight: datetime) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        """What is held from before midnight, without the newest piece; None where it is not all of what came first."""
        *older, newest = self._rows
        if not older:
            self._begin = midnight
            return None
        held = pl.concat(older)
        behind = held[self._spec.row_time] >= midnight
        count = cast("int", behind.arg_max()) if behind.any() else held.height
        if not behind[count:].all():
            return None
        self._begin = midnight
        self._rows = [held[count:], newest] if count < held.height else [newest]
        first_line = self._rows[0][LINE][0]
        rejected = pl.concat(self._rejected)
        self._rejected = [rejected.filter(pl.col("line") >= first_line)]
        return held[:count], rejected.filter(pl.col("line") < first_line)


class _Parts:
    """Judges the parts of an archive as they come, and lays them side by side.

    Args:
        whole: The archive without its rows.
        limits: Thresholds of the rules.
        folder: Where accepted rows are written; a file is gone from it as soon as it is mapped.
    """

    def __init__(self, whole: ParsedArchive, limits: QualitySettings, folder: Path) -> None:
        self._whole = whole
        self._limits = limits
        self._folder = folder
        self._number = whole.spec.natural_key[0]
        self._accepted: list[pa.Table] = []
        self._quarantined: list[pl.DataFrame] = []
        self._flags: Counter[str] = Counter()
        self._rows_duplicate = self._rows_flagged = 0
        self._times: list[datetime] = []
        self._days = _Days(whole.file, whole.spec)
        self._before: pl.DataFrame | None = None
        self._highest = -1

    def add(self, rows: pl.DataFrame, rejected: pl.DataFrame) -> None:
        """Judge the next part."""
        spec = self._whole.spec
        judged = judge_rows(replace(self._whole, rows=rows, rejected=rejected), self._limits, self._before)
        good = judged.ordered(spec)
        if good.height:
            self._follow(judged.good)
            self._times += [good[spec.row_time][0], good[spec.row_time][-1]]
        self._accepted.append(self._put_aside(enrich(good, spec, [(self._whole.file, good.height)])))
        self._quarantined.append(judged.quarantined)
        self._flags.update(judged.flags)
        self._rows_duplicate += judged.rows_duplicate
        self._rows_flagged += judged.rows_flagged
        self._days.add(judged)

    def _follow(self, good: pl.DataFrame) -> None:
        """Make sure that the rules about neighbours saw the right ones."""
        numbers = good[self._number]
        last = None if self._before is None else self._before[self._number][0]
        if cast("int", numbers.min()) <= self._highest or last not in {None, self._highest}:
            raise _NotInOrderError
        self._before = good.tail(1)
        self._highest = cast("int", numbers.max())

    def _put_aside(self, rows: pa.Table) -> pa.Table:
        path = self._folder / f"{len(self._accepted)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)
        with pa.memory_map(str(path)) as mapped:
            held = pa.ipc.open_file(mapped).read_all()
        path.unlink()
        return held

    def join(self, data: bytes, cutter: _Cutter) -> CheckedBatch:
        """The whole archive."""
        whole = replace(self._whole, data=data)
        flags = dict(self._flags)
        if cutter.times_truncated:
            flags[TIME_TRUNCATED] = cutter.times_truncated
        return CheckedBatch(
            file=whole.file,
            table=whole.spec.table,
            accepted=pa.concat_tables(self._accepted),
            quarantined=_with_text(pl.concat(self._quarantined), whole),
            rows_duplicate=self._rows_duplicate,
            rows_flagged=self._rows_flagged,
            flags=flags,
            rule_failures={},  # archives with rules of other packages are judged whole
            days=self._days.list_all(),
            has_header=whole.has_header,
            time_unit=cutter.time_unit,
            first_time=self._times[0] if self._times else None,
            last_time=self._times[-1] if self._times else None,
            defect=None,
            scope=find_scope(whole.file, whole.spec),
            numbers_rounded=cutter.numbers_rounded,
        )


def _with_text(quarantined: pl.DataFrame, whole: ParsedArchive) -> pl.DataFrame:
    """The rejected rows with the text of their lines, looked up for all parts at once."""
    lines = quarantined.filter(pl.col("text").is_null())["line"].to_list()
    if not lines:
        return quarantined
    found = pl.DataFrame({"line": lines, "found": whole.find_text(lines)}, schema={"line": pl.Int64, "found": pl.String})
    joined = quarantined.join(found, on="line", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("text", "found").alias("text")).drop("found")


class _Days:
    """The days of an archive, counted part by part; no day is in two parts."""

    def __init__(self, file: SourceFile, spec: FormatSpec) -> None:
        self._file = file
        self._spec = spec
        self._counts = {day: DayCount(day, 0, None, 0, 0, None, None) for day in list_days(file)}
        self._last = file.period_start

    def add(self, judged: JudgedRows) -> None:
        """Count a part. What is rejected before its first good row belongs to the day of the good row before that."""
        good, lines = judged.good, judged.quarantined["line"]
        first_line = good[LINE][0] if good.height else None
        early = lines if first_line is None else lines.filter(lines < first_line)
        if early.len():
            self._add_quarantined(self._last, early.len())
        if first_line is None:
            return
        own = lines.filter(lines >= first_line)
        for count in count_days(good, judged.flagged, own, self._spec, self._file, LINE):
            if count.rows_accepted or count.rows_quarantined:
                before = self._counts[count.day].rows_quarantined
                self._counts[count.day] = replace(count, rows_quarantined=before + count.rows_quarantined)
        last = cast("datetime", good[self._spec.row_time][-1])
        last = min(max(last, self._file.period_start), self._file.period_end - timedelta(microseconds=1))
        self._last = last.replace(hour=0, minute=0, second=0, microsecond=0)

    def _add_quarantined(self, day: datetime, rows: int) -> None:
        count = self._counts[day]
        self._counts[day] = replace(count, rows_quarantined=count.rows_quarantined + rows)

    def list_all(self) -> tuple[DayCount, ...]:
        """All days of the period, ascending."""
        return tuple(self._counts.values())
