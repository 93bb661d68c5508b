"""Finding MinIO's program: the setting, PATH, the user's cache, else a build."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path

from lakehouse_sdk.config import cache_dir
from lakehouse_sdk.errors import ConfigurationError, NotFoundError
from lakehouse_sdk.events import Observer, ignore_events

MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
"""The last commit of MinIO's main branch, as the Go module proxy names it."""
_PROBE_TIMEOUT_S = 30.0


def ensure_minio(configured: Path | None = None, *, observer: Observer = ignore_events) -> Path:
    """MinIO's program, built once where there is none; see `find_minio` for the order."""
    found = find_minio(configured)
    if found is None:
        raise NotFoundError("There is no MinIO on this machine.")
    return found


def find_minio(configured: Path | None = None) -> Path | None:
    """MinIO's program: `configured`, else the first that is one on PATH, else the one built before; None where there is none.

    Raises:
        ConfigurationError: `configured` is not there, cannot be run or is not MinIO.
    """
    if configured is not None:
        fault = find_fault(configured)
        if fault:
            raise ConfigurationError(
                f"servers.minio_path is {configured}, but {fault}.",
                hint="Name MinIO's server program there, or remove the setting to have one found or built.",
            )
        return configured
    for folder in os.get_exec_path():
        candidate = Path(folder) / "minio"
        if candidate.is_file() and find_fault(candidate) is None:
            return candidate
    built = built_minio()
    return built if built.is_file() and find_fault(built) is None else None


def built_minio() -> Path:
    """Where the MinIO that the SDK builds rests; it may not be there yet."""
    return cache_dir() / "minio" / MINIO_VERSION / "minio"


def find_fault(program: Path) -> str | None:
    """Why `program` cannot serve as MinIO, as the second half of a sentence; None where it can."""
    if not program.exists():
        return "there is no such file"
    if not program.is_file() or not os.access(program, os.X_OK):
        return "it is not an executable file"
    status = program.stat()
    return _probe(str(program), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _probe(program: str, _mtime_ns: int, _size_bytes: int) -> str | None:
    """Ask for the version; remembered for as long as the file stays the same (MinIO takes 0.3 s to say it)."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        return f"it cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"it did not tell its version within {_PROBE_TIMEOUT_S:.0f} s"
    said = answer.stdout.decode("utf-8", "replace").strip().splitlines()[:1] or [""]
    if answer.returncode != 0 or not said[0].startswith("minio version "):
        return f"it is not the MinIO server: asked for its version it says {said[0][:80]!r} (exit code {answer.returncode})"
    return None
