"""Users' programs around tables: ours, the loop that people write, and the floor below which nobody gets; prints what it took.

building.py build MARKET DATA_TYPE [DAYS]      collect (not timed), then build into tables
building.py day MARKET DATA_TYPE               the second day of two, built into tables that are there
building.py research SYMBOLS MONTHS            one call: from the mirror to a table that can be queried
building.py read SYMBOL                        that symbol to pandas, beside `pandas.read_parquet` of the same rows
building.py loop BUCKET COUNT                  the loop: s3fs, zipfile, pandas, to_parquet, archive by archive
building.py floor FOLDER                       unzip, `polars.read_csv`, `write_parquet` of local files, archive by archive
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd  # pyarrow imports it sooner or later: not in what is measured

import lakehouse_sdk

FIRST = datetime(2021, 1, 1, tzinfo=UTC)
REPEATS = 3
SAMPLE_BYTES = 150_000_000


def build(market: str, data_type: str, days: str = "") -> dict[str, Any]:
    lake = lakehouse_sdk.connect()
    end = FIRST + timedelta(days=int(days)) if days else None
    found = lake.discover(markets=(market,), data_types=(data_type,), end=end)
    collected = lake.collect(found, cadence="daily")
    collected.raise_for_failures()
    lake.catalog.list_tables()  # what is imported once is not what is measured
    started = time.perf_counter()
    report = lake.build(collected)
    seconds = time.perf_counter() - started
    said = {"archives": len(report.files), "rows": report.rows.accepted, "quarantined": report.rows.quarantined}
    return {"seconds": seconds, **said, **_stored(lake)}


def day(market: str, data_type: str) -> dict[str, Any]:
    """The second of two days: tables are made and modules are loaded once in the life of a lake and of a process."""
    lake = lakehouse_sdk.connect()
    second = FIRST + timedelta(days=1)
    lake.build(lake.collect(lake.discover(markets=(market,), data_types=(data_type,), end=second), cadence="daily"))
    collected = lake.collect(lake.discover(markets=(market,), data_types=(data_type,), start=second), cadence="daily")
    started = time.perf_counter()
    report = lake.build(collected)
    seconds = time.perf_counter() - started
    (data,) = (table for table in report.commit.tables if table.table == "silver.agg_trades")
    return {"seconds": seconds, "rows": data.rows_written, **_stored(lake)}


def research(symbols: str, months: str) -> dict[str, Any]:
    lake = lakehouse_sdk.connect()
    names = [f"S{number:03}USDT" for number in range(int(symbols))]
    end = FIRST.replace(year=FIRST.year + int(months) // 12, month=int(months) % 12 + 1)
    lake.catalog.list_tables()
    started = time.perf_counter()
    scan = lake.load(
        "klines", market="um", symbols=names, interval="1m", start=FIRST, end=end, missing="fetch", cadence="monthly"
    )
    rows = scan.count()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "rows": rows, **_stored(lake)}


def read(symbol: str) -> dict[str, Any]:
    lake = lakehouse_sdk.connect()
    scan = lake.table("silver.klines").scan(symbols=symbol, interval="1m")
    rows = scan.to_pandas()
    place = f"s3://{lake.settings.lake.bucket}/beside/{symbol}.parquet"
    options = lake.storage_options("pandas")
    rows.to_parquet(place, storage_options=options)
    times: dict[str, list[float]] = {"scan_s": [], "read_parquet_s": []}
    for _ in range(REPEATS):
        _time(times["scan_s"], lambda: lake.table("silver.klines").scan(symbols=symbol, interval="1m").to_pandas())
        _time(times["read_parquet_s"], lambda: pd.read_parquet(place, storage_options=options))
    plan = scan.plan(row_groups=True)
    month = lake.table("silver.klines").scan(symbols=symbol, interval="1m", start="2021-02-01", end="2021-03-01").plan()
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        **medians,
        "rows": len(rows),
        "files_in_table": plan.files_in_table,
        "row_groups": plan.row_groups,
        "row_groups_in_table": plan.row_groups_in_files,
        "rows_in_row_groups": plan.rows_in_row_groups,
        "files_of_month": month.files,
    }


def loop(bucket: str, limit: str) -> dict[str, Any]:
    import s3fs

    lake = lakehouse_sdk.connect()
    options = lake.storage_options("pandas")
    fs = s3fs.S3FileSystem(**options)
    keys = [key for key in fs.find(bucket) if key.endswith(".zip")][: int(limit)]
    started = time.perf_counter()
    for key in keys:
        with fs.open(key) as stream, zipfile.ZipFile(stream) as archive:
            rows = pd.read_csv(io.BytesIO(archive.read(archive.namelist()[0])))
        target = f"s3://{lake.settings.lake.bucket}/{key.partition('/')[2].removesuffix('.zip')}.parquet"
        rows.to_parquet(target, storage_options=options)
    return {"seconds": time.perf_counter() - started, "archives": len(keys)}


def floor(folder: str) -> dict[str, Any]:
    import polars as pl

    target = Path(folder) / "floor"
    target.mkdir(exist_ok=True)
    seconds, rows, csv_bytes, sample = 0.0, 0, 0, [0, 0]
    for path in sorted(Path(folder).glob("*.zip")):
        data = path.read_bytes()
        started = time.perf_counter()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read(archive.namelist()[0])
        frame = pl.read_csv(text)
        frame.write_parquet(target / f"{path.stem}.parquet")
        seconds += time.perf_counter() - started
        rows, csv_bytes = rows + frame.height, csv_bytes + len(text)
        if sample[0] < SAMPLE_BYTES:  # packed as the exchange packs: the mirror's own zips are larger
            sample = [sample[0] + len(text), sample[1] + len(zlib.compress(text, 6))]
    return {"seconds": seconds, "rows": rows, "csv_bytes": csv_bytes, "zip_bytes": csv_bytes * sample[1] / sample[0]}


def _stored(lake: lakehouse_sdk.Lakehouse) -> dict[str, Any]:
    """Files of the data table."""
    name = next(name for name in lake.catalog.list_tables() if name in {"silver.klines", "silver.agg_trades"})
    state = lake.table(name).snapshots()[-1]
    return {"table_files": state.file_count, "table_bytes": state.size_bytes}


def _time(times: list[float], call: Callable[[], object]) -> None:
    started = time.perf_counter()
    call()
    times.append(time.perf_counter() - started)


if __name__ == "__main__":
    verbs: dict[str, Callable[..., dict[str, Any]]] = {f.__name__: f for f in (build, day, research, read, loop, floor)}
    print(json.dumps(verbs[sys.argv[1]](*sys.argv[2:])))
