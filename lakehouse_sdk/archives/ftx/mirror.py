"""Where a mirror can be: on an S3 server, or in a folder of this machine; keys are the same in both."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from lakehouse_sdk.archives.model import Oddity
from lakehouse_sdk.errors import AccessError, ConflictError, ConnectError, NotFoundError, StorageError
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.uris import LocalAddress, S3Address

_LINK_TO_A_FOLDER = "It is a link to a folder; such links are not followed."
_CHECK = "Check archives.ftx.root (`lakehouse config show --origin`)."


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies directly in one folder of a mirror, each list in byte order of the keys.

    Attributes:
        folders: Sub-folders, as whole keys with a trailing slash.
        files: Files, with whole keys.
        oddities: What is neither, or leads out of the mirror.
    """

    folders: list[str] = field(default_factory=list)
    files: list[ObjectInfo] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)


class Mirror(Protocol):
    """A tree of files by key; every method raises the SDK's errors only, and may be called from several threads."""

    def read_folder(self, folder: str) -> Folder:
        """What lies directly in `folder` (empty for the root, else with a trailing slash); empty where there is none."""

    def read_bytes(self, key: str) -> bytes:
        """A small file as a whole."""

    def open(self, key: str, etag: str) -> BinaryIO:
        """A file as a stream, pinned to `etag`; raises ConflictError where it is another by now."""

    def find_address(self, key: str) -> S3Address | LocalAddress:
        """Where a file is."""


class S3Mirror:
    """A mirror below a prefix of a bucket."""

    def __init__(self, client: S3Client, root: S3Address) -> None:
        self._client = client
        self._root = root
        self._prefix = f"{root.key.removesuffix('/')}/" if root.key else ""

    def read_folder(self, folder: str) -> Folder:
        """As `Mirror.read_folder`: one request for a thousand entries."""
        found = Folder()
        prefix = f"{self._prefix}{folder}"
        with self._explained():
            for child in self._client.list_children(self._root.bucket, prefix):
                if isinstance(child, str):
                    found.folders.append(child.removeprefix(self._prefix))
                elif child.key != prefix:  # the empty object that some tools put in the place of a folder
                    found.files.append(child._replace(key=child.key.removeprefix(self._prefix)))
        found.folders.sort(key=str.encode)
        return found

    def read_bytes(self, key: str) -> bytes:
        """As `Mirror.read_bytes`."""
        with self._explained():
            return self._client.get_bytes(self._root.bucket, f"{self._prefix}{key}")

    def open(self, key: str, etag: str) -> BinaryIO:
        """As `Mirror.open`."""
        with self._explained():
            return cast("BinaryIO", self._client.open_stream(self._root.bucket, f"{self._prefix}{key}", if_match=etag))

    def find_address(self, key: str) -> S3Address:
        """As `Mirror.find_address`."""
        return S3Address(self._root.bucket, f"{self._prefix}{key}", self._root.profile)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Hints that name the mirror's own setting instead of those of the lakehouse's storage."""
        profile = f"the profile {self._root.profile!r}" if self._root.profile else "storage"
        try:
            yield
        except ConnectError as error:
            raise ConnectError(error.message, hint=f"Check the network, archives.ftx.root and {profile}.") from error
        except AccessError as error:
            raise AccessError(error.message, hint=f"Check archives.ftx.root and the credentials of {profile}.") from error


class LocalMirror:
    """A mirror in a folder; files that are links count as what they lead to, as long as that is in the mirror, too.

    Links to folders are not followed at all: they could lead in circles.
    """

    def __init__(self, root: LocalAddress) -> None:
        self._root = root.path

    def read_folder(self, folder: str) -> Folder:
        """As `Mirror.read_folder`.

        Raises:
            NotFoundError: The mirror's own folder is not there.
        """
        found = Folder()
        path = self._root / folder
        with self._explained(folder or "."):
            real_root = self._root.resolve()
            if folder and path.resolve() != real_root / folder:
                return Folder(oddities=[Oddity(folder.rstrip("/"), _LINK_TO_A_FOLDER)])
            try:
                entries = os.scandir(path)
            except (FileNotFoundError, NotADirectoryError):
                if not folder or not self._root.is_dir():
                    raise
                return Folder(oddities=[Oddity(folder.rstrip("/"), "It is a file.")]) if path.exists() else found
            with entries:
                for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                    self._describe(entry, folder, real_root, found)
        return found

    def read_bytes(self, key: str) -> bytes:
        """As `Mirror.read_bytes`."""
        with self._explained(key):
            return self._find_file(key).read_bytes()

    def open(self, key: str, etag: str) -> BinaryIO:
        """As `Mirror.open`; what was opened stays readable when the file is replaced meanwhile."""
        with self._explained(key):
            file = self._find_file(key).open("rb")
            if _format_etag(os.fstat(file.fileno())) != etag:
                file.close()
                raise ConflictError(
                    f"{self._root / key} was changed since it was discovered.", hint="Discover again, then repeat the call."
                )
            return file

    def find_address(self, key: str) -> LocalAddress:
        """As `Mirror.find_address`."""
        return LocalAddress(self._root / key)

    def _describe(self, entry: os.DirEntry[str], folder: str, real_root: Path, found: Folder) -> None:
        key = f"{folder}{entry.name}"
        try:
            key.encode()
        except UnicodeEncodeError:  # nobody could print it
            shown = key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            found.oddities.append(Oddity(shown, "Its name is not UTF-8; the bytes that are not are shown as escapes."))
            return
        try:
            if entry.is_symlink() and not Path(entry.path).resolve(strict=True).is_relative_to(real_root):
                found.oddities.append(Oddity(key, "It is a link that leads out of the mirror."))
                return
            status = entry.stat()
        except PermissionError:
            raise
        except (OSError, RuntimeError):  # the latter is how older Pythons say that links lead in a circle
            found.oddities.append(Oddity(key, "It is a link that leads nowhere, or vanished while it was listed."))
            return
        if stat.S_ISDIR(status.st_mode):
            if entry.is_symlink():
                found.oddities.append(Oddity(key, _LINK_TO_A_FOLDER))
            else:
                found.folders.append(f"{key}/")
        elif stat.S_ISREG(status.st_mode):
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            found.files.append(ObjectInfo(key, status.st_size, _format_etag(status), modified))
        else:
            found.oddities.append(Oddity(key, "It is no regular file."))

    def _find_file(self, key: str) -> Path:
        """The file itself, links resolved; what took its place since the listing may lead out, or be a pipe that never ends."""
        path = (self._root / key).resolve(strict=True)
        if not path.is_relative_to(self._root.resolve()) or not path.is_file():
            raise ConflictError(f"{self._root / key} is no file of the mirror any more.", hint="Discover again.")
        return path

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """What the system says of a file, in the SDK's errors."""
        place = self._root / key
        try:
            yield
        except (ConflictError, NotFoundError):
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            what = "is no folder" if isinstance(error, NotADirectoryError) else "is not there"
            raise NotFoundError(f"{place} {what}.", hint=_CHECK) from error
        except PermissionError as error:
            raise AccessError(f"{place} may not be read by this user.", hint=_CHECK) from error
        except OSError as error:
            raise StorageError(f"{place} cannot be read: {error.strerror or error}.", hint=_CHECK) from error


def _format_etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"
