"""Reading what S3 servers answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakehouse_sdk.errors import StorageError
from lakehouse_sdk.storage.answers import (
    CopyResult,
    parse_bucket_names,
    parse_copy,
    parse_delete_failures,
    parse_head,
    parse_listing,
)

CONTENTS = (
    "<Contents><Key>{key}</Key><LastModified>2026-11-20T10:00:00.123Z</LastModified>"
    "<ETag>&#34;0cc175b9&#34;</ETag><Size>7</Size></Contents>"
)


def listing(inner: str, *, encoded: bool = True, truncated: bool = False) -> bytes:
    flags = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>" + ("<EncodingType>url</EncodingType>" if encoded else "")
    return f'<?xml version="1.0"?><ListBucketResult xmlns="x">{flags}{inner}</ListBucketResult>'.encode()


class TestListing:
    @pytest.mark.parametrize(
        ("written", "key"),
        [
            ("plain/key", "plain/key"),
            ("a+b%2Bc", "a b+c"),
            ("%C3%BC/%0A%09", "ü/\n\t"),
            ("100%2525", "100%25"),
            ("amp%26lt%3C", "amp&lt<"),
        ],
    )
    def test_keys_come_decoded(self, written: str, key: str) -> None:
        (found,) = parse_listing(listing(CONTENTS.format(key=written)), "b").objects
        assert found.key == key

    def test_a_server_that_does_not_encode_is_taken_by_its_word(self) -> None:
        """It was asked to, and says that it did not: a plus is a plus then."""
        (found,) = parse_listing(listing(CONTENTS.format(key="a+b%20&amp;ü"), encoded=False), "b").objects
        assert found.key == "a+b%20&ü"

    def test_fields(self) -> None:
        (found,) = parse_listing(listing(CONTENTS.format(key="k")), "b").objects
        assert (found.size_bytes, found.etag, found.sha256) == (7, "0cc175b9", None)
        assert found.last_modified == datetime(2026, 11, 20, 10, 0, 0, 123000, tzinfo=UTC)

    def test_prefixes(self) -> None:
        page = parse_listing(listing("<CommonPrefixes><Prefix>a+b/</Prefix></CommonPrefixes>"), "b")
        assert page.prefixes == ("a b/",)
        assert page.next_token == ""

    def test_the_next_page(self) -> None:
        page = parse_listing(listing("<NextContinuationToken>a&amp;b==</NextContinuationToken>", truncated=True), "b")
        assert page.next_token == "a&b=="

    def test_a_token_on_the_last_page_leads_nowhere(self) -> None:
        assert parse_listing(listing("<NextContinuationToken>t</NextContinuationToken>"), "b").next_token == ""

    @pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b"<ListBucketResult>", b"<Error/>"])
    def test_anything_else_is_not_a_listing(self, body: bytes) -> None:
        """A proxy's page, or a body cut in the middle, must never pass for an empty bucket."""
        with pytest.raises(StorageError, match=r"listing of here is not S3 XML\..*S3 address"):
            parse_listing(body, "here")

    def test_more_without_a_way_on_is_an_error(self) -> None:
        with pytest.raises(StorageError, match="cut short"):
            parse_listing(listing("", truncated=True), "here")

    def test_an_entry_without_size_is_an_error(self) -> None:
        with pytest.raises(StorageError, match="entry without key, size or time"):
            parse_listing(listing("<Contents><Key>k</Key></Contents>"), "here")


class TestHead:
    HEADERS = {"content-length": "7", "last-modified": "Fri, 20 Nov 2026 10:00:00 GMT", "etag": '"abc-2"'}  # noqa: RUF012

    def test_fields(self) -> None:
        info = parse_head("k", self.HEADERS)
        assert (info.key, info.size_bytes, info.etag, info.sha256) == ("k", 7, "abc-2", None)
        assert info.last_modified == datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

    def test_the_hash_of_the_whole_object_and_not_that_of_its_parts(self) -> None:
        empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        assert parse_head("k", {**self.HEADERS, "x-amz-checksum-sha256": empty}).sha256 == (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )
        assert parse_head("k", {**self.HEADERS, "x-amz-checksum-sha256": f"{empty}-3"}).sha256 is None

    @pytest.mark.parametrize("missing", ["content-length", "last-modified"])
    def test_an_answer_without_size_or_time_is_not_s3(self, missing: str) -> None:
        with pytest.raises(StorageError, match="'k' has no usable size or time"):
            parse_head("k", {name: value for name, value in self.HEADERS.items() if name != missing})


def test_a_copys_hash_is_in_the_body_or_in_a_header() -> None:
    """In the body by S3's description; MinIO puts it into a header."""
    body = b"<CopyObjectResult><ETag>&quot;e&quot;</ETag>%s</CopyObjectResult>"
    assert parse_copy(body % b"<ChecksumSHA256>AAAA</ChecksumSHA256>", {}) == CopyResult("e", "000000")
    assert parse_copy(body % b"", {"x-amz-checksum-sha256": "AAAA"}) == CopyResult("e", "000000")
    assert parse_copy(body % b"", {}) == CopyResult("e", None)
    assert parse_copy(b"<CopyObjectResult/>", {}) == CopyResult("", None)


def test_bucket_names_without_the_owners() -> None:
    buckets = b"".join(b"<Bucket><Name>%s</Name></Bucket>" % name for name in (b"b", b"a"))
    body = b"<R><Owner><Name>me</Name></Owner><Buckets>%s</Buckets></R>" % buckets
    assert parse_bucket_names(body) == ["a", "b"]


def test_delete_failures() -> None:
    body = b"<DeleteResult><Error><Key>a&amp;b</Key><Code>AccessDenied</Code><Message>No.</Message></Error></DeleteResult>"
    (failure,) = parse_delete_failures(body)
    assert (failure.key, failure.code, failure.message) == ("a&b", "AccessDenied", "No.")
    assert list(parse_delete_failures(b"<DeleteResult/>")) == []
