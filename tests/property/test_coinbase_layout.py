"""The layout is read and written by exact inverses, and nothing makes the reader raise."""

from __future__ import annotations

from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse_sdk.archives import Oddity
from lakehouse_sdk.archives.coinbase import DATASETS, ArchiveKey, format_key, parse_key

_words = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=6)


@st.composite
def archive_keys(draw: st.DrawFn) -> ArchiveKey:
    dataset = draw(st.sampled_from(DATASETS))
    symbol = draw(st.lists(_words, min_size=1, max_size=3).map(draw(st.sampled_from("-.")).join))
    interval = draw(st.sampled_from(dataset.intervals)) if dataset.intervals else None
    return ArchiveKey(dataset.data_type, symbol, interval, draw(st.dates(max_value=date(9999, 12, 30))))


@given(archive_keys())
@example(ArchiveKey("candles", "1m-1m", "1m", date(1, 1, 1)))
@example(ArchiveKey("trades", "trades-2024", None, date(9999, 12, 30)))
def test_what_is_formatted_is_parsed_back(archive: ArchiveKey) -> None:
    assert parse_key(format_key(archive)) == archive


@given(archive_keys(), st.data())
def test_a_damaged_key_is_an_oddity_or_another_exact_key(archive: ArchiveKey, data: st.DataObject) -> None:
    key = format_key(archive)
    at = data.draw(st.integers(0, len(key)))
    damaged = key[:at] + data.draw(st.text(max_size=3)) + key[at + data.draw(st.integers(0, 3)) :]
    parsed = parse_key(damaged)
    assert (parsed.key if isinstance(parsed, Oddity) else format_key(parsed)) == damaged


@given(st.text() | st.lists(st.sampled_from(["spot", "daily", "candles", "trades", "1m", "A-B", ""]), max_size=8).map("/".join))
def test_any_text_is_an_oddity_or_a_key(text: str) -> None:
    parsed = parse_key(text)
    assert (parsed.key if isinstance(parsed, Oddity) else format_key(parsed)) == text
