"""Canonical names corrected in the tables: every row, no other column, once, while others write."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from mirrored_lake import read_table, settings_for
from typer.testing import CliRunner

from lakehouse_sdk.archives.instruments import Spelling, read_symbol
from lakehouse_sdk.cli.app import app
from lakehouse_sdk.config import Settings
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.testing import MirrorSpec, day_range, publish_mirror

SPEC = MirrorSpec(
    markets=("spot", "um"),
    symbols=("ADAEUR", "BTCUSDT"),
    data_types=("klines", "aggTrades"),
    interval="1h",
    days=day_range(date(2024, 1, 1), date(2024, 1, 2)),
    trades_per_day=50,
)


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """A lake of a release that took ADAEUR for AD and AEUR."""
    publish_mirror(other_minio.profile, bucket, SPEC)
    made = Lakehouse(settings_for(settings, other_minio.endpoint_url, bucket))

    def misread(source: str, market: str, symbol: str, at: datetime | None = None) -> Spelling:
        return Spelling("AD/AEUR", "AD", "AEUR", "spot") if symbol == "ADAEUR" else read_symbol(source, market, symbol, at)

    with monkeypatch.context() as patch:
        patch.setattr("lakehouse_sdk.jobs.build.check.read_symbol", misread)
        for market in SPEC.markets:
            made.build(made.collect(made.discover(markets=[market], data_types=["klines", "aggTrades"])))
    return made


def rows(lake: Lakehouse, table: str) -> pl.DataFrame:
    frame = lake.table(table).scan().to_polars().with_columns(pl.col(pl.Categorical).cast(pl.String))
    return frame.sort(pl.all().exclude("instrument", "_ingested_at"))


def test_names_are_corrected_and_nothing_else(lake: Lakehouse) -> None:
    tables = ("silver.klines", "silver.agg_trades", "silver.quality")
    before = {name: rows(lake, name) for name in tables}
    assert set(before["silver.klines"]["instrument"]) == {"AD/AEUR", "BTC/USDT", "BTC/USDT:USDT"}
    planned = lake.relabel(dry_run=True)
    assert planned.dry_run
    assert {name for table in planned.tables for name in table.names} == {
        "binance spot ADAEUR: AD/AEUR → ADA/EUR",
        "binance um ADAEUR: AD/AEUR → ADA/EUR:EUR",
    }
    assert all(rows(lake, name).equals(before[name]) for name in tables)
    done = lake.relabel()
    assert (done.summary, len(done.tables)) == (planned.summary.replace("would get", "got"), len(planned.tables))
    for name in tables:
        after = rows(lake, name)
        assert after.drop("instrument", strict=False).equals(before[name].drop("instrument", strict=False))
        assert "AD/AEUR" not in {names for (names,) in read_table(lake.settings, name, "instrument")}
    found = set(read_table(lake.settings, "silver.klines", "market", "symbol", "instrument"))
    assert found == {
        ("spot", "ADAEUR", "ADA/EUR"),
        ("um", "ADAEUR", "ADA/EUR:EUR"),
        ("spot", "BTCUSDT", "BTC/USDT"),
        ("um", "BTCUSDT", "BTC/USDT:USDT"),
    }
    assert lake.table("silver.klines").scan(symbols=["ADA/EUR"]).count() > 0
    again = lake.relabel()
    assert sum(table.files for table in again.tables) == 0


def test_the_command_names_what_it_corrects(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_sdk.cli.care.connect", lambda observer: lake)
    said = CliRunner().invoke(app, ["tables", "relabel", "silver.klines", "--dry-run"])
    assert said.exit_code == 0, said.output
    assert "silver.klines: binance spot ADAEUR: AD/AEUR → ADA/EUR" in said.output
    assert "would get another canonical name" in said.output


def test_a_lake_without_tables_has_nothing_to_correct(settings: Settings) -> None:
    assert Lakehouse(settings).relabel().tables == ()
