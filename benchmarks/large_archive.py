"""Memory that judging one month of aggregate trades takes, in parts and whole; needs no server.

python benchmarks/large_archive.py                    # 15 million rows, about 1 GiB of CSV
python benchmarks/large_archive.py --rows 2000000
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from measure import run

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables import CheckedBatch, SourceFile, parse_archive, validate
from lakehouse_sdk.tables.judge.large import check_large

START, END = datetime(2023, 3, 1, tzinfo=UTC), datetime(2023, 4, 1, tzinfo=UTC)
STEM = "BTCUSDT-aggTrades-2023-03"
MIB = 1024**2


def write_archive(path: Path, count: int) -> int:
    """A month of `count` rows with the digits of real ones; returns the size of its CSV."""
    draw = np.random.default_rng(1)
    span_ms = int((END - START).total_seconds() * 1000)
    numbers = np.arange(1_600_000_000, 1_600_000_000 + count)
    rows = pl.DataFrame(
        {
            "agg_trade_id": numbers,
            "price": np.round(23_000 + np.cumsum(draw.normal(0, 0.05, count)), 2),
            "quantity": np.round(draw.exponential(0.05, count) + 0.001, 3),
            "first_trade_id": numbers * 2,
            "last_trade_id": numbers * 2 + 1,
            "transact_time": int(START.timestamp() * 1000) + np.sort(draw.integers(0, span_ms, count)),
            "is_buyer_maker": np.where(draw.random(count) < 0.5, "true", "false"),
        }
    )
    text = rows.write_csv(include_header=False).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{STEM}.csv", text)
    return len(text)


def judge(path: Path, way: str) -> None:
    """Judge the archive and print what that took; in a process of its own."""
    data = path.read_bytes()
    key = f"data/futures/um/monthly/aggTrades/BTCUSDT/{STEM}.zip"
    file = SourceFile("binance", "um", "aggTrades", "BTCUSDT", None, START, END, key, hashlib.sha256(data).hexdigest())
    began = time.perf_counter()
    batch: CheckedBatch | None
    if way == "parts":
        batch = check_large(data, file, QualitySettings(), max_bytes=2**40)
    else:
        batch = validate(parse_archive(data, file, max_bytes=2**40))
    if batch is None:
        raise SystemExit("It was left to be judged whole.")
    print(f"{way}: {batch.rows_accepted:,} rows, {time.perf_counter() - began:.1f} s")


def main() -> None:
    """Make the archive, and judge it each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=15_000_000)
    parser.add_argument("--judge", nargs=2, metavar=("PATH", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        judge(Path(options.judge[0]), options.judge[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{STEM}.zip"
        size = write_archive(path, options.rows)
        print(f"{size / MIB:,.0f} MiB of CSV, {path.stat().st_size / MIB:,.0f} MiB packed")
        for way in ("parts", "whole"):
            command = [sys.executable, __file__, "--judge", str(path), way]
            cost = run(command, env=os.environ, cwd=Path(folder))
            print(f"{cost.output.strip()}, at most {cost.peak_bytes / MIB:,.0f} MiB with archive and libraries")


if __name__ == "__main__":
    main()
