"""Complete is what has its rows, not what has its archives; a reader that is not ours counts, on random sets of archives."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from mirrored_lake import settings_for
from table_archives import csv_of, kline, zip_of

from lakehouse_sdk.archives.coverage import PeriodState
from lakehouse_sdk.archives.readiness import ReadyState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError, TableError
from lakehouse_sdk.events import Event, Notice
from lakehouse_sdk.jobs import BuildReport, Coverage
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

FIRST = datetime(2024, 2, 1, tzinfo=UTC)
DAYS = [FIRST + number * timedelta(days=1) for number in range(29)]
A_DAY = 3
"""Bars of eight hours."""
GOOD, BAD = "good", "bad"


@dataclass
class Published:
    """What a source has of one symbol: by day the hours of the bars in its daily archive, and the same of its month."""

    days: dict[datetime, dict[int, str]] = field(default_factory=dict)
    month: dict[datetime, dict[int, str]] | None = None

    def best(self, day: datetime) -> int:
        """Most good rows that one archive has of the day."""
        said = [self.days.get(day, {}), (self.month or {}).get(day, {})]
        return max(sum(kind == GOOD for kind in hours.values()) for hours in said)


def line(day: datetime, hour: int, kind: str) -> str:
    start = day + timedelta(hours=hour)
    close = round((start + timedelta(hours=8)).timestamp() * 1000) - 1
    return kline(0, start, close_time=close, **({"low": "20"} if kind == BAD else {}))


class Source:
    """A bucket in the place of the exchange's."""

    def __init__(self, server: MinioServer, bucket: str) -> None:
        self.bucket = bucket
        self._client = S3Client(server.profile)
        self._client.ensure_bucket(bucket)
        self._client.set_public_read(bucket)

    def publish(self, symbol: str, published: Published) -> None:
        for day, hours in published.days.items():
            self._put(symbol, "daily", f"{day:%Y-%m-%d}", [line(day, hour, kind) for hour, kind in hours.items()])
        if published.month is not None:
            lines = [line(day, hour, kind) for day in sorted(published.month) for hour, kind in published.month[day].items()]
            self._put(symbol, "monthly", f"{FIRST:%Y-%m}", lines)

    def _put(self, symbol: str, frequency: str, period: str, lines: list[str]) -> None:
        self.put(f"data/futures/um/{frequency}/klines/{symbol}/8h/{symbol}-8h-{period}", lines)

    def put(self, stem: str, lines: list[str]) -> None:
        name, key = stem.rpartition("/")[2], f"{stem}.zip"
        body = zip_of((f"{name}.csv", csv_of(lines)))
        self._client.put_bytes(self.bucket, key, body)
        self._client.put_bytes(self.bucket, f"{key}.CHECKSUM", f"{hashlib.sha256(body).hexdigest()}  {name}.zip\n".encode())

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def source(other_minio: MinioServer, bucket: str) -> Iterator[Source]:
    made = Source(other_minio, bucket)
    yield made
    made.close()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, source: Source, events: list[Event]) -> Iterator[Lakehouse]:
    with Lakehouse(settings_for(settings, other_minio.endpoint_url, source.bucket), observer=events.append) as made:
        yield made


def full(*days: datetime) -> dict[datetime, dict[int, str]]:
    return {day: dict.fromkeys((0, 8, 16), GOOD) for day in days}


def discover(lake: Lakehouse):
    return lake.discover(markets=["um"], data_types=["klines"], intervals=["8h"])


def run(lake: Lakehouse, **options: object) -> BuildReport:
    collected = lake.collect(discover(lake), **options)  # type: ignore[call-overload]
    collected.raise_for_failures()
    return lake.build(collected)


def cover(lake: Lakehouse) -> Coverage:
    return lake.coverage(markets=["um"], data_types=["klines"], intervals=["8h"], start=FIRST, end="2024-03-01")


def states(lake: Lakehouse, symbol: str = "AUSDT") -> dict[datetime, PeriodState]:
    return {period.start: period.state for period in cover(lake).periods if period.series[3] == symbol}


def load(lake: Lakehouse, symbol: str = "AUSDT", missing: str = "report"):
    when = {"start": FIRST, "end": "2024-03-01"}
    return lake.load("klines", market="um", symbols=symbol, interval="8h", missing=missing, **when)  # type: ignore[arg-type]


