"""What is around a published file: a zip with one CSV, a gzip stream, or nothing; read in full or refused with a reason."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from isal import igzip, igzip_lib, isal_zlib

MAX_CSV_BYTES = 8 * 1024**3
"""Largest file that is unpacked, unless the settings say otherwise: its rows are held in memory, in about its size."""
MAX_RATIO = 200
"""Most bytes out of one byte in, above `RATIO_FREE_BYTES`. Market data reaches 4 to 40; a bomb reaches 1,000."""
RATIO_FREE_BYTES = 64 * 1024**2

PIECE_BYTES = 16 * 1024**2
"""Most bytes of a file that are unpacked at a time."""
_PACKED_BYTES = 2 * 1024**2
"""Packed bytes that are unpacked at a time: about 8 MiB of a CSV, enough that nobody waits for the beginning of a piece."""
_DEFLATE_ERROR = cast("type[Exception]", isal_zlib.error)
_LOCAL_HEADER_BYTES = 30
_LOCAL_LENGTHS_AT = 26
"""Where a zip member's local header has the lengths of name and extra field, two bytes each, which stand behind the header."""

_ENCRYPTED = 0x1
_UTF8 = 0x800
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_JUNK = "__MACOSX/"
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ArchiveDefect:
    """Why nothing can be read from an archive.

    Attributes:
        reason: `zip-unreadable` (no zip, truncated, wrong CRC, unknown compression), `zip-encrypted`, `zip-members` (not
            exactly the one expected CSV), `zip-bomb` (unpacks beyond the caps), `gzip-unreadable` (no gzip, truncated, wrong
            CRC), `gzip-trailing` (bytes behind the stream), `gzip-bomb`, `file-too-large` (beyond `quality.max_unpacked_gib`),
            `header-unknown` (other columns), `times-missing` (rows stamped with a day alone).
        detail: What was found, one line.
    """

    reason: str
    detail: str


class UnreadableError(Exception):
    """The archive cannot be read to its end; what came before is worth nothing."""

    def __init__(self, defect: ArchiveDefect) -> None:
        super().__init__(defect.reason, defect.detail)
        self.defect = defect


def unpack(data: bytes, stem: str, container: str = "zip", max_bytes: int = MAX_CSV_BYTES) -> Iterator[bytes]:
    """The published file in pieces of up to `PIECE_BYTES`, never more than the caps; its CRC is checked behind the last one.

    Args:
        data: The archive.
        stem: Name of the file inside a zip, without `.csv`; folders and the `__MACOSX/` entries that macOS adds carry no data
            and do not count as members.
        container: `zip`, `gz` or `plain`. A gzip stream may have several members, one after the other, and zeros
            behind them.
        max_bytes: Largest file that is unpacked.

    Raises:
        UnreadableError: While pieces are taken.
    """
    if container == "gz":
        return _unpack_gzip(data, max_bytes)
    return _unpack_plain(data, max_bytes) if container == "plain" else _unpack_zip(data, f"{stem}.csv", max_bytes)


def cut_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end with a line feed, but for the last one perhaps."""
    rest: list[bytes] = []
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end:
            rest.append(piece)
            continue
        yield b"".join([*rest, memoryview(piece)[:end]])
        rest = [piece[end:]]
    if last := b"".join(rest):
        yield last


def _unpack_plain(data: bytes, max_bytes: int) -> Iterator[bytes]:
    if len(data) > max_bytes:
        raise UnreadableError(ArchiveDefect("file-too-large", f"{len(data):,} bytes"))
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def _unpack_zip(data: bytes, expected: str, max_bytes: int) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith(_JUNK)]
            defect = _find_defect(members, expected, max_bytes)
            if defect is not None:
                raise UnreadableError(defect)
            with archive.open(members[0]):  # compares the two headers of the member
                yield from _read_member(data, members[0])
    except (zipfile.BadZipFile, _DEFLATE_ERROR, EOFError, OSError, NotImplementedError, ValueError, struct.error) as error:
        raise UnreadableError(ArchiveDefect("zip-unreadable", f"{type(error).__name__}: {error}")) from error


def _read_member(data: bytes, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member. ISA-L's inflate takes two fifths of the time of zlib's, of which `zipfile` has no way round."""
    name_bytes, extra_bytes = struct.unpack_from("<HH", data, member.header_offset + _LOCAL_LENGTHS_AT)
    start = member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    packed = memoryview(data)[start : start + member.compress_size]
    stored = member.compress_type == zipfile.ZIP_STORED
    size = crc = 0
    for piece in _chunks(packed, PIECE_BYTES) if stored else _inflate(packed):
        size, crc = size + len(piece), isal_zlib.crc32(piece, crc)
        if size > member.file_size:
            raise zipfile.BadZipFile(f"it unpacks to more than the {member.file_size:,} bytes that it names")
        yield bytes(piece)
    if size != member.file_size:
        raise EOFError(f"{size:,} of {member.file_size:,} bytes are there")
    if crc != member.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {member.filename!r}")


