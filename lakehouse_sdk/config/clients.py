"""What each client needs to reach the storage server by itself, in the spelling that it wants."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from lakehouse_sdk.config.environment import ARROW_CHECKSUMS
from lakehouse_sdk.config.masking import MASK, Secret
from lakehouse_sdk.config.profiles import S3Profile
from lakehouse_sdk.config.settings import Settings
from lakehouse_sdk.errors import UsageError

_SECRETS = ("password", "token", "credential")
"""Ends of the names of values that nobody is to see, wherever they come from."""
_PROJECTIONS: Mapping[str, Callable[[S3Profile], Mapping[str, Any]]] = {
    "duckdb": S3Profile.to_duckdb,
    "obstore": S3Profile.to_object_store,
    "pandas": S3Profile.to_fsspec,
    "polars": S3Profile.to_object_store,
    "pyarrow": S3Profile.to_pyarrow,
    "pyiceberg": S3Profile.to_pyiceberg,
    "s3fs": S3Profile.to_fsspec,
}
_WITH_LAKEHOUSE_ADDRESSES = ("dask", "fsspec")
_SPARK = "spark"
_ARROWS = frozenset({"pyarrow", "pyiceberg"})


class StorageOptions(dict[str, Any]):
    """A client's options: a plain dict in all but its repr, which masks keys and tokens.

    A copy made by the client or with `{**options}` is an ordinary dict and shows everything.
    """

    def __init__(self, options: Mapping[str, Any], profile: S3Profile) -> None:
        super().__init__(options)
        secrets = [value.get_secret_value() for value in vars(profile).values() if isinstance(value, SecretStr)]
        self._masked = frozenset(
            name
            for name, value in options.items()
            if (isinstance(value, str) and value in secrets) or isinstance(value, Secret) or name.endswith(_SECRETS)
        )

    def __repr__(self) -> str:
        return repr({name: MASK if name in self._masked else value for name, value in self.items()})

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        """For rich, which would otherwise print the values of any dict."""
        yield from ((name, MASK if name in self._masked else value) for name, value in self.items())


def storage_options(settings: Settings, client: str, *, profile: str = "") -> StorageOptions:
    """Options with which `client` reaches a profile's server itself.

    | client | where they go |
    | --- | --- |
    | `polars` | `pl.scan_parquet("s3://bucket/…", storage_options=…)`, also `write_parquet` |
    | `pandas`, `s3fs` | `pd.read_parquet("s3://bucket/…", storage_options=…)`, `s3fs.S3FileSystem(**…)` |
    | `fsspec`, `dask` | as pandas, with `lakehouse://` addresses: for settings that are not found by themselves |
    | `pyarrow` | `pyarrow.fs.S3FileSystem(**…)` |
    | `pyiceberg` | properties of a catalogue or FileIO |
    | `obstore` | `obstore.store.S3Store(bucket, config=…)` |
    | `spark` | properties of an Iceberg catalogue, `spark.conf.set("spark.sql.catalog.lakehouse.<name>", …)`: all tables |
    | `duckdb` | fields of `CREATE SECRET (TYPE s3, …)`, for its httpfs extension |

    They say all that the profile says: server, credentials, addressing, certificates, proxy, timeouts, encryption. For
    `pyarrow` and `pyiceberg` the variable `AWS_REQUEST_CHECKSUM_CALCULATION=when_required` is set in this process, unless it
    is set already: without it Arrow sends what many servers misread, and it knows no argument for it.

    Args:
        settings: The lakehouse's settings.
        client: One of the names above.
        profile: Name in `settings.profiles`; empty for `settings.storage`.

    Raises:
        UsageError: Unknown client; names the known ones.
        ConfigurationError: No such profile, it has no credentials, or it sets something that this client cannot be told.
    """
    server = settings.profile(profile)
    if client in _WITH_LAKEHOUSE_ADDRESSES:
        return StorageOptions({"settings": settings, **({"profile": profile} if profile else {})}, server)
    if client == _SPARK:
        from lakehouse_sdk.config.spark import to_spark  # noqa: PLC0415 (loads SQLAlchemy)

        return StorageOptions(to_spark(settings, server), server)
    if client not in _PROJECTIONS:
        known = ", ".join(sorted({*_PROJECTIONS, *_WITH_LAKEHOUSE_ADDRESSES, _SPARK}))
        raise UsageError(f"There are no storage options for {client!r}.", hint=f"Known clients: {known}.")
    if client in _ARROWS:  # Arrow's S3 client takes this from the environment alone (docs/explanation/connections.md)
        for name, value in ARROW_CHECKSUMS.items():
            os.environ.setdefault(name, value)
    return StorageOptions(_PROJECTIONS[client](server), server)
