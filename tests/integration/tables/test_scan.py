"""Reading tables back: the same rows for every library, pruned, as of any time, with errors that help."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo
from pyiceberg.types import StringType
from table_archives import DAY, agg_trade, check_agg_trades, check_klines, kline

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import AccessError, ConfigurationError, ConnectError, NotFoundError, StorageError, UsageError
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import Table, TableCatalog, open_catalog
from lakehouse_sdk.tables.iceberg import datafiles
from lakehouse_sdk.tables.read import dataset

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")


@pytest.fixture(scope="module")
def lake(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableCatalog]:
    """Three symbols, three days that lie in two months, ten bars each; two snapshots."""
    folder = tmp_path_factory.mktemp("scan")
    settings = load_settings(
        storage=minio.profile, lake={"bucket": "scan-test"}, catalog={"uri": f"sqlite:///{folder}/catalog.db"}
    )
    days = [datetime(2024, 2, 29, tzinfo=UTC), DAY, DAY + timedelta(days=1)]
    with open_catalog(settings) as catalog:
        for group in (days[:2], days[2:]):
            catalog.commit([check_klines([kline(i, d) for i in range(10)], symbol=s, day=d) for s in SYMBOLS for d in group])
            time.sleep(0.05)
        catalog.commit([check_agg_trades([agg_trade(i) for i in range(10)])])
        yield catalog


@pytest.fixture
def klines(lake: TableCatalog) -> Table:
    return lake.table("silver.klines")


def test_every_library_gets_the_same_rows_in_order(klines: Table) -> None:
    scan = klines.scan()
    arrow = scan.to_arrow()
    assert arrow.num_rows == scan.count() == klines.row_count == 90
    order = list(zip(arrow["symbol"].to_pylist(), arrow["open_time"].to_pylist(), strict=True))
    assert order == sorted(order)
    pandas, polars = scan.to_pandas(), scan.to_polars()
    relation = scan.to_duckdb()
    assert list(pandas.columns) == polars.columns == relation.columns == list(scan.columns)
    assert pandas["open"].sum() == polars["open"].sum() == relation.sum("open").fetchall()[0][0] == 945.0
    assert str(pandas["open_time"].dt.tz) == "UTC"
    assert polars.to_arrow().cast(arrow.schema).equals(arrow)


def test_prices_multiply_in_every_library(lake: TableCatalog) -> None:
    scan = lake.table("silver.agg_trades").scan()
    frame = scan.to_pandas()
    assert (frame["price"] * frame["quantity"]).sum() == scan.to_polars()["notional"].sum() == 501.25
    assert scan.to_duckdb().aggregate("sum(price * quantity)").fetchall() == [(501.25,)]


def test_lineage_columns_are_there_when_named(klines: Table) -> None:
    assert not [name for name in klines.scan().columns if name.startswith("_")]
    rows = klines.scan(symbols="BTCUSDT", columns=["_source_key", "open"]).to_arrow()
    assert rows.column_names == ["_source_key", "open"]
    assert len(set(rows["_source_key"].to_pylist())) == 3


def test_the_relation_has_a_name_that_sql_can_use(klines: Table) -> None:
    connection = duckdb.connect()
    relation = klines.scan().to_duckdb(connection)
    assert relation.alias == "klines"
    query = "select symbol, count(*) from klines group by symbol order by symbol"
    assert connection.sql(query).fetchall() == [(symbol, 30) for symbol in SYMBOLS]
    klines.scan(symbols="BTCUSDT").to_duckdb(connection, name="btc")
    assert connection.sql("select count(*) from btc").fetchall() == [(30,)]


def test_the_span_is_half_open(klines: Table) -> None:
    assert klines.scan(start=DAY, end=DAY + timedelta(minutes=3)).count() == 9
    assert klines.scan(start="2024-03-01", end="2024-03-01T00:03:00").count() == 9
    assert klines.scan(start="2024-03-01T01:00:00+01:00", end="2024-03-01T00:03Z").count() == 9
    assert klines.scan(end=DAY).count() == 30
    assert klines.scan(start=DAY).to_arrow().num_rows == 60


def test_filters_combine(klines: Table) -> None:
    scan = klines.scan(symbols=["BTCUSDT", "XRPUSDT"], start=DAY, interval="1m", market="spot")
    assert scan.to_polars()["symbol"].unique().sort().to_list() == ["BTCUSDT", "XRPUSDT"]
    assert scan.count() == 40
    assert klines.scan(interval="1h").count() == 0
    assert klines.scan(market="um").count() == 0


def test_only_matching_files_are_read(klines: Table) -> None:
    everything, one_month = klines.scan().plan(), klines.scan(end=DAY).plan()
    assert everything.files == everything.files_in_table == 3
    assert (one_month.files, one_month.row_count) == (1, 30)
    assert 0 < one_month.size_bytes < everything.size_bytes
    assert klines.scan(market="um").plan().files == 0


def test_only_matching_row_groups_are_read(catalog: TableCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafiles, "LEAST_GROUP_ROWS", 10)
    day = DAY + timedelta(days=5)
    catalog.commit(
        [check_klines([kline(i, day) for i in range(10)], symbol=symbol, day=day) for symbol in ("AUSDT", "BUSDT", "CUSDT")]
    )
    table = catalog.table("silver.klines")
    one = table.scan(symbols="BUSDT", start=day).plan(row_groups=True)
    assert (one.files, one.row_groups, one.row_groups_in_files, one.rows_in_row_groups) == (1, 1, 3, 10)
    everything = table.scan(start=day).plan(row_groups=True)
    assert (everything.row_groups, everything.rows_in_row_groups) == (3, 30)
    assert table.scan().plan(row_groups=True).row_groups == table.scan().plan(row_groups=True).row_groups_in_files
    assert table.scan(market="um").plan(row_groups=True).row_groups == 0
    assert table.scan().plan().row_groups is None


def test_files_that_lack_a_column_are_planned_too(catalog: TableCatalog) -> None:
    """A column that came later is null in older files: the plan asks of it what the scan does."""
    catalog.commit([check_klines([kline(i) for i in range(10)])])
    table = catalog.load("silver.klines")
    with table.update_schema() as update:
        update.add_column("note", StringType())
    paths = [task.file.file_path for task in table.scan().plan_files()]
    groups, of_all, rows = dataset.count_row_groups(table, EqualTo("note", "x"), paths)
    assert (of_all, len(paths)) == (1, 1)
    assert (groups, rows) in {(0, 0), (1, 10)}, "nothing is known of them, or that they are null"
    assert dataset.count_row_groups(table, EqualTo("symbol", "BTCUSDT"), paths) == (1, 1, 10)


def test_as_of_an_id_or_a_time(klines: Table) -> None:
    first, second = klines.snapshots()
    assert (first.row_count, second.row_count) == (60, 90)
    assert second.snapshot_id == klines.snapshot_id
    assert klines.scan(as_of=first.snapshot_id).count() == 60
    assert klines.scan(as_of=first.committed_at + timedelta(milliseconds=1)).to_arrow().num_rows == 60
    assert klines.scan(as_of=datetime.now(UTC)).count() == 90


def test_a_scan_that_is_held_reads_the_same_rows_later(catalog: TableCatalog) -> None:
    catalog.commit([check_klines([kline(i) for i in range(5)])])
    scan = catalog.table("silver.klines").scan(symbols="BTCUSDT")
    catalog.commit([check_klines([kline(0)]), check_klines([kline(0)], market="um")])
    assert scan.count() == scan.to_arrow().num_rows == 5
    assert catalog.table("silver.klines").scan(symbols="BTCUSDT").count() == 2


def test_head_reads_a_few_rows(klines: Table) -> None:
    assert klines.scan().head(3).num_rows == 3
    assert klines.scan().head().num_rows == 10
    assert klines.scan(interval="1h").head().num_rows == 0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"columns": ["opne"]}, UsageError, "no column 'opne'. Did you mean open"),
        ({"columns": []}, UsageError, "No column is selected"),
        ({"symbols": ["BTCUSDT", "BTCUSD"]}, NotFoundError, "no row of 'BTCUSD'. Did you mean BTCUSDT"),
        ({"symbols": "zzz"}, NotFoundError, "It has: BTCUSDT, ETHUSDT, XRPUSDT"),
        ({"symbols": []}, UsageError, "No symbol is selected"),
        ({"start": DAY, "end": DAY}, UsageError, "not before end"),
        ({"start": "yesterday"}, UsageError, "'yesterday' is not a time"),
        ({"end": datetime(2024, 3, 1)}, UsageError, "no time zone"),  # noqa: DTZ001 - that is the fault
        ({"as_of": datetime(2024, 3, 1)}, UsageError, "no time zone"),  # noqa: DTZ001 - that is the fault
        ({"as_of": 7}, NotFoundError, "no snapshot 7. The latest are: "),
        ({"as_of": datetime(2024, 3, 1, tzinfo=UTC)}, NotFoundError, "had no snapshot at 2024-03-01.*The first is of"),
    ],
)
def test_errors_say_what_there_is(klines: Table, arguments: dict[str, object], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        klines.scan(**arguments)  # type: ignore[arg-type]


def test_a_filter_that_the_table_cannot_answer(lake: TableCatalog) -> None:
    with pytest.raises(UsageError, match="no column 'interval'"):
        lake.table("silver.agg_trades").scan(interval="1m")


def test_tables_are_listed_and_described(lake: TableCatalog, klines: Table) -> None:
    assert lake.list_tables() == [
        "silver.agg_trades",
        "silver.klines",
        "silver.quality",
        "silver.quality_days",
        "silver.quarantine",
    ]
    columns = {column.name: column for column in klines.columns}
    assert columns["open_time"].type == "timestamptz"
    assert all(column.doc for column in klines.columns)
    assert klines.location == "s3://scan-test/warehouse/silver/klines"
    assert klines.metadata_location.startswith(f"{klines.location}/metadata/")
    page = klines._repr_html_()
    assert "silver.klines" in page
    assert str(klines.snapshot_id) in page
    assert "First instant of the bar" in page
    assert "silver.klines" in repr(klines)


def test_a_table_without_rows(lake: TableCatalog) -> None:
    empty = lake.table("silver.quarantine")
    assert (empty.row_count, empty.snapshot_id, empty.snapshots()) == (0, None, [])
    scan = empty.scan(symbols="BTCUSDT", start=DAY)
    assert (scan.count(), scan.to_pandas().shape[0], scan.plan().files) == (0, 0, 0)
    assert "never" in empty._repr_html_()
    with pytest.raises(NotFoundError, match="It never had one"):
        empty.scan(as_of=DAY)


def test_an_unknown_table_lists_the_known_ones(lake: TableCatalog, catalog: TableCatalog) -> None:
    with pytest.raises(NotFoundError, match=r"no table 'silver\.kline'.*There are: silver\.agg_trades, silver\.klines"):
        lake.table("silver.kline")
    with pytest.raises(NotFoundError, match="There is no table yet"):
        catalog.table("silver.klines")
    with pytest.raises(NotFoundError):
        catalog.table("klines")


def test_a_refusing_a_silent_and_an_emptied_storage(settings: Settings, catalog: TableCatalog) -> None:
    catalog.commit([check_klines([kline(0)])])
    table = catalog.table("silver.klines")

    def with_storage(**changes: object) -> TableCatalog:
        return open_catalog(settings.model_copy(update={"storage": settings.storage.model_copy(update=changes)}))

    with (
        with_storage(secret_key=settings.storage.access_key) as refused,
        pytest.raises(AccessError, match="Check the credentials"),
    ):
        refused.table("silver.klines")
    with with_storage(endpoint_url="http://127.0.0.1:9") as silent, pytest.raises(ConnectError, match=r"http://127\.0\.0\.1:9"):
        silent.table("silver.klines")
    with S3Client(settings.storage) as client:
        keys = [info.key for info in client.list_objects(settings.lake.bucket, "")]
        for key in keys:
            client.delete(settings.lake.bucket, key)
    with pytest.raises(NotFoundError, match="not in the storage"):
        table.scan().to_arrow()
    with pytest.raises(NotFoundError, match="not in the storage"):
        catalog.table("silver.klines")


def test_what_the_storage_says_otherwise_is_passed_on() -> None:
    from lakehouse_sdk.tables.iceberg.refusals import storage_errors

    with pytest.raises(StorageError, match=r"http://x failed.*SLOW_DOWN"), storage_errors({"s3.endpoint": "http://x"}):
        raise OSError("AWS Error SLOW_DOWN during PutObject.")
    with pytest.raises(AccessError), storage_errors({}):
        raise PermissionError("no")
    with pytest.raises(ConfigurationError), storage_errors({}):
        raise ConfigurationError("already ours")


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        (None, r"No catalogue is set.*LAKEHOUSE_CATALOG__URI"),
        ("", "No catalogue is set"),
        ("nonsense", "not a usable database address"),
        ("nosuchdb://x/y", "not a usable database address"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////proc/nothing/catalog.db", "cannot be made"),
        ("sqlite:////proc/cpuinfo", "cannot be opened"),
    ],
)
def test_a_catalogue_that_cannot_be_opened(settings: Settings, uri: str | None, match: str) -> None:
    changed = settings.model_copy(update={"catalog": settings.catalog.model_copy(update={"uri": uri})})
    with pytest.raises(ConfigurationError, match=match):
        open_catalog(changed)


def test_a_missing_driver_or_server_is_told_without_the_password(settings: Settings) -> None:
    uri = "postgresql+psycopg://someone:hidden-word@127.0.0.1:9/lake"
    changed = settings.model_copy(update={"catalog": settings.catalog.model_copy(update={"uri": uri})})
    with pytest.raises(ConfigurationError, match=r"someone:\*\*\*@127\.0\.0\.1:9/lake cannot be opened") as caught:
        open_catalog(changed)
    assert "hidden-word" not in str(caught.value)


def test_a_table_that_others_made_is_read_as_it_is(catalog: TableCatalog, settings: Settings) -> None:
    catalog.commit([check_klines([kline(0)])])
    other = SqlCatalog(settings.catalog.name, uri=settings.catalog.uri or "", **settings.storage.to_pyiceberg())
    other.create_namespace("gold")
    rows = pa.table({"b": [2, 1], "a": ["x", "y"]})
    other.create_table("gold.mine", rows.schema, location=f"s3://{settings.lake.bucket}/mine").append(rows)
    other.close()
    assert "gold.mine" in catalog.list_tables()
    table = catalog.table("gold.mine")
    assert table.scan().to_arrow().to_pydict() == {"b": [2, 1], "a": ["x", "y"]}
    with pytest.raises(UsageError, match="no column that places its rows in time"):
        table.scan(start=DAY)
    with pytest.raises(UsageError, match="no column 'symbol'"):
        table.scan(symbols="x")


def test_the_folder_of_a_new_catalogue_is_made(settings: Settings, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/deeper/still/catalog.db"
    with open_catalog(settings.model_copy(update={"catalog": settings.catalog.model_copy(update={"uri": uri})})) as catalog:
        assert catalog.list_tables() == []
        assert repr(catalog) == f"TableCatalog('s3://{settings.lake.bucket}/warehouse', '{uri}?timeout=30')"


def test_no_secret_is_shown(catalog: TableCatalog, settings: Settings) -> None:
    catalog.commit([check_klines([kline(0)])])
    table = catalog.table("silver.klines")
    shown = f"{catalog!r}{table!r}{table.scan()!r}{table._repr_html_()}"
    assert not [key for key in settings.storage.credentials() if key in shown]
