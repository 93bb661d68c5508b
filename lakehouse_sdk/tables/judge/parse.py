"""Bytes of an archive to typed columns: nothing lost, nothing guessed, nothing silently null.

A file is unpacked and read piece by piece, each in one vectorised pass. Only where that pass meets trouble is the piece read
again in slices, and only the slices in trouble line by line (`lines`), so that each bad line is found by number while the good
ones are kept.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import cast

import polars as pl

from lakehouse_sdk.errors import IntegrityError
from lakehouse_sdk.parallel import take_ahead
from lakehouse_sdk.tables.judge.cells import empty_rows, read_cell, read_decimals
from lakehouse_sdk.tables.judge.container import MAX_CSV_BYTES, ArchiveDefect, UnreadableError, cut_lines, unpack
from lakehouse_sdk.tables.judge.json_lines import find_unknown_keys, key_of, read_objects
from lakehouse_sdk.tables.judge.lines import REJECTED_SCHEMA, find_text, read_lines, unquote
from lakehouse_sdk.tables.judge.roundtrip import count_rounded, count_truncated
from lakehouse_sdk.tables.layout.decimals import PREFIX, exact_types
from lakehouse_sdk.tables.layout.formats import (
    INSTANT_LIMIT,
    MICROSECONDS_FROM,
    MILLISECONDS_FROM,
    FormatSpec,
    Kind,
    get_format,
)
from lakehouse_sdk.tables.layout.source import SourceFile

LINE = "_line"
"""Column of every parsed frame: number of the line in the CSV, the first is 1."""

SLICE_BYTES = 4 * 1024**2
"""Size of the slices in which a file in trouble is read again; bounds the memory of the line-by-line pass."""

_TEXT = "_text_"
"""Before the name of a column of numbers that is read as text."""
_FORMATS_KEPT = 256
_LARGE_BYTES = 4 * 1024**2
"""Size of an archive from which on it is unpacked by one thread while another reads what is there."""
_TRUE = ["true", "True", "TRUE"]
_FALSE = ["false", "False", "FALSE"]
_BOM = b"\xef\xbb\xbf"
_READ_AS: dict[Kind, type[pl.DataType]] = {
    Kind.INTEGER: pl.Int64,
    Kind.INSTANT: pl.Int64,
    Kind.HOUR: pl.Int64,
    Kind.FLOAT: pl.Float64,
}
"""Kinds that polars reads as numbers itself; the others come as text."""
_AS_TEXT = (Kind.TEXT_INSTANT, Kind.DATE, Kind.TEXT, Kind.SIDE)
_UNITS = {"s": (0, MILLISECONDS_FROM), "ms": (MILLISECONDS_FROM, MICROSECONDS_FROM), "us": (MICROSECONDS_FROM, INSTANT_LIMIT)}


@dataclass(frozen=True, slots=True)
class ParsedArchive:
    """What one archive says.

    Attributes:
        file: The archive.
        spec: Its format.
        rows: Well-formed rows in the order of the file: `_line`, then `spec.kept`, without nulls but in the columns of
            `spec.optional`; instants are UTC with microseconds.
        rejected: Rows that are no rows of the format: `line`, `rule`, `value`, `text`.
        has_header: True where the CSV begins with the column names.
        time_unit: `s`, `ms`, `us`, `mixed` or `text`, as written for `spec.row_time`; None without rows.
        defect: Why nothing could be read at all; then there are no rows.
        numbers_rounded: Numbers of the rows whose text has more digits than float64 holds.
        times_truncated: Times of the file that say more than microseconds, which is what is kept.
        data: The archive itself: where a rule rejects a row, its text is looked up.
    """

    file: SourceFile
    spec: FormatSpec
    rows: pl.DataFrame
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
    has_header: bool = False
    time_unit: str | None = None
    defect: ArchiveDefect | None = None
    numbers_rounded: int = 0
    times_truncated: int = 0
    data: bytes = field(default=b"", repr=False)

    @property
    def rows_in(self) -> int:
        """Data lines of the file; header and blank lines do not count."""
        return self.rows.height + self.rejected.height

    def find_text(self, lines: Sequence[int]) -> list[str]:
        """The text of these lines, in the order given, each cut at `lines.TEXT_LIMIT` characters; unpacks the archive again."""
        return find_text(cut_lines(unpack(self.data, self.file.stem, self.file.container, sys.maxsize)), lines)


def parse_archive(data: bytes, file: SourceFile, *, exact: bool = False, max_bytes: int = MAX_CSV_BYTES) -> ParsedArchive:
    """Parse one archive; pure and picklable, so that threads and processes can run it.

    Whatever the bytes hold, the result says so: an archive that cannot be read has a `defect`, a malformed line is in
    `rejected` with its number (`column-count`, `number`), everything else is in `rows`.

    Args:
        data: The whole archive.
        file: What it is said to be.
        exact: True to read numbers as decimals as well, for a table that holds them.
        max_bytes: Largest file that is unpacked.

    Raises:
        UsageError: No format is known for this source, market and data type.
        IntegrityError: `data` does not have `file.sha256`, so the rows would carry a false lineage.
    """
    spec = find_spec(file, exact=exact)
    verify(data, file)
    return parse_as(data, file, spec, max_bytes)


def find_spec(file: SourceFile, *, exact: bool) -> FormatSpec:
    """The format of an archive.

    Raises:
        UsageError: No format is known for this source, market and data type.
    """
    return replace(get_format(file.source, file.market, file.data_type).for_key(file.key), exact=exact)


def verify(data: bytes, file: SourceFile) -> None:
    """Make sure that these are the bytes that the archive is known by.

    Raises:
        IntegrityError: They are others.
    """
    actual = hashlib.sha256(data).hexdigest()
    if actual != file.sha256:
        raise IntegrityError(f"{file.key} was to have SHA-256 {file.sha256} and has {actual}.", hint="Collect it again.")


def parse_as(data: bytes, file: SourceFile, spec: FormatSpec, max_bytes: int = MAX_CSV_BYTES) -> ParsedArchive:
    """As `parse_archive`, in a format that is given; whose bytes they are is not asked."""
    try:
        pieces = cut_lines(unpack(data, file.stem, file.container, max_bytes))
        return _parse_pieces(take_ahead(pieces) if len(data) > _LARGE_BYTES else pieces, file, spec, data)
    except UnreadableError as error:
        return refuse_archive(file, spec, error.defect)


def refuse_archive(file: SourceFile, spec: FormatSpec, defect: ArchiveDefect) -> ParsedArchive:
    """What there is of an archive that cannot be read."""
    return ParsedArchive(file, spec, no_rows(spec), defect=defect)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first lines of a file say.

    Attributes:
        text: The lines behind the header, as far as they are in the first piece that holds any.
        first_line: Number of the first of them.
        has_header: True where the CSV begins with the column names.
        defect: Why nothing can be read.
    """

    text: bytes
    first_line: int
    has_header: bool
    defect: ArchiveDefect | None = None


