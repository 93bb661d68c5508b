"""Planning: two listings become rows, and what one target cannot hold apart is never overwritten."""

from __future__ import annotations

import pytest

from lakehouse_sdk.transfer import Action
from lakehouse_sdk.transfer.plan.diff import OutOfOrderError, merge, plan_to_folder, plan_to_s3
from lakehouse_sdk.transfer.plan.names import find_folder_conflicts, find_key_obstacle
from lakehouse_sdk.transfer.proof.etags import compare_etags

MD5_A, MD5_B = "a" * 32, "b" * 32


def actions(rows) -> dict[str, Action]:
    return {row.relative_key: row.action for row in rows}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (MD5_A, MD5_A, True),
        (MD5_A, MD5_B, False),
        ("x-3", "x-3", True),
        ("x-3", "y-3", None),
        (f"{MD5_A}-3", MD5_A, None),
        ("", MD5_A, None),
        ("", "", None),
    ],
)
def test_unequal_etags_differ_only_for_two_plain_md5s(one, other, same):
    assert compare_etags(one, other) is same
    assert compare_etags(other, one) is same


def test_each_case_has_its_action_and_reason(entry):
    source = [
        entry("a-new", etag=MD5_A),
        entry("b-same", etag=MD5_A),
        entry("c-size", 5),
        entry("d-md5", etag=MD5_A),
        entry("e-newer"),
        entry("f-older", age_s=10, etag="x-2"),
        entry("g-socket", obstacle="not a regular file"),
        entry("h-ok"),
    ]
    target = [
        entry("aa-only-there"),
        entry("b-same", etag=MD5_A),
        entry("c-size", 4),
        entry("d-md5", etag=MD5_B),
        entry("e-newer", age_s=10),
        entry("f-older", etag="y-3"),
        entry("h-ok", obstacle="a link to a folder"),
    ]
    rows = {row.relative_key: (row.action, row.reason) for row in plan_to_s3(source, target, "to/")}
    assert rows == {
        "a-new": (Action.COPY, "not at the target"),
        "b-same": (Action.SKIP, "same size and ETag"),
        "c-size": (Action.COPY, "the target has 4 bytes"),
        "d-md5": (Action.COPY, "same size, other MD5"),
        "e-newer": (Action.COPY, "same size, source newer"),
        "f-older": (Action.SKIP, "same size, target not older; their contents were not compared"),
        "g-socket": (Action.CONFLICT, "the source is not a regular file"),
        "h-ok": (Action.CONFLICT, "the target is a link to a folder"),
    }


def test_rows_carry_whole_keys_and_what_the_source_was(entry):
    (row,) = plan_to_s3([entry("x/y", 7, MD5_A)], [], "to/")
    assert (row.source_key, row.target_key, row.size_bytes, row.etag, row.sha256) == ("from/x/y", "to/x/y", 7, MD5_A, None)


def test_order_is_that_of_utf8_bytes(entry):
    names = ["a", "a!", "a/b", "ab", "z", "\u00e9", "\ue000", "\U0001f600"]
    assert [name.encode() for name in names] == sorted(name.encode() for name in names)
    assert [left.name for left, _ in merge(map(entry, names), [])] == names


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"]])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_listing_out_of_order_is_noticed(entry, names, side):
    listing = [entry(name) for name in names]
    pair = (listing, []) if side == "source" else ([], listing)
    with pytest.raises(OutOfOrderError):
        list(merge(*pair))


def test_merge_is_lazy(entry):
    def source():
        yield entry("a")
        yield entry("b")
        raise AssertionError("read too far ahead")

    pairs = merge(source(), [])
    assert next(pairs)[0].name == "a"


