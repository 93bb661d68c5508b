"""Discover → collect → build on real servers: every archive and every row ends where the mirror's own truth says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import psutil
import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import ConfigurationError, ConnectError
from lakehouse_sdk.events import Event, Notice, ObjectPublished, StageFinished
from lakehouse_sdk.jobs import ArchiveState, BuildReport, CollectReport, Discovery
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.testing import Defect, MirrorSpec, MirrorTruth, day_range, publish_mirror
from lakehouse_sdk.transfer import CancelToken

SPEC = MirrorSpec(
    markets=("spot", "um"),
    symbols=("BTCUSDT",),
    data_types=("klines", "aggTrades"),
    interval="1h",
    days=day_range(date(2024, 12, 30), date(2025, 1, 4)),
    months=(date(2024, 12, 1),),
    trades_per_day=200,
    defects=(
        Defect("checksum-mismatch", "um", "klines", "BTCUSDT", "2025-01-01"),
        Defect("checksum-other-file", "um", "aggTrades", "BTCUSDT", "2025-01-01"),
        Defect("checksum-missing", "spot", "klines", "BTCUSDT", "2025-01-02"),
        Defect("zip-truncated", "spot", "aggTrades", "BTCUSDT", "2025-01-02"),
        Defect("rows-doubled", "um", "klines", "BTCUSDT", "2025-01-02"),
        Defect("high-below-low", "spot", "klines", "BTCUSDT", "2025-01-03"),
        Defect("unpadded-month", "spot", "klines", "BTCUSDT", "2024-12"),
    ),
)


@pytest.fixture
def mirror(other_minio: MinioServer, bucket: str) -> tuple[str, MirrorTruth]:
    """The exchange, as a bucket of its own on another endpoint."""
    return bucket, publish_mirror(other_minio.profile, bucket, SPEC)


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, mirror: tuple[str, MirrorTruth]) -> Iterator[Lakehouse]:
    """A lake whose Binance is the mirror."""
    binance = {"endpoint_url": other_minio.endpoint_url, "bucket": mirror[0], "region": "us-east-1"}
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    with Lakehouse(load_settings(**known, archives={"binance": binance})) as made:
        yield made


def discover(lake: Lakehouse) -> Discovery:
    """Everything of the mirror."""
    return lake.discover(markets=("spot", "um"), data_types=("klines", "aggTrades"))


def collect_and_build(lake: Lakehouse) -> tuple[CollectReport, BuildReport]:
    """The whole job."""
    collected = lake.collect(discover(lake))
    return collected, lake.build(collected)


def test_every_archive_and_row_ends_where_the_truth_says(
    lake: Lakehouse, mirror: tuple[str, MirrorTruth], s3: S3Client
) -> None:
    """States of archives, rows by table and the rows themselves equal what was planted; bronze holds exactly the good ones."""
    collected, built = collect_and_build(lake)
    truth = mirror[1].select_auto()
    assert {item.archive.key for item in collected.archives} == {archive.key for archive in truth.archives}
    assert [oddity.key for oddity in collected.oddities] == [oddity.key for oddity in mirror[1].oddities]
    for item in collected.archives:
        reason = truth.archive(item.archive.key).refused
        quarantined = reason in {"checksum-mismatch", "checksum-malformed"}
        assert (item.state is ArchiveState.QUARANTINED) == quarantined, item
        assert item.reason.startswith(reason or "") if quarantined else item.reason == ""
    assert collected.counts()["unverified"] == 1
    totals = truth.totals
    rows = built.rows
    assert (rows.rows_in, rows.accepted, rows.duplicate, rows.quarantined) == (
        totals.rows_in,
        totals.accepted,
        totals.duplicates,
        totals.quarantined,
    )
    assert [file.reason.partition(":")[0] for file in built.defective] == ["zip-unreadable"]
    built.raise_for_losses()  # what the publisher broke is reported, and fails no run
    counted = sum(lake.table(name).scan().count() for name in ("silver.klines", "silver.agg_trades"))
    assert counted == totals.accepted
    prefix = "bronze/binance/"
    held = {info.key.removeprefix(prefix) for info in s3.list_objects(lake.settings.lake.bucket, prefix)}
    good = {item.archive.key for item in collected.in_bronze}
    assert {key for key in held if key.endswith(".zip")} == good
    assert {f"{key}.CHECKSUM" for key in good if truth.archive(key).has_checksum} <= held


def test_a_second_run_changes_nothing(lake: Lakehouse, s3: S3Client) -> None:
    """Nothing is copied, no object is rewritten, no snapshot is made."""
    collect_and_build(lake)
    bucket = lake.settings.lake.bucket
    before = {info.key: info for info in s3.list_objects(bucket)}
    snapshots = {name: lake.table(name).snapshot_id for name in lake.catalog.list_tables()}
    collected, built = collect_and_build(lake)
    assert collected.transfer.bytes_copied == 0
    assert built.commit.rows_written == 0
    assert {info.key: info for info in s3.list_objects(bucket)} == before
    assert {name: lake.table(name).snapshot_id for name in lake.catalog.list_tables()} == snapshots


def test_a_republished_archive_replaces_exactly_its_rows(
    lake: Lakehouse, mirror: tuple[str, MirrorTruth], other_minio: MinioServer
) -> None:
    """Same keys, new bytes: the new rows are there, the old ones are not, the counts still agree with the truth."""
    collect_and_build(lake)
    before = lake.table("silver.klines").scan(columns=["close"]).to_pandas()["close"].sum()
    truth = publish_mirror(other_minio.profile, mirror[0], replace(SPEC, seed=7)).select_auto()
    _, built = collect_and_build(lake)
    assert built.commit.rows_written == truth.totals.accepted
    scan = lake.table("silver.klines").scan(columns=["close"]).to_pandas()
    assert len(scan) == sum(archive.accepted for archive in truth.archives if "/klines/" in archive.key)
    assert scan["close"].sum() != before


def test_the_plan_alone_moves_nothing(lake: Lakehouse, s3: S3Client) -> None:
    """Discovery and plan leave the lake's server untouched."""
    from lakehouse_sdk.jobs import plan_collection

    plan = plan_collection(discover(lake), settings=lake.settings)
    assert plan.transfer.totals.copy_objects > 0
    assert list(s3.list_objects(lake.settings.lake.bucket)) == []