def count(lake: Lakehouse) -> dict[str, dict[datetime, int]]:
    """Rows of each day as pyiceberg alone counts them; a natural key that is there twice is an error."""
    settings = lake.settings
    properties = {"uri": settings.catalog.uri, "warehouse": "s3://unused", **settings.storage.to_pyiceberg()}
    program = Path(__file__).parents[2] / "support" / "foreign_count.py"
    given = json.dumps([settings.catalog.name, properties])
    done = subprocess.run([sys.executable, program], input=given, capture_output=True, text=True, check=True)
    found: dict[str, dict[datetime, int]] = {}
    for symbol, days in json.loads(done.stdout).items():
        for day, (rows, distinct) in days.items():
            assert rows == distinct, f"{symbol} {day} has rows twice"
            found.setdefault(symbol, {})[datetime.fromisoformat(f"{day}T00:00:00+00:00")] = rows
    return found


class TestAMonthWithAWeekInIt:
    @pytest.fixture
    def lake(self, lake: Lakehouse, source: Source) -> Lakehouse:
        source.publish("AUSDT", Published(full(*DAYS), full(*DAYS[:7])))
        run(lake)
        return lake

    def test_load_says_so_and_fetches_the_days(self, lake: Lakehouse) -> None:
        seen = load(lake)
        assert not seen.is_complete
        assert [(gap.start, gap.end, gap.state) for gap in seen.gaps] == [
            (DAYS[7], FIRST + timedelta(days=29), ReadyState.MISSING)
        ]
        with pytest.raises(NotFoundError, match="0 of 3 rows; another archive has the day"):
            load(lake, missing="error")
        fetched = load(lake, missing="fetch")
        assert (fetched.is_complete, fetched.gaps, fetched.fetched) == (True, (), 22)
        assert len(fetched.to_polars()) == 29 * A_DAY
        assert count(lake)["AUSDT"] == dict.fromkeys(DAYS, A_DAY)

    def test_coverage_calls_the_days_pending_and_repair_brings_them(self, lake: Lakehouse) -> None:
        before = states(lake)
        assert [before[day] for day in DAYS] == [PeriodState.PRESENT] * 7 + [PeriodState.PENDING] * 22
        run(lake, repair=True)
        assert set(states(lake).values()) == {PeriodState.PRESENT}
        assert count(lake)["AUSDT"] == dict.fromkeys(DAYS, A_DAY)

    def test_the_next_night_brings_them_too(self, lake: Lakehouse) -> None:
        assert len(run(lake).files) == 22
        assert not run(lake).files
        assert load(lake, missing="error").is_complete

    def test_bars_say_what_they_lack(self, lake: Lakehouse, events: list[Event]) -> None:
        when = {"start": FIRST, "end": "2024-03-01"}
        view = lake.bars("AUSDT", interval="1d", market="um", **when)  # type: ignore[arg-type]
        assert view.lacking == ("AUSDT 2024-02-08 to 2024-02-29 (0 of 3 rows; another archive has the day)",)
        assert any(isinstance(event, Notice) and event.stage == "bars" for event in events)
        assert lake.bars("AUSDT", interval="1d", market="um", start=FIRST, end=DAYS[7]).lacking == ()
        assert lake.bars("AUSDT", interval="1d", market="um").lacking == ()

    def test_quality_does_not_call_it_perfect(self, lake: Lakehouse) -> None:
        score = lake.quality().score
        assert score is not None
        assert score < 0.3


def test_a_fetch_of_nothing_ends_complete_though_the_month_is_short(lake: Lakehouse, source: Source) -> None:
    source.publish("AUSDT", Published(full(*DAYS), full(*DAYS[3:9])))
    loaded = load(lake, missing="fetch")
    assert (loaded.is_complete, loaded.gaps, loaded.fetched) == (True, (), 24)


def test_an_archive_that_lost_every_row_is_an_alarm_and_a_hole(lake: Lakehouse, source: Source, events: list[Event]) -> None:
    source.publish("AUSDT", Published({**full(*DAYS[:5]), DAYS[2]: dict.fromkeys((0, 8, 16), BAD)}))
    built = run(lake)
    (alarm,) = built.alarms
    assert alarm.alarm == "100% of 3 rows rejected by `ohlc-order`: has the format changed?"
    assert any(isinstance(event, Notice) and alarm.alarm in event.text for event in events)
    with pytest.raises(TableError, match="1 of 5 archives lost rows"):
        built.raise_for_losses()
    assert states(lake)[DAYS[2]] is PeriodState.REJECTED
    seen = load(lake)
    assert not seen.is_complete
    lost = [gap for gap in seen.gaps if gap.start == DAYS[2]]
    assert [(gap.state, gap.rejected, gap.reason) for gap in lost] == [(ReadyState.MISSING, 3, "0 of 3 rows, 3 rejected")]
    assert lake.quality().score == 0.8


