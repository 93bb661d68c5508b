"""The rules of each data type: one planted breach, one outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest
from table_samples import check, get_cell, with_cell

from lakehouse_sdk.testing.samples import SAMPLE_TYPES, Sample, make_sample


def sample_of(market: str, data_type: str, rows: int = 24, source: str = "binance", suffix: str = "") -> Sample:
    (type_,) = (
        type_
        for type_ in SAMPLE_TYPES
        if (type_.source, type_.market, type_.data_type) == (source, market, data_type) and type_.suffix.endswith(suffix)
    )
    return make_sample(type_, rows)


def planted(sample: Sample, at: int = 2, **cells: str) -> bytes:
    lines = sample.lines
    for name, text in cells.items():
        lines[at] = with_cell(sample, lines[at], name, text)
    return sample.text(lines)


@pytest.mark.parametrize(
    ("market", "data_type", "cells", "rule"),
    [
        ("cm", "klines", {"low": "0"}, "price-positive"),
        ("cm", "klines", {"volume": "-1"}, "volume-nonnegative"),
        ("cm", "klines", {"taker_buy_quote_volume": "99999999"}, "taker-within-volume"),
        ("um", "markPriceKlines", {"low": "-1"}, "price-positive"),
        ("cm", "indexPriceKlines", {"low": "0"}, "price-positive"),
        ("um", "premiumIndexKlines", {"high": "-9"}, "ohlc-order"),
        ("um", "premiumIndexKlines", {"count": "-1"}, "volume-nonnegative"),
        ("um", "markPriceKlines", {"close_time": "1"}, "close-time"),
        ("cm", "aggTrades", {"quantity": "0"}, "quantity-positive"),
        ("cm", "aggTrades", {"quantity": "-1"}, "volume-nonnegative"),
        ("um", "trades", {"price": "0"}, "price-positive"),
        ("um", "trades", {"quote_qty": "-1"}, "volume-nonnegative"),
        ("cm", "trades", {"base_qty": "0"}, "quantity-positive"),
        ("um", "bookTicker", {"best_ask_price": "0.01"}, "crossed-book"),
        ("um", "bookTicker", {"best_bid_price": "0"}, "price-positive"),
        ("um", "bookTicker", {"best_bid_qty": "-1"}, "volume-nonnegative"),
        ("um", "bookDepth", {"notional": "-1"}, "volume-nonnegative"),
        ("um", "metrics", {"symbol": "ETHUSDT"}, "other-archive"),
        ("um", "metrics", {"count_long_short_ratio": "-1"}, "volume-nonnegative"),
        ("um", "fundingRate", {"funding_interval_hours": "0"}, "interval-hours"),
        ("cm", "liquidationSnapshot", {"price": "0"}, "price-positive"),
        ("cm", "liquidationSnapshot", {"original_quantity": "0"}, "quantity-positive"),
        ("cm", "liquidationSnapshot", {"side": "both"}, "number"),
        ("cm", "liquidationSnapshot", {"order_type": ""}, "number"),
        ("option", "BVOLIndex", {"index_value": "0"}, "index-positive"),
        ("option", "EOHSummary", {"underlying": "ETHUSDT"}, "other-archive"),
        ("option", "EOHSummary", {"mark_price": "-1"}, "volume-nonnegative"),
        ("option", "EOHSummary", {"hour": "24"}, "number"),
        ("option", "EOHSummary", {"date": "2024-03-32"}, "number"),
    ],
)
def test_a_row_that_breaks_a_rule_is_rejected(market: str, data_type: str, cells: dict[str, str], rule: str) -> None:
    sample = sample_of(market, data_type)
    batch = check(sample, planted(sample, **cells))
    assert (batch.rejects, batch.rows_accepted) == ({rule: 1}, 23)
    assert batch.quarantined["value"][0]


@pytest.mark.parametrize(
    ("market", "data_type", "cells", "flags"),
    [
        ("um", "klines", {"quote_volume": "1"}, {"quote-volume-range": 1}),
        ("um", "klines", {"count": "0"}, {"zero-volume": 1}),
        ("um", "klines", {"high": "99999999", "close": "99999999"}, {"price-jump": 1}),
        ("um", "trades", {"quote_qty": "1"}, {"quote-quantity": 1}),
        ("spot", "aggTrades", {"first_trade_id": "0"}, {"trade-id-chain": 1}),
        ("um", "bookTicker", {"transaction_time": "9999999999999"}, {"event-time": 1}),
        ("um", "bookDepth", {"depth": "0"}, {"depth-cumulative": 1}),
        ("um", "metrics", {"create_time": "2024-03-01 00:15:01"}, {"stamp-misaligned": 1, "stamp-gap": 1}),
        ("um", "fundingRate", {"last_funding_rate": "-0.05"}, {"funding-rate": 1}),
        ("um", "fundingRate", {"funding_interval_hours": "4"}, {}),
        ("cm", "liquidationSnapshot", {"accumulated_fill_quantity": "9999"}, {"fill-within-order": 1}),
        ("option", "EOHSummary", {"type": "X"}, {"option-type": 1}),
        ("option", "EOHSummary", {"best_bid_price": "9", "best_ask_price": "8"}, {"crossed-quotes": 1}),
        ("option", "EOHSummary", {"best_bid_price": "9", "best_ask_price": "0"}, {}),
    ],
)
def test_a_row_that_looks_wrong_is_counted(market: str, data_type: str, cells: dict[str, str], flags: dict[str, int]) -> None:
    sample = sample_of(market, data_type)
    batch = check(sample, planted(sample, **cells))
    assert batch.rows_accepted == 24
    assert {rule: n for rule, n in batch.flags.items() if rule != "funding-gap"} == flags


def test_a_premium_may_be_negative() -> None:
    sample = sample_of("um", "premiumIndexKlines")
    batch = check(sample, planted(sample, low="-0.5"))
    assert (batch.rejects, batch.rows_accepted) == ({}, 24)


@pytest.mark.parametrize(
    ("market", "data_type", "source", "flag"),
    [
        ("um", "klines", "binance", "bar-gap"),
        ("cm", "markPriceKlines", "binance", "bar-gap"),
        ("um", "trades", "binance", "trade-id-gap"),
        ("um", "aggTrades", "binance", "agg-id-gap"),
        ("spot", "trades", "coinbase", "trade-id-gap"),
        ("um", "metrics", "binance", "stamp-gap"),
        ("um", "fundingRate", "binance", "funding-gap"),
    ],
)
def test_a_gap_is_counted(market: str, data_type: str, source: str, flag: str) -> None:
    sample = sample_of(market, data_type, source=source)
    batch = check(sample, sample.text([*sample.lines[:5], *sample.lines[7:]]))
    assert (batch.rows_accepted, batch.flags.get(flag)) == (22, 1)


@pytest.mark.parametrize(("market", "data_type", "source"), [("spot", "candles", "coinbase"), ("perp", "candles", "ftx")])
def test_a_venue_that_leaves_out_quiet_bars_has_no_gaps(market: str, data_type: str, source: str) -> None:
    sample = sample_of(market, data_type, source=source, suffix=".csv.gz")
    assert "bar-gap" not in check(sample, sample.text([*sample.lines[:5], *sample.lines[7:]])).flags


def test_a_halt_is_a_run_of_flat_bars() -> None:
    sample = sample_of("um", "klines")
    lines = sample.lines
    for at in range(3, 15):
        price = lines[2].split(",")[4]
        for name in ("open", "high", "low", "close"):
            lines[at] = with_cell(sample, lines[at], name, price)
        for name in ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"):
            lines[at] = with_cell(sample, lines[at], name, "0")
    assert check(sample, sample.text(lines)).flags == {"halt": 12}
    assert "halt" not in check(sample, sample.text([*sample.lines[:6], *lines[6:15], *sample.lines[15:]])).flags


def test_a_frozen_band_is_counted() -> None:
    sample = sample_of("um", "bookDepth", 12 * 120)
    lines = [with_cell(sample, line, "depth", "0") if ",-0.20," in line else line for line in sample.lines]
    assert check(sample, sample.text(lines)).flags == {"depth-frozen": 120}


def test_trades_out_of_time_by_their_ids_are_counted() -> None:
    sample = sample_of("um", "trades", 200)
    earlier = int(get_cell(sample, sample.lines[150], "time")) - 60_000
    assert check(sample, planted(sample, at=150, time=str(earlier))).flags == {"row-order": 1, "time-by-id": 1}


def test_liquidations_come_twice_and_are_kept_once() -> None:
    sample = sample_of("cm", "liquidationSnapshot")
    batch = check(sample, sample.text(line for line in sample.lines for _ in range(2)))
    assert (batch.rows_accepted, batch.rows_duplicate) == (24, 24)


def test_the_taker_decides_the_side_everywhere() -> None:
    for market, source, suffix in (
        ("spot", "binance", ""),
        ("cm", "binance", ""),
        ("spot", "coinbase", ""),
        ("perp", "ftx", ".csv.gz"),
    ):
        sample = sample_of(market, "trades", source=source, suffix=suffix)
        sides = check(sample).accepted["side"].to_pylist()
        assert sides == [row.truth["side"] for row in sample.rows]
        assert set(sides) == {"buy", "sell"}


def test_rows_received_after_midnight_are_of_the_day_before() -> None:
    sample = sample_of("perp", "trades", source="ftx", suffix=".csv.gz")
    before = str(int((sample.period_start - timedelta(seconds=3)).timestamp() * 1_000_000))
    batch = check(sample, planted(sample, at=0, timestamp=before))
    assert (batch.rejects, batch.first_time) == ({}, sample.period_start - timedelta(seconds=3))
    assert batch.scope.period_start < batch.file.period_start
