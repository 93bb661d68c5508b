"""A kill in the middle of what the ledger remembers: nothing is lost, nothing is kept or told twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import psutil
import pytest
from mirrored_lake import ledger_events, rows_by_archive, settings_for, sha256_by_key, write_settings

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.jobs import Discovery
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import ArchiveText, Fault, FaultProxy, publish_archives, sample_text

ARCHIVES = 250


def make(number: int, rows: int) -> ArchiveText:
    day = f"{date(2023, 1, 1) + timedelta(days=number)}"
    return ArchiveText("um", "klines", "BTCUSDT", day, sample_text("klines", "um", "BTCUSDT", day, rows), "1m")


def discover(lake: Lakehouse) -> Discovery:
    return lake.discover(markets=("um",), data_types=("klines",))


@pytest.fixture
def slow_exchange(other_minio: MinioServer) -> Iterator[FaultProxy]:
    """Each answer of the exchange takes a moment, so that a run of many archives has a middle to be killed in."""
    with FaultProxy(other_minio.endpoint_url, Fault(latency_s=0.05)) as proxy:
        yield proxy


_COLLECT = """
import sys
from pathlib import Path
from lakehouse_sdk.lakehouse import connect
lake = connect(config_file=Path(sys.argv[1]))
lake.collect(lake.discover(markets=("um",), data_types=("klines",)))
"""


@pytest.mark.timeout(600)
def test_killed_while_republished_archives_arrive(
    settings: Settings, other_minio: MinioServer, bucket: str, slow_exchange: FaultProxy, tmp_path: Path, s3: S3Client
) -> None:
    """The bytes of every old revision are kept exactly once, every new one is in place, and the ledger knows both."""
    old = publish_archives(other_minio.profile, bucket, (make(number, 3) for number in range(ARCHIVES)))
    settings = settings_for(settings, other_minio.endpoint_url, bucket)
    with Lakehouse(settings) as lake:
        assert lake.collect(discover(lake)).counts()["verified"] == ARCHIVES
    before = {info.key: info.etag for info in s3.list_objects(settings.lake.bucket, "bronze/binance/")}
    new = publish_archives(other_minio.profile, bucket, (make(number, 4) for number in range(ARCHIVES)))

    config = write_settings(settings_for(settings, slow_exchange.endpoint_url, bucket), tmp_path / "lakehouse.toml")
    done = kill_in_the_middle(config, settings, s3, before)
    assert 0 < done < ARCHIVES

    with Lakehouse(settings) as lake:
        report = lake.collect(discover(lake))
        assert report.problems == ()
        held = sha256_by_key(settings.storage, settings.lake.bucket, "bronze/binance/")
        assert {key: sha256 for key, sha256 in held.items() if key.endswith(".zip")} == new
        kept = sha256_by_key(settings.storage, settings.lake.bucket, "bronze/_revisions/binance/")
        assert kept == {f"{key}.r1": sha256 for key, sha256 in old.items()}
        with open_ledger(settings) as ledger:
            entries = {entry.key: entry for entry in ledger.entries("binance")}
            revisions = ledger.revisions("binance", old)
        assert {key: (e.state, e.revision, e.sha256) for key, e in entries.items()} == {
            key: (LedgerState.VERIFIED, 2, sha256) for key, sha256 in new.items()
        }
        assert {r.key: (r.revision, r.sha256, r.kept_key) for r in revisions} == {
            key: (1, sha256, f"bronze/_revisions/binance/{key}.r1") for key, sha256 in old.items()
        }
        for key, content in ((key, s3.get_bytes(settings.lake.bucket, f"bronze/binance/{key}.CHECKSUM")) for key in new):
            assert content.startswith(new[key].encode()), key
        assert lake.build(report).rows.accepted == 4 * ARCHIVES
        assert rows_by_archive(settings) == dict.fromkeys(new, 4)


def kill_in_the_middle(config: Path, settings: Settings, s3: S3Client, before: dict[str, str]) -> int:
    """Start a collection, kill it and its children as soon as bronze holds some new archives; returns how many."""
    process = subprocess.Popen([sys.executable, "-c", _COLLECT, str(config)], start_new_session=True)
    deadline = time.monotonic() + 120
    while not count_new(settings, s3, before):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    return count_new(settings, s3, before)


def count_new(settings: Settings, s3: S3Client, before: dict[str, str]) -> int:
    listed = s3.list_objects(settings.lake.bucket, "bronze/binance/")
    return sum(info.etag != before.get(info.key) for info in listed if info.key.endswith(".zip"))


_BUILD = """
import os, sys
from pathlib import Path
from lakehouse_sdk.archives.sql_ledger import SqlLedger
from lakehouse_sdk.lakehouse import connect
SqlLedger.drop_events = lambda self, up_to: os._exit(7)
lake = connect(config_file=Path(sys.argv[1]))
lake.build(lake.collect(lake.discover(markets=("um",), data_types=("klines",))))
"""


@pytest.mark.timeout(300)
def test_killed_between_the_tables_and_the_ledgers_forgetting(
    settings: Settings, other_minio: MinioServer, bucket: str, tmp_path: Path
) -> None:
    """The table has the changes, the ledger has them still: the next build tells none of them twice."""
    publish_archives(other_minio.profile, bucket, (make(number, 3) for number in range(20)))
    settings = settings_for(settings, other_minio.endpoint_url, bucket)
    config = write_settings(settings, tmp_path / "lakehouse.toml")
    assert subprocess.run([sys.executable, "-c", _BUILD, str(config)], check=False).returncode == 7
    told = ledger_events(settings)
    with open_ledger(settings) as ledger:
        waiting = ledger.take_events(1000)
        assert sorted(told) == sorted((ledger.ledger_id, event.event_id) for event in waiting)
    assert len(told) == 3 * 20  # discovered, verified, published
    publish_archives(other_minio.profile, bucket, [make(20, 3)])
    with Lakehouse(settings) as lake:
        lake.build(lake.collect(discover(lake)))
    after = ledger_events(settings)
    assert len(after) == len(set(after)) == len(told) + 3
    with open_ledger(settings) as ledger:
        assert ledger.take_events(1) == []
        entries = list(ledger.entries("binance"))
    assert {entry.state for entry in entries} == {LedgerState.PUBLISHED}
    assert sum(rows_by_archive(settings).values()) == 3 * 21