def read_beginning(pieces: Iterator[bytes], spec: FormatSpec) -> Beginning:
    """Pass over byte order mark, blank lines and header; takes pieces up to the first line with content."""
    text, first_line = _skip_blank(pieces)
    head = text.partition(b"\n")[0]
    has_header = spec.content != "json" and _is_header(head, spec)
    unknown = _find_unknown_columns(head, spec) if has_header or spec.content == "json" else None
    if has_header and unknown is None:
        text, first_line = text[len(head) + 1 :], first_line + 1
    return Beginning(text, first_line, has_header, unknown)


@dataclass(frozen=True, slots=True)
class Piece:
    """What some lines of a file say.

    Attributes:
        rows: Well-formed rows, instants still as integers.
        rejected: Lines that are no rows of the format.
        numbers_rounded: As `ParsedArchive` has it.
        times_truncated: As `ParsedArchive` has it.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    numbers_rounded: int
    times_truncated: int


def read_pieces(begins: Beginning, pieces: Iterator[bytes], spec: FormatSpec) -> Iterator[Piece]:
    """The lines behind the header, piece by piece, as they come out of the archive."""
    first_line = begins.first_line
    for text in chain((begins.text,), pieces):
        rows, bad = _read(text, first_line, spec)
        yield Piece(rows, bad, count_rounded(text, rows, spec), count_truncated(text, spec))
        first_line += text.count(b"\n")


def _parse_pieces(pieces: Iterator[bytes], file: SourceFile, spec: FormatSpec, data: bytes) -> ParsedArchive:
    begins = read_beginning(pieces, spec)
    if begins.defect is not None:
        return ParsedArchive(file, spec, no_rows(spec), has_header=begins.has_header, defect=begins.defect)
    kept, rejected = [empty_rows(spec, LINE)], [pl.DataFrame(schema=REJECTED_SCHEMA)]
    rounded = truncated = 0
    for piece in read_pieces(begins, pieces, spec):
        rounded += piece.numbers_rounded
        truncated += piece.times_truncated
        kept.append(piece.rows)
        rejected.append(piece.rejected)
    rows = pl.concat(kept)
    if rows.is_empty() and (stamped := _find_day_stamps(rejected, spec)):
        return ParsedArchive(file, spec, no_rows(spec), has_header=begins.has_header, defect=stamped)
    return ParsedArchive(
        file,
        spec,
        to_instants(rows, spec),
        pl.concat(rejected),
        begins.has_header,
        _find_time_unit(rows[spec.row_time], spec),
        numbers_rounded=rounded,
        times_truncated=truncated,
        data=data,
    )


_DAY_ONLY = r"=[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _find_day_stamps(rejected: list[pl.DataFrame], spec: FormatSpec) -> ArchiveDefect | None:
    """Why no row has a time: the publisher wrote the day alone, and which row was when nobody can say."""
    values = pl.concat(rejected)["value"]
    if values.is_empty() or not values.str.contains(f"^{spec.row_time}{_DAY_ONLY}").all():
        return None
    return ArchiveDefect("times-missing", f"all {values.len():,} rows are stamped with a day alone, first {values[0]!r}")


def _skip_blank(pieces: Iterator[bytes]) -> tuple[bytes, int]:
    """What is left of the first piece with content, from its first line with content on, and that line's number.

    A byte order mark is passed over.
    """
    line, mark = 1, _BOM
    for piece in pieces:
        start, mark = len(mark) if piece.startswith(mark) else 0, b""
        while start < len(piece):
            end = piece.find(b"\n", start)
            if end < 0 or piece[start:end].strip():
                break
            start, line = end + 1, line + 1
        if piece[start:].strip():
            return piece[start:], line
    return b"", line


def _fields(head: bytes) -> list[str]:
    return unquote(head).decode("utf-8", "replace").strip().split(",")


def _is_header(head: bytes, spec: FormatSpec) -> bool:
    """True where the line holds the name of a column; data never does, whatever its types."""
    fields = _fields(head)
    return any(column.is_headed(text) for column in spec.columns for text in fields)


def _find_unknown_columns(head: bytes, spec: FormatSpec) -> ArchiveDefect | None:
    """A header, or a first object, that is not the published one: the columns may mean something else; nothing is guessed."""
    if spec.content == "json":
        keys = find_unknown_keys(head, spec)
        names = ",".join(key_of(column) for column in spec.columns)
        return None if keys is None else ArchiveDefect("header-unknown", f"expected {names}, found {keys[:300]}")
    fields = _fields(head)
    if len(fields) == len(spec.columns) and all(c.is_headed(t) for c, t in zip(spec.columns, fields, strict=True)):
        return None
    names = ",".join(column.name for column in spec.columns)
    return ArchiveDefect("header-unknown", f"expected {names}, found {','.join(fields)[:300]}")


def _read(body: bytes, first_line: int, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with instants still as integers, and the rejected lines."""
    rows = read_fast(body, first_line, spec)
    if rows is not None:
        return rows, pl.DataFrame(schema=REJECTED_SCHEMA)
    kept, rejected = [], []
    for piece in _slices(body):
        rows = read_fast(piece, first_line, spec)
        if rows is None:
            rows, bad = read_lines(piece, first_line, spec)
            rejected.append(bad)
        kept.append(rows)
        first_line += piece.count(b"\n")
    return pl.concat([empty_rows(spec, LINE), *kept]), pl.concat([pl.DataFrame(schema=REJECTED_SCHEMA), *rejected])


