"""Times as people write them: text is UTC, a datetime without a zone is refused, and calls about archives take both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lakehouse_sdk import Lakehouse
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.instants import to_instant

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-01",
        "2024-01-01T00:00",
        "2024-01-01 01:00:00+01:00",
        NEW_YEAR,
        datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=str,
)
def test_the_same_instant(written: datetime | str) -> None:
    found = to_instant("start", written)
    assert found == NEW_YEAR
    assert found is not None
    assert found.tzinfo is UTC


def test_none_stays_none() -> None:
    assert to_instant("start", None) is None


@pytest.mark.parametrize(("written", "why"), [("soon", "end='soon' is not a time"), (datetime(2024, 1, 1), "has no time zone")])  # noqa: DTZ001
def test_what_is_no_instant_is_named(written: datetime | str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        to_instant("end", written)


def test_discover_takes_text() -> None:
    lake = Lakehouse(load_settings())
    query = lake.discover(markets=["um"], data_types=["klines"], start="2024-01-01", end="2024-02-01").query
    assert (query.start, query.end) == (NEW_YEAR, datetime(2024, 2, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="start='yesterday' is not a time"):
        lake.discover(markets=["um"], data_types=["klines"], start="yesterday")


def test_a_single_text_in_the_place_of_names_is_explained() -> None:
    with pytest.raises(UsageError, match="symbols is the single text 'BTCUSDT'"):
        Lakehouse(load_settings()).discover(markets=["um"], data_types=["klines"], symbols="BTCUSDT")
