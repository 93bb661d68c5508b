"""The catalogue's database is deleted; every table comes back from what rests in the storage."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.retry import RetryPolicy
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import CheckedBatch, TableCatalog, open_catalog


def _batch(rows: int = 5, day: int = 0) -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([*(kline(i, start) for i in range(rows)), "bad"], day=start)


def _lose(settings: Settings, tmp_path: Path) -> None:
    """What a broken disk does to SQLite, and a dropped database to PostgreSQL."""
    uri = settings.catalog.uri or ""
    if uri.startswith("sqlite"):
        for file in tmp_path.glob("catalog.db*"):
            file.unlink()
        return
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE iceberg_tables, iceberg_namespace_properties")
    engine.dispose()


def _read_all(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, by pyiceberg alone."""
    eyes = SqlCatalog(
        settings.catalog.name, uri=settings.catalog.uri or "", **settings.storage.to_pyiceberg(), warehouse="s3://unused"
    )
    try:
        names = [".".join(name) for space in eyes.list_namespaces() for name in eyes.list_tables(space)]
        return {name: sorted(eyes.load_table(name).scan().to_arrow().to_pylist(), key=str) for name in names}
    finally:
        eyes.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_table_comes_back_and_building_again_changes_nothing(
    settings: Settings, tmp_path: Path, database: str, request: pytest.FixtureRequest, bucket: str
) -> None:
    if database == "postgresql":
        uri = request.getfixturevalue("postgres_uri")
        settings = settings.model_copy(update={"catalog": settings.catalog.model_copy(update={"uri": uri})})
    batches = [_batch(day=day) for day in range(3)]
    with open_catalog(settings) as catalog:
        for batch in batches:
            catalog.commit([batch])
        catalog.table("silver.klines").tag("study")
        catalog.append_ledger("l", [])
    eyes = SqlCatalog(
        settings.catalog.name, uri=settings.catalog.uri or "", **settings.storage.to_pyiceberg(), warehouse="s3://unused"
    )
    eyes.create_namespace("gold")
    gold = eyes.create_table("gold.mine", pa.schema([("x", pa.int64())]), location=f"s3://{bucket}/warehouse/gold/mine")
    gold.append(pa.table({"x": [1, 2]}))
    eyes.close()
    before = _read_all(settings)
    assert set(before) == {
        "silver.klines",
        "silver.quarantine",
        "silver.quality",
        "silver.quality_days",
        "bronze.ledger",
        "gold.mine",
    }

    _lose(settings, tmp_path)
    lake = Lakehouse(settings)
    planned = lake.recover(dry_run=True)
    assert lake.catalog.list_tables() == []
    report = lake.recover()
    assert planned.tables == report.tables
    assert _read_all(settings) == before
    assert [table.action for table in report.tables] == ["registered"] * 6
    assert all(not table.rivals for table in report.tables)
    assert {table.table: table.row_count for table in report.tables} == {name: len(rows) for name, rows in before.items()}
    assert "6 tables registered" in report.summary
    assert "Recovered tables" in report._repr_html_()
    assert report.to_dict()["dry_run"] is False
    assert lake.catalog.table("silver.klines").snapshots()[-1].names == ("main", "study")

    again = lake.catalog.commit(batches)
    assert [table.files_written for table in again.tables] == [0, 0, 0, 0]
    assert _read_all(settings) == before
    assert [table.action for table in lake.recover().tables] == ["known"] * 6
    assert lake.catalog.commit([_batch(day=9)]).rows_written == 5
    lake.catalog.close()


def test_tables_that_the_catalogue_knows_are_left_alone(catalog: TableCatalog, settings: Settings) -> None:
    catalog.commit([_batch()])
    other = SqlCatalog(
        settings.catalog.name, uri=settings.catalog.uri or "", **settings.storage.to_pyiceberg(), warehouse="s3://unused"
    )
    other.drop_table("silver.quality")
    other.close()
    place = catalog.table("silver.klines").metadata_location
    actions = {table.table: table.action for table in catalog.recover().tables}
    assert {name for name, action in actions.items() if action == "registered"} == {"silver.quality"}
    assert len(actions) == 4
    assert catalog.table("silver.klines").metadata_location == place


def test_a_state_that_lost_its_race_is_not_taken_for_the_newest(
    catalog: TableCatalog, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer gives up after it lost; its metadata file stays, beside the winner's and with the same number."""
    catalog.commit([_batch()])
    update = SqlCatalog._write_metadata
    beaten: list[str] = []

    def win_first(metadata: Any, io: Any, metadata_path: str) -> None:
        update(metadata, io, metadata_path)
        if not beaten and "/silver/klines/" in metadata_path:
            beaten.append(metadata_path)
            with open_catalog(settings) as other:
                other.commit([_batch(7, day=1)])

    monkeypatch.setattr(SqlCatalog, "_write_metadata", staticmethod(win_first))
    monkeypatch.setattr("lakehouse_sdk.tables.iceberg.retry.RACES", RetryPolicy(attempts=1))
    with pytest.raises(Exception, match="could not be committed") as lost:
        catalog.commit([_batch(9, day=2)])
    assert isinstance(lost.value.__cause__, CommitFailedException)
    assert beaten
    before = _read_all(settings)
    catalog.close()
    _lose(settings, tmp_path)
    with open_catalog(settings) as fresh:
        found = {table.table: table for table in fresh.recover().tables}
    assert beaten[0] != found["silver.klines"].metadata_location
    assert not found["silver.klines"].rivals, "what it named is gone, so it is no state at all"
    assert _read_all(settings) == before


def test_what_is_no_table_is_passed_over(
    catalog: TableCatalog, settings: Settings, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    """A folder of something else, and a copy of a table's files, which still names the other place."""
    catalog.commit([_batch()])
    s3.put_bytes(bucket, "warehouse/silver/notes/readme.txt", b"hello")
    for info in list(s3.list_objects(bucket, "warehouse/silver/klines/")):
        s3.copy(bucket, info.key, bucket, info.key.replace("/klines/", "/klines_copy/"))
    catalog.close()
    _lose(settings, tmp_path)
    with open_catalog(settings) as fresh:
        assert "silver.klines_copy" not in (tables := [table.table for table in fresh.recover().tables])
        assert len(tables) == 4
