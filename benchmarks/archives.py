"""Discovery, collection and the ledger on real MinIO servers; part of `make bench`.

python benchmarks/archives.py --quick      # minutes: does the harness work
python benchmarks/archives.py              # the figures
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from clients import base_env
from measure import run
from page import describe_machine
from peers import find_peers
from samples import Results, make_parser, save, scale, to_mib
from trees import Site

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(__file__).with_name("programs")
WORKS = ("discovery", "collect", "again", "ledger")
FIRST_DAY = date(2021, 1, 1)
ARCHIVE_BYTES = 60 * 1024


class Bench:
    """A mirror and a lake, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.mirror, self.lake = Site("mirror", folder / "mirror"), Site("lake", folder / "lake")
        self.results = Results()

    def publish(self, symbols: int, days: int, size_bytes: int) -> str:
        """A bucket with daily archives of one interval, each with its checksum; their content is noise, as that of a zip."""
        bucket = self.mirror.new_bucket()
        self.mirror.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_public(bucket)))
        self.mirror.fill_with(bucket, _archives(symbols, days, size_bytes))
        return bucket

    def measure_discovery(self) -> None:
        """100,000 keys: 50,000 archives, each with its checksum file."""
        symbols, days = (4, 50) if self.options.quick else (50, 1000)
        bucket = self.publish(symbols, days, 100)
        s5cmd = find_peers()["s5cmd"]
        listing = [str(s5cmd), "--no-sign-request", "--endpoint-url", self.mirror.server.endpoint_url, "ls"]
        commands = {
            "lakehouse": self._program("discover", bucket),
            "s5cmd ls": [*listing, f"s3://{bucket}/data/spot/daily/klines/*"],
        }
        for _ in range(self.options.runs):
            for name in random.sample(list(commands), len(commands)):
                cost = run(commands[name], env=self._env(bucket), cwd=self.folder)
                self.results.add("discovery", name, cost)
        self.mirror.remove_bucket(bucket)

    def measure_collect(self) -> None:
        """2,000 archives from the mirror into the lake, checked, beside a plain copy of the same objects."""
        days = 50 if self.options.quick else 1000
        bucket = self.publish(2, days, ARCHIVE_BYTES)
        for _ in range(self.options.runs):
            for name in random.sample(["lakehouse collect", "lakehouse sync"], 2):
                self._run_into_fresh_lake("collect", name, bucket, "collect" if name.endswith("collect") else "copy")
        self.mirror.remove_bucket(bucket)

    def measure_again(self) -> None:
        """20,000 archives collected, then the same call again in the same process."""
        symbols, days = (2, 100) if self.options.quick else (20, 1000)
        bucket = self.publish(symbols, days, ARCHIVE_BYTES)
        self._run_into_fresh_lake("again", "lakehouse collect twice", bucket, "twice")
        self.mirror.remove_bucket(bucket)

    def measure_ledger(self) -> None:
        """A million archives in SQLite: coverage of one symbol, a night's changes."""
        archives = 20_000 if self.options.quick else 1_000_000
        command = [sys.executable, str(PROGRAMS / "ledger.py"), str(archives), str(self.folder / "million.db")]
        self.results.add("ledger", "lakehouse", run(command, env=base_env(self.folder), cwd=self.folder))

    def _run_into_fresh_lake(self, work: str, name: str, bucket: str, verb: str) -> None:
        lake_bucket = self.lake.new_bucket()
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            env = {**self._env(bucket), "LAKEHOUSE_LAKE__BUCKET": lake_bucket}
            env["LAKEHOUSE_CATALOG__URI"] = f"sqlite:///{scratch}/catalog.db"
            self.results.add(work, name, run(self._program(verb, bucket), env=env, cwd=Path(scratch)))
        self.lake.remove_bucket(lake_bucket)

    def _program(self, verb: str, bucket: str) -> list[str]:
        return [sys.executable, str(PROGRAMS / "collecting.py"), verb, bucket]

    def _env(self, bucket: str) -> dict[str, str]:
        access_key, secret_key = self.lake.server.profile.credentials()
        mirror = self.mirror.server.endpoint_url
        return {
            **base_env(self.folder),
            "LAKEHOUSE_STORAGE__ENDPOINT_URL": self.lake.server.endpoint_url,
            "LAKEHOUSE_STORAGE__ACCESS_KEY": access_key,
            "LAKEHOUSE_STORAGE__SECRET_KEY": secret_key,
            "LAKEHOUSE_ARCHIVES__BINANCE__ENDPOINT_URL": mirror,
            "LAKEHOUSE_ARCHIVES__BINANCE__BUCKET": bucket,
            "LAKEHOUSE_ARCHIVES__BINANCE__REGION": "us-east-1",
            "LAKEHOUSE_CATALOG__URI": f"sqlite:///{self.folder}/unused.db",
        }


