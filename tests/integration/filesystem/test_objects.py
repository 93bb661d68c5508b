"""One object at a time: whole or not there, with the SDK's errors."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from scripted_s3 import ScriptedServer, answer

from lakehouse_sdk.config import S3Profile, Settings, load_settings
from lakehouse_sdk.errors import AccessError, ConflictError, ConnectError, LakehouseError, NotFoundError, StorageError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client


class TestWriting:
    def test_an_object_appears_when_its_file_is_closed(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        with fs.open(f"{bucket}/k", "wb") as file:
            file.write(b"half")
            assert s3.find_info(bucket, "k") is None
        assert s3.get_bytes(bucket, "k") == b"half"

    @pytest.mark.parametrize("size_bytes", [4, 6 * 1024**2], ids=["one-request", "in-parts"])
    def test_an_exception_leaves_what_was_there(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, size_bytes: int
    ) -> None:
        """s3fs would close the file, and closing commits: half an object under its final key."""
        s3.put_bytes(bucket, "k", b"before")

        def fail_halfway() -> None:
            with fs.open(f"{bucket}/k", "wb", block_size=5 * 1024**2) as file:
                file.write(b"x" * size_bytes)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail_halfway()
        gc.collect()  # a forgotten file closes itself, and must not commit then
        assert s3.get_bytes(bucket, "k") == b"before"
        assert s3.list_uploads(bucket, "k") == []

    def test_an_exception_while_reading_closes_the_file(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"x")
        with pytest.raises(ZeroDivisionError), fs.open(f"{bucket}/k") as file:
            raise ZeroDivisionError
        assert file.closed

    def test_exclusive(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        with fs.open(f"{bucket}/k", "xb") as first:
            first.write(b"first")
        with pytest.raises(ConflictError, match=rf"lakehouse://{bucket}/k exists already"):
            fs.open(f"{bucket}/k", "xb")
        with pytest.raises(FileExistsError):
            fs.pipe_file(f"{bucket}/k", b"second", mode="create")

    def test_exclusive_against_somebody_who_is_quicker(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        file = fs.open(f"{bucket}/k", "xb")
        file.write(b"late")
        s3.put_bytes(bucket, "k", b"quick")
        with pytest.raises(ConflictError):
            file.close()
        assert s3.get_bytes(bucket, "k") == b"quick"

    def test_append(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"first,")
        with fs.open(f"{bucket}/k", "ab") as file:
            file.write(b"second")
        assert s3.get_bytes(bucket, "k") == b"first,second"


class TestGetFile:
    """The local file is whole or as before."""

    def test_an_error_in_the_middle_changes_nothing(self, tmp_path: Path) -> None:
        server = ScriptedServer(answer(body=b"x" * 100, Content_Length="1000", Last_Modified="Fri, 20 Nov 2026 10:00:00 GMT"))
        fs = LakehouseFileSystem(load_settings(storage=server.profile), skip_instance_cache=True)
        fs.retries = 1
        target = tmp_path / "k"
        target.write_text("before")
        with pytest.raises(Exception):  # noqa: B017, PT011 (which one depends on where the connection broke)
            fs.get_file("bucket/k", str(target))
        server.close()
        assert target.read_text() == "before"
        assert list(tmp_path.iterdir()) == [target]

    def test_replaces_a_file_and_follows_a_link(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path
    ) -> None:
        s3.put_bytes(bucket, "k", b"new")
        (tmp_path / "real").write_text("old")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        fs.get_file(f"{bucket}/k", str(tmp_path / "link"))
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_text() == "new"

    def test_never_takes_the_place_of_a_device(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"new")
        fs.get_file(f"{bucket}/k", "/dev/null")
        assert Path("/dev/null").is_char_device()

    def test_passes_over_a_folder(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path) -> None:
        s3.put_bytes(bucket, "k", b"new")
        fs.get_file(f"{bucket}/k", str(tmp_path))
        assert list(tmp_path.iterdir()) == []


class TestCopyFile:
    def test_metadata_stays(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"x", content_type="text/csv", metadata={"source": "binance"})
        fs.cp_file(f"{bucket}/k", f"{bucket}/k2")
        kept = s3.get_details(bucket, "k2").headers
        assert (kept["content-type"], kept["x-amz-meta-source"]) == ("text/csv", "binance")

    def test_metadata_stays_beyond_the_limit_of_one_copy(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """s3fs drops it there; the limit is lowered for the test."""
        monkeypatch.setattr("lakehouse_sdk.filesystem.spec._MOST_BYTES_OF_ONE_COPY", 1)
        s3.put_bytes(bucket, "k", b"xyz", content_type="text/csv", metadata={"source": "binance"})
        fs.cp_file(f"{bucket}/k", f"{bucket}/k2")
        kept = s3.get_details(bucket, "k2").headers
        assert (kept["content-type"], kept["x-amz-meta-source"]) == ("text/csv", "binance")
        assert s3.get_info(bucket, "k2").etag.endswith("-1")

    def test_the_etag_of_parts_can_be_kept(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        with fs.open(f"{bucket}/k", "wb", block_size=5 * 1024**2) as file:
            file.write(b"x" * (6 * 1024**2))
        fs.cp_file(f"{bucket}/k", f"{bucket}/k2", preserve_etag=True)
        assert s3.get_info(bucket, "k").etag == s3.get_info(bucket, "k2").etag


class TestErrors:
    """The SDK's errors, which are the builtin ones as well."""

    @pytest.mark.parametrize("call", ["info", "cat_file", "open", "ls", "size", "checksum"])
    def test_a_missing_object(self, fs: LakehouseFileSystem, bucket: str, call: str) -> None:
        with pytest.raises(NotFoundError, match=r"gone") as caught:
            getattr(fs, call)(f"{bucket}/gone")
        assert isinstance(caught.value, FileNotFoundError)

    def test_a_missing_bucket(self, fs: LakehouseFileSystem) -> None:
        with pytest.raises(NotFoundError, match="no bucket 'no-such-bucket'"):
            fs.pipe_file("no-such-bucket/k", b"")
        with pytest.raises(FileNotFoundError):
            fs.ls("no-such-bucket")
        assert not fs.exists("no-such-bucket")

    def test_wrong_credentials(self, minio: MinioServer) -> None:
        wrong = minio.profile.model_copy(update={"secret_key": S3Profile(secret_key="wrong-secret").secret_key})
        fs = LakehouseFileSystem(load_settings(storage=wrong))
        for call in (fs.ls, fs.exists, fs.info, fs.cat_file):
            with pytest.raises(AccessError, match=r"refused the (credentials|action)") as caught:
                call("bucket/k")
            assert isinstance(caught.value, PermissionError)
            assert "wrong-secret" not in str(caught.value)

    def test_nobody_there(self) -> None:
        """Not knowing is an error: `exists` must not say no because the server is down."""
        profile = S3Profile(endpoint_url="http://127.0.0.1:1", anonymous=True)
        fs = LakehouseFileSystem(load_settings(storage=profile))
        for call, path in ((fs.exists, "bucket"), (fs.exists, "bucket/k"), (fs.isdir, "bucket/k"), (fs.find, "bucket")):
            with pytest.raises(ConnectError, match=r"No S3 server answers at http://127\.0\.0\.1:1.*lakehouse up"):
                call(path)

    def test_a_clock_that_is_wrong(self, tmp_path: Path) -> None:
        body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>"
        server = ScriptedServer(answer("403 Forbidden", body, Content_Type="application/xml"))
        fs = LakehouseFileSystem(load_settings(storage=server.profile), skip_instance_cache=True)
        with pytest.raises(AccessError, match="clocks of this machine and of the server"):
            fs.pipe_file("bucket/k", b"")
        server.close()

    def test_another_refusal_is_an_os_error_with_the_servers_words(self) -> None:
        body = b"<Error><Code>InvalidRequest</Code><Message>Not like this.</Message></Error>"
        server = ScriptedServer(answer("400 Bad Request", body, Content_Type="application/xml"))
        fs = LakehouseFileSystem(load_settings(storage=server.profile), skip_instance_cache=True)
        with pytest.raises(StorageError, match=r"put_object bucket/k .*400 InvalidRequest Not like this") as caught:
            fs.pipe_file("bucket/k", b"")
        server.close()
        assert isinstance(caught.value, OSError)

    def test_a_file_that_changes_while_it_is_read(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"a" * 100)
        with fs.open(f"{bucket}/k", cache_type="none") as file:
            file.read(10)
            s3.put_bytes(bucket, "k", b"b" * 100)
            with pytest.raises(LakehouseError):
                file.read(10)

    def test_a_programming_error_stays_what_it_is(self, fs: LakehouseFileSystem) -> None:
        with pytest.raises(ValueError, match="version"):
            fs.info("bucket/k", version_id="1")
        with pytest.raises(AttributeError):
            fs.call_s3("no_such_request", Bucket="bucket", Key="k")


