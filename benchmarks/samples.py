"""What the benchmarks of archives and of tables measured, and how it is kept."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import Cost
from page import ROOT, replace_section

MIB = 1024**2


@dataclass
class Results:
    """Samples by work and by what was measured; a sample is what one process cost and what it said itself."""

    samples: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def add(self, work: str, name: str, cost: Cost) -> None:
        last = cost.output.strip().rpartition("\n")[2]
        said = json.loads(last) if last.startswith("{") else {}
        sample = {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_bytes": cost.peak_bytes, **said}
        self.samples.setdefault(work, {}).setdefault(name, []).append(sample)
        print(f"{work}: {name} {cost.wall_s:.2f} s, {cost.peak_bytes / MIB:.0f} MiB {said}", flush=True)

    def median(self, work: str, name: str, value: str = "wall_s") -> float | None:
        samples = self.samples.get(work, {}).get(name)
        return statistics.median(sample[value] for sample in samples) if samples else None


def save(section: str, results: Results, options: argparse.Namespace, render: Callable[[dict[str, Any]], str]) -> None:
    """Add what was measured to the results; what was measured before of the same work is replaced."""
    place = ROOT / "benchmarks" / "results" / f"{section}{'-quick' if options.quick else ''}.json"
    known = json.loads(place.read_text()) if place.exists() else {"samples": {}}
    known["samples"] |= results.samples
    known |= {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "runs": options.runs, "load": os.getloadavg()[0]}
    place.write_text(json.dumps(known, indent=1))
    if not options.quick:
        replace_section(section, render(known))


def make_parser(description: str | None, works: Sequence[str]) -> argparse.ArgumentParser:
    """The options that both have; `runs` is None where it was not given."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small data, one run; the page is not written")
    parser.add_argument("--runs", type=int, help="runs where there are several (default: 3, quick: 1)")
    parser.add_argument("--work", action="append", choices=works, help="only this kind of work (repeatable)")
    parser.add_argument("--data-dir", type=Path, help="where servers and files rest (default: the system's temporary folder)")
    return parser


def scale(factor: float, value: float | None) -> float | None:
    """The product; None of nothing measured."""
    return None if value is None else factor * value


def to_mib(value: float | None) -> float | None:
    """Bytes as MiB."""
    return scale(1 / MIB, value)
