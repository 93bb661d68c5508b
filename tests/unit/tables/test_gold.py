"""Gold's functions over frames: the published bars come out of the trades, gaps stay visible, nothing looks ahead."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.views.gold import (
    add_imbalance,
    add_returns,
    add_vwap,
    bars_to_bars,
    fill_gaps,
    join_funding,
    join_price,
    parse_interval,
    trades_to_bars,
)
from lakehouse_sdk.testing.market import Bars, Trades, aggregate, find_instrument, make_bars, make_trades

DAY = datetime(2024, 3, 1, tzinfo=UTC)
AMOUNTS = ["volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"]
SECONDS = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400}


def instants(microseconds: object) -> pl.Series:
    return pl.Series(np.asarray(microseconds)).cast(pl.Datetime("us", "UTC"))


def day_of_trades(market: str = "um", *, halted: bool = False, orders: int = 3000) -> Trades:
    return make_trades(find_instrument(market, "BTCUSDT"), date(2024, 3, 1), orders=orders, halted=halted)


def trades_frame(day: Trades) -> pl.DataFrame:
    instrument = day.instrument
    return pl.DataFrame(
        {
            "symbol": instrument.symbol,
            "trade_id": day.first_id + np.arange(len(day.price)),
            "trade_time": instants(day.time_us),
            "price": day.price / 10**instrument.price_decimals,
            "quantity": day.quantity / 10**instrument.quantity_decimals,
            "side": np.where(day.is_buyer_maker, "sell", "buy"),
        }
    )


def agg_trades_frame(day: Trades) -> pl.DataFrame:
    instrument, orders = day.instrument, aggregate(day)
    return pl.DataFrame(
        {
            "symbol": instrument.symbol,
            "agg_trade_id": orders.id,
            "first_trade_id": orders.first_id,
            "last_trade_id": orders.last_id,
            "transact_time": instants(orders.time_us),
            "price": orders.price / 10**instrument.price_decimals,
            "quantity": orders.quantity / 10**instrument.quantity_decimals,
            "side": np.where(orders.is_buyer_maker, "sell", "buy"),
        }
    )


def published_frame(day: Trades, bars: Bars) -> pl.DataFrame:
    """The klines of the day as its publisher states them, in whole ticks and steps until the last division."""
    price, step = 10**day.instrument.price_decimals, 10**day.instrument.quantity_decimals
    units = {"volume": step, "taker_buy_volume": step, "quote_volume": price * step, "taker_buy_quote_volume": price * step}
    return pl.DataFrame(
        {
            "symbol": day.instrument.symbol,
            "open_time": instants(bars.open_time_us),
            **{name: getattr(bars, name) / price for name in ("open", "high", "low", "close")},
            **{name: getattr(bars, name) / units.get(name, 1) for name in AMOUNTS},
        }
    ).with_columns(pl.col("count").cast(pl.Int64))


def bars_frame(opens: list[int], closes: list[float], *, symbol: str = "X", **columns: object) -> pl.DataFrame:
    """Bars of one minute at these minutes."""
    times = [DAY + timedelta(minutes=minute) for minute in opens]
    frame = pl.DataFrame({"symbol": [symbol] * len(opens), "open_time": times, "close": closes})
    frame = frame.with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")), pl.col("close").cast(pl.Float64))
    prices = {name: pl.col("close").alias(name) for name in ("open", "high", "low")}
    values = {"volume": 1.0, "quote_volume": 2.0, "count": 1, "taker_buy_volume": 0.25, "is_complete": True, **columns}
    dtypes = {"count": pl.Int64, "is_complete": pl.Boolean}
    return frame.with_columns(
        *prices.values(), *(pl.lit(value, dtypes.get(name, pl.Float64)).alias(name) for name, value in values.items())
    )


@pytest.mark.parametrize("interval", SECONDS)
@pytest.mark.parametrize("make", [trades_frame, agg_trades_frame])
@pytest.mark.parametrize(("market", "halted"), [("um", False), ("um", True), ("spot", True)])
def test_trades_make_the_published_bars(interval: str, make: object, market: str, halted: bool) -> None:
    day = day_of_trades(market, halted=halted)
    made = trades_to_bars(make(day).sample(fraction=1.0, shuffle=True, seed=1), parse_interval(interval))  # type: ignore[operator]
    published = published_frame(day, make_bars(day, SECONDS[interval]))
    traded = published.filter(pl.col("count") > 0)
    columns = ["symbol", "open_time", "open", "high", "low", "close", *AMOUNTS]
    assert_frame_equal(made.select(columns), traded.select(columns), rel_tol=1e-12, abs_tol=0)
    assert made["is_complete"].all()
    assert made["contract_volume"].null_count() == made.height


def test_trades_of_one_time_count_in_the_order_of_their_ids() -> None:
    frame = (
        trades_frame(day_of_trades(orders=4))
        .head(3)
        .with_columns(
            pl.lit(DAY).cast(pl.Datetime("us", "UTC")).alias("trade_time"),
            pl.Series("trade_id", [9, 7, 8]),
            pl.Series("price", [3.0, 1.0, 2.0]),
        )
    )
    (bar,) = trades_to_bars(frame, parse_interval("1m")).to_dicts()
    assert (bar["open"], bar["close"], bar["count"]) == (1.0, 3.0, 3)


def test_contracts_are_summed_and_unknown_amounts_stay_unknown() -> None:
    frame = agg_trades_frame(day_of_trades()).with_columns(
        pl.lit(None, pl.Float64).alias("quantity"), pl.lit(2.0).alias("contract_quantity")
    )
    (bar,) = trades_to_bars(frame, parse_interval("1d")).to_dicts()
    assert bar["contract_volume"] == 2.0 * frame.height
    assert bar["taker_buy_contract_volume"] == 2.0 * frame.filter(pl.col("side") == "buy").height
    assert [bar[name] for name in ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")] == [None] * 4
    share = add_imbalance(pl.DataFrame([bar]))["taker_imbalance"].item()
    assert share == pytest.approx(2 * bar["taker_buy_contract_volume"] / bar["contract_volume"] - 1)


def test_small_bars_make_the_published_large_ones() -> None:
    day = day_of_trades()
    minutes = published_frame(day, make_bars(day, 60)).with_columns(pl.lit(value=True).alias("is_complete"))
    hours = bars_to_bars(minutes, parse_interval("1h"), parse_interval("1m"))
    wanted = published_frame(day, make_bars(day, 3600))
    assert_frame_equal(hours.drop("is_complete"), wanted, rel_tol=1e-12, abs_tol=0)
    assert hours["is_complete"].all()


def test_a_bar_that_lacks_a_part_says_so() -> None:
    bars = bars_frame([0, 1, 2, 3, 4, 5, 6, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    made = bars_to_bars(bars, parse_interval("5m"), parse_interval("1m"))
    assert made.select("close", "volume", "is_complete").rows() == [(5.0, 5.0, True), (9.0, 4.0, False)]
    doubtful = bars.with_columns((pl.col("open_time") != DAY).alias("is_complete"))
    assert bars_to_bars(doubtful, parse_interval("5m"), parse_interval("1m"))["is_complete"].to_list() == [False, False]


def test_weeks_begin_on_monday_and_months_on_their_first_day() -> None:
    days = bars_frame([1440 * n for n in range(-1, 75)], [float(n) for n in range(76)])  # from 29 February on
    weeks = bars_to_bars(days, parse_interval("1w"), parse_interval("1d"))
    assert {time.weekday() for time in weeks["open_time"]} == {0}
    assert weeks["is_complete"].to_list() == [False, *[True] * 10, False]
    months = bars_to_bars(days, parse_interval("1mo"), parse_interval("1d"))
    assert [(time.month, time.day) for time in months["open_time"]] == [(2, 1), (3, 1), (4, 1), (5, 1)]
    assert months["is_complete"].to_list() == [False, True, True, False]


def test_a_bar_off_the_grid_counts_where_it_lies() -> None:
    bars = bars_frame([0, 1], [1.0, 2.0]).with_columns(pl.col("open_time") + timedelta(seconds=17))
    made = bars_to_bars(bars, parse_interval("1m"), parse_interval("1m"))
    assert made["open_time"].to_list() == [DAY, DAY + timedelta(minutes=1)]


def test_gaps_are_filled_flat_and_marked() -> None:
    bars = add_returns(bars_frame([3, 4, 7], [10, 12, 15], contract_volume=None), parse_interval("1m"))
    filled = fill_gaps(bars, parse_interval("1m"))
    assert filled["is_filled"].to_list() == [False, False, True, True, False]
    assert [time.minute for time in filled["open_time"]] == [3, 4, 5, 6, 7]
    gap = filled.filter("is_filled")
    assert gap.select("open", "high", "low", "close").unique().rows() == [(12.0, 12.0, 12.0, 12.0)]
    assert gap.select("volume", "count", "contract_volume", "is_complete", "return").unique().rows() == [
        (0, 0, None, False, None)
    ]
    assert_frame_equal(filled.filter(~pl.col("is_filled")).drop("is_filled"), bars)


def test_symbols_are_filled_each_within_itself() -> None:
    bars = pl.concat([bars_frame([0, 2], [1, 2], symbol="A"), bars_frame([5, 7], [3, 4], symbol="B")])
    filled = fill_gaps(bars, parse_interval("1m"))
    assert filled.filter("is_filled").select("symbol", "close").rows() == [("A", 1.0), ("B", 3.0)]


def test_months_are_filled_by_the_calendar() -> None:
    first = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 5)]
    bars = bars_frame([0, 1, 2], [1, 2, 3]).with_columns(pl.Series("open_time", first).cast(pl.Datetime("us", "UTC")))
    assert [time.month for time in fill_gaps(bars, parse_interval("1mo"))["open_time"]] == [1, 2, 3, 4, 5]


def test_bars_without_gaps_are_marked_too() -> None:
    bars = bars_frame([0, 1], [1, 2])
    assert_frame_equal(fill_gaps(bars, parse_interval("1m")), bars.with_columns(is_filled=pl.lit(value=False)))


def test_returns_are_null_across_a_gap() -> None:
    bars = pl.concat([bars_frame([0, 1, 3, 4], [10, 11, 22, 11], symbol="A"), bars_frame([5], [1], symbol="B")])
    made = add_returns(bars, parse_interval("1m"))
    assert made["return"].to_list() == [None, pytest.approx(0.1), None, pytest.approx(-0.5), None]
    assert made["log_return"].to_list() == [None, pytest.approx(np.log(1.1)), None, pytest.approx(np.log(0.5)), None]


def test_nothing_traded_has_no_average_and_no_side() -> None:
    bars = pl.concat([bars_frame([0], [1]), bars_frame([1], [1], volume=0.0, quote_volume=0.0, taker_buy_volume=0.0)])
    bars = bars.with_columns(contract_volume=None, taker_buy_contract_volume=None).cast({"contract_volume": pl.Float64})
    made = add_imbalance(add_vwap(bars))
    assert made["vwap"].to_list() == [2.0, None]
    assert made["taker_imbalance"].to_list() == [-0.5, None]


def funding_frame(*rows: tuple[float, float]) -> pl.DataFrame:
    """Rates at these hours after midnight."""
    times = [DAY + timedelta(hours=hour, milliseconds=8) for hour, _ in rows]
    return pl.DataFrame(
        {"symbol": "X", "funding_time": pl.Series(times, dtype=pl.Datetime("us", "UTC")), "rate": [r for _, r in rows]}
    )


def test_funding_is_the_newest_rate_when_the_bar_began() -> None:
    bars = bars_frame([0, 60, 479, 480, 481, 1439], [1.0] * 6)
    made = join_funding(bars, funding_frame((0, 0.1), (8, 0.2), (16, 0.4)), parse_interval("1m"))
    assert made["funding_rate"].to_list() == [0.1, 0.1, 0.1, 0.2, 0.2, 0.4]
    assert made["funding_paid"].to_list() == [0.1, 0.0, 0.0, 0.2, 0.0, 0.0]
    assert made["funding_time"][3] == DAY + timedelta(hours=8, milliseconds=8)
    (day,) = join_funding(bars_frame([0], [1.0]), funding_frame((0, 0.1), (8, 0.2), (16, 0.4)), parse_interval("1d")).to_dicts()
    assert (day["funding_rate"], day["funding_paid"]) == (0.1, pytest.approx(0.7))


def test_an_old_rate_says_nothing() -> None:
    made = join_funding(bars_frame([479, 480, 481], [1.0] * 3), funding_frame((0, 0.1)), parse_interval("1m"))
    assert made["funding_rate"].to_list() == [0.1, 0.1, None]
    assert made["funding_paid"].to_list() == [0.0, 0.0, None]


def test_a_late_payment_is_not_known_before_it_is_published() -> None:
    late = funding_frame((0, 0.1)).with_columns(
        pl.lit(DAY + timedelta(seconds=20)).cast(pl.Datetime("us", "UTC")).alias("funding_time")
    )
    seconds = bars_frame([0] * 30, [1.0] * 30).with_columns(
        pl.Series("open_time", [DAY + timedelta(seconds=n) for n in range(30)]).cast(pl.Datetime("us", "UTC"))
    )
    made = join_funding(seconds, late, parse_interval("1s"))
    assert made["funding_rate"].null_count() == 20
    assert join_funding(bars_frame([0], [1.0]), late, parse_interval("1m"))["funding_rate"].to_list() == [0.1]


def test_a_computed_price_is_that_of_the_same_bar() -> None:
    made = join_price(bars_frame([0, 1], [1, 2]), bars_frame([1, 2], [10, 20]), "mark_close")
    assert made["mark_close"].to_list() == [None, 10.0]


@pytest.mark.parametrize("cut", [1, 700, 1439])
def test_rows_that_come_later_change_nothing_before_them(cut: int) -> None:
    """The prefix of the result is the result of the prefix: through every function of a view."""
    trades, until = trades_frame(day_of_trades(orders=800)), DAY + timedelta(minutes=cut)
    rates = funding_frame((0, 0.1), (8, -0.2), (16, 0.4)).with_columns(symbol=pl.lit("BTCUSDT"))

    def compute(rows: pl.DataFrame, funding: pl.DataFrame) -> pl.DataFrame:
        length = parse_interval("1m")
        bars = fill_gaps(add_returns(trades_to_bars(rows, length), length), length)
        return join_funding(add_imbalance(add_vwap(bars)), funding, length)

    early = compute(trades.filter(pl.col("trade_time") < until), rates.filter(pl.col("funding_time") < until))
    whole = compute(trades, rates)
    assert early.height > 0
    assert_frame_equal(whole.join(early, on="open_time", how="semi", maintain_order="left"), early, check_exact=True)


def test_functions_travel_to_other_processes() -> None:
    length = pickle.loads(pickle.dumps(parse_interval("5m")))
    for function in (trades_to_bars, bars_to_bars, fill_gaps, add_returns, add_vwap, add_imbalance, join_funding, join_price):
        assert pickle.loads(pickle.dumps(function)) is function
    assert length == parse_interval("5m")


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "1M", "2w", "3mo", "-1m", "1.5h", "5 m"])
def test_an_interval_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="There are no bars of"):
        parse_interval(text)


@pytest.mark.parametrize(
    ("long", "short", "fits"),
    [
        ("5m", "1m", True),
        ("5m", "5m", True),
        ("5m", "3m", False),
        ("1m", "5m", False),
        ("1d", "8h", True),
        ("3d", "1d", True),
        ("3d", "2d", False),
        ("1w", "1d", True),
        ("1w", "3d", False),
        ("1w", "7d", False),
        ("1mo", "1d", True),
        ("1mo", "1w", False),
        ("1mo", "1mo", True),
        ("1d", "1mo", False),
        ("14d", "1w", False),
        ("1h", "45m", False),
    ],
)
def test_which_bars_make_up_which(long: str, short: str, fits: bool) -> None:
    assert parse_interval(long).is_made_of(parse_interval(short)) is fits


@pytest.mark.parametrize("text", ["7m", "1h", "3d", "1w", "1mo"])
def test_one_time_and_a_column_of_times_lie_on_the_same_grid(text: str) -> None:
    length = parse_interval(text)
    times = [datetime(1969, 12, 30, 5, tzinfo=UTC), DAY, DAY + timedelta(days=30, hours=7, microseconds=1)]
    frame = pl.DataFrame({"t": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})
    floors = frame.select(length.floor(pl.col("t")))["t"].to_list()
    assert floors == [length.floor_time(time) for time in times]
    for start, time in zip(floors, times, strict=True):
        assert start <= time < length.next_time(start)
        assert length.previous_time(length.next_time(start)) == start
        assert length.ceil_time(time) == (start if start == time else length.next_time(start))
    grid = pl.DataFrame({"t": pl.Series(floors)})
    assert grid.select(length.following(pl.col("t")))["t"].to_list() == [length.next_time(time) for time in floors]
    assert grid.select(length.previous(pl.col("t")))["t"].to_list() == [length.previous_time(time) for time in floors]
