"""`lakehouse ls`, `du`, `rm`: what they print for people and for programs, and their exit codes."""

from __future__ import annotations

import os
import pty

import pytest

KEYS = ["data/a b", "data/deep/er/x", "data/deep/y", "data/new\nline", "data/ü", "top"]


@pytest.fixture
def filled(put, bucket):
    put(*KEYS)
    return bucket


class TestLs:
    def test_without_address_the_buckets(self, lakehouse, filled):
        assert filled in lakehouse("ls").out.splitlines()
        done = lakehouse("ls", "--json")
        assert {"type": "bucket", "name": filled} in done.values
        assert done.summary["buckets"] == len(done.values) - 1

    def test_one_level_and_all(self, lakehouse, filled):
        assert lakehouse("ls", f"s3://{filled}").out.splitlines() == ["data/", "top"]
        expected = ["a b", "deep/", "new\\nline", "ü"]
        assert sorted(lakehouse("ls", f"s3://{filled}/data").out.splitlines()) == expected
        assert sorted(lakehouse("ls", f"s3://{filled}/data/").out.splitlines()) == expected
        below = lakehouse("ls", "-r", f"s3://{filled}/data/deep").out.splitlines()
        assert below == ["er/x", "y"]
        assert lakehouse("ls", f"s3://{filled}/top").out.splitlines() == ["top"]

    def test_long_has_sizes_and_times(self, lakehouse, filled):
        lines = lakehouse("ls", "-l", f"s3://{filled}").out.splitlines()
        assert lines[0].split() == ["data/"]
        size, unit, day, _, name = lines[1].split()
        assert (size, unit, name) == ("3", "B", "top")
        assert day.startswith("20")

    def test_json_tells_folders_from_objects(self, lakehouse, filled):
        done = lakehouse("ls", "--json", f"s3://{filled}/data")
        assert {"type": "folder", "key": "data/deep/"} in done.values
        objects = {value["key"]: value["size_bytes"] for value in done.values if value["type"] == "object"}
        assert objects == {"data/a b": 8, "data/new\nline": 13, "data/ü": 7}
        assert done.summary == {"type": "summary", "objects": 3, "folders": 1, "size_bytes": 28}

    def test_a_public_bucket_without_credentials(self, lakehouse, filled, s3):
        s3.set_public_read(filled)
        assert lakehouse("ls", f"lakehouse://public@{filled}/data/deep").out.splitlines() == ["er/", "y"]

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["s3://{bucket}/none"], 1, "nothing at"),
            (["s3://there-is-no-such"], 1, "there-is-no-such"),
            (["some/folder"], 2, "is a local path"),
            (["s3://{bucket}", "--profile", "public"], 2, "--profile is for the list of buckets"),
            (["--profile", "nobody"], 2, "nobody"),
        ],
    )
    def test_wrong_use(self, lakehouse, bucket, arguments, code, said):
        done = lakehouse("ls", *(argument.format(bucket=bucket) for argument in arguments))
        assert done.code == code
        assert said in done.err
        assert done.out == ""

    def test_an_empty_bucket_is_no_error(self, lakehouse, bucket):
        done = lakehouse("ls", f"s3://{bucket}")
        assert (done.code, done.out) == (0, "")


class TestDu:
    def test_totals_by_prefix(self, lakehouse, filled):
        done = lakehouse("du", f"s3://{filled}")
        assert done.code == 0
        rows = [line.split() for line in done.out.splitlines()]
        assert rows == [
            ["objects", "size", "prefix"],
            ["5", "53", "B", "data/"],
            ["6", "56", "B", f"lakehouse://{filled}/"],
        ]

    def test_depth_and_json(self, lakehouse, filled):
        done = lakehouse("du", "--json", "--depth", "2", f"s3://{filled}/data", f"s3://{filled}/top")
        folders = {value["key"]: (value["objects"], value["size_bytes"]) for value in done.values if value["type"] == "folder"}
        assert folders == {"data/deep/": (2, 25), "data/deep/er/": (1, 14)}
        summaries = [(value["objects"], value["size_bytes"]) for value in done.values if value["type"] == "summary"]
        assert summaries == [(5, 53), (1, 3)]
        assert [value["type"] for value in lakehouse("du", "--json", "--depth", "0", f"s3://{filled}").values] == ["summary"]

    def test_nothing_there_is_named(self, lakehouse, bucket):
        done = lakehouse("du", f"s3://{bucket}/none")
        assert done.code == 1
        assert f"lakehouse://{bucket}/none" in done.err


