"""What an address prints is that address again."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.uris import LocalAddress, S3Address, parse_address

buckets = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{1,20}[A-Za-z0-9]", fullmatch=True)
profiles = st.just("") | st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1, max_size=20)


@given(buckets, keys, profiles)
def test_an_s3_address_reads_back_whatever_its_key_holds(bucket: str, key: str, profile: str) -> None:
    address = S3Address(bucket, key, profile)
    assert parse_address(str(address)) == address


@given(st.lists(names, min_size=1, max_size=4))
def test_a_local_address_reads_back_whatever_its_names_hold(parts: list[str]) -> None:
    address = parse_address("/" + "/".join(parts))
    assert isinstance(address, LocalAddress)
    assert parse_address(str(address)) == address
    assert PurePosixPath(address.path).is_absolute()
