"""Whatever happens to a file, its rows add up, good rows survive untouched, and both ways of reading agree."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import EDITS, mutate_lines
from table_archives import DAY, KLINE_HEADER, agg_trade, agg_trades_archive, csv_of, epoch_ms, kline, kline_file, klines_archive
from table_samples import check, spec_of

from lakehouse_sdk.tables import parse_archive, validate
from lakehouse_sdk.tables.judge import parse as parse_module
from lakehouse_sdk.tables.judge.lines import read_lines
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, SampleType, make_sample

_price = st.decimals(min_value="0.00000001", max_value="99999999", places=8, allow_nan=False)
_amount = st.decimals(min_value="0.00000001", max_value="9999999", places=8, allow_nan=False)
_trade = st.tuples(_price, _amount, st.booleans(), st.integers(0, 86_399_999))


@given(trades=st.lists(_trade, max_size=40), spelling=st.sampled_from([str, str.lower, str.upper]), us=st.booleans())
def test_trades_round_trip(trades: list[tuple[object, object, bool, int]], spelling: object, us: bool) -> None:
    """CSV → rows gives back every value: prices to the last bit that float64 has, times exactly."""
    trades = sorted(trades, key=lambda trade: trade[3])
    lines = [
        agg_trade(
            i,
            price=price,
            quantity=quantity,
            is_buyer_maker=spelling(str(maker)),  # type: ignore[operator]
            transact_time=(epoch_ms(DAY) + offset) * (1000 if us else 1),
        )
        for i, (price, quantity, maker, offset) in enumerate(trades)
    ]
    batch = validate(parse_archive(*agg_trades_archive(lines)))
    assert (batch.rows_in, batch.rows_accepted) == (len(trades), len(trades))
    for row, (price, quantity, maker, offset) in zip(batch.accepted.to_pylist(), trades, strict=True):
        assert row["price"] == float(str(price))
        assert row["quantity"] == float(str(quantity))
        assert row["is_buyer_maker"] is maker
        assert row["transact_time"] == DAY + timedelta(milliseconds=offset)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    edits=st.lists(st.sampled_from(EDITS), max_size=12),
    header=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_rows_always_add_up(seed: int, edits: list[str], header: bool, newline: str) -> None:
    lines = mutate_lines([kline(i) for i in range(30)], seed, edits)
    csv = csv_of([*([KLINE_HEADER] if header else []), *lines], newline)
    batch = validate(parse_archive(*klines_archive(csv)))
    assert batch.defect is None
    published = [line for line in lines if line.strip()]
    assert batch.rows_in == len(published)
    assert batch.rows_in == batch.rows_accepted + batch.rows_duplicate + batch.rows_quarantined
    assert sum(batch.rejects.values()) == batch.rows_quarantined
    quarantined = batch.quarantined["line"].to_list()
    assert len(set(quarantined)) == len(quarantined)
    assert len(set(batch.accepted["open_time"].to_pylist())) == batch.rows_accepted
    for line, text in batch.quarantined.select("line", "text").iter_rows():
        assert text == lines[line - 1 - header]


_types = st.sampled_from(SAMPLE_TYPES)


@settings(max_examples=150)
@given(type_=_types, rows=st.integers(0, 60), seed=st.integers(0, 2**32), day=st.integers(0, 900))
def test_every_format_round_trips(type_: SampleType, rows: int, seed: int, day: int) -> None:
    """What is written is read back, and nothing is rejected."""
    sample = make_sample(type_, rows, seed=seed, start=DAY + timedelta(days=day))
    batch = check(sample)
    assert (batch.rows_in, batch.rows_quarantined, batch.rows_duplicate) == (len(sample.rows), 0, 0)
    for row, expected in zip(batch.accepted.to_pylist(), sample.rows, strict=True):
        assert {name: row[name] for name in expected.truth} == expected.truth


@settings(max_examples=300)
@given(type_=_types, seed=st.integers(0, 2**32), edits=st.lists(st.sampled_from(EDITS), max_size=6))
def test_the_quick_reading_accepts_nothing_that_the_exact_one_refuses(type_: SampleType, seed: int, edits: list[str]) -> None:
    sample = make_sample(type_, 20, seed=seed % 100)
    body = csv_of(mutate_lines(sample.lines, seed, edits))
    spec = spec_of(sample)
    fast = parse_module.read_fast(body, 1, spec)
    slow, rejected = read_lines(body, 1, spec)
    if fast is not None:
        assert rejected.is_empty()
        assert fast.equals(slow)
        assert fast.schema == slow.schema
    elif not edits:
        raise AssertionError("a clean file is read in one pass")


@settings(max_examples=150)
@given(type_=_types, seed=st.integers(0, 2**32), edits=st.lists(st.sampled_from(EDITS), max_size=6))
def test_rows_of_every_format_add_up(type_: SampleType, seed: int, edits: list[str]) -> None:
    sample = make_sample(type_, 20, seed=seed % 100)
    lines = mutate_lines(sample.lines, seed, edits)
    batch = check(sample, sample.text(lines))
    published = sum(1 for line in lines if line.strip())
    if batch.defect is None:
        assert batch.rows_in == published == batch.rows_accepted + batch.rows_duplicate + batch.rows_quarantined
    else:
        assert (batch.defect.reason, batch.rows_in) == ("header-unknown", 0)


_near_json = st.text(st.sampled_from(list('{}[]":, \\\\ntruefalsenull0123456789.eE+-idpriceud8ZT')), max_size=120)


@settings(max_examples=150)
@given(type_=_types, data=st.one_of(st.binary(max_size=300), _near_json.map(str.encode)))
def test_no_text_is_a_crash_in_any_format(type_: SampleType, data: bytes) -> None:
    """Alone, and behind a good line."""
    sample = make_sample(type_, 2)
    assert check(sample, data).rows_accepted == 0
    assert check(sample, sample.text() + data).rows_accepted == 2


@given(data=st.binary(max_size=300))
def test_no_bytes_are_a_crash(data: bytes) -> None:
    """As the archive itself, and as the CSV within."""
    assert validate(parse_archive(*klines_archive(data))).rows_accepted == 0
    defect = parse_archive(data, kline_file(data)).defect
    assert defect is not None
    assert defect.reason.startswith("zip-")
