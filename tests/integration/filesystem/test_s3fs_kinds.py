"""What users of s3fs rely on, kind by kind: credentials, options, caching, files, metadata, transactions, errors.

Where `lake.fs` is meant to differ stands in docs/explanation/atomic-writes.md.
"""

from __future__ import annotations

import datetime as dt
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pandas as pd
import pytest

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import AccessError, NotFoundError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer

MIB = 1024**2


@pytest.fixture
def fs(minio: MinioServer) -> LakehouseFileSystem:
    return LakehouseFileSystem(load_settings(storage=minio.profile))


class TestCredentials:
    def test_wrong_ones_are_a_permission_error_everywhere(self, minio: MinioServer, bucket: str) -> None:
        wrong = minio.profile.model_copy(update={"secret_key": type(minio.profile.secret_key)("wrong-secret-key")})  # type: ignore[call-arg]
        fs = LakehouseFileSystem(load_settings(storage=wrong))
        for call in (fs.ls, fs.info, fs.cat, fs.exists, fs.rm, lambda path: fs.pipe(path, b"x"), fs.open):
            with pytest.raises(PermissionError) as told:
                call(f"{bucket}/k")
            assert isinstance(told.value, AccessError)

    def test_anonymous_reads_what_is_public(self, minio: MinioServer, fs: LakehouseFileSystem, s3, bucket: str) -> None:
        fs.pipe(f"{bucket}/k", b"x")
        anonymous = LakehouseFileSystem(load_settings(storage={"endpoint_url": minio.endpoint_url, "anonymous": True}))
        with pytest.raises(PermissionError):
            anonymous.cat(f"{bucket}/k")
        s3.set_public_read(bucket)
        assert anonymous.cat(f"{bucket}/k") == b"x"

    def test_a_pickle_reads_the_same_server(self, fs: LakehouseFileSystem, bucket: str) -> None:
        fs.pipe(f"{bucket}/k", b"x")
        assert pickle.loads(pickle.dumps(fs)).cat(f"{bucket}/k") == b"x"
        with fs.open(f"{bucket}/k") as file:
            assert pickle.loads(pickle.dumps(file)).read() == b"x"


class TestOptions:
    def test_default_block_size_and_fill_cache(self, minio: MinioServer, bucket: str) -> None:
        fs = LakehouseFileSystem(load_settings(storage=minio.profile), default_block_size=6 * MIB, default_fill_cache=False)
        fs.pipe(f"{bucket}/k", b"x" * 100)
        with fs.open(f"{bucket}/k") as file:
            assert (file.blocksize, file.fill_cache) == (6 * MIB, False)

    def test_additional_arguments_reach_every_object(self, minio: MinioServer, bucket: str, tmp_path) -> None:
        options = {"s3_additional_kwargs": {"ContentType": "text/x-own"}}
        fs = LakehouseFileSystem(load_settings(storage=minio.profile), **options)
        for name in ("a", "b"):
            (tmp_path / name).write_bytes(b"x")
        fs.put([str(tmp_path / "a"), str(tmp_path / "b")], f"{bucket}/many/")
        fs.pipe(f"{bucket}/piped", b"x")
        with fs.open(f"{bucket}/written", "wb") as file:
            file.write(b"x")
        for name in ("many/a", "many/b", "piped", "written"):
            assert fs.info(f"{bucket}/{name}")["ContentType"] == "text/x-own", name


class TestCaching:
    def test_nothing_is_cached_unless_asked_for(self, fs: LakehouseFileSystem, s3, bucket: str) -> None:
        assert fs.ls(bucket) == []
        s3.put_bytes(bucket, "k", b"x")
        assert fs.ls(bucket) == [f"{bucket}/k"]

    def test_a_cache_that_was_asked_for_is_dropped_by_writes_and_refresh(self, minio: MinioServer, s3, bucket: str) -> None:
        fs = LakehouseFileSystem(load_settings(storage=minio.profile), use_listings_cache=True)
        s3.put_bytes(bucket, "first", b"x")
        assert len(fs.ls(bucket)) == 1
        s3.put_bytes(bucket, "by-others", b"x")
        assert len(fs.ls(bucket)) == 1
        assert len(fs.ls(bucket, refresh=True)) == 2
        fs.pipe(f"{bucket}/mine", b"x")
        assert len(fs.ls(bucket)) == 3
        fs.rm(f"{bucket}/mine")
        assert len(fs.ls(bucket)) == 2


