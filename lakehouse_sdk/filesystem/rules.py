"""The published copy rules of fsspec, applied without copying: which source goes to which target.

The rules (https://filesystem-spec.readthedocs.io, "copying files and directories") are subtle about trailing slashes, existing
folders, globs and lists, and they are code in `fsspec.spec.AbstractFileSystem`. So that code runs here, on a stand-in that
looks things up in the real filesystem and writes down each copy it is told to make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fsspec.spec import AbstractFileSystem

from lakehouse_sdk.errors import NotFoundError

Paths = str | list[str]


@dataclass
class CopyPairs:
    """What a call would copy.

    Attributes:
        pairs: Source and target of each file, in order.
        infos: What a listing said about remote files on the way (size, ETag); not every source is in it.
        folders: Remote folders that a listing showed; they are never sources.
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    infos: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


def find_copy_pairs(fs: AbstractFileSystem, source: Paths, target: Paths, **options: Any) -> CopyPairs:
    """Pairs of `fs.copy(source, target, **options)`: remote to remote.

    Raises:
        NotFoundError: Nothing matches `source`.
    """
    stand_in = _StandIn(fs)
    AbstractFileSystem.copy(stand_in, source, target, **options)
    return stand_in.found


def find_get_pairs(fs: AbstractFileSystem, source: Paths, target: Paths, **options: Any) -> CopyPairs:
    """Pairs of `fs.get(source, target, **options)`: remote to local.

    Raises:
        NotFoundError: Nothing matches `source`.
        ValueError: A name in the source would lead out of the target folder.
    """
    stand_in = _StandIn(fs)
    AbstractFileSystem.get(stand_in, source, target, **options)
    return stand_in.found


def find_put_pairs(fs: AbstractFileSystem, source: Paths, target: Paths, **options: Any) -> CopyPairs:
    """Pairs of `fs.put(source, target, **options)`: local to remote.

    Raises:
        FileNotFoundError: Nothing matches `source`.
    """
    stand_in = _StandIn(fs)
    AbstractFileSystem.put(stand_in, source, target, **options)
    return stand_in.found


def expand_remote(fs: AbstractFileSystem, path: Paths, **options: Any) -> tuple[list[str], CopyPairs]:
    """The paths that `path` stands for, as `fs.expand_path`, and what the listings said about them."""
    stand_in = _StandIn(fs)
    return stand_in.expand_path(path, **options), stand_in.found


class _StandIn:
    """Answers like the filesystem it stands for, remembers what listings said, and notes copies instead of making them."""

    def __init__(self, fs: AbstractFileSystem) -> None:
        self._fs = fs
        self.found = CopyPairs()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def expand_path(self, path: Paths, *args: Any, **options: Any) -> list[str]:
        """The expansion of fsspec itself, over the listings below."""
        try:
            expanded: list[str] = AbstractFileSystem.expand_path(self, path, *args, **options)
        except NotFoundError:
            raise
        except FileNotFoundError:
            named = ", ".join(self._fs.unstrip_protocol(part) for part in ([path] if isinstance(path, str) else path))
            raise NotFoundError(f"There is nothing at {named}.", hint="Look with `ls` what is there.") from None
        return expanded

    def glob(self, path: str, **options: Any) -> list[str]:
        """Names that match; keeps what the listing said about each."""
        infos = self._fs.glob(path, **{**options, "detail": True})
        self._keep(infos)
        return list(infos)

    def find(self, path: str, **options: Any) -> list[str]:
        """Files below `path`, and the folders that they lie in.

        The folders are derived from the files: a server other than MinIO may hold the object `p` beside `p/q`, and a detailed
        listing that includes folders has room for one `p` only.
        """
        infos = self._fs.find(path, **{**options, "detail": True, "withdirs": False})
        self._keep(infos)
        folders = {parent for name in infos for parent in _parents(name) if parent.startswith(path)}
        self.found.folders |= folders
        return [*infos, *folders]

    def _keep(self, infos: dict[str, dict[str, Any]]) -> None:
        for name, info in infos.items():
            if info["type"] == "directory":
                self.found.folders.add(name)
            else:
                self.found.infos[name] = info

    def isdir(self, path: str) -> bool:
        """As the filesystem, without asking it about what a listing of this very call already showed."""
        if path in self.found.infos:
            return False
        return path in self.found.folders or bool(self._fs.isdir(path))

    def exists(self, path: str) -> bool:
        """As `isdir`."""
        return path in self.found.infos or path in self.found.folders or bool(self._fs.exists(path))

    def cp_file(self, source: str, target: str, **_: Any) -> None:
        """Note a copy."""
        self._note(source, target)

    def get_file(self, source: str, target: str, **_: Any) -> None:
        """Note a download."""
        self._note(source, target)

    def put_file(self, source: str, target: str, **_: Any) -> None:
        """Note an upload."""
        self.found.pairs.append((source, target))

    def _note(self, source: str, target: str) -> None:
        if source in self.found.infos or source not in self.found.folders:
            self.found.pairs.append((source, target))


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]
