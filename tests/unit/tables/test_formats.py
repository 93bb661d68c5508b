"""Every format against generated files: what is written is read back, and each malformed file comes to a named outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from table_samples import check, get_cell, neutral, source_file, spec_of, with_cell

from lakehouse_sdk.archives.binance import layout as binance_layout
from lakehouse_sdk.archives.coinbase import candles, trades
from lakehouse_sdk.archives.coinbase import layout as coinbase_layout
from lakehouse_sdk.archives.coinbase.content import encode_csv
from lakehouse_sdk.archives.ftx import layout as ftx_layout
from lakehouse_sdk.tables import CheckedBatch, get_format, parse_archive, validate
from lakehouse_sdk.tables.judge.rules import RULES
from lakehouse_sdk.tables.layout.formats import DATA_TABLES, FORMATS, Kind, find_format
from lakehouse_sdk.tables.layout.schemas import LAYOUTS
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, Sample, SampleType, make_sample

ROWS = 24
every_type = pytest.mark.parametrize("type_", SAMPLE_TYPES, ids=lambda type_: type_.id)


def assert_truth(sample: Sample, batch: CheckedBatch) -> None:
    """Accepted rows are the sample's, value by value; what the truth does not name is null or the archive's."""
    rows = batch.accepted.to_pylist()
    assert len(rows) == len(sample.rows)
    constants = {"source", "market", "symbol", "interval", "_source_key", "_source_sha256"}
    for row, expected in zip(rows, sample.rows, strict=True):
        assert {name: value for name, value in row.items() if name not in constants} == expected.truth


@every_type
@pytest.mark.parametrize("rows", [1, 400])
def test_what_is_written_is_read_back(type_: SampleType, rows: int) -> None:
    sample = make_sample(type_, rows)
    batch = check(sample)
    assert (batch.defect, batch.has_header) == (None, sample.is_headed and sample.header is not None)
    assert_truth(sample, batch)


@every_type
def test_clean_files_lose_no_row_and_raise_hardly_a_flag(type_: SampleType) -> None:
    batch = check(make_sample(type_, 3000, seed=7))
    assert (batch.rows_quarantined, batch.rows_duplicate) == (0, 0)
    assert sum(batch.flags.values()) <= batch.rows_in / 1000, batch.flags


@every_type
def test_accepted_columns_are_those_of_the_table(type_: SampleType) -> None:
    sample = make_sample(type_, ROWS)
    fields = LAYOUTS[spec_of(sample).table].schema.fields
    batch = check(sample)
    assert set(batch.accepted.column_names) <= {field.name for field in fields}
    required = {field.name for field in fields if field.required} - {"_ingested_at"}
    assert required <= set(batch.accepted.column_names)
    assert not any(batch.accepted[name].null_count for name in required)


def test_spot_counts_microseconds_since_2025() -> None:
    for type_ in SAMPLE_TYPES:
        if (type_.source, type_.market) == ("binance", "spot"):
            sample = make_sample(type_, ROWS, start=datetime(2025, 1, 1, tzinfo=UTC))
            batch = check(sample)
            assert batch.time_unit == "us"
            assert_truth(sample, batch)


def test_the_registry_is_complete_and_consistent() -> None:
    covered = {(type_.source, type_.market, type_.data_type) for type_ in SAMPLE_TYPES}
    known = {(spec.source, spec.market, spec.data_type) for spec in FORMATS}
    assert len(known) == len(FORMATS)
    assert {spec for spec in known - covered if spec[0] != "ftx"} == set(), "ftx has the same files for each market"
    assert covered <= known
    assert {spec.table for spec in FORMATS} == DATA_TABLES == set(RULES)
    assert set(LAYOUTS) > DATA_TABLES
    for spec in FORMATS:
        for form in (spec, *spec.alternatives):
            assert (form.table, form.row_time, form.natural_key) == (spec.table, spec.row_time, spec.natural_key)
            stored = {column.name for column in form.columns if column.is_stored}
            assert {form.row_time, *form.natural_key} <= stored <= set(LAYOUTS[form.table].schema.column_names)
            assert not {form.row_time, *form.natural_key} & set(form.optional)
            assert all(column.kind in {Kind.FLOAT, Kind.INTEGER} for column in form.columns if column.optional)


def test_every_column_says_what_it_means() -> None:
    for layout in LAYOUTS.values():
        for field in layout.schema.fields:
            assert field.doc, (layout.name, field.name)


class Case(NamedTuple):
    """A malformed file: how it is made, and what becomes of it."""

    make: Callable[[Sample], bytes]
    accepted: int = ROWS
    duplicates: int = 0
    rejects: dict[str, int] = {}  # noqa: RUF012 (never changed)
    same: bool = True
    """True where the accepted rows are exactly those of the clean file."""
    suits: Callable[[Sample], bool] = lambda sample: True


def _edit(sample: Sample, name: str, text: str) -> bytes:
    """The file with another text in a cell of its third line."""
    lines = sample.lines
    return sample.text([*lines[:2], with_cell(sample, lines[2], name, text), *lines[3:]])


def _number(text: str) -> Callable[[Sample], bytes]:
    return lambda sample: _edit(sample, neutral(sample)[0], text)


def _conflict(sample: Sample) -> bytes:
    return sample.text([*sample.lines, with_cell(sample, sample.lines[2], *neutral(sample))])


def _shorter(sample: Sample) -> bytes:
    lines = sample.lines
    is_json = sample.header is None
    short = json.dumps(dict(list(json.loads(lines[2]).items())[:-1])) if is_json else lines[2].rpartition(",")[0]
    return sample.text([*lines[:2], short, *lines[3:]])


def _longer(sample: Sample) -> bytes:
    lines = sample.lines
    longer = f'{lines[2][:-1]}, "new": 7}}' if sample.header is None else f"{lines[2]},7"
    return sample.text([*lines[:2], longer, *lines[3:]])


def _header(change: Callable[[list[str]], list[str]]) -> Callable[[Sample], bytes]:
    def make(sample: Sample) -> bytes:
        if sample.header is None:
            renamed = [json.loads(line) for line in sample.lines]
            keys = change(list(renamed[0]))
            return sample.text(json.dumps({key: record.get(key, 0) for key in keys}) for record in renamed)
        return replace(sample, header=",".join(change(sample.header.split(",")))).text(headed=True)

    return make


def _units(sample: Sample) -> bytes:
    """The second half of the file in thousandths of its unit."""
    columns = spec_of(sample).columns
    names = [
        name for name, column in zip((sample.header or "").split(","), columns, strict=True) if column.kind is Kind.INSTANT
    ]
    lines = sample.lines
    for number in range(ROWS // 2, ROWS):
        for name in names:
            lines[number] = with_cell(sample, lines[number], name, get_cell(sample, lines[number], name) + "000")
    return sample.text(lines)


def _truths(sample: Sample) -> bytes:
    name = "is_buyer_maker"
    words = (str.upper, str.lower, str.title)
    return sample.text(
        with_cell(sample, line, name, words[number % 3](get_cell(sample, line, name)))
        for number, line in enumerate(sample.lines)
    )


def _scientific(sample: Sample) -> bytes:
    name, _ = neutral(sample)
    text = get_cell(sample, sample.lines[2], name)
    return _edit(sample, name, f"{Decimal(text):E}" if text else text)


def _is_optional(sample: Sample) -> bool:
    return sample.data_type in {"EOHSummary", "bookTicker"}


def _is_csv(sample: Sample) -> bool:
    return sample.header is not None


def _counts_milliseconds(sample: Sample) -> bool:
    """True where the time is a number, and one that can be multiplied by a thousand."""
    spec = spec_of(sample)
    return _is_csv(sample) and spec.row_time in spec.names(Kind.INSTANT) and (spec.source, spec.data_type) != ("ftx", "trades")


def _has_conflicts(sample: Sample) -> bool:
    return sample.data_type != "liquidationSnapshot"  # all of it is the key


ONE_BAD = {"accepted": ROWS - 1, "same": False}
CASES = {
    "byte order mark": Case(lambda s: b"\xef\xbb\xbf" + s.text()),
    "CRLF": Case(lambda s: s.text(newline="\r\n")),
    "no last newline": Case(lambda s: s.text().removesuffix(b"\n")),
    "blank lines": Case(lambda s: s.text(part for line in s.lines for part in (line, "", " \t"))),
    "blank lines first": Case(lambda s: b"\n \n" + s.text()),
    "header": Case(lambda s: s.text(headed=True), suits=_is_csv),
    "no header": Case(lambda s: s.text(headed=False), suits=_is_csv),
    "header only": Case(lambda s: s.text([], headed=True), 0, same=False),
    "empty": Case(lambda s: b"", 0, same=False),
    "only a byte order mark": Case(lambda s: b"\xef\xbb\xbf", 0, same=False),
    "one row": Case(lambda s: s.text(s.lines[:1]), 1, same=False),
    "reversed": Case(lambda s: s.text(s.lines[::-1])),
    "doubled": Case(lambda s: s.text(line for line in s.lines for _ in range(2)), duplicates=ROWS),
    "repeated": Case(lambda s: s.text([*s.lines, *s.lines]), duplicates=ROWS),
    "conflicting duplicate": Case(_conflict, rejects={"conflicting-duplicate": 2}, suits=_has_conflicts, **ONE_BAD),
    "conflict in a key of all columns": Case(_conflict, ROWS + 1, same=False, suits=lambda s: not _has_conflicts(s)),
    "too few fields": Case(_shorter, rejects={"column-count": 1}, **ONE_BAD),
    "too many fields": Case(_longer, rejects={"column-count": 1}, **ONE_BAD),
    "no line": Case(lambda s: s.text([*s.lines, "what is this"]), rejects={"column-count": 1}),
    "nan": Case(_number("NaN"), rejects={"number": 1}, **ONE_BAD),
    "inf": Case(_number("inf"), rejects={"number": 1}, suits=_is_csv, **ONE_BAD),
    "infinity": Case(_number("-Infinity"), rejects={"number": 1}, **ONE_BAD),
    "word for a number": Case(_number("n/a"), rejects={"number": 1}, suits=_is_csv, **ONE_BAD),
    "empty number": Case(_number(""), rejects={"number": 1}, suits=lambda s: _is_csv(s) and not _is_optional(s), **ONE_BAD),
    "null": Case(_number("null"), rejects={"number": 1}, suits=lambda s: not _is_csv(s), **ONE_BAD),
    "empty optional number": Case(_number(""), same=False, suits=_is_optional),
    "mixed units": Case(_units, suits=_counts_milliseconds),
    "truth values": Case(_truths, suits=lambda s: "is_buyer_maker" in (s.header or "")),
    "scientific notation": Case(_scientific),
}


@pytest.mark.parametrize(
    ("type_", "case"),
    [
        pytest.param(type_, case, id=f"{type_.id}-{name}")
        for type_ in SAMPLE_TYPES
        for name, case in CASES.items()
        if case.suits(make_sample(type_, 1))
    ],
)
def test_malformed_files(type_: SampleType, case: Case) -> None:
    sample = make_sample(type_, ROWS)
    batch = check(sample, case.make(sample))
    assert batch.defect is None
    found = (batch.rows_accepted, batch.rows_duplicate, batch.rejects)
    assert found == (case.accepted, case.duplicates, case.rejects)
    if case.same:
        assert_truth(sample, batch)


@every_type
@pytest.mark.parametrize(
    "change",
    [
        lambda names: [*names, "new"],
        lambda names: names[:-1],
        lambda names: [*names[:-1], "renamed"],
        lambda names: [names[0], "new", *names[2:]],
    ],
    ids=["new column", "missing column", "renamed column", "replaced column"],
)
def test_other_columns_are_a_named_defect(type_: SampleType, change: Callable[[list[str]], list[str]]) -> None:
    sample = make_sample(type_, ROWS)
    batch = check(sample, _header(change)(sample))
    assert batch.defect is not None
    assert (batch.defect.reason, batch.rows_in) == ("header-unknown", 0)


@every_type
def test_rows_outside_the_period_are_rejected(type_: SampleType) -> None:
    sample = make_sample(type_, ROWS)
    later = timedelta(days=60)
    moved = replace(sample, period_start=sample.period_start - later, period_end=sample.period_end - later)
    batch = check(moved)
    assert batch.rejects == {"outside-period": ROWS}


def test_metrics_may_hold_the_midnight_that_ends_their_day() -> None:
    (type_,) = (type_ for type_ in SAMPLE_TYPES if (type_.market, type_.data_type) == ("um", "metrics"))
    sample = make_sample(type_, 288)
    batch = check(sample)
    assert (batch.rows_accepted, batch.last_time) == (288, sample.period_end)
    assert batch.scope.period_end > sample.period_end >= batch.file.period_end
    after = with_cell(sample, sample.lines[0], "create_time", f"{sample.period_end + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}")
    assert check(sample, sample.text([*sample.lines, after])).rejects == {"outside-period": 1}


def test_columns_that_repeat_the_archive_must_agree_with_it() -> None:
    for type_ in SAMPLE_TYPES:
        sample = make_sample(type_, ROWS)
        if spec_of(sample).repeated:
            data = sample.pack()
            other = replace(sample, symbol="OTHER-PERP")
            assert check(other).rejects == {"other-archive": ROWS}, type_.id
            assert parse_archive(data, source_file(sample, data)).rows.height == ROWS


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2024-03-01 00:00:30", 30_000_000),
        ("2024-03-01T00:00:30", 30_000_000),
        ("2024-03-01T00:00:30Z", 30_000_000),
        ("2024-03-01T00:00:30+00:00", 30_000_000),
        ("2024-03-01T00:00:30.5Z", 30_500_000),
        ("2024-03-01T00:00:30.123456Z", 30_123_456),
        ("2024-03-01T00:00:30.123456000+00:00", 30_123_456),
        (" 2024-03-01 00:00:30 ", 30_000_000),
        ("2024-03-01T00:00:30.1234567Z", 30_123_456),
        ("2024-03-01T00:00:30+01:00", None),
        ("2024-02-30 00:00:00", None),
        ("2024-03-01 24:00:00", None),
        ("2024-03-01 00:00:60", None),
        ("2024-3-1 00:00:00", None),
        ("1709251230000", None),
        ("1969-12-31 23:59:59", None),
        ("", None),
    ],
)
def test_spellings_of_a_text_time(text: str, microseconds: int | None) -> None:
    (type_,) = (type_ for type_ in SAMPLE_TYPES if (type_.source, type_.data_type) == ("coinbase", "trades"))
    sample = make_sample(type_, 1)
    batch = check(sample, sample.text([with_cell(sample, sample.lines[0], "time", text)]))
    if microseconds is None:
        assert batch.rejects == {"number": 1}
    else:
        assert batch.accepted["trade_time"].to_pylist() == [sample.period_start + timedelta(microseconds=microseconds)]


def test_every_published_data_type_of_binance_and_coinbase_has_a_format() -> None:
    for source, datasets in (("binance", binance_layout.DATASETS), ("coinbase", coinbase_layout.DATASETS)):
        for dataset in datasets:
            assert find_format(source, dataset.market, dataset.data_type) is not None, dataset


def test_every_form_of_an_ftx_mirror_has_its_columns() -> None:
    """Quotes, books, tickers and liquidations are the vendor's own and have no table."""
    for layout, content in (("native-json", "json"), ("ohlcv-csv", "csv")):
        for dataset in ftx_layout.DATASETS[layout]:
            spec = get_format("ftx", dataset.market, dataset.data_type).for_key(f"x{ftx_layout.SUFFIXES[layout]}")
            assert spec.content == content
    for market in ("spot", "perp", "future", "move"):
        assert get_format("ftx", market, "trades").for_key(f"x{ftx_layout.SUFFIXES['tardis']}").content == "csv"


