"""Bytes that are not the wanted ones are never visible under the final key; caps and full disks are said, not hit."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.storage import CopyResult, S3Client
from lakehouse_sdk.transfer import PlannedObject, Status, TransferPlan, plan_transfer, run_transfer
from lakehouse_sdk.transfer.context.staging import StagingFolder
from lakehouse_sdk.transfer.runners.s5cmd.process import S5cmdProcess
from lakehouse_sdk.uris import LocalAddress, S3Address

GOOD, BAD = b"good bytes", b"evil bytes"
SHA256 = hashlib.sha256(GOOD).hexdigest()
ACTUAL = hashlib.sha256(BAD).hexdigest()


@pytest.fixture(params=["direct", "streaming", "staged", "forced-staged", "upload", "download"])
def way(request, s3, other_s3, bucket, second_bucket, other_bucket, tmp_path):
    """A source with `good` and `bad`, both said to be GOOD, and how to look at the target."""
    source: S3Address | LocalAddress = S3Address(bucket)
    target, client, read_bucket = S3Address(second_bucket), s3, second_bucket
    sources, targets = (
        {name: name for name in ("good", "bad", "plain")},
        {name: f"to/{name}" for name in ("good", "bad", "plain")},
    )
    if request.param in {"streaming", "staged"}:
        target, client, read_bucket = S3Address(other_bucket, "", "other"), other_s3, other_bucket
    if request.param == "upload":
        source = LocalAddress(tmp_path)
        sources = {name: str(tmp_path / name) for name in sources}
    if request.param == "download":
        target = LocalAddress(tmp_path / "to")
        targets = {name: str(tmp_path / "to" / name) for name in targets}
    for name, content in {"good": GOOD, "bad": BAD, "plain": BAD}.items():
        if request.param == "upload":
            (tmp_path / name).write_bytes(content)
        else:
            s3.put_bytes(bucket, name, content)
    wanted = {"good": SHA256, "bad": SHA256, "plain": None}
    rows = [PlannedObject(name, sources[name], targets[name], len(GOOD), sha256=wanted[name]) for name in sources]

    def look() -> set[str]:
        if request.param == "download":
            return {f"to/{path.relative_to(tmp_path / 'to')}" for path in (tmp_path / "to").rglob("*")}
        return {info.key for info in client.list_objects(read_bucket)}

    return TransferPlan.from_rows(source, target, rows), look, "staged" if "staged" in request.param else "auto"


def test_other_bytes_are_failed_with_both_values_and_never_visible(way, lake):
    plan, look, strategy = way
    report = run_transfer(plan, settings=lake, strategy=strategy)
    outcomes = {outcome.row.relative_key: outcome for outcome in report.outcomes}
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "good": Status.DONE,
        "bad": Status.FAILED,
        "plain": Status.DONE,
    }
    assert SHA256 in outcomes["bad"].reason
    assert ACTUAL in outcomes["bad"].reason
    assert (outcomes["good"].sha256, outcomes["bad"].sha256) == (SHA256, ACTUAL)
    assert look() == {"to/good", "to/plain"}


def test_a_final_key_that_exists_keeps_its_bytes(s3, bucket, second_bucket, lake):
    s3.put_bytes(bucket, "x", BAD)
    s3.put_bytes(second_bucket, "x", GOOD)
    plan = TransferPlan.from_rows(
        S3Address(bucket), S3Address(second_bucket), [PlannedObject("x", "x", "x", 10, sha256=SHA256)]
    )
    assert run_transfer(plan, settings=lake).count(Status.FAILED) == 1
    assert s3.get_bytes(second_bucket, "x") == GOOD
    assert [info.key for info in s3.list_objects(second_bucket)] == ["x"]


def test_a_server_that_computes_no_hash_is_read_back(s3, bucket, second_bucket, lake, monkeypatch):
    copy, get_info = S3Client.copy, S3Client.get_info

    def copy_without_hash(self, *args, sha256=False, **options):
        return CopyResult(copy(self, *args, **options).etag)

    s3.put_bytes(bucket, "good", GOOD)
    s3.put_bytes(bucket, "bad", BAD)
    rows = [PlannedObject(key, key, key, 10, sha256=SHA256) for key in ("good", "bad")]
    monkeypatch.setattr(S3Client, "copy", copy_without_hash)
    report = run_transfer(TransferPlan.from_rows(S3Address(bucket), S3Address(second_bucket), rows), settings=lake)
    assert {outcome.row.source_key: outcome.status for outcome in report.outcomes} == {
        "good": Status.DONE,
        "bad": Status.FAILED,
    }
    assert report.bytes_through_client == 20
    assert [info.key for info in s3.list_objects(second_bucket)] == ["good"]
    assert get_info(s3, second_bucket, "good").size_bytes == 10


class TestSourceThatChangedSinceThePlan:
    def rows(self, s3, bucket, keys):
        infos = [(s3.put_bytes(bucket, key, GOOD), key) for key in keys]
        for key in keys:
            s3.put_bytes(bucket, key, BAD)
        return [PlannedObject(key, key, key, len(GOOD), etag) for etag, key in infos]

    @pytest.mark.parametrize("strategy", ["direct", "staged"])
    def test_same_size_other_bytes(self, s3, bucket, second_bucket, lake, strategy):
        rows = self.rows(s3, bucket, ["plain", "with space", "new\nline"])
        plan = TransferPlan.from_rows(S3Address(bucket), S3Address(second_bucket), rows)
        report = run_transfer(plan, settings=lake, strategy=strategy)
        assert report.count(Status.FAILED) == 3, report.outcomes

    def test_another_size(self, s3, bucket, second_bucket, other_bucket, lake, tmp_path):
        s3.put_bytes(bucket, "x", b"longer than planned")
        s3.put_bytes(bucket, "x\n", b"longer than planned")
        for target in (S3Address(second_bucket), S3Address(other_bucket, "", "other"), LocalAddress(tmp_path / "in")):
            folder = f"{tmp_path}/in/" if isinstance(target, LocalAddress) else ""
            rows = [PlannedObject(key, key, folder + key, 3) for key in ("x", "x\n")]
            report = run_transfer(TransferPlan.from_rows(S3Address(bucket), target, rows), settings=lake)
            assert report.count(Status.FAILED) == 2, report.outcomes
        assert list((tmp_path / "in").iterdir()) == []

    def test_a_local_file(self, s3, bucket, lake, tmp_path):
        for name in ("x", "x\n"):
            (tmp_path / name).write_bytes(b"longer than planned")
        rows = [PlannedObject(name, str(tmp_path / name), name, 3) for name in ("x", "x\n")]
        report = run_transfer(TransferPlan.from_rows(LocalAddress(tmp_path), S3Address(bucket), rows), settings=lake)
        assert report.count(Status.FAILED) == 2

    @pytest.mark.parametrize("change", ["touched", "gone"])
    def test_a_local_file_of_the_same_size(self, s3, bucket, lake, by_s5cmd, tmp_path, change):
        for settings, name in ((lake, "own"), (by_s5cmd, "s5cmd")):
            path = tmp_path / name / "x"
            path.parent.mkdir()
            path.write_bytes(b"123")
            plan = plan_transfer(path.parent, f"s3://{bucket}/{name}", settings=settings)
            path.unlink()
            if change == "touched":
                path.write_bytes(b"456")
                os.utime(path, (5000, 5000))
            (failure,) = run_transfer(plan, settings=settings).failures
            assert failure.status is Status.FAILED, failure
            assert "changed" in failure.reason or "No such file" in failure.reason
        assert list(s3.list_objects(bucket)) == []

    def test_a_local_file_that_changes_while_s5cmd_reads_it(self, s3, bucket, by_s5cmd, tmp_path, monkeypatch):
        path = tmp_path / "tree" / "x"
        path.parent.mkdir()
        path.write_bytes(b"123")
        plan = plan_transfer(path.parent, f"s3://{bucket}", settings=by_s5cmd)
        feed = S5cmdProcess.feed

        def change_and_feed(self, line):
            path.write_bytes(b"456")
            os.utime(path, (5000, 5000))
            feed(self, line)

        monkeypatch.setattr(S5cmdProcess, "feed", change_and_feed)
        (failure,) = run_transfer(plan, settings=by_s5cmd).failures
        assert (failure.status, failure.runner) == (Status.FAILED, "s5cmd")
        assert "its time is another" in failure.reason


class TestStagingCap:
    @pytest.fixture
    def capped(self, lake):
        return load_settings(
            storage=lake.storage,
            profiles=lake.profiles,
            transfer={"staging_dir": lake.transfer.staging_dir, "staging_max_bytes": 1024**2, "s5cmd_min_bytes": 0},
        )

    def test_a_larger_transfer_goes_in_rounds_and_a_larger_object_fails_before_it_starts(
        self, s3, other_s3, bucket, other_bucket, capped
    ):
        for i in range(5):
            s3.put_bytes(bucket, f"k{i}", bytes([i]) * 400_000)
        s3.put_bytes(bucket, "large", b"x" * 2_000_000)
        rows = [PlannedObject(info.key, info.key, info.key, info.size_bytes, info.etag) for info in s3.list_objects(bucket)]
        plan = TransferPlan.from_rows(S3Address(bucket), S3Address(other_bucket, "", "other"), rows)
        report = run_transfer(plan, settings=capped, strategy="staged")
        (failure,) = report.failures
        assert failure.row.source_key == "large"
        assert "staging_max_bytes" in failure.reason
        assert report.peak_staging_bytes == 800_000
        assert report.s5cmd_processes == 6
        assert {info.key for info in other_s3.list_objects(other_bucket)} == {f"k{i}" for i in range(5)}
        assert list(capped.transfer.staging_dir.iterdir()) == []

    def test_no_room_on_the_disk_names_folder_and_free_bytes(self, s3, bucket, other_bucket, capped, monkeypatch):
        s3.put_bytes(bucket, "x", b"x" * 1000)
        monkeypatch.setattr(StagingFolder, "free_bytes", lambda self: 100)
        plan = TransferPlan.from_rows(
            S3Address(bucket), S3Address(other_bucket, "", "other"), [PlannedObject("x", "x", "x", 1000)]
        )
        (failure,) = run_transfer(plan, settings=capped, strategy="staged").failures
        assert str(capped.transfer.staging_dir) in failure.reason
        assert "100 bytes are free" in failure.reason

    def test_a_disk_that_fills_up_on_the_way(self, s3, bucket, other_bucket, lake, tmp_path):
        """A staged file that cannot be written because its disk is full: /dev/full plays the disk."""
        s3.put_bytes(bucket, "x\n", b"x" * 100_000)
        paths = iter(["/dev/full"])
        for target in (S3Address(other_bucket, "", "other"), LocalAddress(tmp_path / "in")):
            folder = f"{tmp_path}/in/" if isinstance(target, LocalAddress) else ""
            with pytest.MonkeyPatch.context() as patch:
                paths = iter(["/dev/full"])
                patch.setattr(StagingFolder, "new_path", lambda self, paths=paths: next(paths))
                patch.setattr(Path, "unlink", lambda *_, **__: None)
                rows = [PlannedObject("x", "x\n", f"{folder}x", 100_000)]
                strategy = "auto" if isinstance(target, LocalAddress) else "staged"
                plan = TransferPlan.from_rows(S3Address(bucket), target, rows)
                (failure,) = run_transfer(plan, settings=lake, strategy=strategy).failures
            assert "is full" in failure.reason
            assert "bytes are free" in failure.reason
