"""A lake that collects from a mirror: its settings, for this process and for another one, and eyes that are not ours."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import s3fs
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse_sdk.config import S3Profile, Settings, load_settings


def settings_for(settings: Settings, endpoint_url: str, bucket: str, **changes: object) -> Settings:
    """The settings with this mirror for Binance; `changes` replace whole sections."""
    binance = {"endpoint_url": endpoint_url, "bucket": bucket, "region": "us-east-1"}
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    return load_settings(**{**known, **changes}, archives={"binance": binance})  # type: ignore[arg-type]


def write_settings(settings: Settings, file: Path) -> Path:
    """The same settings as a file for another process."""
    access_key, secret_key = settings.storage.credentials()
    binance = settings.archives.binance
    file.touch(mode=0o600)
    file.write_text(
        f"""
[storage]
endpoint_url = "{settings.storage.endpoint_url}"
access_key = "{access_key}"
secret_key = "{secret_key}"
[lake]
bucket = "{settings.lake.bucket}"
[archives.binance]
endpoint_url = "{binance.endpoint_url}"
bucket = "{binance.bucket}"
region = "us-east-1"
[catalog]
uri = "{settings.catalog.uri}"
"""
    )
    return file


def sha256_by_key(profile: S3Profile, bucket: str, prefix: str = "") -> dict[str, str]:
    """Key below the prefix → SHA-256 of what s3fs reads there."""
    fs = s3fs.S3FileSystem(**profile.to_fsspec(), skip_instance_cache=True)
    root = f"{bucket}/{prefix}"
    keys = fs.find(root)
    contents = fs.cat(keys) if keys else {}
    return {key.removeprefix(root): hashlib.sha256(content).hexdigest() for key, content in contents.items()}


def read_table(settings: Settings, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of a table as pyiceberg alone reads them; none where there is no such table."""
    catalog = SqlCatalog(
        settings.catalog.name, uri=settings.catalog.uri or "", **settings.storage.to_pyiceberg(), warehouse="s3://unused"
    )
    try:
        if not catalog.table_exists(table):
            return []
        rows = catalog.load_table(table).scan(selected_fields=columns).to_arrow()
        return list(zip(*(rows[column].to_pylist() for column in columns), strict=True))
    finally:
        catalog.close()


def rows_by_archive(settings: Settings, table: str = "silver.klines") -> Counter[str]:
    """Rows of a table by source key."""
    return Counter(key for (key,) in read_table(settings, table, "_source_key"))


def ledger_events(settings: Settings) -> list[tuple[str, int]]:
    """Ledger and number of each row of `bronze.ledger`."""
    return [(ledger_id, number) for ledger_id, number in read_table(settings, "bronze.ledger", "ledger_id", "event_id")]
