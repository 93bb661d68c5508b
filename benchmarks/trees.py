"""The data that is copied, and the servers between which it is."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import tarfile
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from lakehouse_sdk.servers import MinioServer

KIB, MIB = 1024, 1024**2
_TAR_MEMBERS = 10_000


@dataclass(frozen=True)
class Tree:
    """One set of objects.

    Attributes:
        name: `small`, `medium`, `large` or `keys`.
        objects: How many.
        object_bytes: Size of each.
    """

    name: str
    objects: int
    object_bytes: int

    @property
    def text(self) -> str:
        """For a heading."""
        size = f"{self.object_bytes // MIB} MiB" if self.object_bytes >= MIB else f"{self.object_bytes / KIB:g} KiB"
        return f"{self.objects:,} x {size}"

    def names(self) -> Iterator[str]:
        """Names, a thousand to a folder."""
        return (f"d{number // 1000:04}/object-{number:07}.bin" for number in range(self.objects))


FULL = {
    "small": Tree("small", 5_000, 10 * KIB),
    "medium": Tree("medium", 200, 5 * MIB),
    "large": Tree("large", 4, 256 * MIB),
    "keys": Tree("keys", 100_000, 100),
}
QUICK = {
    "small": Tree("small", 300, 10 * KIB),
    "medium": Tree("medium", 6, 5 * MIB),
    "large": Tree("large", 2, 64 * MIB),
    "keys": Tree("keys", 3_000, 100),
}


class Site:
    """A MinIO of the benchmark's own, with a client that is nobody's under test."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.server = MinioServer(folder)

    @cached_property
    def client(self) -> Any:
        """That of botocore."""
        access_key, secret_key = self.server.profile.credentials()
        client = botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.server.endpoint_url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )
        client.meta.events.register("before-sign.s3.DeleteBucket", _force)
        return client

    def new_bucket(self) -> str:
        """Its name."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def remove_bucket(self, name: str) -> None:
        """With all that is in it, in one request of MinIO's."""
        with suppress(self.client.exceptions.NoSuchBucket):
            self.client.delete_bucket(Bucket=name)

    def fill(self, bucket: str, tree: Tree, *, seed: int = 0) -> None:
        """Put all objects of a tree."""
        if tree.object_bytes <= MIB:
            self._fill_by_archives(bucket, tree, seed)
            return
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda key: self._put(bucket, key, tree, seed), tree.names()))

    def _put(self, bucket: str, key: str, tree: Tree, seed: int) -> None:
        self.client.put_object(Bucket=bucket, Key=key, Body=content(key, tree, seed))

    def _fill_by_archives(self, bucket: str, tree: Tree, seed: int) -> None:
        """Many objects in one request: MinIO unpacks a tar."""
        self.fill_with(bucket, ((key, content(key, tree, seed)) for key in tree.names()))

    def fill_with(self, bucket: str, objects: Iterable[tuple[str, bytes]]) -> None:
        """Put objects of any names and contents, many at once."""
        waiting = iter(objects)
        while members := list(islice(waiting, _TAR_MEMBERS)):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as archive:
                for key, body in members:
                    member = tarfile.TarInfo(key)
                    member.size = len(body)
                    archive.addfile(member, io.BytesIO(body))
            self.client.put_object(
                Bucket=bucket, Key="fill.tar", Body=packed.getvalue(), Metadata={"snowball-auto-extract": "true"}
            )

    def change(self, bucket: str, tree: Tree, part: float) -> int:
        """Replace a part of the objects by others of the same size; returns how many."""
        keys = random.Random(1).sample(list(tree.names()), int(tree.objects * part))
        seed = random.randrange(1, 2**31)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self._put(bucket, key, tree, seed), keys))
        return len(keys)

    def measure(self, bucket: str) -> tuple[int, int]:
        """Objects and bytes in a bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        sizes = [item["Size"] for page in pages for item in page.get("Contents", [])]
        return len(sizes), sum(sizes)

    def requests(self) -> Counter[str]:
        """S3 requests so far, by name, from the server's own metrics (version 3: not cached)."""
        with urllib.request.urlopen(f"{self.server.endpoint_url}/minio/metrics/v3/api/requests") as answer:
            lines = answer.read().decode().splitlines()
        counts: Counter[str] = Counter()
        for line in lines:
            if line.startswith("minio_api_requests_total{") and 'type="s3"' in line:
                counts[line.partition('name="')[2].partition('"')[0]] += int(float(line.rpartition(" ")[2]))
        return counts


def content(key: str, tree: Tree, seed: int) -> bytes:
    """Bytes that differ from object to object and cannot be compressed."""
    numbers = random.Random(hashlib.sha256(f"{seed}{key}".encode()).digest())
    blocks = (numbers.randbytes(min(MIB, tree.object_bytes - start)) for start in range(0, tree.object_bytes, MIB))
    return b"".join(blocks)


def write_folder(folder: Path, tree: Tree) -> None:
    for key in tree.names():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content(key, tree, 0))
    os.sync()


def measure_folder(folder: Path) -> tuple[int, int]:
    """Files and bytes below a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _force(request: Any, **_: object) -> None:
    request.headers["x-minio-force-delete"] = "true"
