"""Finding tables and series, and saying what a table is: from the books, in words and numbers that are right."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from table_archives import DAY, agg_trade, check_agg_trades, check_klines, kline, kline_file

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import CheckedBatch, TableCatalog, parse_archive, validate

TERMS = "https://example.org/terms"


def bars(symbol: str, market: str, name: str | None, *, day: datetime = DAY, count: int = 10, **where: str) -> CheckedBatch:
    lines = [kline(i, day) for i in range(count)]
    return check_klines(lines, symbol=symbol, market=market, day=day, instrument=name, **where)


@pytest.fixture(scope="module")
def lake(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Bars of two markets and intervals, trades, one archive that cannot be read, one with a rejected row, and a saved view."""
    folder = tmp_path_factory.mktemp("discovery")
    settings = load_settings(
        storage=minio.profile, lake={"bucket": "discovery-test"}, catalog={"uri": f"sqlite:///{folder}/catalog.db"}
    )
    with Lakehouse(settings) as made:
        made.catalog.commit(
            [
                bars("BTCUSDT", "spot", "BTC/USDT", count=1440),
                bars("BTCUSDT", "spot", "BTC/USDT", day=DAY + timedelta(days=1), count=720),
                bars("BTCUSDT", "um", "BTC/USDT:USDT"),
                bars("1000BTTCUSDT", "um", "1000BTTC/USDT:USDT"),
                bars("ETHBTC", "spot", "ETH/BTC"),
                check_klines([kline(0), kline(1, high="1")], symbol="XRPUSDT", instrument="XRP/USDT"),
                validate(parse_archive(b"no archive", kline_file(b"no archive", "BADUSDT"))),
                check_agg_trades([agg_trade(i) for i in range(10)]),
            ]
        )
        made.catalog.note_terms(["silver.klines"], "binance", TERMS)
        made.bars("BTCUSDT", interval="5m", market="spot").save("gold.five")
        yield made


def names(lake: Lakehouse, text: str, kind: str = "series") -> list[tuple[str, str]]:
    found = lake.catalog.search(text).matches
    return [(match.name, match.series.market if match.series else "") for match in found if match.kind == kind]


def test_words_find_series_and_the_fullest_comes_first(lake: Lakehouse) -> None:
    found = lake.catalog.search("btc 1m klines")
    best = found.matches[0]
    assert (best.kind, best.table, best.name) == ("series", "silver.klines", "BTCUSDT")
    assert best.series is not None
    assert (best.series.market, best.series.instrument, best.series.interval, best.series.rows) == (
        "spot",
        "BTC/USDT",
        "1m",
        2160,
    )
    assert best.series.first_time == DAY
    assert best.series.last_time == DAY + timedelta(days=1, minutes=719)
    assert names(lake, "btc 1m klines") == [("BTCUSDT", "spot"), ("BTCUSDT", "um"), ("ETHBTC", "spot")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("BTC/USDT:USDT", ("BTCUSDT", "um")),
        ("BTC/USDT klines", ("BTCUSDT", "spot")),
        ("btc perp candles", ("BTCUSDT", "um")),
        ("btcusdt trades", ("BTCUSDT", "um")),
        ("btcusd", ("BTCUSDT", "spot")),
        ("binance xrp", ("XRPUSDT", "spot")),
    ],
)
def test_what_people_say_is_understood(lake: Lakehouse, text: str, first: tuple[str, str]) -> None:
    assert names(lake, text)[0] == first


def test_tables_and_columns_are_found_by_what_they_mean(lake: Lakehouse) -> None:
    assert ("silver.agg_trades", "") in names(lake, "taker order", "table")
    assert "quote_volume" in [name for name, _ in names(lake, "quote currency amount klines", "column")]
    assert ("silver.quarantine", "") in names(lake, "rejected", "table")
    assert names(lake, "gold five", "table")[0] == ("gold.five", "")


def test_a_word_that_nothing_has_does_not_hide_the_rest(lake: Lakehouse) -> None:
    assert names(lake, "btcusdt nonsense")[0] == ("BTCUSDT", "spot")
    nothing = lake.catalog.search("qqqqqq")
    assert (len(nothing), nothing.total) == (0, 0)
    assert "nothing found" in repr(nothing)
    assert "qqqqqq" in nothing._repr_html_()
    with pytest.raises(UsageError, match="nothing to search for"):
        lake.catalog.search("  ")


def test_a_result_shows_itself_and_is_cut(lake: Lakehouse) -> None:
    found = lake.catalog.search("usdt", limit=2)
    assert len(found) == 2 < found.total
    assert "BTC/USDT" in repr(found)
    assert "2,160" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict(), default=str))["matches"][0]["kind"] == "series"
    assert [match.name for match in found] == [row[2] for row in found.rows()]


