"""How the files of tables are reached: by the lake's own profile, whole, whatever a catalogue or the environment says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem, S3FileSystem
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.config.environment import ARROW_CHECKSUMS

_KNOWN_TO_ARROW = frozenset({"ca_bundle", "proxy"})
_lock = Lock()


class LakeFileIO(PyArrowFileIO):
    """pyiceberg's FileIO over Arrow, connected as the profile says.

    Args:
        storage: The lake's server.
        properties: The catalogue's; those of `s3.*` are not asked.
    """

    def __init__(self, storage: S3Profile, properties: Mapping[str, str]) -> None:
        self._storage = storage
        super().__init__(dict(properties))

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:
        del netloc
        return open_arrow_filesystem(self._storage)


class ProfileFileIO(LakeFileIO):
    """As `LakeFileIO`, for pyiceberg in the user's own hands: the profile is in the properties (`S3Profile.to_pyiceberg`)."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        super().__init__(S3Profile.model_validate_json(properties["lakehouse.storage"]), properties)


class _LakeFiles:
    """Gives a catalogue's tables the lake's files."""

    storage: S3Profile

    def _load_file_io(self, properties: Mapping[str, Any] | None = None, location: str | None = None) -> FileIO:
        del location
        return LakeFileIO(self.storage, {**self.properties, **(properties or {})})  # type: ignore[attr-defined]


class LakeSqlCatalog(_LakeFiles, SqlCatalog):
    """An SQL catalogue whose files are the lake's."""

    def __init__(self, storage: S3Profile, name: str, **properties: str) -> None:
        self.storage = storage
        super().__init__(name, **properties)


class LakeRestCatalog(_LakeFiles, RestCatalog):
    """A REST catalogue whose files are the lake's, also where its server hands out other credentials."""

    def __init__(self, storage: S3Profile, name: str, **properties: str) -> None:
        self.storage = storage
        super().__init__(name, **properties)


def open_arrow_filesystem(storage: S3Profile) -> FileSystem:
    """The objects of a server for Arrow: by its own client, or by s3fs where the profile sets what that cannot be told."""
    if storage.find_untold(_KNOWN_TO_ARROW):
        from s3fs import S3FileSystem as FsspecFileSystem  # noqa: PLC0415 (rarely needed)

        options = storage.to_fsspec()
        return PyFileSystem(FSSpecHandler(FsspecFileSystem(**options, skip_instance_cache=True, use_listings_cache=False)))
    with _pinned_environment():
        return S3FileSystem(**storage.to_pyarrow())


@contextmanager
def _pinned_environment() -> Iterator[None]:
    with _lock:
        before = {name: os.environ.get(name) for name in ARROW_CHECKSUMS}
        os.environ.update(ARROW_CHECKSUMS)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
