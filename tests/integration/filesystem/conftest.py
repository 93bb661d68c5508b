"""A filesystem over the shared MinIO, and a client beside it that is not fsspec's."""

from __future__ import annotations

import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer


@pytest.fixture
def server_settings(minio: MinioServer) -> Settings:
    """Settings that are equal for every test, so that fsspec's cache hands out one filesystem."""
    return load_settings(storage=minio.profile)


@pytest.fixture
def fs(server_settings: Settings) -> LakehouseFileSystem:
    """`lakehouse://` on `minio`."""
    return LakehouseFileSystem(server_settings)


@pytest.fixture
def environment(minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> MinioServer:
    """Nothing but settings: the environment leads to `minio`, as a user's would."""
    access_key, secret_key = minio.profile.credentials()
    monkeypatch.setenv("LAKEHOUSE_STORAGE__ENDPOINT_URL", minio.endpoint_url)
    monkeypatch.setenv("LAKEHOUSE_STORAGE__ACCESS_KEY", access_key)
    monkeypatch.setenv("LAKEHOUSE_STORAGE__SECRET_KEY", secret_key)
    return minio
