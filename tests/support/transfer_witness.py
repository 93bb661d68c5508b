"""What really happened in a transfer, as seen by a client that is not ours."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from lakehouse_sdk.config import S3Profile, Settings
from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.transfer import Status, TransferPlan, TransferReport, plan_transfer, run_transfer

MIB = 1024**2


def open_witness(profile: S3Profile) -> Any:
    """botocore's own client: what it says is the truth of these tests."""
    return _open_witness(str(profile.endpoint_url), *profile.credentials())


@cache
def _open_witness(endpoint_url: str, access_key: str, secret_key: str) -> Any:
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 6}, max_pool_connections=32
        ),
    )


@dataclass(frozen=True)
class Place:
    """A bucket on a server, seen by the witness; contents are `{key: MD5 of its bytes}`."""

    profile: S3Profile
    bucket: str
    name: str
    """Of the profile in the settings: `''` or `other`."""

    @property
    def address(self) -> str:
        return f"lakehouse://{self.name}@{self.bucket}" if self.name else f"lakehouse://{self.bucket}"

    def fill(self, objects: dict[str, bytes]) -> dict[str, str]:
        witness = open_witness(self.profile)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda item: witness.put_object(Bucket=self.bucket, Key=item[0], Body=item[1]), objects.items()))
        return {key: hashlib.md5(body).hexdigest() for key, body in objects.items()}

    def keys(self) -> list[str]:
        pages = open_witness(self.profile).get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def contents(self) -> dict[str, str]:
        witness = open_witness(self.profile)

        def read(key: str) -> str:
            return hashlib.md5(witness.get_object(Bucket=self.bucket, Key=key)["Body"].read()).hexdigest()

        keys = self.keys()
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(keys, pool.map(read, keys), strict=True))

    def open_uploads(self, keys: list[str]) -> list[str]:
        """MinIO lists open multipart uploads by exact key only."""
        witness = open_witness(self.profile)
        found = [witness.list_multipart_uploads(Bucket=self.bucket, Prefix=key).get("Uploads", []) for key in keys]
        return [upload["Key"] for uploads in found for upload in uploads]


def new_bucket(profile: S3Profile, name: str = "") -> Place:
    bucket = f"faults-{uuid.uuid4().hex[:12]}"
    open_witness(profile).create_bucket(Bucket=bucket)
    return Place(profile, bucket, name)


def read_folder(folder: Path) -> dict[str, str]:
    """As `Place.contents`, of a local folder; what is hidden for staging counts too."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def copy(source: object, target: object, settings: Settings, **options: Any) -> TransferReport:
    return run_transfer(plan_transfer(source, target, settings=settings), settings=settings, **options)  # type: ignore[arg-type]


def once(done_objects: int, act: Callable[[], None]) -> Callable[[Event], None]:
    """An observer that acts once, in the run's own thread, as soon as so many objects are done."""
    acted: list[bool] = []

    def observe(event: Event) -> None:
        if isinstance(event, StageProgress) and event.stage == "copy" and event.done_objects >= done_objects and not acted:
            acted.append(True)
            act()

    return observe


def check_honest(report: TransferReport, plan_keys: set[str], expected: dict[str, str], found: dict[str, str]) -> None:
    """The report adds up, says done of nothing that is not there, and nothing half-done is under a final key."""
    outcomes = {outcome.row.relative_key: outcome for outcome in report.outcomes}
    assert set(outcomes) == plan_keys
    assert len(report.outcomes) == len(plan_keys)
    done = {key for key, outcome in outcomes.items() if outcome.status is Status.DONE}
    assert {key: found.get(key) for key in done} == {key: expected[key] for key in done}
    assert {key: md5 for key, md5 in found.items() if expected.get(key) != md5} == {}
    assert all(outcome.reason for key, outcome in outcomes.items() if key not in done)


def relative_keys(plan: TransferPlan) -> set[str]:
    return {row.relative_key for row in plan}
