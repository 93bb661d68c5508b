"""Archives as rows of the ledger's tables, and back; pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from lakehouse_sdk.archives.ledger import LedgerEntry, LedgerState, Sighting
from lakehouse_sdk.archives.model import ArchiveObject

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL takes no NUL in a text, and no database half of a surrogate pair."""


def sight(archive: ArchiveObject, entry: LedgerEntry | None) -> Sighting:
    """An archive as listed now beside what was remembered of it."""
    if entry is None:
        return Sighting(archive, None, "new")
    if entry.etag != archive.etag or (entry.size_bytes != archive.size_bytes and not archive.virtual):
        return Sighting(archive, entry, "republished")
    return Sighting(archive, entry, "same" if entry.checksum_etag == archive.checksum_etag else "checksum")


def observed_row(sighting: Sighting, now: int) -> dict[str, Any]:
    """The row of an archive that is new, has new bytes, or has another checksum file, which judges it anew."""
    archive, entry = sighting.archive, sighting.entry
    fresh = entry is None or sighting.change == "republished" or not entry.is_held
    return {
        "source": archive.source,
        "market": archive.market,
        "data_type": archive.data_type,
        "symbol": archive.symbol,
        "interval": archive.interval or "",
        "frequency": archive.frequency,
        "period_start": to_seconds(archive.period_start),
        "period_end": to_seconds(archive.period_end),
        "key": archive.key,
        "etag": archive.etag,
        "size_bytes": archive.size_bytes,
        "last_modified": to_micros(archive.last_modified),
        "checksum_etag": archive.checksum_etag,
        "state": LedgerState.DISCOVERED.value if fresh or entry is None else entry.state.value,
        "reason": "",
        "published_sha256": None if fresh or entry is None else entry.published_sha256,
        "sha256": None if fresh or entry is None else entry.sha256,
        "attempt": 0 if fresh or entry is None else entry.attempt,
        "revision": 1 if entry is None else entry.revision + (sighting.change == "republished"),
        "changed_at": now,
    }


def replaced_row(entry: LedgerEntry, now: int) -> dict[str, Any]:
    """The row that remembers a revision which the source replaced; `now` in microseconds since 1970."""
    return {
        "source": entry.source,
        "key": entry.key,
        "revision": entry.revision,
        "etag": entry.etag,
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "replaced_at": now,
        "kept_key": "",
    }


def to_entry(row: RowMapping | dict[str, Any]) -> LedgerEntry:
    """The entry that a row says."""
    values: Any = row
    return LedgerEntry(
        values["source"],
        values["market"],
        values["data_type"],
        values["symbol"],
        values["interval"] or None,
        values["frequency"],
        to_day(values["period_start"]),
        to_day(values["period_end"]),
        values["key"],
        values["etag"],
        values["size_bytes"],
        to_moment(values["last_modified"]),
        values["checksum_etag"],
        LedgerState(values["state"]),
        values["reason"],
        values["published_sha256"],
        values["sha256"],
        values["attempt"],
        values["revision"],
        to_moment(values["changed_at"]),
    )


def storable(reason: str) -> str:
    """What a server or a connector said, as any database takes it."""
    return _UNSTORABLE.sub("\ufffd", reason)


def to_seconds(moment: datetime) -> int:
    """Seconds since 1970: days are kept so."""
    return int(moment.timestamp())


def to_seconds_up(moment: datetime) -> int:
    """As `to_seconds`, the next one where the moment lies between two: a day before it begins before that second too."""
    return math.ceil(moment.timestamp())


def to_day(seconds: int) -> datetime:
    """The inverse of `to_seconds`."""
    return datetime.fromtimestamp(seconds, UTC)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970: moments are kept so."""
    return round(moment.timestamp() * 1_000_000)


def to_moment(micros: int) -> datetime:
    """The inverse of `to_micros`."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
