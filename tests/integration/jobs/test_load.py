"""`lake.load`: what is there is read without asking the source, what is missing is named, reported or fetched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from mirrored_lake import rows_by_archive, settings_for

from lakehouse_sdk.archives.readiness import ReadyState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConnectError, NotFoundError, UsageError
from lakehouse_sdk.events import Event, Notice, ObjectPublished
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.testing import Defect, MirrorSpec, day_range, publish_mirror

SPEC = MirrorSpec(
    markets=("spot", "um"),
    symbols=("BTCUSDT", "ETHUSDT"),
    interval="1h",
    months=(date(2024, 11, 1), date(2024, 12, 1)),
    days=day_range(date(2024, 12, 30), date(2025, 1, 6)),
    trades_per_day=50,
    defects=(
        Defect("not-published", "um", "klines", "ETHUSDT", "2025-01-03"),
        Defect("checksum-mismatch", "um", "klines", "BTCUSDT", "2025-01-05"),
    ),
)
NEW_YEAR = {"market": "um", "interval": "1h", "start": "2024-12-31", "end": "2025-01-03"}
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def mirror(other_minio: MinioServer) -> str:
    """A bucket in the place of the exchange's, which no test changes."""
    publish_mirror(other_minio.profile, "load-mirror", SPEC)
    return "load-mirror"


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, mirror: str, events: list[Event]) -> Lakehouse:
    return Lakehouse(settings_for(settings, other_minio.endpoint_url, mirror), observer=events.append)


@pytest.fixture
def offline(settings: Settings, mirror: str, events: list[Event]) -> Lakehouse:
    """The same lake when nobody answers in the place of the exchange."""
    return Lakehouse(settings_for(settings, UNREACHABLE, mirror), observer=events.append)


def fetched_keys(events: list[Event]) -> list[str]:
    return sorted(event.key.rpartition("/")[2] for event in events if isinstance(event, ObjectPublished))


def test_what_was_fetched_is_read_again_without_the_source(lake: Lakehouse, offline: Lakehouse) -> None:
    """Canonical or native, any part of it, any way of calling."""
    first = lake.load("klines", symbols=["BTC/USDT:USDT", "ETHUSDT"], missing="fetch", **NEW_YEAR)
    assert (first.fetched, first.gaps, first.is_complete) == (6, (), True)
    assert first.to_polars().group_by("symbol").len().sort("symbol").rows() == [("BTCUSDT", 72), ("ETHUSDT", 72)]
    for missing in ("error", "report", "fetch"):
        again = offline.load("klines", symbols="BTC/USDT:USDT", missing=missing, **NEW_YEAR)  # type: ignore[arg-type]
        assert (again.count(), again.fetched, again.symbols) == (72, 0, ("BTCUSDT",))
    part = offline.load(
        "klines",
        market="um",
        symbols="BTCUSDT",
        interval="1h",
        start="2024-12-31T22:30",
        end=datetime(2025, 1, 1, 2, tzinfo=UTC),
    )
    assert [moment.hour for moment in part.to_arrow()["open_time"].to_pylist()] == [23, 0, 1]


def test_only_what_is_missing_is_collected(lake: Lakehouse, events: list[Event]) -> None:
    lake.load("klines", symbols="BTCUSDT", missing="fetch", **NEW_YEAR)
    events.clear()
    wider = lake.load("klines", symbols=["BTCUSDT", "ETHUSDT"], missing="fetch", **{**NEW_YEAR, "end": "2025-01-04T12:00"})
    assert fetched_keys(events) == [
        "BTCUSDT-1h-2025-01-03.zip",
        "BTCUSDT-1h-2025-01-04.zip",
        "ETHUSDT-1h-2024-12.zip",
        "ETHUSDT-1h-2025-01-01.zip",
        "ETHUSDT-1h-2025-01-02.zip",
        "ETHUSDT-1h-2025-01-04.zip",
    ]
    assert wider.to_polars().group_by("symbol").len().sort("symbol").rows() == [("BTCUSDT", 108), ("ETHUSDT", 84)]


