"""Pure rules on names: what a bucket or a folder cannot hold, or cannot hold apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

_MAX_KEY_BYTES = 1024
_MAX_NAME_BYTES = 255
_SHORT = _MAX_NAME_BYTES // 4
"""So many characters are no more than the longest name, however they are encoded."""

Folded = tuple[str, str]
"""A name as a file system that ignores case and Unicode form sees it, NUL for the slash, and the name."""


def find_key_obstacle(name: str, prefix: str = "", *, server: str = "") -> str:
    """Why no S3 server can hold `prefix` + `name`, or this one cannot; empty where there is no such reason.

    Args:
        name: Name below the prefix.
        prefix: Where it goes.
        server: What the server calls itself, `MinIO`, `SeaweedFS 4.48` or `VERSITYGW`; empty where that is not known.
    """
    if name.isascii():
        too_long = len(name) > _MAX_KEY_BYTES - len(prefix) and len(name) + len(prefix.encode()) > _MAX_KEY_BYTES
    else:
        try:
            too_long = len(name.encode()) + len(prefix.encode()) > _MAX_KEY_BYTES
        except UnicodeEncodeError:
            return "the file name is not UTF-8, as a key has to be"
    if too_long:
        return f"the key is longer than {_MAX_KEY_BYTES:,} bytes"
    return next((find(name) for kind, find in _OBSTACLES.items() if server.startswith(kind)), "")


def _find_minio_obstacle(name: str) -> str:
    return _find_folder_obstacle("MinIO", name, str.strip)


def _find_seaweed_obstacle(name: str) -> str:
    if "\\" in name:
        return "SeaweedFS takes a backslash for a slash"  # two names would silently be one object
    return _find_folder_obstacle("SeaweedFS", name, str)


def _find_versity_obstacle(name: str) -> str:
    return _find_folder_obstacle("versitygw", name, str)


def _find_folder_obstacle(server: str, name: str, read: Callable[[str], str]) -> str:
    """For servers that keep objects in folders named after the parts of their keys, as they read them."""
    if "//" in name or name.startswith("/"):
        return f"{server} cannot hold a key with an empty part between slashes"
    for part in name.split("/"):
        if read(part) in {".", ".."}:
            return f"{server} cannot hold a key with the part {part!r}"
        if len(part) > _SHORT and len(part.encode()) > _MAX_NAME_BYTES:
            return f"{server} cannot hold a part longer than {_MAX_NAME_BYTES} bytes"
    return ""


_OBSTACLES: dict[str, Callable[[str], str]] = {
    "MinIO": _find_minio_obstacle,
    "SeaweedFS": _find_seaweed_obstacle,
    "VERSITYGW": _find_versity_obstacle,
}


def _sort(names: Iterable[Folded]) -> Iterator[Folded]:
    return iter(sorted(names))


def find_folder_conflicts(
    names: Iterable[str], existing: Iterable[str], sort: Callable[[Iterable[Folded]], Iterator[Folded]] = _sort
) -> Mapping[str, str]:
    """Names that a local folder cannot hold, or cannot hold apart, with the reason; `existing` is what it holds already.

    All members of a clash are named, not only the later one; what is already in the folder counts as a member. Memory grows
    with the conflicts, not with the names, where `sort` keeps it so.
    """
    conflicts: dict[str, str] = {}

    def usable() -> Iterator[Folded]:
        for name in names:
            if obstacle := _find_path_obstacle(name):
                conflicts[name] = obstacle
            else:
                yield _fold(name), name
        yield from ((_fold(name), name) for name in existing)

    for name, reason in _find_clashes(sort(usable())):
        conflicts.setdefault(name, reason)
    return conflicts


def _find_clashes(names: Iterable[Folded]) -> Iterator[tuple[str, str]]:
    """Names that one folder cannot hold apart, with the reason; a name may come more than once."""
    files: list[tuple[str, list[str]]] = []  # the files so far whose folded name, as a folder, may hold what comes
    for folded, group in groupby(names, key=lambda pair: pair[0]):
        members = sorted({name for _, name in group})
        if len(members) > 1:
            for at, name in enumerate(members):
                yield name, f"differs from {members[at == 0]!r} in case or Unicode form only"
        while files and not folded.startswith(f"{files[-1][0]}\0"):
            files.pop()
        for _, parents in files:
            yield from ((name, f"{parents[0]!r} is a file, not a folder") for name in members)
            yield from ((name, "the same name is a folder too") for name in parents)
        files.append((folded, members))


def _fold(name: str) -> str:
    folded = name.lower() if name.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
    return folded.replace("/", "\0")


def _find_path_obstacle(name: str) -> str:
    if name.startswith("/"):
        return "an absolute path"
    if "\0" in name:
        return "a NUL character cannot be in a path"
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            return f"{part!r} is no name of a file or folder"
        if len(part) > _SHORT and len(part.encode(errors="surrogateescape")) > _MAX_NAME_BYTES:
            return f"a name longer than {_MAX_NAME_BYTES} bytes"
    return ""
