"""The public API as a type checker sees it; never run, only checked by mypy in `make lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import pandas as pd
import polars as pl
from pydantic import SecretStr

import lakehouse_sdk
from lakehouse_sdk import (
    Lakehouse,
    LakehouseError,
    Selection,
    Settings,
    TransferPlan,
    TransferReport,
    TransferRun,
    VerifyReport,
)
from lakehouse_sdk.archives.readiness import Gap
from lakehouse_sdk.events import Event, Observer, ignore_events
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.jobs import BuildReport, CollectReport, Discovery
from lakehouse_sdk.jobs.load.series import LoadedScan
from lakehouse_sdk.tables import GoldView, RestoreReport, SearchResult, Table, TableCatalog, TableDescription


def check_entry_points() -> None:
    assert_type(lakehouse_sdk.connect(), Lakehouse)
    assert_type(lakehouse_sdk.connect(config_file="lakehouse.toml", storage={"region": "eu-west-1"}), Lakehouse)
    assert_type(lakehouse_sdk.local(Path("data"), prefect=True), Lakehouse)
    with lakehouse_sdk.local() as lake:
        assert_type(lake, Lakehouse)


def check_settings(lake: Lakehouse) -> None:
    assert_type(lake.settings, Settings)
    assert_type(lake.settings.storage.endpoint_url, str | None)
    assert_type(lake.settings.storage.access_key, SecretStr | None)
    assert_type(lake.settings.storage.secret_key, SecretStr | None)
    assert_type(lake.storage_options("polars"), dict[str, Any])


def check_transfers(lake: Lakehouse) -> None:
    plan = lake.plan("lakehouse://a/x", Path("x"))
    assert_type(plan, TransferPlan)
    assert_type(plan.start(), TransferRun)
    assert_type(lake.verify("s3://a/x", "s3://b/x", selection=Selection(include="*.zip")), VerifyReport)
    report = lake.sync("s3://a/x", "lakehouse://office@b/x", strategy="direct")
    assert_type(report, TransferReport)
    assert_type(report.to_dict(), dict[str, Any])
    assert_type(report.to_pandas(), pd.DataFrame)
    assert_type(lake.fs, LakehouseFileSystem)
    lake.sync("s3://a/x", "s3://b/x", strategy="fastest")  # type: ignore[call-overload]
    assert_type(lake.sync("s3://a/x", "s3://b/x", wait=False), TransferRun)


def check_main_job(lake: Lakehouse) -> None:
    found = lake.discover(markets=["spot"], data_types=["klines"], symbols=["BTCUSDT"])
    assert_type(found, Discovery)
    collected = lake.collect(found, cadence="monthly")
    assert_type(collected, CollectReport)
    assert_type(lake.build(collected), BuildReport)
    assert_type(lake.catalog, TableCatalog)
    assert_type(lake.table("silver.klines"), Table)
    assert_type(lake.table("silver.klines").scan(symbols=["BTCUSDT"]).to_pandas(), pd.DataFrame)
    view = lake.bars("BTCUSDT", interval="5m", gaps="fill", features=["vwap", "funding"])
    assert_type(view, GoldView)
    assert_type(view.to_pandas(), pd.DataFrame)
    assert_type(lake.cross_check("BTCUSDT").agrees, bool)
    lake.bars(interval="5m", features=["alpha"])  # type: ignore[list-item]


def check_reading(lake: Lakehouse) -> None:
    bars = lake.load("klines", market="um", symbols="BTC/USDT:USDT", interval="1m", start="2024-01-01", end="2024-02-01")
    assert_type(bars, LoadedScan)
    assert_type(bars.to_polars(), pl.DataFrame)
    assert_type(bars.lazy(), pl.LazyFrame)
    assert_type(bars.gaps, tuple[Gap, ...])
    lake.load("klines", market="um", symbols="A", start="2024", end="2025", missing="guess")  # type: ignore[arg-type]
    assert_type(lake.query("select 1", as_of="study-1").to_pandas(), pd.DataFrame)
    table = lake.table("silver.klines")
    assert_type(table.describe(), TableDescription)
    assert_type(table.restore("study-1"), RestoreReport)
    assert_type(lake.catalog.search("btc"), SearchResult)


def check_observers() -> None:
    def observe(event: Event, /) -> None: ...

    observer: Observer = observe
    lakehouse_sdk.connect(observer=observer)
    lakehouse_sdk.connect(observer=ignore_events)


def check_errors(error: LakehouseError) -> None:
    assert_type(error.hint, str | None)
    assert_type(error.exit_code, int)
