"""Which files a table needs: every file that any snapshot, branch, tag or log of its metadata names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakehouse_sdk.parallel import map_ordered

_THREADS = 8
"""Manifests read at once; each is a small request."""


def split_location(path: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; `s3a` and `s3n`, which Spark writes, are the same place."""
    bucket, _, key = path.partition("://")[2].partition("/")
    return bucket, key


def find_manifests(io: FileIO, snapshots: Iterable[Snapshot]) -> dict[str, ManifestFile]:
    """The manifests that these snapshots name, by path."""
    wanted = list(snapshots)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = map_ordered(pool, lambda snapshot: snapshot.manifests(io), wanted, window=2 * _THREADS)
        return {manifest.manifest_path: manifest for manifests in found for manifest in manifests}


def read_files(io: FileIO, manifests: Iterable[ManifestFile]) -> Iterator[tuple[str, int]]:
    """Path and size of every data and delete file that these manifests hold, removed ones left out; in bounded memory."""

    def read(manifest: ManifestFile) -> list[tuple[str, int]]:
        entries = manifest.fetch_manifest_entry(io, discard_deleted=True)
        return [(entry.data_file.file_path, entry.data_file.file_size_in_bytes) for entry in entries]

    with ThreadPoolExecutor(_THREADS) as pool:
        for files in map_ordered(pool, read, manifests, window=2 * _THREADS):
            yield from files


def find_statistics(table: Table) -> dict[str, int]:
    """Path and size of the statistics files that the metadata names."""
    metadata = table.metadata
    return {file.statistics_path: file.file_size_in_bytes for file in (*metadata.statistics, *metadata.partition_statistics)}


def read_references(table: Table) -> Iterator[str]:
    """Every file that the table as it was loaded needs; a path may come more than once."""
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    yield from find_statistics(table)
    snapshots = table.snapshots()
    yield from (snapshot.manifest_list for snapshot in snapshots)
    manifests = find_manifests(table.io, snapshots)
    yield from manifests
    yield from (path for path, _ in read_files(table.io, manifests.values()))
