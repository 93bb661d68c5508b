"""Orphans: files below a table's location that no state of the table names.

Killed or outrun writers leave them; readers never see them. What makes their removal dangerous is a writer at work, whose files
nobody names yet: so only files of an age are taken, and the table is looked at once more after they were listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pyiceberg.table import Table

from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.tables.iceberg.care.references import read_references, split_location
from lakehouse_sdk.tables.iceberg.retry import LoadTable

DEFAULT_AGE = timedelta(days=3)
"""Files younger than this may belong to a writer at work."""
LEAST_AGE = timedelta(hours=1)
"""Less is refused unless it is forced: a build of many archives takes a while before it commits."""
_BATCH = 10_000
"""Orphans checked again and deleted at once."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TableOrphans:
    """Orphans of one table.

    Attributes:
        table: Full name.
        files: How many there are, or were.
        size_bytes: Their size.
        failed_files: How many of them the storage did not delete.
        young_files: Files that nobody names either and that are too young to be judged.
        examples: Keys of the first twenty.
    """

    table: str
    files: int
    size_bytes: int
    failed_files: int
    young_files: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrphanReport:
    """Orphans that were found, or removed.

    Attributes:
        tables: One entry for each table.
        dry_run: True where nothing was deleted.
    """

    tables: tuple[TableOrphans, ...]
    dry_run: bool

    @property
    def files(self) -> int:
        """Orphans of all tables."""
        return sum(table.files for table in self.tables)

    @property
    def summary(self) -> str:
        """One line for a person."""
        size = format_bytes(sum(table.size_bytes for table in self.tables))
        failed, young = (sum(getattr(table, name) for table in self.tables) for name in ("failed_files", "young_files"))
        end = f"; {format_count(failed)} could not be deleted" if failed else ""
        wait = f"; {format_count(young)} more are too young to tell" if young else ""
        verb = "would be removed" if self.dry_run else "were removed"
        return f"{format_count(self.files)} orphan files ({size}) {verb}{end}{wait}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        title = "Orphan files (nothing deleted)" if self.dry_run else "Orphan files removed"
        rows = [
            {**asdict(table), "size_bytes": format_bytes(table.size_bytes), "examples": ", ".join(table.examples[:3])}
            for table in self.tables
        ]
        return html_card(title, {"": self.summary}, html_table(rows))


def remove_orphans(
    load: LoadTable, name: str, client: S3Client, *, older_than: timedelta, dry_run: bool, others: Iterable[str]
) -> TableOrphans:
    """Delete files below the table's location that none of its states names and that are older.

    Memory holds a number of eight bytes for each file that the table names, whatever lies beside them.

    Args:
        load: Loads the table as it is now.
        name: Its name.
        client: Lists and deletes.
        older_than: Least age by the server's clock.
        dry_run: True to count only.
        others: Locations of the other tables of the catalogue.

    Raises:
        UsageError: Files of another table lie below this one's location.
    """
    table = load()
    bucket, key = split_location(table.location().rstrip("/"))
    _check_apart(name, f"{bucket}/{key}/", others)
    named, seen = _read_named(table), table.metadata_location
    before = datetime.now(UTC) - older_than
    files = size = failed = young = 0
    examples: list[str] = []

    def unnamed() -> Iterator[ObjectInfo]:
        nonlocal young
        for info in client.list_objects(bucket, f"{key}/"):
            if hash(f"{bucket}/{info.key}") not in named:
                if info.last_modified < before:
                    yield info
                else:
                    young += 1

    found = unnamed()
    while batch := list(islice(found, _BATCH)):
        table = load()
        if table.metadata_location != seen:  # somebody has committed: a file may be named by now
            named, seen = _read_named(table), table.metadata_location
            batch = [info for info in batch if hash(f"{bucket}/{info.key}") not in named]
        files, size = files + len(batch), size + sum(info.size_bytes for info in batch)
        examples += [info.key for info in batch[: _SHOWN - len(examples)]]
        if not dry_run:
            failed += len(client.delete_objects(bucket, (info.key for info in batch)))
    return TableOrphans(name, files, size, failed, young, tuple(examples))


def check_age(older_than: timedelta, *, force: bool) -> None:
    """Refuse an age at which files of writers at work would go.

    Raises:
        UsageError: It is less than an hour and not forced.
    """
    if older_than < LEAST_AGE and not force:
        raise UsageError(
            f"Files that are {older_than} old may belong to a writer at work.",
            hint="Wait an hour, or force it (force=True, --force) while nothing writes to the lake.",
        )


def _read_named(table: Table) -> set[int]:
    """Numbers of the files that the table names. Two files of one number would only keep an orphan."""
    return {hash("/".join(split_location(path))) for path in read_references(table)}


def _check_apart(name: str, location: str, others: Iterable[str]) -> None:
    inside = [other for other in others if "/".join((*split_location(other.rstrip("/")), "")).startswith(location)]
    if inside:
        raise UsageError(
            f"{inside[0]} lies below the location of {name}: its files would be taken for orphans.",
            hint="Tables need places of their own; orphans of this one are not removed.",
        )
