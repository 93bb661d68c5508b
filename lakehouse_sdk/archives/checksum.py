"""Published checksum files; pure."""

from __future__ import annotations

import re

from lakehouse_sdk.errors import IntegrityError

_LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64})(?: \*|\s+)(?P<name>\S.*)")
_SHOWN = 80


def parse_checksum(content: bytes, key: str) -> str:
    """The SHA-256 of the archive `key` in a `sha256sum` file of one line, in lower-case hex.

    Letter case of the digits does not matter; the name must be exactly the archive's base name.

    Raises:
        IntegrityError: Not one such line, or the line is about another file.
    """
    name = key.rpartition("/")[2]
    lines = content.decode("utf-8", "replace").removeprefix("\ufeff").strip().splitlines()
    match = _LINE.fullmatch(lines[0].rstrip()) if len(lines) == 1 else None
    if match is None:
        start = content[:_SHOWN].decode("utf-8", "replace")
        raise IntegrityError(
            f"The checksum published for {key} is not one line of 64 hex digits and a name: {start!r}.",
            hint="Collect it again later; the source may be about to publish it.",
        )
    if match["name"] != name:
        raise IntegrityError(
            f"The checksum published for {key} is that of {match['name'][:_SHOWN]!r}.",
            hint="Report it to the source; the archive cannot be verified.",
        )
    return match["digest"].lower()
