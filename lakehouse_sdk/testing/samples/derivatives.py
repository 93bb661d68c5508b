"""What is published about futures and options."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from lakehouse_sdk.testing.samples.model import DAY_US, Row, Rows, epoch_us, line_of, padded, plain, to_instant

METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
FUNDING = "calc_time,funding_interval_hours,last_funding_rate"
LIQUIDATIONS = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity"
)
BVOL = "calc_time,symbol,base_asset,quote_asset,index_value"
OPTIONS = (
    "date,hour,symbol,underlying,type,strike,open,high,low,close,volume_contracts,volume_usdt,best_bid_price,best_ask_price,"
    "best_bid_qty,best_ask_qty,best_buy_iv,best_sell_iv,mark_price,mark_iv,delta,gamma,vega,theta,openinterest_contracts,"
    "openinterest_usdt"
)
_RATIOS = METRICS.split(",")[4:]
_OPTION_NUMBERS = tuple(name.replace("openinterest", "open_interest") for name in OPTIONS.split(",")[6:])
_SIGNED = ("delta", "theta")


def make_metrics(random: Random, start: datetime) -> Rows:
    """Open interest every five minutes, from 00:05 to the next day's 00:00; ratios may be missing."""
    for number in range(1, 289):
        time = start + timedelta(minutes=5 * number)
        interest = Decimal(random.randrange(4 * 10**9, 5 * 10**9)) / 1000
        value = interest * random.randrange(900, 1100) / 7
        ratios = ["" if random.random() < 0.05 else f"{random.random() * 5:.15f}" for _ in _RATIOS]
        line = line_of(f"{time:%Y-%m-%d %H:%M:%S}", "BTCUSDT", plain(interest), f"{value:.5f}", *ratios)
        truth: dict[str, Any] = {name: float(cell) if cell else None for name, cell in zip(_RATIOS, ratios, strict=True)}
        open_interest = {"sum_open_interest": float(interest), "sum_open_interest_value": float(f"{value:.5f}")}
        yield Row(line, truth | open_interest | {"create_time": time})


def make_funding(random: Random, start: datetime) -> Rows:
    """A rate every eight hours, some milliseconds late."""
    for number in range(93):
        time_us = epoch_us(start) + number * 8 * 3_600_000_000 + random.randrange(20) * 1000
        rate = padded(Decimal(random.randrange(-40_000, 40_000)) / 10**8)
        truth = {"funding_time": to_instant(time_us), "interval_hours": 8, "rate": float(rate)}
        yield Row(line_of(time_us // 1000, 8, rate), truth)


def make_ftx_funding(random: Random, start: datetime) -> Rows:
    """A rate every hour, as the exchange's API answered."""
    for hour in range(24):
        time, rate = start + timedelta(hours=hour), random.randrange(-400, 400) / 10**6
        record = {"future": "BTC-PERP", "rate": rate, "time": time.isoformat()}
        yield Row(json.dumps(record), {"funding_time": time, "interval_hours": 1, "rate": rate})


def make_liquidations(random: Random, start: datetime) -> Rows:
    """Liquidations, each once; the publisher writes each twice."""
    time_us = epoch_us(start)
    end_us = time_us + DAY_US
    while (time_us := time_us + random.randrange(1, 20_000) * 1000) < end_us:
        side, ordered = random.choice(("SELL", "BUY")), random.randrange(1, 500)
        price = Decimal(random.randrange(10**6, 10**7)) / 10
        average, last = price - Decimal(random.randrange(1, 900)) / 10, random.randrange(1, ordered + 1)
        cells = (time_us // 1000, side, "LIMIT", "IOC", ordered, price, average, "FILLED", last, ordered)
        truth = {
            "liquidation_time": to_instant(time_us),
            "side": side.lower(),
            "order_type": "LIMIT",
            "time_in_force": "IOC",
            "original_quantity": float(ordered),
            "price": float(price),
            "average_price": float(average),
            "order_status": "FILLED",
            "last_fill_quantity": float(last),
            "accumulated_fill_quantity": float(ordered),
        }
        yield Row(line_of(*cells), truth)


def make_bvol(random: Random, start: datetime) -> Rows:
    """A volatility index every second, some milliseconds late."""
    for second in range(86_400):
        time_us = epoch_us(start) + second * 1_000_000 + random.randrange(9) * 1000
        value = Decimal(random.randrange(300_000, 900_000)) / 10_000
        truth = {"calc_time": to_instant(time_us), "base_asset": "BTCBVOL", "quote_asset": "USDT", "index_value": float(value)}
        yield Row(line_of(time_us // 1000, "BTCBVOLUSDT", "BTCBVOL", "USDT", plain(value)), truth)


def make_options(random: Random, start: datetime) -> Rows:
    """Hourly summaries of some options; any number may be missing."""
    for hour in range(24):
        for price in range(25_000, 35_000, 1000):
            kind, strike = random.choice("CP"), f"{start:%y%m%d}-{price}"
            cells = [_option_cell(random, name) for name in _OPTION_NUMBERS]
            contract = f"BTC-{strike}-{kind}"
            line = line_of(f"{start:%Y-%m-%d}", hour, contract, "BTCUSDT", kind, strike, *cells)
            truth: dict[str, Any] = {"summary_time": start + timedelta(hours=hour), "contract": contract}
            truth |= {"option_type": kind, "strike": strike}
            truth |= {name: float(cell) if cell else None for name, cell in zip(_OPTION_NUMBERS, cells, strict=True)}
            yield Row(line, truth)


def _option_cell(random: Random, name: str) -> str:
    if random.random() < 0.2:
        return ""
    least, most = {"best_bid_price": (0, 500), "best_ask_price": (501, 999)}.get(name, (0, 999))
    value = Decimal(random.randrange(least, most)) / 8
    return plain(-value if name in _SIGNED and random.random() < 0.5 else value)