def test_an_empty_lake_is_searched_without_complaint(catalog: TableCatalog) -> None:
    assert len(catalog.search("btc")) == 0


def test_thousands_of_series_are_searched_in_a_moment(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from lakehouse_sdk.tables.views import search

    (one, *_) = (match.series for match in lake.catalog.search("btcusdt 1m").matches if match.series)
    assert one is not None
    many = [replace(one, symbol=f"C{i}USDT", instrument=f"C{i}/USDT", interval=["1m", "1h"][i % 2]) for i in range(6000)]
    monkeypatch.setattr(search, "list_series", lambda _: [*many, one])
    started = time.thread_time()
    assert names(lake, "btc 1m klines") == [("BTCUSDT", "spot")]
    assert time.thread_time() - started < 3, "of this thread alone, while each line of it is measured"


def test_a_description_says_what_is_there(lake: Lakehouse) -> None:
    klines = lake.table("silver.klines")
    said = klines.describe()
    assert (said.row_count, said.snapshot_id) == (klines.row_count, klines.snapshot_id)
    assert said.row_count == 1440 + 720 + 10 + 10 + 10 + 1
    assert (said.rows_in, said.rows_quarantined, said.rows_duplicate, said.unreadable) == (said.row_count + 1, 1, 0, 1)
    assert (said.first_time, said.last_time) == (DAY, DAY + timedelta(days=1, minutes=719))
    assert said.age_s is not None
    assert abs(said.age_s - (datetime.now(UTC) - said.last_time).total_seconds()) < 60
    assert said.partitions == ("source", "market", "interval", "month(open_time)")
    assert said.order == ("symbol", "open_time")
    assert {column.name: column.doc for column in said.columns}["open"] == "First price, in quote currency"
    assert [(source.name, source.archives, source.terms_url) for source in said.sources] == [("binance", 7, TERMS)]


def test_quality_is_that_of_the_report(lake: Lakehouse) -> None:
    said, report = lake.table("silver.klines").describe(), lake.quality(data_types=["klines"])
    scores = {(one.symbol, one.market): one.score for one in said.series}
    assert scores == {(row["symbol"], row["market"]): row["score"] for row in report.series.iter_rows(named=True)}
    assert said.score == report.score
    assert scores["BTCUSDT", "spot"] == 1.0
    assert said.score is not None


def test_lineage_goes_up_to_an_archive_and_down_to_saved_views(lake: Lakehouse) -> None:
    said = lake.table("silver.klines").describe()
    assert len(said.sample) == 5
    assert all(str(row["_source_key"]).startswith("data/") for row in said.sample)
    assert said.derived == ("gold.five",)
    assert said.computable == ("bars", "vwap", "returns", "imbalance")
    assert "lake.bars: returns" in said._repr_html_()
    view = lake.table("gold.five").describe()
    assert view.inputs == ("silver.klines",)
    assert (view.series, view.sources, view.score) == ((), (), None)
    assert view.first_time == DAY
    assert view.row_count == 2160 // 5


def test_a_description_shows_itself(lake: Lakehouse) -> None:
    said = lake.table("silver.klines").describe()
    page = said._repr_html_()
    for part in ("BTC/USDT:USDT", "First price, in quote currency", TERMS, "gold.five", "100 %", "_source_key"):
        assert part in page
    assert "quality" in repr(said)
    assert "quality" not in repr(lake.table("gold.five").describe())
    assert json.loads(json.dumps(said.to_dict(), default=str))["row_count"] == said.row_count


def test_a_table_without_rows_is_described(lake: Lakehouse, catalog: TableCatalog) -> None:
    catalog.commit([check_klines([kline(0)])])
    said = catalog.table("silver.quarantine").describe()
    assert (said.row_count, said.first_time, said.age_s, said.sample, said.committed_at) == (0, None, None, (), None)
    assert "none" in repr(said)
    assert "never" in said._repr_html_()


def test_a_description_opens_few_files(settings: Settings, catalog: TableCatalog) -> None:
    """Of the data only what the sample needs: with nearly every file gone, all but that can be said."""
    for offset in range(3):
        day = DAY + timedelta(days=31 * offset)
        catalog.commit([check_klines([kline(i, day) for i in range(10)], day=day)])
    with S3Client(settings.storage) as client:
        files = [i.key for i in client.list_objects(settings.lake.bucket, "warehouse/silver/klines/data")]
        first = catalog.table("silver.klines").scan()._source.inspect.files()["file_path"].to_pylist()[0]
        for key in files:
            if not first.endswith(key):
                client.delete(settings.lake.bucket, key)
    series = catalog.search("btcusdt").matches[0].series
    assert series is not None
    assert series.rows == 30