def test_a_month_serves_for_each_of_its_days(lake: Lakehouse, offline: Lakehouse, events: list[Event]) -> None:
    november = {"market": "spot", "interval": "1h", "symbols": "BTCUSDT", "start": "2024-11-05", "end": "2024-11-07"}
    assert lake.load("klines", missing="fetch", **november).count() == 48  # type: ignore[arg-type]
    assert fetched_keys(events) == ["BTCUSDT-1h-2024-11.zip"]
    assert offline.load("klines", **{**november, "start": "2024-11-20", "end": "2024-12-01"}).count() == 264  # type: ignore[arg-type]


def test_the_error_names_what_is_missing_and_the_next_step(lake: Lakehouse, offline: Lakehouse) -> None:
    with pytest.raises(NotFoundError, match=r"BTCUSDT 2024-12-31 to 2025-01-02 \(never collected\).*missing=\"fetch\""):
        offline.load("klines", symbols="BTCUSDT", **NEW_YEAR)
    lake.load("klines", symbols="BTCUSDT", missing="fetch", **NEW_YEAR)
    with pytest.raises(NotFoundError, match=r"ETHUSDT 2024-12-31 to 2025-01-02 \(never collected\)\.") as caught:
        offline.load("klines", symbols=["BTCUSDT", "ETHUSDT"], **NEW_YEAR)
    assert "BTCUSDT" not in str(caught.value)
    with pytest.raises(ConnectError):  # this one does ask
        offline.load("klines", symbols=["BTCUSDT", "ETHUSDT"], missing="fetch", **NEW_YEAR)


def test_a_report_reads_what_is_there_and_says_the_rest(lake: Lakehouse, offline: Lakehouse, events: list[Event]) -> None:
    lake.load("klines", symbols="BTCUSDT", missing="fetch", **NEW_YEAR)
    events.clear()
    found = offline.load("klines", symbols=["BTCUSDT", "ETHUSDT"], missing="report", **NEW_YEAR)
    assert found.count() == 72
    assert not found.is_complete
    (gap,) = found.missing
    assert (gap.symbol, gap.start, gap.end) == ("ETHUSDT", datetime(2024, 12, 31, tzinfo=UTC), datetime(2025, 1, 3, tzinfo=UTC))
    (notice,) = events
    assert isinstance(notice, Notice)
    assert "ETHUSDT 2024-12-31 to 2025-01-02 (never collected)" in notice.text
    page = found._repr_html_()
    assert "never collected" in page
    assert "complete" in page


def test_what_the_source_never_published_is_said_and_is_no_error(lake: Lakehouse, offline: Lakehouse) -> None:
    """A day without archive, and the time before the first one; remembered, so that nobody asks again."""
    span = {"market": "um", "interval": "1h", "start": "2024-10-20", "end": "2025-01-05"}
    found = lake.load("klines", symbols="ETHUSDT", missing="fetch", **span)  # type: ignore[arg-type]
    assert found.missing == ()
    assert [(f"{gap.start:%m-%d}", f"{gap.end:%m-%d}", gap.state) for gap in found.unpublished] == [
        ("10-20", "11-01", ReadyState.UNPUBLISHED),
        ("01-03", "01-04", ReadyState.UNPUBLISHED),
    ]
    for missing in ("error", "fetch"):
        again = offline.load("klines", symbols="ETHUSDT", missing=missing, **span)  # type: ignore[arg-type]
        assert again.gaps == found.gaps
        assert again.count() == found.count() == (61 + 3) * 24


def test_a_defective_archive_stays_missing_with_its_reason(lake: Lakehouse) -> None:
    span = {"market": "um", "interval": "1h", "start": "2025-01-04", "end": "2025-01-07"}
    found = lake.load("klines", symbols="BTCUSDT", missing="fetch", **span)  # type: ignore[arg-type]
    assert found.count() == 48
    (gap,) = found.missing
    assert gap.start.day == 5
    assert "checksum-mismatch" in gap.reason
    with pytest.raises(NotFoundError, match="defective: checksum-mismatch"):
        lake.load("klines", symbols="BTCUSDT", **span)  # type: ignore[arg-type]


def test_a_day_that_is_not_over_is_said(lake: Lakehouse, offline: Lakehouse) -> None:
    today = datetime.now(UTC)
    lake.load("klines", symbols="BTCUSDT", missing="fetch", **NEW_YEAR)
    tail = {"market": "um", "interval": "1h", "symbols": "BTCUSDT", "start": today, "end": today + timedelta(hours=1)}
    found = offline.load("klines", **tail)  # type: ignore[arg-type]
    assert found.count() == 0
    assert {gap.state for gap in found.gaps} == {ReadyState.OPEN}
    assert found.is_complete


