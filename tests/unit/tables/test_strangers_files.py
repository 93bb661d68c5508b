"""What real files hold that ours did not: each kind with the value that is right, which was lost or refused before."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from table_archives import DAY, csv_of, zip_of

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.jobs.build.outcome import find_alarm
from lakehouse_sdk.tables import CheckedBatch, SourceFile, check_archives, parse_archive, validate


def file_of(
    data: bytes,
    market: str,
    data_type: str,
    *,
    source: str = "binance",
    symbol: str = "BTCUSDT",
    end: str = "zip",
    days: int = 1,
) -> SourceFile:
    key = f"data/{market}/{data_type}/{symbol}-{data_type}-{DAY:%Y-%m-%d}.{end}"
    sha256 = hashlib.sha256(data).hexdigest()
    return SourceFile(source, market, data_type, symbol, None, DAY, DAY + timedelta(days=days), key, sha256)


def check(
    lines: list[str], market: str, data_type: str, *, together: bool = False, days: int = 1, **where: str
) -> CheckedBatch:
    symbol = where.get("symbol", "BTCUSDT")
    data = zip_of((f"{symbol}-{data_type}-{DAY:%Y-%m-%d}.csv", csv_of(lines)))
    file = file_of(data, market, data_type, days=days, **where)
    if not together:
        return validate(parse_archive(data, file))
    clean = replace(file, key=file.key.replace(".zip", "-other.zip"))
    other = zip_of((f"{clean.stem}.csv", csv_of(lines)))
    pair = [(data, file), (other, replace(clean, sha256=hashlib.sha256(other).hexdigest()))]
    return check_archives(pair, QualitySettings())[0]


def frame(batch: CheckedBatch) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(batch.accepted))


@pytest.mark.parametrize("together", [False, True])
class TestABookWithOneSideEmpty:
    """Dropped, the last full quote seemed to stand for as long as nobody bid."""

    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            ("100.5,2,100.6,3", (100.5, 2.0, 100.6, 3.0)),
            ("0,0,100.6,3", (None, None, 100.6, 3.0)),
            ("0.00000000,0.000,100.6,3", (None, None, 100.6, 3.0)),
            ("100.5,2,0,0", (100.5, 2.0, None, None)),
            (",,100.6,3", (None, None, 100.6, 3.0)),
            ('"","",100.6,3', (None, None, 100.6, 3.0)),
            ("100.5,2,,", (100.5, 2.0, None, None)),
            ("0,0,0,0", (None, None, None, None)),
        ],
    )
    def test_it_is_kept_with_nulls(self, cells: str, expected: tuple[float | None, ...], together: bool) -> None:
        ms = round(DAY.timestamp() * 1000)
        lines = [f"{number},{cells},{ms + number},{ms + number}" for number in range(3)]
        batch = check(lines, "um", "bookTicker", together=together)
        assert (batch.rows_accepted, batch.rows_quarantined) == (3, 0)
        quote = ("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty")
        assert set(frame(batch).select(quote).rows()) == {expected}

    @pytest.mark.parametrize("cells", ["0,5,100.6,3", "-1,0,100.6,3", "100.7,1,100.6,3", "100.5,-2,100.6,3"])
    def test_a_wrong_quote_is_still_refused(self, cells: str, together: bool) -> None:
        ms = round(DAY.timestamp() * 1000)
        batch = check([f"1,{cells},{ms},{ms}"], "um", "bookTicker", together=together)
        assert (batch.rows_accepted, batch.rows_quarantined) == (0, 1)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("fraction", "microsecond", "cut"),
    [("", 0, 0), (".5", 500_000, 0), (".123456", 123_456, 0), (".123456000", 123_456, 0), (".123456789", 123_456, 1),
     (".999999999", 999_999, 1), (".000000001", 0, 1), (".123456789012", 123_456, 1)],
)  # fmt: skip
def test_finer_times_are_cut_off_and_counted(fraction: str, microsecond: int, cut: int, together: bool) -> None:
    """Coinbase's later trades have nanoseconds: a quarter of them was rejected."""
    lines = ["trade_id,time,price,size,side", f"1,{DAY:%Y-%m-%dT%H:%M:%S}{fraction}Z,10.5,1,buy"]
    batch = check(lines, "spot", "trades", source="coinbase", symbol="BTC-USD", together=together)
    assert (batch.rows_accepted, batch.rows_quarantined) == (1, 0)
    assert frame(batch)["trade_time"].to_list() == [DAY + timedelta(microseconds=microsecond)]
    assert batch.flags.get("time-truncated", 0) == cut


