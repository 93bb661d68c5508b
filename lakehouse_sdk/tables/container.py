"""The zip around a published file: exactly one CSV member, read in full or refused with a reason."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

MAX_CSV_BYTES = 2 * 1024**3
"""Largest member that is unpacked: a CSV is parsed in memory, in about three times its size. Larger months come as days too."""
MAX_RATIO = 200
"""Most bytes out of one byte in, above `RATIO_FREE_BYTES`. Market data reaches 4 to 40; a bomb reaches 1,000."""
RATIO_FREE_BYTES = 64 * 1024**2

_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_JUNK = "__MACOSX/"


@dataclass(frozen=True, slots=True)
class ArchiveDefect:
    """Why nothing can be read from an archive.

    Attributes:
        reason: `zip-unreadable` (no zip, truncated, wrong CRC, unknown compression), `zip-encrypted`, `zip-members` (not
            exactly the one expected CSV), `zip-bomb` (unpacks beyond the caps), `header-unknown` (other columns).
        detail: What was found, one line.
    """

    reason: str
    detail: str


def unpack(data: bytes, stem: str) -> bytes | ArchiveDefect:
    """The bytes of `<stem>.csv`, the only member; CRC checked, never more than the caps.

    Folders and the `__MACOSX/` entries that macOS adds carry no data and do not count as members.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith(_JUNK)]
            defect = _find_defect(members, f"{stem}.csv")
            return defect or archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        return ArchiveDefect("zip-unreadable", f"{type(error).__name__}: {error}")


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
