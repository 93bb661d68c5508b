"""Expiry: old snapshots leave the metadata, and the files that only they needed leave the storage.

pyiceberg removes snapshots from the metadata and no file. It also asserts nothing about tags, so that one which somebody sets
between our look and our commit would go with its snapshot: hence `_RefsAsSeen`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.table.update import AssertRefSnapshotId, ValidatableTableRequirement
from pyiceberg.table.update.snapshot import ExpireSnapshots

from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.iceberg.care.references import find_manifests, find_statistics, read_files, split_location
from lakehouse_sdk.tables.iceberg.retry import LoadTable, commit_afresh

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableRequirement, UpdatesAndRequirements

    from lakehouse_sdk.storage import S3Client

DEFAULT_AGE = timedelta(days=7)
"""Snapshots younger than this stay: a week of time travel, and nobody reads for so long."""


@dataclass(frozen=True, slots=True)
class TableExpiry:
    """What expired, or would, of one table.

    Attributes:
        table: Full name.
        snapshots: Snapshots that went.
        kept_snapshots: Snapshots that are left.
        data_files: Data files that only those needed.
        metadata_files: Manifests, manifest lists and statistics that only those needed.
        size_bytes: Bytes of those files; manifest lists, a few KiB each, are not counted.
        failed_files: Files that the storage did not delete; they are orphans now.
    """

    table: str
    snapshots: int
    kept_snapshots: int
    data_files: int = 0
    metadata_files: int = 0
    size_bytes: int = 0
    failed_files: int = 0


@dataclass(frozen=True, slots=True)
class ExpiryReport:
    """What expired, or would.

    Attributes:
        tables: One entry for each table.
        dry_run: True where nothing was changed.
    """

    tables: tuple[TableExpiry, ...]
    dry_run: bool

    @property
    def summary(self) -> str:
        """One line for a person."""
        snapshots = sum(table.snapshots for table in self.tables)
        files = sum(table.data_files + table.metadata_files for table in self.tables)
        size = format_bytes(sum(table.size_bytes for table in self.tables))
        failed = sum(table.failed_files for table in self.tables)
        said = f"{format_count(snapshots)} snapshots and {format_count(files)} files ({size})"
        end = f"; {format_count(failed)} files could not be deleted" if failed else ""
        return f"{said} {'would go' if self.dry_run else 'are gone'}{end}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        title = "Expiry (nothing changed)" if self.dry_run else "Expired"
        rows = [{**asdict(table), "size_bytes": format_bytes(table.size_bytes)} for table in self.tables]
        return html_card(title, {"": self.summary}, html_table(rows))


def expire_table(
    load: LoadTable, name: str, client: S3Client, *, older_than: timedelta, keep_last: int, dry_run: bool
) -> TableExpiry:
    """Let old snapshots of one table expire, then delete what only they needed.

    Killed in between, the files are orphans that `remove_orphans` finds.

    Raises:
        UsageError: `keep_last` is below 1, or the age is negative.
        TableError: Too many races were lost; nothing changed.
    """
    if keep_last < 1 or older_than < timedelta():
        raise UsageError(
            f"older_than={older_than}, keep_last={keep_last} would leave nothing to read.",
            hint="Keep at least one snapshot, and give an age that is not negative.",
        )
    before = datetime.now(UTC) - older_than
    if dry_run:
        table = load()
        gone = find_expired(table.metadata, before, keep_last)
        files = _find_unneeded(table, table.metadata, gone)
        return _describe(name, len(gone), len(table.snapshots()) - len(gone), files)

    def change(table: Table) -> tuple[Table, TableMetadata, set[int]]:
        gone = find_expired(table.metadata, before, keep_last)
        seen = table.metadata
        if gone:
            _Expiry(table).by_ids(sorted(gone)).commit()
        return table, seen, gone

    table, seen, gone = commit_afresh(load, change)
    files = _find_unneeded(table, seen, gone)
    failed = _delete(client, [*files.data, *files.metadata])
    return _describe(name, len(gone), len(table.snapshots()), files, failed)


def find_expired(metadata: TableMetadata, before: datetime, keep_last: int) -> set[int]:
    """Ids of the snapshots that are older and that nothing holds: no tag, no branch, not among the last of a branch; pure."""
    held: set[int] = set()
    for ref in metadata.refs.values():
        held.add(ref.snapshot_id)
        if ref.snapshot_ref_type is SnapshotRefType.BRANCH:
            ancestors = ancestors_of(metadata.snapshot_by_id(ref.snapshot_id), metadata)
            held.update(snapshot.snapshot_id for snapshot, _ in zip(ancestors, range(keep_last), strict=False))
    limit = before.timestamp() * 1000
    return {s.snapshot_id for s in metadata.snapshots if s.timestamp_ms < limit and s.snapshot_id not in held}


@dataclass(frozen=True, slots=True)
class _Unneeded:
    """Paths and sizes of files that only expired snapshots need."""

    data: dict[str, int]
    metadata: dict[str, int]


def _find_unneeded(table: Table, seen: TableMetadata, gone: set[int]) -> _Unneeded:
    """What the snapshots `gone` of `seen` need and no other snapshot of `table` does.

    Files of the others are looked at one by one, so that memory holds only what goes.
    """
    expired = [snapshot for snapshot in seen.snapshots if snapshot.snapshot_id in gone]
    if not expired:
        return _Unneeded({}, {})
    kept = [snapshot for snapshot in table.snapshots() if snapshot.snapshot_id not in gone]
    needed = find_manifests(table.io, kept)
    unneeded = {path: manifest for path, manifest in find_manifests(table.io, expired).items() if path not in needed}
    data = dict(read_files(table.io, unneeded.values()))
    for path, _ in read_files(table.io, needed.values()):
        data.pop(path, None)
    metadata = {path: manifest.manifest_length for path, manifest in unneeded.items()}
    metadata |= dict.fromkeys({s.manifest_list for s in expired} - {s.manifest_list for s in kept}, 0)
    statistics = {s.statistics_path: s.file_size_in_bytes for s in seen.statistics if s.snapshot_id in gone}
    remaining = find_statistics(table) if table.metadata is not seen else {}
    metadata |= {path: size for path, size in statistics.items() if path not in remaining}
    return _Unneeded(data, metadata)


def _delete(client: S3Client, paths: Iterable[str]) -> int:
    """Delete files; returns how many the storage kept."""
    by_bucket: dict[str, list[str]] = {}
    for path in paths:
        bucket, key = split_location(path)
        by_bucket.setdefault(bucket, []).append(key)
    return sum(len(client.delete_objects(bucket, keys)) for bucket, keys in by_bucket.items())


def _describe(name: str, snapshots: int, kept: int, files: _Unneeded, failed: int = 0) -> TableExpiry:
    size = sum(files.data.values()) + sum(files.metadata.values())
    return TableExpiry(name, snapshots, kept, len(files.data), len(files.metadata), size, failed)


class _RefsAsSeen(ValidatableTableRequirement):
    """Branches and tags are those that the decision was made on."""

    type: Literal["lakehouse-refs-as-seen"] = Field(default="lakehouse-refs-as-seen")
    refs: dict[str, SnapshotRef]

    def validate(self, base_metadata: TableMetadata | None) -> None:  # type: ignore[override] # pydantic has one too
        """Refuse where another one was set, moved or removed meanwhile."""
        if base_metadata is None or base_metadata.refs != self.refs:
            raise CommitFailedException("Branches or tags have changed")


class _Expiry(ExpireSnapshots):
    """pyiceberg's expiry, which fails where a branch or tag was set meanwhile."""

    def __init__(self, table: Table) -> None:
        super().__init__(Transaction(table, autocommit=True))
        self._of = table

    def _commit(self) -> UpdatesAndRequirements:
        updates, _ = super()._commit()
        refs = self._of.metadata.refs
        if isinstance(self._of.catalog, MetastoreCatalog):
            return updates, (cast("TableRequirement", _RefsAsSeen(refs=refs)),)
        # A REST catalogue knows the published requirements only: of these the branch that everybody writes to.
        main = refs.get(MAIN_BRANCH)
        return updates, (AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=main and main.snapshot_id),)
