"""Where the SDK looks for and keeps files outside the lakehouse."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The SDK's folder below the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache` on Linux); it may not exist yet."""
    return platformdirs.user_cache_path("lakehouse-sdk", appauthor=False)


def find_upwards(name: str, start: Path | None = None) -> Path | None:
    """The nearest file `name` in `start` (default: the current folder) or a folder above it; None where there is none."""
    folder = (start or Path.cwd()).absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / name).is_file():
            return candidate / name
    return None
