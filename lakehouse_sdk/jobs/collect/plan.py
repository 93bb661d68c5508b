"""Discover → plan: which archives a collection brings, decided by the ledger; nothing moves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from lakehouse_sdk.archives import (
    ArchiveObject,
    ArchiveQuery,
    Cadence,
    Checksum,
    Oddity,
    Series,
    SourceConnector,
    fetch_checksums,
    select_cadence,
)
from lakehouse_sdk.archives.ledger import HELD, LedgerChange, LedgerState, Listing, Sighting
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import IntegrityError, LakehouseError
from lakehouse_sdk.events import Notice, ObjectFailed, Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.collect.bronze import bronze_key, find_in_bronze, holds
from lakehouse_sdk.jobs.collect.discover import Discovery
from lakehouse_sdk.jobs.collect.knowledge import SeriesKnowledge
from lakehouse_sdk.jobs.collect.report import CollectionPlan, PlannedArchive, Task
from lakehouse_sdk.jobs.session import Session, open_session
from lakehouse_sdk.storage import ObjectInfo
from lakehouse_sdk.transfer import PlanDriver, PlannedObject, TransferPlan
from lakehouse_sdk.uris import Address, LocalAddress, S3Address

_CHUNK = 2000
"""Archives that are compared, and whose checksums are asked for, together."""
_LOOK_BACK = {"daily": timedelta(days=35), "monthly": timedelta(days=62)}
"""How far before the newest period known an incremental run looks: sources republish their latest weeks."""


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """How a collection chooses.

    Attributes:
        cadence: As in `select_cadence`.
        incremental: True to list only what is newer than what the ledger knows of each series, less 35 days (monthly
            archives: two months); new series whole.
        audit: True to compare also what bronze itself lists with the ledger; what it lost, or holds otherwise, is brought
            again. What the source lists no longer is named, and stays in bronze.
        retry: True to try again what was quarantined before, though the source did not change it.
        restore: True to bring again what was dropped from bronze.
        spans: The times to bring archives of, by series, and no other series; None for all.
        dry_run: True to remember nothing and to ask for no checksum.
    """

    cadence: Cadence = "auto"
    incremental: bool = False
    audit: bool = False
    retry: bool = False
    restore: bool = False
    spans: Mapping[Series, Sequence[tuple[datetime, datetime]]] | None = None
    dry_run: bool = False

    def wants(self, archive: ArchiveObject) -> bool:
        """True for archives of the times that are meant."""
        if self.spans is None:
            return True
        return any(
            archive.period_start < end and archive.period_end > start for start, end in self.spans.get(archive.series, ())
        )


DEFAULT_OPTIONS = CollectOptions()


def plan_collection(
    discovery: Discovery,
    *,
    settings: Settings | Session,
    options: CollectOptions = DEFAULT_OPTIONS,
    observer: Observer = ignore_events,
) -> CollectionPlan:
    """Choose the cadence, compare with the ledger, read the checksum files of what is to be brought; nothing moves.

    What is listed is remembered in the ledger, as is what is refused; not with `dry_run`.

    Raises:
        ConfigurationError: `catalog.uri` is not set: the ledger lives there.
        ConnectError, AccessError, StorageError: Source, ledger or lake cannot be read.
    """
    with open_session(settings) as session:
        if options.incremental and not discovery.query.since:
            discovery = narrow_to_news(discovery, settings=session)
        return _Planner(discovery.source, session, options, observer).plan(discovery)


def narrow_to_news(discovery: Discovery, *, settings: Settings | Session) -> Discovery:
    """The discovery with a start for each series that the ledger knows: its newest period, less what sources republish."""
    with open_session(settings) as session:
        newest = session.ledger.newest(discovery.source, discovery.query)
    since = {(series, frequency): end - _LOOK_BACK[frequency] for (series, frequency), end in newest.items()}
    return discovery.narrowed(since=since)


class _Planner:
    """Builds one plan, some thousand archives at a time."""

    def __init__(self, source: str, session: Session, options: CollectOptions, observer: Observer) -> None:
        settings, ledger, client = session.settings, session.ledger, session.client
        self._source = source
        self._session = session
        self._settings = settings
        self._options = options
        self._ledger = ledger
        self._client = client
        self._observer = observer
        self._connector: SourceConnector = session.connector(source)
        self._first_time = ledger.count(source) == 0
        self._has_bronze = client.bucket_exists(settings.lake.bucket)
        self._planned: list[PlannedArchive] = []
        self._oddities: list[Oddity] = []
        self._addresses: dict[str, Address] = {}
        """Of the archives of one chunk that are to be copied."""
        self._refused = 0
        self._listed: set[str] = set()
        self._passed_over: dict[str, Sequence[datetime]] = {}
        self._series: set[Series] = set()

    def plan(self, discovery: Discovery) -> CollectionPlan:
        terms_url = self._connector.capabilities().terms_url
        if self._first_time and not self._options.dry_run:
            self._observer(Notice("plan", f"{self._source} states the terms of its data at {terms_url}"))
        archives = self._choose(discovery)
        first = list(islice(archives, _CHUNK))  # listing has begun: what it says comes before what the plan says
        started = time.perf_counter()
        self._observer(StageStarted("plan", self._source))
        target = S3Address(self._settings.lake.bucket, bronze_key(self._settings, self._source, ""))
        origin = self._find_origin(first)
        transfer = TransferPlan(origin or target, target, self._rows(first, archives), driver=PlanDriver(self._settings))
        self._note_listing(discovery)
        plan = CollectionPlan(
            self._source,
            terms_url,
            self._first_time,
            tuple(self._planned),
            tuple(self._oddities),
            transfer,
            self._count_requests(transfer),
            self._estimate_s(transfer),
            self._find_vanished(discovery) if self._options.audit else (),
        )
        self._observer(StageFinished("plan", time.perf_counter() - started, plan.summary, ok=not self._refused))
        return plan

    def _choose(self, discovery: Discovery) -> Iterator[ArchiveObject]:
        """The archives of the cadence; oddities are set aside."""

        def archives() -> Iterator[ArchiveObject]:
            for found in discovery:
                if isinstance(found, Oddity):
                    self._oddities.append(found)
                else:
                    if self._options.audit:
                        self._listed.add(found.key)
                    self._series.add(found.series)
                    yield found

        held = None if self._first_time else self._find_held
        unusable = self._find_unusable(discovery)
        short = None if self._first_time else SeriesKnowledge(self._session, self._source, discovery.query).find_short_days
        chosen = select_cadence(
            archives(),
            self._options.cadence,
            unusable=unusable,
            held=held,
            short=short,
            pass_over=self._passed_over.__setitem__,
            max_month_bytes=self._settings.archives.max_month_mib * 1024**2,
        )
        return filter(self._options.wants, chosen)

    def _find_held(self, series: Series) -> frozenset[str]:
        """Keys of a series that need not be collected."""
        _, market, data_type, symbol, interval = series
        query = ArchiveQuery((market,), (data_type,), symbols=(symbol,), intervals=(interval,) if interval else None)
        entries = self._ledger.entries(self._source, query, states=HELD)
        return frozenset(entry.key for entry in entries)

    def _find_unusable(self, discovery: Discovery) -> frozenset[tuple[str, str]]:
        """Monthly archives, as key and ETag, that were refused or gone: the daily ones of their months have to do."""
        refused = (LedgerState.QUARANTINED, LedgerState.ABSENT)
        entries = self._ledger.entries(discovery.source, replace(discovery.query, since={}), states=refused)
        return frozenset((entry.key, entry.etag) for entry in entries if entry.frequency == "monthly")

    def _rows(self, first: list[ArchiveObject], rest: Iterator[ArchiveObject]) -> Iterator[PlannedObject]:
        chunk = first
        while chunk:
            for item in self._decide(chunk):
                self._planned.append(item)
                if item.task is Task.COPY:
                    yield self._row(item)
            self._observer(StageProgress("plan", len(self._planned), failed_objects=self._refused))
            chunk = list(islice(rest, _CHUNK))

    def _decide(self, archives: Sequence[ArchiveObject]) -> list[PlannedArchive]:
        """What is to be done with each, in order."""
        sightings = self._ledger.compare(archives) if self._options.dry_run else self._ledger.observe(archives)
        there = self._look(sightings)
        decided = {sighting.archive.key: self._judge(sighting, there) for sighting in sightings}
        if self._options.dry_run:
            return list(decided.values())
        broken = [item for item in decided.values() if item.task is Task.FAIL]
        changes: list[LedgerChange | None] = [
            LedgerChange(i.archive.key, LedgerState.FAILED, i.reason, revision=i.revision) for i in broken
        ]
        wanted = [item.archive for item in decided.values() if item.task in {Task.COPY, Task.MAKE, Task.ADOPT}]
        changes += [self._note(decided, archive, found) for archive, found in fetch_checksums(self._connector, wanted)]
        self._ledger.record(self._source, [change for change in changes if change is not None])
        return list(decided.values())

    def _look(self, sightings: Sequence[Sighting]) -> dict[str, ObjectInfo] | None:
        """What bronze itself holds, by key, of archives about which the ledger may not know all; None where it was not asked.

        The ledger is new (bronze may be older), or a copy was begun and its end not written down, or everything is audited.
        """
        unsure = [sighting.archive for sighting in sightings if self._is_unsure(sighting)]
        if not unsure or not self._has_bronze:
            return {} if self._options.audit else None
        return find_in_bronze(self._client, self._settings, unsure)

    def _is_unsure(self, sighting: Sighting) -> bool:
        entry = sighting.entry
        if self._options.audit:
            return True
        if entry is None or sighting.change == "new":
            return self._first_time
        return not entry.in_bronze and entry.attempt > 0 and entry.state is LedgerState.DISCOVERED

    def _is_adopted(self, sighting: Sighting, there: dict[str, ObjectInfo] | None) -> bool:
        """True where bronze holds these bytes and the ledger did not know it; they became visible only when they were right."""
        archive, entry = sighting.archive, sighting.entry
        if there is None or archive.virtual or (entry is not None and entry.in_bronze):
            return False
        return self._is_unsure(sighting) and holds(there.get(archive.key), archive)

    def _judge(self, sighting: Sighting, there: dict[str, ObjectInfo] | None) -> PlannedArchive:
        archive, entry = sighting.archive, sighting.entry
        if entry is not None and entry.state is LedgerState.DROPPED and sighting.change != "republished":
            if self._options.restore:
                return self._bring(archive, "dropped before", entry.revision)
            sha256 = entry.sha256 or entry.published_sha256
            return PlannedArchive(archive, Task.LEAVE, "dropped from bronze", None, sha256, entry.revision, published=True)
        revision = 1 if entry is None else entry.revision + (self._options.dry_run and sighting.change == "republished")
        if self._is_adopted(sighting, there):
            return PlannedArchive(archive, Task.ADOPT, "in bronze, and not in the ledger", revision=revision)
        if entry is None or sighting.change in {"new", "republished"}:
            reason = "published anew" if sighting.change == "republished" else "new"
            return self._bring(archive, reason, revision)
        if entry.in_bronze:
            lost = self._options.audit and there is not None and not self._is_kept(archive, there.get(archive.key))
            if not lost:
                published = entry.state is LedgerState.PUBLISHED
                sha256 = entry.sha256 or entry.published_sha256
                return PlannedArchive(archive, Task.KEEP, "in bronze", None, sha256, revision, published)
            return self._bring(archive, "bronze does not hold it as it was collected", revision)
        if entry.state is LedgerState.QUARANTINED and not self._options.retry:
            return PlannedArchive(archive, Task.REFUSE, entry.reason, sha256=entry.published_sha256, revision=revision)
        return self._bring(archive, f"{entry.state.value} before", revision)

    def _bring(self, archive: ArchiveObject, reason: str, revision: int) -> PlannedArchive:
        try:
            address = self._connector.find_address(archive)
        except Exception as error:  # noqa: BLE001 (a connector is anybody's code, and this concerns one archive)
            broken = f"the connector {self._source!r} broke: {type(error).__name__}: {error}"
            self._refuse(archive, broken)
            return PlannedArchive(archive, Task.FAIL, broken, revision=revision)
        if address is None:
            return PlannedArchive(archive, Task.MAKE, reason, revision=revision)
        self._addresses[archive.key] = address
        return PlannedArchive(archive, Task.COPY, reason, revision=revision)

    def _is_kept(self, archive: ArchiveObject, info: ObjectInfo | None) -> bool:
        return info is not None if archive.virtual else holds(info, archive)

    def _note(
        self, decided: dict[str, PlannedArchive], archive: ArchiveObject, found: Checksum | LakehouseError | None
    ) -> LedgerChange | None:
        """Take what is published of one archive into the plan; what the ledger has to know of it."""
        item = decided[archive.key]
        if not isinstance(found, LakehouseError):
            decided[archive.key] = replace(item, checksum=found)
            return None
        contradicts = isinstance(found, IntegrityError)
        reason = f"checksum-malformed: {found}" if contradicts else str(found)
        task, state = (Task.REFUSE, LedgerState.QUARANTINED) if contradicts else (Task.FAIL, LedgerState.FAILED)
        decided[archive.key] = PlannedArchive(archive, task, reason, revision=item.revision)
        self._refuse(archive, reason)
        return LedgerChange(archive.key, state, reason, revision=item.revision)

    def _refuse(self, archive: ArchiveObject, reason: str) -> None:
        self._refused += 1
        self._observer(ObjectFailed("plan", archive.key, reason))

    def _find_origin(self, archives: Sequence[ArchiveObject]) -> Address | None:
        """The end that `transfer` reads from, None where only the connector can; all archives of a source are in one place."""
        for archive in archives:
            with suppress(Exception):  # it is asked again for each archive, which then fails by itself
                address = self._connector.find_address(archive)
                if isinstance(address, S3Address):
                    return S3Address(address.bucket, "", address.profile)
                return None if address is None else LocalAddress(Path("/"))
        return None

    def _row(self, item: PlannedArchive) -> PlannedObject:
        archive, address = item.archive, self._addresses.pop(item.archive.key)
        target = bronze_key(self._settings, self._source, archive.key)
        sha256 = item.checksum.sha256 if item.checksum else None
        if isinstance(address, S3Address):
            return PlannedObject(
                archive.key, address.key, target, archive.size_bytes, archive.etag, reason=item.reason, sha256=sha256
            )
        # A file is told from its successor by size and time; its ETag is the connector's own.
        modified, path = archive.last_modified, str(address.path)
        return PlannedObject(
            archive.key, path, target, archive.size_bytes, reason=item.reason, sha256=sha256, last_modified=modified
        )

    def _note_listing(self, discovery: Discovery) -> None:
        """Remember what was listed, so that nobody has to ask again what the source does not have.

        Not where one cadence was passed over: that its archives are not in the ledger says nothing then. With `auto` the days
        that are passed over for their month are remembered by themselves.
        """
        query, options, listed_at = discovery.query, self._options, discovery.listed_at
        if options.dry_run:
            return
        self._ledger.note_passed_over(self._source, self._passed_over)
        whole = options.cadence in {"auto", "reconcile"} and query.frequencies == ("daily", "monthly")
        if listed_at is None or query.since or not whole:
            return
        if options.spans is not None:
            for series, spans in options.spans.items():
                for first, last in spans:
                    self._ledger.note_listing([series], Listing(first, min(last, listed_at), listed_at))
            return
        asked = {
            (self._source, dataset.market, dataset.data_type, symbol, interval)
            for dataset in self._connector.capabilities().select(query)
            for symbol in query.exact_symbols() or ()
            for interval in dataset.intervals or ("",)
        }
        start, end = query.start or datetime.fromtimestamp(0, UTC), min(query.end or listed_at, listed_at)
        if start < end:
            self._ledger.note_listing(self._series | asked, Listing(start, end, listed_at))

    def _find_vanished(self, discovery: Discovery) -> tuple[str, ...]:
        """Archives that the source listed once and lists no longer; those that never came to bronze are absent from now on."""
        gone = [e for e in self._ledger.entries(self._source, discovery.query) if e.key not in self._listed]
        if not self._options.dry_run:
            lost = [entry for entry in gone if not entry.is_held and entry.state is not LedgerState.ABSENT]
            reason = "the source lists it no longer"
            self._ledger.record(self._source, [LedgerChange(entry.key, LedgerState.ABSENT, reason) for entry in lost])
        return tuple(entry.key for entry in gone)

    def _count_requests(self, transfer: TransferPlan) -> int:
        copies = transfer.forecast().s3_requests if transfer.totals.copy_objects else 0
        brought = [item.archive for item in self._planned if item.task in {Task.COPY, Task.MAKE}]
        checksums = sum(archive.checksum_key is not None for archive in brought)
        return copies + 2 * checksums + sum(archive.virtual for archive in brought)

    def _estimate_s(self, transfer: TransferPlan) -> float | None:
        last = self._ledger.last_run(self._source)
        objects = sum(item.task in {Task.COPY, Task.MAKE} for item in self._planned)
        if last is None or not objects:
            return None if objects else 0.0
        shares = [objects / last.objects]
        if last.size_bytes:
            shares.append(transfer.totals.copy_bytes / last.size_bytes)
        return last.seconds * max(shares)
