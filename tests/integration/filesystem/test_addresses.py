"""`lakehouse://` addresses: found by fsspec, led to the right server, and never to another."""

from __future__ import annotations

from pathlib import PurePosixPath

import fsspec
import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client


class TestNothingButSettings:
    """The entry point makes the protocol known; the environment says where it leads."""

    def test_fsspec_knows_the_protocol(self, environment: MinioServer) -> None:
        assert fsspec.get_filesystem_class("lakehouse") is LakehouseFileSystem
        assert isinstance(fsspec.filesystem("lakehouse"), LakehouseFileSystem)

    def test_open(self, environment: MinioServer, s3: S3Client, bucket: str) -> None:
        with fsspec.open(f"lakehouse://{bucket}/a key/ü.txt", "w", encoding="utf-8") as file:
            file.write("grüße")
        assert s3.get_bytes(bucket, "a key/ü.txt") == "grüße".encode()
        with fsspec.open(f"lakehouse://{bucket}/a key/ü.txt", "r", encoding="utf-8") as file:
            assert file.read() == "grüße"

    def test_open_many(self, environment: MinioServer, s3: S3Client, bucket: str) -> None:
        for number in range(3):
            s3.put_bytes(bucket, f"part-{number}", str(number).encode())
        with fsspec.open_files(f"lakehouse://{bucket}/part-*") as files:
            assert [file.read() for file in files] == [b"0", b"1", b"2"]

    def test_url_to_fs_and_back(self, environment: MinioServer, bucket: str) -> None:
        fs, path = fsspec.url_to_fs(f"lakehouse://{bucket}/a/b")
        assert path == f"{bucket}/a/b"
        assert fs.unstrip_protocol(path) == f"lakehouse://{bucket}/a/b"

    def test_another_environment_is_another_filesystem(self, environment: MinioServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """After `lakehouse up` on another port, the same call must not answer from the server that is gone."""
        first = fsspec.filesystem("lakehouse")
        monkeypatch.setenv("LAKEHOUSE_STORAGE__ENDPOINT_URL", "http://127.0.0.1:1")
        second = fsspec.filesystem("lakehouse")
        assert second.endpoint_url == "http://127.0.0.1:1"
        assert first.endpoint_url == environment.endpoint_url
        assert first != second

    def test_a_missing_key_is_said_at_once(self, environment: MinioServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("LAKEHOUSE_STORAGE__SECRET_KEY")
        with pytest.raises(ConfigurationError, match="no secret_key"):
            fsspec.open("lakehouse://bucket/key")


class TestProfiles:
    """`lakehouse://profile@bucket/key`."""

    @pytest.fixture
    def both(self, minio: MinioServer, other_minio: MinioServer) -> Settings:
        return load_settings(storage=minio.profile, profiles={"other": other_minio.profile})

    def test_the_address_chooses_the_server(self, both: Settings, s3: S3Client, other_minio: MinioServer, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"here")
        with S3Client(other_minio.profile) as elsewhere:
            elsewhere.ensure_bucket(bucket)
            elsewhere.put_bytes(bucket, "k", b"there")
        with fsspec.open(f"lakehouse://{bucket}/k", settings=both) as file:
            assert file.read() == b"here"
        with fsspec.open(f"lakehouse://other@{bucket}/k", settings=both) as file:
            assert file.read() == b"there"

    def test_the_whole_address_of_a_path_names_the_profile(self, both: Settings) -> None:
        fs = LakehouseFileSystem(both, profile="other")
        assert fs.unstrip_protocol("bucket/k") == "lakehouse://other@bucket/k"
        assert fs.unstrip_protocol("lakehouse://other@bucket/k") == "lakehouse://other@bucket/k"
        assert repr(fs) == f"<LakehouseFileSystem lakehouse://other@ at {both.profile('other').endpoint_url}>"

    def test_an_unknown_profile(self, both: Settings) -> None:
        with pytest.raises(ConfigurationError, match="no profile 'nobody'"):
            fsspec.open("lakehouse://nobody@bucket/k", settings=both)

    @pytest.mark.parametrize(
        ("profile", "address"),
        [
            ("", "lakehouse://other@{}/k"),
            ("other", "lakehouse://{}/k"),
            ("other", "s3://{}/k"),
            ("", ["x", "lakehouse://other@{}/k"]),
        ],
    )
    def test_a_filesystem_refuses_the_address_of_another_server(
        self, both: Settings, s3: S3Client, bucket: str, profile: str, address: str | list[str]
    ) -> None:
        """Stripped of its profile the path would name an object here: reading it, or deleting it, must not happen."""
        s3.put_bytes(bucket, "k", b"here")
        fs = LakehouseFileSystem(both, profile=profile)
        named = [part.format(bucket) for part in address] if isinstance(address, list) else address.format(bucket)
        for call in (fs.cat, fs.rm, fs.info if isinstance(named, str) else fs.rm):
            with pytest.raises(UsageError, match=r"is on the server of .*, and this filesystem on that of"):
                call(named)
        assert s3.get_bytes(bucket, "k") == b"here"

    def test_options_and_address_must_not_disagree(self, both: Settings) -> None:
        with pytest.raises(TypeError):
            fsspec.open("lakehouse://other@bucket/k", settings=both, profile="")


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("lakehouse://bucket/a/b", "bucket/a/b"),
        ("lakehouse://bucket/", "bucket"),
        ("lakehouse://bucket", "bucket"),
        ("s3://bucket/a", "bucket/a"),
        ("bucket/user@host/x", "bucket/user@host/x"),
        ("lakehouse://bucket/user@host/x", "bucket/user@host/x"),
        ("lakehouse://bucket/see lakehouse://x", "bucket/see lakehouse://x"),
        (PurePosixPath("bucket/a"), "bucket/a"),
        (["lakehouse://bucket/a", "bucket/b"], ["bucket/a", "bucket/b"]),
        ("", ""),
        ("lakehouse://", ""),
    ],
)
def test_paths_without_their_protocol(fs: LakehouseFileSystem, path: object, stripped: object) -> None:
    assert LakehouseFileSystem._strip_protocol(path) == stripped
    assert fs._strip_protocol(path) == stripped


def test_the_profile_of_an_address_is_an_argument() -> None:
    assert LakehouseFileSystem._get_kwargs_from_urls("lakehouse://other@bucket/k") == {"profile": "other"}
    assert LakehouseFileSystem._get_kwargs_from_urls("lakehouse://bucket/x@y") == {}
    assert LakehouseFileSystem._get_kwargs_from_urls("bucket/k") == {}


@pytest.mark.parametrize("option", ["key", "secret", "endpoint_url", "anon", "client_kwargs", "token"])
def test_the_connection_comes_from_the_settings_alone(server_settings: Settings, option: str) -> None:
    with pytest.raises(UsageError, match=rf"not from {option}\."):
        LakehouseFileSystem(server_settings, **{option: "x"})