def test_no_checksum_travels_that_the_request_does_not_require() -> None:
    """Pins `when_required` by what goes over the wire: older and other S3 servers refuse the trailing checksums."""
    server = ScriptedServer(answer(ETag='"e"'))
    fs = LakehouseFileSystem(load_settings(storage=server.profile), skip_instance_cache=True)
    fs.pipe_file("bucket/k", b"body")
    server.close()
    assert server.requests == ["PUT /bucket/k HTTP/1.1"]
    assert server.headers["content-length"] == "4"
    assert not [name for name in server.headers if "checksum" in name or "trailer" in name]
    assert "aws-chunked" not in server.headers.get("content-encoding", "")


def test_a_bucket_is_made_and_removed(fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
    fs.mkdir(f"{bucket}-more")
    assert fs.exists(f"{bucket}-more")
    assert fs.isdir(f"{bucket}-more")
    assert f"{bucket}-more" in fs.ls("")
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{bucket}-more")
    fs.rmdir(f"{bucket}-more")
    assert not s3.bucket_exists(f"{bucket}-more")


def test_asynchronous_calls_are_those_of_s3fs(server_settings: Settings, s3: S3Client, bucket: str) -> None:
    import asyncio

    async def roundtrip() -> Any:
        fs = LakehouseFileSystem(server_settings, asynchronous=True, skip_instance_cache=True)
        session = await fs.set_session()
        await fs._pipe_file(f"{bucket}/k", b"async")
        found = await fs._cat_file(f"{bucket}/k")
        with pytest.raises(NotFoundError):
            await fs._info(f"{bucket}/gone")
        await session.close()
        return found

    assert asyncio.run(roundtrip()) == b"async"
