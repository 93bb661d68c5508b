"""`lakehouse tables tag … recover`: what they print for people and for programs, and their exit codes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.storage import DeleteFailure, S3Client
from lakehouse_sdk.tables import open_catalog

Run = Callable[..., Any]


@pytest.fixture
def environment(environment: dict[str, str], settings: Settings) -> dict[str, str]:
    return {**environment, "LAKEHOUSE_CATALOG__URI": settings.catalog.uri or ""}


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A table of three small files, the first of which was replaced."""
    with open_catalog(settings) as catalog:
        for day, rows in ((0, 3), (0, 4), (1, 5), (2, 6)):
            start = DAY + timedelta(days=day)
            catalog.commit([check_klines([kline(i, start) for i in range(rows)], day=start)])
    return settings


def test_a_tag_is_given_and_taken(lakehouse: Run, filled: Settings) -> None:
    done = lakehouse("tables", "tag", "silver.klines", "study", "--json")
    (told,) = done.values
    assert (done.code, told["type"], told["table"], told["tag"]) == (0, "tag", "silver.klines", "study")
    done = lakehouse("tables", "untag", "silver.klines", "study")
    assert done.out == f"Snapshot {told['snapshot_id']} of silver.klines no longer has the tag study.\n"
    done = lakehouse("tables", "untag", "silver.klines", "study")
    assert done.code == 1
    assert "no tag 'study'" in done.err
    assert lakehouse("tables", "tag", "silver.klines", "main").code == 2


def test_compact_and_expire(lakehouse: Run, filled: Settings) -> None:
    done = lakehouse("tables", "compact", "silver.klines", "--target-size", "1MiB", "--dry-run")
    assert "3 files" in done.out
    assert "would become about 1" in done.out
    (told,) = lakehouse("tables", "compact", "silver.klines", "--target-size", "1MiB", "--json").values
    assert (told["files_before"], told["files_after"], told["rows"], told["dry_run"]) == (3, 1, 15, False)
    done = lakehouse("tables", "expire", "silver.klines", "--older-than", "0s", "--json")
    assert (done.code, done.values[0]["kept_snapshots"], done.values[0]["data_files"]) == (0, 1, 4)
    assert lakehouse("tables", "expire", "--older-than", "soon").code == 2
    assert lakehouse("tables", "expire", "--older-than", f"{'9' * 30}d").code == 2


def test_orphans_are_shown_and_only_deleted_when_asked(
    lakehouse: Run, filled: Settings, s3: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "warehouse/silver/klines/data/lost.parquet"
    s3.put_bytes(bucket, key, b"lost")
    done = lakehouse("tables", "orphans")
    assert (done.code, "1 more are too young" in done.out) == (0, True)
    assert lakehouse("tables", "orphans", "--older-than", "1s").code == 2
    done = lakehouse("tables", "orphans", "silver.klines", "--older-than", "0s", "--force", "--json")
    assert done.values[0]["examples"] == [key]
    assert s3.find_info(bucket, key) is not None
    with monkeypatch.context() as patch:
        patch.setattr(S3Client, "delete_objects", lambda *_: [DeleteFailure(key, "AccessDenied", "no")])
        done = lakehouse("tables", "orphans", "silver.klines", "--older-than", "0s", "--force", "--delete")
        assert (done.code, "1 could not be deleted" in done.out) == (1, True)
    done = lakehouse("tables", "orphans", "silver.klines", "--older-than", "0s", "--force", "--delete")
    assert (done.code, "1 orphan files (4 B) were removed" in done.out) == (0, True)
    assert s3.find_info(bucket, key) is None


def test_recover(lakehouse: Run, filled: Settings, tmp_path: Path) -> None:
    for file in tmp_path.glob("catalog.db*"):
        file.unlink()
    assert "4 tables would be registered" in lakehouse("tables", "recover", "--dry-run").out
    told = lakehouse("tables", "recover", "--json").values
    assert [(table["table"], table["action"], table["row_count"]) for table in told] == [
        ("silver.klines", "registered", 15),
        ("silver.quality", "registered", 3),
        ("silver.quality_days", "registered", 3),
        ("silver.quarantine", "registered", 0),
    ]
    assert "4 were known" in lakehouse("tables", "recover").out


def test_capacity(lakehouse: Run, filled: Settings) -> None:
    done = lakehouse("tables", "capacity")
    assert (done.code, "silver.klines" in done.out, "growth unknown yet" in done.out) == (0, True, True)
    (told,) = lakehouse("tables", "capacity", "--capacity", "1GiB", "--json").values
    assert told["free_bytes"] == 1024**3 - told["size_bytes"]
    assert {zone["zone"]: zone["size_bytes"] > 0 for zone in told["zones"]}["tables"]


def test_retention_of_nothing(lakehouse: Run, filled: Settings) -> None:
    done = lakehouse("tables", "retain", "--market", "um", "--type", "klines", "--older-than", "90d")
    assert (done.code, done.out) == (0, "0 archives (0 B) left bronze.\n")
    (told,) = lakehouse("tables", "retain", "--market", "um", "--type", "klines", "--older-than", "90d", "--json").values
    assert (told["type"], told["archives"], told["dry_run"]) == ("retention", 0, False)


def test_a_branch_that_is_not_there(lakehouse: Run, filled: Settings) -> None:
    for command in ("publish", "discard"):
        done = lakehouse("tables", command, "batch-none")
        assert (done.code, "No table has a branch" in done.err) == (1, True)


def test_a_branch_is_published_or_discarded(lakehouse: Run, filled: Settings) -> None:
    for command, json_option in (("publish", ()), ("publish", ("--json",)), ("discard", ()), ("discard", ("--json",))):
        with open_catalog(filled) as catalog:
            catalog.commit([check_klines([kline(0)], symbol="NEWUSDT")], "batch-1")
        done = lakehouse("tables", command, "batch-1", *json_option)
        assert done.code == 0
        assert "batch-1" in done.out
        with open_catalog(filled) as catalog:
            assert catalog.find_branch("batch-1") == []
