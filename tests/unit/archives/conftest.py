"""Archives without a listing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from lakehouse_sdk.archives import ArchiveObject, Frequency
from lakehouse_sdk.archives.binance import ArchiveKey, format_key


def _make_archive(period: str, *, symbol: str = "BTCUSDT", interval: str | None = "1m", market: str = "spot") -> ArchiveObject:
    frequency: Frequency = "daily" if period.count("-") == 2 else "monthly"
    first = date.fromisoformat(period if frequency == "daily" else f"{period}-01")
    data_type = "klines" if interval else "aggTrades"
    key = ArchiveKey(market, frequency, data_type, symbol, interval, first)
    return ArchiveObject(
        "binance",
        market,
        data_type,
        symbol,
        interval,
        frequency,
        key.period_start,
        key.period_end,
        format_key(key),
        1,
        "e",
        datetime(2026, 1, 1, tzinfo=UTC),
        None,
    )


@pytest.fixture
def make_archive() -> Callable[..., ArchiveObject]:
    """An archive of a period such as `2024-12` or `2024-12-31`."""
    return _make_archive
