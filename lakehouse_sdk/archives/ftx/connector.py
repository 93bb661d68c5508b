"""Finds FTX's archives on a mirror, by the mirror's own listing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lakehouse_sdk.archives.checksum import parse_checksum
from lakehouse_sdk.archives.ftx.layout import DATASETS, SOURCE
from lakehouse_sdk.archives.ftx.mirror import LocalMirror, Mirror, S3Mirror
from lakehouse_sdk.archives.ftx.walk import WORKERS, Walk
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Capabilities, CheckResult, Checksum, Oddity
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import AddressError, ConfigurationError, LakehouseError, NotFoundError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.uris import LocalAddress, S3Address, parse_address

_CLOSED = "FTX closed in November 2022, and no public bucket of its archives exists."
_NAME_A_MIRROR = "Name a mirror of your own in archives.ftx.root."


class FtxConnector:
    """A mirror of FTX's archives on S3 or in a folder, named by `archives.ftx.root` and `archives.ftx.layout`.

    Keys are those below the root, so that they stay the same where a mirror moves. Nothing is made up: a day that the mirror
    does not have is not found. The terms are those of the mirror's owner, whom only the user knows; `terms_url` is therefore
    the mirror's own address, and empty without a mirror.

    Raises:
        ConfigurationError: The root is no address, or its profile is unknown.
    """

    def __init__(self, settings: Settings) -> None:
        options = settings.archives.ftx
        self._layout = options.layout
        self._root: S3Address | LocalAddress | None = None
        self._mirror: Mirror | None = None
        if options.root is None:
            return
        try:
            self._root = parse_address(options.root)
        except AddressError as error:
            raise ConfigurationError(f"archives.ftx.root: {error.message}", hint=error.hint) from error
        if isinstance(self._root, S3Address):
            client = S3Client(settings.profile(self._root.profile), max_connections=WORKERS)
            self._mirror = S3Mirror(client, self._root)
        else:
            self._mirror = LocalMirror(self._root)

    @property
    def name(self) -> str:
        """`ftx`."""
        return SOURCE

    def capabilities(self) -> Capabilities:
        """What the configured layout has; no I/O."""
        return Capabilities(
            SOURCE,
            "FTX (a mirror)",
            str(self._root or ""),
            DATASETS[self._layout],
            transport="s3" if isinstance(self._root, S3Address) else "files",
            max_connections=WORKERS,
            frozen=True,
        )

    def check(self) -> CheckResult:
        """Lists the mirror's root, raises nothing."""
        if self._mirror is None:
            return CheckResult(ok=False, reason=f"{_CLOSED} {_NAME_A_MIRROR}")
        try:
            content = self._mirror.read_folder("")
        except LakehouseError as error:
            return CheckResult(ok=False, reason=str(error))
        folders = [folder.rstrip("/") for folder in content.folders]
        known = {dataset.data_type for dataset in DATASETS[self._layout]}
        if not known.intersection(folders):
            odd = "".join(f" {oddity.key}: {oddity.reason}" for oddity in content.oddities if oddity.key in known)
            lacks = f"{self._root} holds no data type of the layout {self._layout} ({', '.join(sorted(known))}).{odd}"
            return CheckResult(ok=False, reason=f"{lacks} Check archives.ftx.root and archives.ftx.layout.")
        return CheckResult(ok=True, reason=f"{self._root} holds {', '.join(folders)}.")

    def discover(self, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        """As `SourceConnector.discover`; ordered by data type, interval, market, symbol, day; a data type's oddities first.

        Without a filter all that lies in the folders of the data types is accounted for. Narrowed by interval, start or end,
        the listing itself is narrower, and shows only the oddities that lie there. A data type is listed as a whole before its
        first archive comes, with about 0.4 KB of memory for each of its files that are wanted.

        Raises:
            ConfigurationError: No mirror is named.
        """
        datasets = self.capabilities().select(query)
        return Walk(self._get_mirror(), self._layout, query, datasets).run()

    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        """As `SourceConnector.checksum`: one small file, or none where the listing showed none."""
        if archive.checksum_key is None:
            return None
        try:
            content = self._get_mirror().read_bytes(archive.checksum_key)
        except NotFoundError:
            return None
        return parse_checksum(content, archive.key)

    def open(self, archive: ArchiveObject) -> BinaryIO:
        """As `SourceConnector.open`."""
        return self._get_mirror().open(archive.key, archive.etag)

    def find_address(self, archive: ArchiveObject) -> S3Address | LocalAddress:
        """The file itself, on the mirror's server under the mirror's profile, or on this machine."""
        return self._get_mirror().find_address(archive.key)

    def _get_mirror(self) -> Mirror:
        if self._mirror is None:
            raise ConfigurationError(_CLOSED, hint=_NAME_A_MIRROR)
        return self._mirror
