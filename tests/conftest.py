"""Fixtures that every kind of test shares: a clean environment, one MinIO for each worker, a fresh bucket for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

hypothesis_settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
hypothesis_settings.load_profile("default")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting, credential or running stack of the developer reaches a test."""
    for name in os.environ:
        if name.startswith(("LAKEHOUSE_", "AWS_ACCESS", "AWS_SECRET", "AWS_SESSION", "AWS_PROFILE", "S3_ENDPOINT")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("lakehouse_sdk.config.stack.cache_dir", lambda: tmp_path_factory.getbasetemp() / "no-stack")


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A real MinIO, one for each test worker."""
    with MinioServer(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture(scope="session")
def other_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A second server with other credentials: another endpoint."""
    with MinioServer(tmp_path_factory.mktemp("other-minio")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(minio: MinioServer) -> Iterator[S3Client]:
    """Requests to `minio`."""
    with S3Client(minio.profile) as client:
        yield client


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """A new, empty bucket on `minio`."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.ensure_bucket(name)
    return name


@pytest.fixture
def settings(minio: MinioServer, bucket: str, tmp_path: Path) -> Settings:
    """Settings whose lake is `bucket` on `minio`, with a fresh SQLite catalogue."""
    return load_settings(
        storage=minio.profile,
        lake={"bucket": bucket},
        catalog={"uri": f"sqlite:///{tmp_path}/catalog.db"},
    )
