"""Files of a table in the place of others, in one commit that brings nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum, auto

from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _OverwriteFiles

from lakehouse_sdk.tables.iceberg.retry import UNKNOWN, LoadTable, commit_afresh


class _Answer(Enum):
    DONE = auto()
    REPLACED = auto()


def replace_files(load: LoadTable, files: Sequence[DataFile], outputs: Sequence[DataFile], operation: Operation) -> bool:
    """Put new files in the place of old ones in one commit; False where one of those is no longer there.

    The commit names the very files that were read, so nothing that others replaced meanwhile comes back. New files that are not
    taken are removed.

    Args:
        load: Loads the table as it is now.
        files: What was read, all of one partition specification.
        outputs: What takes its place.
        operation: `REPLACE` for the same rows, which readers of changes pass over; `OVERWRITE` for others.

    Raises:
        TableError: Too many races were lost; nothing was changed.
    """
    unknown = False

    def change(table: Table) -> _Answer:
        nonlocal unknown
        if unknown and {file.file_path for file in outputs} <= _live_paths(table):
            return _Answer.DONE
        if table.spec().spec_id != files[0].spec_id or _has_deletes(table, files):
            return _Answer.REPLACED
        transaction = table.transaction()
        producer = _RewriteFiles(Operation.OVERWRITE, transaction, table.io)
        producer.said = operation
        for file in files:
            producer.delete_data_file(file)
        for file in outputs:
            producer.append_data_file(file)
        try:
            producer.commit()
        except ValidationException:  # a file that was read is not there any more
            return _Answer.REPLACED
        try:
            transaction.commit_transaction()
        except UNKNOWN:
            unknown = True
            raise
        return _Answer.DONE

    answer = commit_afresh(load, change)
    if answer is _Answer.REPLACED and not unknown:
        _remove(load(), outputs)
    return answer is _Answer.DONE


def _live_paths(table: Table) -> set[str]:
    return {task.file.file_path for task in table.scan().plan_files()}


def _has_deletes(table: Table, files: Sequence[DataFile]) -> bool:
    """True where another engine deleted rows of these files by files of its own since they were read."""
    snapshot = table.current_snapshot()
    summary = None if snapshot is None else snapshot.summary
    if summary is None or not int(summary["total-delete-files"] or 0):
        return False
    paths = {file.file_path for file in files}
    return any(task.delete_files for task in table.scan().plan_files() if task.file.file_path in paths)


def _remove(table: Table, files: Iterable[DataFile]) -> None:
    with suppress(OSError):  # what stays is an orphan, which readers never see
        for file in files:
            table.io.delete(file.file_path)


class _RewriteFiles(_OverwriteFiles):
    """An overwrite that says which operation it is to readers of changes."""

    said = Operation.OVERWRITE

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        summary = super()._summary(snapshot_properties or {})
        return Summary(self.said, **summary.additional_properties)
