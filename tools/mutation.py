"""Show that the tests see faults: put each fault of `tests/mutation/faults.json` into a copy of the package, and run tests.

The faults were drawn once, by a seed, from a mutation tool's list of all faults of four packages. Each is tried against the
tests that execute its line, as a coverage file with contexts tells (`pytest --cov --cov-context=test`), the quickest kind
first, until one fails. What no test of the given mark kills is named.

    python tools/mutation.py --coverage .coverage --marks "not deep" --output tests/mutation/kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverage import CoverageData

ROOT = Path(__file__).resolve().parents[1]
FAULTS = ROOT / "tests/mutation/faults.json"
KINDS = ("tests/unit", "tests/property", "tests/contract", "tests/integration", "tests/e2e")
MOST_TESTS = 150
"""Of those that execute a line so many are tried: a line of the main path is executed by thousands."""
LIMIT_S = 600


@dataclass(frozen=True)
class Verdict:
    """What became of a fault: `killed` by a test, `survived` all that execute its line, or `not executed` by any."""

    outcome: str
    by: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coverage", type=Path, required=True, help="coverage file of the suite, with contexts")
    parser.add_argument("--marks", default="not deep", help="which tests may kill")
    parser.add_argument("--only", default="", help="numbers of faults, by comma; default: all")
    parser.add_argument("--output", type=Path, help="JSON file of the verdicts")
    chosen = parser.parse_args()
    data = CoverageData(str(chosen.coverage))
    data.read()
    faults = json.loads(FAULTS.read_text(encoding="utf-8"))["faults"]
    only = [int(number) for number in chosen.only.split(",") if number] or range(len(faults))
    verdicts: dict[str, dict[str, str]] = {}
    for number in only:
        verdict = try_fault(faults[number], data, chosen.marks)
        verdicts[str(number)] = {"path": faults[number]["path"], "outcome": verdict.outcome, "by": verdict.by}
        print(number, faults[number]["path"], verdict.outcome, verdict.by, flush=True)
        if chosen.output:
            chosen.output.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")
    killed = sum(verdict["outcome"] == "killed" for verdict in verdicts.values())
    print(f"{killed} of {len(verdicts)} faults killed")


def try_fault(fault: dict[str, Any], data: CoverageData, marks: str) -> Verdict:
    """The verdict of one fault, on a copy of the package that the tests import in its place."""
    source = ROOT / fault["path"]
    lines = source.read_text(encoding="utf-8").split("\n")
    (at,) = [number for number, line in enumerate(lines) if line == fault["before"]]
    contexts = data.contexts_by_lineno(str(source)).get(at + 1, [])
    tests = list({context.partition("|")[0]: None for context in sorted(contexts, key=order) if context.startswith("tests/")})
    if not tests:
        tests = [f"tests/unit/{fault['path'].split('/')[1]}"]  # executed while modules load
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "lakehouse_sdk"
        shutil.copytree(ROOT / "lakehouse_sdk", copy, ignore=shutil.ignore_patterns("__pycache__"))
        mutated = copy / Path(fault["path"]).relative_to("lakehouse_sdk")
        lines[at] = fault["after"]
        mutated.write_text("\n".join(lines), encoding="utf-8")
        for kind in KINDS:
            chosen = [test for test in tests if test.startswith(kind)][:MOST_TESTS]
            if chosen and (killer := run(chosen, marks, folder)):
                return Verdict("killed", killer)
    return Verdict("survived")


def order(context: str) -> tuple[int, str]:
    """Quick kinds of tests first."""
    return next((number for number, kind in enumerate(KINDS) if context.startswith(kind)), len(KINDS)), context


def run(tests: list[str], marks: str, folder: str) -> str:
    """The first test that fails, empty where none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "-m", marks, *tests]
    env = {**os.environ, "PYTHONPATH": folder, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return "no end within the limit"
    if done.returncode in {0, 5}:
        return ""
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if failed else done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
