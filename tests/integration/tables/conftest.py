"""Fixtures of the tests on real tables: a catalogue, and eyes that are not ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import TableCatalog, open_catalog


@pytest.fixture
def catalog(settings: Settings) -> Iterator[TableCatalog]:
    """The catalogue of a fresh lake."""
    with open_catalog(settings) as opened:
        yield opened


@pytest.fixture
def other_eyes(settings: Settings) -> Iterator[SqlCatalog]:
    """The same tables through pyiceberg alone."""
    opened = SqlCatalog(
        settings.catalog.name, uri=settings.catalog.uri or "", **settings.storage.to_pyiceberg(), warehouse="s3://unused"
    )
    yield opened
    opened.close()


@pytest.fixture
def rows_by_source(other_eyes: SqlCatalog) -> Callable[..., Counter[tuple[str, str]]]:
    """Rows of a table by source key and SHA-256, counted by pyiceberg alone."""

    def count(name: str = "silver.klines") -> Counter[tuple[str, str]]:
        if not other_eyes.table_exists(name):
            return Counter()
        rows = other_eyes.load_table(name).scan(selected_fields=("_source_key", "_source_sha256")).to_arrow()
        return Counter(zip(rows["_source_key"].to_pylist(), rows["_source_sha256"].to_pylist(), strict=True))

    return count


@pytest.fixture
def parquet_files(settings: Settings) -> Callable[[], list[str]]:
    """Keys of all data files in the bucket, visible or not."""
    from lakehouse_sdk.storage import S3Client

    def find() -> list[str]:
        with S3Client(settings.storage) as client:
            listed = client.list_objects(settings.lake.bucket, f"{settings.lake.warehouse_prefix}/")
            return [info.key for info in listed if Path(info.key).suffix == ".parquet"]

    return find
