"""A mirror of FTX, on another server below a prefix or in a folder, arrives in bronze under the same keys."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date
from pathlib import Path

import pytest

from lakehouse_sdk.archives.ftx import ArchiveKey, format_key
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import day_range

PREFIX = "mirrors/ftx"


def make_files() -> dict[str, bytes]:
    files = {}
    for day in day_range(date(2022, 1, 1), date(2022, 1, 3)):
        key = format_key(ArchiveKey("trades", None, "BTC-PERP", day), "tardis")
        files[key] = gzip.compress(f"exchange,symbol,timestamp\nftx,BTC-PERP,{day}\n".encode(), mtime=0)
        files[f"{key}.sha256"] = f"{hashlib.sha256(files[key]).hexdigest()}  BTC-PERP.csv.gz\n".encode()
    del files["trades/2022/01/02/BTC-PERP.csv.gz.sha256"]
    files["trades/2022/01/03/BTC-PERP.csv.gz.sha256"] = f"{'0' * 64}  BTC-PERP.csv.gz\n".encode()
    return files


@pytest.fixture(params=["s3", "folder"])
def lake_settings(
    request: pytest.FixtureRequest, settings: Settings, other_minio: MinioServer, bucket: str, tmp_path: Path
) -> Settings:
    root = str(tmp_path / "mirror")
    if request.param == "s3":
        root = f"lakehouse://office@{bucket}/{PREFIX}"
        with S3Client(other_minio.profile) as client:
            client.ensure_bucket(bucket)
            for key, content in make_files().items():
                client.put_bytes(bucket, f"{PREFIX}/{key}", content)
    else:
        for key, content in make_files().items():
            (Path(root) / key).parent.mkdir(parents=True, exist_ok=True)
            (Path(root) / key).write_bytes(content)
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    return load_settings(**known, profiles={"office": other_minio.profile}, archives={"ftx": {"root": root}})


def test_archives_are_collected_verified_and_left_alone_the_second_time(
    lake_settings: Settings, s3: S3Client, bucket: str
) -> None:
    files = make_files()
    with Lakehouse(lake_settings) as lake:
        report = lake.collect(lake.discover("ftx", markets=("perp",), data_types=("trades",)))
        counts = {state: count for state, count in report.counts().items() if count}
        assert counts == {"verified": 1, "unverified": 1, "quarantined": 1}
        again = lake.collect(lake.discover("ftx", markets=("perp",), data_types=("trades",)))
    for day in (1, 2):
        key = f"trades/2022/01/0{day}/BTC-PERP.csv.gz"
        assert s3.get_bytes(bucket, f"bronze/ftx/{key}") == files[key]
    assert s3.find_info(bucket, "bronze/ftx/trades/2022/01/03/BTC-PERP.csv.gz") is None
    assert {state: count for state, count in again.counts().items() if count} == {"present": 2, "quarantined": 1}