def test_a_month_takes_the_place_of_a_day_that_has_fewer_rows_and_the_other_way(lake: Lakehouse, source: Source) -> None:
    """The day's word stands, unless the day lost what the month has: neither order may cost rows."""
    poor = Published({**full(*DAYS[:10]), DAYS[4]: {0: GOOD, 8: BAD, 16: BAD}, DAYS[5]: {0: GOOD}})
    source.publish("AUSDT", poor)
    run(lake)
    source.publish("AUSDT", Published(month=full(*DAYS)))
    run(lake, cadence="reconcile")
    assert count(lake)["AUSDT"] == dict.fromkeys(DAYS, A_DAY)
    assert set(states(lake).values()) == {PeriodState.PRESENT}
    source.publish("BUSDT", Published(month=full(*DAYS)))
    run(lake)
    source.publish("BUSDT", poor)
    run(lake, cadence="reconcile")
    assert count(lake)["BUSDT"] == dict.fromkeys(DAYS, A_DAY)
    assert set(states(lake, "BUSDT").values()) == {PeriodState.PRESENT}


def test_what_the_source_itself_lacks_is_short_and_nobodys_hole(lake: Lakehouse, source: Source) -> None:
    source.publish("AUSDT", Published({**full(*DAYS), DAYS[9]: {0: GOOD, 16: GOOD}}))
    run(lake)
    assert states(lake)[DAYS[9]] is PeriodState.SHORT
    assert not cover(lake).holes
    seen = load(lake, missing="error")
    assert seen.is_complete
    assert [str(gap) for gap in seen.gaps] == ["AUSDT 2024-02-10 (2 of 3 rows; nothing more is published)"]


class TestMetricsWhoseMidnightLiesInTheFileOfTheDayBefore:
    KEY = "data/futures/um/daily/metrics/AUSDT/AUSDT-metrics-{:%Y-%m-%d}"

    def publish(self, source: Source, day: datetime, *, first: int = 1, last: int = 288) -> None:
        stamps = [day + number * timedelta(minutes=5) for number in range(first, last + 1)]
        lines = [f"{stamp:%Y-%m-%d %H:%M:%S},AUSDT,1.0,{stamp.day}.0,1,1,1,1" for stamp in stamps]
        source.put(self.KEY.format(day), lines)

    def load(self, lake: Lakehouse, start: datetime, missing: str = "report"):
        when = {"start": start, "end": start + timedelta(days=1)}
        return lake.load("metrics", market="um", symbols="AUSDT", missing=missing, **when)  # type: ignore[arg-type]

    def collect(self, lake: Lakehouse, **options: object) -> None:
        lake.build(lake.collect(lake.discover(markets=["um"], data_types=["metrics"], **options)))  # type: ignore[call-overload]

    def test_without_the_day_before_the_day_is_not_complete(self, lake: Lakehouse, source: Source) -> None:
        for day in DAYS[:4]:
            self.publish(source, day)
        self.collect(lake, start=DAYS[2], end=DAYS[3])
        seen = self.load(lake, DAYS[2])
        assert not seen.is_complete
        assert [gap.reason for gap in seen.gaps] == ["287 of 288 rows; an archive that may have the rest was not looked for"]
        fetched = self.load(lake, DAYS[2], "fetch")
        assert (fetched.is_complete, fetched.gaps, fetched.to_polars().height) == (True, (), 288)

    def test_a_midnight_in_two_files_is_there_once_and_the_day_s_own_file_wins(self, lake: Lakehouse, source: Source) -> None:
        self.publish(source, DAYS[0])
        self.publish(source, DAYS[1], first=0, last=287)  # from here on the publisher labels rows by their beginning
        self.collect(lake)
        rows = self.load(lake, DAYS[1]).to_polars()
        assert (rows.height, rows["create_time"].n_unique()) == (288, 288)
        keys = lake.table("silver.metrics").scan(columns=["create_time", "_source_key"]).to_polars()
        assert keys.filter(pl.col("create_time") == DAYS[1])["_source_key"].to_list() == [f"{self.KEY.format(DAYS[1])}.zip"]

    def test_whichever_of_the_two_comes_first(self, lake: Lakehouse, source: Source) -> None:
        self.publish(source, DAYS[1], first=0, last=287)
        self.publish(source, DAYS[0])
        for start in (DAYS[1], DAYS[0]):
            self.collect(lake, start=start, end=start + timedelta(days=1))
            rows = lake.table("silver.metrics").scan(columns=["create_time"]).to_polars()
            assert rows["create_time"].n_unique() == rows.height
        self.publish(source, DAYS[2])
        self.publish(source, DAYS[3], first=0, last=287)
        for start in (DAYS[2], DAYS[3]):
            self.collect(lake, start=start, end=start + timedelta(days=1))
            rows = lake.table("silver.metrics").scan(columns=["create_time"]).to_polars()
            assert rows["create_time"].n_unique() == rows.height


