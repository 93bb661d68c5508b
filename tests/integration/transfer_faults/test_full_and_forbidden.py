"""Targets that refuse: read-only, over quota, out of disk. Said with the server's reason, and the rest is copied."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pydantic import SecretStr
from transfer_witness import MIB, Place, check_honest, copy, new_bucket, once, relative_keys

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.transfer import Status, plan_transfer, run_transfer

READ_ONLY = ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"]


def restrict(profile: S3Profile, actions: list[str]) -> S3Profile:
    """Temporary credentials of the same user that may do these actions only."""
    access_key, secret_key = profile.credentials()
    sts = botocore.session.Session().create_client(
        "sts",
        endpoint_url=profile.endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=profile.region,
    )
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}]}
    answer = sts.assume_role(RoleArn="arn:aws:iam::minio:role/test", RoleSessionName="test", Policy=json.dumps(policy))
    given = answer["Credentials"]
    return profile.model_copy(
        update={
            "access_key": SecretStr(given["AccessKeyId"]),
            "secret_key": SecretStr(given["SecretAccessKey"]),
            "session_token": SecretStr(given["SessionToken"]),
        }
    )


def set_quota(place: Place, quota_bytes: int) -> None:
    """By MinIO's admin API, which takes this request unencrypted."""
    access_key, secret_key = place.profile.credentials()
    body = json.dumps({"quota": quota_bytes, "quotatype": "hard"}).encode()
    request = AWSRequest(
        "PUT", f"{place.profile.endpoint_url}/minio/admin/v3/set-bucket-quota?bucket={place.bucket}", data=body
    )
    request.headers["X-Amz-Content-Sha256"] = hashlib.sha256(body).hexdigest()
    SigV4Auth(Credentials(access_key, secret_key), "s3", place.profile.region).add_auth(request)
    with urlopen(Request(request.url, data=body, headers=dict(request.headers), method="PUT")) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("kind", ["inside", "another server", "upload"])
def test_read_only_target(here, there, make_settings, tmp_path, kind):
    """Every object is failed with the server's word for it; nothing is tried for long, nothing is left."""
    objects = {f"k{i:02}": f"content {i}".encode() for i in range(40)}
    target = new_bucket(there.profile, "other")
    limited = restrict(there.profile, READ_ONLY)
    source: object = (tmp_path / "up") if kind == "upload" else (here.address if kind == "another server" else there.address)
    if kind == "upload":
        (tmp_path / "up").mkdir()
        for key, body in objects.items():
            (tmp_path / "up" / key).write_bytes(body)
    else:
        (here if kind == "another server" else there).fill(objects)
    settings = make_settings(here.profile, limited)
    report = copy(source, target.address, settings)
    assert report.count(Status.FAILED) == len(report.outcomes) == len(objects)
    assert all("AccessDenied" in outcome.reason or "may not" in outcome.reason for outcome in report.failures), report.failures[
        0
    ]
    assert target.keys() == []
    with pytest.raises(LakehouseError):
        report.raise_for_failures()
    assert limited.credentials()[1] not in str(report.to_dict())


@pytest.mark.parametrize("kind", ["inside", "another server"])
def test_target_over_its_quota(here, there, lake, kind):
    """Objects that the quota leaves no room for fail with its name; those before them are there."""
    source = there if kind == "inside" else here
    objects = {f"k{i:02}": b"x" * (40_000 if i % 4 == 0 else 100) for i in range(40)}
    expected = source.fill(objects)
    target = new_bucket(there.profile, "other")
    set_quota(target, 20_000)
    plan = plan_transfer(source.address, target.address, settings=lake)
    report = run_transfer(plan, settings=lake)
    check_honest(report, relative_keys(plan), expected, target.contents())
    refused = {outcome.row.relative_key: outcome.reason for outcome in report.failures}
    assert refused.keys() == {key for key, body in objects.items() if len(body) > 20_000}
    assert all("quota" in reason.lower() for reason in refused.values())
    set_quota(target, 0)
    copy(source.address, target.address, lake).raise_for_failures()
    assert target.contents() == expected


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 MiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    place = tmp_path / "tiny"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill_up(disk: Path, leave_bytes: int) -> Path:
    """Take the room of a disk; returns the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while True:
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, free - leave_bytes))
                break
            except OSError as error:  # the copy took some of it meanwhile
                if error.errno != errno.ENOSPC:
                    raise
    return filler


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_staging_disk_full(here, there, make_settings, tiny_disk, moment):
    """Whatever does not get through is failed with the word for it; with room again the same call finishes."""
    expected = here.fill({f"k{i:03}": os.urandom(512 * 1024) for i in range(60)})
    settings = make_settings(here.profile, there.profile, staging_dir=tiny_disk / "staging", staging_max_bytes=4 * MIB)
    plan = plan_transfer(here.address, there.address, settings=settings)
    filled: list[Path] = []

    def fill() -> None:
        filled.append(fill_up(tiny_disk, 256 * 1024))

    if moment == "before":
        fill()
    report = run_transfer(plan, settings=settings, strategy="staged", observer=once(10, fill))
    found = there.contents()
    check_honest(report, relative_keys(plan), expected, found)
    assert len(found) < len(expected)
    assert (moment == "before") == (not found)
    assert all("full" in outcome.reason or "No space" in outcome.reason for outcome in report.failures), report.failures[0]
    filled[0].unlink()
    rest = plan_transfer(here.address, there.address, settings=settings)
    run_transfer(rest, settings=settings, strategy="staged").raise_for_failures()
    assert there.contents() == expected
    assert not list((tiny_disk / "staging").glob("*"))


@pytest.mark.parametrize("kind", ["another server", "upload"])
def test_target_servers_disk_full(here, make_settings, tiny_disk, tmp_path, kind):
    """MinIO's XMinioStorageFull: what fits is there, the rest is failed with it."""
    with MinioServer(tiny_disk / "minio") as server:
        target = new_bucket(server.profile, "other")
        objects = {f"k{i:03}": os.urandom(4 * MIB) for i in range(40)}
        settings = make_settings(here.profile, server.profile)
        if kind == "upload":
            (tmp_path / "up").mkdir()
            for key, body in objects.items():
                (tmp_path / "up" / key).write_bytes(body)
            expected, source = {key: hashlib.md5(body).hexdigest() for key, body in objects.items()}, tmp_path / "up"
        else:
            expected, source = here.fill(objects), here.address
        plan = plan_transfer(source, target.address, settings=settings)
        report = run_transfer(plan, settings=settings)
        found = target.contents()
        check_honest(report, relative_keys(plan), expected, found)
        assert 0 < len(found) < len(objects)
        assert [outcome.reason for outcome in report.failures if "full" not in outcome.reason.lower()] == []
