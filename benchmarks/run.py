"""`make bench`: measure what a person feels first, and write it to docs/reference/benchmarks.md.

Starting is measured in fresh processes, so that no cache of an earlier one helps; the demo is run once.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from page import ROOT, describe_machine, replace_section

SUMMARY = ROOT / ".lakehouse" / "demo" / "run-summary.json"
BIN = Path(sys.executable).parent
REPEATS = 9


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        name: What was measured.
        seconds: The median, or the only value.
        target_s: What it should stay below; None where no target is set.
    """

    name: str
    seconds: float
    target_s: float | None = None


def main() -> int:
    machine = describe_machine()
    figures = measure_starts()
    steps = measure_demo()
    replace_section("start", render(machine, figures, steps))
    return 0


def measure_starts() -> list[Figure]:
    """What starting costs: the interpreter itself, the import, the first use, the command line."""
    return [
        Figure("`python -c pass`, for comparison", repeat(lambda: run(sys.executable, "-c", "pass"))),
        Figure("`import lakehouse_sdk`", repeat(lambda: time_import("import lakehouse_sdk")), 0.25),
        Figure("… and `connect()`", repeat(lambda: time_import("import lakehouse_sdk; lakehouse_sdk.connect()"))),
        Figure(
            "`import lakehouse_sdk.filesystem` (loads s3fs)", repeat(lambda: time_import("import lakehouse_sdk.filesystem"))
        ),
        Figure("`lakehouse --help`", repeat(lambda: run(BIN / "lakehouse", "--help"))),
    ]


def measure_demo() -> list[Figure]:
    """The steps of the demo, once, as it printed them itself."""
    print("lakehouse demo …", flush=True)
    started = time.perf_counter()
    run(BIN / "lakehouse", "demo", "--keep")
    in_all = time.perf_counter() - started
    steps = json.loads(SUMMARY.read_text(encoding="utf-8"))["steps"]
    figures = [Figure(step["name"], step["seconds"]) for step in steps]
    rest = in_all - sum(figure.seconds for figure in figures)
    return [*figures, Figure("validation, stop and start of the command", rest), Figure("in all", in_all, 180)]


def repeat(measure: Callable[[], float]) -> float:
    """The median of some runs, after one that warms the disk cache."""
    measure()
    value = statistics.median(measure() for _ in range(REPEATS))
    print(f"  {value:.3f} s", flush=True)
    return value


def run(program: str | Path, *arguments: str) -> float:
    """Wall seconds of a process."""
    started = time.perf_counter()
    subprocess.run([program, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def time_import(code: str) -> float:
    """Wall seconds of `code` in a fresh interpreter, without its start."""
    program = f"import time; started = time.perf_counter(); {code}; print(time.perf_counter() - started)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def render(machine: str, starts: list[Figure], steps: list[Figure]) -> str:
    """The section."""
    missed = [item.name for item in (*starts, *steps) if item.target_s is not None and item.seconds >= item.target_s]
    verdict = f"Targets missed: {', '.join(missed)}." if missed else "All targets are met."
    return f"""## Starting

Measured {datetime.now(UTC):%Y-%m-%d} on {machine}. {verdict}

Median of {REPEATS} fresh processes each, disk cache warm, bytecode compiled.

{render_table(starts)}

## The demo

One run of `lakehouse demo`: three servers, archives through bronze into tables, the same again with nothing new, and back.

{render_table(steps)}

### What is not fast

- The first import after an installation compiles bytecode and takes several times as long as the figure above.
- `lakehouse://` and `lake.fs` load s3fs with its asynchronous stack; a `sync` does without it.
- Much of the demo is waiting for things that happen once: servers that start, imports of Prefect and of the notebook's kernel.
- Tables have no figures here yet.
"""


def render_table(figures: list[Figure]) -> str:
    targets = ["" if figure.target_s is None else f"< {figure.target_s:g} s" for figure in figures]
    rows = [f"| {item.name} | {item.seconds:.3g} s | {target} |" for item, target in zip(figures, targets, strict=True)]
    return "\n".join(["| what | time | target |", "|---|---|---|", *rows])


if __name__ == "__main__":
    sys.exit(main())
