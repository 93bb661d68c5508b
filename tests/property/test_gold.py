"""Whatever the trades: in steps or at once gives the same bars, nothing is lost, and what comes later changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lakehouse_sdk.tables.views.gold import add_returns, bars_to_bars, fill_gaps, join_funding, parse_interval, trades_to_bars

START = datetime(2024, 2, 28, 22, tzinfo=UTC)
SPAN_S = 6 * 3600
STEPS = ["10s", "1m", "5m", "15m", "1h", "3h"]
INSTANT = pl.Datetime("us", "UTC")

# Eighths, so that every sum is exact and equality can be asked for.
_eighths = st.integers(1, 2**20).map(lambda number: number / 8)
_trade = st.tuples(
    st.integers(0, SPAN_S - 1),
    _eighths,
    st.one_of(st.none(), _eighths),
    st.sampled_from(["buy", "sell"]),
    st.sampled_from("AB"),
)
_trades = st.lists(_trade, max_size=60)
_chains = st.lists(st.sampled_from(STEPS), min_size=2, max_size=4, unique=True).map(
    lambda names: sorted(names, key=STEPS.index)
)


def to_frame(trades: list[tuple[int, float, float | None, str, str]]) -> pl.DataFrame:
    """Trades as a frame; the number says in which order those of one second happened."""
    rows = [
        (symbol, START + timedelta(seconds=second), number, price, quantity, side)
        for number, (second, price, quantity, side, symbol) in enumerate(trades)
    ]
    types = {"symbol": pl.String, "trade_time": INSTANT, "trade_id": pl.Int64, "price": pl.Float64, "quantity": pl.Float64}
    return pl.DataFrame(rows, schema=types | {"side": pl.String}, orient="row")


@given(trades=_trades, chain=_chains)
def test_bars_in_steps_are_bars_at_once(trades: list[tuple[int, float, float | None, str, str]], chain: list[str]) -> None:
    frame = to_frame(trades)
    lengths = [parse_interval(name) for name in chain]
    bars = first = trades_to_bars(frame, lengths[0])
    for made_of, length in pairwise(lengths):
        bars = bars_to_bars(bars, length, made_of)
    assert_frame_equal(bars, bars_to_bars(first, lengths[-1], lengths[0]), check_exact=True)
    at_once = trades_to_bars(frame, lengths[-1])
    assert_frame_equal(bars.drop("is_complete"), at_once.drop("is_complete"), check_exact=True)


@given(trades=_trades, interval=st.sampled_from(STEPS))
def test_every_trade_is_in_one_bar(trades: list[tuple[int, float, float | None, str, str]], interval: str) -> None:
    frame, length = to_frame(trades), parse_interval(interval)
    bars = trades_to_bars(frame, length)
    assert bars["count"].sum() == frame.height
    assert bars.select("symbol", "open_time").is_unique().all()
    unknown = bars["volume"].is_null()
    if not unknown.any():
        assert bars["volume"].sum() == frame["quantity"].sum()
    for bar in bars.iter_rows(named=True):
        within = (pl.col("trade_time") >= bar["open_time"]) & (pl.col("trade_time") < bar["open_time"] + length.order)
        inside = frame.filter((pl.col("symbol") == bar["symbol"]) & within).sort("trade_time", "trade_id")
        assert (bar["open"], bar["close"]) == (inside["price"][0], inside["price"][-1])
        assert (bar["high"], bar["low"], bar["count"]) == (inside["price"].max(), inside["price"].min(), inside.height)
        assert (bar["volume"] is None) == (inside["quantity"].null_count() > 0)


@given(trades=_trades, interval=st.sampled_from(STEPS))
def test_filled_bars_leave_no_gap_and_change_nothing(
    trades: list[tuple[int, float, float | None, str, str]], interval: str
) -> None:
    length = parse_interval(interval)
    bars = add_returns(trades_to_bars(to_frame(trades), length), length)
    filled = fill_gaps(bars, length)
    assert_frame_equal(filled.filter(~pl.col("is_filled")).drop("is_filled"), bars, check_exact=True)
    steps = filled.select(pl.col("open_time").diff().over("symbol").drop_nulls().unique())["open_time"].to_list()
    assert steps in ([], [length.length])
    for symbol in bars["symbol"].unique():
        whole, known = (frame.filter(pl.col("symbol") == symbol)["open_time"] for frame in (filled, bars))
        assert (whole.min(), whole.max()) == (known.min(), known.max())
    before = filled.with_columns(pl.col("close").shift(1).over("symbol").alias("_before")).filter("is_filled")
    assert (before["close"] == before["_before"]).all()
    assert before["return"].null_count() == before.height


@given(trades=_trades, cut=st.integers(0, SPAN_S), rates=st.lists(st.integers(0, SPAN_S - 1), max_size=5, unique=True))
def test_what_comes_later_changes_nothing_before_it(
    trades: list[tuple[int, float, float | None, str, str]], cut: int, rates: list[int]
) -> None:
    """The prefix of the result is the result of the prefix; `cut` lies on the grid of bars."""
    length = parse_interval("1m")
    until = START + timedelta(seconds=cut // 60 * 60)
    schema = {"symbol": pl.String, "funding_time": INSTANT, "rate": pl.Float64}
    funding = pl.DataFrame([("A", START + timedelta(seconds=at), float(at)) for at in rates], schema=schema, orient="row")

    def compute(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        return join_funding(fill_gaps(add_returns(trades_to_bars(rows, length), length), length), known, length)

    frame = to_frame(trades)
    early = compute(frame.filter(pl.col("trade_time") < until), funding.filter(pl.col("funding_time") < until))
    whole = compute(frame, funding)
    assert_frame_equal(
        whole.join(early, on=["symbol", "open_time"], how="semi", maintain_order="left"), early, check_exact=True
    )
