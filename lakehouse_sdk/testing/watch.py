"""Sees files, folders, sockets and programs being opened in this process, through the interpreter's own audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_SHOWN_ARGUMENT = {
    "open": 0,
    "os.listdir": 0,
    "os.scandir": 0,
    "socket.connect": 1,
    "socket.getaddrinfo": 0,
    "sqlite3.connect": 0,
    "subprocess.Popen": 0,
}
"""Audit event → which of its arguments says what was opened."""
_CODE = (".py", ".pyc", ".so")
_watchers: list[list[str]] = []


@contextmanager
def watch_io() -> Iterator[list[str]]:
    """Collects what any thread of this process opens meanwhile; what Python opens to import a module does not count.

    A connection that was open before and is used again is not seen.
    """
    _install()
    seen: list[str] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        # By identity: two watchers that saw the same are equal.
        del _watchers[next(index for index, watcher in enumerate(_watchers) if watcher is seen)]


@cache
def _install() -> None:
    sys.addaudithook(_note)  # once and for good: no hook can be removed; without watchers it does nothing


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if not _watchers or event not in _SHOWN_ARGUMENT:
        return
    what = arguments[_SHOWN_ARGUMENT[event]]
    if isinstance(what, bytes | os.PathLike):
        what = os.fsdecode(what)
    if isinstance(what, str) and (what.endswith(_CODE) or what in sys.path_importer_cache):
        return
    for watcher in _watchers:
        watcher.append(f"{event} {what}")
