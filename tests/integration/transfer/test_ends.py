"""Every pair of ends on real servers: odd names, metadata, repeated runs, what is missing or wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakehouse_sdk.config import S3Profile, load_settings
from lakehouse_sdk.errors import AccessError, ConnectError, NotFoundError
from lakehouse_sdk.events import ObjectFailed, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.transfer import Action, PlannedObject, Status, TransferPlan, plan_transfer, run_transfer
from lakehouse_sdk.transfer.runners.leftovers import clear_abandoned
from lakehouse_sdk.uris import LocalAddress, S3Address


def sync(source, target, settings, **options):
    plan = plan_transfer(source, target, settings=settings)
    report = run_transfer(plan, settings=settings, **options)
    assert len(report.outcomes) == len(plan)
    assert {outcome.row for outcome in report.outcomes} == set(plan)
    return report


def test_direct_copies_every_odd_key_with_its_metadata_and_no_byte_through_this_machine(
    s3, bucket, second_bucket, lake, odd_keys, fill, contents
):
    clear_abandoned(s3.profile, s3)  # runs that other tests killed, or this one would send the requests that clear them
    expected = fill(s3, bucket, odd_keys, "in/")
    report = sync(f"s3://{bucket}/in", f"s3://{second_bucket}/out/", lake)
    report.raise_for_failures()
    assert contents(s3, second_bucket, "out/") == expected
    assert (report.strategy, report.bytes_through_client, report.count(Status.DONE)) == ("direct", 0, len(odd_keys))
    assert {(outcome.runner, outcome.strategy, outcome.attempts) for outcome in report.outcomes} == {("native", "direct", 1)}
    for key in ("plain", "a b"):
        headers = s3.get_details(second_bucket, f"out/{key}").headers
        assert headers == {"content-type": "text/x-odd", "x-amz-meta-origin": "test"}
    assert report.s5cmd_commands == report.s5cmd_processes == 0
    assert report.s3_requests == len(odd_keys) + 2  # is there the bucket, can the server encrypt


@pytest.mark.parametrize("kind", ["direct", "streaming", "staged", "upload", "download"])
def test_the_second_run_copies_nothing(s3, bucket, second_bucket, other_bucket, lake, odd_keys, fill, kind, tmp_path):
    keys = odd_keys[:12]
    fill(s3, bucket, keys)
    source = f"s3://{bucket}"
    if kind == "upload":
        sync(source, tmp_path / "up", lake).raise_for_failures()
        source = tmp_path / "up"
    target = {
        "direct": f"s3://{second_bucket}/x",
        "streaming": f"lakehouse://other@{other_bucket}",
        "staged": f"lakehouse://other@{other_bucket}",
        "upload": f"s3://{second_bucket}/y",
        "download": tmp_path / "down",
    }[kind]
    sync(source, target, lake, strategy="staged" if kind == "staged" else "auto").raise_for_failures()
    again = plan_transfer(source, target, settings=lake)
    assert again.totals.copy_objects == 0
    assert again.totals.skip_objects == len(keys)
    report = run_transfer(again, settings=lake)
    assert (report.count(Status.SKIPPED), report.s5cmd_processes, report.s3_requests) == (len(keys), 0, 0)


def test_staged_carries_odd_keys_headers_and_hashes_between_servers(
    s3, other_s3, bucket, other_bucket, by_s5cmd, odd_keys, fill, contents, tmp_path
):
    expected = fill(s3, bucket, odd_keys)
    s3.put_bytes(bucket, "typed", b"{}", content_type="application/x-own; a=b")
    expected["typed"] = b"{}"
    report = sync(f"s3://{bucket}", f"lakehouse://other@{other_bucket}/to", by_s5cmd, strategy="staged")
    report.raise_for_failures()
    assert contents(other_s3, other_bucket, "to/") == expected
    size_bytes = sum(map(len, expected.values()))
    assert (report.strategy, report.bytes_through_client) == ("staged", 2 * size_bytes)
    assert 0 < report.peak_staging_bytes <= size_bytes
    assert all(outcome.sha256 for outcome in report.outcomes)
    assert other_s3.get_details(other_bucket, "to/plain").headers == {"content-type": "text/x-odd", "x-amz-meta-origin": "test"}
    assert other_s3.get_details(other_bucket, "to/typed").headers == {"content-type": "application/x-own; a=b"}
    assert {o.row.relative_key: o.runner for o in report.outcomes}["typed"] == "s5cmd"
    assert list((tmp_path / "staging").iterdir()) == []


def test_an_anonymous_source_is_read_without_credentials(other_s3, other_minio, other_bucket, s3, bucket, lake, fill, contents):
    expected = fill(other_s3, other_bucket, ["a", "b/c", "d e"])
    other_s3.set_public_read(other_bucket)
    public = S3Profile(endpoint_url=other_minio.profile.endpoint_url, anonymous=True)
    settings = load_settings(storage=lake.storage, profiles={"public": public}, transfer=lake.transfer)
    sync(f"lakehouse://public@{other_bucket}", f"s3://{bucket}/mirror", settings).raise_for_failures()
    assert contents(s3, bucket, "mirror/") == expected


class TestLocal:
    def test_there_and_back(self, s3, bucket, lake, tmp_path, contents):
        tree = tmp_path / "tree"
        expected = {}
        for name in ["plain", "a b", "é/x", "tab\tx", "new\nline", "100%", "[*]", "empty", "deep/er/x"]:
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            expected[name] = b"" if name == "empty" else name.encode() * 100
            file.write_bytes(expected[name])
        up = sync(tree, f"s3://{bucket}/up", lake)
        up.raise_for_failures()
        assert contents(s3, bucket, "up/") == expected
        down = sync(f"s3://{bucket}/up", tmp_path / "back", lake)
        down.raise_for_failures()
        back = {
            str(file.relative_to(tmp_path / "back")): file.read_bytes()
            for file in (tmp_path / "back").rglob("*")
            if file.is_file()
        }
        assert back == expected
        size_bytes = sum(map(len, expected.values()))
        assert up.bytes_through_client == down.bytes_through_client == size_bytes

    def test_a_large_file_goes_in_parts_both_ways(self, s3, bucket, lake, tmp_path):
        data = os.urandom(12 * 1024**2)
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "large").write_bytes(data)
        report = sync(tmp_path / "tree", f"s3://{bucket}", lake)
        report.raise_for_failures()
        assert s3.get_info(bucket, "large").etag.endswith("-3")
        assert report.s3_requests_of_s5cmd == 5
        sync(f"s3://{bucket}", tmp_path / "back", lake).raise_for_failures()
        assert (tmp_path / "back" / "large").read_bytes() == data

    def test_a_file_changed_meanwhile_is_copied_again(self, s3, bucket, lake, tmp_path, contents):
        (tmp_path / "tree").mkdir()
        file = tmp_path / "tree" / "x"
        file.write_text("one")
        sync(tmp_path / "tree", f"s3://{bucket}", lake)
        file.write_text("two")
        sync(tmp_path / "tree", f"s3://{bucket}", lake)
        assert contents(s3, bucket) == {"x": b"two"}

    def test_names_that_the_folder_cannot_hold_are_conflicts_and_nothing_leaves_it(self, s3, bucket, lake, tmp_path, fill):
        fill(s3, bucket, ["ok", "Case", "case", "file", "file-x"])
        target = tmp_path / "target"
        target.mkdir()
        (target / "file-x").mkdir()
        (target / "file-x" / "kept").write_text("kept")
        report = sync(f"s3://{bucket}", target, lake)
        conflicts = {outcome.row.relative_key for outcome in report.outcomes if outcome.status is Status.CONFLICT}
        assert conflicts == {"Case", "case", "file-x"}
        assert not report.ok
        assert (target / "file-x" / "kept").read_text() == "kept"
        assert sorted(path.name for path in target.iterdir()) == ["file", "file-x", "ok"]

    def test_rows_that_lead_out_of_the_target_are_failed(self, s3, bucket, lake, tmp_path, fill):
        fill(s3, bucket, ["x"])
        rows = [PlannedObject("x", "x", str(tmp_path / name), 12) for name in ("outside", "in/../outside2")]
        plan = TransferPlan.from_rows(S3Address(bucket), LocalAddress(tmp_path / "in"), rows)
        report = run_transfer(plan, settings=lake)
        assert report.count(Status.FAILED) == 2
        assert not (tmp_path / "outside").exists()
        assert not (tmp_path / "outside2").exists()

    def test_a_target_that_cannot_be_written_is_a_failed_object(self, s3, bucket, lake, tmp_path, fill):
        fill(s3, bucket, ["x"])
        (tmp_path / "in" / "x").mkdir(parents=True)
        rows = [PlannedObject("x", "x", str(tmp_path / "in" / "x"), 12)]
        plan = TransferPlan.from_rows(S3Address(bucket), LocalAddress(tmp_path / "in"), rows)
        (failure,) = run_transfer(plan, settings=lake).failures
        assert "cannot be written" in failure.reason


class TestNothingAndWrong:
    def test_an_empty_prefix_is_an_empty_plan_that_says_so(self, s3, bucket, second_bucket, lake, fill):
        fill(s3, bucket, ["one/object"])
        for prefix, why in [("typo", "no object below it"), ("one/object", "is one object")]:
            plan = plan_transfer(f"s3://{bucket}/{prefix}", f"s3://{second_bucket}", settings=lake)
            assert why in plan.summary
            assert run_transfer(plan, settings=lake).ok

    def test_a_folder_without_files(self, bucket, lake, tmp_path):
        assert "holds no file" in plan_transfer(tmp_path, f"s3://{bucket}", settings=lake).summary
        with pytest.raises(NotFoundError, match="no-such"):
            plan_transfer(tmp_path / "no-such", f"s3://{bucket}", settings=lake)

    @pytest.mark.parametrize(("source", "target"), [("s3://no-such-bucket", "s3://{0}"), ("s3://{0}", "s3://no-such-bucket")])
    def test_a_missing_bucket(self, bucket, lake, source, target):
        with pytest.raises(NotFoundError, match="no-such-bucket"):
            plan_transfer(source.format(bucket), target.format(bucket), settings=lake)

    def test_a_bucket_that_went_missing_is_said_before_the_first_byte(self, bucket, lake):
        plan = TransferPlan.from_rows(S3Address(bucket), S3Address("no-such-bucket"), [PlannedObject("x", "x", "x", 1)])
        with pytest.raises(NotFoundError, match="no-such-bucket"):
            run_transfer(plan, settings=lake)

    def test_wrong_credentials(self, bucket, second_bucket, lake):
        wrong = lake.storage.model_copy(update={"secret_key": S3Profile(secret_key="wrong-wrong").secret_key})
        settings = load_settings(storage=wrong)
        with pytest.raises(AccessError) as error:
            plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=settings)
        assert "wrong-wrong" not in str(error.value)
        rows = [PlannedObject(f"k{i}", f"k{i}", f"k{i}", 1) for i in range(3)]
        report = run_transfer(TransferPlan.from_rows(S3Address(bucket), S3Address(second_bucket), rows), settings=settings)
        assert [failure.status for failure in report.failures] == [Status.FAILED] * 3
        assert "SignatureDoesNotMatch" in report.failures[0].reason

    def test_nobody_answers(self, lake, tmp_path):
        settings = load_settings(storage=lake.storage.model_copy(update={"endpoint_url": "http://127.0.0.1:9"}))
        with pytest.raises(ConnectError):
            plan_transfer("s3://bucket", tmp_path, settings=settings)

    def test_objects_that_fail_do_not_stop_the_others(self, s3, bucket, second_bucket, lake, fill, contents):
        fill(s3, bucket, ["a", "b", "c d"])
        plan = plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=lake)
        s3.delete(bucket, "a")
        s3.delete(bucket, "c d")
        events = []
        report = run_transfer(plan, settings=lake, observer=events.append)
        assert {failure.row.relative_key for failure in report.failures} == {"a", "c d"}
        assert set(contents(s3, second_bucket)) == {"b"}
        assert {event.key for event in events if isinstance(event, ObjectFailed)} == {"a", "c d"}

    def test_names_that_the_server_refuses_are_failed_with_its_words(self, s3, bucket, lake, tmp_path):
        (tmp_path / "x").write_text("x")
        rows = [PlannedObject("x", str(tmp_path / "x"), key, 1) for key in ("a//b", "p/../q", "n" * 256)]
        report = run_transfer(TransferPlan.from_rows(LocalAddress(tmp_path), S3Address(bucket), rows), settings=lake)
        assert [failure.status for failure in report.failures] == [Status.FAILED] * 3
        assert all("Name" in failure.reason or "name" in failure.reason for failure in report.failures)


def test_events_tell_the_stages_in_order_with_counts_that_never_shrink(s3, bucket, second_bucket, lake, fill):
    fill(s3, bucket, [f"k{i}" for i in range(40)])
    events = []
    plan = plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=lake, observer=events.append)
    report = run_transfer(plan, settings=lake, observer=events.append)
    plan_start, plan_end, copy_start, *progress, copy_end = events
    assert isinstance(plan_start, StageStarted)
    assert isinstance(plan_end, StageFinished)
    assert copy_start == StageStarted("copy", f"{plan.source} → {plan.target}", 40, plan.totals.copy_bytes)
    assert isinstance(copy_end, StageFinished)
    assert copy_end.ok
    assert copy_end.seconds == report.seconds
    counts = [event.done_objects for event in progress if isinstance(event, StageProgress)]
    assert counts == sorted(counts)
    assert counts[-1] == 40


def test_a_server_that_lists_in_another_order_is_sorted_first(s3, bucket, lake, fill, monkeypatch, tmp_path):
    fill(s3, bucket, ["a", "b", "c"])
    listed = type(s3).list_objects

    def backwards(self, bucket, prefix="", *, start_after=""):
        return reversed(list(listed(self, bucket, prefix, start_after=start_after)))

    monkeypatch.setattr(type(s3), "list_objects", backwards)
    plan = plan_transfer(f"s3://{bucket}", tmp_path / "x", settings=lake)
    assert [row.relative_key for row in plan.rows(Action.COPY)] == ["a", "b", "c"]


def test_the_result_as_a_client_that_is_not_ours_sees_it(s3, bucket, second_bucket, lake, odd_keys, fill):
    import s3fs

    keys = [key for key in odd_keys if not set(key) & set("\n\r\t\x01\x7f") and key != "s3:"]
    expected = fill(s3, bucket, keys)
    sync(f"s3://{bucket}", f"s3://{second_bucket}", lake).raise_for_failures()
    foreign = s3fs.S3FileSystem(**lake.storage.to_fsspec(), skip_instance_cache=True)
    found = {name.removeprefix(f"{second_bucket}/"): foreign.cat_file(name) for name in foreign.find(second_bucket)}
    assert found == expected
    assert Path(lake.transfer.staging_dir).exists() is False
