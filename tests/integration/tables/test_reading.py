"""Ways to read that do not hold everything: batches, lazy frames, and states by tag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyiceberg.catalog.sql import SqlCatalog
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import Table, TableCatalog, open_catalog

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
DAYS = tuple(DAY + timedelta(days=offset) for offset in (-1, 0, 1, 31))


@pytest.fixture(scope="module")
def lake_settings(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("reading")
    return load_settings(
        storage=minio.profile, lake={"bucket": "reading-test"}, catalog={"uri": f"sqlite:///{folder}/catalog.db"}
    )


@pytest.fixture(scope="module")
def klines(lake_settings: Settings) -> Iterator[Table]:
    """Three symbols, four days in three months, ten bars each, in four commits."""
    with open_catalog(lake_settings) as catalog:
        for day in DAYS:
            catalog.commit([check_klines([kline(i, day) for i in range(10)], symbol=s, day=day) for s in SYMBOLS])
        yield catalog.table("silver.klines")


def test_batches_hold_the_same_rows(klines: Table) -> None:
    scan = klines.scan(symbols=["BTCUSDT", "XRPUSDT"], start=DAY, columns=["symbol", "open_time", "close"])
    batches = scan.to_batches()
    assert isinstance(batches, pa.RecordBatchReader)
    assert batches.schema.names == ["symbol", "open_time", "close"]
    rows = batches.read_all()
    assert rows.num_rows == 60
    expected = scan.to_arrow()
    assert pl.from_arrow(rows).sort("symbol", "open_time").equals(pl.from_arrow(expected))  # type: ignore[union-attr]
    assert rows.schema.field("open_time").type == expected.schema.field("open_time").type


def test_a_lazy_frame_is_the_same_as_an_eager_one(klines: Table) -> None:
    scan = klines.scan(symbols="ETHUSDT", interval="1m")
    lazy = scan.lazy()
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema().names() == list(scan.columns)
    assert lazy.sort("open_time").collect().equals(scan.to_polars())
    after = lazy.filter(pl.col("open_time") >= DAYS[-1]).select(pl.col("close").sum(), pl.len()).collect()
    assert after.rows() == [(105.0, 10)]


def test_files_that_no_row_can_be_in_are_not_opened(catalog: TableCatalog, settings: Settings) -> None:
    """Shown by what is not there any more: with the other months' files gone, what needs them not goes on."""
    for day in DAYS:
        catalog.commit([check_klines([kline(i, day) for i in range(10)], day=day)])
    table = catalog.table("silver.klines")
    with S3Client(settings.storage) as client:
        for info in list(client.list_objects(settings.lake.bucket, "warehouse/silver/klines/data")):
            if "open_month=2024-03" not in info.key:
                client.delete(settings.lake.bucket, info.key)
    march = (pl.col("open_time") >= DAY) & (pl.col("open_time") < DAY + timedelta(days=2))
    assert table.scan().lazy().filter(march).select(pl.len()).collect().item() == 20
    assert table.scan(start=DAY, end=DAY + timedelta(days=2)).to_batches().read_all().num_rows == 20
    assert table.scan().lazy().filter(pl.col("symbol") == "NONE").collect().height == 0
    with pytest.raises(NotFoundError, match="not in the storage"):
        table.scan().to_batches().read_all()


def test_a_scan_without_rows_gives_none_in_every_way(klines: Table) -> None:
    scan = klines.scan(market="um")
    assert scan.to_batches().read_all().num_rows == 0
    assert scan.lazy().collect().columns == list(scan.columns)


@hypothesis_settings(max_examples=10)
@given(
    symbols=st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True),
    first=st.integers(0, 45 * 1440),
    length=st.integers(1, 45 * 1440),
)
def test_any_filter_gives_the_same_rows_in_every_way(klines: Table, symbols: list[str], first: int, length: int) -> None:
    """Pruning by manifests, by row groups or not at all: as a plain comparison says."""
    start = DAYS[0] + timedelta(minutes=first)
    scan = klines.scan(symbols=symbols, start=start, end=start + timedelta(minutes=length), columns=["symbol", "open_time"])
    everything = klines.scan(columns=["symbol", "open_time"]).to_polars()
    inside = pl.col("symbol").is_in(symbols) & (pl.col("open_time") >= start)
    expected = everything.filter(inside & (pl.col("open_time") < start + timedelta(minutes=length)))
    assert scan.to_polars().equals(expected)
    assert scan.lazy().sort("symbol", "open_time").collect().equals(expected)
    assert scan.to_batches().read_all().num_rows == scan.count() == expected.height


def test_a_state_is_read_by_its_tag(catalog: TableCatalog, other_eyes: SqlCatalog) -> None:
    catalog.commit([check_klines([kline(0)])])
    table = other_eyes.load_table("silver.klines")
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "study-1").commit()  # type: ignore[union-attr]
    catalog.commit([check_klines([kline(0)], symbol="ETHUSDT")])
    klines = catalog.table("silver.klines")
    assert (klines.scan().count(), klines.scan(as_of="study-1").count()) == (2, 1)
    assert klines.scan(as_of="study-1").to_batches().read_all()["symbol"].to_pylist() == ["BTCUSDT"]
    with pytest.raises(NotFoundError, match=r"no tag 'study-2'\. There are: main, study-1"):
        klines.scan(as_of="study-2")


def test_a_table_whose_columns_were_renamed_is_read_by_their_ids(
    catalog: TableCatalog, other_eyes: SqlCatalog, settings: Settings
) -> None:
    """The names in its older files say something else."""
    other_eyes.create_namespace("gold")
    rows = pa.table({"a": [1, 2], "b": [3, 4]})
    table = other_eyes.create_table("gold.mine", rows.schema, location=f"s3://{settings.lake.bucket}/mine")
    table.append(rows)
    with table.update_schema() as update:
        update.rename_column("a", "c").rename_column("b", "a")
    mine = catalog.table("gold.mine")
    assert mine.scan().lazy().sort("c").collect().to_dict(as_series=False) == {"c": [1, 2], "a": [3, 4]}
    assert isinstance(mine.scan().to_dataset(), ds.InMemoryDataset)


def test_a_table_with_maps_is_read_whole(klines: Table, lake_settings: Settings) -> None:
    with open_catalog(lake_settings) as catalog:
        scan = catalog.table("silver.quality").scan()
        assert "rejects" in scan.columns
        assert not [name for name in scan.columns if "." in name]
        assert scan.to_arrow().num_rows == scan.lazy().collect().height == len(SYMBOLS) * len(DAYS)
