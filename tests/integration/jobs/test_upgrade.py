"""A lake that an older release made, opened and brought to the format of this one."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mirrored_lake import read_table, settings_for
from typer.testing import CliRunner

from lakehouse_sdk.archives.ledger import LAKE_FORMAT
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.cli.app import app
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import ConfigurationError, LakehouseError
from lakehouse_sdk.jobs.care import upgrade
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

DATA = Path(__file__).parents[2] / "data" / "lake-of-format-1"
FEBRUARY = {"start": "2024-02-01", "end": "2024-03-01"}


@pytest.fixture
def settings(minio: MinioServer, tmp_path: Path) -> Settings:
    """A lake as release 1 left it, on this worker's own server."""
    with zipfile.ZipFile(DATA / "objects.zip") as objects, S3Client(minio.profile) as client:
        for bucket in ("exchange", "lake-v1"):
            client.ensure_bucket(bucket)
            client.delete_objects(bucket, [info.key for info in client.list_objects(bucket)])
        client.set_public_read("exchange")
        for name in objects.namelist():
            bucket, _, key = name.partition("/")
            client.put_bytes(bucket, key, objects.read(name))
    with sqlite3.connect(tmp_path / "catalog.db") as database:
        database.executescript((DATA / "catalog.sql").read_text(encoding="utf-8"))
    lake = load_settings(
        storage=minio.profile, lake={"bucket": "lake-v1"}, catalog={"uri": f"sqlite:///{tmp_path / 'catalog.db'}"}
    )
    return settings_for(lake, minio.endpoint_url, "exchange")


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lakehouse]:
    with Lakehouse(settings) as made:
        yield made


def state(lake: Lakehouse) -> tuple[object, ...]:
    klines = sorted(read_table(lake.settings, "silver.klines", "symbol", "open_time", "instrument", "_source_key"), key=str)
    coverage = lake.coverage(markets=["um"], data_types=["klines"]).counts()
    return klines, coverage


def test_an_old_lake_is_read_as_it_is(lake: Lakehouse) -> None:
    with open_ledger(lake.settings) as ledger:
        assert ledger.lake_format == 1
    assert lake.table("silver.klines").scan().count() == 7 * 3 + 29 * 3 + 3
    loaded = lake.load("klines", market="um", symbols="ETHUSDT", interval="8h", **FEBRUARY)
    assert (len(loaded.to_polars()), loaded.is_complete) == (87, True)


def test_the_upgrade_knows_what_the_archives_lack_and_what_symbols_mean(lake: Lakehouse) -> None:
    before = state(lake)
    planned = lake.upgrade(dry_run=True)
    assert (planned.before, planned.after, [step.changed for step in planned.steps]) == (1, LAKE_FORMAT, [3, 4, 4])
    assert state(lake) == before
    done = lake.upgrade()
    assert done.steps == planned.steps
    counts = lake.coverage(markets=["um"], data_types=["klines"]).counts()
    assert (counts["present"], counts["pending"]) == (29 + 7, 22)
    names = dict(read_table(lake.settings, "silver.klines", "symbol", "instrument"))
    assert names == {"BTCUSDT": "BTC/USDT:USDT", "ETHUSDT": "ETH/USDT:USDT", "DOTUSD_PERP": "DOT/USD:DOT"}
    seen = lake.load("klines", market="um", symbols="BTCUSDT", interval="8h", missing="report", **FEBRUARY)
    assert not seen.is_complete
    day = datetime(2024, 2, 2, tzinfo=UTC)
    metrics = lake.load("metrics", market="um", symbols="BTCUSDT", start=day, end=day + timedelta(days=1))
    assert (metrics.is_complete, metrics.gaps, len(metrics.to_polars())) == (True, (), 288)
    again = lake.upgrade()
    assert (again.before, again.steps) == (LAKE_FORMAT, ())


def test_killed_between_its_steps_the_next_one_does_the_rest(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "_STEPS", (upgrade._STEPS[0], ("stopped", die)))
        with pytest.raises(KeyboardInterrupt):
            lake.upgrade()
    with open_ledger(lake.settings) as ledger:
        assert ledger.lake_format == 1
    assert lake.upgrade().before == 1
    assert lake.coverage(markets=["um"], data_types=["klines"]).counts()["pending"] == 22


def test_a_lake_of_a_later_release_is_refused(lake: Lakehouse) -> None:
    with open_ledger(lake.settings) as ledger:
        ledger.set_lake_format(LAKE_FORMAT + 1)
    with pytest.raises(ConfigurationError, match="Update lakehouse-sdk"):
        open_ledger(lake.settings)
    with pytest.raises(LakehouseError, match=f"format {LAKE_FORMAT + 1}"):
        lake.upgrade()


def test_a_new_lake_has_the_format_of_this_release(tmp_path: Path) -> None:
    with open_ledger(load_settings(catalog={"uri": f"sqlite:///{tmp_path / 'new.db'}"})) as ledger:
        assert ledger.lake_format == LAKE_FORMAT


def test_the_command_says_what_it_did(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_sdk.cli.upgrade.connect", lambda observer: lake)
    said = CliRunner().invoke(app, ["upgrade", "--dry-run"])
    assert "would go from format 1 to 2" in said.output
    assert CliRunner().invoke(app, ["upgrade"]).exit_code == 0
    assert "the one of this release" in CliRunner().invoke(app, ["upgrade"]).output
