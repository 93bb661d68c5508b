"""Files of one's own on a real MinIO: into bronze, into a table, once; new bytes replace exactly their rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.jobs import IngestReport
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import TableSchema
from lakehouse_sdk.tables.judge.rules import Given, Rule, Severity

TABLE = "silver.my_signals"
SCHEMA = TableSchema(
    columns={"at": "time", "symbol": "text", "signal": "float", "rank": "int"},
    time="at",
    key=("at", "symbol"),
    optional=("rank",),
    doc="One row for each signal of the morning model.",
    docs={"signal": "Between -1 and 1"},
)


def _csv(*rows: str, header: str = "at,symbol,signal") -> str:
    return "\n".join([header, *rows, ""])


JANUARY = _csv("2024-01-01 12:00:00,BTC,0.5", "2024-01-02 12:00:00,BTC,0.25")
MARCH = _csv("2024-03-01 12:00:00,ETH,-0.5", "2024-03-01 12:00:00,BTC,oops")


@pytest.fixture
def lake(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files with rows, one that says nothing about itself."""
    root = tmp_path / "signals"
    (root / "2024").mkdir(parents=True)
    (root / "january.csv").write_text(JANUARY)
    (root / "2024/march.csv").write_text(MARCH)
    (root / "notes.txt").write_text("nothing")
    return root


def _rows(lake: Lakehouse) -> list[tuple[Any, ...]]:
    frame = lake.table(TABLE).scan().to_polars().sort("at", "symbol")
    return frame.select("at", "symbol", "signal").rows()


def _outcomes(report: IngestReport) -> dict[str, str]:
    return {file.name: file.outcome for file in report.files}


def _at(month: int, day: int) -> datetime:
    return datetime(2024, month, day, 12, tzinfo=UTC)


def test_a_folder_becomes_a_table_that_reads_like_any_other(lake: Lakehouse, folder: Path) -> None:
    report = lake.ingest(folder, TABLE, schema=SCHEMA)
    assert _outcomes(report) == {"2024/march.csv": "ingested", "january.csv": "ingested", "notes.txt": "ignored"}
    assert _rows(lake) == [(_at(1, 1), "BTC", 0.5), (_at(1, 2), "BTC", 0.25), (_at(3, 1), "ETH", -0.5)]
    assert "4 rows = 3 accepted + 0 duplicate + 1 quarantined" in report.summary
    assert "notes.txt" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["table"] == TABLE

    table = lake.table(TABLE)
    assert {column.name: column.doc for column in table.columns}["signal"] == "Between -1 and 1"
    assert table.scan(symbols="BTC", start="2024-01-02").count() == 1, "time is known to prune"
    assert "_source_key" not in table.scan().to_polars().columns
    (rejected,) = lake.table("silver.quarantine").scan().to_arrow().to_pylist()
    assert (rejected["source"], rejected["line"], rejected["rule"]) == ("user", 3, "number")
    assert rejected["_source_key"] == f"{TABLE}/2024/march.csv"
    quality = lake.quality("user")
    assert (quality.counts["rows_in"], quality.score, quality.tables["table"].to_list()) == (4, None, [TABLE])


def test_the_same_files_again_change_nothing(lake: Lakehouse, folder: Path) -> None:
    lake.ingest(folder, TABLE, schema=SCHEMA)
    snapshots = [lake.table(name).snapshot_id for name in lake.catalog.list_tables()]
    report = lake.ingest([folder / "january.csv", str(folder)], TABLE)
    assert _outcomes(report) == {"2024/march.csv": "unchanged", "january.csv": "unchanged", "notes.txt": "ignored"}
    assert report.commit.rows_written == 0
    assert [lake.table(name).snapshot_id for name in lake.catalog.list_tables()] == snapshots


def test_a_file_with_other_bytes_replaces_its_rows_whenever_they_are(lake: Lakehouse, folder: Path) -> None:
    lake.ingest(folder, TABLE, schema=SCHEMA)
    (folder / "january.csv").write_text(_csv("2023-06-01 12:00:00,BTC,1"))
    (folder / "2024/march.csv").write_text(_csv("2024-03-01 12:00:00,ETH,-0.75"))
    report = lake.ingest(folder, TABLE)
    assert _outcomes(report)["january.csv"] == "ingested"
    assert _rows(lake) == [(datetime(2023, 6, 1, 12, tzinfo=UTC), "BTC", 1.0), (_at(3, 1), "ETH", -0.75)]
    assert lake.table("silver.quarantine").scan().count() == 0
    assert lake.quality("user").counts["archives"] == 2
    (folder / "january.csv").write_text(JANUARY)
    lake.ingest(folder, TABLE)
    assert [row[0] for row in _rows(lake)] == [_at(1, 1), _at(1, 2), _at(3, 1)], "and back"


