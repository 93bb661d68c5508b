"""Which names, sizes and times a selection lets in, and in which order its rules hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.transfer import SELECT_ALL, Action, Selection
from lakehouse_sdk.transfer.plan.diff import PlanRules, plan_to_folder, plan_to_s3

T = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("*.zip", ["a.zip", "d/e/a.zip", ".zip", "x.zip/inside"], ["a.zipx", "zip", "a.zip.sha"]),
        ("tmp", ["tmp", "tmp/a", "d/tmp/e"], ["tmpx", "xtmp", "d/xtmp"]),
        ("tmp/", ["tmp/a", "d/tmp/e"], ["tmp", "tmpx/a"]),
        ("daily/*.zip", ["daily/a.zip"], ["x/daily/a.zip", "daily/d/a.zip"]),
        ("daily/**", ["daily/a", "daily/d/e"], ["daily", "x/daily/a"]),
        ("**/klines/*.csv", ["klines/a.csv", "x/y/klines/a.csv"], ["klines/d/a.csv", "xklines/a.csv"]),
        ("/top", ["top", "top/x"], ["d/top", "topx"]),
        ("a?c", ["abc", "a\nc", "d/aéc"], ["ac", "a/c"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[!a-c]x", ["dx"], ["ax"]),
        ("[*]", ["*"], ["a"]),
        ("[^]", ["^"], ["a"]),
        ("[x", ["[x"], ["x"]),
        ("a+(b).c", ["a+(b).c"], ["aab.c", "a+(b)xc"]),
        ("**", ["a", "d/e"], []),
        ("d/**/z", ["d/z", "d/e/z", "d/e/f/z"], ["dz", "d/xz"]),
    ],
)
def test_patterns(pattern, matched, others):
    selection = Selection(include=pattern)
    assert [name for name in matched if not selection.selects_name(name)] == []
    assert [name for name in others if selection.selects_name(name)] == []
    opposite = Selection(exclude=[pattern])
    assert [name for name in matched if opposite.selects_name(name)] == []
    assert [name for name in others if not opposite.selects_name(name)] == []


def test_exclude_is_stronger_than_include():
    selection = Selection(include=("*.zip", "keep/**"), exclude="old")
    names = ["a.zip", "old/a.zip", "keep/x", "keep/old/x", "other"]
    assert [name for name in names if selection.selects_name(name)] == ["a.zip", "keep/x"]


def test_sizes_are_inclusive_times_half_open():
    selection = Selection(min_bytes=2, max_bytes=4, modified_since=T, modified_before=T + timedelta(days=1))
    assert [size for size in range(6) if selection.selects_object(size, T)] == [2, 3, 4]
    times = [T - timedelta(microseconds=1), T, T + timedelta(days=1)]
    assert [selection.selects_object(3, time) for time in times] == [False, True, False]


@pytest.mark.parametrize(
    "values",
    [
        {"include": ""},
        {"exclude": ["a", ""]},
        {"min_bytes": 2, "max_bytes": 1},
        {"modified_since": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"modified_since": T, "modified_before": T},
    ],
)
def test_what_makes_no_sense_is_said_at_once(values):
    with pytest.raises(UsageError):
        Selection(**values)


def test_it_is_a_value_that_says_what_it_is():
    assert Selection(include="a") == Selection(include=["a"])
    assert hash(Selection(include="a")) == hash(Selection(include=("a",)))
    assert SELECT_ALL.is_everything
    assert SELECT_ALL.describe() == ""
    zone = timezone(timedelta(hours=2))
    selection = Selection("*.zip", "x", 1, 2, T.astimezone(zone), T + timedelta(1))
    text = selection.describe()
    for part in (
        "include *.zip",
        "exclude x",
        "at least 1",
        "at most 2",
        "since 2026-01-01T00:00:00+00:00",
        "before 2026-01-02",
    ):
        assert part in text
    assert eval(repr(Selection(include="a"))) == Selection(include="a")


def test_what_is_left_out_is_neither_copied_nor_deleted(entry):
    source = [entry("a.log", 1), entry("big", 100), entry("new", 1)]
    target = [entry("a.log", 2), entry("big", 2), entry("gone", 2), entry("z.log", 2)]
    rules = PlanRules(Selection(exclude="*.log", max_bytes=10), delete=True)
    for rows in (plan_to_s3(source, target, "p/", rules), plan_to_folder(source, target, "/tree", {}, rules)):
        assert {row.relative_key: row.action for row in rows} == {"gone": Action.DELETE, "new": Action.COPY}
