"""Files of one's own into tables: bytes to bronze, rows checked, committed like archives.

Guarantee: idempotent by name and SHA-256; a file with other bytes replaces exactly its rows; rows in = accepted + duplicate +
quarantined for each. Memory is bounded by a few files at a time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_count, format_share, html_card, html_table
from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.session import Session, open_session
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.uris import LocalAddress, S3Address, parse_address

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, CommitReport, SourceFile, TableCatalog, TableSchema

_READERS = 4
_PREFIX = "user"


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """One file after ingestion; `rows_in` = accepted + duplicate + quarantined.

    Attributes:
        name: Its name below the path that was given; the same name with other bytes replaces its rows.
        sha256: Hash of its bytes; empty where it was not read.
        outcome: `ingested`; `unchanged` where the table has these very bytes; `unreadable`; `ignored` for a name that says
            nothing about what is in it.
        rows_in: Data lines, or rows of a Parquet file.
        rows_accepted: Rows of the table.
        rows_duplicate: Exact repetitions that were dropped.
        rows_quarantined: Rows in `silver.quarantine`, with line and rule.
        reason: Why it is unreadable or ignored; empty otherwise.
    """

    name: str
    sha256: str
    outcome: Literal["ingested", "unchanged", "unreadable", "ignored"]
    rows_in: int = 0
    rows_accepted: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    reason: str = ""


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did.

    Attributes:
        table: Full name of the table.
        files: Every file found, in the order of their names.
        commit: What was committed to which table.
        seconds: Wall time.
    """

    table: str
    files: tuple[IngestedFile, ...]
    commit: CommitReport
    seconds: float

    @property
    def unreadable(self) -> tuple[IngestedFile, ...]:
        """The files from which nothing was taken."""
        return tuple(file for file in self.files if file.outcome == "unreadable")

    @property
    def summary(self) -> str:
        """One line for a person."""
        counts = {
            name: sum(file.outcome == name for file in self.files)
            for name in ("ingested", "unchanged", "unreadable", "ignored")
        }
        rows = self.commit
        files = ", ".join(f"{format_count(count)} {name}" for name, count in counts.items() if count) or "no files"
        return (
            f"{self.table}: {files}; {format_count(rows.rows_in)} rows = {format_count(rows.rows_accepted)} accepted +"
            f" {format_count(rows.rows_duplicate)} duplicate + {format_count(rows.rows_quarantined)} quarantined;"
            f" {format_share(rows.rows_flagged, rows.rows_accepted)} flagged; {format_count(rows.rows_written)} were new"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        files = [asdict(file) for file in self.files]
        return {"table": self.table, "files": files, "commit": self.commit.to_dict(), "seconds": self.seconds}

    def _repr_html_(self) -> str:
        facts = {
            "files": len(self.files),
            "unreadable": len(self.unreadable),
            "rows new": format_count(self.commit.rows_written),
        }
        rows = [{name: value for name, value in asdict(file).items() if name != "sha256"} for file in self.files]
        return str(html_card(f"Ingested into {self.table}", facts, html_table(rows), tone="bad" if self.unreadable else "good"))


@dataclass(frozen=True, slots=True)
class _Found:
    """A file before it is read."""

    name: str
    place: Path | S3Address


def ingest_files(
    paths: str | Path | Iterable[str | Path],
    *,
    table: str,
    settings: Settings | Session,
    schema: TableSchema | Mapping[str, Any] | str | None = None,
    again: bool = False,
    observer: Observer = ignore_events,
) -> IngestReport:
    """Read files into a table of one's own; idempotent by name and SHA-256.

    Args:
        paths: Files, folders (with everything below) or prefixes: local, `lakehouse://[profile@]bucket/prefix` or `s3://…`.
        table: Full name, for example `silver.my_signals`; created when missing.
        settings: Where lake and catalogue are.
        schema: The declaration, its plain values, or the name of a preset; None for the one that the table was created with.
        again: True to judge also files anew whose bytes the table has, after a rule or threshold changed.
        observer: Told as stages `parse` and `commit`.

    Raises:
        UsageError: The declaration contradicts itself or the table's, or two files have the same name.
        NotFoundError: There is nothing at a path.
        ConnectError, AccessError: A path cannot be read, or the lake not written.
        TableError: A commit lost its race too often.
    """
    from lakehouse_sdk.tables import TableSchema, get_preset  # noqa: PLC0415 (loads Iceberg and Arrow)

    started = time.perf_counter()
    if isinstance(schema, str):
        schema = get_preset(schema)
    declared = schema if schema is None or isinstance(schema, TableSchema) else TableSchema.from_dict(schema)
    with open_session(settings) as session, ThreadPoolExecutor(_READERS, "ingest") as pool:
        settings, catalog = session.settings, session.catalog
        wanted = catalog.declare(table, declared)
        ends = _Ends(session)
        session.client.ensure_bucket(settings.lake.bucket)
        found = _find_files([paths] if isinstance(paths, str | Path) else list(paths), ends)
        observer(StageStarted("parse", f"{len(found)} files", total_objects=len(found)))
        ingestion = _Ingestion(table, wanted, settings, catalog, ends, pool, observer)
        commit = ingestion.run(found, again=again)
    files = tuple(sorted(ingestion.done, key=lambda file: file.name))
    report = IngestReport(table, files, commit, time.perf_counter() - started)
    observer(StageFinished("parse", report.seconds, report.summary, ok=not report.unreadable))
    return report


class _Ends:
    """Where files are: on this machine and on the servers of profiles."""

    def __init__(self, session: Session) -> None:
        self.client = session.client_of

    def read(self, place: Path | S3Address) -> bytes:
        """All bytes of a file."""
        if isinstance(place, Path):
            return place.read_bytes()
        return self.client(place.profile).get_bytes(place.bucket, place.key)


class _Ingestion:
    """Reads, keeps and judges the files of one call."""

    def __init__(
        self,
        table: str,
        schema: TableSchema,
        settings: Settings,
        catalog: TableCatalog,
        ends: _Ends,
        pool: ThreadPoolExecutor,
        observer: Observer,
    ) -> None:
        self._table = table
        self._schema = schema
        self._settings = settings
        self._catalog = catalog
        self._ends = ends
        self._pool = pool
        self._observer = observer
        self.done: list[IngestedFile] = []
        self._failed = 0

    def run(self, found: list[_Found], *, again: bool) -> CommitReport:
        """Commit the files that the table does not have; with `again` also those that it has, where they come out otherwise."""
        from lakehouse_sdk.tables import find_content  # noqa: PLC0415 (loads Iceberg and Arrow)

        known = [place for place in found if find_content(place.name) is not None]
        for place in found:
            if place not in known:
                self._note(IngestedFile(place.name, "", "ignored", reason="Its name does not say what is in it."))
        files = list(map_ordered(self._pool, self._identify, known, window=2 * _READERS))
        new = set(self._catalog.missing(files))
        pairs = list(zip(known, files, strict=True))
        commit = self._catalog.commit(self._read([place for place, file in pairs if file in new]))
        held = [place for place, file in pairs if file not in new]
        if again:
            return commit + self._catalog.commit(self._read(held, again=True), anew=True)
        for place, file in pairs:
            if file not in new:
                self._note(IngestedFile(place.name, file.sha256, "unchanged"))
        return commit

    def _read(self, places: list[_Found], *, again: bool = False) -> Iterator[CheckedBatch]:
        """Batches of files, each once its bytes are in bronze."""

        def judge(place: _Found) -> tuple[_Found, str, CheckedBatch | None]:
            return self._judge(place, again=again)

        for place, sha256, batch in map_ordered(self._pool, judge, places, window=2 * _READERS):
            if batch is None:
                self._note(IngestedFile(place.name, sha256, "unchanged"))
                continue
            reason = f"{batch.defect.reason}: {batch.defect.detail}" if batch.defect else ""
            counts = (batch.rows_in, batch.rows_accepted, batch.rows_duplicate, batch.rows_quarantined)
            self._note(IngestedFile(place.name, sha256, "unreadable" if reason else "ingested", *counts, reason))
            yield batch

    def _judge(self, found: _Found, *, again: bool) -> tuple[_Found, str, CheckedBatch | None]:
        from lakehouse_sdk.tables import check_file, holds, make_file  # noqa: PLC0415 (loads Iceberg and Arrow)

        data = self._ends.read(found.place)
        sha256 = hashlib.sha256(data).hexdigest()  # of these bytes: the file may have changed since it was looked at
        file = make_file(self._table, found.name, sha256)
        self._keep(file.key, data)
        batch = check_file(data, file, self._schema, self._settings.quality)
        return found, sha256, None if again and holds(self._catalog, batch) else batch

    def _identify(self, found: _Found) -> SourceFile:
        from lakehouse_sdk.tables import make_file  # noqa: PLC0415 (loads Iceberg and Arrow)

        return make_file(self._table, found.name, hashlib.sha256(self._ends.read(found.place)).hexdigest())

    def _keep(self, name: str, data: bytes) -> None:
        """The bytes in bronze; those that they replace below `_revisions`, by their ETag."""
        client, lake = self._ends.client(""), self._settings.lake
        bucket, key = lake.bucket, f"{lake.bronze_prefix}/{_PREFIX}/{name}"
        info = client.find_info(bucket, key)
        if info is not None:
            if info.size_bytes == len(data) and client.get_bytes(bucket, key) == data:
                return
            kept = f"{lake.bronze_prefix}/_revisions/{_PREFIX}/{name}.{info.etag}"
            client.copy(bucket, key, bucket, kept, if_match=info.etag)
        client.put_bytes(bucket, key, data)

    def _note(self, file: IngestedFile) -> None:
        self.done.append(file)
        if file.outcome == "unreadable":
            self._failed += 1
            self._observer(ObjectFailed("parse", file.name, file.reason))
        self._observer(StageProgress("parse", len(self.done), failed_objects=self._failed, note=file.name))


def _find_files(paths: list[str | Path], ends: _Ends) -> list[_Found]:
    """Every file at or below the paths, by name.

    Raises:
        UsageError: Two have the same name.
        NotFoundError: A path has none.
    """
    found: dict[str, _Found] = {}
    for path in paths:
        address = parse_address(path)
        some = (
            _find_local(address) if isinstance(address, LocalAddress) else _find_remote(address, ends.client(address.profile))
        )
        if not some:
            raise NotFoundError(f"There is no file at {path}.", hint="Give a file, a folder or a prefix that holds files.")
        for file in some:
            other = found.setdefault(file.name, file)
            if other.place != file.place:
                raise UsageError(
                    f"{other.place} and {file.place} are both called {file.name}.", hint="Ingest the folder above them."
                )
    return [found[name] for name in sorted(found)]


def _find_local(address: LocalAddress) -> list[_Found]:
    root = Path(address.path)
    if root.is_file():
        return [_Found(root.name, root)]
    return [_Found(file.relative_to(root).as_posix(), file) for file in sorted(root.rglob("*")) if file.is_file()]


def _find_remote(address: S3Address, client: S3Client) -> list[_Found]:
    if address.key and not address.key.endswith("/") and client.find_info(address.bucket, address.key) is not None:
        return [_Found(address.key.rpartition("/")[2], address)]
    prefix = f"{address.key.rstrip('/')}/" if address.key else ""
    return [
        _Found(info.key.removeprefix(prefix), S3Address(address.bucket, info.key, address.profile))
        for info in client.list_objects(address.bucket, prefix)
        if not info.key.endswith("/")
    ]
