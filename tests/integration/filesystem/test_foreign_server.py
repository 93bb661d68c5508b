"""The filesystem on a server that strangers wrote: what MinIO forgives and others do not."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto_server import MotoServer

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import ConflictError, NotFoundError
from lakehouse_sdk.filesystem import LakehouseFileSystem


@pytest.fixture(scope="module")
def fs() -> Iterator[LakehouseFileSystem]:
    with MotoServer() as server:
        made = LakehouseFileSystem(load_settings(storage=server.profile))
        made.mkdir("bucket")
        yield made


def test_a_bucket_is_made_though_the_first_region_is_no_location(fs: LakehouseFileSystem) -> None:
    fs.makedirs("another", exist_ok=True)
    fs.makedirs("another", exist_ok=True)
    assert {"another", "bucket"} <= set(fs.ls(""))
    with pytest.raises(FileExistsError):
        fs.mkdir("another")


def test_a_signed_address_has_the_signature_that_servers_take(fs: LakehouseFileSystem) -> None:
    fs.pipe("bucket/a b+c", b"signed")
    url = fs.sign("bucket/a b+c", expiration=60)
    assert "X-Amz-Signature=" in url
    assert "AWSAccessKeyId" not in url
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"signed"


def test_an_object_whose_name_ends_with_a_slash_is_not_lost_in_silence(fs: LakehouseFileSystem, tmp_path: Path) -> None:
    fs.pipe("bucket/t/n/", b"content")
    fs.pipe("bucket/t/n/x", b"2")
    with pytest.raises(ConflictError, match="7 bytes"):
        fs.get("bucket/t", str(tmp_path / "to"), recursive=True)
    fs.pipe("bucket/t/n/", b"")
    fs.get("bucket/t", str(tmp_path / "to"), recursive=True)
    assert (tmp_path / "to/n/x").read_bytes() == b"2"


def test_a_copy_names_the_source_that_is_not_there(fs: LakehouseFileSystem) -> None:
    for copy in (fs.copy, fs.cp_file, fs.mv):
        with pytest.raises(NotFoundError, match="missing"):
            copy("bucket/missing", "bucket/to")
