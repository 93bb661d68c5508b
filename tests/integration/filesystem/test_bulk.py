"""Many objects through `lakehouse://`: by the engine, complete, honest about failures, with nothing stale afterwards."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback, TqdmCallback

from lakehouse_sdk.config import S3Profile, Settings, load_settings
from lakehouse_sdk.errors import AccessError, NotFoundError, TransferError, UsageError
from lakehouse_sdk.filesystem import LakehouseFileSystem, bulk
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Status, TransferReport

ODD_NAMES = ["a b", "a+b", "100%", "per%20cent", "ü-ñ", "deep/er/k=v", "~t(1)'!", '&<>"q', "nbsp\u00a0", ".hidden", "tab\tkey"]


class Counting(Callback):
    """Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.children: list[tuple[str, str]] = []

    def call(self, *args: object, **kwargs: object) -> None:
        self.seen.append(self.value)

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> Callback:
        self.children.append((path_1, path_2))
        return Callback()


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[TransferReport]:
    """The reports of the transfers that bulk calls made."""
    made: list[TransferReport] = []
    run = bulk.run_transfer

    def keep(*args: Any, **kwargs: Any) -> TransferReport:
        made.append(run(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(bulk, "run_transfer", keep)
    return made


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A local folder with odd names."""
    folder = tmp_path / "tree"
    for name in ODD_NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def read_prefix(s3: S3Client, bucket: str, prefix: str) -> dict[str, bytes]:
    return {found.key.removeprefix(prefix): s3.get_bytes(bucket, found.key) for found in s3.list_objects(bucket, prefix)}


class TestRoundTrip:
    def test_put_copy_get_rm_of_odd_names(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tree: Path, tmp_path: Path, reports: list[TransferReport]
    ) -> None:
        wanted = read_tree(tree)
        fs.put(f"{tree}/", f"lakehouse://{bucket}/up/", recursive=True)
        assert read_prefix(s3, bucket, "up/") == wanted
        fs.copy(f"{bucket}/up/", f"{bucket}/again/", recursive=True)
        assert read_prefix(s3, bucket, "again/") == wanted
        fs.get(f"{bucket}/again/", f"{tmp_path}/down/", recursive=True)
        assert read_tree(tmp_path / "down") == wanted
        fs.rm(f"{bucket}/up", recursive=True)
        assert read_prefix(s3, bucket, "up/") == {}
        assert read_prefix(s3, bucket, "again/") == wanted
        assert [report.count(Status.DONE) for report in reports] == [len(wanted)] * 3
        assert [report.bytes_through_client > 0 for report in reports] == [True, False, True]

    def test_a_copy_moves_no_byte_through_this_machine(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, reports: list[TransferReport]
    ) -> None:
        for number in range(5):
            s3.put_bytes(bucket, f"from/{number}", b"x" * 1000)
        fs.copy(f"{bucket}/from/*", f"{bucket}/to/")
        (report,) = reports
        assert (report.strategy, report.bytes_copied, report.bytes_through_client) == ("direct", 5000, 0)

    def test_between_buckets_in_lists(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path, reports: list[TransferReport]
    ) -> None:
        s3.ensure_bucket(f"{bucket}-2")
        for number in range(4):
            s3.put_bytes(bucket if number % 2 else f"{bucket}-2", f"k{number}", str(number).encode())
        sources = [f"{bucket if number % 2 else bucket + '-2'}/k{number}" for number in range(4)]
        fs.get(sources, [str(tmp_path / "down" / str(number)) for number in range(4)])
        assert read_tree(tmp_path / "down") == {str(number): str(number).encode() for number in range(4)}
        fs.copy(sources, [f"{bucket}/copied/{number}" for number in range(4)])
        assert read_prefix(s3, bucket, "copied/") == {str(number): str(number).encode() for number in range(4)}
        assert len(reports) == 4  # one for each pair of ends

    def test_paths_may_be_path_objects(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tree: Path, tmp_path: Path
    ) -> None:
        fs.put(tree, f"{bucket}/up", recursive=True)
        assert read_prefix(s3, bucket, "up/") == read_tree(tree)
        fs.get(f"{bucket}/up", tmp_path / "down", recursive=True)
        assert read_tree(tmp_path / "down") == read_tree(tree)

    def test_folder_markers_are_copied_and_become_folders(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path
    ) -> None:
        for key in ("from/empty/", "from/a", "from/b"):
            s3.put_bytes(bucket, key, b"")
        fs.copy(f"{bucket}/from/", f"{bucket}/to/", recursive=True)
        assert sorted(read_prefix(s3, bucket, "to/")) == ["a", "b", "empty/"]
        fs.get(f"{bucket}/from/", f"{tmp_path}/down/", recursive=True)
        assert (tmp_path / "down" / "empty").is_dir()
        assert sorted(read_tree(tmp_path / "down")) == ["a", "b"]


class TestOneObject:
    def test_stays_with_s3fs(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path, reports: list[TransferReport]
    ) -> None:
        (tmp_path / "file").write_text("x")
        fs.put(str(tmp_path / "file"), f"{bucket}/k")
        fs.copy(f"{bucket}/k", f"{bucket}/k2")
        fs.get(f"{bucket}/k2", str(tmp_path / "down" / "file"))
        assert (tmp_path / "down" / "file").read_text() == "x"
        assert reports == []

    def test_a_large_one_does_not(
        self, minio: MinioServer, s3: S3Client, bucket: str, tmp_path: Path, reports: list[TransferReport]
    ) -> None:
        """s3fs holds up to ten parts in memory."""
        fs = LakehouseFileSystem(load_settings(storage=minio.profile, transfer={"part_size_mib": 5}))
        (tmp_path / "large").write_bytes(os.urandom(6 * 1024**2))
        fs.put(str(tmp_path / "large"), f"{bucket}/large")
        fs.get(f"{bucket}/large", str(tmp_path / "again"))
        assert (tmp_path / "again").read_bytes() == (tmp_path / "large").read_bytes()
        assert len(reports) == 2


class TestRequestArguments:
    """A call with arguments for S3 is s3fs's from beginning to end: s5cmd could not honour them."""

    def test_put_copy_get(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path, reports: list[TransferReport]
    ) -> None:
        for name in ("a", "b"):
            (tmp_path / "up" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "up" / name).write_text(name)
        fs.put(f"{tmp_path}/up/", f"{bucket}/up/", recursive=True, ContentType="text/x-special")
        assert s3.get_details(bucket, "up/a").headers["content-type"] == "text/x-special"
        fs.copy(f"{bucket}/up/", f"{bucket}/to/", recursive=True, MetadataDirective="COPY")
        fs.get(f"{bucket}/to/", f"{tmp_path}/down/", recursive=True, max_concurrency=1)
        assert read_tree(tmp_path / "down") == {"a": b"a", "b": b"b"}
        assert reports == []

    def test_how_many_at_once_is_no_argument_for_s3(
        self, fs: LakehouseFileSystem, bucket: str, tree: Path, reports: list[TransferReport]
    ) -> None:
        fs.put(f"{tree}/", f"{bucket}/up/", recursive=True, batch_size=4)
        assert len(reports) == 1


class TestCallbacks:
    def test_many(self, fs: LakehouseFileSystem, bucket: str, tree: Path, tmp_path: Path) -> None:
        up, down = Counting(), Counting()
        fs.put(f"{tree}/", f"{bucket}/up/", recursive=True, callback=up)
        fs.get(f"{bucket}/up/", f"{tmp_path}/down/", recursive=True, callback=down)
        for callback in (up, down):
            assert (callback.size, callback.value) == (len(ODD_NAMES), len(ODD_NAMES))
            assert callback.seen == sorted(callback.seen)
            assert len(set(callback.seen)) > 1

    def test_one_has_its_bytes_counted_by_a_child(self, fs: LakehouseFileSystem, bucket: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        callback = Counting()
        fs.put(str(tmp_path / "file"), f"{bucket}/k", callback=callback)
        assert (callback.size, callback.value) == (1, 1)
        assert callback.children == [(str(tmp_path / "file"), f"{bucket}/k")]

    def test_none(self, fs: LakehouseFileSystem, bucket: str, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        callback = Counting()
        fs.put(f"{tmp_path}/empty/", f"{bucket}/up/", recursive=True, callback=callback)
        assert (callback.size, callback.value) == (0, 0)


class Recording(Callback):
    """A callback with a child for each file; knows every step it was told of."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.children: dict[tuple[str, str], Recording] = {}
        self.closed = False

    def relative_update(self, inc: int = 1) -> None:
        self.steps.append(inc)
        super().relative_update(inc)

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> Recording:
        return self.children.setdefault((path_1, path_2), Recording())

    def close(self) -> None:
        self.closed = True


MIB = 1024**2
SIZES = {f"small/{number:03}": 100 + number for number in range(200)} | {"large": 12 * MIB}


class TestCallbacksOfManyFiles:
    """As fsspec has it: the size is the number of files, one step for each, and a child with the bytes of each."""

    @pytest.fixture
    def big_tree(self, tmp_path: Path) -> Path:
        folder = tmp_path / "many"
        (folder / "small").mkdir(parents=True)
        for name, size in SIZES.items():
            (folder / name).write_bytes(os.urandom(size))
        return folder

    def assert_complete(self, callback: Recording) -> None:
        assert (callback.size, callback.value) == (len(SIZES), len(SIZES))
        assert callback.steps == [1] * len(SIZES)
        sizes = sorted((child.size, child.value) for child in callback.children.values())
        assert sizes == sorted((size, size) for size in SIZES.values())
        assert all(child.closed for child in callback.children.values())

    def test_put_copy_and_get(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, big_tree: Path, tmp_path: Path) -> None:
        wanted = read_tree(big_tree)
        up, down = Recording(), Recording()
        fs.put(f"{big_tree}/", f"{bucket}/up/", recursive=True, callback=up)
        self.assert_complete(up)
        assert (str(big_tree / "large"), f"{bucket}/up/large") in up.children
        fs.copy(f"{bucket}/up/", f"{bucket}/again/", recursive=True)
        assert read_prefix(s3, bucket, "again/") == wanted
        fs.get(f"{bucket}/again/", f"{tmp_path}/down/", recursive=True, callback=down)
        self.assert_complete(down)
        assert read_tree(tmp_path / "down") == wanted

    def test_a_bar_of_tqdm(self, fs: LakehouseFileSystem, bucket: str, big_tree: Path) -> None:
        log = io.StringIO()
        with TqdmCallback(tqdm_kwargs={"file": log, "mininterval": 0}) as callback:
            fs.put(f"{big_tree}/", f"{bucket}/up/", recursive=True, callback=callback)
            assert (callback.tqdm.n, callback.tqdm.total) == (len(SIZES), len(SIZES))
        assert "201/201" in log.getvalue()

    def test_one_that_fails_is_counted_and_has_no_child(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, big_tree: Path
    ) -> None:
        targets = [f"{bucket}/up/{name}" for name in SIZES]
        targets[7] = f"{bucket}/up//impossible"
        callback = Recording()
        with pytest.raises(TransferError, match="1 of 201"):
            fs.put([str(big_tree / name) for name in SIZES], targets, callback=callback)
        assert (callback.size, callback.value) == (len(SIZES), len(SIZES))
        assert len(callback.children) == len(SIZES) - 1
        assert len(read_prefix(s3, bucket, "up/")) == len(SIZES) - 1

    def test_a_large_file_alone_tells_its_child_as_it_moves(self, minio: MinioServer, bucket: str, big_tree: Path) -> None:
        limits = {"part_size_mib": 5, "max_bytes_per_s": 12 * MIB}
        fs = LakehouseFileSystem(load_settings(storage=minio.profile, transfer=limits))
        callback = Recording()
        fs.put(str(big_tree / "large"), f"{bucket}/large", callback=callback)
        (child,) = callback.children.values()
        assert (callback.size, callback.value, child.size, child.value) == (1, 1, 12 * MIB, 12 * MIB)
        assert len(child.steps) > 2

    def test_a_failure_between_one_pair_of_buckets_leaves_the_others_alone(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str
    ) -> None:
        s3.ensure_bucket(f"{bucket}-2")
        for name in (bucket, f"{bucket}-2"):
            s3.put_bytes(name, "k", b"x")
        with pytest.raises(TransferError):
            fs.copy([f"{bucket}/k", f"{bucket}-2/k"], [f"{bucket}/to//impossible", f"{bucket}/fine"])
        assert s3.get_bytes(bucket, "fine") == b"x"


class TestListings:
    """What `ls` says is what is there."""

    def test_another_program_writes(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        assert fs.ls(bucket) == []
        s3.put_bytes(bucket, "k", b"1")
        assert fs.ls(bucket) == [f"{bucket}/k"]
        assert fs.size(f"{bucket}/k") == 1
        s3.put_bytes(bucket, "k", b"22")
        assert fs.size(f"{bucket}/k") == 2
        s3.delete(bucket, "k")
        assert fs.ls(bucket) == []
        assert not fs.exists(f"{bucket}/k")

    @pytest.fixture
    def cached(self, server_settings: Settings, s3: S3Client, bucket: str) -> LakehouseFileSystem:
        """One whose user asked for a cache, with two objects in it."""
        fs = LakehouseFileSystem(server_settings, use_listings_cache=True, skip_instance_cache=True)
        for key in ("d/a", "d/b"):
            s3.put_bytes(bucket, key, b"")
        assert len(fs.find(bucket)) == 2
        s3.put_bytes(bucket, "d/unseen", b"")
        assert len(fs.ls(f"{bucket}/d")) == 2, "the cache that was asked for answers"
        return fs

    def test_a_bulk_put_drops_the_cache(self, cached: LakehouseFileSystem, bucket: str, tree: Path) -> None:
        cached.put(f"{tree}/", f"{bucket}/d/", recursive=True)
        assert f"{bucket}/d/a b" in cached.ls(f"{bucket}/d")
        assert f"{bucket}/d/unseen" in cached.ls(f"{bucket}/d")

    def test_a_bulk_copy_drops_the_cache(self, cached: LakehouseFileSystem, bucket: str) -> None:
        cached.copy(f"{bucket}/d/*", f"{bucket}/e/")
        assert len(cached.ls(f"{bucket}/e")) >= 2

    def test_rm_and_mv_drop_the_cache(self, cached: LakehouseFileSystem, bucket: str) -> None:
        cached.mv(f"{bucket}/d/a", f"{bucket}/moved")
        assert f"{bucket}/moved" in cached.ls(bucket)
        cached.rm(f"{bucket}/d", recursive=True)
        assert not cached.exists(f"{bucket}/d/b")

    def test_a_bulk_call_that_fails_in_part_drops_it_too(self, cached: LakehouseFileSystem, bucket: str) -> None:
        with pytest.raises(TransferError, match=r"d/b.*unsupported characters"):
            cached.copy([f"{bucket}/d/a", f"{bucket}/d/b"], [f"{bucket}/d/new", f"{bucket}/d//impossible"])
        assert {f"{bucket}/d/new", f"{bucket}/d/unseen"} <= set(cached.ls(f"{bucket}/d"))


class TestRefused:
    """Nothing moves when something is wrong from the start."""

    def test_a_missing_source_of_many(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path) -> None:
        s3.put_bytes(bucket, "there", b"")
        with pytest.raises(NotFoundError, match="no object 'gone'"):
            fs.get([f"{bucket}/there", f"{bucket}/gone"], [str(tmp_path / "1"), str(tmp_path / "2")])
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(FileNotFoundError):
            fs.put([str(tmp_path / "gone"), str(tmp_path / "gone too")], f"{bucket}/up/")
        with pytest.raises(FileNotFoundError):
            fs.get(f"{bucket}/nothing/", f"{tmp_path}/down/", recursive=True)

    def test_a_missing_source_may_be_ignored(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "there", b"")
        fs.copy([f"{bucket}/there", f"{bucket}/gone"], [f"{bucket}/1", f"{bucket}/2"], on_error="ignore")
        assert read_prefix(s3, bucket, "") == {"there": b"", "1": b""}

    def test_two_files_for_one_place(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, tmp_path: Path) -> None:
        """Flattened into one folder, which is fsspec's rule for lists; one of them would be lost without a word."""
        for folder in ("x", "y"):
            s3.put_bytes(bucket, f"{folder}/same", folder.encode())
        sources = [f"{bucket}/x/same", f"{bucket}/y/same"]
        with pytest.raises(UsageError, match=r"same.*and .*same would both become"):
            fs.copy(sources, f"{bucket}/flat/")
        with pytest.raises(UsageError, match="would both become"):
            fs.get(sources, f"{tmp_path}/flat/")
        assert read_prefix(s3, bucket, "flat/") == {}

    def test_a_name_that_leads_out_of_the_target(self, fs: LakehouseFileSystem, tmp_path: Path) -> None:
        """MinIO refuses such keys; other servers hold them."""
        from lakehouse_sdk.filesystem.rules import find_get_pairs

        class Evil:
            def __init__(self) -> None:
                self.names = {f"b/d/{name}": {"type": "file", "size": 1} for name in ("ok", "../../../evil")}

            def find(self, path: str, **options: object) -> dict[str, object]:
                return dict(self.names)

            def exists(self, path: str) -> bool:
                return True

            def isdir(self, path: str) -> bool:
                return path in {"b", "b/d"}

            _strip_protocol = staticmethod(LakehouseFileSystem._strip_protocol)

        with pytest.raises(ValueError, match="outside"):
            find_get_pairs(Evil(), "b/d/", str(tmp_path / "down"), recursive=True)

    def test_failures_are_named(self, minio: MinioServer, s3: S3Client, bucket: str, tree: Path) -> None:
        s3.set_public_read(bucket)
        fs = LakehouseFileSystem(load_settings(storage=S3Profile(endpoint_url=minio.endpoint_url, anonymous=True)))
        with pytest.raises((TransferError, AccessError), match=r"(?i)denied|refused"):
            fs.put(f"{tree}/", f"{bucket}/up/", recursive=True)
        assert read_prefix(s3, bucket, "up/") == {}


class TestMove:
    def test_many(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        for name in ("a", "b", "deep/c"):
            s3.put_bytes(bucket, f"from/{name}", name.encode())
        fs.mv(f"{bucket}/from/", f"{bucket}/to/", recursive=True)
        assert read_prefix(s3, bucket, "") == {"to/a": b"a", "to/b": b"b", "to/deep/c": b"deep/c"}

    def test_what_comes_meanwhile_stays(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """fsspec lists the source again to delete it, and deletes what it never copied."""
        for name in ("a", "b"):
            s3.put_bytes(bucket, f"from/{name}", b"")
        run = bulk.run_transfer

        def run_and_write(*args: Any, **kwargs: Any) -> TransferReport:
            s3.put_bytes(bucket, "from/late", b"late")
            return run(*args, **kwargs)

        monkeypatch.setattr(bulk, "run_transfer", run_and_write)
        fs.mv(f"{bucket}/from/", f"{bucket}/to/", recursive=True)
        assert read_prefix(s3, bucket, "") == {"to/a": b"", "to/b": b"", "from/late": b"late"}

    def test_a_failed_copy_deletes_nothing(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "from/a", b"")
        s3.put_bytes(bucket, "from/b", b"")
        with pytest.raises((TransferError, NotFoundError)):
            fs.mv(f"{bucket}/from/", "no-such-bucket/to/", recursive=True)
        assert read_prefix(s3, bucket, "from/") == {"a": b"", "b": b""}

    def test_onto_itself_is_nothing(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        """Copying onto itself and deleting the source would lose the object."""
        s3.put_bytes(bucket, "k", b"x")
        fs.mv(f"{bucket}/k", f"lakehouse://{bucket}/k")
        fs.mv(f"{bucket}/k", f"{bucket}/k")
        assert s3.get_bytes(bucket, "k") == b"x"

    def test_only_as_deep_as_asked(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        """fsspec copies as deep as asked, and then deletes all the way down."""
        for name in ("a", "b", "deep/er/c"):
            s3.put_bytes(bucket, f"from/{name}", b"")
        fs.mv(f"{bucket}/from/", f"{bucket}/to/", recursive=True, maxdepth=1)
        assert sorted(read_prefix(s3, bucket, "")) == ["from/deep/er/c", "to/a", "to/b"]


class TestRemove:
    @pytest.fixture
    def keys(self, s3: S3Client, bucket: str) -> Iterator[None]:
        for key in ("top", "d/a", "d/b.csv", "d/deep/c.csv", "d2/x", "bell\x07", "d/folder/"):
            s3.put_bytes(bucket, key, b"")
        return iter(())

    @pytest.mark.parametrize(
        ("path", "options", "left"),
        [
            ("d", {"recursive": True}, {"top", "d2/x", "bell\x07"}),
            ("d/", {"recursive": True}, {"top", "d2/x", "bell\x07"}),
            ("d/*.csv", {}, {"top", "d/a", "d/deep/c.csv", "d2/x", "bell\x07", "d/folder/"}),
            ("top", {}, {"d/a", "d/b.csv", "d/deep/c.csv", "d2/x", "bell\x07", "d/folder/"}),
            ("bell\x07", {}, {"top", "d/a", "d/b.csv", "d/deep/c.csv", "d2/x", "d/folder/"}),
            (["top", "d2/x"], {}, {"d/a", "d/b.csv", "d/deep/c.csv", "bell\x07", "d/folder/"}),
            ("d", {"recursive": True, "maxdepth": 1}, {"top", "d/deep/c.csv", "d2/x", "bell\x07", "d/folder/"}),
        ],
    )
    def test_what_is_left(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, keys: None, path: Any, options: dict[str, Any], left: set[str]
    ) -> None:
        fs.rm([f"{bucket}/{part}" for part in path] if isinstance(path, list) else f"{bucket}/{path}", **options)
        assert set(read_prefix(s3, bucket, "")) == left

    def test_a_bucket_with_all_that_is_in_it(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, keys: None) -> None:
        fs.rm(bucket, recursive=True)
        assert not s3.bucket_exists(bucket)

    def test_nothing_there(self, fs: LakehouseFileSystem, bucket: str) -> None:
        with pytest.raises(FileNotFoundError):
            fs.rm(f"{bucket}/gone", recursive=True)

    def test_what_was_not_deleted_is_an_error(self, minio: MinioServer, s3: S3Client, bucket: str, keys: None) -> None:
        """s3fs reports the objects that went, and is silent about the others."""
        s3.set_public_read(bucket)
        fs = LakehouseFileSystem(load_settings(storage=S3Profile(endpoint_url=minio.endpoint_url, anonymous=True)))
        with pytest.raises(AccessError, match=r": AccessDenied .*4 of 4 objects were not deleted"):
            fs.rm(f"{bucket}/d", recursive=True)
        assert len(read_prefix(s3, bucket, "d/")) == 4

    def test_a_folder_of_names_that_begin_alike(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str, keys: None) -> None:
        fs.rm(f"{bucket}/d", recursive=True)
        assert s3.find_info(bucket, "d2/x") is not None
