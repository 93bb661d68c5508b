"""Nothing is believed until the target says it too.

One listing of the stretch of keys that were written (a request for up to a thousand of them) confirms most; what it does not
show is asked for one by one, because a server may hold an object that it does not list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile

from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.parallel import map_ordered, resolve_ordered
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.transfer.model.objects import Entry, Outcome, Status
from lakehouse_sdk.transfer.proof.etags import compare_etags
from lakehouse_sdk.transfer.proof.prover import SAMPLE_EVERY, Prover, VerifyMode

_FEW = 4
"""Up to so many objects, asking one by one takes no more requests than a listing might."""
_STRANGERS = 1000
"""Listed keys in a row that nobody wrote, after which the listing starts again at the next written one."""
_AT_ONCE = 16
_PAGE = 1000
"""Objects that one listing request shows."""
_GATHER_S = 0.2


def verify_s3(
    client: S3Client, bucket: str, outcomes: Iterable[Outcome], etags_tell: Callable[[str, str], bool]
) -> Iterator[Outcome]:
    """Outcomes of an S3 target as the target confirms them; order is kept.

    `done` becomes `failed` where the object is missing, has another size or another MD5. `unknown` becomes `done` where the
    ETag proves it, else `cancelled`. Objects whose ETag or SHA-256 the runner compared already are not asked for again.

    Args:
        client: The target's server.
        bucket: The target's bucket.
        outcomes: As the runners gave them.
        etags_tell: As `Prover.etags_tell`.
    """
    kept = list(outcomes)
    wanted = {outcome.row.target_key for outcome in kept if _needs_look(outcome)}
    found = find_all(client, bucket, sorted(wanted))
    for outcome in kept:
        key = outcome.row.target_key
        yield _judge(outcome, found.get(key), etags_tell) if key in wanted and _needs_look(outcome) else outcome


def confirm_sources(client: S3Client, bucket: str, outcomes: Iterable[Outcome]) -> Generator[Outcome, None, None]:
    """Outcomes of downloads as the source confirms them, in order, up to some listing requests behind.

    s5cmd cannot ask for the version that was planned, so a download of it is believed where the source still lists the planned
    ETag after the bytes came; else `done` becomes `failed`. Runners that asked for the version themselves said its ETag.
    """

    def confirm(batch: list[Outcome]) -> list[Outcome]:
        keys = {outcome.row.source_key for outcome in batch if _needs_source(outcome)}
        found = find_all(client, bucket, sorted(keys))
        return [
            _judge_source(outcome, found[outcome.row.source_key]) if _needs_source(outcome) else outcome for outcome in batch
        ]

    with ThreadPoolExecutor(1, thread_name_prefix="lakehouse-confirm") as pool:
        for confirmed in map_ordered(pool, confirm, _gather(outcomes), window=2):
            yield from confirmed


def prove_outcomes(prover: Prover, outcomes: Iterable[Outcome], mode: VerifyMode) -> Iterator[Outcome]:
    """Outcomes after as much proof as `mode` asks for beyond what `verify_s3` and the runners saw; order is kept.

    `done` becomes `failed`, with both values, where the bytes at the target turn out to be others. `sha256-sample` reads back
    one object of fifty, the first one included.
    """
    if mode == "auto":
        yield from outcomes
        return
    done = 0

    def needs_proof(outcome: Outcome) -> bool:
        nonlocal done
        if outcome.status is not Status.DONE:
            return False
        done += 1
        if mode == "sha256-sample":
            return done % SAMPLE_EVERY == 1
        return mode == "sha256" or not compare_etags(outcome.etag, outcome.row.etag)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lakehouse-prove") as pool:
        proofs = (pool.submit(_prove, prover, outcome, mode) if needs_proof(outcome) else outcome for outcome in outcomes)
        yield from resolve_ordered(proofs, window=4 * _AT_ONCE)


def _prove(prover: Prover, outcome: Outcome, mode: VerifyMode) -> Outcome:
    row = outcome.row
    modified = row.last_modified or datetime.fromtimestamp(0, UTC)
    entry = Entry(row.relative_key, row.source_key, row.size_bytes, row.etag, modified)
    try:
        existing = prover.look(Entry(row.relative_key, row.target_key, row.size_bytes, outcome.etag, modified))
        verdict = prover.compare(entry, existing, mode, ours=outcome.sha256 or row.sha256)
    except (LakehouseError, OSError) as error:
        return replace(outcome, status=Status.FAILED, reason=f"could not be verified: {error}")
    if verdict.same is False:
        reason = f"the target has {verdict.by} {verdict.theirs}, the source has {verdict.ours}"
        return replace(outcome, status=Status.FAILED, reason=reason)
    return outcome


def _needs_look(outcome: Outcome) -> bool:
    if outcome.status is Status.DONE:
        return not compare_etags(outcome.etag, outcome.row.etag)
    return outcome.status is Status.UNKNOWN


def _gather(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Batches that are worth a listing, and never so old that progress seems to stand still."""
    batch: list[Outcome] = []
    due_s = 0.0
    for outcome in outcomes:
        if not batch:
            due_s = time.monotonic() + _GATHER_S
        batch.append(outcome)
        if len(batch) >= _PAGE or time.monotonic() >= due_s:
            yield batch
            batch = []
    if batch:
        yield batch