def test_a_closed_day_that_the_source_may_still_publish_is_asked_for_again(lake: Lakehouse, offline: Lakehouse) -> None:
    lake.load("klines", symbols="BTCUSDT", missing="fetch", **NEW_YEAR)
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    tail = {"market": "um", "interval": "1h", "symbols": "BTCUSDT", "start": yesterday, "end": yesterday + timedelta(days=1)}
    with pytest.raises(NotFoundError, match="never collected"):
        lake.load("klines", **tail)  # type: ignore[arg-type]
    assert [gap.state for gap in lake.load("klines", missing="fetch", **tail).gaps] == [ReadyState.UNPUBLISHED]  # type: ignore[arg-type]
    assert offline.load("klines", **tail).count() == 0  # type: ignore[arg-type]
    with pytest.raises(ConnectError):
        offline.load("klines", missing="fetch", **tail)  # type: ignore[arg-type]


def test_callers_at_the_same_time_double_nothing(lake: Lakehouse) -> None:
    def load(_: int) -> pl.DataFrame:
        return lake.load("klines", symbols=["BTCUSDT", "ETHUSDT"], missing="fetch", **NEW_YEAR).to_polars()

    with ThreadPoolExecutor(3) as pool:
        frames = list(pool.map(load, range(3)))
    assert all(frame.equals(frames[0]) for frame in frames)
    assert frames[0].height == 144
    assert sum(rows_by_archive(lake.settings).values()) == 2 * (31 + 2) * 24


def test_what_is_in_bronze_only_is_built(lake: Lakehouse) -> None:
    bounds = {"start": datetime(2024, 12, 31, tzinfo=UTC), "end": datetime(2025, 1, 3, tzinfo=UTC)}
    found = lake.discover(markets=["um"], data_types=["klines"], symbols=["BTCUSDT"], intervals=["1h"], **bounds)
    lake.collect(found, cadence="daily")
    with pytest.raises(NotFoundError, match="in bronze, not in the tables"):
        lake.load("klines", symbols="BTCUSDT", **NEW_YEAR)
    assert lake.load("klines", symbols="BTCUSDT", missing="fetch", **NEW_YEAR).count() == 72


def test_rows_are_of_the_source_and_market_that_were_asked_for(lake: Lakehouse) -> None:
    for market in ("spot", "um"):
        lake.load("klines", symbols="BTCUSDT", missing="fetch", **{**NEW_YEAR, "market": market})
    found = lake.load("klines", symbols="BTCUSDT", columns=["market", "close"], **NEW_YEAR).to_polars()
    assert found.columns == ["market", "close"]
    assert found["market"].to_list() == ["um"] * 72


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"missing": "guess"}, UsageError, "Choose one of error, report, fetch"),
        ({"symbols": []}, UsageError, "Name the symbols"),
        ({"symbols": "BTC*"}, UsageError, "Name the symbols"),
        ({"symbols": "BTC/USDT"}, UsageError, "'BTC/USDT' is no symbol of binance um"),
        ({"interval": None}, UsageError, "klines have an interval"),
        ({"interval": "7m"}, UsageError, "no interval '7m'"),
        ({"market": "moon"}, UsageError, "moon"),
        ({"source": "nobody"}, UsageError, "nobody"),
        ({"end": "2024-12-31"}, UsageError, "not before end"),
        ({"start": datetime(2024, 12, 31)}, UsageError, "no time zone"),  # noqa: DTZ001 - that is the fault
        ({"cadence": "weekly"}, UsageError, "no cadence 'weekly'"),
        ({"symbols": "BTCUSD", "missing": "fetch"}, NotFoundError, r"never published um klines of 'BTCUSD'"),
        ({"missing": "report"}, NotFoundError, "Nothing of binance um klines 1h is in the tables"),
    ],
)
def test_errors_say_what_is_wrong(lake: Lakehouse, changes: dict[str, object], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        lake.load("klines", **{"symbols": "BTCUSDT", **NEW_YEAR, **changes})  # type: ignore[arg-type]


def test_types_without_bars_take_no_interval(lake: Lakehouse) -> None:
    with pytest.raises(UsageError, match="aggTrades have no interval"):
        lake.load("aggTrades", symbols="BTCUSDT", **NEW_YEAR)
