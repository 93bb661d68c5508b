"""Discover → plan → copy → verify: archives of a source into bronze, each visible only when its published checksum held.

Guarantee: an archive under its key below `bronze/<source>/` has the SHA-256 that the source publishes for it (or the source
publishes none, and the report says so). Running the same call again copies only what is missing or was published anew.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Cadence, Oddity, fetch_checksums, get_connector, select_cadence
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import IntegrityError, LakehouseError, TransferError, UsageError
from lakehouse_sdk.events import ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.transfer import (
    Action,
    CancelToken,
    PlannedObject,
    Status,
    TransferPlan,
    TransferReport,
    compare_etags,
    run_transfer,
)
from lakehouse_sdk.uris import S3Address

_PROGRESS_EVERY = 50
"""Archives between two progress events: often enough for a bar, rare enough to cost nothing."""


@dataclass(frozen=True)
class Discovery:
    """What a source publishes for a query.

    Attributes:
        source: Name of the connector.
        archives: The archives, in the order of their keys.
        oddities: Keys below the same prefixes that fit no published layout; nothing is done with them.
    """

    source: str
    archives: tuple[ArchiveObject, ...]
    oddities: tuple[Oddity, ...]

    @property
    def total_bytes(self) -> int:
        """Bytes of all archives, as listed."""
        return sum(archive.size_bytes for archive in self.archives)

    def _repr_html_(self) -> str:
        series = Counter((a.market, a.data_type, a.symbol, a.interval, a.frequency) for a in self.archives)
        rows = [(*name, count) for name, count in sorted(series.items(), key=str)]
        facts = {"archives": len(self.archives), "size": format_bytes(self.total_bytes), "odd keys": len(self.oddities)}
        body = html_table(rows, ["market", "type", "symbol", "interval", "frequency", "archives"]) if rows else ""
        return html_card(f"Published by {self.source}", facts, body)


class ArchiveState(StrEnum):
    """What became of one archive on its way into bronze."""

    VERIFIED = "verified"
    """Copied in this run; its SHA-256 is the published one."""
    UNVERIFIED = "unverified"
    """Copied in this run; the source publishes no checksum for it."""
    PRESENT = "present"
    """Already in bronze with the same size and ETag; an earlier run verified it."""
    QUARANTINED = "quarantined"
    """Not in bronze: the bytes or the checksum file contradict what is published."""
    FAILED = "failed"
    """Not in bronze: the copy failed; running again may help."""


@dataclass(frozen=True, slots=True)
class CollectedArchive:
    """One archive after a collection.

    Attributes:
        archive: As discovered.
        state: What became of it.
        sha256: Published SHA-256, hex; None where none is published or it was not read (`present`).
        reason: Why it is quarantined or failed; empty otherwise.
    """

    archive: ArchiveObject
    state: ArchiveState
    sha256: str | None = None
    reason: str = ""

    @property
    def in_bronze(self) -> bool:
        """True where the archive can be read from bronze."""
        return self.state in {ArchiveState.VERIFIED, ArchiveState.UNVERIFIED, ArchiveState.PRESENT}


@dataclass(frozen=True)
class CollectionPlan:
    """What a collection would do; nothing has moved yet.

    Attributes:
        source: Name of the connector.
        selected: Archives that the cadence chose, in the order of their keys.
        checksums: Published SHA-256 by archive key, for those that will be copied.
        rejected: Archives whose checksum file is unusable, with the reason by archive key.
        transfer: The copies: archives with their wanted SHA-256, and their checksum files.
    """

    source: str
    selected: tuple[ArchiveObject, ...]
    checksums: dict[str, str] = field(repr=False)
    rejected: dict[str, str] = field(repr=False)
    transfer: TransferPlan


@dataclass(frozen=True)
class CollectReport:
    """What a collection did; `selected` archives = verified + unverified + present + quarantined + failed.

    Attributes:
        source: Name of the connector.
        archives: Every selected archive with its state, in the order of their keys.
        oddities: Keys that fit no layout.
        transfer: The copy's own report.
        seconds: Wall time from discovery to verification.
    """

    source: str
    archives: tuple[CollectedArchive, ...]
    oddities: tuple[Oddity, ...]
    transfer: TransferReport
    seconds: float

    def counts(self) -> dict[str, int]:
        """Archives by state; every state is there, also with 0."""
        counted = Counter(item.state for item in self.archives)
        return {state.value: counted[state] for state in ArchiveState}

    @property
    def in_bronze(self) -> tuple[CollectedArchive, ...]:
        """The archives that can be read from bronze now."""
        return tuple(item for item in self.archives if item.in_bronze)

    @property
    def problems(self) -> tuple[CollectedArchive, ...]:
        """The archives that are quarantined or failed."""
        return tuple(item for item in self.archives if not item.in_bronze)

    def raise_for_failures(self) -> None:
        """Turn failed or cancelled copies into an error; quarantined archives are a finding, not a failure.

        Raises:
            TransferError: Names the first failed archive and how many there are.
        """
        failed = [item for item in self.archives if item.state is ArchiveState.FAILED]
        if failed:
            raise TransferError(
                f"{len(failed)} of {len(self.archives)} archives were not copied, first {failed[0].archive.key}:"
                f" {failed[0].reason or 'cancelled'}.",
                hint="Run the same call again: what is in bronze already is skipped.",
            )

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: counts, problems, oddities and the transfer's summary."""
        return {
            "source": self.source,
            "counts": self.counts(),
            "problems": [{"key": item.archive.key, "state": item.state.value, "reason": item.reason} for item in self.problems],
            "unverified": [item.archive.key for item in self.archives if item.state is ArchiveState.UNVERIFIED],
            "oddities": [{"key": oddity.key, "reason": oddity.reason} for oddity in self.oddities],
            "transfer": self.transfer.to_dict(),
            "seconds": self.seconds,
        }

    def _repr_html_(self) -> str:
        facts = {state: format_count(count) for state, count in self.counts().items()}
        rows = [(item.archive.key, item.state.value, item.reason) for item in self.problems]
        rows += [(oddity.key, "odd key", oddity.reason) for oddity in self.oddities]
        body = html_table(rows, ["key", "state", "reason"]) if rows else ""
        return html_card(f"Collected from {self.source}", facts, body)


