"""What every source of archives can do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Capabilities, CheckResult, Checksum, Oddity
from lakehouse_sdk.uris import Address


class SourceConnector(Protocol):
    """One source of archives; registered in the entry-point group `lakehouse_sdk.archives` as a callable that takes `Settings`.

    Building a connector does no I/O. Methods may be called from several threads.
    """

    @property
    def name(self) -> str:
        """The connector's name, the same as that of its entry point."""

    def capabilities(self) -> Capabilities:
        """What can be asked for; no I/O."""

    def check(self) -> CheckResult:
        """Whether the source answers and looks as expected; cheap, reads no data, raises nothing."""

    def discover(self, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        """Everything published that the query asks for, lazily, from the source's own listing.

        The order is the same in every run over the same listing; each key appears once; the archives of one series, daily and
        monthly, follow each other without others between them. Keys that fit no layout arrive as `Oddity` at their place and
        do not end the iteration.

        Raises:
            UsageError: The query names what this source does not have; before the first request, but for a symbol: a source
                that lists its symbols may refuse one that is not among them.
            ConnectError, AccessError, StorageError: The source cannot be listed.
        """

    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        """The published SHA-256; None where the source published none.

        Raises:
            IntegrityError: What is published is no checksum, or that of another file.
            ConnectError, AccessError, StorageError: It cannot be read.
        """

    def open(self, archive: ArchiveObject) -> BinaryIO:
        """The archive's bytes as a stream, pinned to the ETag that was discovered; close it, or use `with`.

        For a virtual archive this is what makes it: the stream is a `MaterialisedStream`, and the bytes are the same every time
        as long as the source's answers are.

        Raises:
            ConflictError: The archive was republished since it was discovered.
            IntegrityError: What the source answers cannot be what it claims to be; the archive is to be quarantined.
            NotFoundError, ConnectError, AccessError, StorageError: It cannot be read.
        """

    def find_address(self, archive: ArchiveObject) -> Address | None:
        """Where `transfer` can copy the archive from; None where only `open` has its bytes."""


class MaterialisedStream(io.BytesIO):
    """The bytes of a virtual archive, and how they came to be.

    Args:
        content: The bytes.
        request_log: One JSON object a line for each request that gave them (`url`, `status`, `at`, `rows`, `sha256` of the
            body); kept beside the archive in bronze.
        rows: Records in it.
    """

    def __init__(self, content: bytes, request_log: bytes, rows: int) -> None:
        super().__init__(content)
        self.request_log = request_log
        self.rows = rows
