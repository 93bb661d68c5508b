"""Where one way is refused in mid-run, the next takes over, and the report says so."""

from __future__ import annotations

import json
import uuid

import pytest

from lakehouse_sdk.config import S3Profile, load_settings
from lakehouse_sdk.errors import AccessError, StorageError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Status, plan_transfer, run_transfer
from tests.support.killed_run import leave_uploads

MIB = 1024**2


@pytest.fixture
def keys(s3, bucket):
    names = [f"k{number:02}" for number in range(40)]
    for name in names:
        s3.put_bytes(bucket, name, name.encode())
    return names


def refuse_copies(monkeypatch, error, after=0):
    """As a server does that lets bytes in and out and makes no copies itself; `after` so many it begins to."""
    made = []
    copy = S3Client.copy

    def refuse(self, *args, **kwargs):
        if len(made) < after:
            made.append(args)
            return copy(self, *args, **kwargs)
        raise error

    monkeypatch.setattr(S3Client, "copy", refuse)


@pytest.mark.parametrize(
    "error",
    [
        AccessError("The server refused the action. PUT: 403 AccessDenied."),
        StorageError("NotImplemented.", status=501, code="NotImplemented"),
        StorageError("MethodNotAllowed.", status=405, code="MethodNotAllowed"),
    ],
)
@pytest.mark.parametrize("after", [0, 10])
def test_what_the_server_does_not_copy_passes_through_this_machine(
    s3, bucket, second_bucket, lake, keys, contents, monkeypatch, error, after
):
    refuse_copies(monkeypatch, error, after)
    report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=lake), settings=lake)
    report.raise_for_failures()
    assert contents(s3, second_bucket) == {key: key.encode() for key in keys}
    (fallback,) = report.fallbacks
    assert (fallback.from_strategy, fallback.to_strategy, fallback.objects) == ("direct", "streaming", 40 - after)
    assert "does not copy by itself" in fallback.reason
    assert report.strategy == ("direct + streaming" if after else "streaming")
    assert fallback.reason in report.strategy_reason
    assert {outcome.strategy for outcome in report.outcomes} == set(report.strategy.split(" + "))
    assert report.to_dict()["fallbacks"][0]["objects"] == 40 - after


def test_once_refused_the_server_is_not_asked_for_every_object(s3, bucket, second_bucket, lake, keys, monkeypatch):
    refuse_copies(monkeypatch, StorageError("no", status=501))
    one = load_settings(storage=lake.storage, transfer={"max_concurrent": 1})
    report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=one), settings=one)
    assert {outcome.attempts for outcome in report.outcomes} == {1, 2}
    assert sum(outcome.attempts == 2 for outcome in report.outcomes) == 4


def test_a_target_that_takes_no_parts_gets_large_objects_whole(s3, bucket, other_s3, other_bucket, lake, monkeypatch):
    s3.put_bytes(bucket, "large", bytes(20 * MIB))
    s3.put_bytes(bucket, "small", b"x")
    lake = load_settings(storage=lake.storage, profiles=lake.profiles, transfer={"staging_dir": lake.transfer.staging_dir})

    def refuse(self, *args, **kwargs):
        raise StorageError("NotImplemented.", status=501, code="NotImplemented")

    monkeypatch.setattr(S3Client, "start_upload", refuse)
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=lake)
    report = run_transfer(plan, settings=lake)
    report.raise_for_failures()
    assert report.strategy == "streaming + staged"
    assert {outcome.row.relative_key: outcome.strategy for outcome in report.outcomes} == {
        "small": "streaming",
        "large": "staged",
    }
    assert sorted(info.size_bytes for info in other_s3.list_objects(other_bucket)) == [1, 20 * MIB]


def test_a_forced_strategy_does_not_fall_back(bucket, second_bucket, lake, keys, monkeypatch):
    refuse_copies(monkeypatch, StorageError("no", status=501))
    report = run_transfer(
        plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=lake), settings=lake, strategy="direct"
    )
    assert report.count(Status.FAILED) == 40
    assert report.fallbacks == ()


