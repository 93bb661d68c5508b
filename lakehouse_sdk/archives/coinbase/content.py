"""What candles and trades have in common: the archive's bytes, and the form of numbers."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterable

DECIMAL = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
"""A decimal number as JSON writes it."""


def encode_csv(header: str, lines: Iterable[str]) -> bytes:
    """A gzip'd CSV file; equal lines give equal bytes, because neither a name nor a time is in it.

    Args:
        header: First line.
        lines: The others, one or several joined by line feeds at a time.
    """
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write(b"".join(f"{line}\n".encode() for line in (header, *lines)))
    return buffer.getvalue()
