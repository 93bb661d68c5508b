"""Bytes of an archive to typed columns: nothing lost, nothing guessed, nothing silently null.

A file is read in one vectorised pass. Only where that pass meets trouble is it read again in slices, and only the slices in
trouble line by line (`lines`), so that each bad line is found by number while the good ones are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import polars as pl

from lakehouse_sdk.errors import IntegrityError
from lakehouse_sdk.tables.container import ArchiveDefect, unpack
from lakehouse_sdk.tables.formats import INSTANT_LIMIT, MICROSECONDS_FROM, FormatSpec, Kind, get_format
from lakehouse_sdk.tables.lines import REJECTED_SCHEMA, read_lines
from lakehouse_sdk.tables.source import SourceFile

LINE = "_line"
"""Column of every parsed frame: number of the line in the CSV, the first is 1."""

SLICE_BYTES = 4 * 1024**2
"""Size of the slices in which a file in trouble is read again; bounds the memory of the line-by-line pass."""

_TRUE = ["true", "True", "TRUE"]
_FALSE = ["false", "False", "FALSE"]
_BOM = b"\xef\xbb\xbf"
_READ_AS: dict[Kind, type[pl.DataType]] = {
    Kind.INTEGER: pl.Int64,
    Kind.INSTANT: pl.Int64,
    Kind.FLOAT: pl.Float64,
    Kind.BOOLEAN: pl.String,
    Kind.IGNORED: pl.String,
}


@dataclass(frozen=True, slots=True)
class ParsedArchive:
    """What one archive says.

    Attributes:
        file: The archive.
        spec: Its format.
        rows: Well-formed rows in the order of the file: `_line`, then `spec.kept`, without nulls; instants are UTC with
            microseconds.
        rejected: Rows that are no rows of the format: `line`, `rule`, `value`, `text`.
        has_header: True where the CSV begins with the column names.
        time_unit: `ms`, `us` or `mixed`, as written for `spec.row_time`; None without rows.
        defect: Why nothing could be read at all; then there are no rows.
        body: The CSV from its first data line on.
        first_line: Number of that line.
    """

    file: SourceFile
    spec: FormatSpec
    rows: pl.DataFrame
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
    has_header: bool = False
    time_unit: str | None = None
    defect: ArchiveDefect | None = None
    body: bytes = field(default=b"", repr=False)
    first_line: int = 1

    @property
    def rows_in(self) -> int:
        """Data lines of the file; header and blank lines do not count."""
        return self.rows.height + self.rejected.height


def parse_archive(data: bytes, file: SourceFile) -> ParsedArchive:
    """Parse one archive; pure and picklable, so that threads and processes can run it.

    Whatever the bytes hold, the result says so: an archive that cannot be read has a `defect`, a malformed line is in
    `rejected` with its number (`column-count`, `number`), everything else is in `rows`.

    Args:
        data: The whole archive.
        file: What it is said to be.

    Raises:
        UsageError: No format is known for this source, market and data type.
        IntegrityError: `data` does not have `file.sha256`, so the rows would carry a false lineage.
    """
    spec = get_format(file.source, file.market, file.data_type)
    actual = hashlib.sha256(data).hexdigest()
    if actual != file.sha256:
        raise IntegrityError(f"{file.key} was to have SHA-256 {file.sha256} and has {actual}.", hint="Collect it again.")
    csv = unpack(data, file.stem)
    if isinstance(csv, ArchiveDefect):
        return ParsedArchive(file, spec, _no_rows(spec), defect=csv)
    return _parse_csv(csv, file, spec)


def _parse_csv(csv: bytes, file: SourceFile, spec: FormatSpec) -> ParsedArchive:
    start, first_line = _skip_blank(csv)
    end = csv.find(b"\n", start)
    head = csv[start:] if end < 0 else csv[start:end]
    has_header = _is_header(head, spec)
    if has_header:
        unknown = _find_unknown_columns(head, spec)
        if unknown is not None:
            return ParsedArchive(file, spec, _no_rows(spec), has_header=True, defect=unknown)
        start, first_line = min(start + len(head) + 1, len(csv)), first_line + 1
    body = csv[start:]
    rows, rejected = _read(body, first_line, spec)
    unit = _time_unit(rows[spec.row_time])
    return ParsedArchive(file, spec, _to_instants(rows, spec), rejected, has_header, unit, None, body, first_line)


def _skip_blank(csv: bytes) -> tuple[int, int]:
    """Offset and number of the first line with content; a byte order mark is passed over."""
    start, line = len(_BOM) if csv.startswith(_BOM) else 0, 1
    while start < len(csv):
        end = csv.find(b"\n", start)
        if end < 0 or csv[start:end].strip():
            break
        start, line = end + 1, line + 1
    return start, line


def _fields(head: bytes) -> list[str]:
    return head.decode("utf-8", "replace").strip().split(",")


def _is_header(head: bytes, spec: FormatSpec) -> bool:
    """True where the line holds the name of a column; data never does, whatever its types."""
    fields = _fields(head)
    return any(column.is_headed(text) for column in spec.columns for text in fields)


def _find_unknown_columns(head: bytes, spec: FormatSpec) -> ArchiveDefect | None:
    """A header that is not the published one: the columns may mean something else, so nothing is guessed."""
    fields = _fields(head)
    if len(fields) == len(spec.columns) and all(c.is_headed(t) for c, t in zip(spec.columns, fields, strict=True)):
        return None
    names = ",".join(column.name for column in spec.columns)
    return ArchiveDefect("header-unknown", f"expected {names}, found {','.join(fields)[:300]}")


def _read(body: bytes, first_line: int, spec: FormatSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with instants still as integers, and the rejected lines."""
    rows = _read_fast(body, first_line, spec)
    if rows is not None:
        return rows, pl.DataFrame(schema=REJECTED_SCHEMA)
    kept, rejected = [], []
    for piece in _slices(body):
        rows = _read_fast(piece, first_line, spec)
        if rows is None:
            rows, bad = read_lines(piece, first_line, spec)
            rejected.append(bad)
        kept.append(rows)
        first_line += piece.count(b"\n")
    return pl.concat([_raw_rows(spec), *kept]), pl.concat([pl.DataFrame(schema=REJECTED_SCHEMA), *rejected])


