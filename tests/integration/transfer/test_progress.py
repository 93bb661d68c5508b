"""How far a transfer is, while it runs: bytes of large objects before they end, never fewer, never twice."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.testing import Fault, FaultProxy
from lakehouse_sdk.transfer import RunProgress, Status, TransferRun, plan_transfer, run_transfer, start_transfer

MIB = 1024**2
SIZE = 24 * MIB


@dataclass
class Watch:
    """Keeps the progress that it was told of."""

    told: list[StageProgress] = field(default_factory=list)

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, StageProgress):
            self.told.append(event)

    def assert_steady(self, total_bytes: int) -> None:
        seen = [event.done_bytes for event in self.told]
        assert seen == sorted(seen)
        assert seen[-1] == total_bytes

    def between(self, total_bytes: int) -> set[int]:
        """What was told before the first object ended."""
        return {event.done_bytes for event in self.told if not event.done_objects and 0 < event.done_bytes < total_bytes}


def with_limit(lake: Settings, **transfer: Any) -> Settings:
    values = lake.transfer.model_dump(exclude_unset=True) | transfer
    return load_settings(storage=lake.storage, profiles=lake.profiles, transfer=values)


@pytest.fixture
def body() -> bytes:
    return os.urandom(MIB) * (SIZE // MIB)


def assert_told_in_between(source: str, target: str, settings: Settings, total_bytes: int = SIZE) -> None:
    watch = Watch()
    report = run_transfer(plan_transfer(source, target, settings=settings), settings=settings, observer=watch)
    report.raise_for_failures()
    watch.assert_steady(total_bytes)
    assert len(watch.between(total_bytes)) >= 3


def test_an_upload_a_download_and_a_stream_tell_of_bytes_before_the_object_ends(
    s3, bucket, other_bucket, lake, tmp_path: Path, body: bytes
):
    slow = with_limit(lake, max_bytes_per_s=24 * MIB)
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "large").write_bytes(body)
    assert_told_in_between(str(tmp_path / "up"), f"s3://{bucket}/up", slow)
    assert_told_in_between(f"s3://{bucket}/up", str(tmp_path / "down"), slow)
    assert (tmp_path / "down" / "large").read_bytes() == body
    assert_told_in_between(f"s3://{bucket}/up", f"lakehouse://other@{other_bucket}/streamed", slow)


def test_a_staged_copy_is_half_way_when_it_is_down(s3, bucket, other_bucket, lake, body: bytes):
    s3.put_bytes(bucket, "large", body)
    slow, watch = with_limit(lake, max_bytes_per_s=48 * MIB), Watch()
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=slow)
    run_transfer(plan, settings=slow, strategy="staged", observer=watch).raise_for_failures()
    watch.assert_steady(SIZE)
    seen = watch.between(SIZE)
    assert min(seen) < SIZE // 2 < max(seen)


def test_a_copy_by_the_server_tells_of_its_parts(s3, bucket, second_bucket, lake):
    for number in range(4):
        s3.put_bytes(bucket, f"large-{number}", os.urandom(MIB) * 60)
    settings, watch = with_limit(lake, single_copy_max_bytes=5 * MIB), Watch()
    plan = plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=settings)
    run_transfer(plan, settings=settings, observer=watch).raise_for_failures()
    watch.assert_steady(240 * MIB)
    assert any(event.done_bytes % (60 * MIB) for event in watch.told)


def test_between_two_folders(tmp_path: Path, lake: Settings):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "large").write_bytes(bytes(300 * MIB))
    watch = Watch()
    plan = plan_transfer(str(tmp_path / "from"), str(tmp_path / "to"), settings=lake)
    run_transfer(plan, settings=lake, observer=watch).raise_for_failures()
    watch.assert_steady(300 * MIB)
    assert watch.between(300 * MIB)


@pytest.mark.parametrize("direction", ["stream", "download", "upload"])
def test_what_is_tried_again_is_not_counted_twice(
    minio, s3, bucket, other_bucket, lake, tmp_path: Path, body: bytes, direction
):
    """Every other connection is cut in the middle of a body: parts come, go and come again."""
    keys = {"large": body, "larger": body * 2}
    (tmp_path / "up").mkdir()
    for key, content in keys.items():
        s3.put_bytes(bucket, key, content)
        (tmp_path / "up" / key).write_bytes(content)
    ends = {
        "stream": (f"s3://{bucket}", f"lakehouse://other@{other_bucket}"),
        "download": (f"s3://{bucket}", str(tmp_path / "down")),
        "upload": (str(tmp_path / "up"), f"s3://{bucket}/up"),
    }
    with FaultProxy(minio.endpoint_url) as proxy:
        settings = load_settings(
            storage=proxy.profile(minio.profile), profiles=lake.profiles, transfer={"max_bytes_per_s": 96 * MIB}
        )
        plan, watch = plan_transfer(*ends[direction], settings=settings), Watch()
        proxy.cut_all()
        fault = Fault(end="reset", after_bytes=2 * MIB, direction="requests" if direction == "upload" else "answers")
        first = proxy.connections
        proxy.script = lambda number: fault if number < first + 4 else None
        report = run_transfer(plan, settings=settings, observer=watch)
    report.raise_for_failures()
    assert report.retries
    watch.assert_steady(3 * SIZE)


def test_a_failed_object_counts_once(s3, bucket, lake, tmp_path: Path, body: bytes):
    for key in ("good", "changes"):
        s3.put_bytes(bucket, key, body)
    slow, watch = with_limit(lake, max_bytes_per_s=48 * MIB), Watch()
    plan = plan_transfer(f"s3://{bucket}", str(tmp_path / "down"), settings=slow)
    s3.put_bytes(bucket, "changes", body + b"x")
    report = run_transfer(plan, settings=slow, observer=watch)
    assert [report.count(status) for status in (Status.DONE, Status.FAILED)] == [1, 1]
    watch.assert_steady(2 * SIZE)


def test_a_run_knows_its_rate_and_end_before_its_only_object_ends(s3, bucket, lake, tmp_path: Path, body: bytes):
    s3.put_bytes(bucket, "large", body)
    slow = with_limit(lake, max_bytes_per_s=24 * MIB)
    seen: list[RunProgress] = []

    def note(event: Event) -> None:
        if runs:
            seen.append(runs[0].progress)

    runs: list[TransferRun] = []
    runs.append(start_transfer(plan_transfer(f"s3://{bucket}", str(tmp_path), settings=slow), settings=slow, observer=note))
    runs[0].result(60).raise_for_failures()
    halfway = [progress for progress in seen if not progress.done_objects and progress.done_bytes > SIZE // 4]
    assert halfway
    for progress in halfway:
        assert 12 * MIB < progress.bytes_per_s < 40 * MIB
        assert progress.eta_s is not None
        assert 0 < progress.eta_s < 3