def test_metrics_that_are_stamped_with_a_day_alone_have_a_state_of_their_own() -> None:
    lines = [f"{DAY:%Y-%m-%d},BTCUSDT,1,2,1,1,1,1" for _ in range(288)]
    batch = check(lines, "um", "metrics")
    assert batch.defect is not None
    assert batch.defect.reason == "times-missing"
    assert "288 rows" in batch.defect.detail
    one_time = [*lines, f"{DAY:%Y-%m-%d} 00:05:00,BTCUSDT,1,2,1,1,1,1"]
    mixed = check(one_time, "um", "metrics")
    assert (mixed.defect, mixed.rows_accepted, mixed.rows_quarantined) == (None, 1, 288)


@pytest.mark.parametrize("symbol", ["币安人生USDT", "ÄUSDT", "ДЖИUSDT", "🚀USDT"])
@pytest.mark.parametrize("with_bit", [True, False])
def test_a_member_whose_name_is_utf_8_without_the_bit_that_says_so(symbol: str, with_bit: bool) -> None:
    name = f"{symbol}-aggTrades-{DAY:%Y-%m-%d}.csv"
    line = f"1,10.5,1,1,1,{round(DAY.timestamp() * 1000)},true"
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), csv_of([line]))
    data = sink.getvalue()
    if not with_bit:  # flags stand 6 bytes into a local header and 8 bytes into an entry of the directory
        raw = bytearray(data)
        for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
            raw[raw.index(signature) + offset] &= ~0x08
        data = bytes(raw)
    batch = validate(parse_archive(data, file_of(data, "um", "aggTrades", symbol=symbol)))
    assert (batch.defect, batch.rows_accepted) == (None, 1)


class TestIdsThatBeginAnew:
    def lines(self) -> list[str]:
        later = DAY + timedelta(days=20)
        first = [f"{n},10.5,1,{n},{n},{round((DAY + timedelta(seconds=n)).timestamp() * 1000)},true" for n in range(5000, 5100)]
        again = [
            f"{n},11.5,1,{n},{n},{round((later + timedelta(seconds=n)).timestamp() * 1000)},true" for n in range(5000, 5100)
        ]
        return [*first, *again]

    def test_both_incarnations_are_kept(self) -> None:
        batch = check(self.lines(), "um", "aggTrades", days=31)
        assert (batch.rows_accepted, batch.rows_quarantined, batch.rows_duplicate) == (200, 0, 0)

    def test_a_day_in_which_they_begin_anew_expects_both_countings(self) -> None:
        ms = round(DAY.timestamp() * 1000)
        old = [f"{n},10.5,1,{n},{n},{ms + n - 9_000_000},true" for n in range(9_000_000, 9_000_100)]
        new = [f"{n},10.5,1,{n},{n},{ms + 3_600_000 + n},true" for n in range(100)]
        (day,) = check([*old, *new], "um", "aggTrades").days
        assert (day.rows_accepted, day.rows_expected, day.is_full) == (200, 200, True)

    def test_the_same_id_at_the_same_time_with_other_content_is_still_nobody_s_word(self) -> None:
        ms = round(DAY.timestamp() * 1000)
        lines = [f"1,10.5,1,1,1,{ms},true", f"1,11.5,1,1,1,{ms},true", f"2,11.5,1,2,2,{ms + 1},true"]
        batch = check(lines, "um", "aggTrades")
        assert (batch.rows_accepted, batch.rejects) == (1, {"conflicting-duplicate": 2})


def test_an_archive_that_a_mirror_alone_knows_is_flagged() -> None:
    data = csv_of(["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"])
    file = replace(file_of(data, "future", "trades", source="ftx", symbol="TRUMP", end="csv"), is_unusual=True)
    us = round(DAY.timestamp() * 1_000_000)
    lines = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount", f"ftx,TRUMP,{us},{us},1,buy,0.5,10"]
    body = csv_of(lines)
    batch = validate(parse_archive(body, replace(file, sha256=hashlib.sha256(body).hexdigest())))
    assert (batch.rows_accepted, batch.flags, batch.rows_flagged) == (1, {"unusual-key": 1}, 1)


class TestAFormatThatChanged:
    """A day whose file has one column more was unreadable, and the run ended as if all were well."""

    def test_a_new_column_is_an_alarm(self) -> None:
        batch = check(["open_time,open,high,low,close,volume,more", "1,2,3,4,5,6,7"], "um", "klines")
        assert find_alarm(batch, 0.05).startswith("header-unknown: expected open_time")
        assert find_alarm(batch, 0.05).endswith("; has the format changed?")

    def test_what_the_publisher_broke_is_none(self) -> None:
        data = b"<html>404</html>"
        batch = validate(parse_archive(data, file_of(data, "um", "klines")))
        assert batch.defect is not None
        assert find_alarm(batch, 0.05) == ""
