"""The test kit's Coinbase, seen by a plain HTTP client: it does what its documentation says, and its answers fit each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import urllib3

from lakehouse_sdk.testing import CoinbaseServer

DAY = date(2024, 2, 2)
CANDLES = "/products/BTC-USD/candles?granularity={}&start=2024-02-02T{}Z&end=2024-02-02T{}Z"


@pytest.fixture
def server() -> Iterator[CoinbaseServer]:
    with CoinbaseServer() as server:
        yield server


def get(server: CoinbaseServer, path: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", f"{server.url}{path}", retries=False, timeout=10, headers={"Connection": "close"})


def get_rows(server: CoinbaseServer, path: str) -> list[Any]:
    answer = get(server, path)
    assert answer.status == 200, answer.data
    rows: list[Any] = json.loads(answer.data, parse_float=Decimal)
    return rows


def test_products_include_what_is_no_longer_traded(server: CoinbaseServer) -> None:
    assert {row["id"]: row["status"] for row in get_rows(server, "/products")} == {
        "BTC-USD": "online",
        "ETH-USD": "online",
        "SHIB-USD": "online",
        "XRP-USD": "delisted",
    }


def test_three_hundred_candles_are_served_and_one_more_is_refused(server: CoinbaseServer) -> None:
    assert get(server, CANDLES.format(60, "00:00:00", "04:59:00")).status == 200
    refusal = get(server, CANDLES.format(60, "00:00:00", "05:00:00"))
    assert (refusal.status, "exceeds 300" in refusal.json()["message"]) == (400, True)
    assert get(server, CANDLES.format(120, "00:00:00", "01:00:00")).status == 400
    assert get(server, "/products/BTC-USD/candles").status == 400
    assert get(server, "/products/NO-USD/candles").status == get(server, "/time").status == 404


def test_candles_come_newest_first_and_a_minute_without_trades_has_none(server: CoinbaseServer) -> None:
    times = [row[0] for row in get_rows(server, CANDLES.format(60, "00:00:00", "04:59:00"))]
    assert times == sorted(times, reverse=True)
    assert 0 < len(times) < 300


def test_trades_are_paged_by_their_ids_in_both_directions(server: CoinbaseServer) -> None:
    newest = get(server, "/products/BTC-USD/trades?limit=10")
    ids = [row["trade_id"] for row in newest.json()]
    assert ids == sorted(ids, reverse=True)
    assert (newest.headers["CB-BEFORE"], newest.headers["CB-AFTER"]) == (str(ids[0]), str(ids[-1]))
    older = get_rows(server, f"/products/BTC-USD/trades?limit=10&after={ids[-1]}")
    assert older[0]["trade_id"] < ids[-1]
    newer = get_rows(server, f"/products/BTC-USD/trades?limit=10&before={ids[4]}")
    assert [row["trade_id"] for row in newer] == ids[:4]
    oldest = get(server, "/products/BTC-USD/trades?after=3")
    assert ([row["trade_id"] for row in oldest.json()], "CB-AFTER" in oldest.headers) == ([2, 1], False)
    assert get_rows(server, "/products/BTC-USD/trades?after=1") == []
    assert get(server, "/products/BTC-USD/trades?limit=1001").status == 400


def test_the_truth_is_what_the_pages_say_with_the_takers_side(server: CoinbaseServer) -> None:
    seen = []
    cursor = ""
    while not seen or seen[-1]["time"] >= "2024-02-02":
        page = get(server, f"/products/BTC-USD/trades?limit=1000{cursor}")
        seen += page.json()
        cursor = f"&after={page.headers['CB-AFTER']}"
    day = [row for row in reversed(seen) if row["time"].startswith("2024-02-02T")]
    other = {"buy": "sell", "sell": "buy"}
    fields = [(str(row["trade_id"]), row["time"], row["price"], row["size"], other[row["side"]]) for row in day]
    assert fields == server.trades("BTC-USD", DAY)


def test_candles_follow_from_the_trades(server: CoinbaseServer) -> None:
    trades = [(time[11:13], Decimal(price), Decimal(size)) for _, time, price, size, _ in server.trades("SHIB-USD", DAY)]
    for row in server.candles("SHIB-USD", DAY, "1h"):
        hour = f"{int(row[0]) // 3_600_000 % 24:02}"
        prices = [price for at, price, _ in trades if at == hour]
        volume = sum(size for at, _, size in trades if at == hour)
        assert [Decimal(value) for value in row[1:]] == [prices[0], max(prices), min(prices), prices[-1], volume]


def test_the_same_seed_gives_the_same_market_and_history_ends_at_the_servers_time() -> None:
    servers = [CoinbaseServer(seed=seed) for seed in (1, 1, 2)]
    days = [server.trades("BTC-USD", DAY) for server in servers]
    assert days[0] == days[1] != days[2]
    now = servers[0].now
    today = servers[0].trades("BTC-USD", now.date())
    assert 0 < len(today) < 700
    assert today[-1][1] < f"{now:%Y-%m-%dT%H:%M:%S}"
    assert servers[0].trades("BTC-USD", now.date() + timedelta(days=1)) == []


def test_more_than_the_limit_is_answered_with_429() -> None:
    with CoinbaseServer(requests_per_s=1, burst=3) as server:
        statuses = [get(server, "/products").status for _ in range(5)]
        assert (statuses[:3], statuses[-1], server.refused >= 1) == ([200] * 3, 429, True)
        assert len(server.paths) == len(server.arrivals_s) == 5