def _slices(body: bytes) -> Iterator[bytes]:
    """Pieces of about `SLICE_BYTES` that end with a line."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", min(start + SLICE_BYTES, len(body)))
        end = len(body) if end < 0 else end + 1
        yield body[start:end]
        start = end


def _read_fast(body: bytes, first_line: int, spec: FormatSpec) -> pl.DataFrame | None:
    """All rows in one pass, or None where any line is not exactly as published."""
    if not body:
        return _raw_rows(spec)
    try:
        rows = pl.read_csv(
            body,
            has_header=False,
            schema={column.name: _READ_AS[column.kind] for column in spec.columns},
            quote_char=None,  # no published file quotes; a stray quote must not swallow lines
            row_index_name=LINE,
            row_index_offset=first_line,
        )
    except pl.exceptions.PolarsError:
        return None
    if not _is_clean(rows, spec):
        return None
    truths = (pl.col(name).is_in(_TRUE).alias(name) for name in spec.names(Kind.BOOLEAN))
    return rows.select(pl.col(LINE).cast(pl.Int64), *spec.kept).with_columns(truths)


def _is_clean(rows: pl.DataFrame, spec: FormatSpec) -> bool:
    """No null, no infinity, no impossible instant, no other spelling of a truth value than the published ones."""
    checks = [
        # Ignored columns too: where a line has too few fields, polars fills the last ones with nulls.
        *(pl.col(column.name).null_count() == 0 for column in spec.columns),
        *(pl.col(name).is_finite().all() for name in spec.names(Kind.FLOAT)),
        *(pl.col(name).is_between(0, INSTANT_LIMIT, closed="left").all() for name in spec.names(Kind.INSTANT)),
        *(pl.col(name).is_in([*_TRUE, *_FALSE]).all() for name in spec.names(Kind.BOOLEAN)),
    ]
    return all(rows.select(check.alias(str(i)) for i, check in enumerate(checks)).row(0))


def _raw_rows(spec: FormatSpec) -> pl.DataFrame:
    """No rows, with the types of `_read_fast`."""
    types = {c.name: pl.Boolean if c.kind is Kind.BOOLEAN else _READ_AS[c.kind] for c in spec.columns}
    return pl.DataFrame(schema={LINE: pl.Int64, **{name: types[name] for name in spec.kept}})


def _no_rows(spec: FormatSpec) -> pl.DataFrame:
    return _to_instants(_raw_rows(spec), spec)


def _to_instants(rows: pl.DataFrame, spec: FormatSpec) -> pl.DataFrame:
    """Integers since the epoch to UTC times, the unit of each value by its magnitude."""
    return rows.with_columns(
        pl.when(pl.col(name) >= MICROSECONDS_FROM)
        .then(pl.col(name))
        .otherwise(pl.col(name) * 1000)
        .cast(pl.Datetime("us", "UTC"))
        .alias(name)
        for name in spec.names(Kind.INSTANT)
    )


def _time_unit(values: pl.Series) -> str | None:
    if values.is_empty():
        return None
    least, most = cast("int", values.min()), cast("int", values.max())
    if least >= MICROSECONDS_FROM:
        return "us"
    return "ms" if most < MICROSECONDS_FROM else "mixed"
