"""What every source of archives can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Capabilities, CheckResult, Oddity
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.uris import S3Address

ChecksumOutcome = str | LakehouseError | None
"""The published SHA-256 in lower-case hex, None where none is published, or why it could not be had for this one archive."""


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

        The order is the same in every run over the same listing; each key appears once. Keys that fit no layout arrive as
        `Oddity` at their place and do not end the iteration.

        Raises:
            UsageError: The query names what this source does not have; before the first request.
            ConnectError, AccessError, StorageError: The source cannot be listed.
        """

    def fetch_checksum(self, archive: ArchiveObject) -> str | None:
        """The published SHA-256, 64 lower-case hex digits; None where the source published none.

        Raises:
            IntegrityError: What is published is no checksum, or that of another file.
            ConnectError, AccessError, StorageError: It cannot be read.
        """

    def fetch_checksums(self, archives: Iterable[ArchiveObject]) -> Iterator[tuple[ArchiveObject, ChecksumOutcome]]:
        """The published checksums of many archives, several at once, lazily, in the order given.

        An error that concerns one archive is its outcome; the rest goes on.

        Raises:
            ConnectError: The source no longer answers.
        """

    def open(self, archive: ArchiveObject) -> BinaryIO:
        """The archive's bytes as a stream, pinned to the ETag that was discovered; close it, or use `with`.

        Raises:
            ConflictError: The archive was republished since it was discovered.
            NotFoundError, ConnectError, AccessError, StorageError: It cannot be read.
        """

    def find_address(self, archive: ArchiveObject) -> S3Address | None:
        """Where `transfer` can copy the archive from; None where only `open` has its bytes."""