def _chunks(data: memoryview, size: int) -> Iterator[memoryview]:
    return (data[start : start + size] for start in range(0, len(data), size))


def _inflate(packed: memoryview) -> Iterator[bytes]:
    """What a raw deflate stream holds; ends where the stream or its bytes end."""
    inflater = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
    chunks = _chunks(packed, _PACKED_BYTES)
    while not inflater.eof:
        chunk = next(chunks, None) if inflater.needs_input else b""
        if chunk is None:
            return
        if piece := inflater.decompress(chunk, PIECE_BYTES):
            yield piece


def _unpack_gzip(data: bytes, max_bytes: int) -> Iterator[bytes]:
    """All members of the stream. A gzip file does not reliably say how large it is, so the caps bound what is unpacked."""
    cap = min(max_bytes, max(RATIO_FREE_BYTES, MAX_RATIO * len(data)))
    if not data:
        raise UnreadableError(ArchiveDefect("gzip-unreadable", "no bytes at all"))
    size = 0
    try:
        with igzip.IGzipFile(fileobj=io.BytesIO(data)) as stream:  # type: ignore[no-untyped-call]
            while piece := stream.read(PIECE_BYTES):
                size += len(piece)
                if size > cap:
                    raise UnreadableError(ArchiveDefect("gzip-bomb", f"{len(data):,} bytes unpack to more than {cap:,}"))
                yield piece
    except gzip.BadGzipFile as error:
        trailing = data.startswith(_GZIP_MAGIC) and str(error).startswith("Not a gzipped file")
        reason = "gzip-trailing" if trailing else "gzip-unreadable"
        raise UnreadableError(ArchiveDefect(reason, str(error))) from error
    except (_DEFLATE_ERROR, EOFError, OSError) as error:
        raise UnreadableError(ArchiveDefect("gzip-unreadable", f"{type(error).__name__}: {error}")) from error


def _read_name(member: zipfile.ZipInfo) -> str:
    """The name of a member; many packers write UTF-8 without the bit that says so."""
    if member.filename.isascii() or member.flag_bits & _UTF8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _find_defect(members: list[zipfile.ZipInfo], expected: str, max_bytes: int) -> ArchiveDefect | None:
    names = [_read_name(info) for info in members]
    if names != [expected]:
        shown = ", ".join(repr(name) for name in names[:5]) or "none"
        return ArchiveDefect("zip-members", f"expected only {expected!r}, found {len(names)}: {shown}")
    (member,) = members
    if member.compress_type not in _METHODS:
        # Others are not published, and their decoders raise what they like and take the memory that the bytes ask for.
        return ArchiveDefect("zip-unreadable", f"{expected!r} is packed by method {member.compress_type}")
    if member.flag_bits & _ENCRYPTED:
        return ArchiveDefect("zip-encrypted", f"{expected!r} is encrypted")
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size > RATIO_FREE_BYTES and ratio > MAX_RATIO:
        return ArchiveDefect(
            "zip-bomb", f"{expected!r} unpacks to {member.file_size:,} bytes, {ratio:.0f} times its packed size"
        )
    if member.file_size > max_bytes:
        return ArchiveDefect("file-too-large", f"{expected!r} has {member.file_size:,} bytes, the limit is {max_bytes:,}")
    return None
