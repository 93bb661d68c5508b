"""Tables of decimals: fixed when they are made, float64 for who does not ask, exact products in every library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from mirrored_lake import settings_for
from pyiceberg.catalog.sql import SqlCatalog
from table_archives import agg_trade, agg_trades_archive, check_agg_trades, kline, klines_archive

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConfigurationError, TableError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.tables import CheckedBatch, TableCatalog, open_catalog, parse_archive, validate
from lakehouse_sdk.testing import MirrorSpec, publish_mirror

TRADES = [("0.1234567891", "3.0000000001"), ("67890.12", "0.001"), ("0.1", "0.3")]
WANTED = sum(Decimal(price) * Decimal(quantity) for price, quantity in TRADES)


def exactly(settings: Settings, *tables: str) -> Settings:
    return settings.model_copy(update={"tables": settings.tables.model_copy(update={"exact": tables})})


def trades(*, exact: bool) -> CheckedBatch:
    lines = [agg_trade(n, price=price, quantity=quantity) for n, (price, quantity) in enumerate(TRADES)]
    return validate(parse_archive(*agg_trades_archive(lines), exact=exact))


@pytest.fixture
def exact_catalog(settings: Settings) -> Iterator[TableCatalog]:
    with open_catalog(exactly(settings, "silver.agg_trades", "silver.klines")) as opened:
        yield opened


def test_a_table_that_the_settings_name_is_made_of_decimals(exact_catalog: TableCatalog, other_eyes: SqlCatalog) -> None:
    assert exact_catalog.find_exact(["silver.agg_trades", "silver.trades"]) == {"silver.agg_trades"}
    exact_catalog.commit([trades(exact=True)])
    table = other_eyes.load_table("silver.agg_trades")
    assert table.properties["lakehouse.exact"] == "true"
    rows = table.scan().to_arrow()
    assert rows.schema.field("price").type == pa.decimal128(28, 10)
    assert sorted(rows["price"].to_pylist()) == sorted(Decimal(price) for price, _ in TRADES)
    assert rows.schema.field("notional").type == pa.float64()


@pytest.mark.parametrize("exact", [True, False])
def test_price_times_quantity_in_every_library(settings: Settings, exact: bool) -> None:
    """Of decimals the sum is exact; who does not ask for them gets float64 from either table."""
    with open_catalog(exactly(settings, *(["silver.agg_trades"] if exact else []))) as catalog:
        catalog.commit([trades(exact=exact)])
        table = catalog.table("silver.agg_trades")
    near = pytest.approx(float(WANTED), rel=1e-15)
    scan = table.scan(columns=["price", "quantity"])
    arrow, pandas, polars = scan.to_arrow(), scan.to_pandas(), scan.to_polars()
    assert arrow.schema.field("price").type == pa.float64()
    assert arrow["price"].to_pylist() == [float(price) for price, _ in TRADES]
    assert pc.sum(pc.multiply(arrow["price"], arrow["quantity"])).as_py() == near
    assert (pandas["price"] * pandas["quantity"]).sum() == near
    assert (polars["price"] * polars["quantity"]).sum() == near
    assert scan.lazy().select(pl.col("price").dot("quantity")).collect().item() == near
    assert pa.Table.from_batches(scan.to_batches()).schema.field("price").type == pa.float64()
    assert scan.to_duckdb(duckdb.connect()).aggregate("sum(price * quantity)").fetchall() == [(near,)]
    if not exact:
        return
    scan = table.scan(columns=["price", "quantity"], exact=True)
    arrow, pandas, polars = scan.to_arrow(), scan.to_pandas(), scan.to_polars()
    wide = [arrow[name].cast(pa.decimal256(28, 10)) for name in ("price", "quantity")]  # Arrow's product needs 57 digits
    assert pc.sum(pc.multiply(*wide)).as_py() == WANTED
    assert (pandas["price"] * pandas["quantity"]).sum() == WANTED
    assert (polars["price"].cast(pl.Decimal(38, 20)) * polars["quantity"].cast(pl.Decimal(38, 20))).sum() == WANTED
    assert polars["price"].to_list() == [Decimal(price) for price, _ in TRADES]
    assert scan.lazy().collect().schema["price"] == pl.Decimal(28, 10)
    assert scan.to_batches().schema.field("price").type == pa.decimal128(28, 10)
    assert scan.to_duckdb(duckdb.connect()).aggregate("sum(price * quantity)").fetchall() == [(WANTED,)]


def test_the_table_decides_and_not_the_settings(settings: Settings) -> None:
    with open_catalog(settings) as catalog:
        catalog.commit([trades(exact=False)])
    with open_catalog(exactly(settings, "silver.agg_trades", "silver.klines")) as catalog:
        assert catalog.find_exact(["silver.agg_trades"]) == frozenset()
        lines = [kline(0, volume="4.1234567891")]
        catalog.commit([validate(parse_archive(*klines_archive(lines), exact=True))])
    with open_catalog(settings) as catalog:
        assert catalog.find_exact(["silver.agg_trades", "silver.klines"]) == {"silver.klines"}
        assert catalog.table("silver.klines").scan(exact=True).to_arrow()["volume"].to_pylist() == [Decimal("4.1234567891")]


def test_rows_of_the_other_kind_are_refused(exact_catalog: TableCatalog, parquet_files: Callable[[], list[str]]) -> None:
    with pytest.raises(TableError, match="The table holds decimals in price, and the rows do not"):
        exact_catalog.commit([check_agg_trades([agg_trade(0)])])
    assert parquet_files() == []
    exact_catalog.commit([trades(exact=True)])
    assert exact_catalog.table("silver.agg_trades").row_count == len(TRADES)


def test_the_reports_count_what_float64_does_not_hold(settings: Settings) -> None:
    lake = Lakehouse(settings)
    lines = [
        agg_trade(n, price=price) for n, price in enumerate(["0.12345678901234567", "0.1234567890123", "1234567890123456789"])
    ]
    report = lake.catalog.commit([check_agg_trades(lines)])
    assert report.numbers_rounded == 2
    assert "numbers rounded" in report._repr_html_()
    said = lake.quality()
    assert said.counts["numbers_rounded"] == said.to_dict()["numbers_rounded"] == 2
    assert "numbers rounded" in said._repr_html_()
    lake.catalog.close()


def test_a_setting_that_names_no_table_is_refused(settings: Settings) -> None:
    with (
        open_catalog(exactly(settings, "silver.candles")) as catalog,
        pytest.raises(ConfigurationError, match=r"silver\.candles"),
    ):
        catalog.find_exact(["silver.klines"])


def test_building_and_gold_work_on_exact_tables(settings: Settings, other_minio: MinioServer) -> None:
    """From the archives of a mirror; the bars of both kinds of tables are the same."""
    bucket = "exact.mirror"
    truth = publish_mirror(
        other_minio.profile, bucket, MirrorSpec(days=(date(2024, 1, 1),), data_types=("klines", "aggTrades"))
    )
    lake = Lakehouse(exactly(settings_for(settings, other_minio.endpoint_url, bucket), "silver.klines", "silver.agg_trades"))
    found = lake.discover(markets=["spot"], data_types=["klines", "aggTrades"], start=datetime(2024, 1, 1, tzinfo=UTC))
    report = lake.build(lake.collect(found))
    assert report.rows.accepted == truth.totals.accepted
    stored = lake.table("silver.agg_trades").scan(exact=True, columns=["quantity"]).to_arrow()["quantity"]
    assert pc.sum(stored).as_py() == truth.volumes()["spot", "aggTrades", "BTCUSDT"]
    assert lake.cross_check("BTCUSDT", market="spot").agrees
    assert lake.bars("BTCUSDT", market="spot", interval="1h").to_polars().schema["close"] == pl.Float64
    assert lake.build(lake.collect(found)).commit.rows_written == 0
    lake.catalog.close()
