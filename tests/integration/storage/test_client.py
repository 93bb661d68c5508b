"""Requests to a real MinIO, checked by a client that is not ours."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import (
    AccessError,
    AddressError,
    ConflictError,
    ConnectError,
    LakehouseError,
    NotFoundError,
    StorageError,
)
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

WRONG = "not-the-secret-key"
ODD_KEYS = [
    "a b",
    "a+b",
    "100%",
    "per%20cent",
    "ü/ñ/日本",
    "tab\there",
    "line\nbreak",
    "carriage\rreturn",
    "delete\x7f",
    "bell\x07",
    "~t(1)'!*",
    '&<>"q',
    "deep/er/k=v,w;x:y@z",
    ".leading",
    "trailing.",
    "nbsp\u00a0here",
    "emoji/🐢",
    "x" * 255 + "/" + "y" * 255 + "/" + "z" * 255,
]


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture(scope="session")
def boto(minio: MinioServer) -> Any:
    """Truth by botocore."""
    access_key, secret_key = minio.profile.credentials()
    return botocore.session.get_session().create_client(
        "s3",
        endpoint_url=minio.endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


@pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
def test_any_key_is_written_read_listed_copied_and_deleted(s3: S3Client, boto: Any, bucket: str, key: str) -> None:
    body = key.encode()
    etag = s3.put_bytes(bucket, key, body)
    assert etag == hashlib.md5(body).hexdigest()
    assert boto.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert s3.get_bytes(bucket, key) == body
    assert [found.key for found in s3.list_objects(bucket, key[:3])] == [key]
    s3.copy(bucket, key, bucket, f"copy/{key}")
    assert boto.get_object(Bucket=bucket, Key=f"copy/{key}")["Body"].read() == body
    assert s3.delete_objects(bucket, [key, f"copy/{key}"]) == []
    assert list(s3.list_objects(bucket)) == []


class TestListing:
    def test_thousands_of_keys_listed_in_byte_order_and_deleted_a_thousand_a_request(self, s3: S3Client, bucket: str) -> None:
        keys = [f"k/{number:04d}" for number in range(1100)] + ["k/Z", "k/é", "k/~"]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: s3.put_bytes(bucket, key, b""), keys))
        before = s3.requests_sent
        listed = [found.key for found in s3.list_objects(bucket, "k/")]
        assert listed == sorted(keys, key=str.encode)
        assert s3.requests_sent - before == 2
        assert [found.key for found in s3.list_objects(bucket, "k/", start_after="k/1098")] == ["k/1099", "k/Z", "k/~", "k/é"]
        before = s3.requests_sent
        assert s3.delete_objects(bucket, iter([*keys, "never-there"])) == []
        assert s3.requests_sent - before == 2
        assert list(s3.list_objects(bucket)) == []

    def test_is_lazy(self, s3: S3Client) -> None:
        listing = s3.list_objects(f"no-such-{uuid.uuid4().hex}")
        with pytest.raises(NotFoundError, match="no bucket"):
            next(listing)

    def test_folders_of_one_level(self, s3: S3Client, bucket: str) -> None:
        for key in ("top", "a b/1", "a b/2", "c/d/1", "c/2"):
            s3.put_bytes(bucket, key, b"")
        assert list(s3.list_prefixes(bucket)) == ["a b/", "c/"]
        assert list(s3.list_prefixes(bucket, "c/")) == ["c/d/"]
        assert [child if isinstance(child, str) else child.key for child in s3.list_children(bucket, "c/")] == ["c/d/", "c/2"]

    def test_fields_agree_with_a_head_and_with_botocore(self, s3: S3Client, boto: Any, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"seven b")
        (listed,) = s3.list_objects(bucket)
        head, truth = s3.get_info(bucket, "k"), boto.head_object(Bucket=bucket, Key="k")
        assert (listed.key, listed.size_bytes, listed.etag) == (head.key, head.size_bytes, head.etag) == ("k", 7, head.etag)
        assert f'"{head.etag}"' == truth["ETag"]
        assert head.last_modified == truth["LastModified"]
        assert listed.last_modified.replace(microsecond=0) == head.last_modified
        assert datetime.now(UTC) - listed.last_modified < timedelta(minutes=1)


class TestObjects:
    def test_a_missing_object(self, s3: S3Client, bucket: str) -> None:
        for call in (s3.get_info, s3.get_bytes, s3.open_stream):
            with pytest.raises(NotFoundError, match=f"no object 'gone' in bucket '{bucket}'"):
                call(bucket, "gone")
        assert s3.find_info(bucket, "gone") is None
        s3.delete(bucket, "gone")

    def test_a_missing_bucket(self, s3: S3Client) -> None:
        with pytest.raises(NotFoundError, match="no bucket 'nowhere-at-all'"):
            s3.put_bytes("nowhere-at-all", "k", b"")

    def test_content_type_and_metadata_are_kept_by_a_copy(self, s3: S3Client, boto: Any, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"x", content_type="text/csv", metadata={"source": "binance"})
        s3.copy(bucket, "k", bucket, "k2")
        head = boto.head_object(Bucket=bucket, Key="k2")
        assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"source": "binance"})

    def test_a_new_object_replaces_none(self, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"first", only_new=True)
        with pytest.raises(ConflictError):
            s3.put_bytes(bucket, "k", b"second", only_new=True)
        assert s3.get_bytes(bucket, "k") == b"first"

    def test_only_one_of_many_writers_creates_an_object(self, s3: S3Client, bucket: str) -> None:
        barrier = threading.Barrier(8)

        def create(number: int) -> bool:
            barrier.wait(10)
            try:
                s3.put_bytes(bucket, "k", str(number).encode(), only_new=True)
            except (ConflictError, StorageError):
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(8))) == 1

    def test_a_stream_is_pinned_to_an_etag(self, s3: S3Client, bucket: str) -> None:
        etag = s3.put_bytes(bucket, "k", b"0123456789")
        stream = s3.open_stream(bucket, "k", if_match=etag)
        assert (stream.read(4), stream.read()) == (b"0123", b"456789")
        stream.close()
        with pytest.raises(ConflictError):
            s3.open_stream(bucket, "k", if_match="0" * 32)

    def test_a_copy_is_pinned_to_an_etag(self, s3: S3Client, bucket: str) -> None:
        etag = s3.put_bytes(bucket, "k", b"x")
        assert s3.copy(bucket, "k", bucket, "pinned", if_match=etag).etag == etag
        with pytest.raises(ConflictError):
            s3.copy(bucket, "k", bucket, "other", if_match="0" * 32)
        assert s3.find_info(bucket, "other") is None

    def test_the_server_hashes_what_it_copies(self, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"bytes")
        assert s3.copy(bucket, "k", bucket, "k2", sha256=True).sha256 == sha256(b"bytes")
        assert s3.get_info(bucket, "k2").sha256 == sha256(b"bytes")
        assert s3.get_info(bucket, "k").sha256 is None

    def test_threads_share_a_client(self, s3: S3Client, bucket: str) -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: s3.put_bytes(bucket, f"{number}", f"{number}".encode()), range(64)))
            bodies = list(pool.map(lambda number: s3.get_bytes(bucket, f"{number}"), range(64)))
        assert bodies == [f"{number}".encode() for number in range(64)]


class TestFiles:
    def test_an_open_file_is_written_with_its_hash_and_headers(self, s3: S3Client, boto: Any, bucket: str) -> None:
        headers = {"content-type": "text/csv", "x-amz-meta-source": "binance"}
        etag, _ = s3.put_file(bucket, "k", BytesIO(b"body"), size_bytes=4, sha256=sha256(b"body"), headers=headers)
        assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
        details = s3.get_details(bucket, "k")
        info, kept = details.info, details.headers
        assert (info.etag, info.sha256) == (etag, sha256(b"body"))
        assert headers.items() <= kept.items()

    def test_an_empty_file(self, s3: S3Client, bucket: str) -> None:
        s3.put_file(bucket, "k", BytesIO(), size_bytes=0, sha256=sha256(b""))
        assert s3.get_bytes(bucket, "k") == b""

    def test_other_bytes_than_announced_are_refused_and_never_visible(self, s3: S3Client, bucket: str) -> None:
        with pytest.raises(LakehouseError):
            s3.put_file(bucket, "k", BytesIO(b"evil"), size_bytes=4, sha256=sha256(b"body"))
        assert s3.find_info(bucket, "k") is None


class TestUploads:
    def test_found_by_exact_key_and_aborted(self, s3: S3Client, boto: Any, bucket: str) -> None:
        boto.create_multipart_upload(Bucket=bucket, Key="a key/x")
        (upload,) = s3.list_uploads(bucket, "a key/x")
        assert upload.key == "a key/x"
        assert datetime.now(UTC) - upload.initiated < timedelta(minutes=1)
        assert s3.list_uploads(bucket, "a key/") == []
        s3.abort_upload(bucket, upload)
        s3.abort_upload(bucket, upload)
        assert s3.list_uploads(bucket, "a key/x") == []


class TestDeletes:
    def test_keys_that_xml_cannot_carry_do_not_spoil_the_batch(self, s3: S3Client, bucket: str) -> None:
        keys = ["plain", "tab\tkey", "bell\x07key", "also plain & <simple>"]
        for key in keys:
            s3.put_bytes(bucket, key, b"")
        assert s3.delete_objects(bucket, keys) == []
        assert list(s3.list_objects(bucket)) == []

    def test_what_is_refused_comes_back_with_the_reason(self, s3: S3Client, minio: MinioServer, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"")
        s3.set_public_read(bucket)
        with S3Client(S3Profile(endpoint_url=minio.endpoint_url, anonymous=True)) as anonymous:
            assert [found.key for found in anonymous.list_objects(bucket)] == ["k"]
            (single,) = anonymous.delete_objects(bucket, ["bell\x07"])
            assert (single.key, single.code) == ("bell\x07", "AccessDenied")
            assert "refused the action" in single.message
            (batched,) = anonymous.delete_objects(bucket, ["k"])
            assert (batched.key, batched.code) == ("k", "AccessDenied")
        assert s3.find_info(bucket, "k") is not None

    def test_nothing(self, s3: S3Client, bucket: str) -> None:
        before = s3.requests_sent
        assert s3.delete_objects(bucket, []) == []
        assert s3.requests_sent == before


class TestBuckets:
    def test_created_once(self, s3: S3Client) -> None:
        name = f"made-{uuid.uuid4().hex[:8]}"
        assert not s3.bucket_exists(name)
        s3.ensure_bucket(name)
        s3.ensure_bucket(name)
        assert s3.bucket_exists(name)
        assert name in s3.list_buckets()

    def test_deleted_only_when_empty(self, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"")
        with pytest.raises(ConflictError, match="is not empty"):
            s3.delete_bucket(bucket)
        s3.delete(bucket, "k")
        s3.delete_bucket(bucket)
        assert not s3.bucket_exists(bucket)

    @pytest.mark.parametrize("name", ["Upper", "x", "under_score"])
    def test_a_name_that_s3_refuses(self, s3: S3Client, name: str) -> None:
        with pytest.raises((AddressError, StorageError)):
            s3.ensure_bucket(name)

    def test_made_public_for_reading_only(self, s3: S3Client, minio: MinioServer, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"x")
        with S3Client(S3Profile(endpoint_url=minio.endpoint_url, anonymous=True)) as anonymous:
            with pytest.raises(AccessError):
                anonymous.get_bytes(bucket, "k")
            s3.set_public_read(bucket)
            assert anonymous.get_bytes(bucket, "k") == b"x"
            with pytest.raises(AccessError):
                anonymous.put_bytes(bucket, "k", b"y")


class TestConnection:
    def test_wrong_keys(self, minio: MinioServer) -> None:
        wrong = minio.profile.model_copy(update={"secret_key": S3Profile(secret_key=WRONG).secret_key})
        with S3Client(wrong) as client, pytest.raises(AccessError, match="refused the credentials") as caught:
            client.list_buckets()
        assert WRONG not in repr(caught.getrepr(showlocals=True))

    def test_nobody_there(self) -> None:
        profile = S3Profile(endpoint_url="http://127.0.0.1:1", anonymous=True)
        with S3Client(profile) as client, pytest.raises(ConnectError, match=r"No S3 server answers at http://127\.0\.0\.1:1"):
            client.bucket_exists("b")

    def test_tls_to_a_server_without(self, minio: MinioServer) -> None:
        profile = S3Profile(endpoint_url=minio.endpoint_url.replace("http:", "https:"), anonymous=True)
        with S3Client(profile) as client, pytest.raises(ConnectError, match=r"No TLS connection.*speaks http or https"):
            client.get_bytes("bucket", "key")

    def test_a_clock_that_is_wrong(self, minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """A real refusal: the server sees a request signed half an hour ago."""
        past = time.gmtime(time.time() - 1800)
        monkeypatch.setattr("lakehouse_sdk.storage.signing.time.gmtime", lambda: past)
        with S3Client(minio.profile) as client, pytest.raises(AccessError, match=r"clocks.*timedatectl"):
            client.list_buckets()

    def test_a_closed_client_can_be_used_again(self, minio: MinioServer, bucket: str) -> None:
        client = S3Client(minio.profile)
        assert bucket in client.list_buckets()
        client.close()
        assert bucket in client.list_buckets()
        client.close()
