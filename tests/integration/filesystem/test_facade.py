"""`lake.fs` and `lake.copy`: the façade's way to files."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client


@pytest.fixture
def lake(minio: MinioServer, other_minio: MinioServer) -> Lakehouse:
    return Lakehouse(load_settings(storage=minio.profile, profiles={"other": other_minio.profile}))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a", "deep/b"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    return tmp_path / "tree"


def keys(s3: S3Client, bucket: str) -> list[str]:
    return [found.key for found in s3.list_objects(bucket)]


def test_a_trailing_slash_decides_whether_the_folder_itself_goes(
    lake: Lakehouse, s3: S3Client, bucket: str, tree: Path
) -> None:
    lake.copy(f"{tree}/", f"lakehouse://{bucket}/contents/")
    lake.copy(tree, f"lakehouse://{bucket}/folder/")
    assert keys(s3, bucket) == ["contents/a", "contents/deep/b", "folder/tree/a", "folder/tree/deep/b"]


def test_down_and_inside(lake: Lakehouse, s3: S3Client, bucket: str, tree: Path, tmp_path: Path) -> None:
    lake.copy(f"{tree}/", f"s3://{bucket}/one/")
    lake.copy(f"s3://{bucket}/one/", f"s3://{bucket}/two/")
    lake.copy(f"lakehouse://{bucket}/two/", f"{tmp_path}/down/")
    assert (tmp_path / "down/deep/b").read_text() == "deep/b"
    lake.fs.rm(f"{bucket}/one", recursive=True)
    assert keys(s3, bucket) == ["two/a", "two/deep/b"]


def test_the_profile_of_an_address_is_heeded(lake: Lakehouse, other_minio: MinioServer, tree: Path) -> None:
    name = f"elsewhere-{uuid.uuid4().hex[:8]}"
    with S3Client(other_minio.profile) as other:
        other.ensure_bucket(name)
        lake.copy(f"{tree}/", f"lakehouse://other@{name}/up/")
        assert keys(other, name) == ["up/a", "up/deep/b"]


def test_refused(lake: Lakehouse, bucket: str, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both on this machine"):
        lake.copy(tree, tmp_path / "other")
    with pytest.raises(UsageError, match=r"two profiles.*sync"):
        lake.copy(f"lakehouse://other@{bucket}/x/", f"lakehouse://{bucket}/y/")
    with pytest.raises(NotFoundError):
        lake.copy(f"lakehouse://{bucket}/nothing/", tmp_path / "down")