def test_gaps_between_ids_of_trades_are_no_hole(lake: Lakehouse, source: Source) -> None:
    """Futures leave out what the insurance fund took over: whole months would be fetched again as days, every night."""
    for day in DAYS[:2]:
        moments = [day + timedelta(hours=n) for n in range(4)]
        lines = [f"{n * 10},10.5,1,10.5,{round(t.timestamp() * 1000)},true" for n, t in enumerate(moments)]
        source.put(f"data/futures/um/daily/trades/AUSDT/AUSDT-trades-{day:%Y-%m-%d}", lines)
    lake.build(lake.collect(lake.discover(markets=["um"], data_types=["trades"])))
    loaded = lake.load("trades", market="um", symbols="AUSDT", start=DAYS[0], end=DAYS[2])
    assert (loaded.is_complete, loaded.gaps) == (True, ())
    assert not lake.coverage(markets=["um"], data_types=["trades"]).counts()["short"]


def test_a_day_of_which_a_month_lacks_some_rows_is_short_and_no_error(lake: Lakehouse, source: Source) -> None:
    month = {**full(*DAYS), DAYS[4]: {0: GOOD, 16: GOOD}}
    source.publish("AUSDT", Published(full(*DAYS), month))
    run(lake)
    seen = load(lake, missing="error")
    assert [(gap.state, gap.final) for gap in seen.gaps] == [(ReadyState.SHORT, False)]
    assert not seen.is_complete
    assert load(lake, missing="fetch").is_complete


def publish_at_random(chance: random.Random) -> Published:
    def hours() -> dict[int, str]:
        kind = chance.choice(["full", "full", "full", "short", "rejected", "mixed", "empty"])
        if kind == "full":
            return dict.fromkeys((0, 8, 16), GOOD)
        if kind == "rejected":
            return dict.fromkeys((0, 8, 16), BAD)
        chosen = sorted(chance.sample((0, 8, 16), 2 if kind == "short" else 3))
        return {hour: chance.choice([GOOD, BAD]) if kind == "mixed" else GOOD for hour in chosen} if kind != "empty" else {}

    days = {day: hours() for day in chance.sample(DAYS, chance.choice([0, 1, 3, 6]))}
    month = None
    if chance.random() < 0.7:
        month = {day: hours() if chance.random() < 0.2 else dict.fromkeys((0, 8, 16), GOOD) for day in DAYS}
        if chance.random() < 0.3:
            month = dict(list(month.items())[: chance.randrange(1, 29)])
    return Published({day: found for day, found in days.items() if found}, month)


@pytest.mark.parametrize("sets", [25, 1000])
def test_random_sets_of_archives_agree_with_a_reader_that_is_not_ours(lake: Lakehouse, source: Source, sets: int) -> None:
    """Missing, short, rejected and republished archives of both cadences: what is claimed is what a stranger counts."""
    chance = random.Random(sets)
    published = {f"S{number}USDT": publish_at_random(chance) for number in range(sets)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: source.publish(*pair), published.items()))
    run(lake, cadence=chance.choice(["auto", "monthly", "daily"]))
    agree(lake, published, settled=False)
    again = {}
    for symbol in chance.sample(sorted(published), sets // 4):  # the source publishes some of them anew, better or worse
        found = publish_at_random(chance)
        again[symbol] = found
        published[symbol].days |= found.days
        published[symbol].month = found.month or published[symbol].month
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: source.publish(*pair), again.items()))
    run(lake, cadence="auto")
    for _ in range(3):
        run(lake, repair=True)
    agree(lake, published, settled=True)


def agree(lake: Lakehouse, published: dict[str, Published], *, settled: bool) -> None:
    counted = count(lake)
    chart: dict[str, dict[datetime, PeriodState]] = {}
    for period in cover(lake).periods:
        chart.setdefault(period.series[3], {})[period.start] = period.state
    for symbol, truth in published.items():
        rows = counted.get(symbol, {})
        for day, state in chart.get(symbol, {}).items():
            month = (truth.month or {}).get(day)
            said = f"{symbol} {day:%m-%d}: {rows.get(day, 0)} rows, {state}; published {truth.days.get(day)}, {month}"
            assert (state is PeriodState.PRESENT) == (rows.get(day, 0) >= A_DAY), said
            if settled:
                assert rows.get(day, 0) >= truth.best(day), said
                assert state is not PeriodState.PENDING, said
        if symbol in chart:
            gaps = load_gaps(lake, symbol) if rows else []
            lacking = {day for day in DAYS if any(gap.start <= day < gap.end for gap in gaps)}
            assert not rows or lacking == {day for day in DAYS if rows.get(day, 0) < A_DAY}, symbol


def load_gaps(lake: Lakehouse, symbol: str):
    return load(lake, symbol).gaps
