"""Decimals of the text: every digit kept, nothing rounded, and what does not fit is quarantined."""

from __future__ import annotations

from decimal import Decimal, localcontext

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_archives import agg_trade, agg_trades_archive, kline, klines_archive
from table_samples import source_file, spec_of

from lakehouse_sdk.tables import parse_archive, validate
from lakehouse_sdk.tables.layout.decimals import exact_layout, exact_types, to_decimals, to_floats
from lakehouse_sdk.tables.layout.schemas import LAYOUTS
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, SampleType, make_sample

AMOUNT = pl.Decimal(28, 10)

_plain = st.decimals(min_value="-99999999999", max_value="99999999999", places=12, allow_nan=False).map(
    lambda number: f"{number:f}"
)
_scientific = st.tuples(st.integers(-(10**12), 10**12), st.integers(-20, 12), st.sampled_from("eE")).map(
    lambda parts: f"{parts[0]}{parts[2]}{parts[1]}"
)
_padded = st.tuples(_plain, st.integers(0, 20)).map(lambda parts: parts[0] + "0" * parts[1])


@given(texts=st.lists(st.one_of(_plain, _scientific, _padded, st.none()), max_size=20))
def test_a_decimal_is_what_the_text_says_or_nothing(texts: list[str | None]) -> None:
    found = to_decimals(pl.Series("x", texts, dtype=pl.String), AMOUNT)
    assert found.dtype == AMOUNT
    for text, number in zip(texts, found, strict=True):
        with localcontext(prec=80):
            said = None if text is None else Decimal(text)
            fits = said is not None and said == round(said, 10) and abs(said) < 10**18
        assert number == (said if fits else None), text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (".5", "0.5"),
        ("5.", "5"),
        ("+7", "7"),
        (" 4 ", "4"),
        ("-0.0000000001", "-0.0000000001"),
        ("007.50", "7.5"),
        ("1E3", "1000"),
    ],
)
def test_every_spelling_of_a_number_is_read(text: str, number: str) -> None:
    assert to_decimals(pl.Series([text]), AMOUNT).to_list() == [Decimal(number)]


@pytest.mark.parametrize("text", ["", "x", "1e", "nan", "inf", "0.12345678901", "1e-11", "1e18", "1000000000000000000"])
def test_what_a_decimal_cannot_hold_is_null(text: str) -> None:
    assert to_decimals(pl.Series([text]), AMOUNT).to_list() == [None]


@given(texts=st.lists(_plain, min_size=1, max_size=50))
def test_decimals_become_the_float_that_the_text_is(texts: list[str]) -> None:
    rows = pa.table({"x": to_decimals(pl.Series([text[:-2] for text in texts]), AMOUNT).to_arrow(), "n": [1] * len(texts)})
    assert to_floats(rows)["x"].to_pylist() == [float(text[:-2]) for text in texts]
    assert to_floats(rows).schema == pa.schema([("x", pa.float64()), ("n", pa.int64())])


@pytest.mark.parametrize("kind", SAMPLE_TYPES, ids=lambda kind: kind.id)
def test_every_format_is_read_exactly(kind: SampleType) -> None:
    """Each number is the text of its cell, and the rest of the row is as without decimals."""
    sample = make_sample(kind, 40)
    data = sample.pack()
    plain = validate(parse_archive(data, source_file(sample, data)))
    exact = validate(parse_archive(data, source_file(sample, data), exact=True))
    names = set(exact_types(parse_archive(data, source_file(sample, data), exact=True).spec)) & set(plain.accepted.column_names)
    assert exact.rows_accepted == plain.rows_accepted == len(sample.rows)
    assert exact.accepted.column_names == plain.accepted.column_names
    for name in plain.accepted.column_names:
        one, other = plain.accepted[name], exact.accepted[name]
        if name not in names:
            assert one.equals(other), name
            continue
        assert pa.types.is_decimal(other.type), name
        assert to_floats(pa.table({name: other}))[name].to_pylist() == one.to_pylist(), name
        assert [None if value is None else Decimal(repr(value)) for value in one.to_pylist()] == other.to_pylist(), name
    assert not spec_of(sample).exact


def test_a_number_beyond_the_scale_is_quarantined_and_not_rounded() -> None:
    lines = [kline(0), kline(1, volume="4.12345678901"), kline(2, volume="4.50000000000000000"), kline(3)]
    batch = validate(parse_archive(*klines_archive(lines), exact=True))
    assert (batch.rows_accepted, batch.rejects) == (3, {"exact-scale": 1})
    (row,) = batch.quarantined.to_dicts()
    assert row["line"] == 2
    assert "4.12345678901" in row["text"]
    assert validate(parse_archive(*klines_archive(lines))).rows_accepted == 4


def test_rows_that_differ_beyond_float64_are_no_repetition() -> None:
    digits = ("123456789012.1234567890", "123456789012.1234567891")
    lines = [agg_trade(1, price=digits[0]), agg_trade(1, price=digits[1]), agg_trade(2), agg_trade(2)]
    batch = validate(parse_archive(*agg_trades_archive(lines), exact=True))
    assert (batch.rows_duplicate, batch.rejects) == (1, {"conflicting-duplicate": 2})
    assert validate(parse_archive(*agg_trades_archive(lines))).rows_duplicate == 2


def test_a_file_in_trouble_is_read_exactly_too() -> None:
    lines = [
        agg_trade(0, price="0.1234567891"),
        "garbage",
        agg_trade(2, price=" 7.25"),
        agg_trade(3, price="1e-3"),
        agg_trade(4, price="x"),
    ]
    batch = validate(parse_archive(*agg_trades_archive(lines), exact=True))
    assert batch.accepted["price"].to_pylist() == [Decimal("0.1234567891"), Decimal("7.25"), Decimal("0.001")]
    assert batch.rejects == {"column-count": 1, "number": 1}


def test_an_archive_without_rows_has_the_columns() -> None:
    batch = validate(parse_archive(*agg_trades_archive([]), exact=True))
    assert pa.types.is_decimal(batch.accepted.schema.field("price").type)


def test_ratios_have_room_for_their_digits_and_what_is_derived_stays_a_float() -> None:
    metrics = {field.name: str(field.field_type) for field in exact_layout(LAYOUTS["silver.metrics"]).schema.fields}
    assert metrics["sum_open_interest"] == "decimal(28, 10)"
    assert metrics["count_long_short_ratio"] == "decimal(38, 18)"
    trades = {field.name: str(field.field_type) for field in exact_layout(LAYOUTS["silver.agg_trades"]).schema.fields}
    assert (trades["price"], trades["notional"]) == ("decimal(28, 10)", "double")
    assert str(LAYOUTS["silver.agg_trades"].schema.find_field("price").field_type) == "double"
