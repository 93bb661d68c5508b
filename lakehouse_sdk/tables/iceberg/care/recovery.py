"""Recovery: the catalogue's database is gone, the tables in the storage are not.

Each commit writes a metadata file that names the one before it; the database only says which is the newest. So the newest is
the end of the longest chain. What a file's name says is no proof: a writer that lost its race left a file with the same number
as the winner's, which no later file names.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError
from sqlalchemy.exc import IntegrityError

from lakehouse_sdk.display import format_count, html_card, html_table
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables.iceberg.care.references import split_location

_SUFFIX = ".metadata.json"
_THREADS = 8


@dataclass(frozen=True, slots=True)
class RecoveredTable:
    """One table found in the storage.

    Attributes:
        table: Full name, as its place says.
        metadata_location: Its newest metadata file.
        sequence_number: Number of its last commit of rows.
        updated_at: When it was last changed, UTC.
        row_count: Rows in it.
        action: `registered` (in a dry run: would be), or `known` where the catalogue has it already.
        rivals: Metadata files that could be the newest as well: of a commit that raced with this one, or that was killed before
            the catalogue took it. What they hold beyond this state is not in the table.
    """

    table: str
    metadata_location: str
    sequence_number: int
    updated_at: datetime
    row_count: int
    action: str
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """Tables that were found in the storage.

    Attributes:
        tables: Every table, by name.
        dry_run: True where nothing was registered.
    """

    tables: tuple[RecoveredTable, ...]
    dry_run: bool

    @property
    def summary(self) -> str:
        """One line for a person."""
        found = sum(table.action == "registered" for table in self.tables)
        known = len(self.tables) - found
        rivals = sum(bool(table.rivals) for table in self.tables)
        verb = "would be registered" if self.dry_run else "registered"
        end = f"; {format_count(rivals)} have a rival state, see `rivals`" if rivals else ""
        return f"{format_count(found)} tables {verb}, {format_count(known)} were known{end}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = [{**asdict(table), "rivals": len(table.rivals)} for table in self.tables]
        title = "Recovery (nothing changed)" if self.dry_run else "Recovered tables"
        return html_card(title, {"": self.summary}, html_table(rows))


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """What one metadata file says, as far as it tells which is the newest.

    Attributes:
        path: Its address.
        table_uuid: Which table it is of; one that lost the race to create it has another.
        sequence_number: Number of the last commit of rows.
        updated_ms: When, milliseconds since the epoch.
        previous: The metadata files before it that it names, oldest first.
        row_count: Rows of its current snapshot.
        manifest_list: Where its current snapshot begins; empty where it has none.
    """

    path: str
    table_uuid: str
    sequence_number: int
    updated_ms: int
    previous: tuple[str, ...]
    row_count: int
    manifest_list: str = ""

    @property
    def parent(self) -> str:
        """The metadata file that it follows; empty for the first."""
        return self.previous[-1] if self.previous else ""


def recover_tables(
    catalog: Catalog, known: Iterable[str], warehouse: str, client: S3Client, *, dry_run: bool
) -> list[RecoveredTable]:
    """Register every table below the warehouse that the catalogue does not know, at its newest state.

    Args:
        catalog: Takes the tables; may be empty.
        known: Full names of the tables that it has; they are left alone.
        warehouse: `s3://bucket/prefix` of all tables: `<namespace>/<table>/metadata/…`.
        client: Lists and reads metadata files.
        dry_run: True to look only.
    """
    names, found = set(known), []
    for name, candidates in _find_metadata(client, warehouse):
        best, rivals = choose_newest(_drop_undone(client, candidates))
        action = "known" if name in names else "registered"
        if action == "registered" and not dry_run:
            namespace = name.rpartition(".")[0]
            with suppress(NamespaceAlreadyExistsError, IntegrityError):
                catalog.create_namespace(namespace)
            try:
                catalog.register_table(name, best.path)
            except TableAlreadyExistsError:  # somebody else recovers at the same time
                action = "known"
        updated = datetime.fromtimestamp(best.updated_ms / 1000, UTC)
        told = () if action == "known" else tuple(rival.path for rival in rivals)
        found.append(RecoveredTable(name, best.path, best.sequence_number, updated, best.row_count, action, told))
    return found


def choose_newest(candidates: list[MetadataFile]) -> tuple[MetadataFile, list[MetadataFile]]:
    """The newest state among the complete metadata files of one place, and those that could be it as well; pure.

    Only a file that no other names can be the newest. The end of the longest chain wins: the catalogue goes on from its newest
    state alone, so a state that lost a race is never followed by another. Between ends that follow the same state the later
    one wins: writers that lose and live remove what they wrote, so the other is most likely of one that was killed before.
    """
    newest = max(candidates, key=lambda file: file.updated_ms)  # a table made anew in the same place has another id
    chain = [file for file in candidates if file.table_uuid == newest.table_uuid]
    parents = {path: parent for file in chain for parent, path in pairwise((*file.previous, file.path))}
    ends = [file for file in chain if file.path not in set(parents.values())]
    best = max(ends, key=lambda file: (_depth(file.path, parents), file.sequence_number, file.updated_ms, file.path))
    rivals = [file for file in ends if file is not best and file.parent == best.parent]
    return best, rivals


def _depth(path: str, parents: dict[str, str]) -> int:
    """How many states came before it, as far as any file still says."""
    depth = 0
    while path in parents:
        path, depth = parents[path], depth + 1
    return depth


def _drop_undone(client: S3Client, candidates: list[MetadataFile]) -> list[MetadataFile]:
    """Without the ends whose writer lost its race, and so removed what they name; all where nothing would be left."""
    named = {file.parent for file in candidates}

    def is_done(file: MetadataFile) -> bool:
        return file.path in named or not file.manifest_list or client.find_info(*split_location(file.manifest_list)) is not None

    return [file for file in candidates if is_done(file)] or candidates


def _find_metadata(client: S3Client, warehouse: str) -> Iterator[tuple[str, list[MetadataFile]]]:
    """The metadata files of each table below the warehouse, by full name."""
    bucket, prefix = split_location(warehouse)
    for namespace in client.list_prefixes(bucket, f"{prefix}/"):
        for place in client.list_prefixes(bucket, namespace):
            name = ".".join(part.rstrip("/").rpartition("/")[2] for part in (namespace, place))
            keys = [info.key for info in client.list_objects(bucket, f"{place}metadata/") if info.key.endswith(_SUFFIX)]
            with ThreadPoolExecutor(_THREADS) as pool:
                read = map_ordered(pool, lambda key: _read(client, bucket, key), keys, window=2 * _THREADS)
                by_place: dict[str, list[MetadataFile]] = defaultdict(list)
                for location, file in read:
                    by_place["/".join(split_location(location.rstrip("/")))].append(file)
            # A copy of another table's metadata names the other's place.
            if own := by_place[f"{bucket}/{place}".rstrip("/")]:
                yield name, own


def _read(client: S3Client, bucket: str, key: str) -> tuple[str, MetadataFile]:
    content = json.loads(client.get_bytes(bucket, key))
    current = content.get("current-snapshot-id")
    snapshot: dict[str, Any] = next((s for s in content.get("snapshots", []) if s["snapshot-id"] == current), {})
    file = MetadataFile(
        path=f"s3://{bucket}/{key}",
        table_uuid=content["table-uuid"],
        sequence_number=content.get("last-sequence-number", 0),
        updated_ms=content["last-updated-ms"],
        previous=tuple(entry["metadata-file"] for entry in content.get("metadata-log", [])),
        row_count=int(snapshot.get("summary", {}).get("total-records", 0)),
        manifest_list=snapshot.get("manifest-list", ""),
    )
    return content["location"], file
