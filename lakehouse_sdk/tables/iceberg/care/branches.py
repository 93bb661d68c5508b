"""Branches: a batch beside `main`, taken over as a whole or left."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.parquet as pq
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import ancestors_of

from lakehouse_sdk.errors import ConflictError
from lakehouse_sdk.tables.iceberg.care.tags import check_name
from lakehouse_sdk.tables.iceberg.retry import LoadTable, commit_afresh
from lakehouse_sdk.tables.layout.schemas import SOURCE_KEY, SOURCE_SHA256


@dataclass(frozen=True, slots=True)
class BranchArchive:
    """An archive of which a branch holds the entry in `silver.quality`.

    Attributes:
        source: Its publisher.
        key: Its key there.
        sha256: Hash of the bytes that were read.
        defect: Why it could not be read; None where it could.
    """

    source: str
    key: str
    sha256: str
    defect: str | None


def open_branch(load: LoadTable, branch: str) -> Table:
    """The table with this branch, which begins at `main` where it does not exist yet.

    A table without any row gets an empty snapshot first, because a branch needs one to begin at.

    Raises:
        UsageError: No possible name.
        ConflictError: A tag has this name.
    """
    check_name(branch)

    def change(table: Table) -> Table:
        held = table.refs().get(branch)
        if held is not None and held.snapshot_ref_type is SnapshotRefType.TAG:
            raise ConflictError(f"{branch!r} is a tag of {'.'.join(table.name())}.", hint="Give the branch another name.")
        if held is None:
            if table.current_snapshot() is None:
                with table.transaction() as transaction, transaction.update_snapshot().fast_append():
                    pass
            current = table.current_snapshot()
            assert current is not None  # noqa: S101 (there is one by now)
            table.manage_snapshots().create_branch(current.snapshot_id, branch).commit()
        return table

    return commit_afresh(load, change)


def fast_forward(load: LoadTable, branch: str) -> bool:
    """Let `main` be what the branch is, where nobody wrote to `main` since it began; False where somebody did."""

    def change(table: Table) -> bool:
        main, head = table.current_snapshot(), table.metadata.snapshot_by_name(branch)
        if main is None or head is None:
            return False
        if main.snapshot_id != head.snapshot_id:
            if all(snapshot.snapshot_id != main.snapshot_id for snapshot in ancestors_of(head, table.metadata)):
                return False
            table.manage_snapshots().set_current_snapshot(snapshot_id=head.snapshot_id).commit()
        return True

    return commit_afresh(load, change)


def drop_branch(load: LoadTable, branch: str) -> None:
    """Take the branch away; what only it held expires like any other old state."""

    def change(table: Table) -> None:
        if has_branch(table, branch):
            table.manage_snapshots().remove_branch(branch).commit()

    commit_afresh(load, change)


def has_branch(table: Table, branch: str) -> bool:
    """True where the table has this branch."""
    ref = table.refs().get(branch)
    return branch != MAIN_BRANCH and ref is not None and ref.snapshot_ref_type is SnapshotRefType.BRANCH


def read_archives(quality: Table, branch: str) -> list[BranchArchive]:
    """The archives of the entries in files that only the branch has; a few that `main` has too may be among them."""
    head = quality.metadata.snapshot_by_name(branch)
    if head is None:
        return []
    known = {task.file.file_path for task in quality.scan().plan_files()}
    files = [task.file for task in quality.scan(snapshot_id=head.snapshot_id).plan_files()]
    found: dict[BranchArchive, None] = {}
    for file in files:
        if file.file_path not in known:
            with quality.io.new_input(file.file_path).open() as stream:
                rows = pq.read_table(stream, columns=["source", SOURCE_KEY, SOURCE_SHA256, "defect"])
            found |= dict.fromkeys(map(BranchArchive, *(column.to_pylist() for column in rows.columns)))
    return list(found)