def _slices(body: bytes) -> Iterator[bytes]:
    """Pieces of about `SLICE_BYTES` that end with a line."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", min(start + SLICE_BYTES, len(body)))
        end = len(body) if end < 0 else end + 1
        yield body[start:end]
        start = end


def read_fast(body: bytes, first_line: int, spec: FormatSpec) -> pl.DataFrame | None:
    """All rows in one pass, or None where any line is not exactly as published."""
    if spec.content == "quoted" or any(column.optional and column.kind in _AS_TEXT for column in spec.columns):
        return None  # of an optional text only the reader of lines knows whether it was empty, or none
    if spec.content == "csv" and b'"' in (body := unquote(body)):
        return None  # a quote that means something, or a stray one, which must not swallow lines
    if not body:
        return empty_rows(spec, LINE)
    if spec.content == "json" and spec.exact:
        return None  # the reader of objects gives numbers, and their text is wanted
    read = read_objects if spec.content == "json" else _read_csv
    rows = read(body, first_line, spec, LINE)
    if rows is None:
        return None
    if texts := _read_texts(spec):
        rows = rows.with_columns(texts)
    truths = tuple(name for name in spec.names(Kind.BOOLEAN) if rows.schema[name] == pl.String)
    if not all(rows.select(_check_cells(spec, truths)).row(0)):
        return None
    decimals = read_decimals(rows, spec, _TEXT) if spec.exact else []
    return rows.select(*_take_kept(spec, truths), *decimals)


def _read_csv(body: bytes, first_line: int, spec: FormatSpec, line: str) -> pl.DataFrame | None:
    types = {column.name: _READ_AS.get(column.kind, pl.String) for column in spec.columns}
    if spec.exact:
        types = {_TEXT + name if type_ is pl.Float64 else name: type_ for name, type_ in types.items()}
    try:
        rows = pl.read_csv(
            body,
            has_header=False,
            schema={name: pl.String if name.startswith(_TEXT) else type_ for name, type_ in types.items()},
            quote_char=None,
            row_index_name=line,
            row_index_offset=first_line,
        )
    except pl.exceptions.PolarsError:
        return None
    if spec.exact:
        rows = rows.with_columns(pl.col(_TEXT + name).cast(pl.Float64, strict=False).alias(name) for name in exact_types(spec))
        # What is no number must not become a null where nulls may be.
        lost = [pl.col(name).is_null() & pl.col(_TEXT + name).is_not_null() for name in exact_types(spec)]
        if rows.select(pl.any_horizontal(lost).any()).item():
            return None
    # Where a line has too few fields, polars fills the last ones with nulls: where nulls may be, only the commas tell.
    short = spec.optional and body.count(b",") != rows.height * (len(spec.columns) - 1)
    return None if short else rows


# Expressions are made once for a format: making them takes as long as a small file's rows take to be read.


@lru_cache(_FORMATS_KEPT)
def _read_texts(spec: FormatSpec) -> tuple[pl.Expr, ...]:
    return tuple(read_cell(column, pl.col(column.name)) for column in spec.columns if column.kind in _AS_TEXT)


@lru_cache(_FORMATS_KEPT)
def _check_cells(spec: FormatSpec, truths: tuple[str, ...]) -> tuple[pl.Expr, ...]:
    """No null, no infinity, no impossible instant, no other spelling of a truth value than the published ones."""
    checks = [
        # Ignored columns too: where a line has too few fields, polars fills the last ones with nulls.
        *(pl.col(column.name).null_count() == 0 for column in spec.columns if not column.optional),
        *(pl.col(name).is_finite().all() for name in spec.names(Kind.FLOAT)),
        *(pl.col(name).is_between(0, INSTANT_LIMIT, closed="left").all() for name in spec.names(Kind.INSTANT)),
        *(pl.col(name).is_between(0, 23).all() for name in spec.names(Kind.HOUR)),
        *(pl.col(name).is_in([*_TRUE, *_FALSE]).all() for name in truths),
    ]
    return tuple(check.alias(str(i)) for i, check in enumerate(checks))


@lru_cache(_FORMATS_KEPT)
def _take_kept(spec: FormatSpec, truths: tuple[str, ...]) -> tuple[pl.Expr, ...]:
    """The line and the columns with meaning, truth values read."""
    columns = (pl.col(name).is_in(_TRUE).alias(name) if name in truths else pl.col(name) for name in spec.kept)
    return (pl.col(LINE).cast(pl.Int64), *columns)


def no_rows(spec: FormatSpec) -> pl.DataFrame:
    """An empty frame of parsed rows."""
    return to_instants(empty_rows(spec, LINE), spec)


def to_instants(rows: pl.DataFrame, spec: FormatSpec) -> pl.DataFrame:
    """Integers to UTC times: the unit of a number by its magnitude, texts and dates are microseconds by now.

    Of pairs that say 0 for nothing both become null.
    """
    return rows.with_columns(*_make_instants(spec), *_make_nulls(spec))


@lru_cache(_FORMATS_KEPT)
def _make_nulls(spec: FormatSpec) -> tuple[pl.Expr, ...]:
    found = []
    for pair in spec.absent:
        is_none = pl.all_horizontal(pl.col(name).fill_null(0) == 0 for name in pair)
        names = [*pair, *(f"{PREFIX}{name}" for name in pair)] if spec.exact else pair
        found += [pl.when(~is_none).then(pl.col(name)).alias(name) for name in names]
    return tuple(found)


@lru_cache(_FORMATS_KEPT)
def _make_instants(spec: FormatSpec) -> tuple[pl.Expr, ...]:
    hours = sum((pl.col(name) * 3_600_000_000 for name in spec.names(Kind.HOUR)), pl.lit(0))
    instants = {
        **{name: _to_microseconds(pl.col(name)) for name in spec.names(Kind.INSTANT)},
        **{name: pl.col(name) for name in spec.names(Kind.TEXT_INSTANT)},
        **{name: pl.col(name) + hours for name in spec.names(Kind.DATE)},
    }
    return tuple(value.cast(pl.Datetime("us", "UTC")).alias(name) for name, value in instants.items())


def _to_microseconds(number: pl.Expr) -> pl.Expr:
    whole = pl.when(number >= MILLISECONDS_FROM).then(number * 1000).otherwise(number * 1_000_000)
    return pl.when(number >= MICROSECONDS_FROM).then(number).otherwise(whole)


def _find_time_unit(values: pl.Series, spec: FormatSpec) -> str | None:
    return None if values.is_empty() else name_time_unit(cast("int", values.min()), cast("int", values.max()), spec)


def name_time_unit(least: int, most: int, spec: FormatSpec) -> str:
    """In which unit the times between these two are written."""
    if spec.row_time not in spec.names(Kind.INSTANT):
        return "text"
    fitting = [unit for unit, (first, limit) in _UNITS.items() if first <= least and most < limit]
    return fitting[0] if fitting else "mixed"
