"""Archives that only their connector can read, into bronze: made, hashed, checked, and only then visible."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lakehouse_sdk.archives import ArchiveObject, MaterialisedStream, SourceConnector
from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import ConnectError, IntegrityError, LakehouseError, NotFoundError
from lakehouse_sdk.jobs.collect.bronze import bronze_key
from lakehouse_sdk.jobs.collect.report import PlannedArchive
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import CancelToken

REQUEST_LOG_SUFFIX = ".requests.jsonl"


@dataclass(frozen=True, slots=True)
class Made:
    """One archive that was read through its connector, or why it was not.

    Attributes:
        item: As planned.
        state: `verified`, `copied`, or what kept it out of bronze; None where the run was cancelled before.
        reason: Why it is not in bronze.
        sha256: SHA-256 of the bytes, hex.
        size_bytes: Their number.
    """

    item: PlannedArchive
    state: LedgerState | None
    reason: str = ""
    sha256: str | None = None
    size_bytes: int = 0


def make_archives(
    connector: SourceConnector,
    items: Iterable[PlannedArchive],
    *,
    client: S3Client,
    settings: Settings,
    cancel: CancelToken | None = None,
) -> Iterator[Made]:
    """Read archives through their connector and write them to bronze, as many at once as the source bears, in order.

    Each appears whole or not at all, after its hash was compared with the published one. Whatever a connector raises concerns
    that archive alone. In memory: one archive for each connection.
    """
    workers = connector.capabilities().max_connections

    def make(item: PlannedArchive) -> Made:
        if cancel is not None and cancel.cancelled:
            return Made(item, None, "cancelled")
        try:
            return _make(connector, item, client, settings)
        except NotFoundError as error:
            return Made(item, LedgerState.ABSENT, str(error))
        except IntegrityError as error:
            return Made(item, LedgerState.QUARANTINED, str(error))
        except LakehouseError as error:
            return Made(item, LedgerState.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 (a connector is anybody's code)
            return Made(item, LedgerState.FAILED, f"the connector {connector.name!r} broke: {type(error).__name__}: {error}")

    with ThreadPoolExecutor(workers, "make") as pool:
        yield from map_ordered(pool, make, items, window=2 * workers)


def find_problems(connector: SourceConnector, archives: Sequence[ArchiveObject]) -> list[LedgerState]:
    """What failed copies mean: `absent` where the source no longer has what it listed, else `failed`; in order.

    Asked as many at once as the source bears, and no more once it does not answer at all.
    """
    silent = threading.Event()

    def ask(archive: ArchiveObject) -> LedgerState:
        if silent.is_set():
            return LedgerState.FAILED
        try:
            connector.open(archive).close()
        except NotFoundError:
            return LedgerState.ABSENT
        except ConnectError:
            silent.set()
        except Exception:  # noqa: BLE001 (a connector is anybody's code; the copy failed, that is all there is to know)
            return LedgerState.FAILED
        return LedgerState.FAILED

    with ThreadPoolExecutor(connector.capabilities().max_connections, "find-problems") as pool:
        return list(pool.map(ask, archives))


def _make(connector: SourceConnector, item: PlannedArchive, client: S3Client, settings: Settings) -> Made:
    archive = item.archive
    with connector.open(archive) as stream:
        content = stream.read()
    sha256 = hashlib.sha256(content).hexdigest()
    if item.checksum is not None and item.checksum.sha256 != sha256:
        reason = f"checksum-mismatch: published {item.checksum.sha256}, received {sha256}"
        return Made(item, LedgerState.QUARANTINED, reason, sha256)
    key = bronze_key(settings, archive.source, archive.key)
    if isinstance(stream, MaterialisedStream):
        client.put_bytes(settings.lake.bucket, f"{key}{REQUEST_LOG_SUFFIX}", stream.request_log)
    client.put_file(settings.lake.bucket, key, content, size_bytes=len(content), sha256=sha256)
    state = LedgerState.VERIFIED if item.checksum else LedgerState.COPIED
    return Made(item, state, "", sha256, len(content))
