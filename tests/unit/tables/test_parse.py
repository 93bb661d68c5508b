"""Published bytes to rows: every spelling that occurs, and every malformed line by its number."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from table_archives import (
    AGG_TRADE_HEADER,
    DAY,
    KLINE_HEADER,
    agg_trade,
    agg_trades_archive,
    csv_of,
    epoch_ms,
    kline,
    kline_file,
    klines_archive,
)

from lakehouse_sdk.errors import IntegrityError, UsageError
from lakehouse_sdk.tables import ParsedArchive, SourceFile, get_format, parse_archive, validate
from lakehouse_sdk.tables.judge import container
from lakehouse_sdk.tables.judge import parse as parse_module
from lakehouse_sdk.tables.judge.lines import read_lines
from lakehouse_sdk.tables.layout.formats import FORMATS

GOOD = [kline(i) for i in range(5)]


def _klines(lines: list[str] | bytes, market: str = "spot") -> ParsedArchive:
    return parse_archive(*klines_archive(lines, market=market))


def _rejected(parsed: ParsedArchive) -> list[tuple[int, str, str]]:
    return [(line, rule, value) for line, rule, value, _ in parsed.rejected.iter_rows()]


def test_every_value_arrives_in_its_type() -> None:
    row = _klines(GOOD).rows.row(1, named=True)
    assert row == {
        "_line": 2,
        "open_time": DAY + timedelta(minutes=1),
        "open": 10.5,
        "high": 12.25,
        "low": 9.75,
        "close": 11.0,
        "volume": 4.5,
        "close_time": DAY + timedelta(seconds=119, milliseconds=999),
        "quote_volume": 47.25,
        "count": 3,
        "taker_buy_volume": 1.5,
        "taker_buy_quote_volume": 15.75,
    }


def test_the_column_without_meaning_is_dropped_whatever_it_holds() -> None:
    parsed = _klines([kline(0, ignore=""), kline(1, ignore="x"), kline(2, ignore="0.00000000")])
    assert parsed.rows.height == 3
    assert "ignore" not in parsed.rows.columns


@pytest.mark.parametrize("market", ["spot", "um"])
@pytest.mark.parametrize("header", [[], [KLINE_HEADER]], ids=["bare", "header"])
def test_a_header_is_found_in_each_file_by_itself(market: str, header: list[str]) -> None:
    parsed = _klines([*header, *GOOD], market)
    assert parsed.has_header is bool(header)
    assert parsed.rows["_line"].to_list() == [i + len(header) for i in range(1, 6)]


@pytest.mark.parametrize(
    "header",
    [AGG_TRADE_HEADER, AGG_TRADE_HEADER.upper(), AGG_TRADE_HEADER.replace("quantity", "qty"), f" {AGG_TRADE_HEADER} "],
)
def test_known_spellings_of_a_header(header: str) -> None:
    parsed = parse_archive(*agg_trades_archive([header, agg_trade(0)]))
    assert (parsed.has_header, parsed.rows.height, parsed.defect) == (True, 1, None)


@pytest.mark.parametrize(
    "header",
    [
        KLINE_HEADER.replace("open,high", "high,open"),
        f"{KLINE_HEADER},extra",
        KLINE_HEADER.replace("count", "trades"),
    ],
    ids=["other order", "new column", "renamed column"],
)
def test_a_header_with_other_columns_is_a_named_defect_and_nothing_is_guessed(header: str) -> None:
    parsed = _klines([header, *GOOD])
    assert parsed.defect is not None
    assert parsed.defect.reason == "header-unknown"
    assert parsed.rows_in == 0


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("header", [[], [KLINE_HEADER]])
def test_byte_order_mark_line_ends_and_missing_last_newline(newline: str, bom: bytes, ended: bool, header: list[str]) -> None:
    csv = csv_of([*header, *GOOD], newline)
    parsed = _klines(bom + (csv if ended else csv.removesuffix(newline.encode())))
    assert parsed.rows.height == 5
    assert parsed.rejected.is_empty()


def test_blank_lines_are_no_rows_and_line_numbers_stay_true() -> None:
    parsed = _klines(["", "  ", KLINE_HEADER, GOOD[0], "", GOOD[1], "\t", "", kline(2, open="x"), GOOD[3], ""])
    assert parsed.rows["_line"].to_list() == [4, 6, 10]
    assert _rejected(parsed) == [(9, "number", "open=x")]
    assert parsed.rows_in == 4


@pytest.mark.parametrize(
    "csv", [b"", b"\n\n", b"\xef\xbb\xbf", KLINE_HEADER.encode(), csv_of([KLINE_HEADER]), csv_of([KLINE_HEADER, "", ""])]
)
def test_a_file_without_rows_is_no_defect(csv: bytes) -> None:
    parsed = _klines(csv)
    assert (parsed.rows_in, parsed.defect, parsed.time_unit) == (0, None, None)
    assert parsed.rows.schema == _klines(GOOD).rows.schema


def test_one_row() -> None:
    assert _klines(GOOD[:1]).rows.height == 1


def test_seconds_are_told_by_magnitude_too() -> None:
    parsed = _klines([kline(i, open_time=epoch_ms(DAY) // 1000 + 60 * i) for i in range(3)])
    assert parsed.time_unit == "s"
    assert parsed.rows["open_time"].to_list() == [DAY + timedelta(minutes=i) for i in range(3)]


@pytest.mark.parametrize(("us", "unit"), [(False, "ms"), (True, "us")])
def test_the_unit_of_time_is_told_by_magnitude(us: bool, unit: str) -> None:
    parsed = _klines([kline(i, us=us) for i in range(3)])
    assert parsed.time_unit == unit
    assert parsed.rows["open_time"].to_list() == [DAY + timedelta(minutes=i) for i in range(3)]


def test_both_units_in_one_file() -> None:
    parsed = _klines([kline(0), kline(1, us=True), kline(2)])
    assert parsed.time_unit == "mixed"
    assert parsed.rows["open_time"].to_list() == [DAY + timedelta(minutes=i) for i in range(3)]


def test_microseconds_are_kept() -> None:
    time = epoch_ms(DAY) * 1000 + 62
    parsed = parse_archive(*agg_trades_archive([agg_trade(0, spot=True, transact_time=time)], market="spot"))
    assert parsed.rows["transact_time"][0] == DAY + timedelta(microseconds=62)
    assert parsed.rows.schema["transact_time"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("true", True), ("TRUE", True), ("False", False), ("fAlSe", False)]
)
def test_truth_values_in_any_case(text: str, value: bool) -> None:
    parsed = parse_archive(*agg_trades_archive([agg_trade(0), agg_trade(1, is_buyer_maker=text)]))
    assert parsed.rows["is_buyer_maker"].to_list() == [False, value]


@pytest.mark.parametrize("text", ["1e3", "1E+03", "+1000", "1000.", "0001000", " 1000", "1000 ", "1000.00000000"])
def test_spellings_of_a_number(text: str) -> None:
    assert _klines([kline(0, volume=text)]).rows["volume"].to_list() == [1000.0]


@pytest.mark.parametrize(
    "text",
    ["", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "x", "1_000", "1,5", "0x10", "1\0", "\u0661", "--1", "1e"],
)
@pytest.mark.parametrize("column", ["open", "count"])
def test_what_is_no_number_is_rejected_and_never_null(text: str, column: str) -> None:
    parsed = _klines([GOOD[0], kline(1, **{column: text}), GOOD[2]])
    assert parsed.rows["_line"].to_list() == [1, 3]
    ((line, rule, value),) = _rejected(parsed)
    assert (line, rule) == ((2, "column-count") if "," in text else (2, "number")), value


@pytest.mark.parametrize("text", ["1.69836E+12", "1.5", "9223372036854775808", "-1", "253402300800000000", "later"])
def test_what_is_no_instant_is_rejected(text: str) -> None:
    parsed = _klines([GOOD[0], kline(1, close_time=text)])
    assert _rejected(parsed) == [(2, "number", f"close_time={text}")]


@pytest.mark.parametrize("cut", [1, 5, 11, 13])
def test_rows_with_another_number_of_fields(cut: int) -> None:
    bad = ",".join((GOOD[1] + ",7").split(",")[:cut])
    for lines, line in (([bad, *GOOD], 1), ([*GOOD, bad], 6), ([*GOOD[:2], bad, *GOOD[2:]], 3)):
        parsed = _klines(lines)
        assert _rejected(parsed) == [(line, "column-count", f"{cut} fields")]
        assert parsed.rows.height == 5


def test_a_rejected_row_keeps_its_text() -> None:
    bad = kline(1, close="n/a")
    assert _klines(csv_of([GOOD[0], bad], "\r\n")).rejected["text"].to_list() == [bad]


def test_the_first_offending_field_is_named() -> None:
    parsed = _klines([kline(0, close="b", open="a")])
    assert _rejected(parsed) == [(1, "number", "open=a")]


def test_a_stray_quote_swallows_nothing() -> None:
    parsed = _klines([GOOD[0], kline(1, open='"10'), GOOD[2], kline(3, open='10"'), GOOD[4]])
    assert parsed.rows["_line"].to_list() == [1, 3, 5]


def test_bytes_that_are_not_utf8_reject_their_line_only() -> None:
    csv = csv_of(GOOD[:1]) + b"\xff\xfe,1,2\n" + csv_of(GOOD[1:])
    parsed = _klines(csv)
    assert (parsed.rows.height, [line for line, _, _ in _rejected(parsed)]) == (5, [2])


def test_a_file_of_nonsense_is_rejected_line_by_line() -> None:
    parsed = _klines(b"<html>\n<body>\nnot here\n")
    assert [rule for _, rule, _ in _rejected(parsed)] == ["column-count"] * 3


def test_old_mac_line_ends_are_one_long_line() -> None:
    parsed = _klines(csv_of(GOOD, "\r"))
    assert (parsed.rows_in, parsed.rows.height) == (1, 0)


def test_trouble_is_searched_in_slices_and_numbers_stay_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_module, "SLICE_BYTES", 300)
    lines = [kline(i) for i in range(40)]
    lines[7], lines[31] = "short", kline(31, low="?")
    lines.insert(20, "")
    parsed = _klines([KLINE_HEADER, *lines])
    assert [(line, rule) for line, rule, _ in _rejected(parsed)] == [(9, "column-count"), (34, "number")]
    assert parsed.rows["_line"].to_list() == [n for n in range(2, 43) if n not in {9, 22, 34}]


@pytest.mark.parametrize("size", [1, 40, 300, 5_000])
def test_the_pieces_in_which_a_file_comes_do_not_show(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    lines = [kline(i) for i in range(40)]
    lines[7], lines[31] = "short", kline(31, low="0")
    lines.insert(20, "")
    data, file = klines_archive(["", KLINE_HEADER, *lines])
    whole = validate(parse_archive(data, file))
    monkeypatch.setattr(container, "PIECE_BYTES", size)
    monkeypatch.setattr(container, "_PACKED_BYTES", 50)
    monkeypatch.setattr(parse_module, "_LARGE_BYTES", [0, 10**6][size % 2])
    pieces = validate(parse_archive(data, file))
    assert pieces.accepted.equals(whole.accepted)
    assert pieces.quarantined.rows() == whole.quarantined.rows()
    assert whole.quarantined["line"].to_list() == [10, 35]
    assert whole.quarantined["text"].to_list() == ["short", kline(31, low="0")]


def test_both_ways_of_reading_agree() -> None:
    """What the vectorised pass accepts, the line-exact one reads the same way."""
    spec = get_format("binance", "um", "aggTrades")
    prices = ["1", "1.5", "+2.5", ".5", "5.", "1e5", "1E-3", "-0", "007", " 3", "0.1", "123456789.123456789"]
    body = csv_of(agg_trade(i, price=price) for i, price in enumerate(prices))
    fast = parse_module.read_fast(body, 1, spec)
    slow, rejected = read_lines(body, 1, spec)
    assert fast is not None
    assert rejected.is_empty()
    assert fast.equals(slow)


def test_bytes_of_another_hash_are_refused() -> None:
    data, file = klines_archive(GOOD)
    with pytest.raises(IntegrityError, match=r"Collect it again\."):
        parse_archive(data + b"\0", file)


def test_an_unknown_format_names_the_known_ones() -> None:
    file = SourceFile("binance", "option", "klines", "X", None, DAY, DAY + timedelta(days=1), "k.zip", "0" * 64)
    with pytest.raises(UsageError, match=r"binance/option/klines.*binance/spot/klines"):
        parse_archive(b"", file)


def test_the_registry_is_consistent() -> None:
    keys = {(spec.source, spec.market, spec.data_type) for spec in FORMATS}
    assert len(keys) == len(FORMATS)
    for spec in FORMATS:
        assert {spec.row_time, *spec.natural_key} <= set(spec.kept)


def test_results_travel_between_processes() -> None:
    parsed = _klines([*GOOD, "bad"])
    again = pickle.loads(pickle.dumps(parsed))
    assert again.rows.equals(parsed.rows)
    assert (again.file, again.spec, again.rows_in) == (parsed.file, parsed.spec, parsed.rows_in)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC)),  # noqa: DTZ001 - that is the fault
        (DAY, DAY),
    ],
)
def test_a_source_file_has_a_period_in_utc(start: datetime, end: datetime) -> None:
    with pytest.raises(UsageError):
        SourceFile("binance", "spot", "klines", "X", "1m", start, end, "k.zip", "0" * 64)


def test_build_order_puts_archives_of_a_partition_side_by_side() -> None:
    files = [kline_file(b"", symbol, day) for symbol in "BA" for day in (DAY + timedelta(days=1), DAY)]
    ordered = sorted(files, key=lambda file: file.build_order)
    assert [(file.period_start, file.symbol) for file in ordered[:2]] == [(DAY, "A"), (DAY, "B")]
