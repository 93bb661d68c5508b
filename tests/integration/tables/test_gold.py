"""Gold views on real tables: the published bars come out of the trades, lineage is kept, saving twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from generated_days import published, traded
from polars.testing import assert_frame_equal
from table_samples import check

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.tables import BarQuery, CheckedBatch, GoldView, open_bars, open_catalog
from lakehouse_sdk.tables.views.gold import inputs
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, make_sample

FIRST = datetime(2024, 2, 29, tzinfo=UTC)
DAYS = 3
PRICES = ["open", "high", "low", "close"]
AMOUNTS = ["volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"]


def sampled(data_type: str, *, market: str = "um", start: datetime = FIRST) -> CheckedBatch:
    (type_,) = (kind for kind in SAMPLE_TYPES if (kind.source, kind.market, kind.data_type) == ("binance", market, data_type))
    return check(make_sample(type_, 1440, start=start))


@pytest.fixture(scope="module")
def lake(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Two futures and one spot market: 1m klines and trades of three days, 1h klines of one symbol, funding and prices."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('gold')}/catalog.db"
    opened = Lakehouse(load_settings(storage=minio.profile, lake={"bucket": "gold-test"}, catalog={"uri": uri}))
    days = [(FIRST + timedelta(days=n)).date() for n in range(DAYS)]
    batches = [make(symbol, day) for make in (published, traded) for symbol in ("BTCUSDT", "ETHUSDT") for day in days]
    batches += [make("BTCUSDT", days[1], market="spot") for make in (published, traded)]
    batches += [published("BTCUSDT", day, interval_s=3600, name="1h") for day in days]
    batches += [sampled(kind) for kind in ("fundingRate", "markPriceKlines", "indexPriceKlines", "premiumIndexKlines")]
    batches += [sampled("aggTrades", market="cm"), sampled("trades", market="cm"), sampled("klines", market="cm")]
    opened.catalog.commit(batches)
    yield opened
    opened.catalog.close()


def test_trades_give_the_bars_that_the_exchange_publishes(lake: Lakehouse) -> None:
    asked = {"interval": "1m", "start": "2024-02-29", "end": "2024-03-03"}
    made = lake.bars(made_from="agg_trades", **asked).to_polars()  # type: ignore[arg-type]
    stored = lake.table("silver.klines").scan(source="binance", market="um", interval="1m").to_polars()
    stored = stored.filter(pl.col("count") > 0)
    columns = ["symbol", "open_time", *PRICES, *AMOUNTS]
    assert made.height > 2000
    assert_frame_equal(made.select(columns), stored.select(columns), rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize("interval", ["5m", "1h", "1d", "3d", "1w", "1mo"])
def test_bars_and_trades_make_the_same_longer_bars(lake: Lakehouse, interval: str) -> None:
    from_trades = lake.bars(interval=interval, made_from="agg_trades").to_polars()
    from_bars = lake.bars(interval=interval, made_from="klines", symbols=["BTCUSDT", "ETHUSDT"]).to_polars()
    from_bars = from_bars.filter(pl.col("count") > 0)  # the exchange also publishes flat bars in which nothing was traded
    columns = ["symbol", "open_time", *PRICES, *AMOUNTS]
    assert_frame_equal(from_trades.select(columns), from_bars.select(columns), rel_tol=1e-12, abs_tol=1e-12)
    assert from_bars["is_complete"].all() == (interval not in {"1w", "1mo"})


def test_the_source_is_chosen_and_named(lake: Lakehouse) -> None:
    def chosen(symbols: object, interval: str, **options: object) -> tuple[str, str | None]:
        (item, *_) = lake.bars(symbols, interval=interval, **options).inputs  # type: ignore[arg-type]
        assert item.snapshot_id == lake.table(item.table).snapshot_id
        return item.table, item.interval

    assert chosen("BTCUSDT", "1h") == ("silver.klines", "1h")
    assert chosen(["BTCUSDT", "ETHUSDT"], "1h") == ("silver.klines", "1m")
    assert chosen("BTCUSDT", "5m") == ("silver.klines", "1m")
    assert chosen("BTCUSDT", "10s") == ("silver.agg_trades", None)
    assert chosen("BTCUSDT", "1h", made_from="agg_trades") == ("silver.agg_trades", None)
    assert chosen("BTCUSDT", "5m", made_from="mark_klines") == ("silver.mark_klines", "1m")


def test_only_whole_bars_of_the_span_are_given(lake: Lakehouse) -> None:
    made = lake.bars("BTCUSDT", interval="5m", start="2024-03-01T00:02", end="2024-03-01T00:21").to_polars()
    assert [time.minute for time in made["open_time"]] == [5, 10, 15]
    assert lake.bars("BTCUSDT", interval="1d", start="2024-03-01T00:02", end="2024-03-01T23:00").to_polars().is_empty()


def test_a_return_at_the_beginning_of_the_span_knows_the_bar_before(lake: Lakehouse) -> None:
    whole = lake.bars("BTCUSDT", interval="5m", features=["returns"]).to_polars()
    part = lake.bars("BTCUSDT", interval="5m", features=["returns"], start="2024-03-01", end="2024-03-02").to_polars()
    assert part["return"].null_count() == 0
    assert_frame_equal(part, whole.join(part, on="open_time", how="semi", maintain_order="left"))
    assert whole["return"].null_count() == 1


def test_every_feature_has_its_columns_and_meaning(lake: Lakehouse) -> None:
    features = ["vwap", "returns", "imbalance", "funding", "mark", "index", "premium"]
    view = lake.bars("BTCUSDT", interval="1h", start="2024-02-29", end="2024-03-01", features=features)  # type: ignore[arg-type]
    frame = view.to_polars()
    assert frame.schema == view.schema == view.lazy().collect_schema()
    assert frame.columns[-11:] == [
        *("vwap", "return", "log_return", "taker_imbalance", "funding_rate", "funding_time", "funding_paid"),
        *("mark_close", "index_close", "basis", "premium_close"),
    ]
    assert frame.height == 24
    assert frame["vwap"].is_between(frame["low"], frame["high"]).all()
    assert frame["taker_imbalance"].is_between(-1, 1).all()
    rates = lake.table("silver.funding").scan().to_polars()["rate"]
    assert frame["funding_rate"].to_list() == [rates[n // 8] for n in range(24)]
    assert frame["funding_paid"].sum() == pytest.approx(rates[:3].sum())
    mark = lake.bars("BTCUSDT", interval="1h", made_from="mark_klines", start="2024-02-29", end="2024-03-01").to_polars()
    assert frame["mark_close"].to_list() == mark["close"].to_list()
    assert mark["sample_count"].unique().to_list() == [3600]
    assert_frame_equal(frame.select(pl.col("close") - pl.col("index_close")), frame.select(close="basis"))
    assert {item.role: (item.table, item.interval) for item in view.inputs} == {
        "bars": ("silver.klines", "1h"),
        "funding": ("silver.funding", None),
        "mark": ("silver.mark_klines", "1m"),
        "index": ("silver.index_klines", "1m"),
        "premium": ("silver.premium_klines", "1m"),
    }
    assert "silver.funding" in view._repr_html_()


def test_contracts_are_kept_apart(lake: Lakehouse) -> None:
    of_trades = lake.bars(interval="5m", market="cm", made_from="trades").to_polars()
    assert of_trades["contract_volume"].min() > 0  # type: ignore[operator]
    assert of_trades["volume"].null_count() == 0
    of_aggregates = lake.bars(interval="5m", market="cm", made_from="agg_trades", features=["imbalance", "vwap"]).to_polars()
    assert of_aggregates["volume"].null_count() == of_aggregates["vwap"].null_count() == of_aggregates.height
    assert of_aggregates["taker_imbalance"].null_count() == 0
    of_bars = lake.bars(interval="5m", market="cm", made_from="klines").to_polars()
    stored = lake.table("silver.klines").scan(market="cm").to_polars()
    assert of_bars["contract_volume"].sum() == stored["contract_volume"].sum()


def test_filled_gaps_are_marked_and_change_no_other_row(lake: Lakehouse) -> None:
    asked = {"symbols": "BTCUSDT", "market": "spot", "interval": "1m", "features": ["returns", "vwap"]}
    open_, filled = lake.bars(**asked).to_polars(), lake.bars(**asked, gaps="fill").to_polars()  # type: ignore[arg-type]
    assert (open_.height, filled.height) == (1440 - 43, 1440)
    assert_frame_equal(filled.filter(~pl.col("is_filled")), open_)
    assert filled.filter("is_filled").select("volume", "vwap", "return", "is_complete").unique().rows() == [
        (0, None, None, False)
    ]
    assert open_["return"].null_count() == 2


def test_parts_that_fit_into_memory_give_the_same_bars(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"symbols": ["BTCUSDT", "ETHUSDT"], "interval": "1h", "made_from": "agg_trades"}
    at_once = lake.bars(**asked).to_polars()  # type: ignore[arg-type]
    heights: list[int] = []
    convert = inputs.trades_to_bars
    monkeypatch.setattr(inputs, "PART_ROWS", 7000)
    monkeypatch.setattr(inputs, "trades_to_bars", lambda rows, unit: (heights.append(rows.height), convert(rows, unit))[1])
    assert_frame_equal(lake.bars(**asked).to_polars(), at_once)  # type: ignore[arg-type]
    assert heights == [6000, 6000, 6000]


def test_all_tables_are_read_as_of_one_time(lake: Lakehouse) -> None:
    before = datetime.now(UTC)
    view = lake.bars("BTCUSDT", interval="1d", features=["funding"])
    rows = view.to_polars()
    later = (FIRST + timedelta(days=DAYS)).date()
    lake.catalog.commit([published("BTCUSDT", later), published("BTCUSDT", later, interval_s=3600, name="1h")])
    try:
        assert_frame_equal(view.to_polars(), rows)
        assert_frame_equal(lake.bars("BTCUSDT", interval="1d", features=["funding"], as_of=before).to_polars(), rows)
        assert lake.bars("BTCUSDT", interval="1d").to_polars().height == rows.height + 1
    finally:
        lake.catalog._catalog.load_table("silver.klines").delete(f"open_time >= '{later}T00:00:00+00:00'")


def test_symbols_may_be_written_as_ccxt_does(lake: Lakehouse) -> None:
    view = lake.bars("BTC/USDT:USDT", interval="1d", features=["index"])
    assert view.symbols == ("BTCUSDT",)
    assert_frame_equal(view.to_polars(), lake.bars("BTCUSDT", interval="1d", features=["index"]).to_polars())
    with pytest.raises(
        NotFoundError, match=r"silver\.klines has no 'BTC/USDT' of binance um. It has it as: binance spot BTCUSDT"
    ):
        lake.bars("BTC/USDT", interval="1d")


def test_every_library_gets_the_same_rows(lake: Lakehouse) -> None:
    view = lake.bars("BTCUSDT", interval="1h", features=["vwap"])
    arrow, pandas = view.to_arrow(), view.to_pandas()
    assert arrow.column_names == list(pandas.columns) == view.to_polars().columns
    assert str(pandas["open_time"].dt.tz) == "UTC"
    assert view.lazy().select(pl.col("volume").sum()).collect().item() == pytest.approx(pandas["volume"].sum())


def test_a_view_is_saved_as_a_table_with_its_lineage(lake: Lakehouse) -> None:
    asked = {"interval": "1h", "start": "2024-02-29", "end": "2024-03-02", "features": ["vwap", "returns"]}
    view = lake.bars(["BTCUSDT", "ETHUSDT"], **asked)  # type: ignore[arg-type]
    commit = view.save("gold.hours")
    assert (commit.table, commit.rows_written) == ("gold.hours", 96)
    table = lake.table("gold.hours")
    assert_frame_equal(table.scan().to_polars(), view.to_polars())
    assert table.scan("BTCUSDT", start="2024-03-01", interval="1h").count() == 24
    lineage = json.loads(table.properties["lakehouse.gold.lineage"])
    assert lineage["inputs"][0] == {
        "role": "bars",
        "table": "silver.klines",
        "snapshot_id": lake.table("silver.klines").snapshot_id,
        "interval": "1m",
    }
    assert {column.name: column.doc for column in table.columns}["vwap"].startswith("Quote volume by volume")


def test_a_view_that_is_saved_again_changes_nothing_and_another_span_replaces_its_own(lake: Lakehouse) -> None:
    def view(symbols: list[str], start: str, end: str) -> GoldView:
        return lake.bars(symbols, interval="5m", start=start, end=end)

    both = ["BTCUSDT", "ETHUSDT"]
    view(both, "2024-02-29", "2024-03-02").save("gold.fives")
    first = lake.table("gold.fives")
    again = view(both, "2024-02-29", "2024-03-02").save("gold.fives")
    assert (again.rows_written, again.snapshot_id) == (0, first.snapshot_id)
    wanted = first.scan().to_polars()
    assert view(["ETHUSDT"], "2024-03-01", "2024-03-02").save("gold.fives").rows_written == 288
    view(both, "2024-02-29T00:02", "2024-03-01T00:03").save("gold.fives")
    assert_frame_equal(lake.table("gold.fives").scan().to_polars(), wanted)
    view(["BTCUSDT"], "2024-03-02", "2024-03-03").save("gold.fives")
    assert lake.table("gold.fives").row_count == wanted.height + 288
    relation = lake.table("gold.fives").scan().to_duckdb(duckdb.connect(), name="fives")
    assert relation.count("*").fetchall() == [(wanted.height + 288,)]


def test_a_saved_view_is_cared_for_as_other_tables(lake: Lakehouse) -> None:
    """Its rows are of no archive; compaction works all the same, and saving goes on behind it."""
    days = [(FIRST + timedelta(days=n)).isoformat() for n in range(1, 4)]  # within one month, which is one partition
    views = [lake.bars("BTCUSDT", interval="1h", start=days[n], end=days[n + 1]) for n in range(2)]
    for view in views:
        view.save("gold.cared")
    (done,) = lake.compact(["gold.cared"]).tables
    assert (done.files_before, done.rows) == (2, 48)
    assert_frame_equal(lake.table("gold.cared").scan().to_polars(), pl.concat([view.to_polars() for view in views]))
    assert views[1].save("gold.cared").rows_written == 24
    assert lake.table("gold.cared").row_count == 48


def test_savers_at_once_neither_lose_nor_double_rows(lake: Lakehouse) -> None:
    """Four of them: two write the same, two others; who loses a race looks again."""
    asked = [("BTCUSDT", 0), ("BTCUSDT", 0), ("BTCUSDT", 1), ("ETHUSDT", 0)]
    days = [(FIRST + timedelta(days=n)).isoformat() for n in range(3)]

    def save(symbol: str, day: int) -> int:
        with open_catalog(lake.settings) as catalog:
            query = BarQuery(interval="1h", symbols=symbol, start=days[day], end=days[day + 1], made_from="agg_trades")
            return open_bars(catalog, query).save("gold.raced").attempts

    with ThreadPoolExecutor(len(asked)) as pool:
        attempts = list(pool.map(lambda one: save(*one), asked))
    assert max(attempts) > 1, "no race took place"
    rows = lake.table("gold.raced").scan().to_polars()
    assert rows.select("symbol", "open_time").is_unique().all()
    assert rows.group_by("symbol").len().sort("symbol").rows() == [("BTCUSDT", 48), ("ETHUSDT", 24)]


def test_a_table_holds_views_of_one_kind(lake: Lakehouse) -> None:
    lake.bars("BTCUSDT", interval="1d").save("gold.kinds")
    with pytest.raises(UsageError, match=r"gold\.kinds holds views of another kind: interval '1d' and not '1h'"):
        lake.bars("BTCUSDT", interval="1h").save("gold.kinds")
    for name in ("silver.klines", "kinds", "gold.", "gold.a.b"):
        with pytest.raises(UsageError, match="cannot be saved as"):
            lake.bars("BTCUSDT", interval="1d").save(name)
    lake.catalog._catalog.create_table("gold.own", lake.catalog._catalog.load_table("gold.kinds").schema()).append(
        lake.table("gold.kinds").scan().to_arrow().cast(lake.catalog._catalog.load_table("gold.kinds").schema().as_arrow())
    )
    with pytest.raises(UsageError, match="was not saved by a gold view"):
        lake.bars("BTCUSDT", interval="1d").save("gold.own")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "7x"}, "There are no bars of '7x'"),
        ({"gaps": "ffill"}, "gaps cannot be 'ffill'"),
        ({"features": ["alpha"]}, "features cannot be 'alpha'"),
        ({"made_from": "metrics"}, "made_from cannot be 'metrics'"),
        ({"market": "spot", "features": ["funding"]}, "A spot market has no funding"),
        ({"made_from": "mark_klines", "features": ["vwap"]}, "mark_klines have no vwap"),
        ({"made_from": "premium_klines", "features": ["returns"]}, "premium_klines have no returns"),
        ({"start": "2024-03-02", "end": "2024-03-01"}, "is not before"),
    ],
)
def test_a_wrong_question_is_refused(lake: Lakehouse, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lake.bars(**{"symbols": "BTCUSDT", "interval": "1h", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbols": "BTCUSD"}, "silver.klines holds no row of 'BTCUSD'"),
        ({"market": "option"}, "silver.klines has no bars of binance option that make up 1h; it has none in this time"),
        ({"interval": "30s", "made_from": "klines"}, "that make up 30s; it has 1m, 1h"),
        ({"made_from": "trades"}, "silver.trades holds no trade of binance um in this time"),
        ({"symbols": "ETHUSDT", "features": ["funding"]}, "silver.funding holds no row of 'ETHUSDT'"),
    ],
)
def test_what_is_not_there_is_named(lake: Lakehouse, options: dict[str, object], message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        lake.bars(**{"symbols": None, "interval": "1h", **options})  # type: ignore[arg-type]
