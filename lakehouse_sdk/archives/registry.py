"""The connectors that are installed, ours and anyone's, through one door: the entry-point group `lakehouse_sdk.archives`."""

from __future__ import annotations

import os
import sys
import warnings
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from lakehouse_sdk.archives.protocol import SourceConnector
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConfigurationError, UsageError

GROUP = "lakehouse_sdk.archives"


class ConnectorWarning(UserWarning):
    """An installed connector could not be loaded and is left out."""


def list_connector_names() -> list[str]:
    """Names of the installed connectors, sorted; loads none of them."""
    return sorted(_installed())


def get_connector(name: str, settings: Settings) -> SourceConnector:
    """The connector called `name`; no other one is loaded, so that a broken one hurts nobody else.

    Raises:
        UsageError: No connector of that name is installed.
        ConfigurationError: It is installed, and fails to load or refuses the settings; the cause is chained.
    """
    installed = _installed()
    if name not in installed:
        raise UsageError(f"There is no archive connector {name!r}.", hint=f"Installed: {', '.join(sorted(installed))}.")
    return _load(installed[name], settings)


def load_connectors(settings: Settings) -> dict[str, SourceConnector]:
    """All connectors that load, by name; each one that does not is named in a `ConnectorWarning`."""
    connectors = {}
    for name, entry in sorted(_installed().items()):
        try:
            connectors[name] = _load(entry, settings)
        except ConfigurationError as error:
            warnings.warn(str(error), ConnectorWarning, stacklevel=2)
    return connectors


def _installed() -> dict[str, EntryPoint]:
    return _read_entry_points(tuple((path, _modified_ns(path)) for path in sys.path))


@lru_cache(maxsize=1)
def _read_entry_points(_places: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    """Reading the metadata of all packages takes 0.2 s; installing one changes the time of its folder."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _modified_ns(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns  # noqa: PTH116 (a dozen times for each use)
    except OSError:
        return 0


def _load(entry: EntryPoint, settings: Settings) -> SourceConnector:
    try:
        connector: SourceConnector = entry.load()(settings)
    except Exception as error:
        owner = f" of the package {entry.dist.name}" if entry.dist else ""
        raise ConfigurationError(
            f"The archive connector {entry.name!r}{owner} ({entry.value}) does not load: {type(error).__name__}: {error}",
            hint="Update or uninstall that package; the other connectors are not affected.",
        ) from error
    return connector
