"""Whether two objects hold the same bytes: what is on record, what can be computed, and how much of that is asked for."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.storage.uploads import join_etags
from lakehouse_sdk.transfer.context.ends import End
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Entry
from lakehouse_sdk.transfer.proof.etags import compare_etags
from lakehouse_sdk.transfer.proof.hashing import READ_BYTES, Readable, hash_file, hash_path

VerifyMode = Literal["auto", "etag", "sha256-sample", "sha256"]
"""How much proof is asked for.

`auto`: what costs no reading: sizes, ETags, SHA-256 where a server recorded it. `etag`: as `auto`, and the ETag of a local file
is computed as its server did, part by part. `sha256-sample`: as `auto`, and some objects are read back and hashed.
`sha256`: all are. What the source's server has on record counts for the source; the target is always read.
"""


SAMPLE_EVERY = 50
"""`sha256-sample` reads one object of so many, the first one included."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about a pair.

    Attributes:
        same: True for the same bytes, False for others, None where nothing proves either.
        by: What told: `size`, `etag` or `sha256`.
        ours: The source's value of that.
        theirs: The target's.
    """

    same: bool | None
    by: str
    ours: str = ""
    theirs: str = ""


class Prover:
    """Compares objects of two ends.

    Args:
        source: One end.
        target: The other.
        context: Connections and counts.
    """

    def __init__(self, source: End, target: End, context: RunContext) -> None:
        self._source = source
        self._target = target
        self._context = context
        self._opaque = False

    @property
    def target_is_folder(self) -> bool:
        """True where the target is on this machine."""
        return self._target.profile is None

    def look(self, existing: Entry) -> Entry:
        """The object at the target as it is now.

        Raises:
            LakehouseError, OSError: It is not there, or cannot be looked at.
        """
        if self._target.profile is None:
            return existing._replace(size_bytes=Path(existing.key).stat().st_size)
        info = self._context.client(self._target.profile).get_info(self._target.bucket, existing.key)
        return existing._replace(size_bytes=info.size_bytes, etag=info.etag)

    def etags_tell(self, source_key: str, target_key: str) -> bool:
        """False where unequal ETags of two objects say nothing, because one of the two is under SSE-KMS or SSE-C.

        The first such pair speaks for all that come after: a bucket has one setting, and asking costs a request or two.
        """
        if not self._opaque:
            ends = ((self._source, source_key), (self._target, target_key))
            self._opaque = any(self._is_opaque(end, key) for end, key in ends)
        return not self._opaque

    def _is_opaque(self, end: End, key: str) -> bool:
        if end.profile is None:
            return False
        with suppress(LakehouseError):  # whoever may list and copy need not be allowed to look
            return self._context.client(end.profile).get_description(end.bucket, key).encryption.has_opaque_etag
        return False

    def compare_listed(self, entry: Entry, existing: Entry, mode: VerifyMode) -> Verdict | None:
        """As `compare`, by what listings tell; None where that does not do."""
        if entry.size_bytes != existing.size_bytes:
            return Verdict(same=False, by="size", ours=f"{entry.size_bytes:,} bytes", theirs=f"{existing.size_bytes:,} bytes")
        if not entry.size_bytes and not entry.obstacle and not existing.obstacle:
            return Verdict(same=True, by="empty")
        if mode in {"sha256", "sha256-sample"}:
            return None
        same = compare_etags(entry.etag, existing.etag)
        return Verdict(same, "etag", entry.etag, existing.etag) if same else None

    def compare(self, entry: Entry, existing: Entry, mode: VerifyMode, *, ours: str | None = None) -> Verdict:
        """Whether two objects are the same, by the proof that `mode` asks for; `sha256-sample` counts as `sha256` here.

        Args:
            entry: The object at the source.
            existing: The object at the target.
            mode: How much proof.
            ours: SHA-256 (hex) of the source, where it is known already.

        Raises:
            LakehouseError, OSError: One of them cannot be looked at.
        """
        if (verdict := self.compare_listed(entry, existing, mode)) is not None:
            return verdict
        if mode in {"sha256", "sha256-sample"}:
            ours, theirs = ours or self._hash_source(entry), self._read(self._target, existing)
            return Verdict(ours == theirs, "sha256", ours, theirs)
        differ = compare_etags(entry.etag, existing.etag) is False
        if differ and self.etags_tell(entry.key, existing.key):
            return Verdict(same=False, by="etag", ours=entry.etag, theirs=existing.etag)
        if mode == "etag" and (self._source.profile is None) != (self._target.profile is None):
            return self._compare_computed(entry, existing)
        if self._source.profile is not None and self._target.profile is not None:
            recorded = self._find_record(self._source, entry), self._find_record(self._target, existing)
            if recorded[0] and recorded[1]:
                return Verdict(recorded[0] == recorded[1], "sha256", recorded[0], recorded[1])
        return Verdict(None, "size")

    def _hash_source(self, entry: Entry) -> str:
        recorded = self._find_record(self._source, entry) if self._source.profile is not None else None
        return recorded or self._read(self._source, entry)

    def _read(self, end: End, entry: Entry) -> str:
        """SHA-256 (hex) of the bytes as they are now, whatever is on record."""
        if end.profile is None:
            return hash_path(entry.key)[1]
        with self._context.client(end.profile).open_stream(end.bucket, entry.key, if_match=entry.etag or None) as stream:
            size_bytes, actual = hash_file(stream)
        self._context.count_bytes(size_bytes)
        return actual

    def _find_record(self, end: End, entry: Entry) -> str | None:
        assert end.profile is not None  # noqa: S101 (only servers keep records)
        info = self._context.client(end.profile).find_info(end.bucket, entry.key)
        return info.sha256 if info is not None and info.size_bytes == entry.size_bytes else None

    def _compare_computed(self, entry: Entry, existing: Entry) -> Verdict:
        """A local file and an object by the ETag that the file would have, had it been uploaded in the object's parts."""
        outward = self._source.profile is None
        local, remote = (entry, existing) if outward else (existing, entry)
        end = self._target if outward else self._source
        assert end.profile is not None  # noqa: S101 (one of the two is a server)
        part_bytes, _ = (
            self._context.client(end.profile).get_part_layout(end.bucket, remote.key) if "-" in remote.etag else (0, 1)
        )
        by, computed, known = "etag", compute_etag(local.key, part_bytes), remote.etag
        # Servers that encrypt put something else into the ETag, and may have the SHA-256 on record.
        if computed != known and (recorded := self._find_record(end, remote)):
            by, computed, known = "sha256", hash_path(local.key)[1], recorded
        return Verdict(computed == known, by, *((computed, known) if outward else (known, computed)))


def compute_etag(path: str, part_bytes: int) -> str:
    """The ETag that S3 gives the file at `path`: its MD5; with `part_bytes` that of an upload in such parts."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (keys and paths are strings in the copy loop)
        if not part_bytes:
            return _hash_part(file, None)[1]
        etags: list[str] = []
        while True:
            size_bytes, etag = _hash_part(file, part_bytes)
            if size_bytes or not etags:
                etags.append(etag)
            if size_bytes < part_bytes:
                return join_etags(etags)


def _hash_part(file: Readable, part_bytes: int | None) -> tuple[int, str]:
    """Size and MD5 (hex) of the next `part_bytes`, None for all that is left."""
    digest, size_bytes = hashlib.md5(usedforsecurity=False), 0
    while block := file.read(READ_BYTES if part_bytes is None else min(READ_BYTES, part_bytes - size_bytes)):
        digest.update(block)
        size_bytes += len(block)
    return size_bytes, digest.hexdigest()
