"""Pages of Coinbase's API turned into the lines of a file; rows as the API's JSON gives them, numbers as text."""

from __future__ import annotations

from datetime import date

import pytest

from lakehouse_sdk.archives.coinbase import ArchiveKey
from lakehouse_sdk.archives.coinbase.candles import CandleRows, plan_pages
from lakehouse_sdk.archives.coinbase.content import encode_csv
from lakehouse_sdk.archives.coinbase.trades import parse_trades
from lakehouse_sdk.errors import IntegrityError

MINUTES = ArchiveKey("candles", "BTC-USD", "1m", date(2024, 1, 31))
FIRST_S = 1_706_659_200
GOOD = [str(FIRST_S), "1.10", "3.0", "2", "2.500", "0.00000001"]
TRADE = {"trade_id": "7", "side": "sell", "size": "0.270", "price": "1.20", "time": "2024-01-31T13:47:41.447577Z"}


def test_a_candle_keeps_its_digits_and_gets_the_order_of_the_header() -> None:
    rows = CandleRows(MINUTES)
    assert rows.add([GOOD]) == {"outside": 0, "repeated": 0}
    assert rows.lines == {FIRST_S: f"{FIRST_S}000,2,3.0,1.10,2.500,0.00000001"}


def test_candles_around_the_day_are_counted_and_dropped() -> None:
    rows = CandleRows(MINUTES)
    times = (FIRST_S - 60, FIRST_S, FIRST_S + 86_340, FIRST_S + 86_400)
    assert rows.add([str(time), *GOOD[1:]] for time in times)["outside"] == 2
    assert sorted(rows.lines) == [FIRST_S, FIRST_S + 86_340]


def test_a_repeated_candle_is_dropped_however_its_numbers_are_written() -> None:
    rows = CandleRows(MINUTES)
    same = [GOOD[0], "1.1", "3", "2.0", "2.5", "1e-8"]
    assert rows.add([GOOD, GOOD, same])["repeated"] == 2
    assert rows.lines == {FIRST_S: f"{FIRST_S}000,2,3.0,1.10,2.500,0.00000001"}


def test_two_candles_for_one_time_are_named() -> None:
    rows = CandleRows(MINUTES)
    rows.add([GOOD])
    with pytest.raises(IntegrityError, match=r"BTC-USD 1m two candles for 2024-01-31T00:00:00Z, 1706659200000,2,.*0\.00000002"):
        rows.add([[*GOOD[:5], "0.00000002"]])


@pytest.mark.parametrize(
    "row",
    [
        GOOD[:5],
        [*GOOD, "1"],
        [*GOOD[:5], None],
        [*GOOD[:5], float("nan")],
        [*GOOD[:5], "1,5"],
        [*GOOD[:5], "\u0661"],
        ["1.5", *GOOD[1:]],
        [str(FIRST_S + 30), *GOOD[1:]],
        {"time": GOOD[0]},
        "candle",
        None,
    ],
)
def test_what_is_no_candle_of_the_interval_is_refused(row: object) -> None:
    with pytest.raises(IntegrityError, match="Coinbase sends for BTC-USD 1m a "):
        CandleRows(MINUTES).add([row])


def test_the_pages_of_a_day_ask_for_every_candle_once() -> None:
    """Both ends of a page are included, and 300 is the API's limit."""
    pages = plan_pages(MINUTES)
    assert [(page["start"][11:16], page["end"][11:16]) for page in pages] == [
        ("00:00", "04:59"),
        ("05:00", "09:59"),
        ("10:00", "14:59"),
        ("15:00", "19:59"),
        ("20:00", "23:59"),
    ]
    assert plan_pages(ArchiveKey("candles", "BTC-USD", "1d", date(2024, 1, 31))) == [
        {"granularity": "86400", "start": "2024-01-31T00:00:00Z", "end": "2024-01-31T00:00:00Z"}
    ]
    assert [len(plan_pages(ArchiveKey("candles", "A", i, date(2024, 1, 31)))) for i in ("5m", "15m", "1h", "6h")] == [1] * 4


def test_a_trade_keeps_its_digits_and_shows_the_takers_side() -> None:
    (sold, bought) = parse_trades([{**TRADE, "trade_id": "6", "side": "buy"}, TRADE], "BTC-USD")
    assert (sold.id, sold.day, sold.line) == (7, "2024-01-31", "7,2024-01-31T13:47:41.447577Z,1.20,0.270,buy")
    assert bought.line.endswith(",sell")


@pytest.mark.parametrize(
    "damage",
    [
        {"side": "BUY"},
        {"side": None},
        {"side": ["sell"]},
        {"trade_id": "-1"},
        {"trade_id": "7.0"},
        {"trade_id": None},
        {"price": ""},
        {"price": "1,2"},
        {"size": 1.5},
        {"time": "2024-01-31T13:47:41"},
        {"time": "2024-01-31T13:47:41+01:00"},
        {"time": "yesterday"},
    ],
)
def test_what_is_no_trade_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="row that is no trade"):
        parse_trades([TRADE, {**TRADE, **damage}], "BTC-USD")


@pytest.mark.parametrize(
    "row", [None, "trade", ["7"], {}, {name: TRADE[name] for name in ("trade_id", "time", "price", "size")}]
)
def test_a_row_of_another_shape_is_refused(row: object) -> None:
    with pytest.raises(IntegrityError, match="row that is no trade"):
        parse_trades([row], "BTC-USD")


def test_equal_lines_give_equal_bytes() -> None:
    assert encode_csv("a,b", ["1,2"]) == encode_csv("a,b", iter(["1,2"]))
    assert encode_csv("a,b", ["1,2"])[4:8] == b"\0\0\0\0"  # gzip's own time of the file