def test_a_cancelled_collection_is_finished_by_the_next(lake: Lakehouse, s3: S3Client) -> None:
    """Cancelled before its first byte: every archive says so, nothing is visible; the next run brings all of them."""
    from lakehouse_sdk.jobs import collect

    token = CancelToken()
    token.cancel()
    found = discover(lake)
    cancelled = collect(found, settings=lake.settings, cancel=token)
    assert cancelled.counts()["failed"] > 0
    assert cancelled.in_bronze == ()
    assert list(s3.list_objects(lake.settings.lake.bucket)) == []
    assert lake.collect(found).counts()["failed"] == 0


def test_events_tell_every_stage_once(lake: Lakehouse) -> None:
    """An observer sees each stage end, in the order of the flow."""
    events: list[Event] = []
    told = Lakehouse(lake.settings, observer=events.append)
    collected, _ = collect_and_build(told)
    finished = [event.stage for event in events if isinstance(event, StageFinished)]
    assert finished == ["discover", "plan", "copy", "verify", "parse", "commit"]
    published = [event for event in events if isinstance(event, ObjectPublished)]
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert "terms" in notice.text
    assert {event.uri.partition("/bronze/binance/")[2] for event in published} == {
        item.archive.key for item in collected.in_bronze
    }


def test_building_needs_a_catalogue(lake: Lakehouse) -> None:
    """Without one the error names the setting."""
    collected = lake.collect(discover(lake))
    without = load_settings(storage=lake.settings.storage, lake=lake.settings.lake)
    with pytest.raises(ConfigurationError, match=r"catalog\.uri"):
        Lakehouse(without).build(collected)


def test_a_source_that_does_not_answer_is_told_from_the_lake(lake: Lakehouse) -> None:
    """The hint names the archive's setting, not the storage's."""
    archives = {"binance": {"endpoint_url": "http://127.0.0.1:9", "bucket": "nothing"}}
    other = load_settings(storage=lake.settings.storage, lake=lake.settings.lake, archives=archives)
    with pytest.raises(ConnectError, match=r"archives\.binance\.endpoint_url"):
        list(discover(Lakehouse(other)))


_COLLECTOR = """
import sys
from pathlib import Path
from lakehouse_sdk.lakehouse import connect
lake = connect(config_file=Path(sys.argv[1]))
lake.collect(lake.discover(markets=("spot",), data_types=("klines",)), cadence="daily")
"""


def _list_settled(s3: S3Client, bucket: str, prefix: str) -> dict[str, ObjectInfo]:
    """What is visible once the server is done with the requests that it had received before their client was killed."""
    visible, before = _list(s3, bucket, prefix), None
    while visible != before:
        time.sleep(0.5)
        visible, before = _list(s3, bucket, prefix), visible
    return visible


def _list(s3: S3Client, bucket: str, prefix: str) -> dict[str, ObjectInfo]:
    return {info.key.removeprefix("bronze/binance/"): info for info in s3.list_objects(bucket, prefix)}


def test_kill_9_leaves_nothing_half_done(lake: Lakehouse, other_minio: MinioServer, s3: S3Client, tmp_path: Path) -> None:
    """Killed in mid-copy: what is visible is whole and right, no s5cmd survives, and the next run brings exactly the rest."""
    spec = MirrorSpec(interval="1h", days=day_range(date(2021, 1, 1), date(2022, 12, 31)), trades_per_day=24)
    bucket = f"{lake.settings.archives.binance.bucket}-many"
    publish_mirror(other_minio.profile, bucket, spec)
    config = write_config(lake.settings, bucket, tmp_path / "lakehouse.toml")
    process = subprocess.Popen([sys.executable, "-c", _COLLECTOR, str(config)], start_new_session=True)
    prefix = "bronze/binance/data/"
    deadline = time.monotonic() + 60
    while not any(True for _ in s3.list_objects(lake.settings.lake.bucket, prefix)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, gone
    visible = _list_settled(s3, lake.settings.lake.bucket, prefix)
    published = {info.key: info for info in S3Client(other_minio.profile).list_objects(bucket, "data/")}
    assert 0 < len(visible) < len(published)
    assert all(published[key].etag == info.etag for key, info in visible.items())
    again = Lakehouse(load_settings(config_file=config))
    report = again.collect(again.discover(markets=("spot",), data_types=("klines",)), cadence="daily")
    rest = (info.size_bytes for key, info in published.items() if key not in visible and key.endswith(".zip"))
    assert report.transfer.bytes_copied == sum(rest)
    assert {info.key for info in s3.list_objects(lake.settings.lake.bucket, prefix)} == {
        f"bronze/binance/{key}" for key in published
    }


def write_config(settings: Settings, mirror_bucket: str, file: Path) -> Path:
    """The settings as a file for another process."""
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
endpoint_url = "{settings.archives.binance.endpoint_url}"
bucket = "{mirror_bucket}"
region = "us-east-1"
[catalog]
uri = "{settings.catalog.uri}"
"""
    )
    return file
