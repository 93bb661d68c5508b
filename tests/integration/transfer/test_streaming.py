"""Between two servers through memory: complete, pinned, hashed, bounded, and nothing on disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import AccessError, StorageError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import CancelToken, PlannedObject, Status, TransferPlan, plan_transfer, run_transfer
from lakehouse_sdk.uris import S3Address
from tests.support.killed_run import leave_uploads

MIB = 1024**2


def put_in_parts(client: S3Client, bucket: str, key: str, parts: list[bytes], headers: dict[str, str] | None = None) -> str:
    upload = client.start_upload(bucket, key, headers)
    return client.complete_upload(bucket, upload, [client.put_part(bucket, upload, n, part) for n, part in enumerate(parts, 1)])


def random_parts(*sizes_mib: int) -> list[bytes]:
    return [os.urandom(MIB) * size for size in sizes_mib]


def test_odd_names_arrive_whole_with_their_headers_and_a_second_sync_copies_nothing(
    s3, other_s3, bucket, other_bucket, lake, fill, contents, odd_keys
):
    expected = fill(s3, bucket, odd_keys, "from/")
    source, target = f"s3://{bucket}/from", f"lakehouse://other@{other_bucket}/to"
    report = run_transfer(plan_transfer(source, target, settings=lake), settings=lake)
    report.raise_for_failures()
    assert (report.strategy, report.count(Status.DONE)) == ("streaming", len(odd_keys))
    assert contents(other_s3, other_bucket, "to/") == expected
    assert report.bytes_through_client == 2 * sum(map(len, expected.values()))
    assert {outcome.sha256 for outcome in report.outcomes} == {hashlib.sha256(body).hexdigest() for body in expected.values()}
    headers = other_s3.get_details(other_bucket, "to/a b").headers
    assert (headers["content-type"], headers["x-amz-meta-origin"]) == ("text/x-odd", "test")
    assert not list(Path(lake.transfer.staging_dir).glob("*")) if lake.transfer.staging_dir.exists() else True
    assert plan_transfer(source, target, settings=lake).totals.copy_objects == 0


@pytest.mark.parametrize("sizes", [(5, 5, 3), (9, 9, 2), (16, 16, 16, 1)])
def test_an_object_of_even_parts_keeps_its_etag_tags_metadata_and_class(s3, other_s3, bucket, other_bucket, lake, sizes):
    parts = random_parts(*sizes)
    headers = {
        "content-type": "text/x-large",
        "x-amz-meta-who": "caf\u00e9",
        "x-amz-tagging": "a=1&b=x%20y%2Bz",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
    }
    etag = put_in_parts(s3, bucket, "large", parts, headers)
    s3.put_bytes(bucket, "small", b"x")
    source, target = f"s3://{bucket}", f"lakehouse://other@{other_bucket}"
    report = run_transfer(plan_transfer(source, target, settings=lake), settings=lake)
    report.raise_for_failures()
    found = other_s3.get_description(other_bucket, "large")
    assert (found.info.etag, found.headers) == (etag, s3.get_description(bucket, "large").headers)
    assert found.headers["x-amz-tagging"] == "a=1&b=x%20y%2Bz"
    assert found.headers["x-amz-storage-class"] == "REDUCED_REDUNDANCY"
    outcome = next(outcome for outcome in report.outcomes if outcome.row.relative_key == "large")
    assert outcome.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
    assert hashlib.sha256(other_s3.get_bytes(other_bucket, "large")).hexdigest() == outcome.sha256
    assert plan_transfer(source, target, settings=lake).totals.copy_objects == 0


def test_small_objects_carry_tags_and_class_too(s3, other_s3, bucket, other_bucket, lake):
    headers = {"x-amz-tagging": "k=v", "x-amz-storage-class": "REDUCED_REDUNDANCY", "cache-control": "no-store"}
    s3.put_file(bucket, "k", b"body", size_bytes=4, sha256=hashlib.sha256(b"body").hexdigest(), headers=headers)
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=lake)
    run_transfer(plan, settings=lake).raise_for_failures()
    assert other_s3.get_description(other_bucket, "k").headers == s3.get_description(bucket, "k").headers
    assert other_s3.get_description(other_bucket, "k").headers.keys() >= headers.keys()


@pytest.mark.parametrize("sizes", [(30,), (7, 9, 20)])
def test_an_object_of_one_or_of_uneven_parts_arrives_and_a_second_sync_copies_nothing(
    s3, other_s3, bucket, other_bucket, lake, sizes
):
    parts = random_parts(*sizes)
    put_in_parts(s3, bucket, "large", parts)
    s3.put_bytes(bucket, "plain", parts[0] * 2)
    source, target = f"s3://{bucket}", f"lakehouse://other@{other_bucket}"
    run_transfer(plan_transfer(source, target, settings=lake), settings=lake).raise_for_failures()
    for key in ("large", "plain"):
        assert other_s3.get_bytes(other_bucket, key) == s3.get_bytes(bucket, key)
    assert plan_transfer(source, target, settings=lake).totals.copy_objects == 0


@pytest.mark.parametrize("size", [10, 30 * MIB])
def test_other_bytes_than_wanted_are_never_visible(s3, other_s3, bucket, other_bucket, lake, size):
    good, bad = os.urandom(1) * size, os.urandom(size % MIB or 10) + bytes(size - (size % MIB or 10))
    sha256 = hashlib.sha256(good).hexdigest()
    for key, body in {"good": good, "bad": bad}.items():
        s3.put_bytes(bucket, key, body)
    other_s3.put_bytes(other_bucket, "bad", b"as before")
    rows = [PlannedObject(key, key, key, size, sha256=sha256) for key in ("good", "bad")]
    plan = TransferPlan.from_rows(S3Address(bucket), S3Address(other_bucket, "", "other"), rows)
    report = run_transfer(plan, settings=lake)
    failed = next(outcome for outcome in report.outcomes if outcome.row.relative_key == "bad")
    assert failed.status is Status.FAILED
    assert sha256 in failed.reason
    assert str(failed.sha256) in failed.reason
    assert failed.sha256 == hashlib.sha256(bad).hexdigest()
    assert other_s3.get_bytes(other_bucket, "bad") == b"as before"
    assert other_s3.list_uploads(other_bucket, "bad") == []
    assert hashlib.sha256(other_s3.get_bytes(other_bucket, "good")).hexdigest() == sha256


@pytest.mark.parametrize("size", [10, 20 * MIB])
def test_a_source_that_changed_since_the_plan_is_not_copied(s3, other_s3, bucket, other_bucket, lake, size):
    for key in ("other", "shorter", "gone", "kept"):
        s3.put_bytes(bucket, key, bytes(size))
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=lake)
    s3.put_bytes(bucket, "other", b"x" * size)
    s3.put_bytes(bucket, "shorter", bytes(size - 1))
    s3.delete(bucket, "gone")
    report = run_transfer(plan, settings=lake)
    assert {outcome.row.relative_key for outcome in report.failures} == {"other", "shorter", "gone"}
    assert [info.key for info in other_s3.list_objects(other_bucket)] == ["kept"]


@pytest.mark.parametrize("refusal", [AccessError("403 AccessDenied"), StorageError("501 NotImplemented")])
def test_who_may_not_list_uploads_may_copy_all_the_same(s3, other_s3, bucket, other_bucket, lake, monkeypatch, refusal):
    """Looking for what a killed run left is a courtesy: without the right to it, or on a server without it, copies failed."""

    def refuse(*_: object) -> list[object]:
        raise refusal

    body = os.urandom(12 * MIB)
    s3.put_bytes(bucket, "large", body)
    with monkeypatch.context() as patch:
        patch.setattr("lakehouse_sdk.storage.uploads.UploadRequests.list_uploads", refuse)
        plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=lake)
        run_transfer(plan, settings=lake).raise_for_failures()
    assert other_s3.get_bytes(other_bucket, "large") == body


def test_what_a_killed_run_left_open_is_discarded_by_the_next_upload_of_the_key(s3, other_s3, bucket, other_bucket, lake):
    s3.put_bytes(bucket, "large", bytes(20 * MIB))
    leave_uploads(other_s3, other_bucket, "large")
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=lake)
    run_transfer(plan, settings=lake).raise_for_failures()
    assert other_s3.list_uploads(other_bucket, "large") == []


def test_cancelled_it_stops_soon_and_leaves_no_upload(s3, other_s3, bucket, other_bucket, lake):
    for key in ("one", "two"):
        s3.put_bytes(bucket, key, os.urandom(MIB) * 100)
    slow = load_settings(
        storage=lake.storage, profiles=lake.profiles, transfer={"max_concurrent": 4, "max_bytes_per_s": 20 * MIB}
    )
    cancel, asked_s = CancelToken(), []

    def stop_when_begun():
        while not other_s3.list_uploads(other_bucket, "one"):
            time.sleep(0.02)
        time.sleep(0.5)
        asked_s.append(time.monotonic())
        cancel.cancel()

    thread = threading.Thread(target=stop_when_begun)
    thread.start()
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=slow)
    report = run_transfer(plan, settings=slow, cancel=cancel)
    thread.join()
    assert time.monotonic() - asked_s[0] < 3
    assert report.count(Status.CANCELLED) == 2
    assert report.cancelled
    assert list(other_s3.list_objects(other_bucket)) == []
    assert [other_s3.list_uploads(other_bucket, key) for key in ("one", "two")] == [[], []]


def test_the_limit_of_bytes_a_second_is_kept(s3, bucket, other_bucket, lake):
    for number in range(8):
        s3.put_bytes(bucket, f"k{number}", os.urandom(MIB))
    slow = load_settings(storage=lake.storage, profiles=lake.profiles, transfer={"max_bytes_per_s": 4 * MIB})
    plan = plan_transfer(f"s3://{bucket}", f"lakehouse://other@{other_bucket}", settings=slow)
    report = run_transfer(plan, settings=slow)
    report.raise_for_failures()
    assert report.seconds > 1.5


PROGRAM = """
import sys
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.transfer import plan_transfer, run_transfer
settings = load_settings()
report = run_transfer(plan_transfer(sys.argv[1], sys.argv[2], settings=settings), settings=settings)
report.raise_for_failures()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # what the parent had is not in it
print(report.strategy, int(peak.split()[1]) // 1024)
"""


def environment(lake: Settings) -> dict[str, str]:
    env = dict(os.environ)
    for name, profile in (("STORAGE", lake.storage), ("PROFILES__OTHER", lake.profiles["other"])):
        access_key, secret_key = profile.credentials()
        env[f"LAKEHOUSE_{name}__ENDPOINT_URL"] = str(profile.endpoint_url)
        env[f"LAKEHOUSE_{name}__ACCESS_KEY"], env[f"LAKEHOUSE_{name}__SECRET_KEY"] = access_key, secret_key
    return env


def test_memory_stays_bounded_whatever_the_sizes(s3, bucket, other_bucket, lake):
    block = os.urandom(MIB)
    put_in_parts(s3, bucket, "large-parts", [block * 48] * 5)
    s3.put_bytes(bucket, "plain", block * 200)
    for number in range(40):
        s3.put_bytes(bucket, f"medium{number}", block * 8)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"s3://{bucket}", f"lakehouse://other@{other_bucket}"],
        env=environment(lake), capture_output=True, text=True, check=True, timeout=150,
    )  # fmt: skip
    strategy, peak_mib = done.stdout.split()
    assert strategy == "streaming"
    assert int(peak_mib) < 200
