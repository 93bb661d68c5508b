"""The generated market is consistent with itself: everything follows exactly from the trades."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from lakehouse_sdk.testing.binance_csv import find_header, format_agg_trades, format_bars
from lakehouse_sdk.testing.market import HALT_MINUTES, aggregate, find_instrument, make_bars, make_trades

DAY = date(2025, 1, 9)
MARKETS = pytest.mark.parametrize("market", ["spot", "um"])


def read(text: bytes) -> list[list[str]]:
    assert text.endswith(b"\n")
    return [line.split(",") for line in text.decode("ascii").splitlines()]


@MARKETS
@pytest.mark.parametrize(("interval", "seconds"), [("1m", 60), ("1h", 3600), ("1d", 86400)])
def test_agg_trades_resampled_by_hand_are_the_klines_exactly(market: str, interval: str, seconds: int) -> None:
    """Every price and volume to the last digit, and the trade count as the sum over last - first + 1."""
    instrument = find_instrument(market, "ETHUSDT")
    trades = make_trades(instrument, DAY, orders=4000)
    klines = read(format_bars(instrument, [make_bars(trades, seconds)], seconds, DAY).text)
    per_second = 1_000_000 if market == "spot" else 1000
    slots: dict[int, list[list[str]]] = defaultdict(list)
    for row in read(format_agg_trades(instrument, [aggregate(trades)], DAY).text):
        slots[int(row[5]) // (seconds * per_second)].append(row)
    assert len(klines) == 86_400 // seconds
    for kline in klines:
        opened = int(kline[0])
        assert int(kline[6]) == opened + seconds * per_second - 1
        rows = slots.pop(opened // (seconds * per_second), [])
        if not rows:
            assert len({*map(Decimal, kline[1:5])}) == 1
            assert [Decimal(cell) for cell in (kline[5], *kline[7:])] == [0] * 6
            continue
        prices = [Decimal(row[1]) for row in rows]
        assert [Decimal(cell) for cell in kline[1:5]] == [prices[0], max(prices), min(prices), prices[-1]]
        amounts = [Decimal(row[2]) for row in rows]
        quotes = [price * amount for price, amount in zip(prices, amounts, strict=True)]
        buys = [row[6].lower() == "false" for row in rows]
        assert Decimal(kline[5]) == sum(amounts)
        assert Decimal(kline[7]) == sum(quotes)
        assert int(kline[8]) == sum(int(row[4]) - int(row[3]) + 1 for row in rows)
        assert Decimal(kline[9]) == sum(amount for amount, buy in zip(amounts, buys, strict=True) if buy)
        assert Decimal(kline[10]) == sum(quote for quote, buy in zip(quotes, buys, strict=True) if buy)
    assert not slots


@MARKETS
def test_agg_trades_are_the_trades_of_each_order(market: str) -> None:
    trades = make_trades(find_instrument(market, "SOLUSDT"), DAY, orders=500)
    orders = aggregate(trades)
    assert len(orders.id) == 500
    assert len(trades.order) == 750
    for index in range(500):
        fills = trades.order == index
        assert len(set(trades.price[fills])) == len(set(trades.time_us[fills])) == len(set(trades.is_buyer_maker[fills])) == 1
        assert orders.quantity[index] == trades.quantity[fills].sum()
        assert orders.last_id[index] - orders.first_id[index] + 1 == fills.sum()


def test_ids_and_prices_continue_from_day_to_day() -> None:
    instrument = find_instrument("um", "BTCUSDT")
    today, tomorrow = (make_trades(instrument, day, orders=2000) for day in (date(2024, 12, 31), date(2025, 1, 1)))
    last, first = aggregate(today), aggregate(tomorrow)
    assert first.id[0] == last.id[-1] + 1
    assert first.first_id[0] == last.last_id[-1] + 1
    assert (np.diff(last.id) == 1).all()
    assert (last.first_id[1:] == last.last_id[:-1] + 1).all()
    assert abs(first.price[0] / last.price[-1] - 1) < 0.01


@MARKETS
def test_times_stay_inside_the_day_and_never_fall(market: str) -> None:
    trades = make_trades(find_instrument(market, "BTCUSDT"), DAY, orders=3000)
    start_us = int(datetime(2025, 1, 9, tzinfo=UTC).timestamp() * 1_000_000)
    assert (np.diff(trades.time_us) >= 0).all()
    assert trades.time_us[0] >= start_us
    assert trades.time_us[-1] < start_us + 86_400_000_000
    assert (trades.price > 0).all()
    assert (trades.quantity > 0).all()


def test_the_same_day_is_the_same_in_every_run_and_another_with_another_seed_symbol_or_market() -> None:
    def prices(market: str = "spot", symbol: str = "BTCUSDT", seed: int = 0) -> bytes:
        return make_trades(find_instrument(market, symbol), DAY, orders=100, seed=seed).quantity.tobytes()

    assert prices() == prices()
    assert len({prices(), prices(seed=1), prices(symbol="ETHUSDT"), prices(market="um"), prices(symbol="BTCUSDT_250328")}) == 5


def test_a_halt_leaves_no_bars_on_spot_and_flat_ones_on_um() -> None:
    first, last = HALT_MINUTES
    bars = {}
    for market in ("spot", "um"):
        trades = make_trades(find_instrument(market, "ETHUSDT"), DAY, orders=3000, halted=True)
        minute = trades.time_us // 60_000_000 % 1440
        assert not ((minute >= first) & (minute < last)).any()
        bars[market] = make_bars(trades, 60)
    assert len(bars["spot"].open_time_us) == 1440 - (last - first)
    assert len(bars["um"].open_time_us) == 1440
    halted = slice(first, last)
    assert (bars["um"].count[halted] == 0).all()
    assert len(set(bars["um"].close[halted])) == len({*bars["um"].high[halted], *bars["um"].low[halted]}) == 1


def test_a_single_trade_a_day_still_makes_a_whole_day_of_bars() -> None:
    trades = make_trades(find_instrument("spot", "ANYUSDT"), DAY, orders=1)
    bars = make_bars(trades, 3600)
    assert len(bars.open_time_us) == 24
    assert bars.count.sum() == 1
    assert bars.close[-1] == trades.price[0]


@pytest.mark.parametrize(
    ("market", "frequency", "day", "header"),
    [
        ("spot", "daily", date(2026, 1, 1), False),
        ("um", "daily", date(2022, 8, 10), False),
        ("um", "daily", date(2022, 8, 11), True),
        ("um", "monthly", date(2021, 12, 1), False),
        ("um", "monthly", date(2022, 1, 1), True),
    ],
)
def test_headers_come_with_the_kind_of_file_and_its_age(market: str, frequency: str, day: date, header: bool) -> None:
    for data_type, first in (("klines", "open_time,"), ("aggTrades", "agg_trade_id,")):
        line = find_header(market, data_type, frequency, day)
        assert (line is not None) == header
        assert line is None or line.startswith(first)


@pytest.mark.parametrize(
    ("market", "day", "klines", "agg_trades"),
    [
        (
            "spot",
            date(2024, 12, 31),
            r"\d{13}(,\d+\.\d{8}){5},\d{13},\d+\.\d{8},\d+(,\d+\.\d{8}){2},0",
            r"\d+(,\d+\.\d{8}){2},\d+,\d+,\d{13},(True|False),True",
        ),
        (
            "spot",
            date(2025, 1, 1),
            r"\d{16}(,\d+\.\d{8}){5},\d{16},\d+\.\d{8},\d+(,\d+\.\d{8}){2},0",
            r"\d+(,\d+\.\d{8}){2},\d+,\d+,\d{16},(True|False),True",
        ),
        (
            "um",
            date(2025, 1, 1),
            r"\d{13}(,(\d+|\d+\.\d*[1-9])){5},\d{13},(\d+|\d+\.\d*[1-9]),\d+(,(\d+|\d+\.\d*[1-9])){2},0",
            r"\d+(,(\d+|\d+\.\d*[1-9])){2},\d+,\d+,\d{13},(true|false)",
        ),
    ],
)
def test_rows_are_written_as_the_exchange_writes_them(market: str, day: date, klines: str, agg_trades: str) -> None:
    instrument = find_instrument(market, "SOLUSDT")
    trades = make_trades(instrument, day, orders=700)
    for rows, pattern in (
        (format_bars(instrument, [make_bars(trades, 60)], 60, day), klines),
        (format_agg_trades(instrument, [aggregate(trades)], day), agg_trades),
    ):
        lines = rows.text.decode("ascii").splitlines()
        assert len(lines) == len(rows.ends) == len(rows.amounts)
        assert all(re.fullmatch(pattern, line) for line in lines)


def test_rows_are_cut_at_lines() -> None:
    instrument = find_instrument("um", "BTCUSDT")
    rows = format_agg_trades(instrument, [aggregate(make_trades(instrument, DAY, orders=50))], DAY)
    middle = rows.cut(10, 20)
    assert middle.text.splitlines() == rows.text.splitlines()[10:20]
    assert list(middle.amounts) == list(rows.amounts[10:20])
    assert middle.cut(3, 5).text.splitlines() == rows.text.splitlines()[13:15]
    assert rows.cut(0, 50).text == rows.text
    assert rows.cut(0, 0).text == b""
