"""Large archives in parts: the outcome is that of reading them whole, whatever is wrong in them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables import CheckedBatch, SourceFile, check_archives, parse_archive, validate
from lakehouse_sdk.tables.judge import container, large, many
from lakehouse_sdk.tables.judge.validation import judge_rows

START, END = datetime(2023, 2, 1, tzinfo=UTC), datetime(2023, 3, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000
MOST = 2**30
LIMITS = QualitySettings()


def make(lines: list[str], data_type: str = "aggTrades", end: str = "\n") -> tuple[bytes, SourceFile]:
    stem = f"BTCUSDT-{data_type}-2023-02"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # stored: so pieces are as small as the test wants them
        archive.writestr(f"{stem}.csv", "".join(line + end for line in lines))
    data = packed.getvalue()
    key = f"data/futures/um/monthly/{data_type}/BTCUSDT/{stem}.zip"
    sha256 = hashlib.sha256(data).hexdigest()
    return data, SourceFile("binance", "um", data_type, "BTCUSDT", None, START, END, key, sha256, "BTC/USDT:USDT")


def agg_trade(number: int, ms: int, price: str = "23000.10", side: str = "true") -> str:
    return f"{number},{price},0.005,{2 * number},{2 * number + 1},{ms},{side}"


def trade(number: int, ms: int, price: str = "23000.10", side: str = "true") -> str:
    return f"{number},{price},0.5,11500.05,{ms},{side}"


def check_parts(data: bytes, file: SourceFile, piece_bytes: int, *, exact: bool = False) -> tuple[CheckedBatch | None, int]:
    """The outcome, and in how many parts it was judged."""
    with (
        patch.object(container, "PIECE_BYTES", piece_bytes),
        patch("lakehouse_sdk.tables.judge.large.judge_rows", wraps=judge_rows) as judging,
    ):
        return large.check_large(data, file, LIMITS, max_bytes=MOST, exact=exact), judging.call_count


def assert_same(parts: CheckedBatch, whole: CheckedBatch) -> None:
    for field in fields(CheckedBatch):
        mine, theirs = getattr(parts, field.name), getattr(whole, field.name)
        if field.name == "accepted":
            assert mine.schema == theirs.schema
            mine, theirs = mine.to_pylist(), theirs.to_pylist()
        if isinstance(mine, pl.DataFrame):
            assert mine.schema == theirs.schema
            mine, theirs = mine.rows(), theirs.rows()
        assert mine == theirs, field.name


@dataclass(frozen=True)
class _Row:
    wait_ms: int
    more: int
    fault: str


FAULTS = ("", "no row", "no number", "price", "again", "conflict", "swap", "blank", "long", "outside", "late", "restart")
DAYS = st.sampled_from([1, 500, HOUR_MS, 7 * HOUR_MS, 30 * HOUR_MS])


def write_rows(rows: list[_Row], line: Callable[..., str]) -> list[str]:
    number, ms, lines = 1_000_000, START_MS, []
    for row in rows:
        number, ms = number + row.more, ms + row.wait_ms
        good = line(number, ms)
        lines += {
            "no row": ["x,y"],
            "no number": [line(number, ms, "1.2.3")],
            "price": [line(number, ms, "0")],
            "again": [good, good],
            "conflict": [good, line(number, ms, "1.5")],
            "swap": [line(number + 1, ms + 1), good],
            "blank": ["", good],
            "long": [line(number, ms, "23000.12345678901234567")],
            "outside": [line(number, START_MS - HOUR_MS), good],
            "late": [line(number, ms - 2 * HOUR_MS), good],
            "restart": [line(number - 500_000, ms)],
        }.get(row.fault, [good])
        number += 1 if row.fault == "swap" else 0
    return lines


@given(
    st.lists(st.builds(_Row, DAYS, st.sampled_from([1, 1, 1, 2, 50]), st.sampled_from([*[""] * 20, *FAULTS])), max_size=40),
    st.sampled_from([("aggTrades", agg_trade), ("trades", trade)]),
    st.sampled_from([60, 150, 400]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_parts_say_what_the_whole_says(
    rows: list[_Row], kind: tuple[str, Callable[..., str]], piece_bytes: int, end: str, exact: bool
) -> None:
    data_type, line = kind
    data, file = make(write_rows(rows, line), data_type, end)
    parts, count = check_parts(data, file, piece_bytes, exact=exact)
    if parts is None:
        event("left to the whole")
        assert {row.fault for row in rows} & {"swap", "outside", "late", "restart"}
        return
    event(f"{min(count, 3)} parts")
    assert_same(parts, validate(parse_archive(data, file, exact=exact), LIMITS))


def _three_days() -> list[str]:
    return [agg_trade(100 + i, START_MS + i * HOUR_MS) for i in range(72)]


def test_a_month_is_judged_day_by_day() -> None:
    data, file = make(["agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker", *_three_days()])
    parts, count = check_parts(data, file, 200)
    assert parts is not None
    assert count == 3
    assert parts.has_header
    assert [day.rows_accepted for day in parts.days][:4] == [24, 24, 24, 0]
    assert_same(parts, validate(parse_archive(data, file), LIMITS))


def test_neighbours_are_judged_across_the_cut() -> None:
    lines = _three_days()
    del lines[24]  # the first of the second day: its id lacks between the days
    data, file = make(lines)
    parts, _ = check_parts(data, file, 200)
    assert parts is not None
    assert parts.flags["agg-id-gap"] == 1


def test_a_cut_archive_is_refused_whole() -> None:
    data, file = make(_three_days())
    broken = data.replace(b"23000.10,0.005,200,", b"23000.11,0.005,200,", 1)
    parts, _ = check_parts(broken, replace(file, sha256=hashlib.sha256(broken).hexdigest()), 200)
    assert parts is not None
    assert parts.defect is not None
    assert parts.defect.reason == "zip-unreadable"
    assert parts.rows_in == 0


def test_an_unknown_header_is_a_defect() -> None:
    data, file = make(["agg_trade_id,price,size", *_three_days()])
    parts, _ = check_parts(data, file, 200)
    assert parts is not None
    assert_same(parts, validate(parse_archive(data, file), LIMITS))
    assert parts.defect is not None


@pytest.mark.parametrize("spoil", ["day", "klines", "overlap"])
def test_what_cannot_be_cut_is_left_to_the_whole(spoil: str) -> None:
    lines = _three_days()
    if spoil == "overlap":
        lines.append(agg_trade(500, START_MS + HOUR_MS))
    data, file = make(lines)
    if spoil == "day":
        file = replace(file, period_end=datetime(2023, 2, 2, tzinfo=UTC))
    if spoil == "klines":
        file = replace(file, data_type="klines", interval="1m")
    assert check_parts(data, file, 200)[0] is None


def test_size_decides_how_an_archive_is_read() -> None:
    data, file = make(_three_days())
    (whole,) = check_archives([(data, file)], LIMITS)
    with patch.object(many, "LARGE_BYTES", len(data)), patch.object(many, "validate") as validating:
        (batch,) = check_archives([(data, file)], LIMITS)
    assert not validating.called
    assert_same(batch, whole)


@pytest.mark.parametrize("places", [(0,), (30,), (40, 41), (0, 71), (30, 50, 71)])
@pytest.mark.parametrize("fault", ["price", "line", "conflict"])
def test_bad_rows_of_any_piece_are_told(places: tuple[int, ...], fault: str) -> None:
    """Where the first of them came in a later piece, making the text of the reasons aborted the build (polars 2.1)."""
    lines = _three_days()
    rule = {"price": "price-positive", "line": "column-count", "conflict": "conflicting-duplicate"}[fault]
    for place in reversed(places):
        number, ms = 100 + place, START_MS + place * HOUR_MS
        lines[place : place + 1] = {
            "price": [agg_trade(number, ms, "0")],
            "line": ["x,y"],
            "conflict": [agg_trade(number, ms), agg_trade(number, ms, "1.5")],
        }[fault]
    data, file = make(lines)
    with patch.object(container, "PIECE_BYTES", 200):
        batch = validate(parse_archive(data, file), LIMITS)
    assert batch.rejects == {rule: len(places) * (2 if fault == "conflict" else 1)}
    assert batch.quarantined["text"].to_list() == [lines[line - 1] for line in batch.quarantined["line"]]


def test_without_temporary_space_it_is_judged_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    data, file = make(_three_days())
    assert check_parts(data, file, 200)[0] is None


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data, file = make(_three_days())
    parts, _ = check_parts(data, file, 200)
    assert parts is not None
    assert not list(tmp_path.iterdir())
    assert parts.accepted["agg_trade_id"].to_pylist() == list(range(100, 172))
