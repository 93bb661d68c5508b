"""Transfers beside raw s5cmd, s3fs, aws cli, rclone and mc, on two real MinIO servers; part of `make bench`.

Runs are interleaved (every client once, in changing order, then all again), each into a fresh bucket or folder; what arrived is
counted before a figure is believed. Results add up in a file, so that one kind of work can be measured again by itself.

    python benchmarks/transfer.py --quick                      # minutes: does the harness work
    python benchmarks/transfer.py                              # the figures
    python benchmarks/transfer.py --work "two endpoints" --tree large --clients lakehouse,mc
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import transfer_page
from clients import OURS, PROGRAMS, Client, Job, base_env, list_clients, loop_command, loop_env
from measure import Cost, run
from peers import describe_versions, find_peers
from trees import FULL, QUICK, Site, Tree, measure_folder, remove_folder, write_folder

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "transfer.json"
WORKS = (
    "one endpoint",
    "traditional",
    "two endpoints",
    "upload",
    "download",
    "nothing to do",
    "requests",
    "own cost",
    "million",
)
_DEFAULT_WORKS = WORKS[:-1]
_MILLION = 1_000_000


@dataclass
class Sample:
    """One measured run; sizes in bytes, requests as the servers counted them."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    requests: int
    by_name: dict[str, int]
    said: dict[str, Any] = field(default_factory=dict)


