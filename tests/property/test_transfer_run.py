"""Random trees on both sides, random faults in between: what a run leaves is what a small model says, and so does its report.

Between two local folders, where thousands of runs take seconds and the target is looked at by other means than ours.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.transfer import Action, Status, plan_transfer, run_transfer
from lakehouse_sdk.transfer.plan.names import find_folder_conflicts

SETTINGS = load_settings()
names = st.lists(st.sampled_from(["a", "b", "A", "é", "x y", "-"]), min_size=1, max_size=3).map("/".join)
files = st.tuples(st.sampled_from([b"", b"0", b"1", b"00", b"11"]), st.integers(0, 2))
trees = st.dictionaries(names, files, max_size=8).map(
    lambda tree: {name: value for name, value in tree.items() if not [other for other in tree if other.startswith(f"{name}/")]}
)
FAULTS = ["none", "none", "gone", "grown", "touched"]


def write(root: Path, tree) -> None:
    for name, (content, time_s) in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1000 + time_s, 1000 + time_s))


def read(root: Path) -> dict[str, bytes]:
    """By the standard library alone."""
    found = {}
    for folder, _, members in os.walk(root):
        for member in members:
            path = Path(folder, member)
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def differs(ours, theirs, compare: str) -> bool:
    """The model's word on whether an object that both have is copied."""
    if compare == "always" or len(ours[0]) != len(theirs[0]):
        return True
    return ours[0] != theirs[0] if compare == "sha256" else ours[1] > theirs[1]


@settings(max_examples=60)
@given(
    source=trees,
    target=trees,
    compare=st.sampled_from(["auto", "size-time", "sha256", "always"]),
    delete=st.booleans(),
    faults=st.lists(st.sampled_from(FAULTS), min_size=8, max_size=8),
)
def test_a_run_leaves_what_the_model_says(source, target, compare, delete, faults):
    with tempfile.TemporaryDirectory() as name:
        check_run(Path(name), source, target, compare, delete, dict(zip(sorted(source), faults, strict=False)))


def check_run(root: Path, source, target, compare: str, delete: bool, faults: dict[str, str]) -> None:
    (root / "source").mkdir()
    write(root / "source", source)
    write(root / "target", target)
    conflicts = set(find_folder_conflicts(source, target))
    plan = plan_transfer(root / "source", root / "target", settings=SETTINGS, compare=compare, delete=delete, max_deletes=10**6)
    wanted = {key for key in set(source) - conflicts if key not in target or differs(source[key], target[key], compare)}
    strays = set(target) - set(source) - conflicts if delete else set()
    assert {row.relative_key for row in plan.rows(Action.COPY)} == wanted
    assert {row.relative_key for row in plan.rows(Action.CONFLICT)} == conflicts & set(source)
    assert {row.relative_key for row in plan.rows(Action.DELETE)} == strays
    if plan.delete_refusal:
        assert not source
        return
    broken = {key for key in wanted if inject(root / "source" / key, faults[key])}
    report = run_transfer(plan, settings=SETTINGS)

    held_back = broken or conflicts & set(source)  # deletes happen only after all of the source is at the target
    expected = {key: content for key, (content, _) in target.items()}
    expected |= {key: source[key][0] for key in wanted - broken}
    for key in strays if not held_back else ():
        del expected[key]
    assert read(root / "target") == expected
    statuses = {outcome.row.relative_key: outcome.status for outcome in report.outcomes}
    assert {key for key, status in statuses.items() if status is Status.DONE} == wanted - broken
    assert {key for key, status in statuses.items() if status is Status.FAILED} == broken
    assert {key for key, status in statuses.items() if status is Status.DELETED} == (set() if held_back else strays)
    assert len(report.outcomes) + report.skips_counted == plan.totals.objects
    assert report.ok is not bool(broken or conflicts & set(source))


def inject(path: Path, fault: str) -> bool:
    """Change a source between plan and run; True where its copy must fail."""
    if fault == "gone":
        path.unlink()
    elif fault == "grown":
        path.write_bytes(path.read_bytes() + b"!")
    elif fault == "touched":
        os.utime(path, (5000, 5000))
    return fault != "none"
