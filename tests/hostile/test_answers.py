"""Answers of a server that means no good: read in linear time, within limits, and never taken for what they are not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_s3 import ScriptedServer, answer

from lakehouse_sdk.errors import ConnectError, LakehouseError, StorageError
from lakehouse_sdk.storage import answers, wire

TAGS = ["Contents", "Bucket", "Upload", "Tag", "Error", "CommonPrefixes", "Key", "Name"]


def parse_as_listing(body: bytes) -> None:
    answers.parse_listing(b"<ListBucketResult>" + body + b"</ListBucketResult>", "here")


PARSERS: dict[str, Callable[[bytes], Any]] = {
    "listing": parse_as_listing,
    "buckets": answers.parse_bucket_names,
    "failures": lambda body: list(answers.parse_delete_failures(body)),
    "uploads": lambda body: list(answers.parse_uploads(body)),
    "tags": answers.parse_tags,
    "error": wire._is_error,
}
UNITS = [f"<{tag}>".encode() for tag in TAGS] + [b" ", b"\n", b"&", b"<", b"<?xml ", b"<Key>x</Key>"]


def cpu_s(work: Callable[[bytes], object], body: bytes) -> float:
    began = time.process_time()
    with suppress(LakehouseError, ValueError):
        work(body)
    return time.process_time() - began


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_time_grows_with_the_answer_and_not_with_its_square(name: str, unit: bytes) -> None:
    """Eight times the bytes would take 64 times as long; processor time, the best of three, so that no load decides."""
    few, many = unit * 4_000, unit * 32_000
    short = min(cpu_s(PARSERS[name], few) for _ in range(3))
    long = min(cpu_s(PARSERS[name], many) for _ in range(3))
    assert long < 0.05 or long < 24 * short


@given(body=st.lists(st.sampled_from([*UNITS, *(f"</{tag}>".encode() for tag in TAGS), b"abc"]), max_size=30).map(b"".join))
def test_no_answer_is_a_crash(body: bytes) -> None:
    """Nor is anything in it that was not said."""
    for name, parse in PARSERS.items():
        try:
            found = parse(body)
        except (StorageError, ValueError):
            continue
        said = [getattr(one, "key", one) for one in found] if name in {"buckets", "failures", "uploads"} else []
        assert all(text.encode() in body for text in said)
        assert b"<Error" in body or found is not True


@pytest.mark.parametrize(
    "script",
    [
        answer(body=b"x", Content_Length="-1"),
        answer(body=b"x", Content_Length="1_0"),
        answer(body=b"x", Content_Length="1, 2"),
        answer(body=b"x", Content_Length="\u0661".encode().decode("latin-1")),
        b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Y: " + b"z" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000 + answer(body=b"x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 " + b" " * 16_000 + b"200 OK\r\n\r\n",
    ],
    ids=[
        "negative",
        "underscore",
        "two lengths",
        "other digits",
        "headers",
        "header",
        "interim",
        "chunk",
        "huge chunk",
        "spaces",
    ],
)
def test_what_is_no_http_is_an_error(script: bytes) -> None:
    with ScriptedServer(script) as server, pytest.raises(ConnectError):
        server.client.get_bytes("bucket", "key")


def test_two_equal_lengths_are_one() -> None:
    with ScriptedServer(answer(body=b"hello", Content_Length="5, 5")) as server:
        assert server.client.get_bytes("bucket", "key") == b"hello"


def test_reading_nothing_changes_nothing() -> None:
    with ScriptedServer(answer(body=b"hello")) as server, server.client.open_stream("bucket", "key") as stream:
        assert stream.read(0) == b""
        assert stream.readinto(bytearray()) == 0
        assert stream.read() == b"hello"