class TestFiles:
    def test_seeks_and_ranges(self, fs: LakehouseFileSystem, bucket: str) -> None:
        body = bytes(range(256)) * 1000
        fs.pipe(f"{bucket}/k", body)
        with fs.open(f"{bucket}/k", block_size=1000) as file:
            assert (file.read(3), file.tell()) == (body[:3], 3)
            assert file.seek(-5, io.SEEK_END) == len(body) - 5
            assert file.read() == body[-5:]
            assert file.read() == b""
            with pytest.raises(ValueError, match="before start"):
                file.seek(-1)
        assert fs.cat_file(f"{bucket}/k", start=10, end=20) == body[10:20]
        assert fs.cat_file(f"{bucket}/k", start=-10) == body[-10:]
        assert fs.cat_ranges([f"{bucket}/k"] * 2, [0, 5], [2, 7]) == [body[:2], body[5:7]]
        assert (fs.head(f"{bucket}/k", 4), fs.tail(f"{bucket}/k", 4)) == (body[:4], body[-4:])
        assert fs.read_block(f"{bucket}/k", 256, 10) == body[256:266]

    @pytest.mark.parametrize("size", [0, 10, 6 * MIB])
    def test_append(self, fs: LakehouseFileSystem, bucket: str, size: int) -> None:
        fs.pipe(f"{bucket}/k", b"a" * size)
        with fs.open(f"{bucket}/k", "ab") as file:
            assert file.tell() == size
            file.write(b"end")
        assert fs.cat(f"{bucket}/k") == b"a" * size + b"end"

    def test_exclusive_creation(self, fs: LakehouseFileSystem, bucket: str) -> None:
        with fs.open(f"{bucket}/k", "xb") as file:
            file.write(b"1")
        with pytest.raises(FileExistsError):
            fs.open(f"{bucket}/k", "xb")
        assert fs.cat(f"{bucket}/k") == b"1"

    def test_text_lines_and_compression(self, fs: LakehouseFileSystem, bucket: str) -> None:
        with fs.open(f"{bucket}/t.gz", "wt", compression="infer", encoding="utf-8") as file:
            file.write("één\ntwee\n")
        assert fs.cat(f"{bucket}/t.gz")[:2] == b"\x1f\x8b"
        with fs.open(f"{bucket}/t.gz", "rt", compression="gzip", encoding="utf-8") as file:
            assert list(file) == ["één\n", "twee\n"]

    def test_many_threads_read_one_file_system(self, fs: LakehouseFileSystem, bucket: str) -> None:
        fs.pipe({f"{bucket}/{number}": b"%d" % number for number in range(40)})
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda number: fs.cat(f"{bucket}/{number}"), range(40))) == [b"%d" % n for n in range(40)]

    def test_pandas_by_address(self, minio: MinioServer, bucket: str) -> None:
        options = {"settings": load_settings(storage=minio.profile)}
        frame = pd.DataFrame({"a": [1, 2]})
        frame.to_parquet(f"lakehouse://{bucket}/f.parquet", storage_options=options)
        assert pd.read_parquet(f"lakehouse://{bucket}/f.parquet", storage_options=options).equals(frame)


class TestTransactions:
    def test_all_or_none(self, fs: LakehouseFileSystem, bucket: str) -> None:
        with fs.transaction:
            for name in ("a", "b"):
                with fs.open(f"{bucket}/{name}", "wb") as file:
                    file.write(name.encode())
            assert fs.find(bucket) == []
        assert len(fs.find(bucket)) == 2

    def test_an_exception_writes_none(self, fs: LakehouseFileSystem, bucket: str) -> None:
        def fail() -> None:
            with fs.transaction:
                with fs.open(f"{bucket}/a", "wb") as file:
                    file.write(b"a")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert fs.find(bucket) == []


