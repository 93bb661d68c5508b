"""Ledger and catalogue on a real PostgreSQL: the whole job, and two processes that do it at once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from mirrored_lake import ledger_events, rows_by_archive, settings_for, sha256_by_key, write_settings

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.testing import Defect, MirrorSpec, MirrorTruth, day_range, publish_mirror

pytestmark = pytest.mark.timeout(600)  # a minute alone; two processes that load everything share a busy machine

SPEC = MirrorSpec(
    symbols=("BTCUSDT", "ETHUSDT"),
    interval="1h",
    days=day_range(date(2024, 12, 1), date(2024, 12, 31)),
    trades_per_day=24,
    defects=(
        Defect("checksum-mismatch", "spot", "klines", "BTCUSDT", "2024-12-02"),
        Defect("zip-truncated", "spot", "klines", "ETHUSDT", "2024-12-03"),
        Defect("rows-doubled", "spot", "klines", "ETHUSDT", "2024-12-04"),
    ),
)


@pytest.fixture
def truth(other_minio: MinioServer, bucket: str) -> MirrorTruth:
    return publish_mirror(other_minio.profile, bucket, SPEC)


@pytest.fixture
def on_postgresql(settings: Settings, other_minio: MinioServer, truth: MirrorTruth, postgres_uri: str) -> Settings:
    return settings_for(settings, other_minio.endpoint_url, truth.bucket, catalog={"uri": postgres_uri})


def check_against_truth(settings: Settings, truth: MirrorTruth) -> None:
    """Bronze, tables, ledger and the table of the ledger say what was published, each seen by a client that is not ours."""
    good = {archive.key: archive for archive in truth.archives if archive.refused != "checksum-mismatch"}
    held = sha256_by_key(settings.storage, settings.lake.bucket, "bronze/binance/")
    assert {key: sha256 for key, sha256 in held.items() if key.endswith(".zip")} == {
        key: archive.sha256 for key, archive in good.items()
    }
    assert {key for key in held if not key.endswith(".zip")} == {f"{key}.CHECKSUM" for key in good}
    assert rows_by_archive(settings) == Counter({key: archive.accepted for key, archive in good.items() if archive.accepted})
    with open_ledger(settings) as ledger:
        found = {entry.key: (entry.state, entry.sha256, entry.revision) for entry in ledger.entries("binance")}
        assert ledger.take_events(1) == []
    published, refused = LedgerState.PUBLISHED, LedgerState.QUARANTINED
    for archive in truth.archives:
        state, sha256, revision = found.pop(archive.key)
        assert (state, revision) == (refused if archive.refused else published, 1), archive
        assert sha256 == (None if archive.refused == "checksum-mismatch" else archive.sha256)
    assert found == {}
    events = ledger_events(settings)
    assert len(events) == len(set(events))


def test_collected_built_and_read_back(on_postgresql: Settings, truth: MirrorTruth) -> None:
    with Lakehouse(on_postgresql) as lake:
        built = lake.build(lake.collect(lake.discover(markets=("spot",), data_types=("klines",))))
        assert built.rows.accepted == truth.totals.accepted
        assert lake.table("silver.klines").scan().count() == truth.totals.accepted
        check_against_truth(on_postgresql, truth)
        events = len(ledger_events(on_postgresql))
        again = lake.build(lake.collect(lake.discover(markets=("spot",), data_types=("klines",))))
        assert (again.files, again.commit.rows_written) == ((), 0)
        assert len(ledger_events(on_postgresql)) == events
        present = lake.coverage(markets=("spot",), data_types=("klines",)).counts()["present"]
        assert present == len(truth.archives) - 2


_WORKER = """
import sys
from pathlib import Path
from lakehouse_sdk.lakehouse import connect
lake = connect(config_file=Path(sys.argv[1]))
found = lake.discover(markets=("spot",), data_types=("klines",)).listed()
print("ready", flush=True)
sys.stdin.readline()
report = lake.collect(found)
report.raise_for_failures()
lake.build(report)
"""


def test_two_processes_collect_and_build_the_same_at_once(on_postgresql: Settings, truth: MirrorTruth, tmp_path: Path) -> None:
    """Nothing is lost, nothing doubled, and neither of them fails."""
    config = write_settings(on_postgresql, tmp_path / "lakehouse.toml")
    command = [sys.executable, "-c", _WORKER, str(config)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    ends = []
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate()
        ends.append((worker.returncode, errors[-2000:]))
    assert [code for code, _ in ends] == [0, 0], ends
    check_against_truth(on_postgresql, truth)
