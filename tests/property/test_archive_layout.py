"""The layout is read and written by exact inverses, and nothing makes the reader raise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import get_args

from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Oddity, ftx
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


_FTX_SYMBOLS = {
    "spot": r"[A-Z0-9]{1,6}-USD",
    "perp": r"[A-Z0-9]{1,6}-PERP",
    "future": r"[A-Z0-9]{1,6}-(HASH-)?(0325|20191227|2020Q4)|TRUMP2024",
    "move": r"[A-Z0-9]{1,6}-MOVE-(WK-)?(0605|2020Q1)",
}
_ftx_days = st.dates(date(2019, 8, 1), date(2022, 11, 13))
_ftx_layouts = st.sampled_from(get_args(ftx.Layout))


@st.composite
def ftx_keys(draw: st.DrawFn) -> tuple[ftx.ArchiveKey, ftx.Layout]:
    layout = draw(_ftx_layouts)
    dataset = draw(st.sampled_from(ftx.DATASETS[layout]))
    interval = draw(st.sampled_from(dataset.intervals)) if dataset.intervals else None
    symbol = draw(st.from_regex(_FTX_SYMBOLS[dataset.market], fullmatch=True))
    return ftx.ArchiveKey(dataset.data_type, interval, symbol, draw(_ftx_days)), layout


@given(ftx_keys())
def test_what_is_formatted_for_ftx_is_parsed_back(made: tuple[ftx.ArchiveKey, ftx.Layout]) -> None:
    archive, layout = made
    assert ftx.parse_key(ftx.format_key(archive, layout), layout) == archive


@given(ftx_keys(), _ftx_layouts, st.data())
def test_a_damaged_ftx_key_is_an_oddity_or_another_exact_key(
    made: tuple[ftx.ArchiveKey, ftx.Layout], layout: ftx.Layout, data: st.DataObject
) -> None:
    key = ftx.format_key(*made)
    at = data.draw(st.integers(0, len(key)))
    damaged = key[:at] + data.draw(st.text(max_size=3)) + key[at + data.draw(st.integers(0, 3)) :]
    parsed = ftx.parse_key(damaged, layout)
    if isinstance(parsed, Oddity):
        assert parsed.key == damaged
        assert parsed.reason
    else:
        assert ftx.format_key(parsed, layout) == damaged


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["trades", "candles", "1m", "2022", "03", "3", ".csv.gz", ""])).map("/".join)
    ),
    _ftx_layouts,
)
def test_no_text_makes_the_ftx_reader_raise(key: str, layout: ftx.Layout) -> None:
    assert isinstance(ftx.parse_key(key, layout), Oddity)
