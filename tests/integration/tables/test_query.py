"""SQL over all tables: pruned, at any state, read only, and blind to everything that is no table."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from table_archives import DAY, agg_trade, agg_trades_archive, check_agg_trades, check_klines, kline

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.config.settings import TableSettings
from lakehouse_sdk.errors import CapacityError, NotFoundError, StorageError, UsageError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import TableCatalog, parse_archive, validate

SYMBOLS = ("BTCUSDT", "ETHUSDT")
DAYS = (DAY, DAY + timedelta(days=31))


@pytest.fixture(scope="module")
def lake(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Two symbols, a day in each of two months, committed one after the other; a tag between."""
    folder = tmp_path_factory.mktemp("query")
    settings = load_settings(
        storage=minio.profile, lake={"bucket": "query-test"}, catalog={"uri": f"sqlite:///{folder}/catalog.db"}
    )
    with Lakehouse(settings) as made:
        for day in DAYS:
            made.catalog.commit([check_klines([kline(i, day) for i in range(10)], symbol=s, day=day) for s in SYMBOLS])
            if day == DAYS[0]:
                made.table("silver.klines").tag("first-month")
        made.catalog.commit([check_agg_trades([agg_trade(i) for i in range(10)])])
        yield made


def test_tables_join_and_every_library_gets_the_rows(lake: Lakehouse) -> None:
    result = lake.query("""
        with bars as (select symbol, open_time, close from silver.klines where symbol = 'BTCUSDT')
        select b.open_time, count(*) as trades, sum(t.price * t.quantity) as value
        from bars b join silver.agg_trades t
          on t.transact_time >= b.open_time and t.transact_time < b.open_time + interval 1 minute
        group by 1 order by 1
    """)
    assert result.fetchall() == [(DAY, 10, 501.25)]
    assert result.columns == ("open_time", "trades", "value")
    assert result.to_pandas()["value"].tolist() == result.to_polars()["value"].to_list() == [501.25]
    assert str(result.to_pandas()["open_time"].dt.tz) == "UTC"
    assert result.to_arrow().num_rows == 1
    assert set(result.tables) == {"silver.klines", "silver.agg_trades"}


def test_a_query_takes_no_more_than_it_may(lake: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A join without a condition took 18.8 GiB and nine tenths of the disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    every = "select md5(cast(a.range as varchar)) m from silver.klines k, range(400000) a order by m limit 1 offset 7000000"
    small = Lakehouse(lake.settings.model_copy(update={"tables": TableSettings(query_memory_mib=64, query_temp_mib=8)}))
    with pytest.raises(CapacityError, match=r"more than it may take.*MiB") as caught:
        small.query(every).fetchall()
    assert "query_temp_mib" in str(caught.value)
    del caught  # whose traceback holds the connection
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    enough = Lakehouse(lake.settings.model_copy(update={"tables": TableSettings(query_memory_mib=64, query_temp_mib=2000)}))
    assert len(enough.query(every).fetchall()) == 1


def test_days_are_cut_in_utc(lake: Lakehouse) -> None:
    query = "select date_trunc('day', open_time) as day, count(*) from silver.klines group by 1 order by 1"
    assert lake.query(query).fetchall() == [(day, 20) for day in DAYS]


def test_only_the_files_that_the_where_needs_are_read(settings: Settings) -> None:
    """Shown by what is not there any more."""
    with Lakehouse(settings) as lake:
        for day in DAYS:
            lake.catalog.commit([check_klines([kline(i, day) for i in range(10)], day=day)])
        with S3Client(settings.storage) as client:
            for info in list(client.list_objects(settings.lake.bucket, "warehouse/silver/klines/data")):
                if "open_month=2024-04" in info.key:
                    client.delete(settings.lake.bucket, info.key)
        march = lake.query("select count(*), sum(close) from silver.klines where open_time < '2024-03-05' and market = 'spot'")
        assert march.fetchall() == [(10, 105.0)]
        with pytest.raises(StorageError, match="open_month=2024-04"):
            lake.query("select sum(close) from silver.klines").fetchall()


def test_states_of_all_tables_or_of_one(lake: Lakehouse) -> None:
    count = "select count(*) from silver.klines"
    assert lake.query(count).fetchall() == [(40,)]
    assert lake.query(count, as_of="first-month").fetchall() == [(20,)]
    assert lake.query(count, as_of={"silver.klines": "first-month"}).fetchall() == [(20,)]
    assert lake.query(count, as_of=datetime.now(UTC)).fetchall() == [(40,)]
    both = "select (select count(*) from silver.klines), (select count(*) from silver.agg_trades)"
    snapshot = lake.table("silver.klines").snapshots()[0].snapshot_id
    assert lake.query(both, as_of={"silver.klines": snapshot}).fetchall() == [(20, 10)]
    with pytest.raises(NotFoundError, match="no tag 'study-9'"):
        lake.query(count, as_of="study-9")
    with pytest.raises(NotFoundError, match="had no snapshot"):
        lake.query(count, as_of=DAY)
    with pytest.raises(UsageError, match=r"names 'silver\.trades', which the SQL does not read"):
        lake.query(count, as_of={"silver.trades": 1})


def test_a_result_gives_the_same_rows_after_later_commits(catalog: TableCatalog) -> None:
    catalog.commit([check_klines([kline(0)])])
    result = catalog.query("select count(*) from silver.klines")
    catalog.commit([check_klines([kline(0)], symbol="ETHUSDT")])
    assert result.fetchall() == [(1,)]
    assert catalog.query("select count(*) from silver.klines").fetchall() == [(2,)]


def test_threads_may_share_a_result(lake: Lakehouse) -> None:
    result = lake.query("select symbol, count(*) as n from silver.klines group by 1 order by 1")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: result.fetchall(), range(8)))
    assert found == [[("BTCUSDT", 20), ("ETHUSDT", 20)]] * 8


