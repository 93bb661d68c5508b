"""The layout is read and written by exact inverses, and nothing makes the reader raise."""

from __future__ import annotations

from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse_sdk.archives import Oddity
from lakehouse_sdk.archives.binance import DATASETS, ArchiveKey, format_key, parse_key

_letters = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=8)
_symbols = st.lists(_letters, min_size=1, max_size=3).map("_".join)


@st.composite
def archive_keys(draw: st.DrawFn) -> ArchiveKey:
    dataset = draw(st.sampled_from(DATASETS))
    frequency = draw(st.sampled_from(dataset.frequencies))
    interval = draw(st.sampled_from(dataset.intervals)) if dataset.intervals else None
    day = draw(st.dates(max_value=date(9999, 10, 31)))
    return ArchiveKey(
        dataset.market,
        frequency,
        dataset.data_type,
        draw(_symbols),
        interval,
        day if frequency == "daily" else day.replace(day=1),
    )


@given(archive_keys())
@example(ArchiveKey("spot", "daily", "trades", "X", None, date(1, 1, 1)))
def test_what_is_formatted_is_parsed_back(archive: ArchiveKey) -> None:
    assert parse_key(format_key(archive)) == archive


@given(archive_keys(), st.data())
def test_a_damaged_key_is_an_oddity_or_another_exact_key(archive: ArchiveKey, data: st.DataObject) -> None:
    key = format_key(archive)
    at = data.draw(st.integers(0, len(key)))
    damaged = key[:at] + data.draw(st.text(max_size=3)) + key[at + data.draw(st.integers(0, 3)) :]
    parsed = parse_key(damaged)
    if isinstance(parsed, Oddity):
        assert parsed.key == damaged
        assert parsed.reason
    else:
        assert format_key(parsed) == damaged


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["data", "spot", "futures", "um", "daily", "klines", "1m", ""])).map("/".join)
    )
)
def test_no_text_makes_the_reader_raise(key: str) -> None:
    assert isinstance(parse_key(key), Oddity)