class TestNamesThatOneBucketMayNotHoldApart:
    @pytest.mark.parametrize("bare", ["lead", "-lead"])
    def test_slash_and_bare_in_the_source(self, entry, bare):
        names = sorted([f"/{bare}", bare, "other"])
        rows = actions(plan_to_s3(map(entry, names), [], ""))
        assert rows[f"/{bare}"] is Action.CONFLICT
        assert rows["other"] is Action.COPY

    @pytest.mark.parametrize("bare", ["lead", "-lead"])
    def test_bare_only_at_the_target_is_not_overwritten(self, entry, bare):
        assert actions(plan_to_s3([entry(f"/{bare}")], [entry(bare)], "")) == {f"/{bare}": Action.CONFLICT}

    def test_two_spellings_with_slashes(self, entry):
        assert set(actions(plan_to_s3([entry("//a"), entry("/a")], [], "")).values()) == {Action.CONFLICT}

    def test_alone_it_is_copied(self, entry):
        assert actions(plan_to_s3([entry("/a"), entry("b")], [], "")) == {"/a": Action.COPY, "b": Action.COPY}

    def test_below_a_prefix_nothing_is_dropped(self, entry):
        assert set(actions(plan_to_s3([entry("/a"), entry("a")], [], "to/")).values()) == {Action.COPY}

    def test_slash_only_at_the_target_makes_no_row(self, entry):
        assert actions(plan_to_s3([entry("b")], [entry("/a")], "")) == {"b": Action.COPY}


def test_a_key_that_s3_cannot_hold_is_a_conflict(entry):
    assert actions(plan_to_s3([entry("k" * 1024)], [], "p/")) == {"k" * 1024: Action.CONFLICT}
    assert not find_key_obstacle("k" * 1022, "p/")
    assert find_key_obstacle("\u00e9" * 512, "p/")
    assert "UTF-8" in find_key_obstacle("\udcff")


@pytest.mark.parametrize("server", ["MinIO", "SeaweedFS 4.48", "VERSITYGW"])
def test_what_a_server_would_hold_under_another_name_is_a_conflict(server):
    """Each of these is another object's name there, as `lakehouse servers check` finds out."""
    for name in ("a//b", "/a", "d/../a", "d/./a", "n" * 256):
        assert find_key_obstacle(name, server=server), name
        assert not find_key_obstacle(name, server="AmazonS3"), name
    assert not any(find_key_obstacle(name, server=server) for name in ("a/b", "...", ".hidden", "n" * 255, "d/"))
    assert bool(find_key_obstacle("a\\b", server=server)) == server.startswith("SeaweedFS")


class TestNamesThatOneFolderCannotHoldApart:
    @pytest.mark.parametrize(
        "name", ["../x", "a/../x", "/etc/x", "a//b", "./x", "a/.", "nul\0x", "n" * 256, "d/" + "\u00e9" * 128]
    )
    def test_names_that_lead_out_or_cannot_be(self, name):
        assert set(find_folder_conflicts([name, "ok"], [])) == {name}

    @pytest.mark.parametrize(("one", "other"), [("A", "a"), ("d/X", "d/x"), ("\u00e9", "e\u0301"), ("stra\u00dfe", "STRASSE")])
    def test_case_or_unicode_form_only(self, one, other):
        assert set(find_folder_conflicts([one, other, "b"], [])) == {one, other}

    def test_folders_that_differ_in_case_only_are_one_folder_with_different_files(self):
        assert not find_folder_conflicts(["D/x", "d/y"], [])

    def test_file_and_folder_at_once(self):
        assert set(find_folder_conflicts(["a", "a/b", "a/c/d", "ab"], [])) == {"a", "a/b", "a/c/d"}

    def test_what_is_in_the_folder_counts(self):
        assert set(find_folder_conflicts(["a/b", "X"], ["a", "x"])) >= {"a/b", "X"}

    def test_the_same_name_at_both_ends_is_no_conflict(self):
        assert not find_folder_conflicts(["a", "b/c"], ["a", "b/c"])

    def test_255_bytes_are_a_name(self):
        assert not find_folder_conflicts(["n" * 255, "\u00e9" * 127], [])

    def test_in_a_plan(self, entry):
        source = [
            entry(name, size) for name, size in [("../up", 1), ("Same", 1), ("dir/", 0), ("full/", 1), ("same", 1), ("x", 1)]
        ]
        conflicts = find_folder_conflicts([item.name for item in source if item.name != "dir/"], ["only-there"])
        rows = list(plan_to_folder(source, [entry("only-there")], "/tree", conflicts))
        assert actions(rows) == {
            "../up": Action.CONFLICT,
            "Same": Action.CONFLICT,
            "dir/": Action.SKIP,
            "full/": Action.CONFLICT,
            "same": Action.CONFLICT,
            "x": Action.COPY,
        }
        assert rows[-1].target_key == "/tree/x"