def test_a_result_shows_itself(lake: Lakehouse) -> None:
    result = lake.query("select symbol, close, '<b>' as mark from silver.klines order by all")
    assert "BTCUSDT" in repr(result)
    page = result._repr_html_()
    assert "symbol (varchar)" in page
    assert "at least 21" in page
    assert "&lt;b&gt;" in page
    assert lake.query("select 1 as one")._repr_html_().count("at least") == 0
    assert len(result.head(3)) == 3
    keys = lake.settings.storage.credentials()
    assert not [key for key in keys if key in f"{page}{result!r}{vars(result)}".replace(str(result._properties), "")]


def test_a_table_describes_itself_in_sql(lake: Lakehouse) -> None:
    columns = [row[0] for row in lake.query("describe silver.klines").fetchall()]
    assert columns[:4] == ["source", "market", "symbol", "interval"]
    assert "_source_key" in columns


def test_a_table_without_rows_is_empty(lake: Lakehouse) -> None:
    assert lake.query("select count(*) from silver.quarantine").fetchall() == [(0,)]
    assert lake.query("select rejects from silver.quality limit 1").fetchall() == [({},)]


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("select * from silver.kline", r"no table 'silver\.kline'\. Did you mean silver\.klines"),
        ("select * from klines", r"Table with name klines does not exist.*Name tables in full"),
        ("select opne from silver.klines", "opne"),
        ("select * fro silver.klines", "syntax error"),
        ("select 'a", "unterminated"),
        ("", "not 0 statements"),
        ("select 1; select 2", "not 2 statements"),
        ("drop view silver.klines", "not DROP"),
        ("create table x as select 1", "not CREATE"),
        ("insert into silver.klines values (1)", "not INSERT"),
        ("copy (select 1) to 'out.csv'", "not COPY"),
        ("attach 'other.db'", "not ATTACH"),
        ("install httpfs", "not LOAD"),
        ("set enable_external_access = true", "not SET"),
        ("call pragma_version()", "not CALL"),
        ("select cast('x' as integer)", "Could not convert"),
    ],
)
def test_errors_say_what_is_wrong(lake: Lakehouse, sql: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        lake.query(sql).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{file}')",
        "select * from read_text('{file}')",
        "select * from '{file}'",
        "select * from glob('{folder}/*')",
        "select * from read_parquet('s3://query-test/x.parquet')",
        "select * from read_csv('http://127.0.0.1:9/x.csv')",
        "select * from sniff_csv('{file}')",
        "select content from read_blob('{file}')",
        "select * from lake",
    ],
)
def test_sql_sees_no_file_no_network_and_no_variable(lake: Lakehouse, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("word\nsesame\n")
    with pytest.raises(UsageError) as caught:
        lake.query(sql.format(file=file, folder=tmp_path)).fetchall()
    assert "sesame" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.csv"]


def test_decimals_are_doubles_unless_asked_for(settings: Settings) -> None:
    """As for every reader of an exact table."""
    exact = settings.model_copy(update={"tables": settings.tables.model_copy(update={"exact": ("silver.agg_trades",)})})
    lines = [agg_trade(0, price="0.1", quantity="0.3"), agg_trade(1, price="0.2", quantity="3")]
    with Lakehouse(exact) as lake:
        lake.catalog.commit([validate(parse_archive(*agg_trades_archive(lines), exact=True))])
        query = "select sum(price * quantity) as value from silver.agg_trades"
        assert lake.query(query).to_arrow()["value"].to_pylist() == pytest.approx([0.63])
        assert lake.query(query, exact=True).fetchall() == [(Decimal("0.63"),)]


def test_batches_that_are_left_half_read_block_nobody(lake: Lakehouse) -> None:
    """A lock that is held between two batches made the next look at the result, in Jupyter its display, wait for ever."""
    result = lake.query("select symbol, open_time from silver.klines order by 1, 2")
    batches = result.to_batches()
    first = next(batches)
    assert len(result.head(3)) == 3
    assert "40" in result._repr_html_() or "20" in result._repr_html_()
    other = [row for batch in result.to_batches() for row in batch.to_pylist()]
    rest = [row for batch in batches for row in batch.to_pylist()]
    assert first.to_pylist() + rest == other
    assert len(other) == 40
