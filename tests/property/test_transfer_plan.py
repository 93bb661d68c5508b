"""Whatever the two trees: carrying out the plan leads where a small model says, and overwrites nothing that it should not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.transfer import Action, Selection
from lakehouse_sdk.transfer.model.objects import Entry, SkipCount
from lakehouse_sdk.transfer.model.spill import sort_outside
from lakehouse_sdk.transfer.plan.diff import PlanRules, is_marker, plan_to_folder, plan_to_s3
from lakehouse_sdk.transfer.plan.listing import sort_names
from lakehouse_sdk.transfer.plan.names import find_folder_conflicts

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
names = st.lists(st.sampled_from(["a", "b", "A", "é", "..", "", "!", "-"]), min_size=1, max_size=3).map("/".join).filter(bool)
objects = st.builds(
    lambda size, etag, age_s: (size, etag, EPOCH + timedelta(seconds=age_s)),
    st.integers(0, 2),
    st.sampled_from(["", "1" * 32, "2" * 32, "x-2", "y-3"]),
    st.integers(0, 2),
)
trees = st.dictionaries(names, objects, max_size=12)


def listing(tree, root=""):
    return [Entry(name, f"{root}{name}", *tree[name]) for name in sorted(tree)]


@given(source=trees, target=trees)
def test_an_s3_plan_ends_in_the_union_with_the_source_winning_where_it_differs(source, target):
    rows = list(plan_to_s3(listing(source, "from/"), listing(target), "to/"))
    assert [row.relative_key for row in rows] == sorted(source)
    after = dict(target)
    for row in rows:
        assert row.source_key == f"from/{row.relative_key}"
        assert row.target_key == f"to/{row.relative_key}"
        if row.action is Action.COPY:
            after[row.relative_key] = source[row.relative_key]
    assert set(after) == set(source) | set(target)
    for name, (size, etag, modified) in source.items():
        there = after[name]
        if there != (size, etag, modified):  # skipped: nothing says that it is another object
            assert there[0] == size
            assert etag == there[1] or not (len(etag) == len(there[1]) == 32)
            assert etag == there[1] or modified <= there[2]


@given(source=trees, target=trees)
def test_at_the_root_of_a_bucket_no_two_copies_meet_once_leading_slashes_are_dropped(source, target):
    rows = list(plan_to_s3(listing(source), listing(target), ""))
    assert sorted(row.relative_key for row in rows) == sorted(source)
    slashed = [row.target_key for row in rows if row.action is Action.COPY and row.target_key.startswith("/")]
    held = [name.lstrip("/") for name in slashed]
    assert len(held) == len(set(held))
    assert not set(held) & ({name for name in source if not name.startswith("/")} | set(target))


@given(source=trees, target=st.dictionaries(names, objects, max_size=6))
def test_a_folder_plan_stays_inside_and_apart(source, target):
    held = {name: value for name, value in target.items() if not find_folder_conflicts([name], [])}
    held = {name: value for name, value in held.items() if name not in find_folder_conflicts(held, [])}
    conflicts = find_folder_conflicts([entry.name for entry in listing(source) if not is_marker(entry)], held)
    rows = list(plan_to_folder(listing(source), listing(held), "/tree", conflicts))
    assert sorted(row.relative_key for row in rows) == sorted(source)
    copied = [row.relative_key for row in rows if row.action is Action.COPY]
    everything = set(copied) | set(held)
    assert len({name.casefold() for name in everything}) == len(everything)
    for name in copied:
        parts = name.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not {"/".join(parts[:i]) for i in range(1, len(parts))} & everything


@given(tree=trees)
def test_planning_again_after_the_copy_finds_nothing_to_do(tree):
    copied = {name: (size, etag, modified + timedelta(hours=1)) for name, (size, etag, modified) in tree.items()}
    assert not [row for row in plan_to_s3(listing(tree), listing(copied), "to/") if row.action is not Action.SKIP]


patterns = st.lists(st.sampled_from(["a", "b/*", "*", "**/A", "é", "!", "-/"]), max_size=2)
selections = st.builds(
    Selection,
    include=patterns,
    exclude=patterns,
    max_bytes=st.sampled_from([None, 1]),
    modified_since=st.sampled_from([None, EPOCH + timedelta(seconds=1)]),
)


@given(source=trees, target=trees, selection=selections, compare=st.sampled_from(["auto", "size-time", "always"]))
def test_with_deletes_what_is_selected_ends_as_the_source_and_the_rest_as_it_was(source, target, selection, compare):
    skipped = SkipCount()
    rules = PlanRules(selection, compare, delete=True, skipped=skipped)
    rows = list(plan_to_s3(listing(source, "from/"), listing(target, "to/"), "to/", rules))
    selected = {
        name
        for name, (size, _, time) in source.items()
        if selection.selects_name(name) and selection.selects_object(size, time)
    }
    assert len({row.relative_key for row in rows}) == len(rows)
    doomed = {row.relative_key for row in rows if row.action is Action.DELETE}
    assert doomed == {name for name in set(target) - set(source) if selection.selects_name(name)}
    copied = {row.relative_key for row in rows if row.action is Action.COPY}
    assert copied <= selected
    assert copied >= selected - set(target)
    assert len(selected) == len(copied) + skipped.objects
    if compare == "always":
        assert copied == selected
    for name in selected & set(target) - copied:
        assert source[name][0] == target[name][0]
    for row in rows:
        assert row.target_key == f"to/{row.relative_key}"
        assert row.source_key == ("" if row.action is Action.DELETE else f"from/{row.relative_key}")


@given(source=trees, target=trees)
def test_at_the_root_of_a_bucket_nothing_is_deleted_that_a_name_with_a_slash_may_mean(source, target):
    rows = list(plan_to_s3(listing(source), listing(target), "", PlanRules(delete=True)))
    doomed = {row.target_key for row in rows if row.action is Action.DELETE}
    assert not doomed & (set(source) | {name.lstrip("/") for name in source if name.startswith("/")})
    expected = set(target) - set(source) - {name.lstrip("/") for name in source if name.startswith("/")}
    assert doomed == expected


@given(items=st.lists(st.tuples(st.text(max_size=3), st.integers(0, 9)), max_size=60), memory=st.integers(1, 20))
def test_sorting_outside_memory_is_sorting(items, memory):
    assert list(sort_outside(items, tuple, memory_items=memory)) == sorted(items)


@given(names=st.lists(names, max_size=10), existing=st.lists(names, max_size=5))
def test_what_one_folder_cannot_hold_apart_is_found_whatever_sorts(names, existing):
    conflicts = find_folder_conflicts(names, existing)
    assert conflicts == find_folder_conflicts(names, existing, sort_names)
    kept = {name for name in (*names, *existing) if name not in conflicts}
    folded = {name.casefold() for name in kept}
    assert len(folded) == len(kept)
    assert not [name for name in folded if any(other.startswith(f"{name}/") for other in folded)]
