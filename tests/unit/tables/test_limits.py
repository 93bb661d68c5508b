"""Thresholds come from the settings, and each holds exactly at its border."""

from __future__ import annotations

import pickle

import pytest
from table_archives import check_klines, kline, klines_archive
from table_samples import source_file, with_cell

from lakehouse_sdk.config import QualitySettings, load_settings
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.tables import CheckedBatch, parse_archive, validate
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, Sample, make_sample

FLAT = {"open": "5", "high": "5", "low": "5", "close": "5", "volume": "0", "quote_volume": "0", "count": 0}
STILL = {**FLAT, "taker_buy_volume": "0", "taker_buy_quote_volume": "0"}


def _check(lines: list[str], **limits: float) -> CheckedBatch:
    return validate(parse_archive(*klines_archive(lines)), QualitySettings(**limits))  # type: ignore[arg-type]


def _sample(data_type: str, rows: int) -> Sample:
    (type_,) = (t for t in SAMPLE_TYPES if (t.source, t.market, t.data_type) == ("binance", "um", data_type))
    return make_sample(type_, rows)


def _check_sample(sample: Sample, lines: list[str], **limits: float) -> CheckedBatch:
    data = sample.pack(sample.text(lines))
    return validate(parse_archive(data, source_file(sample, data)), QualitySettings(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(("limit", "flags"), [(0.1, {}), (0.09999, {"price-jump": 1})])
def test_a_price_may_jump_by_exactly_the_limit(limit: float, flags: dict[str, int]) -> None:
    bars = [kline(0, open="10", close="10"), kline(1, open="11", close="11")]
    assert _check(bars, price_jump=limit).flags == flags


@pytest.mark.parametrize(("bars", "flags"), [(9, {}), (10, {"halt": 10})])
def test_a_halt_begins_with_the_tenth_flat_bar(bars: int, flags: dict[str, int]) -> None:
    assert _check([kline(i, **STILL) for i in range(bars)]).flags == flags
    assert _check([kline(i, **STILL) for i in range(bars)], halt_bars=bars).flags == {"halt": bars}


@pytest.mark.parametrize(("quote", "flags"), [("55.125", {}), ("55.2", {"quote-volume-range": 1})])
def test_the_quote_volume_may_be_off_by_the_rounding(quote: str, flags: dict[str, int]) -> None:
    """4.5 at 12.25 at most are 55.125."""
    assert _check([kline(0, quote_volume=quote)]).flags == flags
    assert _check([kline(0, quote_volume=quote)], rounding=0.01).flags == {}


@pytest.mark.parametrize(("rate", "flags"), [("0.0499", {}), ("0.05", {"funding-rate": 1}), ("-0.05", {"funding-rate": 1})])
def test_a_funding_rate_is_large_from_the_limit_on(rate: str, flags: dict[str, int]) -> None:
    sample = _sample("fundingRate", 3)
    lines = [with_cell(sample, sample.lines[0], "last_funding_rate", rate), *sample.lines[1:]]
    assert _check_sample(sample, lines).flags == flags
    assert _check_sample(sample, lines, funding_rate=0.06).flags == {}


@pytest.mark.parametrize(("late_ms", "flags"), [(60_000, {}), (60_001, {"funding-gap": 1})])
def test_a_payment_may_be_late_by_the_tolerance(late_ms: int, flags: dict[str, int]) -> None:
    sample = _sample("fundingRate", 2)
    first, second = sample.lines
    start = int(sample.lines[0].split(",")[0])
    hours = int(sample.lines[0].split(",")[1])
    second = with_cell(sample, second, "calc_time", str(start + hours * 3_600_000 + late_ms))
    assert _check_sample(sample, [first, second]).flags == flags
    assert _check_sample(sample, [first, second], funding_tolerance_s=0).flags == {"funding-gap": 1}


def test_a_band_is_frozen_from_the_limit_on() -> None:
    sample = _sample("bookDepth", 12 * 10)
    lines = [with_cell(sample, line, "depth", "0") if ",-0.20," in line else line for line in sample.lines]
    assert _check_sample(sample, lines, frozen_snapshots=11).flags == {}
    assert _check_sample(sample, lines, frozen_snapshots=10).flags == {"depth-frozen": 10}


def test_a_row_that_breaks_two_flagging_rules_is_one_flagged_row() -> None:
    batch = check_klines([kline(0), kline(1, quote_volume="1", count=0), kline(2)])
    assert batch.flags == {"quote-volume-range": 1, "zero-volume": 1}
    assert batch.rows_flagged == 1
    assert check_klines([kline(0)]).rows_flagged == 0


def test_thresholds_are_settings_that_travel() -> None:
    settings = load_settings(quality={"price_jump": 0.2})
    assert pickle.loads(pickle.dumps(settings.quality)) == settings.quality
    assert settings.quality.halt_bars == 10
    with pytest.raises(ConfigurationError, match=r"quality\.price_jump .*greater than 0"):
        load_settings(quality={"price_jump": 0})
