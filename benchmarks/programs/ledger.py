"""A ledger of many archives: filled, then asked for one symbol's coverage, then given a night's changes; prints the times."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery
from lakehouse_sdk.archives.ledger import LedgerChange, LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.jobs import measure_coverage

DAYS = 2000
NIGHT = 10_000
START = datetime(2018, 1, 1, tzinfo=UTC)


def make(symbol: int, day: int) -> ArchiveObject:
    name, start = f"S{symbol:05}USDT", START + timedelta(days=day)
    key = f"data/spot/daily/klines/{name}/1m/{name}-1m-{start:%Y-%m-%d}.zip"
    etag = f"{symbol:016x}{day:016x}"
    return ArchiveObject(
        "binance", "spot", "klines", name, "1m", "daily", start, start + timedelta(days=1), key, 60_000, etag, start,
        f"{key}.CHECKSUM", etag,
    )  # fmt: skip


archives, database = int(sys.argv[1]), sys.argv[2]
settings = load_settings(catalog={"uri": f"sqlite:///{database}"})
symbols = archives // DAYS
with open_ledger(settings) as ledger:
    for number in range(symbols):
        chunk = [make(number, day) for day in range(DAYS)]
        ledger.observe(chunk)
        ledger.record("binance", [LedgerChange(archive.key, LedgerState.VERIFIED) for archive in chunk])
        ledger.drop_events(10**15)
    started = time.perf_counter()
    query = ArchiveQuery(("spot",), ("klines",), symbols=(f"S{symbols // 2:05}USDT",), intervals=("1m",))
    periods = len(measure_coverage(query, settings=settings).periods)
    coverage_s = time.perf_counter() - started
    night = [make(number % symbols, DAYS + number // symbols) for number in range(NIGHT)]
    started = time.perf_counter()
    ledger.observe(night)
    ledger.begin("binance", [archive.key for archive in night])
    ledger.record("binance", [LedgerChange(archive.key, LedgerState.VERIFIED) for archive in night])
    night_s = time.perf_counter() - started
    known = ledger.count("binance")
print(json.dumps({"archives": known, "periods": periods, "coverage_s": coverage_s, "night_s": night_s}))
