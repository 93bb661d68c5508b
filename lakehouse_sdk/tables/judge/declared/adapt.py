"""Files as strangers write them, brought to the form that the reader of a user's own files knows: line by line, the same lines.

A zip's member may have any name, lines may stand before the header, and times may be written in ways that text and magnitude
do not tell. What is changed here is only how it is written; numbers of lines stay, so that the quarantine names the right ones.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse_sdk.tables.judge.container import ArchiveDefect, UnreadableError, cut_lines, unpack
from lakehouse_sdk.tables.judge.declared.schema import TableSchema
from lakehouse_sdk.tables.layout.source import SourceFile

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{2})-?(\d{2})-?(\d{2})(?!\d)")
_JUNK = "__MACOSX/"


def adapt_csv(data: bytes, file: SourceFile, schema: TableSchema) -> bytes:
    """The same file with the member's expected name, without the lines to skip, and with times in ISO text."""
    data = _rename_member(data, file)
    if not schema.skip and not schema.units:
        return data
    lines = b"".join(cut_lines(unpack(data, file.stem, file.container))).decode("utf-8-sig", "replace").split("\n")
    lines[: schema.skip] = [""] * min(schema.skip, len(lines))
    if schema.units:
        lines = _rewrite_times(lines, file, schema)
    return pack("\n".join(lines).encode(), file)


def _rename_member(data: bytes, file: SourceFile) -> bytes:
    """A zip whose one member is called as the reader expects it."""
    if file.container != "zip":
        return data
    with suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith(_JUNK)]
            if len(members) != 1 or members[0].filename == f"{file.stem}.csv":
                return data
            inside = members[0].filename.removesuffix(".csv")
        text = b"".join(unpack_member(data, inside, members[0].filename))
        return pack(text, file)
    return data


def unpack_member(data: bytes, stem: str, name: str) -> list[bytes]:
    """The pieces of the one member, with every check that the reader makes; a member without `.csv` is renamed for it."""
    if name.endswith(".csv"):
        return list(unpack(data, stem))
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(sink, "w") as renamed:
        info = archive.getinfo(name)
        if info.file_size > 200 * max(info.compress_size, 1) and info.file_size > 64 * 1024**2:
            raise UnreadableError(ArchiveDefect("zip-bomb", f"{name!r} unpacks to {info.file_size:,} bytes"))
        renamed.writestr("member.csv", archive.read(info))
    return list(unpack(sink.getvalue(), "member"))


def pack(text: bytes, file: SourceFile) -> bytes:
    """The text in the container that the name of the file announces."""
    if file.container == "gz":
        return gzip.compress(text, 1, mtime=0)
    if file.container == "plain":
        return text
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{file.stem}.csv"), text)
    return sink.getvalue()


def _rewrite_times(lines: list[str], file: SourceFile, schema: TableSchema) -> list[str]:
    """Cells of columns with a unit as ISO text; what is no time of that unit stays, and is rejected for it."""
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return lines
    if schema.header:
        names = [_find(schema, name) for name in next(csv.reader([lines[first].rstrip("\r")]), [])]
        first += 1
    else:
        names = list(schema.columns)
    units = {place: schema.units[name] for place, name in enumerate(names) if name is not None and name in schema.units}
    readers = {place: find_reader(unit, file) for place, unit in units.items()}
    found = lines[:first]
    for line in lines[first:]:
        cells = next(csv.reader([line.rstrip("\r")]), [])
        for place, read in readers.items():
            if place < len(cells):
                # A number that is no time of this unit must not be taken for one of another.
                cells[place] = read(cells[place]) or f"not {units[place]}: {cells[place]}"
        sink = io.StringIO()
        csv.writer(sink, lineterminator="").writerow(cells)
        found.append(sink.getvalue())
    return found


def _find(schema: TableSchema, header: str) -> str | None:
    try:
        return schema.find_column(header)
    except KeyError:
        return None


def find_reader(unit: str, file: SourceFile) -> Callable[[Any], str | None]:
    """What makes ISO text of a time that is written in this unit; None for what is no such time."""
    if unit == "iso":
        return _read_iso
    if unit in {*_TICKS, "ns"}:
        return lambda value: _read_number(value, unit, _EPOCH)
    if unit == "ms_of_day":
        match = _DAY_IN_NAME.search(file.key.rpartition("/")[2])
        try:
            day = datetime(*map(int, match.groups()), tzinfo=UTC) if match else None  # type: ignore[arg-type, misc]
        except ValueError:
            day = None
        if day is None:
            raise UnreadableError(
                ArchiveDefect("header-unknown", "times count from midnight, and no day is in the file's name")
            )
        return lambda value: _read_number(value, "ms", day)
    return lambda value: _read_pattern(value, unit)


def _read_number(value: Any, unit: str, since: datetime) -> str | None:
    try:
        number = int(str(value).strip())
        passed = number // 1000 if unit == "ns" else number * _TICKS[unit]
        return _iso(since + timedelta(microseconds=passed))
    except (ValueError, OverflowError):
        return None


def _read_iso(value: Any) -> str | None:
    try:
        return _iso(datetime.fromisoformat(str(value).strip()))
    except ValueError:
        return None


def _read_pattern(value: Any, pattern: str) -> str | None:
    try:
        return _iso(datetime.strptime(str(value).strip(), pattern))  # noqa: DTZ007 (without a zone it is UTC)
    except ValueError:
        return None


def _iso(moment: datetime) -> str:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def spread_arrays(data: bytes, file: SourceFile, schema: TableSchema) -> bytes:
    """A JSON array as one object a line: of objects, or of rows whose cells are the declared columns in their order."""
    text = b"".join(unpack(data, file.stem, file.container))
    if not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return data
    try:
        rows = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(ArchiveDefect("header-unknown", f"no JSON array: {error}"[:300])) from None
    objects = (dict(zip(schema.columns, row, strict=False)) if isinstance(row, list) else row for row in rows)
    return pack("\n".join(json.dumps(row) for row in objects).encode(), file)
