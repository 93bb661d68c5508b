"""Compare this checkout with an earlier commit on eight small jobs, in turn, on this machine; say what became dearer.

Wall time on a busy machine says little, so it is shown as a ratio only; what counts are CPU seconds, requests and peak memory:
requests as MinIO counts them, the others as the median of several runs of both in alternation. Something is dearer where the
medians differ by more than the spread of the runs and by more than five per cent.

    make bench-guard                     against benchmarks/guard-base.txt, the commit of the last release
    make bench-guard BASE=HEAD~3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import run

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "benchmarks/guard-base.txt"
PROGRAM = ROOT / "benchmarks/programs/guard_job.py"
JOBS = (
    "import",
    "plan 5,000 files",
    "upload 300 files",
    "download 300 objects",
    "copy 300 objects inside",
    "nothing to do, 300 objects",
    "collect and build 31 archives",
    "scan to pandas",
)
"""As `programs/guard_job.py` has them."""
MEASURES = {"cpu_s": "CPU s", "peak_mib": "peak MiB", "requests": "requests"}
LEAST = 1.05
"""Less is no difference, whatever the spread."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=BASE.read_text(encoding="utf-8").split()[0], help="commit to compare with")
    parser.add_argument("--runs", type=int, default=5, help="runs of each job on each side")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-guard-") as folder:
        base = check_out(chosen.base, Path(folder) / "base")
        samples = measure({"base": base, "here": ROOT}, Path(folder), chosen.runs)
    return tell(samples, chosen.base)


def check_out(commit: str, folder: Path) -> Path:
    """The package as it was, without a work tree that git would remember."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit, "lakehouse_sdk"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


def measure(sides: dict[str, Path], folder: Path, runs: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Samples of each job on each side, in alternation."""
    from lakehouse_sdk.servers import MinioServer

    samples: dict[str, dict[str, list[dict[str, float]]]] = {job: {side: [] for side in sides} for job in JOBS}
    with MinioServer(folder / "minio") as server:
        facts = prepare(server.profile, folder)
        before = count_requests(server.url)
        for job in JOBS:
            requests = {}
            for side, package in sides.items():  # these also fill caches
                run_job(job, facts, package)
                after = count_requests(server.url)
                requests[side], before = after - before, after
            for number in range(runs):
                for side in sorted(sides, reverse=bool(number % 2)):
                    samples[job][side].append({**run_job(job, facts, sides[side]), "requests": requests[side]})
            before = count_requests(server.url)
            print(f"  {job}: measured", flush=True)
    return samples


def prepare(profile: Any, folder: Path) -> dict[str, Any]:
    """What all jobs work on: folders, objects, a mirror and a table."""
    import lakehouse_sdk
    from lakehouse_sdk.storage import S3Client
    from lakehouse_sdk.testing import MirrorSpec, month_range, publish_mirror

    access_key, secret_key = profile.credentials()
    storage = {"endpoint_url": profile.endpoint_url, "access_key": access_key, "secret_key": secret_key}
    mirror = {"binance": {"endpoint_url": profile.endpoint_url, "bucket": "mirror", "region": "us-east-1"}}
    settings: dict[str, Any] = {"storage": storage, "lake": {"bucket": "guard"}, "archives": mirror}
    settings["catalog"] = {"uri": f"sqlite:///{folder}/catalog.db"}
    for name, count in (("folder", 300), ("many", 5_000)):
        (folder / name).mkdir()
        for number in range(count):
            (folder / name / f"{number:05}").write_bytes(b"x" * (10_240 if name == "folder" else 1))
    with S3Client(profile) as client:
        client.ensure_bucket("guard")
    publish_mirror(profile, "mirror", MirrorSpec(interval="1m", days=month_range(date(2024, 1, 1), date(2024, 1, 1))))
    (folder / "scratch").mkdir()
    lake = lakehouse_sdk.connect(**settings)
    lake.sync(str(folder / "folder"), "s3://guard/there").raise_for_failures()
    lake.build(lake.collect(lake.discover(markets=("spot",), data_types=("klines",))))
    places = {"folder": str(folder / "folder"), "many": str(folder / "many"), "scratch": str(folder / "scratch")}
    return {"settings": settings, "bucket": "guard", **places}


def count_requests(url: str) -> float:
    """S3 requests that MinIO answered so far; it renews this number every ten seconds."""
    time.sleep(12)
    with urllib.request.urlopen(f"{url}/minio/v2/metrics/cluster") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("minio_s3_requests_total{"))


def run_job(job: str, facts: dict[str, Any], package: Path) -> dict[str, float]:
    """One run of a job with the package below this folder."""
    env = {**os.environ, "PYTHONPATH": str(package), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    cost = run([sys.executable, PROGRAM, job, json.dumps(facts)], env=env, cwd=Path(facts["scratch"]))
    return {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "peak_mib": cost.peak_bytes / 1024**2}


def tell(samples: dict[str, dict[str, list[dict[str, float]]]], base: str) -> int:
    """A table, and what became dearer; the number of such findings, at most 1 as an exit code."""
    dearer = []
    print(f"\n{'job':32} {'CPU s':>15} {'peak MiB':>15} {'requests':>15} {'wall':>7}   (at {base[:9]} -> here)")
    for job, sides in samples.items():
        cells = []
        for measure_name, title in MEASURES.items():
            old, new = ([sample[measure_name] for sample in sides[side]] for side in ("base", "here"))
            was, now = median(old), median(new)
            cells.append(f"{was:.2f} -> {now:.2f}" if measure_name == "cpu_s" else f"{was:.0f} -> {now:.0f}")
            if now - was > max(spread(old), spread(new)) and now > was * LEAST:
                dearer.append(f"{job}: {title} {was:.2f} -> {now:.2f}")
        wall = median(s["wall_s"] for s in sides["here"]) / median(s["wall_s"] for s in sides["base"])
        print(f"{job:32} {cells[0]:>15} {cells[1]:>15} {cells[2]:>15} {wall:>6.2f}x")
    print("\n" + ("\n".join(["Dearer than before:", *dearer]) if dearer else "Nothing became dearer."))
    return int(bool(dearer))


def spread(values: list[float]) -> float:
    """From the smallest to the largest but one: one odd run does not hide a change."""
    kept = sorted(values)[: max(len(values) - 1, 1)]
    return kept[-1] - kept[0]


if __name__ == "__main__":
    if shutil.which("git") is None:
        raise SystemExit("The guard needs git, to look at the commit before.")
    sys.exit(main())
