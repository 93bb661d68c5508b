"""`lakehouse plan`, `sync`, `cp`, `verify`: what they print for people and for programs, and their exit codes."""

from __future__ import annotations

import os

import pytest

ODD = ["a b.csv", "ü/日本.csv", "new\nline"]


@pytest.fixture
def tree(tmp_path):
    """A folder with odd names, each file holding its name."""
    for name in (*ODD, "deep/er/plain.txt"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


class TestPlan:
    def test_it_shows_each_object_totals_and_cost_and_moves_nothing(self, lakehouse, tree, bucket, read, put):
        put("to/a b.csv")
        done = lakehouse("plan", tree, f"s3://{bucket}/to", "--exclude", "deep")
        assert done.code == 0
        lines = done.out.splitlines()
        assert len(lines) == 3 + 2
        assert [line.split()[0] for line in lines[:3]] == ["copy"] * 3
        assert "10 B  a b.csv  (the target has 10 bytes)" not in done.out
        assert "new\\nline  (not at the target)" in done.out
        assert lines[-2].startswith("3 to copy (")
        assert "strategy direct: " in lines[-1]
        assert "through this machine, about 4 S3 requests" in lines[-1]
        assert list(read()) == ["to/a b.csv"]

    def test_json_has_a_line_for_each_object_and_a_summary_with_the_forecast(self, lakehouse, tree, bucket):
        done = lakehouse("plan", tree, f"s3://{bucket}/to", "--json")
        assert (done.code, done.err) == (0, "")
        *rows, summary = done.values
        assert sorted(row["key"] for row in rows) == sorted([*ODD, "deep/er/plain.txt"])
        assert {(row["type"], row["action"], row["reason"]) for row in rows} == {("object", "copy", "not at the target")}
        assert summary["copy_objects"] == 4
        assert summary["forecast"]["strategy"] == "direct"
        assert summary["forecast"]["bytes_through_client"] == summary["copy_bytes"]

    def test_skips_are_counted_and_shown_on_request(self, lakehouse, tree, bucket):
        lakehouse("sync", tree, f"s3://{bucket}/to")
        counted = lakehouse("plan", tree, f"s3://{bucket}/to", "--json")
        assert [value["type"] for value in counted.values] == ["summary"]
        assert counted.summary["skip_objects"] == 4
        kept = lakehouse("plan", tree, f"s3://{bucket}/to", "--json", "--keep-skips")
        assert [value.get("action") for value in kept.values] == ["skip"] * 4 + [None]

    @pytest.mark.parametrize(
        ("options", "chosen"),
        [
            (["--include", "*.csv"], {"a b.csv", "ü/日本.csv"}),
            (["--include", "*.csv", "--exclude", "ü"], {"a b.csv"}),
            (["--min-size", "14B"], {"deep/er/plain.txt"}),
            (["--max-size", "0.008KB", "--min-size", "8"], {"new\nline"}),
            (["--older-than", "2020-06-01"], {"a b.csv"}),
            (["--newer-than", "1d", "--include", "*.csv"], {"ü/日本.csv"}),
        ],
    )
    def test_options_choose_objects(self, lakehouse, tree, bucket, options, chosen):
        os.utime(tree / "a b.csv", (1_580_000_000, 1_580_000_000))
        rows = lakehouse("plan", tree, f"s3://{bucket}", "--json", *options).values[:-1]
        assert {row["key"] for row in rows} == chosen

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--min-size", "10 apples"], "--min-size '10 apples' is not a size"),
            (["--newer-than", "yesterday"], "--newer-than 'yesterday' is neither"),
            (["--min-size", "5KiB", "--max-size", "1KiB"], "at least 5,120 and at most 1,024"),
            (["--include", ""], "pattern is empty"),
            (["--compare", "magic"], "'magic' is not one of 'auto'"),
            (["--output", "no/such/p.parquet"], "There is no folder"),
        ],
    )
    def test_a_wrong_option_is_named(self, lakehouse, tree, bucket, options, said):
        done = lakehouse("plan", tree, f"s3://{bucket}", *options)
        assert done.code == 2
        assert said in done.err

    def test_deletes_beyond_the_limit_are_shown_and_exit_1(self, lakehouse, tree, bucket, put):
        put("to/extra", "to/more")
        done = lakehouse("plan", tree, f"s3://{bucket}/to", "--delete")
        assert done.code == 1
        assert "delete" in done.out
        assert "add --max-deletes N" in done.err
        assert lakehouse("plan", tree, f"s3://{bucket}/to", "--delete", "--max-deletes", "2").code == 0


