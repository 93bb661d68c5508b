"""Symbols as ccxt writes them: filled while building, understood while reading, and pruned as well as native ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from table_archives import DAY, agg_trade, check_agg_trades, check_klines, kline, klines_archive

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.config import QualitySettings, load_settings
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.jobs import ArchiveState, CollectedArchive, check_collected
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.tables import CheckedBatch, Table, TableCatalog, open_catalog

BARS = [kline(i) for i in range(10)]
LINEAR = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def lake(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableCatalog]:
    """BTCUSDT and two neighbours in the alphabet on spot and um, each with bars of two months."""
    folder = tmp_path_factory.mktemp("symbols")
    settings = load_settings(
        storage=minio.profile, lake={"bucket": "symbols-test"}, catalog={"uri": f"sqlite:///{folder}/catalog.db"}
    )
    with open_catalog(settings) as catalog:
        catalog.commit(
            check_klines([kline(i, day) for i in range(10)], symbol=f"{base}USDT", day=day, market=market, instrument=name)
            for base in ("AAVE", "BTC", "XRP")
            for market, name in (("spot", f"{base}/USDT"), ("um", f"{base}/USDT:USDT"))
            for day in (DAY, DAY + timedelta(days=40))
        )
        yield catalog


@pytest.fixture
def klines(lake: TableCatalog) -> Table:
    return lake.table("silver.klines")


def test_building_fills_the_canonical_name(catalog: TableCatalog) -> None:
    """As the job does it, from the archive's own name; a spelling without a rule leaves null."""

    def built(symbol: str) -> CheckedBatch:
        data, file = klines_archive(BARS, symbol)
        names = (file.source, file.market, file.data_type, file.symbol, file.interval)
        period = ("daily", file.period_start, file.period_end)
        archive = ArchiveObject(*names, *period, file.key, len(data), "etag", DAY, None)  # type: ignore[arg-type]
        item = CollectedArchive(archive, ArchiveState.PRESENT, file.sha256)
        return check_collected([(data, item)], QualitySettings())[0]

    catalog.commit([built("BTCUSDT"), built("NONSENSE")])
    rows = catalog.table("silver.klines").scan(columns=["symbol", "instrument"]).to_polars().unique().sort("symbol").rows()
    assert rows == [("BTCUSDT", "BTC/USDT"), ("NONSENSE", None)]
    kept = catalog.table("silver.quality").scan(columns=["symbol", "instrument"]).to_polars().sort("symbol").rows()
    assert kept == rows


def test_a_canonical_name_means_one_market_where_a_native_one_means_all(klines: Table) -> None:
    assert klines.scan(symbols="BTCUSDT").count() == 40
    linear = klines.scan(symbols=LINEAR)
    assert linear.count() == linear.to_arrow().num_rows == 20
    assert set(linear.to_polars()["market"]) == {"um"}
    assert linear.symbols == (LINEAR,)


def test_native_and_canonical_names_mix(klines: Table) -> None:
    found = klines.scan(symbols=["XRPUSDT", LINEAR, "BTC/USDT"]).to_polars()
    assert found.group_by("symbol", "market").len().sort("symbol", "market").rows() == [
        ("BTCUSDT", "spot", 20),
        ("BTCUSDT", "um", 20),
        ("XRPUSDT", "spot", 20),
        ("XRPUSDT", "um", 20),
    ]


def test_a_canonical_name_prunes_as_its_native_one_does(klines: Table) -> None:
    """The market's partitions alone, and of them the month."""
    assert klines.scan().plan().files == 4
    assert klines.scan(symbols="BTCUSDT").plan().files == 4
    assert klines.scan(symbols=LINEAR).plan().files == klines.scan(symbols="BTCUSDT", market="um").plan().files == 2
    assert klines.scan(symbols=LINEAR, end=DAY + timedelta(days=1)).plan().files == 1


def test_an_unknown_canonical_name_says_what_there_is(klines: Table) -> None:
    with pytest.raises(NotFoundError, match=r"no row of 'BTC/USDC'\. Did you mean BTC/USDT"):
        klines.scan(symbols="BTC/USDC")


def test_a_name_that_only_another_table_has_is_unknown_here(catalog: TableCatalog) -> None:
    catalog.commit([check_klines(BARS, instrument="BTC/USDT"), check_agg_trades([agg_trade(0)])])
    trades = catalog.table("silver.agg_trades")
    with pytest.raises(NotFoundError, match=r"silver\.agg_trades holds no row of 'BTC/USDT'"):
        trades.scan(symbols="BTC/USDT")


def test_a_table_of_an_older_release_gets_the_column_and_keeps_its_rows(
    catalog: TableCatalog, other_eyes: SqlCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old rows are found by the canonical name too, once an archive of their series was built anew."""
    from lakehouse_sdk.tables.layout.schemas import LAYOUTS

    monkeypatch.setitem(LAYOUTS, "silver.klines", _without_instrument(LAYOUTS["silver.klines"]))
    monkeypatch.setitem(LAYOUTS, "silver.quality", _without_instrument(LAYOUTS["silver.quality"]))
    catalog.commit([check_klines(BARS, instrument="BTC/USDT")])
    old = catalog.table("silver.klines")
    assert "instrument" not in [column.name for column in old.columns]
    with pytest.raises(NotFoundError):
        old.scan(symbols="BTC/USDT")
    monkeypatch.undo()

    catalog.commit([check_klines(BARS, instrument="BTC/USDT")])  # nothing new: the columns come, no snapshot does
    table = catalog.table("silver.klines")
    assert table.snapshot_id == old.snapshot_id
    assert table.scan().to_polars()["instrument"].to_list() == [None] * 10

    day = DAY + timedelta(days=1)
    catalog.commit([check_klines([kline(i, day) for i in range(10)], day=day, instrument="BTC/USDT")])
    table = catalog.table("silver.klines")
    assert table.scan(symbols="BTC/USDT").count() == 20
    assert "instrument" not in table.scan(as_of=old.snapshot_id).columns
    assert table.scan(as_of=old.snapshot_id).to_arrow().num_rows == 10
    names = [field.name for field in other_eyes.load_table("silver.klines").schema().fields]
    assert names[-1] == "instrument"


def _without_instrument(layout: Any) -> Any:
    from dataclasses import replace

    from pyiceberg.schema import Schema

    return replace(layout, schema=Schema(*(field for field in layout.schema.fields if field.name != "instrument")))


def test_the_span_is_still_checked(klines: Table) -> None:
    assert klines.scan(symbols=LINEAR, start=datetime(2030, 1, 1, tzinfo=UTC)).count() == 0
