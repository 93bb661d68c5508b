"""What a run has begun at a server and may leave there: written down on this machine, so that the next run knows whose it is.

Unfinished uploads do not tell who began them: another program, or another run that lives, may be uploading to the same key. So
what is discarded is what a run wrote down before it was killed. Its journal is locked while it lives; one that nobody holds is
the next run's to clear.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from lakehouse_sdk.config import S3Profile, cache_dir

_KEPT_S = 30 * 86_400
"""A journal whose server was never met again is dropped after a month."""


class RunJournal:
    """The journal of one run, a file for each server; safe to share between threads. Without a place to write there is none.

    Attributes:
        run_id: Tells this run from all others; part of the names of what it makes for itself.
    """

    def __init__(self) -> None:
        self.run_id = uuid.uuid4().hex[:16]
        self._files: dict[str, int | None] = {}
        self._open: dict[str, set[int]] = {}
        self._count = 0
        self._lock = Lock()

    def begin(self, profile: S3Profile, bucket: str, **what: Any) -> int:
        """Write down what begins, before it does or as soon as it has a name; returns its number, for `end`.

        Args:
            profile: Its server.
            bucket: Its bucket.
            **what: `key` with `upload_id`, `key` with `seen` (ids that others had begun), or `prefix` of objects of this run.
        """
        scope = _scope(profile)
        with self._lock:
            self._count += 1
            number = self._count
            self._open.setdefault(scope, set()).add(number)
            self._write(scope, {"number": number, "bucket": bucket, **what})
        return number

    def end(self, profile: S3Profile, number: int) -> None:
        """It is done, or gone."""
        scope = _scope(profile)
        with self._lock:
            self._open[scope].discard(number)
            self._write(scope, {"ended": number})

    def close(self) -> None:
        """Drop the files, but for what could not be brought to its end: the next run tries that again."""
        with self._lock:
            for scope, descriptor in self._files.items():
                if descriptor is not None:
                    if not self._open[scope]:
                        _path(scope, self.run_id).unlink(missing_ok=True)
                    os.close(descriptor)
            self._files = {}

    def _write(self, scope: str, line: dict[str, Any]) -> None:
        if scope not in self._files:
            self._files[scope] = _create(_path(scope, self.run_id))
        descriptor = self._files[scope]
        if descriptor is not None:
            with suppress(OSError):  # a full disk must not end a transfer
                os.write(descriptor, json.dumps(line).encode() + b"\n")


class AbandonedRun:
    """The journal of a run that ended without clearing up; held until `forget` or `leave`.

    Attributes:
        entries: What it had begun and not ended, as it was written down.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.entries: Sequence[dict[str, Any]] = _read_open(path)

    def forget(self) -> None:
        """All of it is cleared."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def leave(self) -> None:
        """Not all of it could be cleared: another run may, unless the journal is old."""
        with suppress(OSError):
            if time.time() - self._path.stat().st_mtime > _KEPT_S:
                self._path.unlink()
        os.close(self._descriptor)


def find_abandoned(profile: S3Profile) -> Iterator[AbandonedRun]:
    """The journals that runs against this server, with these credentials, left behind."""
    with suppress(OSError):
        for path in sorted(_folder().glob(f"{_scope(profile)}-*.jsonl")):
            descriptor = _hold(path)
            if descriptor is not None:
                yield AbandonedRun(path, descriptor)


def _folder() -> Path:
    return cache_dir() / "transfers"


def _path(scope: str, run_id: str) -> Path:
    return _folder() / f"{scope}-{run_id}.jsonl"


def _scope(profile: S3Profile) -> str:
    owner = profile.access_key.get_secret_value() if profile.access_key else ""
    return hashlib.sha256(f"{profile.resolved_endpoint_url} {owner}".encode()).hexdigest()[:16]


def _create(path: Path) -> int | None:
    """A new journal, locked before anybody can see it; None where it cannot be written."""
    scratch = path.with_suffix(".new")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if _lock(descriptor):
            scratch.rename(path)
            return descriptor
        os.close(descriptor)
    return None


def _hold(path: Path) -> int | None:
    """Lock a journal of a run that is gone; None where the run lives, or another one is clearing it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    if _lock(descriptor) and path.exists():
        return descriptor
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_open(path: Path) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):  # the last one may have been cut
            entry = json.loads(line)
            if "ended" in entry:
                found.pop(entry["ended"], None)
            else:
                found[entry["number"]] = entry
    return list(found.values())
