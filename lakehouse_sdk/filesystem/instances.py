"""One filesystem for each settings and profile, found again without credentials in the token."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from s3fs import S3FileSystem

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import UsageError

_known: list[Settings] = []
_lock = threading.Lock()


def _number(settings: Settings) -> int:
    """The same number for equal settings, another for any other, in this process; says nothing about what they hold."""
    with _lock:
        if settings not in _known:
            _known.append(settings)
        return _known.index(settings)


def _resolve(settings: Settings | Mapping[str, Any] | None) -> Settings:
    if isinstance(settings, Settings):
        return settings
    if settings is None or isinstance(settings, Mapping):
        return load_settings(**settings or {})
    raise UsageError(
        f"settings= takes Settings or a dict of their groups, not {type(settings).__name__}.",
        hint='For example settings={"storage": {"endpoint_url": …}}.',
    )


class InstancePerSettings(type(S3FileSystem)):  # type: ignore[misc]
    """fsspec's instance cache, asked with the settings as they are now.

    fsspec's token is the MD5 of the arguments' repr. A repr of `Settings` masks the secrets, so two servers that differ in
    credentials only would share one filesystem; a repr with the secrets would put them into every token. So a number goes
    beside the settings that tells them apart.

    Without `settings` they are loaded on each call, before the cache is asked: after `lakehouse up` on another port, or with
    another environment, the same call gives another filesystem. The instance keeps what it was made with, also when pickled.
    """

    def __call__(cls, settings: Settings | Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The filesystem for these settings and options: a cached one, or a new one."""
        resolved = _resolve(settings)
        fs = super().__call__(settings=resolved, settings_number=_number(resolved), **options)
        fs.storage_options.pop("settings_number", None)
        return fs
