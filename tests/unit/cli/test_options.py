"""Sizes and times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakehouse_sdk.cli.options import parse_size, parse_time
from lakehouse_sdk.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("0", 0), ("1500", 1500), ("7B", 7), ("10MiB", 10 * 1024**2), ("5GB", 5 * 10**9), ("1.5 KiB", 1536), ("2kb", 2000)],
)
def test_sizes(text, size_bytes):
    assert parse_size("--min-size", text) == size_bytes


@pytest.mark.parametrize("text", ["", "-1", "MiB", "10XB", "1,000", "10iB", "1e3", "٣KBKB"])
def test_no_sizes(text):
    with pytest.raises(UsageError, match="--max-size"):
        parse_size("--max-size", text)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-31", datetime(2024, 1, 31, tzinfo=UTC)),
        ("2024-01-31T12:30", datetime(2024, 1, 31, 12, 30, tzinfo=UTC)),
        ("2024-01-31T12:30+02:00", datetime(2024, 1, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_times(text, time):
    assert parse_time("--newer-than", text) == time


@pytest.mark.parametrize(
    ("text", "age"), [("7d", timedelta(days=7)), ("12h", timedelta(hours=12)), ("1.5w", timedelta(days=10.5))]
)
def test_ages(text, age):
    parsed = parse_time("--newer-than", text)
    assert parsed is not None
    assert abs(datetime.now(UTC) - age - parsed) < timedelta(seconds=10)


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "2024-13-01", "-7d", "99999999999w"])
def test_no_times(text):
    with pytest.raises(UsageError, match="--older-than"):
        parse_time("--older-than", text)