def test_what_the_coinbase_connector_writes_is_what_is_read() -> None:
    lines = {candles.HEADER: "1709251200000,1.5,2,1,1.75,3.25", trades.HEADER: "7,2024-03-01T00:00:01.5Z,1.5,2.25,sell"}
    for type_ in SAMPLE_TYPES:
        if type_.source == "coinbase":
            sample = make_sample(type_, 1)
            header = candles.HEADER if type_.data_type == "candles" else trades.HEADER
            assert sample.header == header
            data = encode_csv(header, [lines[header]])
            rows = validate(parse_archive(data, source_file(sample, data))).accepted.to_pylist()
            assert [row.get("volume", row.get("quantity")) for row in rows] == [3.25 if header == candles.HEADER else 2.25]


def test_a_symbol_with_a_slash_is_that_of_the_file_name() -> None:
    (type_,) = (t for t in SAMPLE_TYPES if (t.source, t.data_type, t.suffix) == ("ftx", "trades", ".csv.gz"))
    sample = replace(make_sample(type_, 3), market="spot", symbol="BTC-USD")
    assert check(sample, sample.text(line.replace("BTC-PERP", "BTC/USD") for line in sample.lines)).rows_accepted == 3


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"future": "\\ud800", "rate": 1e-5, "time": "2024-03-01T01:00:00+00:00"}', "other-archive"),
        ('{"future": "BTC-PERP", "rate": 1e-5, "time": "\\udfff"}', "number"),
        ('{"future": "BTC-PERP", "rate": [1], "time": "2024-03-01T01:00:00+00:00"}', "number"),
        ('{"future": "BTC-PERP", "rate": {"a": 1}, "time": "2024-03-01T01:00:00+00:00"}', "number"),
        ('{"future": "BTC-PERP", "rate": true, "time": "2024-03-01T01:00:00+00:00"}', "number"),
        ('{"future": null, "rate": 1, "time": "2024-03-01T01:00:00+00:00"}', "number"),
        ('{"future": "BTC-PERP", "rate": 1, "rate": 2, "time": "2024-03-01T01:00:00+00:00"}', "column-count"),
        ('["BTC-PERP", 1, "2024-03-01T01:00:00+00:00"]', "column-count"),
        ("7", "column-count"),
        ("[" * 5000, "column-count"),
        ('{"future": "BTC-PERP", "rate": 1, "time": "2024-03-01T01:00:00+00:00"} {}', "column-count"),
    ],
)
def test_lines_that_are_no_object_of_the_format(line: str, rule: str) -> None:
    (type_,) = (type_ for type_ in SAMPLE_TYPES if type_.data_type == "funding")
    sample = make_sample(type_, 1)
    assert check(sample, sample.text([*sample.lines, line])).rejects == {rule: 1}


@pytest.mark.parametrize("line", ['{"\\ud800": 1}', "{}", '{"future": "BTC-PERP", "rate": 1}'])
def test_a_first_object_with_other_keys_is_a_defect_that_can_be_written_down(line: str) -> None:
    (type_,) = (type_ for type_ in SAMPLE_TYPES if type_.data_type == "funding")
    defect = check(make_sample(type_, 1), line.encode()).defect
    assert defect is not None
    assert (defect.reason, defect.detail.encode() != b"") == ("header-unknown", True)


def test_numbers_of_json_may_stand_in_quotes() -> None:
    (type_,) = (type_ for type_ in SAMPLE_TYPES if type_.data_type == "funding")
    sample = make_sample(type_, 3)
    quoted = [with_cell(sample, line, "rate", f'"{get_cell(sample, line, "rate")}"') for line in sample.lines]
    assert_truth(sample, check(sample, sample.text(quoted)))