class TestRm:
    def test_one_object_or_all_below_a_prefix(self, lakehouse, filled, put, read):
        put("database", "data")
        one = lakehouse("rm", "--yes", f"s3://{filled}/data")
        assert one.code == 0
        assert one.out == "1 of 1 deleted (4 bytes).\n"
        assert set(read()) == {*KEYS, "database"}
        done = lakehouse("rm", "-r", "--yes", "--json", f"s3://{filled}/data")
        assert done.code == 0
        assert done.summary["deleted_objects"] == 5
        assert set(read()) == {"top", "database"}

    def test_more_than_a_request_holds(self, lakehouse, bucket, s3, put, read):
        put(*(f"many/{number:04}" for number in range(1005)), "many/tab\t", "many/<&>", "stays")
        done = lakehouse("rm", "-ry", f"s3://{bucket}/many")
        assert done.out == f"1,007 of 1,007 deleted ({sum(map(len, ['many/0000'] * 1005)) + 9 + 8:,} bytes).\n"
        assert list(read()) == ["stays"]

    def test_dry_run_shows_and_deletes_nothing(self, lakehouse, filled, read):
        done = lakehouse("rm", "-r", "--dry-run", f"s3://{filled}/data")
        assert done.code == 0
        assert "data/new\\nline" in done.out
        assert done.out.endswith("5 objects would be deleted, 53 B.\n")
        values = lakehouse("rm", "-r", "--dry-run", "--json", f"s3://{filled}/data").values
        assert [value["key"] for value in values[:-1]] == KEYS[:-1]
        assert set(read()) == set(KEYS)

    def test_open_uploads_are_left_alone(self, lakehouse, filled, s3):
        s3.start_upload(filled, "data/under-way", {})
        assert lakehouse("rm", "-ry", f"s3://{filled}/data").code == 0
        assert len(s3.list_uploads(filled, "data/under-way")) == 1

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["s3://{bucket}/data"], 2, "is not one object but a prefix"),
            (["s3://{bucket}", "-y"], 2, "is not one object but a bucket"),
            (["s3://{bucket}/top"], 2, "Add --yes"),
            (["-r", "s3://{bucket}/data"], 2, "5 objects (53 B)"),
            (["-y", "s3://{bucket}/none"], 1, "nothing at"),
            (["-ry", "s3://{bucket}/none"], 1, "nothing at"),
            (["-y", "some/file"], 2, "rm deletes objects only"),
        ],
    )
    def test_wrong_use_deletes_nothing(self, lakehouse, filled, read, arguments, code, said):
        done = lakehouse("rm", *(argument.format(bucket=filled) for argument in arguments))
        assert done.code == code
        assert said in done.err
        assert set(read()) == set(KEYS)

    def test_what_the_server_refuses_is_listed_and_exits_1(self, lakehouse, filled, s3, read):
        s3.set_public_read(filled)
        done = lakehouse("rm", "-ry", f"lakehouse://public@{filled}/data")
        assert done.code == 1
        assert "failed: new\\nline: not deleted" in done.out or "failed: data/new\\nline: not deleted" in done.out
        assert "0 of 5 deleted (0 bytes), 5 failed." in done.out
        assert set(read()) == set(KEYS)

    @pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, set(KEYS)), ("y", 0, {"top"})])
    def test_on_a_terminal_it_asks(self, start, filled, read, answer, code, left):
        ours, theirs = pty.openpty()
        with start("rm", "-r", f"s3://{filled}/data", stdin=theirs) as process:
            os.write(ours, f"{answer}\n".encode())
            out, err = process.communicate(timeout=60)
        os.close(ours)
        os.close(theirs)
        assert process.returncode == code
        assert "Delete 5 objects (53 B)" in err
        assert ("5 of 5 deleted" in out) == (answer == "y")
        assert set(read()) == left


def test_a_reader_that_has_seen_enough_is_no_error(start, bucket, put):
    put(*(f"{'k' * 200}/{number:03}" for number in range(400)))
    with start("ls", "-r", f"s3://{bucket}") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
