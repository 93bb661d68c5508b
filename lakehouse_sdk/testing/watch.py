"""Sees files, folders, sockets and programs being opened in this process, by standing in front of the calls that do it.

Not through `sys.addaudithook`: such a hook cannot be taken away again, and being Python it may give up the interpreter lock in
the middle of `sys.settrace`. From then on every thread that starts under a coverage measurement may fail to.
"""

from __future__ import annotations

import builtins
import io
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_CALLS: tuple[tuple[object, str, str, int], ...] = (
    (builtins, "open", "open", 0),
    (io, "open", "open", 0),
    (os, "open", "open", 0),
    (os, "listdir", "os.listdir", 0),
    (os, "scandir", "os.scandir", 0),
    (socket.socket, "connect", "socket.connect", 1),
    (socket, "getaddrinfo", "socket.getaddrinfo", 0),
    (sqlite3, "connect", "sqlite3.connect", 0),
    (subprocess.Popen, "__init__", "subprocess.Popen", 1),
)
"""Where a call is found, its name there, what it is noted as, and which of its arguments says what was opened."""
_CODE = (".py", ".pyc", ".so")
_lock = threading.Lock()
_watchers: list[list[str]] = []
_originals: list[tuple[object, str, Any]] = []


@contextmanager
def watch_io() -> Iterator[list[str]]:
    """Collects what any thread of this process opens meanwhile; what Python opens to import a module does not count.

    A connection that was open before and is used again is not seen, nor what a library of machine code opens by itself.
    """
    seen: list[str] = []
    with _lock:
        _watchers.append(seen)
        if len(_watchers) == 1:
            _install()
    try:
        yield seen
    finally:
        with _lock:
            # By identity: two watchers that saw the same are equal.
            del _watchers[next(index for index, watcher in enumerate(_watchers) if watcher is seen)]
            if not _watchers:
                _remove()


def _install() -> None:
    for home, name, event, position in _CALLS:
        _originals.append((home, name, vars(home).get(name)))
        setattr(home, name, _watched(getattr(home, name), event, position))


def _remove() -> None:
    while _originals:
        home, name, original = _originals.pop()
        if original is None:  # it was inherited
            delattr(home, name)
        else:
            setattr(home, name, original)


def _watched(call: Callable[..., Any], event: str, position: int) -> Callable[..., Any]:
    def watched(*arguments: Any, **keywords: Any) -> Any:
        what = arguments[position] if len(arguments) > position else next(iter(keywords.values()), ".")
        _note(event, what)
        return call(*arguments, **keywords)

    return watched


def _note(event: str, what: object) -> None:
    if isinstance(what, bytes | os.PathLike):
        what = os.fsdecode(what)
    if isinstance(what, str) and (what.endswith(_CODE) or what in sys.path_importer_cache):
        return
    for watcher in _watchers:
        watcher.append(f"{event} {what}")
