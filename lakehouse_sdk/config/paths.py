"""Where the SDK looks for and keeps files outside the lakehouse."""

from __future__ import annotations

import warnings
from pathlib import Path

import platformdirs

from lakehouse_sdk.config.trust import SkippedSettingsWarning, find_distrust


def cache_dir() -> Path:
    """The SDK's folder below the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache` on Linux); it may not exist yet."""
    return platformdirs.user_cache_path("lakehouse-sdk", appauthor=False)


def find_upwards(name: str, start: Path | None = None) -> Path | None:
    """The nearest file `name` in `start` (default: the current folder) or a folder above it; None where there is none.

    A file that a stranger may have written is passed over, with a `SkippedSettingsWarning` that says why.
    """
    try:
        folder = (start or Path.cwd()).absolute()
    except FileNotFoundError:  # the working folder was deleted: nothing lies in it or above it
        return None
    for candidate in (folder, *folder.parents):
        file = candidate / name
        if not file.is_file():
            continue
        distrust = find_distrust(file)
        if not distrust:
            return file
        message = f"{file} was not read: {distrust}. If you mean it, name it: config_file=…, or LAKEHOUSE_CONFIG."
        warnings.warn(message, SkippedSettingsWarning, stacklevel=2)
    return None
