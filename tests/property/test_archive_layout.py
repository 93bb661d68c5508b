"""The layout is read and written by exact inverses, and nothing makes the reader raise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Oddity
from lakehouse_sdk.archives.binance import DATASETS, ArchiveKey, format_key, parse_key
from lakehouse_sdk.archives.binance.listing import describe_objects
from lakehouse_sdk.storage import ObjectInfo

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


@given(archive_keys(), st.dates(max_value=date(9999, 10, 31)), st.text(max_size=3))
def test_a_folder_is_read_as_its_single_keys_are(archive: ArchiveKey, day: date, noise: str) -> None:
    """The listing reads only the periods once it knows the folder; that must not read differently."""
    other = replace(archive, first_day=day if archive.frequency == "daily" else day.replace(day=1))
    keys = dict.fromkeys([format_key(archive), format_key(other), format_key(other).replace(".zip", f"{noise}.zip")])
    infos = [ObjectInfo(key, 1, "etag", datetime(2026, 1, 1, tzinfo=UTC)) for key in keys]
    found = describe_objects(infos, ArchiveQuery((archive.market,), (archive.data_type,)), "data/")
    for key, entry in zip(keys, found, strict=True):
        alone = parse_key(key)
        if isinstance(alone, Oddity):
            assert entry == alone
        else:
            assert isinstance(entry, ArchiveObject)
            assert (entry.symbol, entry.interval, entry.frequency) == (alone.symbol, alone.interval, alone.frequency)
            assert (entry.period_start, entry.period_end) == (alone.period_start, alone.period_end)
