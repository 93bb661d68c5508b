"""What a mirror may hold, and how the truth about it is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any, get_args

import pytest

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.testing import (
    ArchiveTruth,
    Defect,
    DefectKind,
    MirrorSpec,
    MirrorTruth,
    OddityTruth,
    day_range,
    demo_mirror,
    month_range,
)

SPEC = MirrorSpec(days=(date(2025, 1, 1),), months=(date(2024, 12, 1),))


def test_keys_are_those_of_the_exchange() -> None:
    spec = MirrorSpec(
        markets=("spot", "um"),
        symbols=("BTCUSDT", "BTCUSDT_250328"),
        data_types=("klines", "aggTrades"),
        interval="1h",
        days=(date(2025, 1, 1),),
        months=(date(2024, 12, 1),),
    )
    assert {spec.key(place) for place in spec.places()} == {
        "data/spot/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01-01.zip",
        "data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-12.zip",
        "data/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2025-01-01.zip",
        "data/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-12.zip",
        "data/futures/um/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01-01.zip",
        "data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-12.zip",
        "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2025-01-01.zip",
        "data/futures/um/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-12.zip",
        "data/futures/um/daily/klines/BTCUSDT_250328/1h/BTCUSDT_250328-1h-2025-01-01.zip",
        "data/futures/um/monthly/klines/BTCUSDT_250328/1h/BTCUSDT_250328-1h-2024-12.zip",
        "data/futures/um/daily/aggTrades/BTCUSDT_250328/BTCUSDT_250328-aggTrades-2025-01-01.zip",
        "data/futures/um/monthly/aggTrades/BTCUSDT_250328/BTCUSDT_250328-aggTrades-2024-12.zip",
    }


def test_ranges_include_both_ends() -> None:
    assert day_range(date(2024, 12, 31), date(2025, 1, 1)) == (date(2024, 12, 31), date(2025, 1, 1))
    assert month_range(date(2024, 11, 30), date(2025, 1, 1)) == (date(2024, 11, 1), date(2024, 12, 1), date(2025, 1, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"markets": ("cm",)}, "no market 'cm'"),
        ({"data_types": ("trades",)}, "no data type 'trades'"),
        ({"interval": "1w"}, "no interval '1w'"),
        ({"trades_per_day": 0}, "trades_per_day=0"),
        ({"seed": -1}, "seed=-1"),
        ({"months": (date(2024, 12, 2),)}, "first day"),
        ({"defects": (Defect("rotten", "spot", "klines", "BTCUSDT", "2024-12"),)}, "no defect 'rotten'"),  # type: ignore[arg-type]
        ({"defects": (Defect("rows-doubled", "spot", "klines", "BTCUSDT", "2024-11"),)}, "not part of the mirror"),
        ({"defects": (Defect("rows-doubled", "spot", "klines", "BTCUSDT", "2024-12"),) * 2}, "second defect"),
        (
            {"data_types": ("aggTrades",), "defects": (Defect("high-below-low", "spot", "aggTrades", "BTCUSDT", "2024-12"),)},
            "aggTrades cannot have",
        ),
        ({"defects": (Defect("header-missing", "spot", "klines", "BTCUSDT", "2024-12"),)}, "Spot archives never have a header"),
    ],
)
def test_a_mirror_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(SPEC, **change)


def test_a_period_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="neither"):
        _ = Defect("rows-doubled", "spot", "klines", "BTCUSDT", "2024-1").place.days


def test_the_demo_covers_both_markets_types_time_units_and_every_defect() -> None:
    spec = demo_mirror()
    assert sum(1 for _ in spec.places()) >= 300
    assert {defect.kind for defect in spec.defects} == set(get_args(DefectKind))
    assert min(spec.months) < date(2025, 1, 1) <= max(spec.days)
    assert set(spec.days) & {
        day for month in spec.months for day in day_range(month, month.replace(day=31 if month.month == 12 else 30))
    }


def truth_of(period: str, symbol: str = "BTCUSDT", **changes: Any) -> ArchiveTruth:
    frequency = "daily" if period.count("-") == 2 else "monthly"
    clean: dict[str, Any] = {
        "key": f"{symbol}-{period}.zip",
        "market": "spot",
        "data_type": "klines",
        "symbol": symbol,
        "interval": "1m",
        "frequency": frequency,
        "period": period,
        "size_bytes": 10,
        "sha256": "0" * 64,
        "has_checksum": True,
        "rows_published": 5,
        "rows_in": 5,
        "accepted": 5,
        "duplicates": 0,
        "quarantined": {},
        "volume": "1.50",
        "refused": None,
        "defect": None,
    }
    return ArchiveTruth(**{**clean, **changes})


TRUTH = MirrorTruth(
    "bucket",
    (
        truth_of("2024-12"),
        truth_of("2024-12-31", accepted=3, quarantined={"number": 1, "ohlc-order": 1}),
        truth_of("2024-12-31", symbol="ETHUSDT", rows_published=10, rows_in=10, duplicates=5),
        truth_of("2025-01-01", rows_in=0, accepted=0, volume="0", refused="zip-unreadable"),
    ),
    (OddityTruth("part-0", "stray-part"),),
    ("BTCUSDT-2025-01-02.zip",),
)


def test_the_truth_can_be_asked_for_chosen_keys_and_adds_up() -> None:
    some = TRUTH.for_keys(["BTCUSDT-2024-12-31.zip", "ETHUSDT-2024-12-31.zip", "ETHUSDT-2024-12-31.zip"])
    totals = some.totals
    assert (totals.archives, totals.rows_in, totals.accepted, totals.duplicates, totals.quarantined) == (2, 15, 8, 5, 2)
    assert totals.quarantined_by_rule == {"number": 1, "ohlc-order": 1}
    assert some.oddities == TRUTH.oddities
    assert TRUTH.totals.refused_by_reason == {"zip-unreadable": 1}
    with pytest.raises(UsageError, match=r"holds no archive 'x\.zip'"):
        TRUTH.for_keys(["x.zip"])


def test_the_truth_knows_what_the_cadence_auto_should_take() -> None:
    assert [archive.key for archive in TRUTH.select_auto().archives] == [
        "BTCUSDT-2024-12.zip",
        "ETHUSDT-2024-12-31.zip",
        "BTCUSDT-2025-01-01.zip",
    ]


def test_volumes_are_exact_sums_for_each_series() -> None:
    volumes = TRUTH.volumes()
    assert str(volumes["spot", "klines", "BTCUSDT"]) == "3.00"
    assert str(volumes["spot", "klines", "ETHUSDT"]) == "1.50"


def test_the_truth_survives_json() -> None:
    again = MirrorTruth.from_dict(json.loads(json.dumps(TRUTH.to_dict())))
    assert again == TRUTH
    assert again.archive("BTCUSDT-2024-12.zip") == TRUTH.archives[0]
