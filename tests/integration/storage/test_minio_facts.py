"""What MinIO does that S3 does not say: each is a reason for something in the design, so a change must be noticed."""

from __future__ import annotations

import pytest

from lakehouse_sdk.errors import AddressError, ConflictError, LakehouseError, StorageError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.storage.wire import Wire


def list_keys(s3: S3Client, bucket: str) -> list[str]:
    return [found.key for found in s3.list_objects(bucket)]


def test_a_leading_slash_is_dropped_so_two_keys_may_be_one(s3: S3Client, bucket: str) -> None:
    """Why a plan treats `/lead` and `lead` as a conflict on the target."""
    s3.put_bytes(bucket, "lead", b"first")
    s3.put_bytes(bucket, "/lead", b"second")
    assert list_keys(s3, bucket) == ["lead"]
    assert s3.get_bytes(bucket, "lead") == b"second"


def test_a_key_that_is_also_a_folder_hides_what_is_below_it(s3: S3Client, bucket: str) -> None:
    """Why a listing may be shorter than what was written."""
    s3.put_bytes(bucket, "p/q", b"below")
    s3.put_bytes(bucket, "p", b"above")
    assert list_keys(s3, bucket) == ["p"]
    assert s3.get_bytes(bucket, "p/q") == b"below"
    s3.delete(bucket, "p")
    assert list_keys(s3, bucket) == ["p/q"]


def test_a_copy_ignores_if_none_match_and_a_put_honours_it(s3: S3Client, bucket: str) -> None:
    """Why only `put_bytes` offers `only_new`."""
    s3.put_bytes(bucket, "source", b"new")
    s3.put_bytes(bucket, "target", b"old")
    with pytest.raises(ConflictError):
        s3.put_bytes(bucket, "target", b"new", only_new=True)
    wire: Wire = s3._wire
    wire.send("PUT", bucket, "target", headers={"x-amz-copy-source": f"/{bucket}/source", "If-None-Match": "*"})
    assert s3.get_bytes(bucket, "target") == b"new"


def test_a_copy_of_a_key_with_a_space_needs_percent_twenty(s3: S3Client, bucket: str) -> None:
    """Why s5cmd, which sends a plus, cannot copy such keys here, and our own request can."""
    s3.put_bytes(bucket, "a b", b"x")
    with pytest.raises(LakehouseError):
        s3._wire.send("PUT", bucket, "plus", headers={"x-amz-copy-source": f"/{bucket}/a+b"})
    s3.copy(bucket, "a b", bucket, "percent")
    assert s3.get_bytes(bucket, "percent") == b"x"


@pytest.mark.parametrize("key", ["a//b", "a/./b", "a/../b", "x" * 256])
def test_names_that_it_cannot_hold(s3: S3Client, bucket: str, key: str) -> None:
    """Why a plan says so before the first byte moves."""
    with pytest.raises((AddressError, StorageError)):
        s3.put_bytes(bucket, key, b"")


def test_a_control_character_spoils_a_whole_batch_of_deletes(s3: S3Client, bucket: str) -> None:
    """Why such keys are deleted one by one."""
    for key in ("plain", "bell\x07"):
        s3.put_bytes(bucket, key, b"")
    with pytest.raises(StorageError, match="MalformedXML"):
        list(s3._delete_batch(bucket, ["plain", "bell\x07"]))
    assert list_keys(s3, bucket) == ["bell\x07", "plain"]


def test_a_copy_of_an_object_in_parts_has_another_etag(s3: S3Client, bucket: str) -> None:
    """Why unequal ETags mean different bytes only where both are plain MD5s."""
    wire: Wire = s3._wire
    started = wire.send("POST", bucket, "parts", query={"uploads": ""}).body.decode()
    upload = started.partition("<UploadId>")[2].partition("</UploadId>")[0]
    etag = wire.send("PUT", bucket, "parts", query={"partNumber": "1", "uploadId": upload}, body=b"only part").headers["etag"]
    done = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    wire.send("POST", bucket, "parts", query={"uploadId": upload}, body=done.encode())
    s3.copy(bucket, "parts", bucket, "copy")
    assert s3.get_info(bucket, "parts").etag.endswith("-1")
    assert "-" not in s3.get_info(bucket, "copy").etag
    assert s3.get_bytes(bucket, "copy") == b"only part"
