"""Where archives rest in the lake, and what is there."""

from __future__ import annotations

from collections.abc import Iterable

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.archives.ledger import Ledger, Revision
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.transfer import compare_etags


def bronze_key(settings: Settings, source: str, key: str) -> str:
    """The key below which an archive of `source` rests in the lake's bucket: the source's own key, mirrored."""
    return f"{settings.lake.bronze_prefix}/{source}/{key}"


def revision_key(settings: Settings, revision: Revision) -> str:
    """The key that keeps the bytes of a revision that the source replaced."""
    return f"{settings.lake.bronze_prefix}/_revisions/{revision.source}/{revision.key}.r{revision.revision}"


def find_in_bronze(client: S3Client, settings: Settings, archives: Iterable[ArchiveObject]) -> dict[str, ObjectInfo]:
    """What bronze holds of these archives, by the source's keys; lists their folders, so many cost little more than one."""
    wanted = {bronze_key(settings, archive.source, archive.key): archive.key for archive in archives}
    found: dict[str, ObjectInfo] = {}
    for folder in sorted({key.rpartition("/")[0] for key in wanted}):
        for info in client.list_objects(settings.lake.bucket, f"{folder}/"):
            if info.key in wanted:
                found[wanted[info.key]] = info
    return found


def holds(info: ObjectInfo | None, archive: ArchiveObject) -> bool:
    """True where an object of bronze has the bytes that the source lists now: by size and ETag, else by size and time."""
    if info is None or info.size_bytes != archive.size_bytes:
        return False
    same = compare_etags(archive.etag, info.etag)
    return archive.last_modified <= info.last_modified if same is None else same


def keep_replaced(client: S3Client, settings: Settings, ledger: Ledger, source: str, keys: Iterable[str]) -> int:
    """Move the bytes of replaced revisions aside before new ones take their keys; returns how many there were.

    Inside the server, no byte passes here. Done again after a kill it does the rest. The bytes under an archive's own key are
    mostly those of the latest replaced revision, and those of an older one where that never came to bronze.
    """
    kept = 0
    waiting: dict[str, list[Revision]] = {}
    for revision in ledger.revisions(source, keys):
        if not revision.kept_key:
            waiting.setdefault(revision.key, []).insert(0, revision)
    for key, revisions in waiting.items():
        origin = bronze_key(settings, source, key)
        info = client.find_info(settings.lake.bucket, origin)
        held = next((revision for revision in revisions if info is not None and _is_of(info, revision)), None)
        if info is None or held is None:
            continue  # the new bytes are there already, or others that nobody knows of
        target = revision_key(settings, held)
        try:
            client.copy(settings.lake.bucket, origin, settings.lake.bucket, target, if_match=info.etag)
        except NotFoundError:
            continue
        ledger.keep_revision(held, target)
        kept += 1
    return kept


def _is_of(info: ObjectInfo, revision: Revision) -> bool:
    return info.size_bytes == revision.size_bytes and compare_etags(info.etag, revision.etag) is not False
