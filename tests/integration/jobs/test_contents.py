"""What a bucket holds and taking it away, as functions: cancelled, changed meanwhile, counted deeply."""

from __future__ import annotations

import pytest

from lakehouse_sdk.events import StageFinished, StageStarted
from lakehouse_sdk.jobs import FolderUsage, list_contents, measure_usage, plan_copies, plan_removal, remove
from lakehouse_sdk.transfer import CancelToken
from lakehouse_sdk.uris import S3Address


@pytest.fixture
def filled(s3, bucket):
    for key in ("a/x", "a/deep/y", "b"):
        s3.put_bytes(bucket, key, key.encode())
    return S3Address(bucket)


def keys(s3, bucket):
    return [info.key for info in s3.list_objects(bucket)]


def test_a_cancelled_removal_deletes_nothing_and_says_so(filled, settings, s3, bucket):
    token = CancelToken()
    token.cancel()
    report = remove(plan_removal(filled, settings=settings, recursive=True), settings=settings, cancel=token)
    assert (report.deleted_objects, report.cancelled_objects, report.ok) == (0, 3, False)
    assert report.summary == "0 of 3 deleted (0 bytes), 3 not begun."
    assert keys(s3, bucket) == ["a/deep/y", "a/x", "b"]


def test_what_changed_or_came_since_it_was_counted_stays(filled, settings, s3, bucket):
    events = []
    removal = plan_removal(filled.child("a"), settings=settings, recursive=True)
    s3.put_bytes(bucket, "a/x", b"changed")
    s3.put_bytes(bucket, "a/z", b"new")
    report = remove(removal, settings=settings, observer=events.append)
    assert report.deleted_objects == 1
    assert [(item.row.target_key, item.reason) for item in report.failures] == [
        ("a/x", "not deleted: it changed since it was planned")
    ]
    assert keys(s3, bucket) == ["a/x", "a/z", "b"]
    assert isinstance(events[0], StageStarted)
    assert isinstance(events[-1], StageFinished)
    assert not events[-1].ok


def test_usage_by_depth(filled, settings):
    report = measure_usage(filled, settings=settings, depth=5)
    assert (report.objects, report.size_bytes) == (3, 12)
    assert report.folders == (FolderUsage("a/", 2, 11), FolderUsage("a/deep/", 1, 8))


def test_the_object_that_stands_for_a_folder_is_not_in_it(filled, settings, s3, bucket):
    s3.put_bytes(bucket, "empty/", b"")
    assert list(list_contents(filled.child("empty"), settings=settings)) == []
    assert [item for item in list_contents(filled, settings=settings) if isinstance(item, str)] == ["a/", "empty/"]
    removed = remove(plan_removal(filled.child("empty"), settings=settings, recursive=True), settings=settings)
    assert removed.deleted_objects == 1


def test_single_objects_of_one_server_are_one_plan(filled, settings, bucket, tmp_path):
    sources = [f"s3://{bucket}/a/x", f"s3://{bucket}/b"]
    (plan,) = plan_copies(sources, str(tmp_path), settings=settings)
    assert {row.target_key for row in plan} == {f"{tmp_path}/x", f"{tmp_path}/b"}
    plan.run().raise_for_failures()
    assert (tmp_path / "x").read_text() == "a/x"


def test_names_that_a_folder_cannot_hold_are_conflicts(settings, s3, bucket, tmp_path):
    for key in ("one/Name", "two/name"):
        s3.put_bytes(bucket, key, b"x")
    (plan,) = plan_copies([f"s3://{bucket}/one/Name", f"s3://{bucket}/two/name"], f"{tmp_path}/", settings=settings)
    assert plan.totals.conflict_objects == 2
