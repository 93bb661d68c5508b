"""What can be asked for, and what that means for the listing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Capabilities, Dataset, Oddity
from lakehouse_sdk.archives.binance.layout import DATASETS
from lakehouse_sdk.archives.binance.listing import Branch, describe_objects, find_start_after
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.storage import ObjectInfo

T = datetime(2026, 1, 1, tzinfo=UTC)
BINANCE = Capabilities("binance", "Binance Vision", "https://terms", DATASETS)
SPOT_KLINES = ArchiveQuery(("spot",), ("klines",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"markets": ()}, "names no markets"),
        ({"data_types": ()}, "names no data types"),
        ({"symbols": ()}, "names no symbols"),
        ({"intervals": ()}, "names no intervals"),
        ({"frequencies": ()}, "names no frequencies"),
        ({"symbols": "BTCUSDT"}, r"symbols=\('BTCUSDT',\)"),
        ({"start": datetime(2024, 1, 1)}, "no time zone"),  # noqa: DTZ001 (that is the point)
        ({"start": T, "end": T}, "not after the start"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ArchiveQuery(**{"markets": ("spot",), "data_types": ("klines",), **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"markets": ("spot", "margin")}, "no market 'margin' there. Known: spot, um, cm, option"),
        ({"data_types": ("metrics",)}, "no data type 'metrics' there. Known: klines, aggTrades, trades"),
        ({"intervals": ("1M",)}, "no interval '1M' there. Known: 1s, 1m"),
        ({"markets": ("um",), "intervals": ("1s",)}, "no interval '1s' there. Known: 1m"),
        ({"frequencies": ("weekly",)}, "no frequency 'weekly'"),
    ],
)
def test_what_the_archive_does_not_have_is_refused_with_what_it_has(arguments: dict[str, Any], message: str) -> None:
    query = ArchiveQuery(**{"markets": ("spot",), "data_types": ("klines",), **arguments})
    with pytest.raises(UsageError, match=message):
        BINANCE.select(query)


def test_pairs_of_market_and_type_that_do_not_exist_are_passed_over() -> None:
    query = ArchiveQuery(("um", "spot"), ("fundingRate", "klines"))
    assert [(dataset.market, dataset.data_type, dataset.frequencies) for dataset in BINANCE.select(query)] == [
        ("spot", "klines", ("daily", "monthly")),
        ("um", "klines", ("daily", "monthly")),
        ("um", "fundingRate", ("monthly",)),
    ]


def test_a_dataset_is_narrowed_to_what_is_wanted_of_it() -> None:
    (dataset,) = BINANCE.select(ArchiveQuery(("spot",), ("klines",), intervals=("1h", "1s"), frequencies=("monthly",)))
    assert (dataset.frequencies, dataset.intervals) == (("monthly",), ("1s", "1h"))
    assert BINANCE.select(ArchiveQuery(("um",), ("metrics",), frequencies=("monthly",))) == []


def test_intervals_do_not_concern_types_without_bars() -> None:
    assert BINANCE.select(ArchiveQuery(("um",), ("metrics",), intervals=("nonsense",)))


def test_symbols_are_exact_or_patterns() -> None:
    assert ArchiveQuery(("um",), ("klines",), ("B", "A", "B")).exact_symbols() == ("B", "A")
    patterns = ArchiveQuery(("um",), ("klines",), ("BTC*", "ETHUSD?"))
    assert patterns.exact_symbols() is None
    assert [
        symbol for symbol in ("BTCUSDT", "BTCUSDT_240628", "ETHUSDT", "ETHUSDC_1", "btcusdt") if patterns.wants_symbol(symbol)
    ] == [
        "BTCUSDT",
        "BTCUSDT_240628",
        "ETHUSDT",
    ]
    assert SPOT_KLINES.exact_symbols() is None
    assert SPOT_KLINES.wants_symbol("ANY")


def test_periods_are_wanted_where_they_overlap() -> None:
    day = timedelta(days=1)
    query = ArchiveQuery(("um",), ("klines",), start=T, end=T + 2 * day)
    starts = [T - day, T, T + day, T + 2 * day]
    assert [query.wants_period(start, start + day) for start in starts] == [False, True, True, False]
    assert query.wants_period(T - 10 * day, T + 10 * day)


def test_older_archives_are_not_even_listed() -> None:
    tokyo = timezone(timedelta(hours=9))
    query = ArchiveQuery(("spot",), ("klines",), start=datetime(2024, 3, 1, 8, tzinfo=tokyo))  # still February in UTC
    branch = Branch(Dataset("spot", "klines", ("daily", "monthly"), ("1m",)))
    bars = branch.below("X", ("daily", "monthly")).below("1m", ("daily",))
    assert find_start_after(bars, "daily", query, "d/") == "d/spot/daily/klines/X/1m/X-1m-2024-02-29"
    assert find_start_after(bars, "monthly", query, "d/") == "d/spot/monthly/klines/X/1m/X-1m-2024-02"
    assert find_start_after(branch, "daily", query, "d/") == ""
    assert find_start_after(bars, "daily", SPOT_KLINES, "d/") == ""


def test_a_series_may_start_later_than_the_query() -> None:
    series = ("binance", "spot", "klines", "X", "1m")
    query = ArchiveQuery(("spot",), ("klines",), start=T, since={(series, "daily"): T + timedelta(days=40)})
    bars = Branch(Dataset("spot", "klines", ("daily", "monthly"), ("1m",))).below("X", ("daily",)).below("1m", ("daily",))
    assert find_start_after(bars, "daily", query, "d/").endswith("X-1m-2026-02-10")
    assert find_start_after(bars, "monthly", query, "d/").endswith("X-1m-2026-01")
    folder = "data/spot/daily/klines/X/1m/X-1m-"
    found = describe(f"{folder}2026-02-09.zip", f"{folder}2026-02-10.zip", f"{folder}2026-02-11.zip", query=query)
    assert [entry.key[len(folder) :] for entry in found] == ["2026-02-10.zip", "2026-02-11.zip"]
    assert query.start_of(series, "monthly") == T
    assert ArchiveQuery(("spot",), ("klines",), since={(series, "daily"): T}).start_of(series, "daily") == T


def describe(*keys: str, query: ArchiveQuery = SPOT_KLINES) -> list[ArchiveObject | Oddity]:
    return list(describe_objects([ObjectInfo(key, len(key), "etag", T) for key in keys], query, "data/"))


def test_a_checksum_belongs_to_its_archive() -> None:
    key = "data/spot/daily/klines/X/1m/X-1m-2024-01-01.zip"
    (with_checksum,) = describe(key, f"{key}.CHECKSUM")
    (without,) = describe(key)
    assert isinstance(with_checksum, ArchiveObject)
    assert isinstance(without, ArchiveObject)
    assert with_checksum.checksum_key == f"{key}.CHECKSUM"
    assert (without.checksum_key, without.size_bytes, without.etag, without.last_modified) == (None, len(key), "etag", T)
    assert without.source == "binance"


def test_a_checksum_without_its_archive_is_an_oddity_and_that_of_an_oddity_is_not() -> None:
    orphan = "data/spot/daily/klines/X/1m/X-1m-2024-01-01.zip.CHECKSUM"
    odd = "data/spot/daily/klines/X/1m/part-00000.zip"
    assert [entry.key for entry in describe(orphan, odd, f"{odd}.CHECKSUM")] == [orphan, odd]
    assert isinstance(describe(orphan)[0], Oddity)


def test_archives_outside_the_time_asked_for_are_left_out_and_oddities_stay() -> None:
    query = ArchiveQuery(("spot",), ("klines",), start=datetime(2024, 1, 2, tzinfo=UTC))
    folder = "data/spot/daily/klines/X/1m/"
    found = describe(f"{folder}X-1m-2024-01-01.zip", f"{folder}X-1m-2024-01-02.zip", f"{folder}X-1m-2023-1.zip", query=query)
    assert [entry.key[len(folder) :] for entry in found] == ["X-1m-2024-01-02.zip", "X-1m-2023-1.zip"]
