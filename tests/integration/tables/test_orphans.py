"""Files that no state of a table names are found and removed; whatever anybody may still need stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import CheckedBatch, TableCatalog
from lakehouse_sdk.tables.iceberg.care import orphans

NOW = timedelta()
KLINES = "warehouse/silver/klines"
Keys = Callable[[], set[str]]
Sources = Callable[..., Counter[tuple[str, str]]]


def _batch(rows: int = 5, day: int = 0, close: str = "10.5") -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([kline(i, start, close=close) for i in range(rows)], day=start)


@pytest.fixture
def lake(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


@pytest.fixture
def keys(s3: S3Client, bucket: str) -> Keys:
    """All keys of the lake's bucket."""
    return lambda: {info.key for info in s3.list_objects(bucket)}


@pytest.fixture
def litter(s3: S3Client, bucket: str) -> set[str]:
    """Files as killed writers leave them."""
    left = {
        f"{KLINES}/data/interval=1m/lost.parquet",
        f"{KLINES}/metadata/snap-1-0-lost.avro",
        f"{KLINES}/metadata/lost-m0.avro",
    }
    for key in left:
        s3.put_bytes(bucket, key, b"lost")
    return left


def test_exactly_what_nobody_names_is_removed(
    catalog: TableCatalog, lake: Lakehouse, keys: Keys, litter: set[str], rows_by_source: Sources
) -> None:
    """States of the past, of a tag and of a branch are all still whole afterwards."""
    catalog.commit([_batch(3), _batch(day=1)])
    tagged = catalog.table("silver.klines").tag("study")
    catalog.commit([_batch(4, close="11")])
    lake.compact(["silver.klines"], target_bytes=1024**2)
    before = keys()
    found = lake.remove_orphans(older_than=NOW, force=True, dry_run=True)
    assert keys() == before
    report = lake.remove_orphans(older_than=NOW, force=True)
    assert report.tables == found.tables
    assert before - keys() == litter
    klines = next(table for table in report.tables if table.table == "silver.klines")
    assert (report.files, klines.files, klines.size_bytes, klines.failed_files) == (3, 3, 12, 0)
    assert set(klines.examples) == litter
    table = catalog.table("silver.klines")
    assert [table.scan(as_of=state.snapshot_id).count() for state in table.snapshots()][-1] == 9
    assert table.scan(as_of=tagged).to_arrow().num_rows == 8
    assert rows_by_source().total() == 9
    assert lake.remove_orphans(older_than=NOW, force=True).files == 0
    assert "were removed" in report.summary
    assert "would be removed" in found.summary
    assert "Orphan files" in report._repr_html_()
    assert report.to_dict()["dry_run"] is False


def test_young_files_may_belong_to_a_writer_and_stay(
    catalog: TableCatalog, lake: Lakehouse, keys: Keys, litter: set[str]
) -> None:
    catalog.commit([_batch()])
    report = lake.remove_orphans(["silver.klines"])
    assert litter <= keys()
    assert (report.tables[0].files, report.tables[0].young_files) == (0, 3)
    assert "too young" in report.summary
    for age in (NOW, timedelta(minutes=59)):
        with pytest.raises(UsageError, match="writer at work"):
            lake.remove_orphans(older_than=age)
    assert lake.remove_orphans(older_than=timedelta(hours=1)).files == 0


def test_a_table_whose_name_begins_alike_is_not_touched(
    catalog: TableCatalog, lake: Lakehouse, s3: S3Client, bucket: str, keys: Keys
) -> None:
    catalog.commit([_batch()])
    s3.put_bytes(bucket, "warehouse/silver/klines_old/data/kept.parquet", b"kept")
    s3.put_bytes(bucket, "warehouse/silver/klines.txt", b"kept")
    assert lake.remove_orphans(["silver.klines"], older_than=NOW, force=True).files == 0
    assert "warehouse/silver/klines_old/data/kept.parquet" in keys()


def test_a_table_that_holds_another_one_is_refused(
    catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog, bucket: str, litter: set[str], keys: Keys
) -> None:
    catalog.commit([_batch()])
    schema = other_eyes.load_table("silver.klines").schema()
    other_eyes.create_table("silver.inner", schema, location=f"s3://{bucket}/{KLINES}/inner")
    with pytest.raises(UsageError, match="lies below the location"):
        lake.remove_orphans(["silver.klines"], older_than=NOW, force=True)
    assert litter <= keys()
    with pytest.raises(NotFoundError):
        lake.remove_orphans(["silver.none"])


def test_files_that_are_committed_while_they_are_listed_stay(
    catalog: TableCatalog, lake: Lakehouse, rows_by_source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is read, a writer commits, and only then its place is listed."""
    catalog.commit([_batch()])
    read = orphans._read_named
    reads: list[int] = []

    def read_and_commit(table: Table) -> set[int]:
        named = read(table)
        reads.append(len(named))
        if len(reads) == 1:
            catalog.commit([_batch(7, day=1)])
        return named

    monkeypatch.setattr(orphans, "_read_named", read_and_commit)
    report = lake.remove_orphans(["silver.klines"], older_than=NOW, force=True)
    assert report.files == 0
    assert len(reads) == 2, "the table was looked at again"
    assert rows_by_source().total() == 12


def test_what_expired_without_being_deleted_is_found(
    catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog, rows_by_source: Sources
) -> None:
    """pyiceberg's own expiry, or ours when it is killed before it deletes, leaves files that nobody names."""
    for rows in (3, 4, 5):
        catalog.commit([_batch(rows)])
    table = other_eyes.load_table("silver.klines")
    for snapshot in table.snapshots()[:-1]:
        table.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()
    report = lake.remove_orphans(["silver.klines"], older_than=NOW, force=True)
    assert report.files > 4
    assert sum(key.endswith(".parquet") for key in report.tables[0].examples) == 2
    assert rows_by_source().total() == 5