def test_a_source_that_nobody_may_read_is_failed_by_its_own_words(s3, minio, bucket, second_bucket, lake, keys):
    """A real refusal: the public may list, and write elsewhere, and not read."""
    for name, actions in {bucket: ["s3:ListBucket"], second_bucket: ["s3:PutObject", "s3:ListBucket"]}.items():
        resources = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        statement = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": actions, "Resource": resources}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3._wire.send("PUT", name, query={"policy": ""}, body=policy.encode())
    public = load_settings(storage=S3Profile(endpoint_url=minio.endpoint_url, anonymous=True))
    report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=public), settings=public)
    assert report.count(Status.FAILED) == 40
    assert "AccessDenied" in report.failures[0].reason
    assert [(fallback.from_strategy, fallback.to_strategy) for fallback in report.fallbacks] == [("direct", "streaming")]


def put_parts(client: S3Client, bucket: str, key: str, sizes: list[int], headers: dict[str, str]) -> str:
    upload = client.start_upload(bucket, key, headers)
    parts = [client.put_part(bucket, upload, number, bytes([number]) * size) for number, size in enumerate(sizes, 1)]
    return client.complete_upload(bucket, upload, parts)


HEADERS = {
    "content-type": "text/x",
    "x-amz-meta-a": "b",
    "x-amz-tagging": "k=v",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
}


class TestInParts:
    """Above what one request carries; the limit is lowered so that the crossing fits into a test."""

    @pytest.fixture
    def low(self, lake):
        return load_settings(storage=lake.storage, transfer={"single_copy_max_bytes": 5 * MIB, "part_size_mib": 5})

    def test_the_etag_and_all_headers_stay_and_no_byte_passes_here(self, s3, bucket, second_bucket, low, contents):
        etag = put_parts(s3, bucket, "large", [7 * MIB, 7 * MIB, 7 * MIB, 3], HEADERS)
        s3.put_bytes(bucket, "at-the-limit", bytes(5 * MIB))
        report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=low), settings=low)
        report.raise_for_failures()
        found = s3.get_description(second_bucket, "large")
        assert (found.info.etag, found.headers) == (etag, s3.get_description(bucket, "large").headers)
        assert (report.strategy, report.bytes_through_client) == ("direct", 0)
        assert contents(s3, second_bucket) == contents(s3, bucket)
        assert plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=low).totals.copy_objects == 0

    @pytest.mark.parametrize("sizes", [[12 * MIB], [5 * MIB, 9 * MIB, 1]])
    def test_uneven_or_single_parts_arrive_whole(self, s3, bucket, second_bucket, low, contents, sizes):
        put_parts(s3, bucket, "large", sizes, {})
        leave_uploads(s3, second_bucket, "large")
        report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=low), settings=low)
        report.raise_for_failures()
        assert contents(s3, second_bucket) == contents(s3, bucket)
        assert s3.list_uploads(second_bucket, "large") == []

    def test_a_failed_part_aborts_the_upload(self, s3, bucket, second_bucket, low, monkeypatch):
        put_parts(s3, bucket, "large", [5 * MIB] * 4, {})
        copy_part = S3Client.copy_part

        def fail(self, *args, **kwargs):
            if args[4] == 3:
                raise StorageError("InvalidRange.", status=416, code="InvalidRange")
            return copy_part(self, *args, **kwargs)

        monkeypatch.setattr(S3Client, "copy_part", fail)
        report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=low), settings=low)
        assert "InvalidRange" in report.failures[0].reason
        assert s3.list_uploads(second_bucket, "large") == []
        assert list(s3.list_objects(second_bucket)) == []

    def test_a_source_that_changed_is_not_copied(self, s3, bucket, second_bucket, low):
        put_parts(s3, bucket, "large", [5 * MIB] * 2, {})
        plan = plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=low)
        s3.put_bytes(bucket, "large", uuid.uuid4().bytes * (10 * MIB // 16))
        report = run_transfer(plan, settings=low)
        assert "changed since it was planned" in report.failures[0].reason
        assert list(s3.list_objects(second_bucket)) == []