def _needs_source(outcome: Outcome) -> bool:
    return outcome.status is Status.DONE and bool(outcome.row.etag) and not outcome.etag


def _judge_source(outcome: Outcome, found: ObjectInfo | LakehouseError | None) -> Outcome:
    if isinstance(found, LakehouseError):
        return replace(outcome, status=Status.FAILED, reason=f"could not be verified: {found}")
    if found is None:
        return replace(
            outcome, status=Status.FAILED, reason="the source does not have it any more: changed since it was planned"
        )
    if found.etag != outcome.row.etag:
        reason = f"the source has ETag {found.etag}, planned was {outcome.row.etag}: changed since it was planned"
        return replace(outcome, status=Status.FAILED, reason=reason)
    return replace(outcome, etag=found.etag)


def _judge(outcome: Outcome, found: ObjectInfo | LakehouseError | None, etags_tell: Callable[[str, str], bool]) -> Outcome:
    row = outcome.row
    if isinstance(found, LakehouseError):
        return replace(outcome, status=Status.FAILED, reason=f"could not be verified: {found}")
    if outcome.status is Status.UNKNOWN:
        proven = found is not None and found.size_bytes == row.size_bytes and compare_etags(found.etag, row.etag)
        return replace(outcome, status=Status.DONE, reason="") if proven else replace(outcome, status=Status.CANCELLED)
    if found is None:
        return replace(outcome, status=Status.FAILED, reason=f"{outcome.runner} said done, but the target does not have it")
    if found.size_bytes != row.size_bytes:
        reason = f"the target has {found.size_bytes:,} bytes, planned were {row.size_bytes:,}: changed since it was planned"
        return replace(outcome, status=Status.FAILED, reason=reason)
    if compare_etags(found.etag, row.etag) is False and etags_tell(row.source_key, row.target_key):
        return replace(outcome, status=Status.FAILED, reason=f"the target has MD5 {found.etag}, planned was {row.etag}")
    return outcome


def find_all(client: S3Client, bucket: str, keys: list[str]) -> dict[str, ObjectInfo | LakehouseError | None]:
    """What a server holds under sorted `keys`: None for nothing, an error where it does not say."""
    found: dict[str, ObjectInfo | LakehouseError | None] = {}
    if len(keys) > _FEW:
        try:
            found.update(_list_wanted(client, bucket, keys))
        except LakehouseError:  # whoever may write need not be allowed to list
            found.clear()
    missing = [key for key in keys if key not in found]

    def ask(key: str) -> ObjectInfo | LakehouseError | None:
        try:
            return client.find_info(bucket, key)
        except LakehouseError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found.update(zip(missing, map_ordered(pool, ask, missing, window=4 * _AT_ONCE), strict=True))
    return found


def _list_wanted(client: S3Client, bucket: str, keys: list[str]) -> Iterator[tuple[str, ObjectInfo]]:
    """What a listing shows of sorted `keys`; stretches that hold none of them are leapt over."""
    prefix = _common_prefix(keys[0], keys[-1])
    position, start_after = 0, ""
    while position < len(keys):
        strangers = 0
        for info in client.list_objects(bucket, prefix, start_after=start_after):
            while position < len(keys) and keys[position] < info.key:
                position += 1
            if position == len(keys):
                return
            if info.key == keys[position]:
                yield info.key, info
                position += 1
                strangers = 0
            else:
                strangers += 1
                if strangers == _STRANGERS:
                    break
        else:
            return
        # Keys between this start and the wanted one may still be many; then the wanted one is asked for by itself.
        start_after = max(keys[position][:-1], info.key)


def _common_prefix(first: str, last: str) -> str:
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