def _archives(symbols: int, days: int, size_bytes: int) -> Iterator[tuple[str, bytes]]:
    noise = random.Random(1)
    for symbol in range(symbols):
        name = f"S{symbol:03}USDT"
        for day in range(days):
            file = f"{name}-1m-{FIRST_DAY + timedelta(days=day)}.zip"
            key = f"data/spot/daily/klines/{name}/1m/{file}"
            body = noise.randbytes(size_bytes)
            yield key, body
            yield f"{key}.CHECKSUM", f"{hashlib.sha256(body).hexdigest()}  {file}\n".encode()


def _public(bucket: str) -> dict[str, Any]:
    actions = ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"]
    places = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": actions, "Resource": places}
    return {"Version": "2012-10-17", "Statement": [statement]}


def render(known: dict[str, Any]) -> str:
    """The section."""
    results = Results(known["samples"])
    rows = [
        _row("Discovery of 100,000 keys", "wall at most that of `s5cmd ls`", results.median("discovery", "lakehouse"),
             results.median("discovery", "s5cmd ls"), "s"),
        _row("Discovery, memory", "under 100 MiB", to_mib(results.median("discovery", "lakehouse", "peak_bytes")), 100, "MiB"),
        _row("2,000 archives of 60 KB collected, checksums verified", "at most 1.2 x `sync` of the same objects",
             results.median("collect", "lakehouse collect"), scale(1.2, results.median("collect", "lakehouse sync")), "s"),
        _row("20,000 archives, second run with nothing new, in process", "at most a tenth of the first",
             results.median("again", "lakehouse collect twice", "second_s"),
             scale(0.1, results.median("again", "lakehouse collect twice", "first_s")), "s"),
        _row("Ledger of a million archives: coverage of one symbol", "under a second",
             results.median("ledger", "lakehouse", "coverage_s"), 1, "s"),
        _row("Ledger of a million archives: a night's 10,000 changes", "under five seconds",
             results.median("ledger", "lakehouse", "night_s"), 5, "s"),
    ]  # fmt: skip
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""## Archives

Measured {known["measured"]} on {describe_machine()}, by `python benchmarks/archives.py` (load average at the end
{known["load"]:.1f}). Median of up to {known["runs"]} runs, each a fresh process; mirror and lake are two MinIO servers on
loopback.

| what | target | measured | bound | |
|---|---|---|---|---|
{lines}

Peak memory while collecting: {_show(to_mib(results.median("collect", "lakehouse collect", "peak_bytes")), "MiB")} with 2,000
archives, {_show(to_mib(results.median("again", "lakehouse collect twice", "peak_bytes")), "MiB")} with 20,000.
"""


def _row(what: str, target: str, value: float | None, bound: float | None, unit: str) -> list[str]:
    verdict = "" if value is None or bound is None else "met" if value <= bound else "**missed**"
    return [what, target, _show(value, unit), _show(bound, unit), verdict]


def _show(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.2f} {unit}" if unit == "s" else f"{value:.0f} {unit}"


def main() -> int:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lakehouse-bench-", dir=options.data_dir)))
        bench = Bench(options, folder)
        stack.enter_context(bench.mirror.server)
        stack.enter_context(bench.lake.server)
        works = {
            "discovery": bench.measure_discovery,
            "collect": bench.measure_collect,
            "again": bench.measure_again,
            "ledger": bench.measure_ledger,
        }
        for work in options.work or WORKS:
            works[work]()
            save("archives", bench.results, options, render)
    return 0


def parse_options() -> argparse.Namespace:
    parser = make_parser(__doc__, WORKS)
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    sys.exit(main())
