"""Servers that may be killed, new buckets, and settings for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from transfer_witness import Place, new_bucket

from lakehouse_sdk.config import S3Profile, Settings, load_settings
from lakehouse_sdk.servers import MinioServer


@pytest.fixture
def here(minio: MinioServer) -> Place:
    """A new bucket on the server of the lake."""
    return new_bucket(minio.profile)


@pytest.fixture
def there(other_minio: MinioServer) -> Place:
    """A new bucket on the other server."""
    return new_bucket(other_minio.profile, "other")


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[MinioServer]:
    """A server of the test's own, to be killed."""
    with MinioServer(tmp_path / "victim") as server:
        yield server


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of two profiles, small parts, few at once, and a staging folder of the test's own."""

    def make(storage: S3Profile, other: S3Profile | None = None, **transfer: object) -> Settings:
        options = {"part_size_mib": 5, "max_concurrent": 8, "staging_dir": tmp_path / "staging", **transfer}
        return load_settings(storage=storage, profiles={"other": other} if other else {}, transfer=options)

    return make


@pytest.fixture
def lake(minio: MinioServer, other_minio: MinioServer, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(minio.profile, other_minio.profile)
