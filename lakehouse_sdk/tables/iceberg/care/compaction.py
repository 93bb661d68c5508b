"""Compaction: the small files of a partition become few of the planned size, sorted, with the same rows.

What goes wrong with the obvious way: rows are read, somebody replaces them, and the rewritten files bring the old ones back. So
the commit names the very files that were read: where one of them is no longer there, nothing is committed, and the partition is
looked at again. What others add meanwhile stays, because their files are not named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation

from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.iceberg.care.replacing import replace_files
from lakehouse_sdk.tables.iceberg.care.rewriting import rewrite
from lakehouse_sdk.tables.iceberg.retry import LoadTable

_SMALL = 0.75
"""Files below this share of the planned size are worth rewriting."""
_LEAST_GAIN = 2
"""How many files at least become one on average; so a second run finds nothing to do."""
_ROUNDS = 3
"""How often a partition is looked at again because its files were replaced meanwhile."""


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Small files of one partition that become few.

    Attributes:
        partition: Its values, in the order of the table's specification.
        files: What is rewritten.
        outputs: How many files that makes.
    """

    partition: tuple[Any, ...]
    files: tuple[DataFile, ...]
    outputs: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the files."""
        return sum(file.file_size_in_bytes for file in self.files)

    @property
    def row_count(self) -> int:
        """Rows of the files."""
        return sum(file.record_count for file in self.files)


@dataclass(frozen=True, slots=True)
class TableCompaction:
    """What compaction did to one table, or would.

    Attributes:
        table: Full name.
        partitions: Partitions that were rewritten.
        files_before: Files that were rewritten.
        files_after: Files that took their place; in a dry run an estimate.
        bytes_before: Bytes of the former.
        bytes_after: Bytes of the latter; in a dry run those of the former.
        rows: Rows in them: the same before and after, counted and compared by hash.
        left_alone: Partitions whose files others replaced each time; the next run takes them.
    """

    table: str
    partitions: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rows: int = 0
    left_alone: int = 0


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What compaction did, or would.

    Attributes:
        tables: One entry for each table.
        dry_run: True where nothing was changed.
    """

    tables: tuple[TableCompaction, ...]
    dry_run: bool

    @property
    def summary(self) -> str:
        """One line for a person."""
        before, after = (sum(getattr(t, name) for t in self.tables) for name in ("files_before", "files_after"))
        sizes = [format_bytes(sum(getattr(t, name) for t in self.tables)) for name in ("bytes_before", "bytes_after")]
        verb = "would become about" if self.dry_run else "became"
        left = sum(t.left_alone for t in self.tables)
        end = f"; {format_count(left)} partitions were replaced meanwhile and left alone" if left else ""
        return f"{format_count(before)} files ({sizes[0]}) {verb} {format_count(after)} ({sizes[1]}){end}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        title = "Compaction (nothing changed)" if self.dry_run else "Compacted"
        sizes = ("bytes_before", "bytes_after")
        rows = [{**asdict(t), **{name: format_bytes(getattr(t, name)) for name in sizes}} for t in self.tables]
        return html_card(title, {"": self.summary}, html_table(rows))


def compact_table(
    load: LoadTable,
    name: str,
    *,
    target_bytes: int,
    dry_run: bool,
    note: Callable[[int], None],
) -> TableCompaction:
    """Rewrite small files of each partition that has several; one commit for each partition.

    Killed, it leaves finished partitions and files that nobody sees.

    Args:
        load: Loads the table as it is now.
        name: Its name.
        target_bytes: Planned size of a file.
        dry_run: True to plan only.
        note: Called after each partition with its bytes.

    Raises:
        UsageError: The planned size is not positive.
        TableError: Too many races were lost, or rewritten rows are not those that were read; nothing of that partition changed.
    """
    if target_bytes < 1:
        raise UsageError(f"Files of {target_bytes} bytes cannot be planned.", hint="Give a size such as 128 MiB.")
    table = load()
    groups = plan_groups(table, target_bytes)
    if dry_run:
        size = sum(group.size_bytes for group in groups)
        return _add_up(name, groups, sum(group.outputs for group in groups), size)
    done: list[FileGroup] = []
    written: list[DataFile] = []
    left_alone = 0
    for planned in groups:
        group: FileGroup | None = planned
        for _ in range(_ROUNDS):
            if group is None:
                break
            outputs = rewrite(table, group.partition, group.files, group.outputs)
            if replace_files(load, group.files, outputs, Operation.REPLACE):
                done.append(group)
                written += outputs
                break
            table = load()
            again = plan_groups(table, target_bytes)
            group = next((found for found in again if found.partition == planned.partition), None)
        else:
            left_alone += 1
        note(planned.size_bytes)
    return _add_up(name, done, len(written), sum(file.file_size_in_bytes for file in written), left_alone)


def plan_groups(table: Table, target_bytes: int) -> list[FileGroup]:
    """The small files of each partition, where rewriting them makes at most half as many; from metadata alone."""
    by_partition: dict[tuple[Any, ...], list[DataFile]] = defaultdict(list)
    width = len(table.spec().fields)
    for task in table.scan().plan_files():
        file = task.file
        # Files with rows deleted beside them, or of an older partition specification, are for the engine that made them.
        if not task.delete_files and file.spec_id == table.spec().spec_id and file.file_size_in_bytes < _SMALL * target_bytes:
            by_partition[tuple(file.partition[i] for i in range(width))].append(file)
    groups = []
    for partition, files in sorted(by_partition.items(), key=lambda item: str(item[0])):
        outputs = ceil(sum(file.file_size_in_bytes for file in files) / target_bytes)
        if len(files) >= _LEAST_GAIN * outputs:
            groups.append(FileGroup(partition, tuple(sorted(files, key=lambda file: file.file_path)), outputs))
    return groups


def _add_up(name: str, groups: Sequence[FileGroup], files: int, size_bytes: int, left_alone: int = 0) -> TableCompaction:
    return TableCompaction(
        name,
        partitions=len(groups),
        files_before=sum(len(group.files) for group in groups),
        files_after=files,
        bytes_before=sum(group.size_bytes for group in groups),
        bytes_after=size_bytes,
        rows=sum(group.row_count for group in groups),
        left_alone=left_alone,
    )
