"""Archives that nobody publishes: made from the pages of an API, and from then on archives like any other."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.events import Event, ObjectPublished
from lakehouse_sdk.jobs import ArchiveState, CollectionPlan, Discovery, Task
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import CoinbaseServer

START, END = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 4, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[CoinbaseServer]:
    with CoinbaseServer() as started:
        yield started


@pytest.fixture
def lake(settings: Settings, server: CoinbaseServer) -> Iterator[Lakehouse]:
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    coinbase = {"api_url": server.url, "requests_per_s": 500}
    with Lakehouse(load_settings(**known, archives={"coinbase": coinbase})) as made:
        yield made


def discover(lake: Lakehouse, **narrow: object) -> Discovery:
    asked = {"markets": ("spot",), "data_types": ("candles", "trades"), "symbols": ("BTC-USD",), "intervals": ("1h",)}
    return lake.discover("coinbase", **{**asked, "start": START, "end": END, **narrow})  # type: ignore[arg-type]


def test_days_become_archives_with_a_hash_and_a_request_log(lake: Lakehouse, server: CoinbaseServer, s3: S3Client) -> None:
    plan = lake.collect(discover(lake), dry_run=True)
    assert isinstance(plan, CollectionPlan)
    assert (plan.count(Task.MAKE), plan.size_bytes) == (6, 0)
    told: list[Event] = []
    report = Lakehouse(lake.settings, observer=told.append).collect(discover(lake))
    assert report.counts()["unverified"] == 6
    sizes = {event.key: event.size_bytes for event in told if isinstance(event, ObjectPublished)}
    bucket = lake.settings.lake.bucket
    for item in report.archives:
        content = s3.get_bytes(bucket, f"bronze/coinbase/{item.archive.key}")
        assert hashlib.sha256(content).hexdigest() == item.sha256
        assert sizes[item.archive.key] == len(content)
        rows = list(csv.reader(io.StringIO(gzip.decompress(content).decode())))[1:]
        requests = s3.get_bytes(bucket, f"bronze/coinbase/{item.archive.key}.requests.jsonl")
        log = [json.loads(line) for line in requests.splitlines()]
        assert {"url", "status", "at", "rows", "sha256"} <= log[0].keys()
        day = item.archive.period_start.date()
        truth = server.trades("BTC-USD", day) if item.archive.data_type == "trades" else server.candles("BTC-USD", day, "1h")
        assert [tuple(row) for row in rows] == truth
    with open_ledger(lake.settings) as ledger:
        assert {entry.state for entry in ledger.entries("coinbase")} == {LedgerState.COPIED}


def test_a_second_run_asks_the_source_for_nothing_but_its_products(lake: Lakehouse, server: CoinbaseServer) -> None:
    lake.collect(discover(lake))
    before = len(server.paths)
    again = lake.collect(discover(lake))
    assert again.counts()["present"] == 6
    assert server.paths[before:] == ["/products"]
    assert set(lake.coverage("coinbase", markets=("spot",), data_types=("candles",)).counts().items()) >= {("present", 3)}


def test_a_day_that_cannot_be_right_is_quarantined_and_the_rest_goes_on(lake: Lakehouse, server: CoinbaseServer) -> None:
    server.plant("conflicting-candle", times=None, path="2024-02-02")
    report = lake.collect(discover(lake, data_types=("candles",)))
    assert {item.archive.period_start.day: item.state for item in report.archives} == {
        1: ArchiveState.UNVERIFIED,
        2: ArchiveState.QUARANTINED,
        3: ArchiveState.UNVERIFIED,
    }


def test_a_source_that_fails_for_good_fails_each_archive_and_comes_next_time(
    lake: Lakehouse, server: CoinbaseServer, s3: S3Client
) -> None:
    found = discover(lake, data_types=("candles",), end=datetime(2024, 2, 2, tzinfo=UTC)).listed()
    server.plant("html", times=1, path="/candles")
    failed = lake.collect(found)
    assert [item.state for item in failed.archives] == [ArchiveState.FAILED]
    assert "JSON" in failed.archives[0].reason
    assert not list(s3.list_objects(lake.settings.lake.bucket, "bronze/coinbase/"))
    assert [item.state for item in lake.collect(found).archives] == [ArchiveState.UNVERIFIED]
    assert date(2024, 2, 1) == found.archives[0].period_start.date()
