"""The flow on a real Prefect server: what the run is called, what it leaves behind, how it ends when it is told to."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest

from lakehouse_sdk.config import Settings
from lakehouse_sdk.servers import MinioServer, PrefectServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import Defect, MirrorSpec, day_range, publish_mirror

pytestmark = pytest.mark.timeout(300)

_FLOW = """
import json, sys
from lakehouse_sdk.flows import collect_and_build, link_report
from uuid import UUID
run = collect_and_build(markets=("spot",), data_types=("klines",), cadence="daily", replica_bucket=sys.argv[1])
link_report(UUID(run.flow_run_id), "file:///report.html", passed=True)
print(json.dumps(run.to_dict()))
"""


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server on SQLite."""
    with PrefectServer(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def run_flow(prefect: PrefectServer, tmp_path: Path) -> Any:
    """Start the flow in a process of its own, as a worker does."""

    def start(config: Path, replica: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **prefect.client_env(), "HOME": str(tmp_path), "LAKEHOUSE_CONFIG": str(config)}
        command = [sys.executable, "-c", _FLOW, replica]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )

    return start


def write_config(settings: Settings, exchange: MinioServer, mirror_bucket: str, file: Path) -> Path:
    """Settings of a lake whose Binance is the mirror."""
    access_key, secret_key = settings.storage.credentials()
    file.touch(mode=0o600)
    file.write_text(
        f"""
[storage]
endpoint_url = "{settings.storage.endpoint_url}"
access_key = "{access_key}"
secret_key = "{secret_key}"
[lake]
bucket = "{settings.lake.bucket}"
[archives.binance]
endpoint_url = "{exchange.endpoint_url}"
bucket = "{mirror_bucket}"
region = "us-east-1"
[catalog]
uri = "{settings.catalog.uri}"
"""
    )
    return file


def csrf_headers(prefect: PrefectServer, signed: str) -> dict[str, str]:
    asked = urllib.request.Request(f"{prefect.api_url}/csrf-token?client=test", headers={"Authorization": signed})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return {"Prefect-Csrf-Token": json.load(answer)["token"], "Prefect-Csrf-Client": "test"}


def ask(prefect: PrefectServer, path: str, body: dict[str, Any]) -> Any:
    """What the server's own API says."""
    signed = f"Basic {base64.b64encode(prefect.auth_string.encode()).decode()}"
    headers = {"Content-Type": "application/json", "Authorization": signed, **csrf_headers(prefect, signed)}
    request = urllib.request.Request(f"{prefect.api_url}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_run_has_a_name_tasks_and_artifacts(
    settings: Settings,
    other_minio: MinioServer,
    bucket: str,
    prefect: PrefectServer,
    run_flow: Any,
    tmp_path: Path,
    s3: S3Client,
) -> None:
    """Completed; every task by a readable name; a summary, progress and a link; no secret in anything Prefect stores."""
    days = day_range(date(2025, 1, 1), date(2025, 1, 5))
    defects = (Defect("checksum-mismatch", "spot", "klines", "BTCUSDT", "2025-01-03"),)
    publish_mirror(other_minio.profile, bucket, MirrorSpec(interval="1h", days=days, trades_per_day=50, defects=defects))
    config = write_config(settings, other_minio, bucket, tmp_path / "lakehouse.toml")
    out, err = run_flow(config, f"{bucket}-replica").communicate(timeout=200)
    report = json.loads(out.splitlines()[-1])
    assert report["collect"]["counts"]["verified"] == 4, err
    assert report["collect"]["counts"]["quarantined"] == 1
    assert report["transfers"]["bronze → replica"]["strategy"] == "direct"
    assert report["transfers"]["bronze → replica"]["bytes_through_client"] == 0
    assert report["transfers"]["archives → bronze"]["strategy"] == "streaming"
    assert [step["name"] for step in report["steps"]] == ["discover", "plan", "copy", "verify", "build", "replicate"]
    copied = {info.key: info.etag for info in s3.list_objects(f"{bucket}-replica")}
    assert copied == {info.key: info.etag for info in s3.list_objects(bucket, "bronze/")}
    run_id = report["flow_run_id"]
    run = ask(prefect, "/flow_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})[0]
    assert run["name"] == "binance klines spot, start to end"
    assert run["state_type"] == "COMPLETED"
    tasks = ask(prefect, "/task_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
    assert {task["name"] for task in tasks} == {
        "discover binance",
        "plan binance",
        "copy binance to bronze",
        "verify binance",
        "build tables from binance",
        f"replicate bronze to {bucket}-replica",
    }
    artifacts = ask(prefect, "/artifacts/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
    by_key = {artifact["key"]: artifact for artifact in artifacts}
    assert {"collect-and-build", "validation-report", "copy"} <= set(by_key)
    assert by_key["copy"]["data"] == 100.0
    assert "checksum-mismatch" in by_key["collect-and-build"]["data"]
    secret = settings.storage.credentials()[1]
    assert secret not in json.dumps([run, tasks, artifacts]) + out + err


def test_terminated_in_mid_copy_it_ends_at_once_and_is_finished_by_the_next_run(
    settings: Settings, other_minio: MinioServer, bucket: str, run_flow: Any, tmp_path: Path, s3: S3Client
) -> None:
    """SIGTERM, as Prefect sends it on cancel: no process survives, what is visible is whole, the next run brings the rest."""
    days = day_range(date(2020, 1, 1), date(2022, 12, 31))
    publish_mirror(other_minio.profile, bucket, MirrorSpec(interval="1h", days=days, trades_per_day=24))
    config = write_config(settings, other_minio, bucket, tmp_path / "lakehouse.toml")
    process = run_flow(config, f"{bucket}-replica")
    prefix = "bronze/binance/data/"
    deadline = time.monotonic() + 120
    while not any(True for _ in s3.list_objects(bucket, prefix)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert time.monotonic() - told < 20
    assert not psutil.wait_procs(children, timeout=5)[1]
    visible = {info.key.removeprefix("bronze/binance/"): info.etag for info in s3.list_objects(bucket, prefix)}
    published = {info.key: info.etag for info in S3Client(other_minio.profile).list_objects(bucket, "data/")}
    assert 0 < len(visible) < len(published)
    assert visible.items() <= published.items()
    out, err = run_flow(config, f"{bucket}-replica").communicate(timeout=250)
    assert json.loads(out.splitlines()[-1])["collect"]["counts"]["failed"] == 0, err
    visible = {info.key.removeprefix("bronze/binance/"): info.etag for info in s3.list_objects(bucket, prefix)}
    assert visible == published