class TestSync:
    def test_it_copies_then_has_nothing_to_do(self, lakehouse, tree, bucket, read):
        done = lakehouse("sync", tree, f"s3://{bucket}/to")
        assert done.code == 0
        assert "4 done" in done.out
        assert "strategy direct: " in done.out
        assert read() == {f"to/{name}": name for name in (*ODD, "deep/er/plain.txt")}
        again = lakehouse("sync", tree, f"s3://{bucket}/to", "--json")
        assert again.summary["objects"]["skipped"] == 4
        assert again.summary["objects"]["done"] == 0

    def test_a_saved_plan_runs_as_it_was_saved(self, lakehouse, tree, bucket, read, tmp_path):
        saved = lakehouse("plan", tree, f"s3://{bucket}/to", "--include", "deep", "--output", "p.parquet")
        assert "`lakehouse sync --plan p.parquet` runs it" in saved.out
        assert lakehouse("sync", "--plan", "p.parquet", "--json").summary["objects"]["done"] == 1
        assert list(read()) == ["to/deep/er/plain.txt"]

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            ((), 2, "sync needs SOURCE and TARGET"),
            (("only-one",), 2, "sync needs SOURCE and TARGET"),
            (("--plan", "p", "a", "b", "--delete"), 2, "cannot be combined with SOURCE, TARGET, --delete"),
            (("--plan", "p", "--min-size", "5", "--compare", "always"), 2, "cannot be combined with --min-size, --compare"),
            (("--plan", "p"), 1, "no saved plan at p"),
            (("a", "b", "--dry-run"), 2, "--dry-run"),
        ],
    )
    def test_wrong_use(self, lakehouse, arguments, code, said):
        done = lakehouse("sync", *arguments)
        assert done.code == code
        assert said in done.err
        assert "next:" in done.err

    def test_refused_deletes_copy_nothing_and_allowed_ones_go(self, lakehouse, tree, bucket, put, read):
        put("to/extra")
        refused = lakehouse("sync", tree, f"s3://{bucket}/to", "--delete")
        assert refused.code == 1
        assert list(read()) == ["to/extra"]
        assert lakehouse("sync", tree, f"s3://{bucket}/to", "--delete", "--max-deletes", "1").code == 0
        assert set(read()) == {f"to/{name}" for name in (*ODD, "deep/er/plain.txt")}

    def test_what_the_target_cannot_hold_is_listed_and_exits_1(self, lakehouse, bucket, put, tmp_path):
        put("from/same", "from/Same", "from/fine")
        done = lakehouse("sync", f"s3://{bucket}/from", tmp_path / "to")
        assert done.code == 1
        assert "conflict: same: differs from 'Same'" in done.out
        assert (tmp_path / "to/fine").read_text() == "from/fine"

    def test_strategy_proof_and_manifest_are_handed_on(self, lakehouse, bucket, put, other_s3, other_bucket):
        put("from/a")
        target = f"lakehouse://other@{other_bucket}"
        arguments = ("--strategy", "staged", "--verify", "sha256", "--manifest")
        done = lakehouse("sync", f"s3://{bucket}/from", target, *arguments)
        assert done.code == 0
        assert done.out.startswith("staged: 1 done")
        assert f"manifest lakehouse://{bucket}/_manifests/" in done.out
        assert other_s3.get_bytes(other_bucket, "a") == b"from/a"


class TestVerify:
    def test_findings_and_exit_codes(self, lakehouse, tree, bucket, s3, put):
        lakehouse("sync", tree, f"s3://{bucket}/to")
        put("to/extra")
        good = lakehouse("verify", tree, f"s3://{bucket}/to", "--mode", "sha256")
        assert good.code == 0
        assert "4 the same (4 by sha256); 1 extra." in good.out
        unproven = lakehouse("verify", tree, f"s3://{bucket}/to")
        assert (unproven.code, "not proven, only their sizes are equal" in unproven.out) == (3, True)
        assert lakehouse("verify", tree, f"s3://{bucket}/to", "--strict").code == 1
        assert lakehouse("verify", tree, f"s3://{bucket}/to", "--strict", "--mode", "etag").code == 0
        s3.delete(bucket, "to/new\nline")
        s3.put_bytes(bucket, "to/a b.csv", b"longer than before")
        bad = lakehouse("verify", tree, f"s3://{bucket}/to")
        assert bad.code == 1
        assert "missing     new\\nline" in bad.out
        assert "differs     a b.csv  (by size, source 7 bytes, target 18 bytes)" in bad.out
        values = lakehouse("verify", tree, f"s3://{bucket}/to", "--json", "--include", "a b.csv", "--include", "new*")
        assert values.code == 1
        assert [(value["type"], value.get("kind")) for value in values.values] == [
            ("finding", "differs"),
            ("finding", "missing"),
            ("summary", None),
        ]
        assert values.summary["ok"] is False


