"""The suite that fsspec publishes for every filesystem, over `lakehouse://` on a real MinIO.

A deviation would be declared here, with its reason, as a strict expected failure; there is none. What S3 has no notion
of, empty folders, the suite asks for by a fixture. Its module about `mv` tries local files only; ours are in
`test_bulk.TestMove`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer


class LakehouseFixtures(AbstractFixtures):
    """Where the suite finds its filesystem."""

    @pytest.fixture
    def fs(self, minio: MinioServer) -> LakehouseFileSystem:
        return LakehouseFileSystem(load_settings(storage=minio.profile))

    @pytest.fixture
    def fs_path(self, bucket: str) -> str:
        return f"{bucket}/below"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        """S3 has keys, not folders: one without a file does not exist."""
        return False


class TestCopy(AbstractCopyTests, LakehouseFixtures):
    """Remote to remote."""


class TestGet(AbstractGetTests, LakehouseFixtures):
    """Remote to local."""


class TestPut(AbstractPutTests, LakehouseFixtures):
    """Local to remote."""


class TestOpen(AbstractOpenTests, LakehouseFixtures):
    """Reading and writing through file objects."""


class TestPipe(AbstractPipeTests, LakehouseFixtures):
    """Bytes to an object."""
