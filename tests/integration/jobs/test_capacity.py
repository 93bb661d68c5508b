"""Capacity of a real lake: the bytes that another client counts, and the free space that the server tells."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import s3fs

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.events import Event, StageFinished
from lakehouse_sdk.jobs.care import capacity
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import ListingOrderError, S3Client
from lakehouse_sdk.storage.room import find_room


@pytest.fixture
def filled(s3: S3Client, bucket: str) -> str:
    for key in ("bronze/a", "bronze/_revisions/b", "warehouse/silver/klines/data/c", "_manifests/d", "e"):
        s3.put_bytes(bucket, key, b"x" * len(key))
    return bucket


def test_zones_add_up_to_what_another_client_counts(filled: str, settings: Settings, minio: MinioServer) -> None:
    events: list[Event] = []
    report = Lakehouse(settings, observer=events.append).capacity()
    fs = s3fs.S3FileSystem(**minio.profile.to_fsspec(), skip_instance_cache=True)
    assert report.size_bytes == fs.du(filled)
    assert sum(zone.objects for zone in report.zones) == len(fs.find(filled))
    assert report.tables == {"silver.klines": 30}
    assert report.growth_bytes_per_day is None
    assert [event.stage for event in events if isinstance(event, StageFinished)] == ["capacity"]


def test_the_server_tells_what_is_free(filled: str, settings: Settings) -> None:
    report = Lakehouse(settings).capacity()
    assert report.free_from == "server"
    assert report.free_bytes == pytest.approx(shutil.disk_usage(Path("/tmp")).free, rel=0.2)


def test_a_quota_of_the_user_counts_instead(filled: str, settings: Settings) -> None:
    report = Lakehouse(settings).capacity(capacity_bytes=1000)
    assert (report.free_bytes, report.free_from) == (1000 - report.size_bytes, "argument")
    assert Lakehouse(settings).capacity(capacity_bytes=1).free_bytes == 0


def test_who_does_not_tell_is_unknown(filled: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, and a server whose answer names no room: here the page of an object."""
    assert find_room(settings.storage.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})) is None
    monkeypatch.setattr("lakehouse_sdk.storage.room._PATH", "/minio/health/live")
    assert find_room(settings.storage) is None
    assert find_room(settings.storage.model_copy(update={"anonymous": True, "access_key": None, "secret_key": None})) is None
    report = Lakehouse(settings).capacity()
    assert (report.free_bytes, report.free_from) == (None, "unknown")


def test_a_server_that_does_not_list_in_order_is_counted_once(
    filled: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disorder(self: S3Client, bucket: str) -> object:
        yield next(self.list_objects(bucket))
        raise ListingOrderError("not in order")

    monkeypatch.setattr(S3Client, "list_parallel", disorder)
    monkeypatch.setattr(capacity, "_EVERY", 1)
    assert sum(zone.objects for zone in Lakehouse(settings).capacity().zones) == 5


def test_no_lake_is_named(settings: Settings) -> None:
    lake = settings.lake.model_copy(update={"bucket": "nothing-here"})
    with pytest.raises(NotFoundError):
        Lakehouse(settings.model_copy(update={"lake": lake})).capacity()