class TestCp:
    def test_a_file_to_a_key_into_a_prefix_and_into_a_bucket(self, lakehouse, tree, bucket, read):
        source = tree / "a b.csv"
        for target in ("other name", "into/", ""):
            assert lakehouse("cp", source, f"s3://{bucket}/{target}").code == 0
        assert set(read()) == {"other name", "into/a b.csv", "a b.csv"}

    def test_an_object_to_a_file_and_into_folders(self, lakehouse, bucket, put, tmp_path):
        put("from/new\nline")
        (tmp_path / "there").mkdir()
        for target in ("name", "there", "made/"):
            assert lakehouse("cp", f"s3://{bucket}/from/new\nline", target).code == 0
        for path in ("name", "there/new\nline", "made/new\nline"):
            assert (tmp_path / path).read_text() == "from/new\nline"

    def test_it_overwrites_even_what_is_newer(self, lakehouse, bucket, put, tmp_path):
        put("key")
        (tmp_path / "mine").write_text("old")
        assert lakehouse("cp", f"s3://{bucket}/key", "mine").code == 0
        assert (tmp_path / "mine").read_text() == "key"
        assert lakehouse("cp", "mine", f"s3://{bucket}/key", "--json").summary["objects"]["done"] == 1

    def test_several_go_under_their_own_names_each_server_in_one_run(self, lakehouse, tree, bucket, put, read):
        put("one/x", "two/y")
        sources = (tree / "a b.csv", f"s3://{bucket}/one/x", f"s3://{bucket}/two/y")
        done = lakehouse("cp", *sources, f"s3://{bucket}/to", "--json")
        assert done.code == 0
        assert [value["type"] for value in done.values].count("summary") == 2
        assert read("to/") == {"to/a b.csv": "a b.csv", "to/x": "one/x", "to/y": "two/y"}

    @pytest.mark.parametrize(
        ("source", "target", "below"),
        [("tree", "to", "to/"), ("tree", "to/", "to/tree/"), ("tree/", "to/", "to/"), (".", "to/", "to/tree/")],
    )
    def test_a_folder_by_its_slashes(self, lakehouse, tree, bucket, read, source, target, below):
        assert lakehouse("cp", "-r", source, f"s3://{bucket}/{target}").code == 0
        assert set(read("to")) == {f"{below}{name}" for name in (*ODD, "deep/er/plain.txt")}

    def test_a_prefix_to_a_folder_and_to_another_server(self, lakehouse, bucket, put, other_s3, other_bucket, tmp_path):
        put("from/a b", "from/ü/x", "fromage")
        assert lakehouse("cp", "-r", f"s3://{bucket}/from", tmp_path / "down/").code == 0
        assert (tmp_path / "down/ü/x").read_text() == "from/ü/x"
        assert lakehouse("cp", "-r", f"s3://{bucket}/from", f"lakehouse://other@{other_bucket}/in/").code == 0
        assert [info.key for info in other_s3.list_objects(other_bucket)] == ["in/from/a b", "in/from/ü/x"]
        assert lakehouse("cp", f"lakehouse://other@{other_bucket}/in/from/a b", f"s3://{bucket}/back").code == 0

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["tree", "s3://{bucket}"], 2, "tree is a folder, not one object"),
            (["s3://{bucket}/from", "x"], 2, "is a prefix, not one object"),
            (["s3://{bucket}", "x"], 2, "is a bucket, not one object"),
            (["s3://{bucket}/none", "x"], 1, "nothing at lakehouse://{bucket}/none"),
            (["-r", "s3://{bucket}/none/", "x"], 1, "nothing at lakehouse://{bucket}/none/"),
            (["s3://{bucket}/*.csv", "x"], 1, "--include"),
            (["nothing", "s3://{bucket}"], 1, "no file or folder"),
            (["s3://{bucket}/from/a", "s3://{bucket}/from/"], 2, "copied to itself"),
            (["s3://{bucket}/from/a", "s3://{bucket}/a/a", "x"], 2, "Two sources are called 'a'"),
            (["alone"], 2, "Missing argument 'sources"),
            (["s3://{bucket}/from/a", "lakehouse://nobody@x-y-z/"], 2, "nobody"),
        ],
    )
    def test_wrong_use(self, lakehouse, tree, bucket, put, arguments, code, said):
        put("from/a", "a/a")
        done = lakehouse("cp", *(argument.format(bucket=bucket) for argument in arguments))
        assert done.code == code
        assert said.format(bucket=bucket) in done.err
        assert "next:" in done.err
