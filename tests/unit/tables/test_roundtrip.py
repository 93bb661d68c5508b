"""The count of numbers that float64 cannot hold: exactly those whose text is not what the float stands for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_archives import agg_trade, agg_trades_archive, kline, klines_archive
from table_samples import check, source_file, spec_of

from lakehouse_sdk.tables import parse_archive, validate
from lakehouse_sdk.tables.iceberg.books import make_entry, quality_rows
from lakehouse_sdk.tables.layout.formats import Kind
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, SampleType, make_sample

_number = st.one_of(
    st.decimals(min_value="0.0000000001", max_value="99999999999", places=10, allow_nan=False).map(lambda n: f"{n:f}"),
    st.floats(min_value=1e-9, max_value=1e17).map(repr),
    st.integers(1, 10**19).map(str),
    st.integers(10**14, 10**18).map(lambda n: f"0.{n}"),
    st.tuples(st.integers(1, 10**18), st.integers(-25, 3)).map(lambda parts: f"{parts[0]}e{parts[1]}"),
    st.tuples(st.integers(1, 99), st.integers(10, 30)).map(lambda parts: f"{parts[0]}." + "0" * parts[1]),
)


def is_lost(text: str) -> bool:
    return Decimal(text) != Decimal(repr(float(text)))


@given(numbers=st.lists(st.tuples(_number, _number), max_size=12), trouble=st.booleans())
def test_what_is_counted_is_what_is_lost(numbers: list[tuple[str, str]], trouble: bool) -> None:
    lines = [agg_trade(n, price=price, quantity=quantity) for n, (price, quantity) in enumerate(numbers)]
    parsed = parse_archive(*agg_trades_archive([*lines, *(["no,row"] if trouble else [])]))
    assert parsed.rows.height == len(numbers)
    assert parsed.numbers_rounded == sum(is_lost(text) for pair in numbers for text in pair)


@pytest.mark.parametrize("kind", SAMPLE_TYPES, ids=lambda kind: kind.id)
def test_every_format_is_counted(kind: SampleType) -> None:
    sample = make_sample(kind, 40)
    places = [place for place, column in enumerate(spec_of(sample).columns) if column.kind is Kind.FLOAT]
    cells = [line.split(",")[place] for line in sample.lines for place in places] if sample.header else []
    assert check(sample).numbers_rounded == sum(is_lost(cell) for cell in cells if cell)


def test_a_long_number_in_any_place_is_found() -> None:
    """Also where the look over the bytes changes from one block to the next."""
    lines = [agg_trade(n) for n in range(12_000)]
    long = "0.12345678901234567"
    assert is_lost(long)
    for place in (0, 1, 3_900, 4_000, 4_100, 11_999):
        archive = agg_trades_archive([*lines[:place], agg_trade(place, quantity=long), *lines[place + 1 :]])
        assert parse_archive(*archive).numbers_rounded == 1, place


def test_times_and_ids_are_no_numbers_that_are_rounded() -> None:
    lines = [kline(n, us=True, volume="12345678.12345678", quote_volume="1234567890.12345678") for n in range(3)]
    batch = validate(parse_archive(*klines_archive(lines)))
    assert batch.numbers_rounded == 3 * is_lost("1234567890.12345678") + 3 * is_lost("12345678.12345678") == 3
    assert quality_rows([make_entry(batch)])["numbers_rounded"].to_pylist() == [3]


def test_json_is_looked_at_too() -> None:
    (kind,) = (kind for kind in SAMPLE_TYPES if kind.id == "ftx-perp-funding.json.gz")
    sample = make_sample(kind, 3)
    lines = [
        sample.lines[0].replace('"rate": ', '"rate": 0.12345678901234567, "was": ').partition(', "was"')[0],
        *sample.lines[1:],
    ]
    lines[0] += ', "time"' + sample.lines[0].partition(', "time"')[2]
    data = sample.pack(sample.text(lines))
    parsed = parse_archive(data, source_file(sample, data))
    assert (parsed.rows.height, parsed.numbers_rounded) == (3, 1)
