"""Tags: names for states of a table that expiry leaves alone."""

from __future__ import annotations

import re

from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType

from lakehouse_sdk.errors import ConflictError, NotFoundError, UsageError
from lakehouse_sdk.tables.iceberg.retry import LoadTable, commit_afresh

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
"""Begins with a letter, so that no tag looks like a snapshot id or a date."""


def add_tag(load: LoadTable, name: str, tag: str, snapshot_id: int | None) -> int:
    """Give a snapshot a name; nothing changes where it has it already.

    Args:
        load: Loads the table as it is now.
        name: The table's name.
        tag: Letters, digits, `.`, `_`, `-`; begins with a letter.
        snapshot_id: None for the current one.

    Returns:
        The snapshot that has the tag.

    Raises:
        UsageError: No possible name.
        NotFoundError: There is no such snapshot.
        ConflictError: The name belongs to another snapshot or to a branch.
        TableError: Too many races were lost.
    """
    check_name(tag)

    def change(table: Table) -> int:
        current = table.current_snapshot()
        wanted = snapshot_id if snapshot_id is not None else (None if current is None else current.snapshot_id)
        if wanted is None or table.snapshot_by_id(wanted) is None:
            told = "no snapshot yet" if wanted is None else f"no snapshot {wanted}"
            raise NotFoundError(f"{name} has {told}.", hint=f'`lake.table("{name}").snapshots()` lists what there is.')
        held = table.refs().get(tag)
        if held is not None and (held.snapshot_id != wanted or held.snapshot_ref_type is not SnapshotRefType.TAG):
            kind = "a branch" if held.snapshot_ref_type is SnapshotRefType.BRANCH else "a tag"
            raise ConflictError(
                f"{tag!r} is {kind} of {name} at snapshot {held.snapshot_id} already.",
                hint="Take another name, or remove that one first (untag).",
            )
        if held is None:
            table.manage_snapshots().create_tag(wanted, tag).commit()
        return wanted

    return commit_afresh(load, change)


def remove_tag(load: LoadTable, name: str, tag: str) -> int:
    """Take a tag away; the snapshot stays until it expires. Returns the snapshot that had it.

    Raises:
        NotFoundError: The table has no such tag; lists those that it has.
        TableError: Too many races were lost.
    """

    def change(table: Table) -> int:
        tags = {name: ref for name, ref in table.refs().items() if ref.snapshot_ref_type is SnapshotRefType.TAG}
        if tag not in tags:
            known = ", ".join(sorted(tags)) or "none"
            raise NotFoundError(f"{name} has no tag {tag!r}.", hint=f"Its tags: {known}.")
        table.manage_snapshots().remove_tag(tag).commit()
        return tags[tag].snapshot_id

    return commit_afresh(load, change)


def check_name(name: str) -> None:
    """Refuse what could be taken for a snapshot id, a date or the branch of everybody.

    Raises:
        UsageError: It could.
    """
    if not _NAME.fullmatch(name) or name == MAIN_BRANCH:
        raise UsageError(
            f"{name!r} cannot name a state of a table.",
            hint=f"Begin with a letter; then letters, digits, '.', '_', '-', at most 100; not {MAIN_BRANCH!r}.",
        )