class TestMetadata:
    def test_attributes_and_tags(self, fs: LakehouseFileSystem, bucket: str) -> None:
        fs.pipe(f"{bucket}/k", b"x")
        fs.setxattr(f"{bucket}/k", owner="me")
        assert fs.getxattr(f"{bucket}/k", "owner") == "me"
        assert fs.metadata(f"{bucket}/k") == {"owner": "me"}
        fs.put_tags(f"{bucket}/k", {"t": "v"})
        assert fs.get_tags(f"{bucket}/k") == {"t": "v"}
        fs.copy(f"{bucket}/k", f"{bucket}/copy")
        assert fs.metadata(f"{bucket}/copy") == {"owner": "me"}

    def test_sizes_and_times(self, fs: LakehouseFileSystem, bucket: str) -> None:
        fs.pipe({f"{bucket}/d/a": b"12", f"{bucket}/d/b": b"345"})
        assert fs.du(f"{bucket}/d") == 5
        assert fs.du(f"{bucket}/d", total=False) == {f"{bucket}/d/a": 2, f"{bucket}/d/b": 3}
        assert fs.sizes([f"{bucket}/d/a", f"{bucket}/d/b"]) == [2, 3]
        assert (fs.isfile(f"{bucket}/d/a"), fs.isdir(f"{bucket}/d"), fs.isdir(f"{bucket}/d/a")) == (True, True, False)
        assert fs.modified(f"{bucket}/d/a").tzinfo is not None
        assert fs.modified(f"{bucket}/d/a") <= dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
        before = fs.checksum(f"{bucket}/d/a")
        fs.pipe(f"{bucket}/d/a", b"21")
        assert fs.checksum(f"{bucket}/d/a") != before

    def test_globs(self, fs: LakehouseFileSystem, bucket: str) -> None:
        names = ["a.csv", "b.csv", "d/c.csv", "d/e/f.csv", "d/[x].csv"]
        fs.pipe({f"{bucket}/{name}": b"x" for name in names})
        assert fs.glob(f"{bucket}/*.csv") == [f"{bucket}/a.csv", f"{bucket}/b.csv"]
        assert len(fs.glob(f"{bucket}/**/*.csv")) == 5
        assert fs.glob(f"{bucket}/d/[[]x].csv") == [f"{bucket}/d/[x].csv"]
        assert [len(files) for _, _, files in fs.walk(bucket)] == [2, 2, 1]


class TestErrors:
    def test_what_is_not_there(self, fs: LakehouseFileSystem, bucket: str) -> None:
        for call in (fs.info, fs.ls, fs.cat, fs.size, fs.checksum, fs.open):
            for path in (f"{bucket}/none", "no-such-bucket-here/k"):
                with pytest.raises(FileNotFoundError):
                    call(path)
        with pytest.raises(NotFoundError):
            fs.cp_file(f"{bucket}/none", f"{bucket}/k")
        assert not fs.exists(f"{bucket}/none")
        assert not fs.exists("no-such-bucket-here")

    def test_cat_of_many_may_leave_out_or_return_errors(self, fs: LakehouseFileSystem, bucket: str) -> None:
        fs.pipe(f"{bucket}/a", b"a")
        paths = [f"{bucket}/a", f"{bucket}/none"]
        assert fs.cat(paths, on_error="omit") == {f"{bucket}/a": b"a"}
        assert isinstance(fs.cat(paths, on_error="return")[f"{bucket}/none"], FileNotFoundError)

    def test_a_bucket_that_is_not_empty_stays(self, fs: LakehouseFileSystem, bucket: str) -> None:
        fs.pipe(f"{bucket}/a", b"a")
        with pytest.raises(OSError, match="not empty"):
            fs.rmdir(bucket)
        fs.rm(bucket, recursive=True)
        assert not fs.exists(bucket)

    def test_a_mode_that_nobody_knows(self, fs: LakehouseFileSystem, bucket: str) -> None:
        with pytest.raises((ValueError, NotImplementedError)):
            fs.open(f"{bucket}/k", "r+b")


def test_it_is_found_by_its_protocol(minio: MinioServer, bucket: str) -> None:
    with fsspec.open(f"lakehouse://{bucket}/k", "wb", settings=load_settings(storage=minio.profile)) as file:
        file.write(b"x")
    fs, path = fsspec.core.url_to_fs(f"lakehouse://{bucket}/k", settings=load_settings(storage=minio.profile))
    assert (type(fs), path, fs.cat(path)) == (LakehouseFileSystem, f"{bucket}/k", b"x")