def bronze_key(settings: Settings, source: str, key: str) -> str:
    """The key below which an archive of `source` rests in the lake's bucket: the source's own key, mirrored."""
    return f"{settings.lake.bronze_prefix}/{source}/{key}"


def collect(
    discovery: Discovery,
    *,
    settings: Settings,
    cadence: Cadence = "auto",
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> CollectReport:
    """Bring discovered archives into bronze, verified; idempotent.

    Raises:
        ConnectError, AccessError, NotFoundError: The source or the lake's server cannot be used; nothing was copied.
    """
    started = time.perf_counter()
    plan = plan_collection(discovery, settings=settings, cadence=cadence, observer=observer)
    report = copy_archives(plan, settings=settings, observer=observer, cancel=cancel)
    return verify_archives(discovery, plan, report, seconds=time.perf_counter() - started, observer=observer)


def discover_archives(
    query: ArchiveQuery, *, settings: Settings, source: str = "binance", observer: Observer = ignore_events
) -> Discovery:
    """List what `source` publishes for `query`; reads listings only.

    Raises:
        NotFoundError: No connector of that name, or the source's bucket is gone.
        ConnectError, AccessError, StorageError: The listing cannot be had.
    """
    started = time.perf_counter()
    observer(StageStarted("discover", source))
    archives: list[ArchiveObject] = []
    oddities: list[Oddity] = []
    for found in get_connector(source, settings).discover(query):
        if isinstance(found, Oddity):
            oddities.append(found)
        else:
            archives.append(found)
            if len(archives) % _PROGRESS_EVERY == 0:
                observer(StageProgress("discover", len(archives), note=f"{len(archives)} archives, at {found.key}"))
    discovery = Discovery(source, tuple(archives), tuple(oddities))
    summary = f"{format_count(len(archives))} archives, {format_bytes(discovery.total_bytes)}, {len(oddities)} odd keys"
    observer(StageFinished("discover", time.perf_counter() - started, summary))
    return discovery


def plan_collection(
    discovery: Discovery, *, settings: Settings, cadence: Cadence = "auto", observer: Observer = ignore_events
) -> CollectionPlan:
    """Choose the cadence, compare with bronze, read the checksum files of what is to be copied; nothing moves.

    Raises:
        ConnectError, AccessError: Source or lake cannot be read.
    """
    started = time.perf_counter()
    selected = tuple(select_cadence(discovery.archives, cadence=cadence))
    observer(StageStarted("plan", f"{len(selected)} archives", total_objects=len(selected)))
    present = _list_bronze(settings, discovery.source)
    wanted = [archive for archive in selected if not _is_present(archive, present)]
    checksums, rejected = _fetch_checksums(discovery.source, wanted, settings, observer)
    rows = list(_rows(settings, discovery.source, selected, present, checksums, rejected))
    target = S3Address(settings.lake.bucket, bronze_key(settings, discovery.source, ""))
    transfer = TransferPlan.from_rows(_source_address(discovery, settings) or target, target, rows)
    plan = CollectionPlan(discovery.source, selected, checksums, rejected, transfer)
    summary = f"{len(wanted) - len(rejected)} to copy, {len(selected) - len(wanted)} already in bronze, {len(rejected)} refused"
    observer(StageFinished("plan", time.perf_counter() - started, summary, ok=not rejected))
    return plan


def copy_archives(
    plan: CollectionPlan,
    *,
    settings: Settings,
    observer: Observer = ignore_events,
    cancel: CancelToken | None = None,
) -> TransferReport:
    """Run the copies of a plan; an archive whose bytes do not have the wanted SHA-256 never becomes visible.

    Raises:
        ConnectError, AccessError, NotFoundError, CapacityError: Nothing can be copied at all.
    """
    with S3Client(settings.storage) as client:
        client.ensure_bucket(settings.lake.bucket)
    return run_transfer(plan.transfer, settings=settings, observer=observer, cancel=cancel)


def verify_archives(
    discovery: Discovery,
    plan: CollectionPlan,
    report: TransferReport,
    *,
    seconds: float,
    observer: Observer = ignore_events,
) -> CollectReport:
    """Reconcile every selected archive with its outcome: each has exactly one state, none is dropped."""
    started = time.perf_counter()
    observer(StageStarted("verify", f"{len(plan.selected)} archives", total_objects=len(plan.selected)))
    outcomes = {outcome.row.source_key: outcome for outcome in report.outcomes}
    collected = []
    for archive in plan.selected:
        outcome = outcomes.get(archive.key)
        sha256 = plan.checksums.get(archive.key)
        if archive.key in plan.rejected:
            collected.append(CollectedArchive(archive, ArchiveState.QUARANTINED, None, plan.rejected[archive.key]))
        elif outcome is None or outcome.status is Status.SKIPPED:
            collected.append(CollectedArchive(archive, ArchiveState.PRESENT))
        elif outcome.status is Status.DONE:
            state = ArchiveState.VERIFIED if sha256 else ArchiveState.UNVERIFIED
            collected.append(CollectedArchive(archive, state, sha256))
        elif sha256 and outcome.sha256 and outcome.sha256 != sha256:
            reason = f"checksum-mismatch: published {sha256}, received {outcome.sha256}"
            collected.append(CollectedArchive(archive, ArchiveState.QUARANTINED, sha256, reason))
        else:
            collected.append(CollectedArchive(archive, ArchiveState.FAILED, sha256, outcome.reason or outcome.status.value))
    result = CollectReport(discovery.source, tuple(collected), discovery.oddities, report, seconds)
    counts = result.counts()
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    ok = not counts["failed"] and not counts["quarantined"]
    observer(StageFinished("verify", time.perf_counter() - started, summary or "nothing selected", ok=ok))
    return result


def _source_address(discovery: Discovery, settings: Settings) -> S3Address | None:
    """The bucket that the archives are copied from; None where there are none.

    Raises:
        UsageError: The connector offers streams only, which no strategy of `transfer` reads.
    """
    if not discovery.archives:
        return None
    address = get_connector(discovery.source, settings).find_address(discovery.archives[0])
    if not isinstance(address, S3Address):
        raise UsageError(f"The archives of {discovery.source} have no S3 address to copy from.")
    return S3Address(address.bucket, "", address.profile)


def _list_bronze(settings: Settings, source: str) -> dict[str, ObjectInfo]:
    """What bronze holds of `source`, by the source's keys; empty when the lake's bucket is yet to be made."""
    prefix = bronze_key(settings, source, "")
    with S3Client(settings.storage) as client:
        if not client.bucket_exists(settings.lake.bucket):
            return {}
        return {info.key.removeprefix(prefix): info for info in client.list_objects(settings.lake.bucket, prefix)}


def _is_present(archive: ArchiveObject, present: dict[str, ObjectInfo]) -> bool:
    """True where bronze holds these bytes; a source that re-publishes under the same key changes size, ETag or time."""
    info = present.get(archive.key)
    if info is None or info.size_bytes != archive.size_bytes:
        return False
    same = compare_etags(archive.etag, info.etag)
    return archive.last_modified <= info.last_modified if same is None else same


def _fetch_checksums(
    source: str, archives: Sequence[ArchiveObject], settings: Settings, observer: Observer
) -> tuple[dict[str, str], dict[str, str]]:
    """Published SHA-256 by key, and by key the reason why a checksum file cannot be used."""
    checksums: dict[str, str] = {}
    rejected: dict[str, str] = {}
    connector = get_connector(source, settings)
    for done, (archive, found) in enumerate(fetch_checksums(connector, archives), 1):
        if isinstance(found, LakehouseError):
            rejected[archive.key] = f"checksum-malformed: {found}" if isinstance(found, IntegrityError) else str(found)
            observer(ObjectFailed("plan", archive.key, rejected[archive.key]))
        elif found is not None:
            checksums[archive.key] = found
        if done % _PROGRESS_EVERY == 0:
            observer(StageProgress("plan", done, failed_objects=len(rejected)))
    return checksums, rejected


def _rows(
    settings: Settings,
    source: str,
    selected: Iterable[ArchiveObject],
    present: dict[str, ObjectInfo],
    checksums: dict[str, str],
    rejected: dict[str, str],
) -> Iterator[PlannedObject]:
    """One row for each archive that is not refused, and one for each checksum file that bronze does not hold yet."""
    for archive in selected:
        if archive.key in rejected:
            continue
        target = bronze_key(settings, source, archive.key)
        action = Action.SKIP if _is_present(archive, present) else Action.COPY
        yield PlannedObject(
            archive.key,
            archive.key,
            target,
            archive.size_bytes,
            archive.etag,
            action,
            "new or published anew" if action is Action.COPY else "already in bronze",
            checksums.get(archive.key),
        )
        key = archive.checksum_key
        if key is not None and (key not in present or present[key].etag != archive.checksum_etag):
            yield PlannedObject(key, key, bronze_key(settings, source, key), archive.checksum_size_bytes, archive.checksum_etag)
