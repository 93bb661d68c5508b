"""How a lakehouse is reached, or started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakehouse_sdk.config import LocalStack, load_settings
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.lakehouse.facade import Lakehouse


def connect(*, config_file: Path | str | None = None, observer: Observer = ignore_events, **settings: Any) -> Lakehouse:
    """Connect to a lakehouse; without arguments to the one that the settings name or that `lakehouse up` left running.

    Nothing is contacted yet: the first request says when the server cannot be reached.

    Args:
        config_file: A settings file, instead of searching for `lakehouse.toml`.
        observer: Told of every event; `lakehouse_sdk.notebook.progress()` shows them.
        **settings: Groups of settings, for example `storage={"endpoint_url": …}`; they win over every other source.

    Raises:
        ConfigurationError: A setting is invalid; names it and where it was set.
    """
    file = None if config_file is None else Path(config_file)
    return Lakehouse(load_settings(config_file=file, **settings), observer=observer)


def local(
    path: Path | str | None = None, *, prefect: bool = False, observer: Observer = ignore_events, **settings: Any
) -> Lakehouse:
    """Start a lakehouse on this machine: an S3 server on a free port of 127.0.0.1 and a SQLite catalogue.

    The server is MinIO where that is on this machine already, else SeaweedFS, which comes with the package (`servers.s3`).

    It lives as long as this process or until `close()`, with or without `with`, also when the process is killed.

    Args:
        path: Folder that keeps the data; None for a temporary one that goes with the lakehouse.
        prefect: Also start a Prefect server (about ten seconds); `settings.prefect.api_url` is its address.
        observer: As in `connect`.
        **settings: As in `connect`, except where the server decides: `storage`, `catalog` and `prefect`.

    Raises:
        ServerError: A server did not start; the message ends in the tail of its log.
        ConfigurationError: There is no S3 server on this machine; says how to have one.
    """
    from lakehouse_sdk.servers import LocalServers  # noqa: PLC0415

    folder, wanted = None if path is None else Path(path), load_settings(**settings).servers.s3
    servers = LocalServers(folder, prefect=prefect, s3=wanted, observer=observer)
    stack: LocalStack = servers.start()
    try:
        loaded = load_settings(**{**settings, **stack.to_settings()})
    except BaseException:
        servers.stop()
        raise
    return Lakehouse(loaded, observer=observer, servers=servers)
