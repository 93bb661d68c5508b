"""What is around a published file: a zip with one CSV, a gzip stream, or nothing; read in full or refused with a reason."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass

MAX_CSV_BYTES = 2 * 1024**3
"""Largest file that is unpacked: a CSV is parsed in memory, in about three times its size. Larger months come as days too."""
MAX_RATIO = 200
"""Most bytes out of one byte in, above `RATIO_FREE_BYTES`. Market data reaches 4 to 40; a bomb reaches 1,000."""
RATIO_FREE_BYTES = 64 * 1024**2

_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_JUNK = "__MACOSX/"
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ArchiveDefect:
    """Why nothing can be read from an archive.

    Attributes:
        reason: `zip-unreadable` (no zip, truncated, wrong CRC, unknown compression), `zip-encrypted`, `zip-members` (not
            exactly the one expected CSV), `zip-bomb` (unpacks beyond the caps), `gzip-unreadable` (no gzip, truncated, wrong
            CRC), `gzip-trailing` (bytes behind the stream), `gzip-bomb`, `file-too-large` (not packed, beyond the cap),
            `header-unknown` (other columns).
        detail: What was found, one line.
    """

    reason: str
    detail: str


def unpack(data: bytes, stem: str, container: str = "zip") -> bytes | ArchiveDefect:
    """The bytes of the published file; its CRC checked where the container has one, never more than the caps.

    Args:
        data: The archive.
        stem: Name of the file inside a zip, without `.csv`; folders and the `__MACOSX/` entries that macOS adds carry no data
            and do not count as members.
        container: `zip`, `gz` or `plain`. A gzip stream may have several members, one after the other, and zeros
            behind them.
    """
    if container == "gz":
        return _unpack_gzip(data)
    if container == "plain":
        too_large = len(data) > MAX_CSV_BYTES
        return ArchiveDefect("file-too-large", f"{len(data):,} bytes") if too_large else data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith(_JUNK)]
            defect = _find_defect(members, f"{stem}.csv")
            return defect or archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        return ArchiveDefect("zip-unreadable", f"{type(error).__name__}: {error}")


def _unpack_gzip(data: bytes) -> bytes | ArchiveDefect:
    """All members of the stream. A gzip file does not reliably say how large it is, so the caps bound what is unpacked."""
    cap = min(MAX_CSV_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * len(data)))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            text = stream.read(cap + 1)
    except gzip.BadGzipFile as error:
        trailing = data.startswith(_GZIP_MAGIC) and str(error).startswith("Not a gzipped file")
        return ArchiveDefect("gzip-trailing" if trailing else "gzip-unreadable", str(error))
    except (zlib.error, EOFError, OSError) as error:
        return ArchiveDefect("gzip-unreadable", f"{type(error).__name__}: {error}")
    if not data:
        return ArchiveDefect("gzip-unreadable", "no bytes at all")
    if len(text) > cap:
        return ArchiveDefect("gzip-bomb", f"{len(data):,} bytes unpack to more than {cap:,}")
    return text


def _find_defect(members: list[zipfile.ZipInfo], expected: str) -> ArchiveDefect | None:
    names = [info.filename for info in members]
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
    if member.file_size > MAX_CSV_BYTES or (member.file_size > RATIO_FREE_BYTES and ratio > MAX_RATIO):
        return ArchiveDefect(
            "zip-bomb", f"{expected!r} unpacks to {member.file_size:,} bytes, {ratio:.0f} times its packed size"
        )
    return None
