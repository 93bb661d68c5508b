"""Published checksum files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from lakehouse_sdk.archives.model import ArchiveObject, Checksum
from lakehouse_sdk.archives.protocol import SourceConnector
from lakehouse_sdk.errors import ConnectError, IntegrityError, LakehouseError, StorageError
from lakehouse_sdk.parallel import map_ordered

ChecksumOutcome = Checksum | LakehouseError | None
"""What is published, None where nothing is, or why it could not be had for this one archive."""

_LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64})(?: \*|\s+)(?P<name>\S.*)")
_SHOWN = 80


def parse_checksum(content: bytes, key: str) -> Checksum:
    """The SHA-256 of the archive `key` in a `sha256sum` file of one line.

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
    return Checksum(match["digest"].lower(), content)


def fetch_checksums(
    connector: SourceConnector, archives: Iterable[ArchiveObject]
) -> Iterator[tuple[ArchiveObject, ChecksumOutcome]]:
    """The published checksums of many archives, as many at once as the source bears, lazily, in the order given.

    An error that concerns one archive is its outcome, whatever a connector raises; the rest goes on.

    Raises:
        ConnectError: The source no longer answers.
    """
    workers = connector.capabilities().max_connections

    def fetch(archive: ArchiveObject) -> tuple[ArchiveObject, ChecksumOutcome]:
        try:
            return archive, connector.checksum(archive)
        except ConnectError:
            raise
        except LakehouseError as error:
            return archive, error
        except Exception as error:  # noqa: BLE001 (a connector is anybody's code)
            return archive, StorageError(f"The connector {connector.name!r} broke: {type(error).__name__}: {error}")

    with ThreadPoolExecutor(workers, "checksums") as pool:
        yield from map_ordered(pool, fetch, archives, window=4 * workers)
