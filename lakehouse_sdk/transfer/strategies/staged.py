"""Two legs through a capped temporary folder: the traditional way between two servers."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

from lakehouse_sdk.errors import CapacityError, LakehouseError
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.transfer.context.ends import Ends
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.context.staging import StagingFolder
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.proof.hashing import hash_path
from lakehouse_sdk.transfer.runners import Direction, Leg, Outcomes, carry_files
from lakehouse_sdk.transfer.runners.protocol import find_mismatch

_SPARE_BYTES = 64 * 1024**2
"""Left free on the staging disk: a machine whose temporary disk is full to the last byte stops working elsewhere."""
_MAX_ROUND_OBJECTS = 10_000
_INSPECTORS = 16


@dataclass(slots=True)
class _Round:
    """What goes through the folder at once, and what does not fit into it at all."""

    rows: list[PlannedObject] = field(default_factory=list)
    size_bytes: int = 0
    too_large: list[Outcome] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Staged:
    """One file in the folder after a look at it; `problem` is empty where it may go on."""

    outcome: Outcome
    sha256: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    encrypted_by: str = ""

    @property
    def path(self) -> str:
        """The file."""
        return self.outcome.row.target_key


class StagedStrategy:
    """Download, hash, upload, in rounds that fit the cap; headers and metadata are carried over.

    Bytes pass this machine twice: down, then up. The folder is removed however the run ends. A file whose size or wanted
    SHA-256 is not as planned is not uploaded.

    Args:
        ends: Two S3 ends.
        context: What the run shares.
    """

    def __init__(self, ends: Ends, context: RunContext) -> None:
        self._ends = ends
        self._context = context
        self._held: PlannedObject | None = None

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Strategy.run`."""
        waiting = iter(rows)
        with StagingFolder(self._context.settings.staging_dir) as folder:
            while True:
                batch = self._next_round(waiting, folder)
                yield from batch.too_large
                if not batch.rows:
                    return
                yield from self._carry(batch.rows, folder)
                folder.clear()

    def _next_round(self, waiting: Iterator[PlannedObject], folder: StagingFolder) -> _Round:
        batch = _Round()
        cap = self._context.settings.staging_max_bytes
        room = min(cap, max(0, folder.free_bytes() - _SPARE_BYTES))
        while len(batch.rows) < _MAX_ROUND_OBJECTS:
            row, self._held = self._held or next(waiting, None), None
            if row is None:
                break
            if row.size_bytes > room:
                batch.too_large.append(Outcome(row, Status.FAILED, str(_too_large(row, cap, folder))))
                continue
            if batch.size_bytes + row.size_bytes > room:
                self._held = row
                break
            batch.rows.append(row)
            batch.size_bytes += row.size_bytes
        return batch

    def _carry(self, rows: list[PlannedObject], folder: StagingFolder) -> Outcomes:
        """One round: all its rows down, looked at, and up again."""
        originals: dict[str, PlannedObject] = {}
        ready: list[_Staged] = []
        with closing(self._download(rows, folder, originals)) as inspected:
            for staged in inspected:
                if staged.problem or staged.outcome.status is not Status.DONE:
                    yield _not_staged(originals[staged.path], staged, folder)
                else:
                    ready.append(staged)
        rested = sum(originals[staged.path].size_bytes for staged in ready)
        self._context.tally.peak_staging_bytes = max(self._context.tally.peak_staging_bytes, rested)
        yield from self._upload(ready, originals)

    def _download(
        self, rows: list[PlannedObject], folder: StagingFolder, originals: dict[str, PlannedObject]
    ) -> Generator[_Staged, None, None]:
        """Rows into numbered files, each looked at in a thread while the next ones arrive."""
        source = self._ends.source
        assert source.profile is not None  # noqa: S101 (choose_strategy stages between two servers only)
        redirected = []
        for row in rows:
            path = folder.new_path()
            originals[path] = row
            redirected.append(PlannedObject(row.relative_key, row.source_key, path, row.size_bytes, row.etag))
        walk = carry_files(Leg(Direction.DOWNLOAD, source.profile, source.bucket, passes=2), self._context, redirected)
        look = partial(self._look, originals=originals)
        with closing(walk), ThreadPoolExecutor(_INSPECTORS, thread_name_prefix="lakehouse-inspect") as pool:
            yield from map_ordered(pool, look, walk, window=4 * _INSPECTORS)

    def _upload(self, ready: list[_Staged], originals: Mapping[str, PlannedObject]) -> Outcomes:
        target = self._ends.target
        assert target.profile is not None  # noqa: S101 (choose_strategy stages between two servers only)
        headers = {originals[staged.path].target_key: staged.headers for staged in ready}
        arrived = {staged.path: staged for staged in ready}
        rows = []
        for path in arrived:
            row = originals[path]
            rows.append(PlannedObject(row.relative_key, path, row.target_key, row.size_bytes))
        leg = Leg(Direction.UPLOAD, target.profile, "", target.bucket, headers, passes=2, passed=1)
        with closing(carry_files(leg, self._context, rows)) as outcomes:
            for outcome in outcomes:
                staged = arrived[outcome.row.source_key]
                encryption = (staged.encrypted_by, outcome.encryption[1])
                yield replace(outcome, row=originals[staged.path], sha256=staged.sha256, attempts=1, encryption=encryption)

    def _look(self, outcome: Outcome, originals: Mapping[str, PlannedObject]) -> _Staged:
        """Size and SHA-256 of a staged file, and the headers of its source, which must still be as planned."""
        if outcome.status is not Status.DONE:
            return _Staged(outcome)
        row = originals[outcome.row.target_key]
        source = self._ends.source
        assert source.profile is not None  # noqa: S101 (as in _carry)
        try:
            details = self._context.client(source.profile).get_details(source.bucket, row.source_key)
            size_bytes, sha256 = hash_path(outcome.row.target_key)
        except (LakehouseError, OSError) as error:
            return _Staged(outcome, problem=str(error))
        problem = find_mismatch(row, sha256)
        if size_bytes != row.size_bytes or (row.etag and details.info.etag != row.etag):
            problem = "the source changed since it was planned"
        return _Staged(outcome, sha256, details.headers, problem, details.encryption.encrypted_by)


def _too_large(row: PlannedObject, cap: int, folder: StagingFolder) -> CapacityError:
    if row.size_bytes <= cap:
        return folder.full(row.size_bytes)
    return CapacityError(
        f"{row.size_bytes:,} bytes do not fit through the staging folder, which may hold {cap:,}.",
        hint="Raise transfer.staging_max_bytes.",
    )


def _not_staged(row: PlannedObject, staged: _Staged, folder: StagingFolder) -> Outcome:
    outcome = staged.outcome
    status = Status.CANCELLED if outcome.status in {Status.UNKNOWN, Status.CANCELLED} else Status.FAILED
    reason = staged.problem or outcome.reason
    if "no space left" in reason.lower():
        reason = str(folder.full(row.size_bytes))
    return Outcome(row, status, reason, outcome.runner, sha256=staged.sha256)
