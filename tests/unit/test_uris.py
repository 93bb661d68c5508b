"""Addresses: what is one, what it means, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_sdk.errors import AddressError
from lakehouse_sdk.uris import LocalAddress, S3Address, parse_address, parse_s3_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("lakehouse://bucket/a/key", S3Address("bucket", "a/key")),
        ("lakehouse://bucket", S3Address("bucket")),
        ("lakehouse://bucket/", S3Address("bucket")),
        ("lakehouse://bucket/a/", S3Address("bucket", "a/")),
        ("lakehouse://backup@bucket/a", S3Address("bucket", "a", "backup")),
        ("lakehouse://bucket/user@host", S3Address("bucket", "user@host")),
        ("LAKEHOUSE://bucket/A", S3Address("bucket", "A")),
        ("s3://bucket/a b+c%20d", S3Address("bucket", "a b+c%20d")),
        ("s3://data.binance.vision/data/", S3Address("data.binance.vision", "data/")),
        ("lakehouse://bucket//double//slash", S3Address("bucket", "/double//slash")),
        ("lakehouse://bucket/line\nbreak", S3Address("bucket", "line\nbreak")),
        ("/data/file", LocalAddress(Path("/data/file"))),
        ("file:///data/file", LocalAddress(Path("/data/file"))),
        ("~/file", LocalAddress(Path.home() / "file")),
        ("here/file", LocalAddress(Path.cwd() / "here/file")),
    ],
)
def test_address(text: str, address: S3Address | LocalAddress) -> None:
    assert parse_address(text) == address


def test_a_path_and_an_address_are_addresses() -> None:
    assert parse_address(Path("x")) == LocalAddress(Path.cwd() / "x")
    assert parse_address(S3Address("bucket")) == S3Address("bucket")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gs://bucket/key",
        "https://bucket/key",
        "lakehouse://",
        "lakehouse:///key",
        "lakehouse://a/key",
        "lakehouse://buck et/key",
        "lakehouse://bucket\n/key",
        "lakehouse://@bucket/key",
        "lakehouse://pro file@bucket/key",
        "s3://profile@bucket/key",
        "file://host/path",
    ],
)
def test_refused_with_the_forms_that_are_understood(text: str) -> None:
    with pytest.raises(AddressError, match="lakehouse://bucket/key"):
        parse_address(text)


def test_a_secret_in_an_address_is_not_a_profile() -> None:
    """`key:secret@bucket`, as some tools write it, is refused, and not repeated in the message."""
    with pytest.raises(AddressError) as caught:
        parse_address("lakehouse://key:hush@bucket/key")
    assert "hush" not in str(caught.value)


def test_only_s3() -> None:
    assert parse_s3_address("s3://bucket/k") == S3Address("bucket", "k")
    with pytest.raises(AddressError, match="local path where an S3 address is needed"):
        parse_s3_address("/data")


@pytest.mark.parametrize(("prefix", "key"), [("", "x/y"), ("a", "a/x/y"), ("a/", "a/x/y")])
def test_a_prefix_is_a_folder_with_or_without_its_slash(prefix: str, key: str) -> None:
    assert S3Address("bucket", prefix, "p").child("x/y") == S3Address("bucket", key, "p")
