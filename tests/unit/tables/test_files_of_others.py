"""Files as freqtrade, CryptoDataDownload, Kraken, Lean and data frames write them, and every single way to be unlike ours."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest
from table_archives import zip_of

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables import CheckedBatch, TableSchema, check_file, get_preset, make_file

FIRST = datetime(2024, 1, 31, tzinfo=UTC)
TIMES = [FIRST + timedelta(minutes=n) for n in range(3)]
PLAIN: dict[str, Any] = {
    "columns": {"open_time": "time", "price": "float", "note": "text?"},
    "time": "open_time",
    "key": ("open_time",),
}


def read(data: bytes | str, name: str, schema: TableSchema | dict[str, Any]) -> CheckedBatch:
    body = data.encode() if isinstance(data, str) else data
    declared = schema if isinstance(schema, TableSchema) else TableSchema.from_dict(schema)
    return check_file(body, make_file("silver.mine", name, hashlib.sha256(body).hexdigest()), declared, QualitySettings())


def times(batch: CheckedBatch, column: str = "time") -> list[datetime]:
    assert batch.defect is None, batch.defect
    return batch.accepted[column].to_pylist()


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


class TestPresets:
    @pytest.mark.parametrize("end", ["json", "json.gz"])
    def test_freqtrade_keeps_an_array_of_rows(self, end: str) -> None:
        body = json.dumps([[ms(t), 1.0, 2.0, 0.5, 1.5, 10.0] for t in TIMES]).encode()
        batch = read(gzip.compress(body) if end == "json.gz" else body, f"BTC_USDT-1m.{end}", get_preset("freqtrade"))
        assert times(batch) == TIMES
        assert batch.accepted["close"].to_pylist() == [1.5] * 3

    @pytest.mark.parametrize("end", ["feather", "parquet"])
    @pytest.mark.parametrize("unit", ["ms", "us", "ns"])
    def test_freqtrade_keeps_frames(self, end: str, unit: str) -> None:
        frame = pl.DataFrame({"date": TIMES, **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)})
        frame = frame.with_columns(pl.col("date").cast(pl.Datetime(unit, "UTC")))  # type: ignore[arg-type]
        sink = io.BytesIO()
        frame.write_ipc(sink) if end == "feather" else frame.write_parquet(sink)
        assert times(read(sink.getvalue(), f"BTC_USDT-1m.{end}", get_preset("freqtrade"))) == TIMES

    @pytest.mark.parametrize(
        ("header", "row"),
        [
            ("Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount", "{t},x,BTC/USDT,1,2,0.5,1.5,10,15,7"),
            ("unix,date,symbol,open,high,low,close,Volume BTC,Volume USD", "{t},2024-01-31 00:00:00,BTC/USD,1,2,0.5,1.5,10,15"),
            ("Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume", "{t},x,BTCUSD,1,2,0.5,1.5,10"),
        ],
    )
    def test_cryptodatadownload_begins_with_its_address(self, header: str, row: str) -> None:
        lines = ["https://www.CryptoDataDownload.com", header, *(row.format(t=ms(t)) for t in reversed(TIMES))]
        batch = read("\r\n".join(lines), "Binance_BTCUSDT_1m.csv", get_preset("cryptodatadownload"))
        assert times(batch) == TIMES
        assert batch.accepted["symbol"].to_pylist()[0].startswith("BTC")
        if "USD" in header:
            assert batch.accepted["volume"].to_pylist() == [10.0] * 3
            assert batch.accepted["quote_volume"].to_pylist() == [15.0] * 3

    def test_kraken_has_no_header_and_seconds(self) -> None:
        body = "".join(f"{ms(t) // 1000},1,2,0.5,1.5,10,7\n" for t in TIMES)
        batch = read(body, "XBTUSD_1.csv", get_preset("kraken"))
        assert times(batch) == TIMES
        assert batch.accepted["trades"].to_pylist() == [7] * 3
        trades = read(f"{ms(FIRST) // 1000},40000.1,0.5\n", "XBTUSD.csv", get_preset("kraken-trades"))
        assert trades.accepted["price"].to_pylist() == [40000.1]

    def test_lean_counts_from_the_midnight_of_the_day_in_the_name(self) -> None:
        body = "".join(f"{60_000 * n},1,2,0.5,1.5,10\n" for n in range(3)).encode()
        data = zip_of(("20240131_btcusdt_minute_trade.csv", body))
        assert times(read(data, "crypto/binance/minute/btcusdt/20240131_trade.zip", get_preset("lean-minute"))) == TIMES
        dayless = read(data, "trade.zip", get_preset("lean-minute"))
        assert dayless.defect is not None
        assert "no day" in dayless.defect.detail
        daily = zip_of(("btcusdt.csv", b"20240131 00:00,1,2,0.5,1.5,10\n20240201 00:00,1,2,0.5,1.5,10\n"))
        assert times(read(daily, "btcusdt_trade.zip", get_preset("lean-daily")))[0] == FIRST

    @pytest.mark.parametrize("index", ["Date", "Datetime", None])
    @pytest.mark.parametrize("step", [timedelta(days=1), timedelta(minutes=1)])
    def test_frames_for_backtesting_have_their_time_as_index(self, index: str | None, step: timedelta) -> None:
        moments = pd.DatetimeIndex([FIRST.replace(tzinfo=None) + n * step for n in range(3)], name=index)
        frame = pd.DataFrame({"Open": 1.0, "High": 2.0, "Low": 0.5, "Close": 1.5, "Volume": 10}, index=moments)
        batch = read(frame.to_csv(), "GOOG.csv", get_preset("backtesting"))
        assert times(batch) == [FIRST + n * step for n in range(3)]

    def test_an_unknown_one_names_those_there_are(self) -> None:
        with pytest.raises(UsageError, match="kraken"):
            get_preset("krakken")


class TestHeaders:
    @pytest.mark.parametrize(
        "header",
        ["open_time,price,note", "Open Time,Price,Note", "openTime,price,note", "OPEN_TIME,PRICE,NOTE",
         " open_time , price , note ", '"Open Time","Price","Note"', "Open-Time,Price,Note", "\ufeffopenTime,Price,Note"],
    )  # fmt: skip
    def test_case_spaces_and_camel_case_do_not_count(self, header: str) -> None:
        batch = read(f"{header}\n2024-01-31 00:00:00,1.5,x\n", "a.csv", PLAIN)
        assert (times(batch, "open_time"), batch.accepted["note"].to_pylist()) == ([FIRST], ["x"])

    def test_a_column_without_a_name_is_ignored_where_that_is_said_and_refused_else(self) -> None:
        body = ",open_time,price\n0,2024-01-31 00:00:00,1.5\n1,2024-01-31 00:01:00,2.5\n"
        refused = read(body, "a.csv", PLAIN)
        assert refused.defect is not None
        assert "a column without a name" in refused.defect.detail
        assert times(read(body, "a.csv", {**PLAIN, "ignore": [""]}), "open_time") == TIMES[:2]

    def test_names_are_mapped(self) -> None:
        schema = {**PLAIN, "rename": {"ts": "open_time", "px *": "price"}, "ignore": ["*"]}
        assert times(read("TS,Px USD,other\n2024-01-31 00:00:00,1.5,9\n", "a.csv", schema), "open_time") == [FIRST]
        twice = read("ts,open_time,price\n2024-01-31 00:00:00,2024-01-31 00:00:00,1.5\n", "a.csv", schema)
        assert twice.defect is not None
        assert "twice" in twice.defect.detail

    def test_lines_before_the_header_are_skipped_and_counted(self) -> None:
        body = "made by me\n\nopen_time,price\n2024-01-31 00:00:00,oops\n"
        batch = read(body, "a.csv", {**PLAIN, "skip": 1})
        assert batch.quarantined.select("line", "text").rows() == [(4, "2024-01-31 00:00:00,oops")]

    def test_without_a_header(self) -> None:
        batch = read("2024-01-31 00:00:00,1.5,x\n2024-01-31 00:01:00,2.5,\n", "a.csv", {**PLAIN, "header": False})
        assert times(batch, "open_time") == TIMES[:2]
        assert batch.accepted["note"].to_pylist() == ["x", None]
        short = read("2024-01-31 00:00:00,1.5\n", "a.csv", {**PLAIN, "header": False})
        assert times(short, "open_time") == [FIRST]


class TestTimes:
    @pytest.mark.parametrize(
        ("unit", "text"),
        [("s", f"{ms(FIRST) // 1000}"), ("ms", f"{ms(FIRST)}"), ("us", f"{ms(FIRST) * 1000}"), ("ns", f"{ms(FIRST) * 10**6}"),
         ("iso", "2024-01-31"), ("iso", "2024-01-31T01:00:00+01:00"), ("%d.%m.%Y %H:%M", "31.01.2024 00:00"),
         ("%Y%m%d", "20240131")],
    )  # fmt: skip
    @pytest.mark.parametrize("end", ["csv", "csv.gz", "jsonl", "zip"])
    def test_a_unit_is_taken_as_it_is_said(self, unit: str, text: str, end: str) -> None:
        schema = {**PLAIN, "units": {"open_time": unit}}
        csv = f"open_time,price\n{text},1.5\n".encode()
        data = {
            "csv": csv,
            "csv.gz": gzip.compress(csv),
            "jsonl": json.dumps(
                {"open_time": int(text) if text.isdigit() and "%" not in unit else text, "price": 1.5}
            ).encode(),
            "zip": zip_of(("any name at all.txt", csv)),
        }[end]
        assert times(read(data, f"a.{end}", schema), "open_time") == [FIRST]

    @pytest.mark.parametrize("unit", ["ms", ""])
    def test_whole_milliseconds_of_a_parquet_file(self, unit: str) -> None:
        sink = io.BytesIO()
        pl.DataFrame({"openTime": [ms(t) for t in TIMES], "price": [1.0] * 3, "note": ["a", None, "c"]}).write_parquet(sink)
        batch = read(sink.getvalue(), "a.parquet", {**PLAIN, "units": {"open_time": unit} if unit else {}})
        assert times(batch, "open_time") == TIMES
        assert batch.accepted["note"].to_pylist() == ["a", None, "c"]

    def test_what_is_no_such_time_is_rejected_with_its_line(self) -> None:
        batch = read(f"open_time,price\n{ms(FIRST)},1\nsoon,2\n", "a.csv", {**PLAIN, "units": {"open_time": "ms"}})
        assert (batch.rows_accepted, batch.quarantined["line"].to_list()) == (1, [3])

    def test_wrong_declarations_are_refused(self) -> None:
        for wrong in (
            {"units": {"open_time": "hours"}},
            {"units": {"price": "ms"}},
            {"skip": -1},
            {"rename": {"x": "nothing"}},
        ):
            with pytest.raises(UsageError):
                TableSchema.from_dict({**PLAIN, **wrong})


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "data", "sub/folder/x.txt", "日本.csv"])
def test_a_zip_member_may_have_any_name(name: str) -> None:
    data = zip_of((name, b"open_time,price\n2024-01-31 00:00:00,1.5\n"))
    assert times(read(data, "mine.zip", PLAIN), "open_time") == [FIRST]
    two = read(zip_of((name, b"a"), ("b.csv", b"b")), "mine.zip", PLAIN)
    assert two.defect is not None
    assert two.defect.reason == "zip-members"


def test_a_text_that_may_be_empty_is_null_and_a_wrong_one_is_still_wrong() -> None:
    batch = read("open_time,price,note\n2024-01-31 00:00:00,1,\n2024-01-31 00:01:00,1,a\x01b\n", "a.csv", PLAIN)
    assert batch.accepted["note"].to_pylist() == [None]
    assert batch.rejects == {"number": 1}
