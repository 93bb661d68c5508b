"""Unfinished uploads to the keys that a run writes: those of others live on, its own and those of dead runs go."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import TransferReport, plan_transfer, run_transfer
from lakehouse_sdk.transfer.context import journal
from tests.support.killed_run import leave_uploads

MIB = 1024**2
SIZE = 12 * MIB
WAYS = ("upload", "inside", "streaming", "staged")
Go = Callable[[], TransferReport]


@pytest.fixture(params=WAYS)
def way(request, s3, other_s3, bucket, second_bucket, other_bucket, lake, tmp_path) -> tuple[S3Client, str, Go]:
    """A target, and a transfer of one object in parts to its key `large`, by each way that writes in parts."""
    settings = load_settings(
        storage=lake.storage,
        profiles=lake.profiles,
        transfer={"part_size_mib": 5, "single_copy_max_bytes": 5 * MIB, "staging_dir": tmp_path / "staging"},
    )
    body = os.urandom(MIB) * (SIZE // MIB)
    s3.put_bytes(bucket, "large", body)
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "large").write_bytes(body)
    source, target, strategy = {
        "upload": (str(tmp_path / "local"), f"s3://{second_bucket}", "auto"),
        "inside": (f"s3://{bucket}", f"s3://{second_bucket}", "auto"),
        "streaming": (f"s3://{bucket}", f"lakehouse://other@{other_bucket}", "auto"),
        "staged": (f"s3://{bucket}", f"lakehouse://other@{other_bucket}", "staged"),
    }[request.param]

    def go() -> TransferReport:
        return run_transfer(plan_transfer(source, target, settings=settings), settings=settings, strategy=strategy)

    return (s3, second_bucket, go) if "other" not in target else (other_s3, other_bucket, go)


def test_an_upload_of_somebody_else_to_the_same_key_ends_well(way: tuple[S3Client, str, Go]) -> None:
    client, bucket, go = way
    theirs = client.start_upload(bucket, "large")
    etags = [client.put_part(bucket, theirs, 1, b"1" * 5 * MIB)]
    go().raise_for_failures()
    assert [upload.upload_id for upload in client.list_uploads(bucket, "large")] == [theirs.upload_id]
    etags.append(client.put_part(bucket, theirs, 2, b"2"))
    client.complete_upload(bucket, theirs, etags)
    assert client.get_bytes(bucket, "large") == b"1" * 5 * MIB + b"2"


def test_what_a_killed_run_left_goes_and_what_others_left_stays(way: tuple[S3Client, str, Go]) -> None:
    client, bucket, go = way
    leave_uploads(client, bucket, "large")
    leave_uploads(client, bucket, "another key")
    theirs = client.start_upload(bucket, "large")
    go().raise_for_failures()
    assert [upload.upload_id for upload in client.list_uploads(bucket, "large")] == [theirs.upload_id]
    assert client.list_uploads(bucket, "another key") == []


def test_of_two_runs_at_once_neither_touches_the_other_s(way: tuple[S3Client, str, Go]) -> None:
    client, bucket, go = way
    reports: list[TransferReport] = []
    threads = [threading.Thread(target=lambda: reports.append(go())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.ok for report in reports] == [True, True], [report.failures for report in reports]
    assert client.list_uploads(bucket, "large") == []
    (info,) = client.list_objects(bucket)
    assert (info.key, info.size_bytes) == ("large", SIZE)


def test_an_upload_that_is_too_old_goes_whoever_began_it(s3, bucket, second_bucket, lake) -> None:
    s3.put_bytes(bucket, "large", bytes(SIZE))
    s3.start_upload(second_bucket, "large")
    time.sleep(1.1)  # servers tell whole seconds
    settings = load_settings(
        storage=lake.storage, transfer={"single_copy_max_bytes": 5 * MIB, "part_size_mib": 5, "abandoned_after_h": 1 / 3600}
    )
    run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=settings), settings=settings)
    assert s3.list_uploads(second_bucket, "large") == []


def test_an_open_file_of_one_s_own_outlives_a_sync_over_its_key(s3, bucket, second_bucket, lake: Settings) -> None:
    s3.put_bytes(bucket, "large", bytes(SIZE))
    fs = LakehouseFileSystem(lake)
    settings = load_settings(storage=lake.storage, transfer={"single_copy_max_bytes": 5 * MIB, "part_size_mib": 5})
    with fs.open(f"{second_bucket}/large", "wb", block_size=5 * MIB) as file:
        file.write(b"x" * 11 * MIB)  # two parts are there
        run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=settings), settings=settings)
    assert s3.get_bytes(second_bucket, "large") == b"x" * 11 * MIB


@pytest.mark.parametrize("right", ["may not list uploads", "cannot list uploads"])
def test_without_a_list_of_uploads_a_run_ends_all_the_same(
    s3, other_s3, bucket, other_bucket, lake, monkeypatch: pytest.MonkeyPatch, right: str
) -> None:
    from lakehouse_sdk.errors import AccessError, StorageError

    def refuse(self: S3Client, bucket: str, key: str) -> None:
        raise AccessError("no") if "may not" in right else StorageError("no", status=501)

    monkeypatch.setattr(S3Client, "list_uploads", refuse)
    s3.put_bytes(bucket, "large", bytes(SIZE))
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=lake)
    run_transfer(plan, settings=lake).raise_for_failures()
    assert other_s3.get_bytes(other_bucket, "large") == bytes(SIZE)


class TestJournal:
    """What is written down, and who reads it."""

    @pytest.fixture(autouse=True)
    def own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def test_a_run_that_lives_is_nobody_s_to_clear(self, minio: MinioServer) -> None:
        alive = journal.RunJournal()
        number = alive.begin(minio.profile, "bucket", key="k", upload_id="u")
        assert list(journal.find_abandoned(minio.profile)) == []
        alive.end(minio.profile, number)
        alive.close()
        assert list(journal.find_abandoned(minio.profile)) == []

    def test_what_was_not_ended_stays_on_record(self, minio: MinioServer, other_minio: MinioServer) -> None:
        run = journal.RunJournal()
        ended = run.begin(minio.profile, "bucket", key="done", upload_id="1")
        run.begin(minio.profile, "bucket", key="cut", upload_id="2")
        run.end(minio.profile, ended)
        run.close()
        assert list(journal.find_abandoned(other_minio.profile)) == []
        (found,) = journal.find_abandoned(minio.profile)
        assert [(entry["key"], entry["upload_id"]) for entry in found.entries] == [("cut", "2")]
        found.leave()
        (again,) = journal.find_abandoned(minio.profile)
        again.forget()
        assert list(journal.find_abandoned(minio.profile)) == []

    def test_its_files_are_private_and_hold_no_secret(self, minio: MinioServer, tmp_path: Path) -> None:
        run = journal.RunJournal()
        run.begin(minio.profile, "bucket", key=f"k{uuid.uuid4()}", upload_id="1")
        (file,) = (tmp_path / "lakehouse-sdk" / "transfers").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.name + file.read_text()
        assert not [key for key in minio.profile.credentials() if key in text]
        run.close()

    def test_where_nothing_can_be_written_a_run_does_without(self, minio: MinioServer, tmp_path: Path) -> None:
        (tmp_path / "lakehouse-sdk").write_text("in the way")
        run = journal.RunJournal()
        run.end(minio.profile, run.begin(minio.profile, "bucket", key="k", upload_id="1"))
        run.close()
        assert list(journal.find_abandoned(minio.profile)) == []
