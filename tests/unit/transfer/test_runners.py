"""The seam between runners, and s5cmd's lines."""

from __future__ import annotations

import json
import shlex

import pytest

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.transfer import PlannedObject, Status
from lakehouse_sdk.transfer.runners import Direction, Leg, run_in_turn
from lakehouse_sdk.transfer.runners.s5cmd.lines import (
    Lines,
    find_refusal,
    find_row,
    is_final,
    is_unreachable,
    parse_line,
    shorten,
)
from lakehouse_sdk.transfer.runners.s5cmd.runner import count_requests

PROFILE = S3Profile(endpoint_url="http://127.0.0.1:1", access_key="key", secret_key="secret")
UPLOAD = Leg(Direction.UPLOAD, PROFILE, "", "to")
DOWNLOAD = Leg(Direction.DOWNLOAD, PROFILE, "from", "")


class TestRunInTurn:
    def test_what_one_refuses_goes_to_the_next(self, recorded, planned):
        first, second = recorded("one", {"b": (Status.REFUSED, "odd")}), recorded("two")
        ended = {o.row.target_key: o.runner for o in run_in_turn([first, second], map(planned, "abc"))}
        assert ended == {"a": "one", "b": "two", "c": "one"}
        assert (first.given, second.given) == (["a", "b", "c"], ["b"])

    def test_what_all_refuse_is_failed_with_the_last_reason(self, recorded, planned):
        runners = [recorded("one", {"a": (Status.REFUSED, "odd")}), recorded("two", {"a": (Status.REFUSED, "too large")})]
        (outcome,) = run_in_turn(runners, [planned("a")])
        assert (outcome.status, outcome.reason) == (Status.FAILED, "two: too large")

    def test_failures_stay_with_the_runner_that_had_them(self, recorded, planned):
        first, second = recorded("one", {"a": (Status.FAILED, "denied")}), recorded("two")
        (outcome,) = run_in_turn([first, second], [planned("a")])
        assert (outcome.status, outcome.runner, second.given) == (Status.FAILED, "one", [])

    def test_rows_are_taken_lazily_and_closing_closes_the_runner(self, recorded, planned):
        first = recorded("one")
        outcomes = run_in_turn([first], map(planned, "abc"))
        next(outcomes)
        outcomes.close()
        assert (first.given, first.closed) == (["a"], True)


class TestWhatS5cmdCannotDo:
    @pytest.mark.parametrize("key", ["nl\nx", "dir/"])
    @pytest.mark.parametrize("leg", [UPLOAD, DOWNLOAD])
    def test_newlines_and_markers(self, leg, key):
        assert find_refusal(PlannedObject(key, key, "plain", 1), leg)
        assert find_refusal(PlannedObject(key, "plain", key, 1), leg)

    def test_a_wanted_hash(self):
        assert find_refusal(PlannedObject("a", "a", "a", 1, sha256="0" * 64), DOWNLOAD)

    def test_metadata_and_headers_without_an_option(self):
        def upload(headers):
            return find_refusal(PlannedObject("a", "/a", "a", 1), Leg(Direction.UPLOAD, PROFILE, "", "to", {"a": headers}))

        assert not upload({"content-type": "text/plain"})
        assert "x-amz-meta-k" in upload({"content-type": "text/plain", "x-amz-meta-k": "v"})


ODD = [
    "plain",
    "a b",
    "it's",
    'say "x"',
    "tab\tx",
    "$HOME",
    "`id`",
    "\\",
    "*?[x]",
    "#",
    "é😀\u00a0",
    "~x",
    "-dash",
    "a;b|c&d",
    "{a,b}",
    "!x",
]


@pytest.mark.parametrize("key", ODD)
def test_a_line_is_read_back_as_the_same_words_by_a_shell_like_reader(key):
    _, line = Lines(DOWNLOAD, part_size_mib=50).write(PlannedObject(key, key, f"/x/{key}", 1))
    assert shlex.split(line.decode()) == ["cp", "--raw", "--part-size", "50", f"s3://from/{key}", f"/x/{key}"]


def test_lines_of_uploads_carry_part_size_and_headers():
    leg = Leg(Direction.UPLOAD, PROFILE, "", "to", {"k": {"content-type": "text/plain; charset=x"}})
    text, line = Lines(leg, part_size_mib=7).write(PlannedObject("k", "/tmp/1", "k", 1))
    assert text == "/tmp/1 s3://to/k"
    assert shlex.split(line.decode()) == [
        "cp", "--raw", "--part-size", "7", "--content-type", "text/plain; charset=x", "/tmp/1", "s3://to/k"
    ]  # fmt: skip


class TestAnswers:
    @pytest.mark.parametrize("key", ODD)
    def test_success_and_failure_find_their_row(self, key):
        row = PlannedObject(key, key, key, 1)
        text, _ = Lines(DOWNLOAD, part_size_mib=50).write(row)
        outstanding = {"s3://from/other other": row, text: row}
        success = {"operation": "cp", "success": True, "source": f"s3://from/{key}", "destination": key}
        command = f"cp --part-size=50 --content-type=text/plain; x --raw=true s3://from/{key} {key}"
        failure = {"operation": "cp", "command": command, "error": "InternalError: x"}
        for said in (success, failure):
            answer = parse_line(json.dumps(said).encode())
            assert answer is not None
            assert find_row(answer, outstanding) == text

    @pytest.mark.parametrize("line", [b"", b"not json", b"[]", b'"x"', b'{"level": "info"}', b'{"success": false}'])
    def test_other_lines_answer_nothing(self, line):
        assert parse_line(line) is None

    @pytest.mark.parametrize(
        "line", [b'{"success": true, "source": "s3://x", "destination": "s3://y"}', b'{"command": "cp a b", "error": "x"}']
    )
    def test_an_answer_to_nobody_finds_no_row(self, line):
        answer = parse_line(line)
        assert answer is not None
        assert find_row(answer, {}) is None

    def test_what_another_attempt_cannot_change(self):
        assert is_final("NoSuchKey: The specified key does not exist.")
        assert is_final("given object /x not found")
        assert not is_final("InternalError: We encountered an internal error")
        assert is_unreachable("RequestError: send request failed caused by: dial tcp")

    def test_ids_of_requests_are_left_out(self):
        said = "NoSuchKey: The specified key does not exist. status code: 404, request id: 18E9, host id: 2606"
        assert shorten(said) == "NoSuchKey: The specified key does not exist"


def test_requests_that_s5cmd_needs_as_counted_on_minio():
    mib = 1024**2
    assert [count_requests(size, DOWNLOAD, 50 * mib) for size in (0, 120 * mib)] == [2, 4]
    assert [count_requests(size, UPLOAD, 50 * mib) for size in (0, 120 * mib)] == [1, 5]
