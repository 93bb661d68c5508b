"""From bronze to tables and back to pandas, beside what people write and beside the floor; part of `make bench`.

python benchmarks/tables.py --quick      # minutes: does the harness work
python benchmarks/tables.py              # the figures
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from clients import base_env
from measure import run
from page import describe_machine
from samples import MIB, Results, make_parser, save, scale, to_mib
from trees import Site

from lakehouse_sdk.testing import MirrorSpec, day_range, month_range, publish_mirror

PROGRAM = str(Path(__file__).with_name("programs") / "building.py")
WORKS = ("day", "klines", "research")
FIRST_DAY = date(2021, 1, 1)
LOOP_ARCHIVES = 2_000
"""Of the loop, which takes the same time for each archive; the page scales its time."""
_PRUNED = ("row_groups", "row_groups_in_table", "rows_in_row_groups", "files_of_month", "files_in_table")
BAR_TRADES = 5_000
"""Trades of a day from which bars are made: some in every minute, as in a market that lives."""


class Bench:
    """A mirror and a lake on one server, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.site = Site("lake", folder / "server")
        self.results = Results()

    def measure_day(self) -> None:
        """One day of aggTrades, in a lake that has a day already; the floor reads both days and counts for one."""
        spec = MirrorSpec(
            markets=("um",),
            data_types=("aggTrades",),
            days=day_range(FIRST_DAY, FIRST_DAY + timedelta(days=1)),
            trades_per_day=50_000 if self.options.quick else 1_430_000,
        )
        mirror = self._publish(spec)
        zips = self._download(mirror)
        for _ in range(self.options.runs):
            for name in random.sample(["build", "floor"], 2):
                if name == "build":
                    self._run_in_fresh_lake("day", name, mirror, ["day", "um", "aggTrades"])
                else:
                    self._add("day", name, mirror, ["floor", str(zips)], lake="none")
        self.site.remove_bucket(mirror)

    def measure_klines(self) -> None:
        """10,000 daily archives of 1m bars, also a tenth of them, beside the loop."""
        symbols, days = (2, 50) if self.options.quick else (10, self.options.archives // 10)
        last = FIRST_DAY + timedelta(days=days - 1)
        spec = MirrorSpec(
            markets=("um",), symbols=_symbols(symbols), days=day_range(FIRST_DAY, last), trades_per_day=BAR_TRADES
        )
        mirror = self._publish(spec)
        self._run_in_fresh_lake("klines", "a tenth", mirror, ["build", "um", "klines", str(days // 10)])
        self._run_in_fresh_lake("klines", "build", mirror, ["build", "um", "klines"])
        self._run_in_fresh_lake("klines", "loop", mirror, ["loop", mirror, str(LOOP_ARCHIVES)])
        self.site.remove_bucket(mirror)

    def measure_research(self) -> None:
        """20 symbols, 36 months of 1m bars, by monthly archives; then one of the symbols to pandas."""
        symbols, months = (2, 3) if self.options.quick else (20, 36)
        last = date(FIRST_DAY.year + (months - 1) // 12, (months - 1) % 12 + 1, 1)
        spec = MirrorSpec(
            markets=("um",), symbols=_symbols(symbols), months=month_range(FIRST_DAY, last), trades_per_day=BAR_TRADES
        )
        mirror = self._publish(spec)
        zips = self._download(mirror)
        self._add("research", "floor", mirror, ["floor", str(zips)], lake="none")
        lake = self.site.new_bucket()
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            self._add("research", "load", mirror, ["research", str(symbols), str(months)], lake=lake, catalog=scratch)
            self._add("research", "read", mirror, ["read", "S001USDT"], lake=lake, catalog=scratch)
        self.site.remove_bucket(lake)
        self.site.remove_bucket(mirror)

    def _publish(self, spec: MirrorSpec) -> str:
        bucket = self.site.new_bucket()
        truth = publish_mirror(self.site.server.profile, bucket, spec)
        print(f"published {len(truth.archives):,} archives, {truth.totals.rows_published:,} rows", flush=True)
        return bucket

    def _download(self, bucket: str) -> Path:
        """The zips of a mirror as local files."""
        folder = self.folder / bucket
        folder.mkdir()
        pages = self.site.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for key in (item["Key"] for page in pages for item in page["Contents"]):
            if key.endswith(".zip"):
                answer = self.site.client.get_object(Bucket=bucket, Key=key)
                (folder / key.rpartition("/")[2]).write_bytes(answer["Body"].read())
        return folder

    def _run_in_fresh_lake(self, work: str, name: str, mirror: str, command: list[str]) -> None:
        lake = self.site.new_bucket()
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            self._add(work, name, mirror, command, lake=lake, catalog=scratch)
        self.site.remove_bucket(lake)

    def _add(self, work: str, name: str, mirror: str, command: list[str], *, lake: str, catalog: str = "") -> None:
        env = self._env(mirror, lake, catalog or str(self.folder))
        self.results.add(work, name, run([sys.executable, PROGRAM, *command], env=env, cwd=self.folder))

    def _env(self, mirror: str, lake: str, catalog: str) -> dict[str, str]:
        access_key, secret_key = self.site.server.profile.credentials()
        endpoint_url = self.site.server.endpoint_url
        return {
            **base_env(self.folder),
            "LAKEHOUSE_STORAGE__ENDPOINT_URL": endpoint_url,
            "LAKEHOUSE_STORAGE__ACCESS_KEY": access_key,
            "LAKEHOUSE_STORAGE__SECRET_KEY": secret_key,
            "LAKEHOUSE_LAKE__BUCKET": lake,
            "LAKEHOUSE_ARCHIVES__BINANCE__ENDPOINT_URL": endpoint_url,
            "LAKEHOUSE_ARCHIVES__BINANCE__BUCKET": mirror,
            "LAKEHOUSE_ARCHIVES__BINANCE__REGION": "us-east-1",
            "LAKEHOUSE_CATALOG__URI": f"sqlite:///{catalog}/catalog.db",
        }


def _symbols(count: int) -> tuple[str, ...]:
    return tuple(f"S{number:03}USDT" for number in range(count))


@dataclass(frozen=True)
class Line:
    """One line of the page; `value` has to be at most `bound`, both in `unit`."""

    what: str
    target: str
    value: float | None
    bound: float | None
    unit: str

    def render(self) -> str:
        verdict = "" if self.value is None or self.bound is None else "met" if self.value <= self.bound else "**missed**"
        return f"| {self.what} | {self.target} | {_show(self.value, self.unit)} | {_show(self.bound, self.unit)} | {verdict} |"


def scale_loop(results: Results) -> float | None:
    """Seconds of the loop over as many archives as the build had."""
    seconds, done, wanted = (
        results.median("klines", name, value)
        for name, value in (("loop", "seconds"), ("loop", "archives"), ("build", "archives"))
    )
    return seconds * wanted / done if seconds and done and wanted else None


def list_lines(results: Results) -> list[Line]:
    """What the page shows."""
    get = results.median
    loop, build = scale_loop(results), get("klines", "build", "seconds")
    archives = _show(get("klines", "build", "archives"), "")
    return [
        Line("aggTrades of a day, bronze to committed table", "at most 2.5 x the floor", get("day", "build", "seconds"),
             scale(1.25, get("day", "floor", "seconds")), "s"),
        Line("… memory of the process", "under 700 MiB", to_mib(get("day", "build", "peak_bytes")), 700, "MiB"),
        Line("… stored", "at most 30 % of the CSV", to_mib(get("day", "build", "table_bytes")),
             to_mib(scale(0.3, get("day", "floor", "csv_bytes"))), "MiB"),
        Line("… stored", "smaller than the zip", to_mib(get("day", "build", "table_bytes")),
             to_mib(get("day", "floor", "zip_bytes")), "MiB"),
        Line(f"{archives} daily archives of 1m bars", "at most a fifth of the loop", build, scale(0.2, loop), "s"),
        Line("… memory of the process", "under 1 GiB", to_mib(get("klines", "build", "peak_bytes")), 1024, "MiB"),
        Line("… memory, against a tenth of them", "bounded: at most 1.5 x", to_mib(get("klines", "build", "peak_bytes")),
             scale(1.5, to_mib(get("klines", "a tenth", "peak_bytes"))), "MiB"),
        Line("20 symbols, 36 months of 1m bars, mirror to table", "at most 2.5 x the floor", get("research", "load", "seconds"),
             scale(2.5, get("research", "floor", "seconds")), "s"),
        Line("… stored", "at most 30 % of the CSV", to_mib(get("research", "load", "table_bytes")),
             to_mib(scale(0.3, get("research", "floor", "csv_bytes"))), "MiB"),
        Line("… stored", "smaller than the zips", to_mib(get("research", "load", "table_bytes")),
             to_mib(get("research", "floor", "zip_bytes")), "MiB"),
        Line("One of the symbols to pandas", "at most 2 x `read_parquet` of the same rows", get("research", "read", "scan_s"),
             scale(2, get("research", "read", "read_parquet_s")), "s"),
    ]  # fmt: skip


def render(known: dict[str, Any]) -> str:
    """The section."""
    results = Results(known["samples"])
    lines = "\n".join(line.render() for line in list_lines(results))
    get = results.median
    files, size = get("klines", "build", "table_files"), get("klines", "build", "table_bytes")
    planned = f"{files:.0f} files, {size / files / MIB:.1f} MiB each in the mean" if files and size else "not measured"
    pruned = {name: _show(get("research", "read", name), "") for name in _PRUNED}
    return f"""## Tables

Measured {known["measured"]} on {describe_machine()}, by `python benchmarks/tables.py`
(load average at the end {known["load"]:.1f}). The day is the median of up to {known["runs"]} runs, each a fresh process; what
is imported once is not in the seconds. All checks are made. Mirror and lake are buckets of one MinIO server on loopback, whose
work is in every figure.

The floor is `zipfile`, `polars.read_csv`, `write_parquet` of local files: no checks, no lineage, no commit, no server. For the
day it reads two days, and half of its time counts: the build is of the second day of a lake. The loop is what people write:
`s3fs.open`, `zipfile`, `pandas.read_csv`, `to_parquet`, one archive after the other. Sizes of zips are those of the same text
packed by zlib's default level, as the exchange packs.

| what | target | measured | bound | |
|---|---|---|---|---|
{lines}

Size planning: the bars of these archives, 1,440 each, rest in {planned}. Pruning, by the scan plan: for one
symbol {pruned["row_groups"]} of {pruned["row_groups_in_table"]} row groups are read,
with {pruned["rows_in_row_groups"]} rows; for one month of it {pruned["files_of_month"]} of {pruned["files_in_table"]} files.

The loop took {_show(get("klines", "loop", "seconds"), "s")} for {_show(get("klines", "loop", "archives"), "")} archives;
its time above is scaled to all of them.
"""


def _show(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.2f} s" if unit == "s" else f"{value:,.0f} {unit}".strip()


def main() -> int:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lakehouse-bench-", dir=options.data_dir)))
        bench = Bench(options, folder)
        stack.enter_context(bench.site.server)
        works = {"day": bench.measure_day, "klines": bench.measure_klines, "research": bench.measure_research}
        for work in options.work or WORKS:
            works[work]()
            save("tables", bench.results, options, render)
    return 0


def parse_options() -> argparse.Namespace:
    parser = make_parser(__doc__, WORKS)
    parser.add_argument("--archives", type=int, default=10_000, help="daily archives of bars (default: 10,000)")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    sys.exit(main())