class Bench:
    """Two servers, the data on them, and the samples taken so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.trees: dict[str, Tree] = QUICK if options.quick else FULL
        self.clients = [
            client for client in list_clients(find_peers()) if not options.clients or client.name in options.clients
        ]
        self.a, self.b = Site("a", folder / "a"), Site("b", folder / "b")
        self.samples: dict[str, dict[str, list[Sample]]] = {}

    def measure(self, work: str, tree: Tree) -> None:
        """All clients that can do this work, `runs` times, interleaved."""
        able = [client for client in self.clients if work in client.works]
        with self._source(work, tree) as source:
            for number in range(self.options.runs):
                for client in random.sample(able, len(able)):
                    try:
                        sample = self._run(client, work, tree, source)
                    except RuntimeError as error:
                        print(f"  {client.name}: {error}", flush=True)
                        continue
                    self._note(f"{work} | {tree.name}", client.name, sample)
                    print(
                        f"{work}, {tree.name}, {number + 1}: {client.name} {sample.wall_s:.2f} s, CPU {sample.cpu_s:.2f} s, "
                        f"{sample.peak_bytes / 2**20:.0f} MiB, {sample.requests:,} requests",
                        flush=True,
                    )

    def _note(self, case: str, client: str, sample: Sample) -> None:
        self.samples.setdefault(case, {}).setdefault(client, []).append(sample)

    @contextmanager
    def _source(self, work: str, tree: Tree) -> Iterator[str]:
        """The data, as bucket or folder; removed afterwards."""
        print(f"{work}, {tree.name}: laying out {tree.text} …", flush=True)
        if work == "upload":
            folder = self.folder / f"upload-{tree.name}"
            write_folder(folder, tree)
            yield str(folder)
            remove_folder(folder)
            return
        bucket = self.a.new_bucket()
        self.a.fill(bucket, tree)
        if work == "nothing to do":
            self._same = self.a.new_bucket()
            self.a.fill(self._same, tree)
        yield bucket
        self.a.remove_bucket(bucket)
        if work == "nothing to do":
            self.a.remove_bucket(self._same)

    def _run(self, client: Client, work: str, tree: Tree, source: str) -> Sample:
        """One run into a fresh target; raises `RuntimeError` where not all arrived."""
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        to = self.b if work == "two endpoints" else self.a
        if work == "download":
            target = str(scratch / "down")
            Path(target).mkdir()
        else:
            target = self._same if work == "nothing to do" else to.new_bucket()
        job = Job(self.a, self.b, source, target, scratch)
        try:
            sample = self._time(client, client.works[work](job), job)
            there = measure_folder(Path(target)) if work == "download" else to.measure(target)
        finally:
            if work not in {"download", "nothing to do"}:
                to.remove_bucket(target)
            remove_folder(scratch)
        wanted = (tree.objects, tree.objects * tree.object_bytes)
        if there != wanted:
            raise RuntimeError(f"{there} arrived, wanted {wanted} (objects, bytes)")
        moved = sum(sample.by_name.get(name, 0) for name in ("PutObject", "CopyObject"))
        if work == "nothing to do" and moved:
            raise RuntimeError(f"it moved {moved} objects, there was nothing to do")
        return sample

    def _time(self, client: Client, commands: list[list[str]], job: Job) -> Sample:
        env = {**base_env(job.scratch), **client.env(job)}
        return self._time_all(commands, env, job)

    def _time_all(self, commands: list[list[str]], env: dict[str, str], job: Job) -> Sample:
        before = self.a.requests() + self.b.requests()
        costs: list[Cost] = [run(command, env=env, cwd=job.scratch) for command in commands]
        counts: Counter[str] = self.a.requests() + self.b.requests()
        counts.subtract(before)
        said = costs[-1].output.strip().rpartition("\n")[2]
        return Sample(
            wall_s=sum(cost.wall_s for cost in costs),
            cpu_s=sum(cost.cpu_s for cost in costs),
            peak_bytes=max(cost.peak_bytes for cost in costs),
            requests=counts.total(),
            by_name={name: count for name, count in counts.items() if count},
            said=json.loads(said) if said.startswith("{") else {},
        )

    def count_requests(self, tree: Tree) -> None:
        """Ours and the per-object loop: a cold copy, an unchanged tree, a tree of which 5 % changed."""
        ours = next(client for client in list_clients({}) if client.name == OURS)
        source = self.a.new_bucket()
        self.a.fill(source, tree)
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        for name in (OURS, "per-object loop"):
            job = Job(self.a, self.b, source, self.a.new_bucket(), scratch)
            for state in ("cold", "unchanged", "5 % changed"):
                if state == "5 % changed":
                    self.a.change(source, tree, 0.05)
                if name == OURS:
                    sample = self._time(ours, ours.works["one endpoint"](job), job)
                else:
                    sample = self._time_all([loop_command(job)], {**base_env(scratch), **loop_env(job)}, job)
                self._note(f"requests | {state}", name, sample)
                print(f"requests, {state}: {name} {sample.requests:,} {sample.by_name}", flush=True)
            self.a.remove_bucket(job.target)
        self.a.remove_bucket(source)

    def measure_own_cost(self) -> None:
        """What planning and running cost here without any request."""
        for _ in range(self.options.runs):
            cost = run([sys.executable, str(PROGRAMS / "own_cost.py")], env=base_env(self.folder), cwd=self.folder)
            said = json.loads(cost.output)
            self._note("own cost | objects", OURS, Sample(cost.wall_s, cost.cpu_s, cost.peak_bytes, 0, {}, said))
            print(f"own cost: plan {said['plan_us']:.1f}, run {said['run_us']:.1f} us CPU for each object", flush=True)

    def plan_million(self) -> None:
        """A million keys against an empty target: every row is one that the plan has to keep. The keys exist as pages only."""
        objects = _MILLION if not self.options.quick else 20_000
        pages = [sys.executable, str(PROGRAMS / "listing_server.py"), str(objects)]
        plan = [sys.executable, str(PROGRAMS / "lakehouse_sync.py"), "plan", "lakehouse://full/", "lakehouse://empty/"]
        with subprocess.Popen(pages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdin is not None
            names = ("ENDPOINT_URL", "ACCESS_KEY", "SECRET_KEY")
            values = (server.stdout.readline().strip(), "key-of-nobody", "secret-of-nobody")
            env = {f"LAKEHOUSE_STORAGE__{name}": value for name, value in zip(names, values, strict=True)}
            cost = run(plan, env={**base_env(self.folder), **env}, cwd=self.folder)
            server.stdin.close()
        said = json.loads(cost.output.strip().rpartition("\n")[2])
        if said["copy_objects"] != objects:
            raise RuntimeError(f"{said['copy_objects']} of {objects} keys were planned")
        self._note("million | plan", OURS, Sample(cost.wall_s, cost.cpu_s, cost.peak_bytes, 0, {}, said))
        print(f"million: {cost.wall_s:.1f} s, {cost.peak_bytes / 2**20:.0f} MiB", flush=True)


def main() -> int:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lakehouse-bench-", dir=options.data_dir)))
        bench = Bench(options, folder)
        stack.enter_context(bench.a.server)
        stack.enter_context(bench.b.server)
        for work in options.work or _DEFAULT_WORKS:
            if work == "requests":
                bench.count_requests(bench.trees["small"])
            elif work == "own cost":
                bench.measure_own_cost()
            elif work == "million":
                bench.plan_million()
            else:
                for name in ["keys"] if work == "nothing to do" else (options.tree or ["small", "medium", "large"]):
                    bench.measure(work, bench.trees[name])
                    save(bench, options)
            save(bench, options)
    if not options.quick:
        transfer_page.write(RESULTS)
    return 0


def save(bench: Bench, options: argparse.Namespace) -> None:
    """Add what was measured to the results; what was measured before of the same case and client is replaced."""
    place = RESULTS.with_name("quick.json") if options.quick else RESULTS
    place.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(place.read_text()) if place.exists() else {"cases": {}}
    for case, by_client in bench.samples.items():
        for client, samples in by_client.items():
            known["cases"].setdefault(case, {})[client] = {
                "wall_s": statistics.median(sample.wall_s for sample in samples),
                "cpu_s": statistics.median(sample.cpu_s for sample in samples),
                "peak_bytes": max(sample.peak_bytes for sample in samples),
                "requests": int(statistics.median(sample.requests for sample in samples)),
                "samples": [asdict(sample) for sample in samples],
                "measured": f"{datetime.now(UTC):%Y-%m-%d}",
            }
    known["trees"] = {name: tree.text for name, tree in bench.trees.items()}
    known["versions"] = describe_versions(find_peers())
    known["command"] = shlex.join(["python", "benchmarks/transfer.py", *sys.argv[1:]])
    known["load"] = os.getloadavg()[0]
    place.write_text(json.dumps(known, indent=1))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small data, one run; the page is not written")
    parser.add_argument("--runs", type=int, help="runs of each client (default: 5, quick: 1)")
    parser.add_argument("--work", action="append", choices=WORKS, help="only this kind of work (repeatable)")
    parser.add_argument("--tree", action="append", choices=["small", "medium", "large"], help="only this data (repeatable)")
    parser.add_argument("--clients", type=lambda text: text.split(","), help="only these, separated by commas")
    parser.add_argument("--data-dir", type=Path, help="where servers and files rest (default: the system's temporary folder)")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    return options


if __name__ == "__main__":
    sys.exit(main())
