"""Finds the trades of one exchange in a folder: `trades/<symbol>/<YYYY-MM-DD>.csv.gz`, a `.sha256` beside each if there is one.

Copy this file, then change it from top to bottom: names and datasets, layout, listing, bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from lakehouse_sdk.archives import (
    ArchiveObject,
    ArchiveQuery,
    Capabilities,
    CheckResult,
    Checksum,
    Dataset,
    Oddity,
    parse_checksum,
)
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConfigurationError, ConflictError, NotFoundError
from lakehouse_sdk.uris import LocalAddress

# -- 1. What there is. `SOURCE` is also the name of the entry point, and of the folder in bronze. -----------------------------

SOURCE = "example"
ROOT_VARIABLE = "EXAMPLE_ARCHIVE_ROOT"
DATASETS = (Dataset("spot", "trades", ("daily",), first_day=date(2024, 1, 1)),)
TERMS_URL = "https://example.com/terms"

# -- 2. The layout, pure: one function reads a key, one writes it, and each undoes the other. ---------------------------------

_KEY = re.compile(r"trades/([A-Z0-9]+-[A-Z0-9]+)/(\d{4}-\d{2}-\d{2})\.csv\.gz", re.ASCII)
_CHECKSUM_SUFFIX = ".sha256"


@dataclass(frozen=True, slots=True)
class ArchiveKey:
    """What a key says: a symbol, and the UTC day that the file covers."""

    symbol: str
    day: date


def format_key(archive: ArchiveKey) -> str:
    """The key of an archive. The inverse of `parse_key`."""
    return f"trades/{archive.symbol}/{archive.day.isoformat()}.csv.gz"


def parse_key(key: str) -> ArchiveKey | Oddity:
    """What `key` says, or why it is no archive key; never raises, because real trees hold anything."""
    match = _KEY.fullmatch(key)
    if match is None:
        return Oddity(key, "It is not trades/<symbol>/<YYYY-MM-DD>.csv.gz.")
    try:
        return ArchiveKey(match[1], date.fromisoformat(match[2]))
    except ValueError:
        return Oddity(key, f"Its day {match[2]} is no date.")


# -- 3. The connector. --------------------------------------------------------------------------------------------------------


class ExampleConnector:
    """Archives below the folder that the environment variable `EXAMPLE_ARCHIVE_ROOT` names."""

    def __init__(self, settings: Settings) -> None:
        # `Settings` belongs to the SDK and refuses groups that it does not know, so that a misspelt one is noticed. What this
        # connector alone needs it reads from a variable of its own. `settings.profile("name")` is there for S3 servers.
        del settings
        # No I/O here: a connector is built before anybody knows whether it will be asked anything.
        root = os.environ.get(ROOT_VARIABLE)
        self._root = Path(root).absolute() if root else None

    @property
    def name(self) -> str:
        """The name of the entry point."""
        return SOURCE

    def capabilities(self) -> Capabilities:
        """`files`: `transfer` copies from `find_address`. `s3` is the same for buckets; with `api` only `open` is called."""
        return Capabilities(SOURCE, "Example exchange", TERMS_URL, DATASETS, transport="files")

    def check(self) -> CheckResult:
        """For a person who finds nothing: says what to do, and raises nothing."""
        if self._root is None:
            return CheckResult(ok=False, reason=f"No folder is named. Set {ROOT_VARIABLE}.")
        if not (self._root / "trades").is_dir():
            return CheckResult(ok=False, reason=f"{self._root} has no folder `trades`. Check {ROOT_VARIABLE}.")
        return CheckResult(ok=True, reason=f"{self._root} has a folder `trades`.")

    def discover(self, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        """Refuses a wrong query at once, and lists only while the result is iterated; one generator would do both late."""
        wanted = self.capabilities().select(query)
        return self._list(self._get_root(), query) if wanted else iter(())

    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        """What the exchange publishes; None is an honest answer, a hash of our own making is not."""
        if archive.checksum_key is None:
            return None
        try:
            content = (self._get_root() / archive.checksum_key).read_bytes()
        except FileNotFoundError:  # taken back since the listing
            return None
        return parse_checksum(content, archive.key)

    def open(self, archive: ArchiveObject) -> BinaryIO:
        """Compares with the ETag of the listing, so that nobody takes new bytes for those that were discovered."""
        path = self._get_root() / archive.key
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"{path} is not there any more.", hint="Discover again.") from error
        if _format_etag(os.fstat(file.fileno())) != archive.etag:
            file.close()
            raise ConflictError(f"{path} was changed since it was discovered.", hint="Discover again.")
        return file

    def find_address(self, archive: ArchiveObject) -> LocalAddress:
        """Where the file is; None for what only `open` can give."""
        return LocalAddress(self._get_root() / archive.key)

    def _get_root(self) -> Path:
        if self._root is None:
            raise ConfigurationError("No folder of archives is named.", hint=f"Set {ROOT_VARIABLE}.")
        return self._root

    def _list(self, root: Path, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        if not (root / "trades").is_dir():
            raise NotFoundError(f"{root} has no folder `trades`.", hint=f"Check {ROOT_VARIABLE}.")
        # One folder a symbol, each read in order: a series comes whole, and two runs can be compared.
        for folder in sorted((root / "trades").iterdir()):
            files = folder.iterdir() if folder.is_dir() else [folder]
            keys = {file.relative_to(root).as_posix() for file in files}
            for key in sorted(keys):
                if key.endswith(_CHECKSUM_SUFFIX) and key.removesuffix(_CHECKSUM_SUFFIX) in keys:
                    continue  # a checksum is a property of its archive
                parsed = parse_key(key)
                if isinstance(parsed, Oddity):
                    yield parsed
                elif query.wants_symbol(parsed.symbol):
                    checksum_key = f"{key}{_CHECKSUM_SUFFIX}"
                    archive = self._describe(root, key, parsed, checksum_key if checksum_key in keys else None)
                    since = query.start_of(archive.series, archive.frequency)
                    wanted = query.wants_period(archive.period_start, archive.period_end)
                    if wanted and (since is None or archive.period_end > since):
                        yield archive

    def _describe(self, root: Path, key: str, parsed: ArchiveKey, checksum_key: str | None) -> ArchiveObject:
        status = (root / key).stat()
        start = datetime(parsed.day.year, parsed.day.month, parsed.day.day, tzinfo=UTC)
        return ArchiveObject(
            source=SOURCE,
            market="spot",
            data_type="trades",
            symbol=parsed.symbol,
            interval=None,
            frequency="daily",
            period_start=start,
            period_end=start + timedelta(days=1),
            key=key,
            size_bytes=status.st_size,
            etag=_format_etag(status),
            last_modified=datetime.fromtimestamp(status.st_mtime, UTC),
            checksum_key=checksum_key,
            container="gz",
        )


def _format_etag(status: os.stat_result) -> str:
    """A file has no ETag; its size and time change whenever its bytes do."""
    return f"{status.st_size}-{status.st_mtime_ns}"
