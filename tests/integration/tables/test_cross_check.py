"""Published bars against trades: clean data agrees, and what was changed is named, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from generated_days import published, traded

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError, TableError, UsageError
from lakehouse_sdk.lakehouse import Lakehouse

DAY, NEXT = date(2024, 3, 1), date(2024, 3, 2)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lakehouse]:
    opened = Lakehouse(settings)
    yield opened
    opened.catalog.close()


def with_cell(row: int, column: int, text: bytes) -> object:
    """An edit of one cell of one line."""

    def edit(lines: list[bytes]) -> list[bytes]:
        cells = lines[row].split(b",")
        cells[column] = text
        return [*lines[:row], b",".join(cells), *lines[row + 1 :]]

    return edit


@pytest.mark.parametrize("market", ["um", "spot"])
def test_clean_data_agrees(lake: Lakehouse, market: str) -> None:
    """The flat bars of a quiet minute and the missing ones of a halt are no differences."""
    days = [make(symbol, DAY, market=market) for make in (published, traded) for symbol in ("BTCUSDT", "ETHUSDT")]
    lake.catalog.commit(days)
    found = lake.cross_check(market=market, start="2024-03-01", end="2024-03-02")
    found.raise_for_differences()
    assert found.agrees
    assert (found.days, found.days_skipped, found.bars_differing) == (2, 0, 0)
    assert found.bars > 2000
    assert [item.table for item in found.inputs] == ["silver.klines", "silver.agg_trades"]
    assert "bars that differ" in found._repr_html_()


def test_a_changed_bar_is_named(lake: Lakehouse) -> None:
    doctored = published("BTCUSDT", DAY, edit=with_cell(600, 5, b"99.5"))  # type: ignore[arg-type]
    lake.catalog.commit([doctored, traded("BTCUSDT", DAY)])
    found = lake.cross_check("BTCUSDT")
    (row,) = found.differences.to_dicts()
    assert (row["symbol"], row["open_time"], row["column"]) == ("BTCUSDT", datetime(2024, 3, 1, 10, tzinfo=UTC), "volume")
    assert row["published"] == 99.5
    assert 0 < row["computed"] < 99.5
    with pytest.raises(TableError, match=r"1 differ. First: BTCUSDT 2024-03-01 10:00:00 volume."):
        found.raise_for_differences()
    assert "2024-03-01 10:00:00" in found._repr_html_()
    assert found.to_dict()["differences"][0]["column"] == "volume"


def test_missing_bars_and_missing_trades_are_named(lake: Lakehouse) -> None:
    without_bar = published("BTCUSDT", DAY, edit=lambda lines: lines[:700] + lines[701:])
    without_trades = traded("BTCUSDT", DAY, edit=lambda lines: lines[:100])
    lake.catalog.commit([without_bar, without_trades])
    found = lake.cross_check("BTCUSDT")
    assert set(found.differences["column"]) >= {"bar"}
    only_published = found.differences.filter(found.differences["computed"].is_null())
    assert only_published.height > 900
    lake.catalog.commit([traded("ETHUSDT", DAY), published("ETHUSDT", DAY, edit=lambda lines: lines[:700] + lines[701:])])
    (row,) = lake.cross_check("ETHUSDT").differences.to_dicts()
    assert (row["column"], row["published"], row["open_time"]) == ("bar", None, datetime(2024, 3, 1, 11, 40, tzinfo=UTC))


def test_days_that_one_table_lacks_are_not_compared(lake: Lakehouse) -> None:
    lake.catalog.commit([published("BTCUSDT", DAY), published("BTCUSDT", NEXT), traded("BTCUSDT", DAY)])
    found = lake.cross_check("BTCUSDT")
    assert (found.agrees, found.days, found.days_skipped) == (True, 1, 1)
    assert "1 days are in one table only" in found.summary
    lake.catalog.commit([traded("ETHUSDT", DAY), published("ETHUSDT", NEXT)])
    nothing = lake.cross_check("ETHUSDT")
    assert (nothing.agrees, nothing.days, nothing.days_skipped) == (False, 0, 2)
    with pytest.raises(TableError, match="0 bars of 0 days compared"):
        nothing.raise_for_differences()


def test_what_cannot_be_compared_is_said(lake: Lakehouse) -> None:
    lake.catalog.commit([published("BTCUSDT", DAY)])
    with pytest.raises(NotFoundError, match=r"no published bars of 5m, only of 1m"):
        lake.cross_check("BTCUSDT", interval="5m")
    with pytest.raises(NotFoundError, match=r"There is no table 'silver.trades'"):
        lake.cross_check("BTCUSDT")
    with pytest.raises(NotFoundError, match=r"There is no table 'silver.agg_trades'"):
        lake.cross_check("BTCUSDT", made_from="agg_trades")
    with pytest.raises(UsageError, match="Bars of 1w cannot be checked"):
        lake.cross_check("BTCUSDT", interval="1w")
    with pytest.raises(UsageError, match="klines are no trades"):
        lake.cross_check("BTCUSDT", made_from="klines")  # type: ignore[arg-type]
