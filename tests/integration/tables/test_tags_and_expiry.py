"""Tags hold states of a table; what nothing holds expires, and the files that only it needed are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.update.snapshot import ExpireSnapshots
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConflictError, NotFoundError, TableError, UsageError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.retry import RetryPolicy
from lakehouse_sdk.tables import CheckedBatch, TableCatalog
from lakehouse_sdk.tables.iceberg import retry

NOW = timedelta()
Files = Callable[[], list[str]]


def _batch(rows: int, day: int = 0) -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([kline(i, start) for i in range(rows)], day=start)


def _revise(catalog: TableCatalog, *row_counts: int) -> None:
    """The same archive, published again and again: each commit replaces all rows."""
    for rows in row_counts:
        catalog.commit([_batch(rows)])


@pytest.fixture
def lake(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


def test_a_tag_names_a_state_and_is_listed(catalog: TableCatalog, other_eyes: SqlCatalog) -> None:
    _revise(catalog, 3, 4)
    table = catalog.table("silver.klines")
    assert table.tag("study-1") == table.snapshot_id
    first = table.snapshots()[0].snapshot_id
    assert table.tag("first", first) == first
    named = {snapshot.snapshot_id: snapshot.names for snapshot in catalog.table("silver.klines").snapshots()}
    assert named[first] == ("first",)
    assert named[table.snapshot_id or 0] == ("main", "study-1")
    found = other_eyes.load_table("silver.klines").metadata.snapshot_by_name("study-1")
    assert found is not None
    assert found.snapshot_id == table.snapshot_id


def test_the_same_tag_again_changes_nothing_and_another_place_is_refused(catalog: TableCatalog) -> None:
    _revise(catalog, 3)
    table = catalog.table("silver.klines")
    table.tag("study")
    before = catalog.table("silver.klines").metadata_location
    table.tag("study")
    assert catalog.table("silver.klines").metadata_location == before
    _revise(catalog, 4)
    with pytest.raises(ConflictError, match="'study' is a tag"):
        catalog.table("silver.klines").tag("study")
    table.untag("study")
    assert catalog.table("silver.klines").tag("study") != table.snapshot_id
    with pytest.raises(NotFoundError, match="no tag 'gone'") as error:
        table.untag("gone")
    assert "study" in (error.value.hint or "")


@pytest.mark.parametrize("name", ["main", "", "7", "2024-01-01", "a b", "x" * 101])
def test_names_that_could_be_something_else_are_refused(catalog: TableCatalog, name: str) -> None:
    _revise(catalog, 3)
    with pytest.raises(UsageError, match="cannot name"):
        catalog.table("silver.klines").tag(name)


def test_a_tag_on_nothing_is_refused(catalog: TableCatalog, other_eyes: SqlCatalog) -> None:
    _revise(catalog, 3)
    table = catalog.table("silver.klines")
    with pytest.raises(NotFoundError, match="no snapshot 17"):
        table.tag("study", 17)
    with pytest.raises(NotFoundError, match="no snapshot yet"):
        catalog.table("silver.quarantine").tag("study")
    loaded = other_eyes.load_table("silver.klines")
    loaded.manage_snapshots().create_branch(table.snapshot_id or 0, "work").commit()
    with pytest.raises(ConflictError, match="'work' is a branch"):
        table.tag("work")


def test_expiry_leaves_the_last_state_and_removes_what_only_older_ones_needed(
    catalog: TableCatalog, lake: Lakehouse, parquet_files: Files, rows_by_source: Callable[..., Counter[tuple[str, str]]]
) -> None:
    _revise(catalog, 3, 4, 5)
    catalog.commit([_batch(2, day=1)])
    files = set(parquet_files())
    planned = lake.expire(["silver.klines"], older_than=NOW, dry_run=True)
    assert set(parquet_files()) == files
    rows = rows_by_source()
    done = lake.expire(["silver.klines"], older_than=NOW)
    assert planned.tables == done.tables
    assert rows_by_source() == rows
    (table,) = done.tables
    assert (table.kept_snapshots, table.data_files, table.failed_files) == (1, 2, 0)
    assert table.snapshots >= 3
    assert table.size_bytes > 0
    gone = files - set(parquet_files())
    assert len(gone) == 2
    assert catalog.table("silver.klines").scan().count() == 7
    assert lake.expire(["silver.klines"], older_than=NOW).tables[0].snapshots == 0
    assert "are gone" in done.summary
    assert "would go" in planned.summary
    assert "Expired" in done._repr_html_()
    assert done.to_dict()["tables"][0]["table"] == "silver.klines"


def test_nothing_young_and_none_of_the_last_ones_expires(catalog: TableCatalog, lake: Lakehouse) -> None:
    _revise(catalog, 3, 4, 5)
    every = len(catalog.table("silver.klines").snapshots())
    assert lake.expire(["silver.klines"]).tables[0].snapshots == 0
    assert lake.expire(["silver.klines"], older_than=NOW, keep_last=every).tables[0].snapshots == 0
    assert lake.expire(["silver.klines"], older_than=NOW, keep_last=2).tables[0].kept_snapshots == 2
    for wrong in ({"keep_last": 0}, {"older_than": timedelta(-1)}):
        with pytest.raises(UsageError, match="leave nothing"):
            lake.expire(["silver.klines"], **wrong)  # type: ignore[arg-type]


def test_states_with_a_tag_or_a_branch_can_still_be_read(
    catalog: TableCatalog, lake: Lakehouse, other_eyes: SqlCatalog
) -> None:
    _revise(catalog, 3)
    tagged = catalog.table("silver.klines").tag("study")
    _revise(catalog, 4)
    branch = catalog.table("silver.klines").snapshot_id or 0
    other_eyes.load_table("silver.klines").manage_snapshots().create_branch(branch, "work").commit()
    _revise(catalog, 5, 6)
    lake.expire(["silver.klines"], older_than=NOW)
    eyes = other_eyes.load_table("silver.klines")
    assert [eyes.scan(snapshot_id=kept).to_arrow().num_rows for kept in (tagged, branch)] == [3, 4]
    assert eyes.scan().to_arrow().num_rows == 6
    catalog.table("silver.klines").untag("study")
    lake.expire(["silver.klines"], older_than=NOW)
    assert other_eyes.load_table("silver.klines").snapshot_by_id(tagged) is None


def test_every_table_of_the_lake_is_cared_for(catalog: TableCatalog, lake: Lakehouse) -> None:
    _revise(catalog, 3, 4)
    report = lake.expire(older_than=NOW)
    assert [table.table for table in report.tables] == catalog.list_tables()
    assert [table.kept_snapshots for table in report.tables] == [1, 1, 1, 0]
    with pytest.raises(NotFoundError, match="nothing"):
        lake.expire(["silver.klines", "silver.nothing"])


def test_a_tag_that_is_set_while_snapshots_expire_keeps_its_state(
    catalog: TableCatalog, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, other_eyes: SqlCatalog
) -> None:
    """Between the look and the commit; pyiceberg alone would remove the tag together with its snapshot."""
    _revise(catalog, 3, 4)
    first = catalog.table("silver.klines").snapshots()[0].snapshot_id
    commit = ExpireSnapshots.commit
    looks: list[int] = []

    def tag_first(self: ExpireSnapshots) -> None:
        looks.append(1)
        if len(looks) == 1:
            catalog.table("silver.klines").tag("late", first)
        commit(self)

    monkeypatch.setattr(ExpireSnapshots, "commit", tag_first)
    lake.expire(["silver.klines"], older_than=NOW)
    assert len(looks) == 2
    assert other_eyes.load_table("silver.klines").scan(snapshot_id=first).to_arrow().num_rows == 3


def test_rows_that_are_committed_while_snapshots_expire_stay(
    catalog: TableCatalog, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _revise(catalog, 3, 4)
    commit = ExpireSnapshots.commit
    looks: list[int] = []

    def write_first(self: ExpireSnapshots) -> None:
        looks.append(1)
        if len(looks) == 1:
            catalog.commit([_batch(9, day=1)])
        commit(self)

    monkeypatch.setattr(ExpireSnapshots, "commit", write_first)
    lake.expire(["silver.klines"], older_than=NOW)
    assert catalog.table("silver.klines").scan().count() == 13


def test_expiry_that_loses_every_race_says_so(
    catalog: TableCatalog, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, parquet_files: Files
) -> None:
    _revise(catalog, 3, 4)
    files = parquet_files()

    def lose(self: ExpireSnapshots) -> None:
        raise CommitFailedException("someone was first")

    monkeypatch.setattr(ExpireSnapshots, "commit", lose)
    monkeypatch.setattr(retry, "RACES", RetryPolicy(attempts=2))
    with pytest.raises(TableError, match=r"silver.klines could not be committed in 2 attempts"):
        lake.expire(["silver.klines"], older_than=NOW)
    assert parquet_files() == files