def test_the_bytes_are_kept_and_those_they_replace_too(lake: Lakehouse, folder: Path) -> None:
    lake.ingest(folder / "january.csv", TABLE, schema=SCHEMA)
    (folder / "january.csv").write_text(_csv("2024-01-05 12:00:00,BTC,1"))
    lake.ingest(folder / "january.csv", TABLE)
    bucket = lake.settings.lake.bucket
    with S3Client(lake.settings.storage) as client:
        keys = [info.key for info in client.list_objects(bucket, "bronze/")]
        old, new = sorted(keys)
        assert new == f"bronze/user/{TABLE}/january.csv"
        assert old.startswith(f"bronze/_revisions/user/{TABLE}/january.csv.")
        assert client.get_bytes(bucket, old) == JANUARY.encode()
        assert b"2024-01-05" in client.get_bytes(bucket, new)


def test_files_come_from_a_bucket_as_well(lake: Lakehouse, bucket: str) -> None:
    with S3Client(lake.settings.storage) as client:
        client.put_bytes(bucket, "inbox/january.csv", JANUARY.encode())
        client.put_bytes(bucket, "inbox/deep/march.csv", MARCH.encode())
    report = lake.ingest(f"s3://{bucket}/inbox", TABLE, schema=SCHEMA)
    assert _outcomes(report) == {"deep/march.csv": "ingested", "january.csv": "ingested"}
    again = lake.ingest(f"lakehouse://{bucket}/inbox/january.csv", TABLE)
    assert _outcomes(again) == {"january.csv": "unchanged"}
    assert len(_rows(lake)) == 3


def test_a_file_with_other_columns_is_named_and_the_older_rows_stay(lake: Lakehouse, folder: Path) -> None:
    lake.ingest(folder, TABLE, schema=SCHEMA)
    (folder / "january.csv").write_text("at,symbol,value\n2024-01-01 12:00:00,BTC,1\n")
    report = lake.ingest(folder, TABLE)
    (broken,) = report.unreadable
    assert broken.reason == "header-unknown: missing signal; not declared value"
    assert len(_rows(lake)) == 3
    assert lake.quality("user").defects["defect"].to_list() == ["header-unknown"]


def test_further_optional_columns_are_added_and_anything_else_is_refused(lake: Lakehouse, folder: Path) -> None:
    plain = {"columns": {"at": "time", "symbol": "text", "signal": "float"}, "time": "at", "key": ["at", "symbol"]}
    with pytest.raises(UsageError, match="no schema for it"):
        lake.ingest(folder, TABLE)
    lake.ingest(folder, TABLE, schema=plain)
    columns = plain["columns"] | {"rank": "int?"}  # type: ignore[operator]
    (folder / "april.csv").write_text(_csv("2024-04-01 12:00:00,BTC,1,7", header="at,symbol,signal,rank"))
    lake.ingest(folder, TABLE, schema={**plain, "columns": columns})
    ranks = lake.table(TABLE).scan(columns=["at", "rank"]).to_polars().sort("at")["rank"].to_list()
    assert ranks == [None, None, None, 7]
    (folder / "may.csv").write_text(_csv("2024-05-01 12:00:00,BTC,1,8", header="at,symbol,signal,rank"))
    assert _outcomes(lake.ingest(folder, TABLE))["may.csv"] == "ingested", "the table remembers it"
    with pytest.raises(UsageError, match="signal is float"):
        lake.ingest(folder, TABLE, schema={**plain, "columns": {**columns, "signal": "int"}})
    with pytest.raises(UsageError, match=r"silver\.quality does not take files"):
        lake.ingest(folder, "silver.quality", schema=plain)


def test_what_cannot_be_meant_is_said(lake: Lakehouse, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file at"):
        lake.ingest(tmp_path / "nowhere", TABLE, schema=SCHEMA)
    other = tmp_path / "other"
    other.mkdir()
    (other / "january.csv").write_text(JANUARY)
    with pytest.raises(UsageError, match=r"both called january\.csv"):
        lake.ingest([folder, other], TABLE, schema=SCHEMA)


def test_a_rule_of_one_s_own_judges_them_anew(lake: Lakehouse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars as pl

    def outside(_given: Given) -> pl.Expr:
        return pl.col("signal") < 0

    rule = Rule("mine-negative", "A signal is not negative.", Severity.REJECT, ("signal",), outside, tables=(TABLE,))
    lake.ingest(folder, TABLE, schema=SCHEMA)
    with monkeypatch.context() as patch:
        patch.setattr("lakehouse_sdk.tables.judge.rules.load_installed", lambda taken: (rule,))
        assert _outcomes(lake.ingest(folder, TABLE))["2024/march.csv"] == "unchanged"
        again = lake.ingest(folder, TABLE, again=True)
        assert _outcomes(again) == {"2024/march.csv": "ingested", "january.csv": "unchanged", "notes.txt": "ignored"}
    assert len(_rows(lake)) == 2
    rules = lake.table("silver.quarantine").scan().to_polars()["rule"].to_list()
    assert sorted(rules) == ["mine-negative", "number"]
    lake.ingest(folder, TABLE, again=True)
    assert len(_rows(lake)) == 3
