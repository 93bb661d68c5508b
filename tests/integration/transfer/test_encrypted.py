"""SSE-KMS: ETags that look like MD5s and say nothing neither fail a copy nor have it made again."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator, Mapping

import botocore.session
import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Action, FindingKind, plan_transfer, run_transfer, verify_transfer

KEYS = ["a", "b c", "d/e"]


class KeyedServer(MinioServer):
    """A MinIO with a key of its own to encrypt with."""

    def _environment(self, port: int) -> Mapping[str, str]:
        return {**super()._environment(port), "MINIO_KMS_SECRET_KEY": f"test-key:{base64.b64encode(os.urandom(32)).decode()}"}


@pytest.fixture(scope="module")
def keyed() -> Iterator[S3Client]:
    with KeyedServer() as server, S3Client(server.profile) as client:
        for name in ("plain", "secret"):
            client.ensure_bucket(name)
        access_key, secret_key = server.profile.credentials()
        boto = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=server.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
        )
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "test-key"}}
        boto.put_bucket_encryption(Bucket="secret", ServerSideEncryptionConfiguration={"Rules": [rule]})
        yield client


@pytest.fixture
def kms_settings(keyed: S3Client, other_minio: MinioServer) -> Settings:
    return load_settings(storage=keyed.profile, profiles={"other": other_minio.profile})


@pytest.mark.parametrize("kind", ["into it", "out of it", "out of it to another server"])
def test_copied_once_and_verified_by_what_tells(keyed, kms_settings, other_s3, other_bucket, kind):
    near = f"from-{kind.replace(' ', '-')}"
    source, target = ("plain", "secret") if kind == "into it" else ("secret", "plain")
    for key in KEYS:
        keyed.put_bytes(source, f"{near}/{key}", key.encode())
    (info, *_) = keyed.list_objects("secret" if kind != "into it" else "plain", f"{near}/")
    assert len(info.etag) == 32
    assert "-" not in info.etag  # it looks like an MD5 also where it is none
    reader, bucket, to = keyed, target, f"s3://{target}/{near}"
    if "another" in kind:
        reader, bucket, to = other_s3, other_bucket, f"lakehouse://other@{other_bucket}/{near}"
    start = f"s3://{source}/{near}"
    run_transfer(plan_transfer(start, to, settings=kms_settings), settings=kms_settings).raise_for_failures()
    assert {key: reader.get_bytes(bucket, f"{near}/{key}") for key in KEYS} == {key: key.encode() for key in KEYS}
    there = {item.key: item.etag for item in reader.list_objects(bucket, f"{near}/")}
    assert all(there[item.key] != item.etag for item in keyed.list_objects(source, f"{near}/"))

    again = plan_transfer(start, to, settings=kms_settings)
    assert (again.totals.copy_objects, again.totals.skip_objects) == (0, len(KEYS))
    assert verify_transfer(start, to, settings=kms_settings).ok
    proven = verify_transfer(start, to, settings=kms_settings, mode="sha256")
    assert proven.proven_by == {"sha256": len(KEYS)}

    time.sleep(1.1)  # times have whole seconds
    keyed.put_bytes(source, f"{near}/a", b"A")
    changed = plan_transfer(start, to, settings=kms_settings)
    assert [row.relative_key for row in changed.rows(Action.COPY)] == ["a"]
    assert verify_transfer(start, to, settings=kms_settings, mode="sha256").count(FindingKind.DIFFERS) == 1
