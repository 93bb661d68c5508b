"""The SDK's own probes on servers of several makers; what each does not do is written down here and in the docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from moto_server import MotoServer
from versitygw_server import VersityServer

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.servers import MinioServer, SeaweedServer
from lakehouse_sdk.testing import StorageSuite


class TestMinio(StorageSuite):
    gaps: ClassVar = {"object-beside-prefix", "empty-parts", "dot-parts", "leading-slash", "long-names"}

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, minio: MinioServer) -> S3Profile:
        return minio.profile


class TestSeaweedFS(StorageSuite):
    gaps: ClassVar = {
        "listing-order", "backslash", "empty-parts", "dot-parts", "leading-slash", "folder-marker", "long-names", "signed-body",
    }  # fmt: skip

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Profile]:
        with SeaweedServer(tmp_path_factory.mktemp("seaweedfs")) as server:
            yield server.profile


class TestMoto(StorageSuite):
    gaps: ClassVar = {"copy-pinned", "signed-body", "sha256", "crc64nvme", "versioning"}

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls) -> Iterator[S3Profile]:
        with MotoServer() as server:
            yield server.profile


@pytest.mark.needs_build
class TestVersitygw(StorageSuite):
    gaps: ClassVar = {"object-beside-prefix", "empty-parts", "dot-parts", "leading-slash", "folder-marker", "long-names"}

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls) -> Iterator[S3Profile]:
        with VersityServer() as server:
            yield server.profile


def test_the_docs_have_the_same_gaps() -> None:
    """The table of the docs says of every server what the suite above knows of it."""
    page = (Path(__file__).parents[2] / "docs/reference/servers.md").read_text(encoding="utf-8")
    suites = {"MinIO": TestMinio, "SeaweedFS": TestSeaweedFS, "moto": TestMoto, "versitygw": TestVersitygw}
    for name, suite in suites.items():
        (line,) = (row for row in page.splitlines() if row.startswith(f"| {name} |"))
        assert {part.strip("` ") for part in line.split("|")[3].split(",") if part.strip("` ")} == set(suite.gaps)
