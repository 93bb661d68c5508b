"""Stopped in the middle, in every way: nothing half-written, nothing running, nothing to clean by hand, and the rest later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from lakehouse_sdk.config import Settings
from lakehouse_sdk.events import StageProgress
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import CancelToken, Status, plan_transfer, run_transfer

COUNT = 900
MIB = 1024**2


def s5cmd_children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "s5cmd" in child.name()]


def wait_until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def many(s3: S3Client, bucket: str) -> list[str]:
    """Keys of many small objects in `bucket`, every tenth with a space."""
    keys = sorted(f"d{i % 7}/{'with space ' if i % 10 == 0 else 'k'}{i:04}" for i in range(COUNT))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_bytes(bucket, key, key.encode()), keys))
    return keys


@pytest.mark.parametrize(
    ("kind", "through_s5cmd"),
    [
        ("direct", False),
        ("streaming", False),
        ("staged", False),
        ("staged", True),
        ("download", False),
        ("download", True),
        ("upload", False),
        ("upload", True),
    ],
)
def test_cancelled_in_the_middle_it_reports_and_the_next_run_does_the_rest(
    s3, bucket, second_bucket, other_bucket, many, lake, by_s5cmd, kind, through_s5cmd, tmp_path
):
    lake = by_s5cmd if through_s5cmd else lake
    source: object = f"s3://{bucket}"
    if kind == "upload":
        run_transfer(plan_transfer(source, tmp_path / "up", settings=lake), settings=lake).raise_for_failures()
        source = tmp_path / "up"
    target = {
        "direct": f"s3://{second_bucket}",
        "streaming": f"lakehouse://other@{other_bucket}",
        "staged": f"lakehouse://other@{other_bucket}",
        "download": tmp_path / "down",
        "upload": f"s3://{second_bucket}",
    }[kind]
    cancel, asked_s = CancelToken(), []

    def stop_soon(event):
        if isinstance(event, StageProgress) and event.done_objects > 2 and not asked_s:
            asked_s.append(time.monotonic())
            cancel.cancel()

    strategy = "staged" if kind == "staged" else "auto"
    plan = plan_transfer(source, target, settings=lake)
    report = run_transfer(plan, settings=lake, strategy=strategy, observer=stop_soon, cancel=cancel)
    assert time.monotonic() - asked_s[0] < 5
    assert report.cancelled
    assert not report.ok
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lakehouse-copy")]
    assert 0 < report.count(Status.DONE) < COUNT
    assert report.count(Status.DONE) + report.count(Status.CANCELLED) == len(report.outcomes) == COUNT
    assert not s5cmd_children()
    if kind == "download":
        assert not [path for path in (tmp_path / "down").iterdir() if path.name.startswith(".")]
    assert not list((tmp_path / "staging").glob("*"))
    rest = plan_transfer(source, target, settings=lake)
    assert rest.totals.skip_objects >= report.count(Status.DONE)
    run_transfer(rest, settings=lake).raise_for_failures()
    assert plan_transfer(source, target, settings=lake).totals.copy_objects == 0


def test_a_token_that_is_set_already_moves_nothing(s3, bucket, second_bucket, lake, fill):
    fill(s3, bucket, ["a", "b c"])
    cancel = CancelToken()
    cancel.cancel()
    report = run_transfer(plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=lake), settings=lake, cancel=cancel)
    assert report.count(Status.CANCELLED) == 2
    assert list(s3.list_objects(second_bucket)) == []


class TestLargeUploads:
    @pytest.fixture
    def tree(self, tmp_path):
        (tmp_path / "tree").mkdir()
        for name in ("one", "two", "new\nline"):
            (tmp_path / "tree" / name).write_bytes(os.urandom(MIB) * 150)
        return tmp_path / "tree"

    def begun(self, s3, bucket):
        return s3.list_uploads(bucket, "one") and s3.list_uploads(bucket, "two")

    def test_cancelled_they_leave_no_open_upload_and_no_partial_object(self, s3, bucket, lake, tree):
        cancel = CancelToken()
        stopped_s = []

        def stop_when_begun():
            wait_until(lambda: self.begun(s3, bucket))
            stopped_s.append(time.monotonic())
            cancel.cancel()

        plan = plan_transfer(tree, f"s3://{bucket}", settings=lake)
        thread = threading.Thread(target=stop_when_begun)
        thread.start()
        report = run_transfer(plan, settings=lake, cancel=cancel)
        thread.join()
        assert time.monotonic() - stopped_s[0] < 5
        assert report.count(Status.CANCELLED) == 3
        assert list(s3.list_objects(bucket)) == []
        assert [s3.list_uploads(bucket, key) for key in ("one", "two", "new\nline")] == [[], [], []]
        assert not s5cmd_children()

    def test_interrupted_by_an_exception_they_leave_nothing_either(self, s3, bucket, by_s5cmd, tree):
        """As Ctrl-C does it: an exception in the middle of waiting for s5cmd."""
        for name in ("one", "two"):
            (tree / f"small-{name}").write_bytes(b"x")

        def interrupt(event):
            if isinstance(event, StageProgress):
                wait_until(lambda: self.begun(s3, bucket))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_transfer(plan_transfer(tree, f"s3://{bucket}", settings=by_s5cmd), settings=by_s5cmd, observer=interrupt)
        assert [s3.list_uploads(bucket, key) for key in ("one", "two")] == [[], []]
        assert not s5cmd_children()


PROGRAM = """
import sys
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.transfer import plan_transfer, run_transfer
settings = load_settings()
plan = plan_transfer(sys.argv[1], sys.argv[2], settings=settings)
print("planned", flush=True)
run_transfer(plan, settings=settings, strategy=sys.argv[3]).raise_for_failures()
"""


def start(source: str, target: str, lake: Settings, strategy: str = "auto", **limits: int) -> subprocess.Popen[bytes]:
    env = dict(os.environ)
    for name, profile in (("STORAGE", lake.storage), ("PROFILES__OTHER", lake.profiles["other"])):
        access_key, secret_key = profile.credentials()
        env[f"LAKEHOUSE_{name}__ENDPOINT_URL"] = str(profile.endpoint_url)
        env[f"LAKEHOUSE_{name}__ACCESS_KEY"], env[f"LAKEHOUSE_{name}__SECRET_KEY"] = access_key, secret_key
    env["LAKEHOUSE_TRANSFER__STAGING_DIR"] = str(lake.transfer.staging_dir)
    env["LAKEHOUSE_TRANSFER__MAX_CONCURRENT"] = "2"
    env |= {f"LAKEHOUSE_TRANSFER__{name.upper()}": str(value) for name, value in limits.items()}
    command = [sys.executable, "-c", PROGRAM, source, target, strategy]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(
    ("kind", "through_s5cmd"),
    [
        ("direct", False),
        ("streaming", False),
        ("staged", False),
        ("staged", True),
        ("download", False),
        ("download", True),
    ],
)
def test_killed_in_the_middle_its_processes_end_and_the_same_call_finishes_the_rest(
    s3, other_s3, bucket, second_bucket, other_bucket, many, lake, kind, through_s5cmd, tmp_path
):
    source = f"s3://{bucket}"
    target = {
        "direct": f"s3://{second_bucket}",
        "streaming": f"lakehouse://other@{other_bucket}",
        "staged": f"lakehouse://other@{other_bucket}",
        "download": str(tmp_path / "down"),
    }[kind]

    def arrived() -> int:
        if kind == "download":
            return sum(1 for path in (tmp_path / "down").glob("d*/*") if path.is_file())
        client, name = (s3, second_bucket) if kind == "direct" else (other_s3, other_bucket)
        return sum(1 for _ in client.list_objects(name))

    process = start(
        source, target, lake, "staged" if kind == "staged" else "auto", **({"s5cmd_min_bytes": 0} if through_s5cmd else {})
    )
    wait_until(arrived, 60)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = arrived()
    assert 0 < done < COUNT
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    rest = plan_transfer(source, target, settings=lake)
    assert rest.totals.skip_objects >= done
    assert rest.totals.objects == COUNT
    run_transfer(rest, settings=lake).raise_for_failures()
    assert plan_transfer(source, target, settings=lake).totals.skip_objects == COUNT
    leftovers = [*(tmp_path / "staging").glob("*"), *(tmp_path / "down").glob(".lakehouse*")]
    assert leftovers == []
